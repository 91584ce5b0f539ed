/* swarm/choker.h - whom to let download.
 *
 * While we download ourselves, those who give us most are served (BEP 3). When we have everything,
 * those who take fastest are served, and of them those who pass on what they get: data that a
 * free rider got from the only seed is lost to the others. A quarter of the places goes round
 * among those who wait ("optimistic unchoking"): the longest waiting first, and what a peer is
 * behind counts as time it waited.
 *
 * Being behind counts, because whoever has bad luck for a while has less to give, gets less for
 * it, and would be the last by far: among 100 equal getters the last needed 1.28 times the least
 * possible time; it needs 1.09 times with it. Who comes when the others are half way waited 16 s
 * for its first place; now some 2 s.
 *
 * Passing on counts only where others want the line. Among many with thin lines one that is fast
 * has what nobody else can take, and looks like a free rider; so whoever takes much has a place
 * beyond the others while these would leave most of the line idle. Of five fast getters among a
 * hundred of 20 kB/s the last needed up to 7.3 times the least possible time; with it mostly 2.
 *
 * Who takes nothing of what waits for him has no place while others want it: fifty that asked and
 * never read held all places, by what had filled their buffers, and kept a getter waiting for 70
 * s. It loses its place when that is noticed, not at the next round. Whoever had a place and asked
 * for nothing waits twice as long for the next one, and then twice as long again.
 *
 * A place that falls free between rounds is given away at once; rounds are only for taking
 * places away. They are shorter than BEP 3's ten seconds, as whole downloads take less than a
 * minute, and not shorter still, as each change leaves a piece half done. */
#ifndef SHOAL_SWARM_CHOKER_H
#define SHOAL_SWARM_CHOKER_H

#include "base/bytes.h"
#include "base/rng.h"

#define CHOKER_ROUND_MS 4000u
/* A peer keeps its place at least this long. */
#define CHOKER_HOLD_MS 3600u
/* An optimistically chosen one has this long to show what it gives. */
#define CHOKER_OPTIMISTIC_MS 8000u
/* Who takes what he is sent is not silent for longer, beyond a round trip and the time of two
 * blocks at the rate at which we send. When all that have places are, a seed lets others in beside
 * them (attack: many who ask and never read, and hold all places). */
#define CHOKER_SILENT_MS 200u
/* With fewer some peers are unchoked by too few, by chance; with more each hop of a piece through
 * the swarm takes longer. 8 to 10 are best with 100 getters, 16 cost 3 % more. */
#define CHOKER_SLOTS_FIRST 10u
#define CHOKER_SLOTS_MAX 64u
/* Rounds after a try with another number of places that failed. */
#define CHOKER_QUIET_ROUNDS 6u
/* A place that a newcomer was offered and did not take for so long is offered to another one. */
#define CHOKER_INVITED_MS 5000u
/* What a peer is behind, in thousandths, weighs so many thousandths of what it gives. */
#define CHOKER_BEHIND 4u
/* And so long in waiting: ten percent behind are ten seconds. Bounded, as a liar may claim to
 * have nothing. */
#define CHOKER_BEHIND_MS 100u

/* A line is idle when less than one part in so many of what it gave lately is taken. */
#define CHOKER_IDLE 4u

/* Idle turns beyond that make no difference. */
#define CHOKER_IDLE_TURNS_MAX 6u

struct choker {
	uint32_t slots;
	bool fixed;	   /* by the user */
	uint32_t before;   /* places before the try that is on, 0 none */
	uint32_t quiet;	   /* rounds until the next try */
	bool fewer;	   /* the next try is with fewer */
	uint64_t peak_bps; /* the most that all took together lately */
};

/* One peer that is interested in us. */
struct choker_peer {
	uint32_t slot;	       /* the caller's */
	uint64_t give_bps;     /* what it gives us */
	uint64_t take_bps;     /* what it takes from us */
	uint32_t behind_milli; /* of the torrent: what it has less than we, 0..1000 */
	uint32_t passes_milli; /* of what we alone gave it: what others have by now, 0..1000 */
	uint64_t since_ms;     /* unchoked since, or choked (connected) since */
	bool unchoked;
	bool stalled;	     /* takes nothing: gets what nobody else wants */
	uint32_t idle_turns; /* places in a row with which it did nothing */
	bool unchoke;	     /* out */
	uint64_t score;	     /* private to choker.c */
};

/* `slots` 0: chosen by what they take. */
void choker_init(struct choker *c, uint32_t slots);

/* Decide anew about all who are interested. Sorts `list`. */
void choker_round(struct choker *c, struct choker_peer *list, uint32_t n, bool seeding,
		  uint64_t now_ms, struct rng *rng);
/* A place is free: which of the choked ones that are not stalled gets it? Index into `list`, n:
 * none. */
uint32_t choker_next(const struct choker_peer *list, uint32_t n, bool seeding, struct rng *rng);

#endif
