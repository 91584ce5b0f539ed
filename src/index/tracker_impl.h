/* index/tracker_impl.h - how the tracker keeps its peers; private to index/tracker*.c.
 *
 *     table      finds swarms by info-hash: chains, by a keyed hash. It grows and shrinks by one
 *                chain at a time (linear hashing), so no call moves more than one.
 *     card       64 bytes, a cache line: a swarm of one address family. A torrent with peers of
 *                both families has two, which are twins.
 *
 *         info-hash | counts | place in the wheel | up to 2 IPv4 peers or 1 of IPv6
 *                                                 | or a pointer to a bunch
 *                                                 | or a pointer to a crowd
 *
 *     bunch      up to 126 peers, 12 bytes each (IPv6: 24), seeds first, in no other order:
 *                    s s s | l l l l
 *     crowd      a swarm of more: two sides, leeches and seeds, each a list of bunches (leaves)
 *                in the order of their addresses. So those of one host, subnet or site lie
 *                together, which costs no memory, and a list whose leaves are halved when full
 *                stays even whatever addresses strangers choose.
 *                    side     10.0.0.0..10.3.1.7 | 10.3.1.8..77.2.0.1 | 77.2.0.2.. | ...
 *     wheel      cards with peers (swarms and leaves) by the time at which the first of their
 *                peers may have expired; only those whose time has come are looked at. Hearing from
 *                a peer leaves its card where it is: it then turns out to be early, and is put
 *                in again.
 *     hosts      how many peers a host has: two rows of counters, of which the smaller one counts
 *                (a count-min sketch). It can only be too high, and by chance alone, since the key
 *                is secret
 *     clients    names of clients that peers are of; a peer has the number of one
 *
 *     tracker.c        announce, scrape, tick      tracker_crowd.c  large swarms
 *     tracker_pick.c   whom to tell of             tracker_facts.c  what is known of a peer
 *     tracker_near.c   those near the asker        tracker_wheel.c  expiry
 *     tracker_peers.c  peers in and out            tracker_cards.c  memory of cards
 *     tracker_bunch.c  bunches                     tracker_table.c  the table
 *     tracker_list.c   lists for people            tracker_check.c  invariants */
#ifndef SHOAL_INDEX_TRACKER_IMPL_H
#define SHOAL_INDEX_TRACKER_IMPL_H

#include "base/rng.h"
#include "index/tracker.h"

#define NONE UINT32_MAX

#define BUNCH_MAX 126u
/* A crowd that has become this small is a bunch again. */
#define CROWD_MIN 64u
#define SLAB_CARDS 512u
#define TABLE_SEGMENT 1024u
#define HOST_ROWS 2u
/* With two million peers a counter is too high by 120 or so, of 200,000 allowed. */
#define HOST_CELLS 16384u
/* Numbers 0 and 1 are for those that have no name or no place here. */
#define CLIENTS_MAX 256u
#define CLIENT_OTHER 0u
#define CLIENT_OTHER_SHOAL 1u
#define CLIENT_ID_LEN 12u

/* Slots of the wheel: 256 of a second each, then 256 of TRACKER_STOCK_TICK_S. */
#define WHEEL_FINE 256u
#define WHEEL_SLOTS 512u
#define SLOT_NONE WHEEL_SLOTS
/* The tracker's clock waits when expiry is so far behind: times are kept in a byte. */
#define LAG_MAX_S 120u

#define STOCK_PATIENCE_TICKS (TRACKER_STOCK_EXPIRY_S / TRACKER_STOCK_TICK_S)
_Static_assert(TRACKER_STOCK_EXPIRY_S % TRACKER_STOCK_TICK_S == 0, "patience is whole ticks");
_Static_assert(STOCK_PATIENCE_TICKS + LAG_MAX_S / TRACKER_STOCK_TICK_S + 2 < 256,
	       "the age of a peer fits a byte");

struct facts {
	uint16_t port;
	uint8_t seen; /* its last announce: shoal's in seconds, others in ticks; modulo 256 */
	uint8_t client;
	uint32_t more; /* left, since and the mark of its peer id: see tracker_facts.c */
};

struct peer4 {
	uint32_t ip;
	struct facts facts;
};

struct peer6 {
	uint8_t ip[16];
	struct facts facts;
};

enum card_kind { CARD_FREE, CARD_SWARM, CARD_LEAF };

struct crowd;

struct card {
	union {
		struct {
			uint8_t info_hash[20];
			uint32_t downloaded;
			uint32_t chain; /* the next swarm in its chain, or free card */
		} swarm;
		struct {
			uint8_t from[16]; /* a struct place: where it begins */
			uint32_t swarm;
		} leaf;
	} as;
	uint32_t prev, next; /* in its slot of the wheel */
	uint16_t slot : 10, kind : 2, is_v6 : 1, is_crowd : 1, has_twin : 1, of_seeds : 1;
	uint8_t n, n_seeds; /* of the bunch; in a leaf n_seeds is 0 */
	union {
		struct peer4 few4[2];
		struct peer6 few6[1];
		uint8_t few[24];
		uint8_t *many;
		struct crowd *crowd;
	} peers;
};
_Static_assert(sizeof(struct peer4) == 12 && sizeof(struct peer6) == 24, "no padding");
_Static_assert(sizeof(struct card) == 64, "a cache line");

/* Where an address and port come in the order of a side. */
struct place {
	uint64_t hi, lo;
};

struct side {
	struct side_leaf {
		struct place from;
		uint32_t card;
	} * leaves;
	uint32_t n, cap, n_peers;
};

struct crowd {
	struct side sides[2]; /* leeches, seeds */
};

/* A peer: in this card, at this place of its bunch. Good until a peer is added or removed. */
struct spot {
	uint32_t card, at;
};
#define NO_SPOT ((struct spot){NONE, 0})

/* Places of a bunch. */
struct places {
	uint64_t bits[2];
};

static inline bool places_has(const struct places *p, uint32_t at)
{
	return (p->bits[at / 64] >> at % 64 & 1) != 0;
}

static inline void places_add(struct places *p, uint32_t at)
{
	p->bits[at / 64] |= (uint64_t)1 << at % 64;
}

static inline uint32_t places_count(const struct places *p)
{
	return (uint32_t)(__builtin_popcountll(p->bits[0]) + __builtin_popcountll(p->bits[1]));
}

struct slab {
	struct card *cards;
	void *memory; /* NULL: none for now */
	uint32_t used, free, next_open;
};

struct client {
	uint8_t id[CLIENT_ID_LEN];
	uint32_t peers;
	bool is_shoal;
};

struct slot {
	uint32_t first, last;
};

struct tracker {
	struct siphash_key key;
	uint64_t mark_keys[3];
	struct rng rng;
	uint32_t peers_max, n_peers, n_swarms, n_torrents;
	bool has_epoch;
	uint64_t epoch_s;
	/* Seconds after the epoch: the caller's clock, ours, the first whose slot is not empty yet.
	 */
	uint32_t real, now, due;
	uint32_t tick; /* now, in stock clients' ticks */

	struct slab *slabs;
	uint32_t n_slabs, slabs_cap, open_slab;

	uint32_t **chains; /* segments of TABLE_SEGMENT */
	uint32_t n_chains, chains_cap, n_segments;

	struct slot wheel[WHEEL_SLOTS];
	struct client clients[CLIENTS_MAX];
	uint32_t *host_cells;
	struct tracker_site sites[TRACKER_SITES_MAX];
	uint32_t n_sites;

	struct announce_peer picks[ANNOUNCE_PEERS_MAX];
};

static inline struct card *card_at(const struct tracker *t, uint32_t number)
{
	return &t->slabs[number / SLAB_CARDS].cards[number % SLAB_CARDS];
}

/* ---- tracker_cards.c ---- */

/* A number, all of it zero but its kind and slot; NONE for want of memory. */
uint32_t card_new(struct tracker *t, enum card_kind kind);
void card_free(struct tracker *t, uint32_t number);
void cards_fini(struct tracker *t);

/* ---- tracker_bunch.c ---- */

static inline uint32_t peer_width(const struct card *b)
{
	return b->is_v6 ? sizeof(struct peer6) : sizeof(struct peer4);
}

/* Its peers, one after the other. */
static inline uint8_t *bunch_peers(const struct card *b)
{
	return b->n <= (b->is_v6 ? 1 : 2) ? (uint8_t *)(uintptr_t)b->peers.few : b->peers.many;
}

/* The peer at this place in it. */
static inline bool card_is_seed(const struct card *b, uint32_t at)
{
	return b->kind == CARD_LEAF ? b->of_seeds : at < b->n_seeds;
}

static inline uint8_t *bunch_at(const struct card *b, uint32_t at)
{
	return bunch_peers(b) + (size_t)at * peer_width(b);
}

static inline void peer_addr(const struct card *b, const uint8_t *peer, struct addr *out)
{
	*out = (struct addr){.v6 = b->is_v6};
	if (b->is_v6) {
		const struct peer6 *p = (const void *)peer;

		memcpy(out->ip, p->ip, sizeof(out->ip));
		out->port = p->facts.port;
	} else {
		const struct peer4 *p = (const void *)peer;

		put_be32(out->ip, p->ip);
		out->port = p->facts.port;
	}
}

static inline struct facts *facts_of(const struct card *b, uint8_t *peer)
{
	return b->is_v6 ? &((struct peer6 *)(void *)peer)->facts
			: &((struct peer4 *)(void *)peer)->facts;
}

static inline struct facts *facts_at(const struct card *b, uint32_t at)
{
	return facts_of(b, bunch_at(b, at));
}

/* Ask for the memory of all of them at once: it is needed soon. */
void bunch_prefetch(const struct card *b);
uint32_t bunch_find(const struct card *b, const struct addr *addr);
/* How many from a place on share a subnet (IPv4 /24, IPv6 /64) with this address. */
uint32_t bunch_count_subnet(const struct card *b, uint32_t from, const struct addr *addr);
/* Its place or NONE, when there is no memory. There is room below BUNCH_MAX: a caller's duty. */
uint32_t bunch_add(struct card *b, const uint8_t *peer, bool seed);
void bunch_remove(struct card *b, struct places gone);
/* Its new place. */
uint32_t bunch_set_seed(struct card *b, uint32_t at, bool seed);
/* Take n peers in one go; there are none yet. Returns 0 or ERR_NOMEM. */
int bunch_fill(struct card *b, const uint8_t *peers, uint32_t n);
void bunch_fini(struct card *b);

/* ---- tracker_crowd.c ---- */

struct place place_of(const struct tracker *t, const struct addr *addr);
/* The leaf of a side where `at` lies; it has leaves: a caller's duty. */
uint32_t side_find(const struct side *s, struct place at);
struct spot crowd_find(const struct tracker *t, const struct card *swarm, const struct addr *addr);
/* Make a swarm a crowd. Returns 0 or ERR_NOMEM. */
int crowd_begin(struct tracker *t, uint32_t swarm);
/* Returns 0 or ERR_NOMEM. */
int crowd_add(struct tracker *t, uint32_t swarm, const uint8_t *peer, bool seed, struct spot *out);
/* The leaf stays as it is: crowd_settle() must follow. */
void crowd_remove(struct tracker *t, uint32_t leaf, struct places gone);
/* A leaf has lost peers: join it to a neighbour or drop it, and the crowd when it is none now. */
void crowd_settle(struct tracker *t, uint32_t leaf);
void crowd_fini(struct card *swarm);

/* ---- tracker_facts.c ---- */

void facts_init(struct tracker *t);
/* Make facts of a newcomer, whose client counts one more now. */
struct facts facts_new(struct tracker *t, const struct announce *a, uint16_t port);
void facts_touch(struct tracker *t, struct facts *f, const struct announce *a);
void facts_forget(struct tracker *t, const struct facts *f);
/* Is it of the program that announces? */
bool facts_same_program(const struct tracker *t, const struct facts *f, const struct announce *a);
uint64_t facts_left(const struct facts *f);
uint32_t facts_since(const struct tracker *t, const struct facts *f);
uint32_t facts_seen(const struct tracker *t, const struct facts *f);
/* When it will have expired. */
uint32_t facts_due(const struct tracker *t, const struct facts *f);

static inline bool facts_is_shoal(const struct tracker *t, const struct facts *f)
{
	return t->clients[f->client].is_shoal;
}

static inline bool facts_is_expired(const struct tracker *t, const struct facts *f)
{
	return facts_is_shoal(t, f) ? (uint8_t)(t->now - f->seen) >= TRACKER_SHOAL_EXPIRY_S
				    : (uint8_t)(t->tick - f->seen) >= STOCK_PATIENCE_TICKS;
}

/* ---- tracker_wheel.c ---- */

void wheel_init(struct tracker *t);
void wheel_set_now(struct tracker *t, uint64_t now_s);
/* One of its peers is due then: now it is looked at no later. */
void wheel_sooner(struct tracker *t, uint32_t card, uint32_t due);
void wheel_remove(struct tracker *t, uint32_t card);
/* When it will be looked at. */
uint32_t wheel_due(const struct tracker *t, const struct card *b);
/* Look at those whose time has come, up to about so much work: a peer looked at is 1, one that
 * expired is 8. */
void wheel_expire(struct tracker *t, uint32_t most);
/* Look at this one now, if its time has come; it may be gone after. */
void wheel_expire_card(struct tracker *t, uint32_t card);
/* Drop a peer silent for long: the one silent for longest, but for swarms in which peers of shoal
 * and others meet. There is one: a caller's duty. */
void wheel_evict(struct tracker *t);

/* ---- tracker_table.c ---- */

uint64_t table_hash(const struct tracker *t, const uint8_t info_hash[20]);
uint32_t table_find(const struct tracker *t, uint64_t hash, const uint8_t info_hash[20], bool v6);
/* A new swarm without peers, or NONE. */
uint32_t table_add(struct tracker *t, uint64_t hash, const uint8_t info_hash[20], bool v6);
/* It has no peers: a caller's duty. */
void table_remove(struct tracker *t, uint32_t swarm);
void table_fini(struct tracker *t);

/* ---- tracker_peers.c ---- */

struct counts {
	uint32_t leeches, seeds;
};
struct counts swarm_counts(const struct card *swarm);
struct spot tracker_find_peer(const struct tracker *t, uint32_t swarm, const struct addr *addr);
/* A peer that is not there yet, and its swarm if need be. Returns 0 or ERR_NOMEM. */
int tracker_add_peer(struct tracker *t, const struct announce *a, const struct addr *addr,
		     struct spot *out);
/* Take in what it says now. Returns 0 or ERR_NOMEM, and then it is as it was. */
int tracker_touch_peer(struct tracker *t, struct spot *spot, const struct announce *a);
/* And its leaf and swarm, when it was the last. */
void tracker_remove_peer(struct tracker *t, struct spot spot);
void tracker_remove_peers(struct tracker *t, uint32_t card, struct places gone);
uint32_t swarm_of(const struct tracker *t, uint32_t card);

uint32_t tracker_host_peers(const struct tracker *t, const struct addr *addr);

/* ---- tracker_pick.c ---- */

/* Cards from which near peers were taken, and which those were. */
#define TOUCHED_MAX 16u

struct touched {
	uint32_t card;
	struct places told;
};

struct pick {
	struct tracker *t;
	const struct addr *asker, *here;
	bool for_seed, asker_is_loopback;
	uint8_t site;
	uint32_t swarm;	  /* the asker's */
	struct spot self; /* not to be told */
	uint32_t want, n;
	bool far_first; /* near ones were told of: now others, while there are any */
	struct touched touched[TOUCHED_MAX];
	uint32_t n_touched;
};

/* Fill t->picks; returns how many. */
uint32_t tracker_pick(struct tracker *t, const struct announce *a, uint32_t swarm, uint32_t twin,
		      struct spot self, const struct addr *asker, const struct addr *here);
/* Append one, unless it is of no use to the asker. */
bool pick_tell(struct pick *p, const struct card *b, uint32_t at);

/* A prime: a stride of it, modulo a smaller n, visits each of n places once. */
uint32_t pick_stride(struct tracker *t, uint32_t n);

/* ---- tracker_near.c ---- */

uint8_t near_site(const struct tracker *t, const struct addr *addr);
/* Is it in any circle around the asker? */
bool near_any(const struct pick *p, const struct card *b, const uint8_t *peer);
/* Tell of up to `most` that are near the asker. */
void near_pick(struct pick *p, uint32_t most);

#endif
