/* base/rng.h - a small seeded generator for decisions that must be repeatable.
 * Not for secrets: those come from the kernel, through a shell. */
#ifndef SHOAL_BASE_RNG_H
#define SHOAL_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Source: xoshiro256** by Blackman and Vigna, seeded by splitmix64. */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n); n > 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
void rng_fill(struct rng *r, void *out, size_t len);

#endif
