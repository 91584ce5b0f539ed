/* node/webseed_impl.h - shared by webseed.c (which servers, which rows) and webseed_get.c (requests
 * and answers) only. */
#ifndef SHOAL_NODE_WEBSEED_IMPL_H
#define SHOAL_NODE_WEBSEED_IMPL_H

#include "node/link.h"
#include "node/webseed.h"

#define WEBSEED_NO_SLOT UINT32_MAX

enum verdict {
	VERDICT_NONE, /* its head has not been looked at */
	VERDICT_GOOD,
	VERDICT_BAD, /* not what was asked for */
};

struct webseed {
	struct webseeds *all;
	char *url;
	enum addr_scope nearest;
	struct peer_ref ref; /* NO_SLOT: not in the swarm */
	bool aside;	     /* for good */
	bool bidden;	     /* `retry_ms` stays: it said that itself, or has nothing now */
	bool knows_ranges;   /* it gave a part that was asked for */
	uint32_t failures;
	uint32_t n_scraps; /* answers in a row that brought next to nothing */
	uint64_t retry_ms; /* not before */

	/* The row of blocks under way, [at, end) of the piece space. */
	uint64_t at, end;
	uint8_t *block; /* BLOCK_BYTES; of them `got` belong to the block that ends behind `at` */
	uint32_t got;
	bool starved;
	uint64_t resume_ms; /* a limit of rate, or want of room until now, holds the request until
			       then; 0: nothing does */

	/* The request under way brings up to `call_end`. */
	struct http_call *call;
	uint32_t file;
	uint64_t call_at, call_end;
	bool whole;    /* it brings the file to its end, which may be of use */
	uint64_t skip; /* of the body, what lies before `at` */
	size_t taken;  /* of a part that was not taken wholly */
	enum verdict verdict;
	const char *why; /* VERDICT_BAD */
	bool too_large;	 /* that is: of the file for one that gives it as a whole */
};

struct webseeds {
	struct transfer *t;
	struct webseed *list;
	size_t n;
	bool started, stopped;
	struct loop_timer *timer;
	uint64_t timer_ms; /* when it is due; 0: not set */
};

static inline uint64_t webseeds_now_ms(const struct webseeds *w)
{
	return loop_now_ms(w->t->node->loop);
}

static inline bool webseed_is_active(const struct webseed *s)
{
	return s->ref.slot != WEBSEED_NO_SLOT;
}

/* ---- webseed.c ---- */
/* The whole file comes: on to what is expected next of the rest of it. False: nothing is. */
bool webseed_read_on(struct webseed *s);
/* Look again at what is to be done, at that time at the latest. */
void webseeds_wake_at(struct webseeds *w, uint64_t at_ms);
void webseed_put_aside(struct webseed *s, const char *why);
void webseed_try_later(struct webseed *s, const char *why, uint32_t retry_after_s);
/* The file that it was asked for is left to others: 404 and the like. */
void webseed_lacks_file(struct webseed *s, const char *why);
/* That one, which it gives as a whole only; and, of one that never gave a part, all that are too
 * large for that: it is not asked for each to find that out. */
void webseed_lacks_large(struct webseed *s, const char *why);

/* ---- webseed_get.c ---- */
/* Go on with the row: ask for what of it lies in one file, or lay down the zeros of a pad. */
void webseed_advance(struct webseed *s);

#endif
