/* node/live.h - the peer's one live session with its index, for all its torrents.
 *
 *     torrents --> joins, changes, rates --> lines --> index
 *     torrents <-- addresses <------------------------- index
 *
 * While the session is there, or about to be, nothing is announced to that index (live_covers());
 * when it cannot be had, announces go on as without it. It is always tried again: 0.1 to 1.5 s
 * after it was lost, then every 2 to 5 s, so that a restarted index has all its peers back within
 * 10 s and not all in one moment; every 4 to 6 minutes where somebody is there who knows no
 * sessions.
 *
 * When, is live_state.h's to say; what is told, live_book.h's. Here are the connection and the
 * timers. */
#ifndef SHOAL_NODE_LIVE_H
#define SHOAL_NODE_LIVE_H

#include "net/loop.h"
#include "node/live_book.h"
#include "node/reach.h"

/* Joins are written while less than this waits to be sent. */
#define LIVE_HELD_MAX (256u << 10)
/* Addresses of one answer that are believed. */
#define LIVE_PEERS_MAX 200u

struct live;

struct live_params {
	struct loop *loop;
	const char *url;   /* of the index, without final '/'; copied */
	const char *token; /* NULL or "": none; copied */
	const char *pin;   /* http_client_pin(); NULL: none; copied */
	uint8_t peer_id[20];
	uint16_t port;
	const struct reach *reach; /* knows a better one; may be NULL */
	uint64_t seed;
	/* The index at `by` sees us as `us`. May be NULL. */
	void (*seen_as)(void *user, const struct addr *by, const struct addr *us);
	/* A session is there, or there again. May be NULL. */
	void (*up)(void *user);
	void *user;
	void (*log)(void *user, const char *line);  /* for -v; may be NULL */
	void (*warn)(void *user, const char *line); /* that the index lets us in no more; or NULL */
	void *log_user;
};
/* Nobody is asked before the first torrent joins. */
int live_new(const struct live_params *p, struct live **out);
/* No torrent may be in it. */
void live_free(struct live *l);

/* Is this a URL at which its index takes announces? */
bool live_is_of(const struct live *l, const char *tracker_url);
/* Where it is, and the header that opens it; NULL: none. Borrowed. */
const char *live_url(const struct live *l);
const char *live_authorization(const struct live *l);
/* Our node of the distributed hash table is at this port: the index tells others of it, or of the
 * router's. */
void live_set_dht(struct live *l, uint16_t port);
/* Is it the session with this index, given as in live_params? */
bool live_has_url(const struct live *l, const char *url);
/* Is the torrent told of in the session, or about to be? */
bool live_covers(const struct live *l, const struct live_torrent *t);

/* Another token, which is shown when the index does not let us in with the one it has, and the
 * other way round. NULL or "": none. Copied. Returns 0 or ERR_NOMEM. */
int live_offer(struct live *l, const char *token);

/* Tell of it from now on. */
void live_join(struct live *l, struct live_torrent *t);
/* The index forgets it at once. Harmless when it never joined. */
void live_leave(struct live *l, struct live_torrent *t);
/* It may have other pieces now, or other rates. Cheap. */
void live_touch(struct live *l, struct live_torrent *t);
/* Tell what has changed now, instead of within a second. */
void live_flush(struct live *l);
/* More peers are wanted. */
void live_more(struct live *l, struct live_torrent *t);

#endif
