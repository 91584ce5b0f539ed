#include "swarm/rate.h"

/* An exponential average that takes its weight from the age of the measurement: while young it
 * is a plain mean, so that a connection's first second is not drawn down by the silence before. */
static uint64_t fold(const struct rate *r, uint64_t span)
{
	uint64_t age = r->since_ms - r->first_ms;
	uint64_t memory = age < RATE_MEMORY_MS ? age : RATE_MEMORY_MS;
	uint64_t sample;

	if (span == 0)
		span = 1;
	if (span > 100 * RATE_MEMORY_MS)
		return r->fresh * 1000 / span;
	sample = r->fresh * 1000 / span;
	return (r->bps * memory + sample * span) / (memory + span);
}

void rate_add(struct rate *r, uint64_t bytes, uint64_t now_ms)
{
	if (r->since_ms == 0) {
		r->since_ms = now_ms == 0 ? 1 : now_ms;
		r->first_ms = r->since_ms;
	}
	if (now_ms > r->since_ms && now_ms - r->since_ms >= RATE_SPAN_MS) {
		r->bps = fold(r, now_ms - r->since_ms);
		r->fresh = 0;
		r->since_ms = now_ms;
	}
	r->fresh += bytes;
}

uint64_t rate_bps(const struct rate *r, uint64_t now_ms)
{
	uint64_t span = now_ms > r->since_ms ? now_ms - r->since_ms : 0;

	if (r->since_ms == 0)
		return 0;
	if (span < RATE_SPAN_MS) {
		/* Too short to measure by itself; before the first fold it is all there is. */
		return r->first_ms == r->since_ms ? r->fresh * 1000 / RATE_SPAN_MS : r->bps;
	}
	return fold(r, span);
}

uint64_t rate_shown_bps(const struct rate *r, uint64_t now_ms)
{
	uint64_t span = now_ms > r->since_ms ? now_ms - r->since_ms : 0;

	if (r->since_ms == 0 || span >= RATE_SILENCE_MS)
		return 0;
	if (span <= RATE_MEMORY_MS)
		return rate_bps(r, now_ms);
	return fold(r, RATE_MEMORY_MS) * (RATE_SILENCE_MS - span) /
	       (RATE_SILENCE_MS - RATE_MEMORY_MS);
}
