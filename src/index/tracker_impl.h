/* index/tracker_impl.h - how the tracker keeps its peers; private to index/tracker*.c.
 *
 *     swarms[]   one per info-hash, found by swarm_slots; lists its peers, seeds first:
 *                    places   s s s | l l l l
 *                             0       n_seeds  n
 *                so a random seed, leech or peer is a random number, not a search
 *     slabs[]    the peers, 72 bytes each, found by peer_slots under (swarm, address)
 *     queues     two, of peers in the order of their newest announce: those of shoal and the
 *                others, who are given more time; expiry looks at the heads alone
 *     hosts      how many peers a host has: two rows of counters, of which the smaller one counts
 *                (a count-min sketch). It can only be too high, and by chance alone, since the key
 * is secret */
#ifndef SHOAL_INDEX_TRACKER_IMPL_H
#define SHOAL_INDEX_TRACKER_IMPL_H

#include "base/rng.h"
#include "index/slots.h"
#include "index/tracker.h"

#define SLAB_PEERS 4096u
#define HOST_ROWS 2u
/* Places kept inside the swarm itself: most swarms of a large index are that small. */
#define SWARM_FEW 2u
#define NO_PEER SLOTS_NONE

enum { PEER_USED = 1, PEER_V6 = 2, PEER_SHOAL = 4, PEER_SEED = 8 };

/* Numbers of bytes are cut at 2^48 - 1: 256 TiB, more than any torrent we take. */
struct amount {
	uint8_t be[6];
};

struct peer {
	uint8_t id[20];
	uint32_t host; /* the four bytes of IPv4, or a place in v6[] */
	uint16_t port;
	uint8_t flags; /* PEER_* */
	struct amount left, uploaded, downloaded;
	uint32_t since, seen; /* seconds after the tracker's epoch */
	uint32_t swarm, place;
	uint32_t prev, next; /* in its queue; of unused ones `next` links the free list */
};

struct tracked_swarm {
	uint8_t info_hash[20];
	uint32_t n, n_seeds, cap;
	uint32_t downloaded;
	union {
		uint32_t few[SWARM_FEW];
		uint32_t *many; /* when cap > SWARM_FEW */
	} places;
};

struct peer_queue {
	uint32_t first, last; /* the one silent for longest, the newest */
};

struct tracker {
	struct siphash_key key;
	struct rng rng;
	uint32_t peers_max;
	bool has_epoch;
	uint64_t epoch_s;
	uint32_t now;

	struct peer **slabs;
	uint32_t n_slabs, n_peers, free_peer;
	uint8_t (*v6)[16];
	uint32_t v6_cap, v6_used;
	uint32_t *v6_free; /* a stack as deep as v6_cap */
	uint32_t n_v6_free;

	struct tracked_swarm *swarms;
	uint32_t swarms_cap, swarms_used, n_swarms, free_swarm;
	struct slots swarm_slots, peer_slots;

	struct peer_queue queues[2]; /* [1]: shoal's */
	uint32_t *host_cells;
	uint32_t host_mask;

	struct announce_peer picks[ANNOUNCE_PEERS_MAX];
};

static inline struct peer *peer_at(const struct tracker *t, uint32_t number)
{
	return &t->slabs[number / SLAB_PEERS][number % SLAB_PEERS];
}

static inline const uint32_t *swarm_places(const struct tracked_swarm *s)
{
	return s->cap > SWARM_FEW ? s->places.many : s->places.few;
}

static inline uint32_t peer_patience(const struct peer *p)
{
	return (p->flags & PEER_SHOAL) != 0 ? TRACKER_SHOAL_INTERVAL_S : TRACKER_STOCK_EXPIRY_S;
}

static inline bool peer_is_expired(const struct tracker *t, const struct peer *p)
{
	return t->now - p->seen >= peer_patience(p);
}

/* ---- tracker_store.c ---- */
int tracker_store_init(struct tracker *t);
void tracker_store_fini(struct tracker *t);

void peer_addr(const struct tracker *t, const struct peer *p, struct addr *out);
uint64_t amount_get(struct amount a);

uint32_t tracker_find_swarm(const struct tracker *t, const uint8_t info_hash[20]);
uint32_t tracker_find_peer(const struct tracker *t, uint32_t swarm, const struct addr *addr);
/* A peer that is not there yet, and its swarm if need be. Returns 0 or ERR_NOMEM. */
int tracker_add_peer(struct tracker *t, const struct announce *a, const struct addr *addr,
		     uint32_t *out);
/* Take in what it says now; it goes to the end of its queue. */
void tracker_touch_peer(struct tracker *t, uint32_t number, const struct announce *a);
/* And its swarm, when it was the last. */
void tracker_remove_peer(struct tracker *t, uint32_t number);

uint32_t tracker_host_peers(const struct tracker *t, const struct addr *addr);

#endif
