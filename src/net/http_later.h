/* net/http_later.h - a request that is answered after its handler has returned, and bodies that
 * come bit by bit, on a connection that is kept for the next request.
 *
 *     handler: http_later_take() --> later: http_later_answer()                 all at once
 *                               `-> http_later_begin() --> `more` --> http_later_give() --> ... */
#ifndef SHOAL_NET_HTTP_LATER_H
#define SHOAL_NET_HTTP_LATER_H

#include "net/http_server.h"

/* What a client has not taken yet of a body; who gives waits for `more` (attack: readers that do
 * not read). */
#define HTTP_LATER_GIVE_MAX (256u * 1024u)
/* A client that takes nothing of what lies there for so long is hung up on. A film that is paused
 * is no attack, a connection that nobody reads for ever is. */
#define HTTP_LATER_STUCK_S 600u

struct http_later;

struct http_later_events {
	/* All that was given has gone out: HTTP_LATER_GIVE_MAX may follow. NULL: never begun. */
	void (*more)(void *user);
	/* The client went away, or the server ends: it is no more. */
	void (*closed)(void *user);
};

/* From within a handler, which then leaves its reply as it is. `r` and what it points to are gone
 * when the handler returns. NULL without memory; the handler answers as ever. */
struct http_later *http_later_take(const struct http_request *r, const struct http_later_events *ev,
				   void *user);
/* The whole answer, as a handler fills it. Owns: what `reply` holds is the caller's, its body is
 * taken. It is no more. */
void http_later_answer(struct http_later *l, struct http_reply *reply);
/* Status, type and headers of `reply`, and a body of `length` bytes that follow. For HEAD, and
 * without any bytes, that was all, and it is no more: then false. `more` comes from another turn of
 * the loop. */
bool http_later_begin(struct http_later *l, const struct http_reply *reply, uint64_t length);
/* At most HTTP_LATER_GIVE_MAX, of memory; what lies beyond the length is left out. False: it is no
 * more, as that was the last byte, or memory is out and the connection was cut. */
bool http_later_give(struct http_later *l, struct bytes data);
/* The same of a file, in the page cache: sent without a copy. Owns: `fd`, closed when it is sent or
 * cut off. */
bool http_later_give_file(struct http_later *l, int fd, uint64_t at, uint32_t length);
/* The rest will not come: the connection is cut, so that the client knows. It is no more. */
void http_later_abort(struct http_later *l);

#endif
