/* swarm/pipeline.h - how many requests to keep outstanding at one peer.
 *
 * It starts like TCP: one more for each block that comes, so the number doubles with each round
 * trip, whatever the link: in 1 s at 1 MB/s it reaches 64, on a 2 GB/s loopback all there is.
 * When the rate has stopped growing it becomes what arrives in a round trip plus a quarter of a
 * second: enough that the other side never runs dry, little enough that a peer which stops
 * answering holds few blocks, and that pieces are whole early: in a crowd of 100 a whole second
 * costs 4 % of the time, as all that is asked of the only seed waits in queues.
 *
 * Some answer in bursts: Transmission with a limit for what it sends looks at what it was asked
 * twice a second. Of such a peer what comes in one and a half of its pauses is asked; less than
 * what it could send in one would be all that comes in the next, and so ever less.
 *
 * Blocks are counted as large as those that came last: with small files most are far below 16 KiB,
 * and a number meant for whole ones would leave a distant peer idle. */
#ifndef SHOAL_SWARM_PIPELINE_H
#define SHOAL_SWARM_PIPELINE_H

#include "base/bytes.h"

#define PIPELINE_FIRST 4u
#define PIPELINE_MIN 2u
#define PIPELINE_TARGET_MS 250u
/* Not more than this and two round trips, however fast: with 32 MiB outstanding at each of four
 * getters of one seed at memory speed it sent 1.48 copies of 512 MiB, with 8 MiB 1.06, as most of
 * what others could have given was asked of it already. */
#define PIPELINE_ENOUGH 512u
/* Taken for peers that do not say how many they queue: what the oldest clients keep. */
#define PIPELINE_REQQ_UNKNOWN 250u
/* Rates are compared over windows of this length. */
#define PIPELINE_WINDOW_MS 250u
/* Longer silence between two blocks is no burst's pause. Once a second is as slow as any client
 * looks. */
#define PIPELINE_PAUSE_MAX_MS 1500u

struct pipeline {
	uint32_t depth;
	bool growing;	    /* slow start */
	bool stalled;	    /* nothing came for too long: one at a time */
	uint64_t window_ms; /* start; 0 none yet */
	uint64_t window_bytes;
	uint32_t window_blocks;
	uint32_t block_bytes; /* of the blocks of the window before, on average */
	uint64_t window_bps;  /* of the window before */
	uint64_t block_ms;    /* when the last block came; 0 none yet */
	uint32_t pause_ms;    /* the longest between two blocks of this window */
	uint32_t before_ms;   /* and of the one before */
};

void pipeline_init(struct pipeline *p);

/* A block came. `bps`: the peer's smoothed rate; `rtt_us` 0 unknown. */
void pipeline_on_block(struct pipeline *p, uint32_t bytes, uint64_t bps, uint32_t rtt_us,
		       uint64_t now_ms);
/* Requests went unanswered for too long. */
void pipeline_on_stall(struct pipeline *p);
/* They choked us: what was learnt of the rate may no longer hold. */
void pipeline_on_choke(struct pipeline *p);

/* Requests to keep outstanding; `reqq` is what the peer announced, 0 unknown; `max` ours. */
uint32_t pipeline_depth(const struct pipeline *p, uint32_t reqq, uint32_t max);

#endif
