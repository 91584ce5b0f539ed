#include "swarm/pipeline.h"

#include "meta/metainfo.h"

void pipeline_init(struct pipeline *p)
{
	*p =
	    (struct pipeline){.depth = PIPELINE_FIRST, .growing = true, .block_bytes = BLOCK_BYTES};
}

/* Blocks that come in `us`. */
static uint64_t blocks_in(const struct pipeline *p, uint64_t bps, uint64_t us)
{
	return (bps > UINT32_MAX ? UINT32_MAX : bps) * us / 1000000u / p->block_bytes;
}

/* Beyond what a hiccup of the other side is worth, only round trips make more of use. */
static uint32_t ceiling(const struct pipeline *p, uint64_t bps, uint32_t rtt_us)
{
	uint64_t most = PIPELINE_ENOUGH + blocks_in(p, bps, 2u * (uint64_t)rtt_us);

	return most > UINT16_MAX ? UINT16_MAX : (uint32_t)most;
}

static void note_pause(struct pipeline *p, uint64_t now_ms)
{
	uint64_t pause = p->block_ms != 0 && now_ms > p->block_ms ? now_ms - p->block_ms : 0;

	if (pause > p->pause_ms && pause <= PIPELINE_PAUSE_MAX_MS)
		p->pause_ms = (uint32_t)pause;
	p->block_ms = now_ms;
}

static uint32_t target_ms(const struct pipeline *p)
{
	uint32_t pause = p->pause_ms > p->before_ms ? p->pause_ms : p->before_ms;

	return pause * 3 / 2 > PIPELINE_TARGET_MS ? pause * 3 / 2 : PIPELINE_TARGET_MS;
}

static void settle_depth(struct pipeline *p, uint64_t bps, uint32_t rtt_us)
{
	uint64_t depth = blocks_in(p, bps, target_ms(p) * 1000u + (uint64_t)rtt_us) + 1;
	uint32_t most = ceiling(p, bps, rtt_us);

	p->depth = depth > most ? most : (uint32_t)depth;
}

void pipeline_on_block(struct pipeline *p, uint32_t bytes, uint64_t bps, uint32_t rtt_us,
		       uint64_t now_ms)
{
	uint64_t span, window_bps;

	if (p->stalled)
		pipeline_init(p);
	if (p->window_ms == 0)
		p->window_ms = now_ms == 0 ? 1 : now_ms;
	note_pause(p, now_ms);
	p->window_bytes += bytes;
	p->window_blocks++;
	if (p->growing && (p->depth < PIPELINE_ENOUGH || p->depth < ceiling(p, bps, rtt_us)))
		p->depth++;
	span = now_ms > p->window_ms ? now_ms - p->window_ms : 0;
	if (span < PIPELINE_WINDOW_MS)
		return;
	window_bps = p->window_bytes * 1000 / span;
	/* A tenth more than before still counts as growth. */
	if (p->growing && window_bps * 10 < p->window_bps * 11)
		p->growing = false;
	p->window_bps = window_bps;
	p->block_bytes = (uint32_t)(p->window_bytes / p->window_blocks);
	p->window_bytes = 0;
	p->window_blocks = 0;
	p->window_ms = now_ms;
	if (!p->growing)
		settle_depth(p, bps > window_bps ? bps : window_bps, rtt_us);
	p->before_ms = p->pause_ms;
	p->pause_ms = 0;
}

void pipeline_on_stall(struct pipeline *p)
{
	p->stalled = true;
}

void pipeline_on_choke(struct pipeline *p)
{
	bool stalled = p->stalled;

	pipeline_init(p);
	p->stalled = stalled;
}

uint32_t pipeline_depth(const struct pipeline *p, uint32_t reqq, uint32_t max)
{
	uint32_t depth = p->depth < PIPELINE_MIN ? PIPELINE_MIN : p->depth;

	if (p->stalled)
		return 1;
	if (reqq == 0)
		reqq = PIPELINE_REQQ_UNKNOWN;
	if (depth > reqq)
		depth = reqq;
	return depth > max ? max : depth;
}
