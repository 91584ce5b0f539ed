/* net/http_server.h - a small HTTP/1.1 server on the loop, over libevent's evhttp. */
#ifndef SHOAL_NET_HTTP_SERVER_H
#define SHOAL_NET_HTTP_SERVER_H

#include "base/addr.h"
#include "base/buf.h"
#include "net/loop.h"
#include "net/tls.h"
#include "wire/forwarded.h"

/* Limits, each against a client that wants to be held at our cost (O-28..O-30). */
#define HTTP_HEADERS_MAX 16384u	  /* request line and headers */
#define HTTP_BODY_MAX (96u << 20) /* a .torrent of META_BYTES_MAX as base64 */
#define HTTP_IDLE_S 30		  /* silence between two requests, or within one */
/* Beyond it one that is silent, or of a host that has far more, makes way for a new one; if there
 * is none, that is refused with 503. */
#define HTTP_CONNECTIONS_MAX 10240u
/* A request must be whole, and its answer taken, after this long plus the time that its
 * bytes take at this rate: one byte every ten seconds is hung up on, a slow line is not. */
#define HTTP_REQUEST_S 10
#define HTTP_ANSWER_S 30
#define HTTP_SLOWEST_BPS 16384u
/* Of all connections together: unfinished requests, answers not taken yet. Beyond it connections of
 * the host for which most is held are hung up on. */
#define HTTP_HELD_BYTES_MAX (512u << 20)

struct http_server;

struct http_request {
	const char *method; /* "GET", "POST", "DELETE", "HEAD", ... */
	struct bytes path;  /* percent-encoding still in it, "?" and after left out */
	struct bytes query; /* behind "?", raw; empty when none */
	struct bytes body;
	struct addr via;	    /* the socket's other end */
	struct addr from;	    /* the same, or who asked the proxy that this is */
	struct addr to;		    /* and ours: the address under which the client reached us */
	bool secure;		    /* it came over TLS, to us or to a trusted proxy */
	struct bytes below;	    /* at which path a trusted proxy has us: "/shoal"; else empty */
	void *impl;		    /* private: evhttp's request, for http_request_header() */
	struct http_server *server; /* private */
};
/* A header's value or NULL; always NULL for requests that net/http_lane.c took, which are announces
 * and scrapes. Borrowed for the call. */
const char *http_request_header(const struct http_request *r, const char *name);
/* The token that "Authorization: Bearer" shows, or NULL. Borrowed for the call. */
const char *http_request_bearer(const struct http_request *r);
/* Is its body said to be application/json, with or without parameters? A page of another site
 * cannot send that without asking first, which we never allow (O-34). */
bool http_request_is_json(const struct http_request *r);
/* A query parameter, percent-decoded ('+' is a space), appended to `out`; false: absent or
 * malformed. */
bool http_request_param(const struct http_request *r, const char *name, struct buf *out);

struct http_reply {
	int status;
	const char *type;	 /* Content-Type */
	const char *headers[24]; /* name, value, name, value, ..., NULL: extra ones; names and
				    values without CR or LF (checked) */
	struct buf body;	 /* initialised by the server with no ceiling that matters */
};

/* `handle` fills `reply`, which starts as 200 with an empty body. Everything it borrows in
 * `headers` must live until it returns. Each reply gets nosniff and no-store unless `headers`
 * says otherwise. */
typedef void http_handler(void *user, const struct http_request *r, struct http_reply *reply);

/* Serve the listening socket `fd` (taken over). */
int http_server_new(struct loop *l, int fd, http_handler *handle, void *user,
		    struct http_server **out);
/* From the next connection on speak TLS, and nothing else. Borrowed until the server ends. */
void http_server_use_tls(struct http_server *s, struct tls *tls);
/* Believe these proxies who asked them (wire/forwarded.h), and by X-Forwarded-Proto whether over
 * TLS. Borrowed until the server ends. */
void http_server_trust(struct http_server *s, const struct proxies *proxies);
/* Take no more connections, and let go of those that are idle; `done` is called when what is under
 * way is answered, or after `limit_ms`. It may not free the server. */
void http_server_drain(struct http_server *s, uint32_t limit_ms, void (*done)(void *user),
		       void *user);
void http_server_free(struct http_server *s);

#endif
