/* net/http_server_impl.h - what http_server.c, http_request.c, http_room.c, http_lane.c,
 * http_later.c and http_stream.c share; private to them. */
#ifndef SHOAL_NET_HTTP_SERVER_IMPL_H
#define SHOAL_NET_HTTP_SERVER_IMPL_H

#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>

/* Behind libevent's, some of which take TAILQ_ENTRY away again. */
#include <sys/queue.h>

#include "base/siphash.h"
#include "net/http_server.h"

/* Hosts (an IPv4 address, an IPv6 /64) are told apart by so many cells. Two that share one count as
 * one. */
#define HTTP_HOST_CELLS 1024u
/* A body may be so long. */
#define HTTP_REPLY_BYTES_MAX ((size_t)1 << 30)

enum phase {
	PHASE_RECEIVING, /* from the first byte of a request, or the accept */
	PHASE_SENDING,
	PHASE_IDLE,
	PHASE_LATER,  /* answered later, or bit by bit: http_later.c */
	PHASE_STREAM, /* taken over: http_stream.c */
};

/* What we know of one of evhttp's connections. evhttp times only silence and counts nothing,
 * so the deadlines and totals are kept here, by watching its buffers. */
struct conn {
	LIST_ENTRY(conn) link;
	TAILQ_ENTRY(conn) by_silence; /* while it asks nothing: `is_silent` */
	struct http_server *server;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* once adopted */
	struct http_stream *stream;	 /* NULL: an ordinary connection */
	struct http_later *later;	 /* NULL: none is under way */
	bool taken;			 /* by http_later.c, within the handler that runs */
	bool is_silent;
	struct evbuffer_cb_entry *in_cb, *out_cb;
	int fd;		      /* -1 until adopted */
	uint16_t host, asker; /* cells: of its other end; of whom a proxy there asks for */
	enum phase phase;
	uint64_t since_ms; /* STREAM, LATER: that its output moved, or was empty */
	uint64_t heard_ms; /* RECEIVING: when its newest byte came */
	uint64_t moved;	   /* bytes of this phase */
	uint64_t in_held, out_held;
	struct {
		bufferevent_data_cb read, write;
		bufferevent_event_cb event;
	} evhttp; /* its callbacks, while http_lane.c has put its own there */
};
LIST_HEAD(conns, conn);

struct http_server {
	struct loop *loop;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct evconnlistener *listener; /* NULL: no more */
	struct tls *tls;		 /* NULL: plain HTTP */
	const struct proxies *proxies;	 /* NULL: none is trusted */
	struct event adopt, reap, mark;
	struct loop_timer *sweep, *resume;
	http_handler *handle;
	void *user;
	struct conns fresh, adopted;	    /* the newest first */
	TAILQ_HEAD(, conn) silent;	    /* the longest silent first */
	unsigned n_conns, n_streams;	    /* streams are not among the former */
	unsigned conns_max;		    /* HTTP_CONNECTIONS_MAX, less in tests */
	uint16_t conns_of[HTTP_HOST_CELLS]; /* of the adopted ones */
	struct buf lane_head, lane_body;    /* memory for answers of http_lane.c */
	int64_t date_s;			    /* what `date` says */
	char date[48];
	struct conn **by_fd;
	size_t n_fds;
	struct siphash_key host_key;
	uint64_t in_held, out_held, held_max; /* HTTP_HELD_BYTES_MAX, less in tests */
	struct loop_timer *last_call;
	void (*drained)(void *user); /* NULL: not asked to stop */
	void *drained_user;
};

/* Who is it that asks? NULL: one that was accepted without our watching. */
struct conn *http_server_conn(struct http_server *s, struct evhttp_connection *evcon);
/* From here on it counts as a stream. */
void http_server_count_stream(struct conn *c);

/* All that it asked is answered. */
void http_server_idle(struct conn *c);

/* The header with its CR LF, rendered once a second. Borrowed until the next call. */
const char *http_server_date(struct http_server *s);

void http_server_enter(struct conn *c, enum phase phase);
void http_server_hang_up(const struct conn *c);

/* It cannot end its line, and begin another. */
static inline bool http_header_is_clean(const char *s)
{
	return strpbrk(s, "\r\n") == NULL;
}

/* ---- http_request.c ---- */

/* evhttp has read one; `arg`: the server. */
void http_server_on_request(struct evhttp_request *req, void *arg);
/* Whose connection it is. */
bool http_server_via(struct evhttp_connection *evcon, struct addr *out);
/* Fills in whose connection it is, and to which address of ours. */
bool http_server_addrs(struct evhttp_connection *evcon, struct http_request *r);
/* Is it a proxy that asks for others? */
bool http_server_is_proxied(const struct http_server *s, const struct http_request *r);
/* Headers that a reply has, and that each has. False: they cannot be sent. */
bool http_server_put_headers(struct evhttp_request *req, const struct http_reply *reply);
/* The answer, whole; takes the body's memory. */
void http_server_reply(struct evhttp_request *req, struct http_reply *reply);

/* ---- http_room.c ---- */

uint16_t http_room_cell(const struct http_server *s, const struct addr *a);
/* Ends connections until no more is held than may be; never `spared`, which may be NULL. From where
 * the frames above have no other in their hands. */
void http_room_make(struct http_server *s, const struct conn *spared);
/* It asks nothing, from now on; or it does. */
void http_room_set_silent(struct conn *c, bool silent);
/* The same for one connection too many: ends the one that is silent for longest. False: none is. */
bool http_room_spare_silent(struct http_server *s);
/* `newest` is one too many: one that is silent makes way, else one of a host that has more than
 * twice as many. False: none does. */
bool http_room_admit(struct http_server *s, const struct conn *newest);

/* ---- http_later.c ---- */

bool http_later_lags(const struct conn *c, uint64_t now_ms);
/* Its connection is gone, and it with it. */
void http_later_gone(struct conn *c);

/* ---- http_lane.c ---- */

/* A new connection without TLS. It may be gone after this. */
void http_lane_begin(struct conn *c);
/* One too many: it is told so, if it can be told without TLS, and is gone after this. */
void http_lane_refuse(struct conn *c);

/* ---- http_stream.c ---- */

/* May it go on? Called about every second. */
bool http_stream_lags(const struct conn *c, uint64_t now_ms);
/* Its connection is gone, and it with it. */
void http_stream_free(struct conn *c);
/* Frees the connections whose streams have ended. */
void http_stream_reap(struct http_server *s);

#endif
