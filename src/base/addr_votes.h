/* base/addr_votes.h - what strangers say our address is, and whether they agree.
 *
 * The newest word of each provider's network counts, so that many liars in one network are one
 * (attack: being told an address that is not ours). Words about addresses that are not reached
 * from everywhere, or from there, say nothing about how the world sees us. */
#ifndef SHOAL_BASE_ADDR_VOTES_H
#define SHOAL_BASE_ADDR_VOTES_H

#include "base/addr.h"

/* Votes kept of one family; the oldest give way (attack: votes without end). */
#define ADDR_VOTES_MAX 24u

/* One family's. Zeroed is a good start. Ports are kept, and do not count. */
struct addr_votes {
	struct addr seen[ADDR_VOTES_MAX], by[ADDR_VOTES_MAX];
	uint32_t n, at;
};

/* `voter` sees us as `seen`. False: that does not count. */
bool addr_votes_add(struct addr_votes *v, const struct addr *voter, const struct addr *seen);
/* Do at least `needed` say that it is this one, and more than half of all? */
bool addr_votes_agree(const struct addr_votes *v, const struct addr *seen, uint32_t needed);

#endif
