/* node/live.h - the peer's one live session with its index, for all its torrents.
 *
 *     torrents --> joins, changes, rates --> lines --> index
 *     torrents <-- addresses <------------------------- index
 *
 * While the session is there, or about to be, nothing is announced to that index (live_covers());
 * when it cannot be had, announces go on as without it. It is always tried again: 0.1 to 1.5 s
 * after it was lost, then every 2 to 5 s, so that a restarted index has all its peers back within
 * 10 s and not all in one moment; every 4 to 6 minutes where the index knows no sessions. */
#ifndef SHOAL_NODE_LIVE_H
#define SHOAL_NODE_LIVE_H

#include <sys/queue.h>

#include "base/addr.h"
#include "base/bitfield.h"
#include "meta/metainfo.h"
#include "net/loop.h"
#include "node/reach.h"

/* No word of the index for so long: the session is lost. It answers each beat. */
#define LIVE_SILENCE_MS 8000u
/* How long announces wait for a session that is being made. */
#define LIVE_GRACE_MS 2000u
/* Changes are told once a second, rates less often. */
#define LIVE_TICK_MS 1000u
#define LIVE_RATES_MS 3000u
/* At least so long between two questions for more peers of one torrent. */
#define LIVE_MORE_MS 5000u
/* Joins are written while less than this waits to be sent. */
#define LIVE_HELD_MAX (256u << 10)
/* Addresses of one answer that are believed. */
#define LIVE_PEERS_MAX 200u

struct live;

/* What to say of a torrent now. */
struct live_view {
	const struct bitfield *have; /* borrowed */
	uint64_t left, down_bps, up_bps;
};

/* A torrent in the session; lives in its transfer. Zeroed is a good start. */
struct live_torrent {
	const struct metainfo *meta; /* borrowed */
	void (*view)(void *user, struct live_view *out);
	/* Addresses from the index, of which the first `complete` have everything, as it says;
	 * `answer`: to our join or question. */
	void (*found)(void *user, const struct addr *list, size_t n, size_t complete, bool answer);
	/* The index brings us together with these, who are told the same (BEP 55). */
	void (*punch)(void *user, const struct addr *list, size_t n);
	/* The session does not cover it any more: announce as ever. */
	void (*uncovered)(void *user);
	void *user;
	/* private */
	enum { LIVE_NONE, LIVE_QUEUED, LIVE_IN, LIVE_REFUSED } state;
	bool asked, dirty;
	uint32_t number;
	struct bitfield told; /* without bits: `told_n` is none or all */
	uint32_t told_n;
	uint32_t told_down, told_up;
	uint64_t rates_ms, more_ms;
	TAILQ_ENTRY(live_torrent) of_all, of_queue, of_dirty;
};

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
/* Our node of the distributed hash table is at this port: the index tells others of it. */
void live_set_dht(struct live *l, uint16_t port);
/* Is it the session with this index, given as in live_params? */
bool live_has_url(const struct live *l, const char *url);
/* Is the torrent told of in the session, or about to be? */
bool live_covers(const struct live *l, const struct live_torrent *t);

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

/* ---- live_map.c: what is told of maps ------------------------------------------------- */

struct buf;
/* Append the lines of a join. On success all of `have` counts as told; on error nothing does, and
 * `out` is as it was. */
int live_map_join(struct live_torrent *t, const struct live_view *v, struct buf *out);
/* Append the lines that tell what changed, if anything did. The same on error. */
int live_map_change(struct live_torrent *t, const struct live_view *v, struct buf *out);

#endif
