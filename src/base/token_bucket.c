#include "base/token_bucket.h"

/* Longer than any debt takes to be paid; a product with any rate fits. */
#define SPAN_MAX_MS (1u << 20)
#define BPS_MAX (UINT64_C(1) << 42)

static int64_t burst(const struct token_bucket *b)
{
	/* One byte at least, or it would never come. */
	return b->bps * TOKEN_BURST_MS > 1000 ? (int64_t)(b->bps * TOKEN_BURST_MS) : 1000;
}

static void refill(struct token_bucket *b, uint64_t now_ms)
{
	uint64_t span = now_ms > b->seen_ms ? now_ms - b->seen_ms : 0;

	if (span > SPAN_MAX_MS)
		span = SPAN_MAX_MS;
	b->seen_ms = now_ms;
	b->micro += (int64_t)(b->bps * span);
	if (b->micro > burst(b))
		b->micro = burst(b);
}

void token_set(struct token_bucket *b, uint64_t bps, uint64_t now_ms)
{
	refill(b, now_ms);
	b->bps = bps > BPS_MAX ? BPS_MAX : bps;
	if (b->micro > burst(b))
		b->micro = burst(b);
}

uint64_t token_left(struct token_bucket *b, uint64_t now_ms)
{
	if (b->bps == 0)
		return UINT64_MAX;
	refill(b, now_ms);
	return b->micro > 0 ? (uint64_t)b->micro / 1000 : 0;
}

void token_take(struct token_bucket *b, uint64_t bytes)
{
	if (b->bps != 0)
		b->micro -= (int64_t)(bytes * 1000);
}

uint64_t token_wait_ms(struct token_bucket *b, uint64_t bytes, uint64_t now_ms)
{
	int64_t lack;

	/* More never gathers. */
	if (b->bps != 0 && bytes > (uint64_t)burst(b) / 1000)
		bytes = (uint64_t)burst(b) / 1000;
	if (token_left(b, now_ms) >= bytes)
		return 0;
	lack = (int64_t)(bytes * 1000) - b->micro;
	return ((uint64_t)lack + b->bps - 1) / b->bps;
}
