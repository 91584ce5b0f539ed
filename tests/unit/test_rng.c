#include "base/rng.h"

#include "test.h"

/* Outputs of the authors' reference code. */
TEST(rng_seeds_as_splitmix64)
{
	struct rng r;

	rng_seed(&r, 1234567);
	CHECK(r.s[0] == 6457827717110365317u);
	CHECK(r.s[1] == 3203168211198807973u);
	CHECK(r.s[2] == 9817491932198370423u);
	CHECK(r.s[3] == 4593380528125082431u);
}

TEST(rng_runs_as_xoshiro256_starstar)
{
	static const uint64_t want[] = {
	    11520u,
	    0u,
	    1509978240u,
	    1215971899390074240u,
	    1216172134540287360u,
	    607988272756665600u,
	    16172922978634559625u,
	    8476171486693032832u,
	    10595114339597558777u,
	    2904607092377533576u,
	};
	struct rng r = {{1, 2, 3, 4}};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK(rng_next(&r) == want[i]);
}

TEST(rng_below_stays_below_and_reaches_all)
{
	struct rng r;

	rng_seed(&r, 1);
	for (uint32_t n = 1; n < 40; n++) {
		unsigned seen[40] = {0};

		for (int i = 0; i < 2000; i++) {
			uint32_t v = rng_below(&r, n);

			CHECK(v < n);
			seen[v]++;
		}
		for (uint32_t v = 0; v < n; v++)
			CHECK(seen[v] > 0);
	}
	for (int i = 0; i < 1000; i++)
		CHECK(rng_below(&r, UINT32_MAX) < UINT32_MAX);
}

/* With n = 3 * 2^30 a plain modulus would give the lowest third half of all. */
TEST(rng_below_is_not_biased_for_large_n)
{
	unsigned third[3] = {0};
	struct rng r;

	rng_seed(&r, 2);
	for (int i = 0; i < 30000; i++)
		third[rng_below(&r, 3u << 30) >> 30]++;
	for (int k = 0; k < 3; k++)
		CHECK(third[k] > 9500 && third[k] < 10500);
}

TEST(rng_fill_is_the_same_for_the_same_seed_and_writes_no_further)
{
	uint8_t a[40], b[40];
	struct rng r;

	for (size_t len = 0; len < sizeof(a); len++) {
		memset(b, 0xee, sizeof(b));
		rng_seed(&r, 7);
		rng_fill(&r, a, sizeof(a));
		rng_seed(&r, 7);
		rng_fill(&r, b, len);
		CHECK_MEM(a, b, len);
		CHECK_INT(b[len], 0xee);
	}
	rng_seed(&r, 7);
	CHECK_INT(a[0], rng_next(&r) & 0xff);
}
