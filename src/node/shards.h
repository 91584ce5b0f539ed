/* node/shards.h - the tracker in parts that share nothing, each under a lock of its own.
 *
 * An info-hash lives in shard number w mod n, w being its first four bytes: the word by which
 * net/udp.h steers datagrams, so that a thread of the UDP tracker mostly meets its own shard. Who
 * comes for another (HTTP, the page, a scrape of many hashes) takes its lock for a moment. A hold
 * has at most one lock at a time: there is no order to get wrong. */
#ifndef SHOAL_NODE_SHARDS_H
#define SHOAL_NODE_SHARDS_H

#include "index/tracker.h"

struct shards;

/* Keys and seeds are made anew. NULL: out of memory.
 * Limit: each has an n-th of TRACKER_PEERS_MAX; TRACKER_HOST_PEERS_MAX holds in each, so that a
 * host may have n times as many places in all. */
struct shards *shards_new(unsigned n);
void shards_free(struct shards *s);
unsigned shards_count(const struct shards *s);
/* The number of the shard where it lives. */
unsigned shards_of(const struct shards *s, const uint8_t info_hash[20]);

struct shard;
struct shard_hold {
	struct shards *all;
	struct shard *held; /* NULL: none */
};

/* The tracker for this info-hash, locked until the hold is used for another shard or ends. What it
 * lends is good for as long. */
struct tracker *shards_enter(struct shard_hold *h, const uint8_t info_hash[20]);
struct tracker *shards_enter_at(struct shard_hold *h, unsigned i);
/* Must follow; harmless when nothing is held. */
void shards_leave(struct shard_hold *h);

/* So often at most is a shard's tracker_tick() called in one shards_tick(): nearly ten thousand
 * peers that expired. */
#define SHARDS_TICK_PARTS 10u

/* tracker_set_sites(), tracker_tick() and tracker_counts() for all. Between two parts of a tick
 * others may have the shard. */
void shards_set_sites(struct shards *s, const struct tracker_site *sites, uint32_t n);
void shards_tick(struct shards *s, uint64_t now_s);
void shards_totals(struct shards *s, uint64_t *swarms, uint64_t *peers);

#endif
