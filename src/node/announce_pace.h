/* node/announce_pace.h - when a tracker may be asked again. Pure.
 *
 * Source: BEP 3 "interval", BEP 15, and "min interval", which HTTP trackers say beside it. Of a
 * torrent with two hashes the answer that asks for more patience counts. */
#ifndef SHOAL_NODE_ANNOUNCE_PACE_H
#define SHOAL_NODE_ANNOUNCE_PACE_H

#include "base/rng.h"
#include "wire/announce.h"

/* An interval from a tracker is kept within these, seconds. */
#define ANNOUNCE_INTERVAL_MIN_S 5u
#define ANNOUNCE_INTERVAL_MAX_S (2u * 3600u)
/* What HTTP trackers put up with that name no "min interval". */
#define ANNOUNCE_SOON_S 60u

struct announce_pace {
	uint64_t interval_ms;
	uint64_t least_ms; /* nor sooner when peers are wanted */
};

/* An answer, the first one of a round or another; over UDP? */
void announce_pace_take(struct announce_pace *p, const struct announce_reply *r, bool udp,
			bool first);
/* Until the next announce. */
uint64_t announce_pace_next_ms(const struct announce_pace *p, struct rng *rng);

#endif
