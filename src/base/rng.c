#include "base/rng.h"

#include <assert.h>

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* Source: Lemire, "Fast random integer generation in an interval": the high half
 * of a 32x32 product, redrawn while the low half falls in the biased part. */
uint32_t rng_below(struct rng *r, uint32_t n)
{
	uint64_t product;
	uint32_t biased;

	assert(n > 0);
	product = (rng_next(r) >> 32) * n;
	if ((uint32_t)product >= n)
		return (uint32_t)(product >> 32);
	biased = -n % n;
	while ((uint32_t)product < biased)
		product = (rng_next(r) >> 32) * n;
	return (uint32_t)(product >> 32);
}

/* Low byte first on every machine, so that a seed means the same everywhere. */
void rng_fill(struct rng *r, void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		uint64_t v = rng_next(r);

		for (int i = 0; i < 8 && len > 0; i++, len--, v >>= 8)
			*p++ = (uint8_t)v;
	}
}
