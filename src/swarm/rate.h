/* swarm/rate.h - bytes a second, smoothed. */
#ifndef SHOAL_SWARM_RATE_H
#define SHOAL_SWARM_RATE_H

#include "base/bytes.h"

/* What came before this long ago counts for about a third. */
#define RATE_MEMORY_MS 3000u
/* Shorter spans are gathered first: clocks tick in whole milliseconds. */
#define RATE_SPAN_MS 200u

struct rate {
	uint64_t bps;	   /* folded so far */
	uint64_t fresh;	   /* bytes since `since_ms`, not folded yet */
	uint64_t since_ms; /* 0: nothing was ever counted */
	uint64_t first_ms; /* of the first bytes ever */
};

void rate_add(struct rate *r, uint64_t bytes, uint64_t now_ms);

/* Bytes a second up to now; falls slowly when nothing more comes: who gave much a while ago is
 * still told from who never did. */
uint64_t rate_bps(const struct rate *r, uint64_t now_ms);

/* After as long without a byte nothing comes any more. */
#define RATE_SILENCE_MS 10000u
/* The same for people, and to see whether anything comes at all: 0 after RATE_SILENCE_MS. */
uint64_t rate_shown_bps(const struct rate *r, uint64_t now_ms);

#endif
