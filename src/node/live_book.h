/* node/live_book.h - the torrents that a peer tells its index of in a live session, and the lines
 * in which it does; docs/api.md has the grammar. Pure: lines are appended to a buffer, and whoever
 * has the connection sends them.
 *
 *     added --> QUEUED -- join --> IN -- touched --> dirty -- change, rates --.
 *                  ^               | ^----------------------------------------'
 *                  |               `-- refused, or no memory --> REFUSED: announce as ever
 *                  `------------------ the session was lost ---------'
 *
 * A torrent is told of under a number, the smallest that is free. */
#ifndef SHOAL_NODE_LIVE_BOOK_H
#define SHOAL_NODE_LIVE_BOOK_H

#include <sys/queue.h>

#include "base/addr.h"
#include "base/bitfield.h"
#include "base/buf.h"
#include "meta/metainfo.h"

/* Rates of one torrent are told so often at most. */
#define LIVE_RATES_MS 3000u
/* At least so long between two questions for more peers of one torrent. */
#define LIVE_MORE_MS 5000u
/* Lines of one turn. */
#define LIVE_LINES_BYTES_MAX (4u << 20)

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

struct live_book {
	TAILQ_HEAD(, live_torrent) all, queue, dirty;
	struct live_torrent **by_number;
	uint32_t cap_numbers, free_from; /* no number below is free */
};

void live_book_init(struct live_book *b);
/* No torrent may be in it. */
void live_book_fini(struct live_book *b);

void live_book_add(struct live_book *b, struct live_torrent *t);
/* Out of it; that it left is told if the index knows of it. Harmless when it was never added. */
void live_book_remove(struct live_book *b, struct live_torrent *t, struct buf *out);
/* Take the first of the queue in. NULL: none waits. It is IN, and its join in `out`; or, without
 * memory, REFUSED, and `out` as it was. */
struct live_torrent *live_book_join(struct live_book *b, uint64_t now_ms, struct buf *out);
/* The index does not take it. */
void live_book_refuse(struct live_book *b, struct live_torrent *t);
/* The session was lost: all are to be told of again in the next one. */
void live_book_requeue(struct live_book *b);

/* It may have other pieces now, or other rates. Cheap. */
void live_book_touch(struct live_book *b, struct live_torrent *t);
/* What has changed, but little more than `room` bytes of it: the rest the next time. */
void live_book_changes(struct live_book *b, uint64_t now_ms, size_t room, struct buf *out);
/* More peers are wanted; not asked for again and again. */
void live_book_more(struct live_torrent *t, uint64_t now_ms, struct buf *out);
/* NULL: no torrent has the number. */
struct live_torrent *live_book_at(const struct live_book *b, uint64_t number);

/* ---- live_map.c: what is told of maps ------------------------------------------------- */

/* Append the lines of a join. On success all of `have` counts as told; on error nothing does, and
 * `out` is as it was. */
int live_map_join(struct live_torrent *t, const struct live_view *v, struct buf *out);
/* Append the lines that tell what changed, if anything did. The same on error. */
int live_map_change(struct live_torrent *t, const struct live_view *v, struct buf *out);

#endif
