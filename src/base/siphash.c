#include "base/siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void rounds(struct state *s, int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static void compress(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

uint64_t siphash(struct siphash_key key, struct bytes data)
{
	/* The constants spell "somepseudorandomlygeneratedbytes". */
	struct state s = {
	    .v0 = key.k0 ^ 0x736f6d6570736575u,
	    .v1 = key.k1 ^ 0x646f72616e646f6du,
	    .v2 = key.k0 ^ 0x6c7967656e657261u,
	    .v3 = key.k1 ^ 0x7465646279746573u,
	};
	uint64_t last = (uint64_t)data.len << 56;
	size_t whole = data.len - data.len % 8;

	for (size_t i = 0; i < whole; i += 8)
		compress(&s, le64(data.ptr + i));
	for (size_t i = whole; i < data.len; i++)
		last |= (uint64_t)data.ptr[i] << 8 * (i - whole);
	compress(&s, last);
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
