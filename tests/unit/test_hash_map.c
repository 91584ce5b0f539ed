#include "test.h"

#include "base/hash_map.h"
#include "base/rng.h"

#define MANY 3000u

static const struct siphash_key key = {1, 2};

static void make_hash(uint8_t out[SHA1_LEN], uint32_t i)
{
	memset(out, 0, SHA1_LEN);
	memcpy(out + (i % 2) * 12, &i, sizeof(i));
	out[SHA1_LEN - 1] = 7;
}

TEST(hash_map_finds_what_was_put_and_nothing_else)
{
	static uint8_t hashes[MANY][SHA1_LEN];
	uint8_t other[SHA1_LEN];
	struct hash_map m;

	hash_map_init(&m, key);
	make_hash(other, MANY + 5);
	CHECK(hash_map_find(&m, other) == NULL);
	hash_map_drop(&m, other, NULL);
	for (uint32_t i = 0; i < MANY; i++) {
		make_hash(hashes[i], i);
		CHECK_INT(hash_map_put(&m, hashes[i], hashes[i]), OK);
		CHECK_INT(hash_map_put(&m, hashes[i], other), ERR_EXISTS);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		uint8_t copy[SHA1_LEN];

		memcpy(copy, hashes[i], SHA1_LEN);
		CHECK(hash_map_find(&m, copy) == hashes[i]);
	}
	CHECK(hash_map_find(&m, other) == NULL);
	CHECK_INT(m.n, MANY);
	hash_map_fini(&m);
}

/* Against a plain array, in a random order of steps. */
TEST(hash_map_keeps_the_rest_when_some_are_dropped)
{
	static uint8_t hashes[200][SHA1_LEN];
	static bool there[200];
	struct hash_map m;
	struct rng rng;
	uint32_t n = 0;

	rng_seed(&rng, 42);
	hash_map_init(&m, key);
	memset(there, 0, sizeof(there));
	for (uint32_t i = 0; i < 200; i++)
		make_hash(hashes[i], i);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = rng_below(&rng, 200);

		if (there[i]) {
			hash_map_drop(&m, hashes[i], &m); /* not what stands there */
			hash_map_drop(&m, hashes[i], hashes[i]);
			n--;
		} else {
			CHECK_INT(hash_map_put(&m, hashes[i], hashes[i]), OK);
			n++;
		}
		there[i] = !there[i];
		CHECK_INT(m.n, n);
		i = rng_below(&rng, 200);
		CHECK(hash_map_find(&m, hashes[i]) == (there[i] ? hashes[i] : NULL));
	}
	for (uint32_t i = 0; i < 200; i++)
		CHECK(hash_map_find(&m, hashes[i]) == (there[i] ? hashes[i] : NULL));
	hash_map_fini(&m);
}
