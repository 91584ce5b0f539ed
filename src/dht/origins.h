/* dht/origins.h - how many of a store's places each host has taken. Pure.
 *
 * Keys are free to choose, so distance alone does not keep a store open (attack: one host fills it
 * with keys next to our id, and whatever others left there is gone). In a full store whoever has
 * more than its share makes room. While there is room nobody is limited. */
#ifndef SHOAL_DHT_ORIGINS_H
#define SHOAL_DHT_ORIGINS_H

#include "base/addr.h"
#include "base/hash_map.h"

/* A subscriber, whatever its ports, local ones included. */
struct origin {
	struct addr who;
	uint32_t n;
};

struct origins {
	struct hash_map by_who;
	uint32_t share;
};

void origins_init(struct origins *o, uint32_t share, struct siphash_key key);
/* Every place was given back before. */
void origins_fini(struct origins *o);

/* One more place for who has this address.
 * Returns NULL without memory.
 * Owns:   lasts until origins_drop() for each of its places. */
struct origin *origins_add(struct origins *o, const struct addr *from);
void origins_drop(struct origins *o, struct origin *of);

/* Of whose places one gives way to another of this address in a full store: its own, when it has
 * its share; else of who has most, when that is more than a share; NULL: of everybody's. The
 * farthest of these goes; only if it is farther than the newcomer, unless *any is set.
 * Cost:   one pass over the hosts. */
const struct origin *origins_yield(const struct origins *o, const struct addr *from, bool *any);

#endif
