/* swarm/choker.h - whom to let download.
 *
 * While we download ourselves, those who give us most are served, and some by chance, who may
 * turn out to be better (BEP 3, BEP 52 "optimistic unchoking"). When we have everything, those
 * who take fastest are served, most of all while they have little: a fast peer with few pieces
 * will pass each on to many. A quarter of the places goes round among those who wait, the
 * longest waiting first, so that everybody gets a turn and the first pieces spread wide.
 *
 * A place that falls free between rounds is given away at once; rounds are only for taking
 * places away, and only every ten seconds, as a connection needs some time to get up speed. */
#ifndef SHOAL_SWARM_CHOKER_H
#define SHOAL_SWARM_CHOKER_H

#include "base/bytes.h"
#include "base/rng.h"

#define CHOKER_ROUND_MS 10000u
/* A peer keeps its place at least this long. */
#define CHOKER_HOLD_MS 9000u
/* An optimistically chosen one has this long to show what it gives. */
#define CHOKER_OPTIMISTIC_MS 30000u
#define CHOKER_SLOTS_FIRST 8u
#define CHOKER_SLOTS_MIN 4u
#define CHOKER_SLOTS_MAX 64u

struct choker {
	uint32_t slots;
	bool fixed;	   /* by the user */
	bool tried;	   /* the last round gave out one more place, to see */
	uint32_t quiet;	   /* rounds until the next try */
	uint64_t last_bps; /* taken by all, at the last round */
};

/* One peer that is interested in us. */
struct choker_peer {
	uint32_t slot;	     /* the caller's */
	uint64_t give_bps;   /* what it gives us */
	uint64_t take_bps;   /* what it takes from us */
	uint32_t have_milli; /* how much of the torrent it has, 0..1000 */
	uint64_t since_ms;   /* unchoked since, or choked (connected) since */
	bool unchoked;
	bool unchoke;	/* out */
	uint64_t score; /* private to choker.c */
};

/* `slots` 0: chosen by what they take. */
void choker_init(struct choker *c, uint32_t slots);

/* Decide anew about all who are interested. Sorts `list`. */
void choker_round(struct choker *c, struct choker_peer *list, uint32_t n, bool seeding,
		  uint64_t now_ms, struct rng *rng);
/* A place is free: which of the choked ones gets it? Index into `list`, n: none. */
uint32_t choker_next(const struct choker_peer *list, uint32_t n, bool seeding, struct rng *rng);

#endif
