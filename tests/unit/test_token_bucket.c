#include "base/token_bucket.h"

#include "base/rng.h"
#include "test.h"

TEST(token_bucket_without_a_rate_limits_nothing)
{
	struct token_bucket b = {0};

	CHECK(token_left(&b, 5) == UINT64_MAX);
	token_take(&b, 1u << 30);
	CHECK(token_left(&b, 6) == UINT64_MAX);
	CHECK_INT(token_wait_ms(&b, 1000, 6), 0);
}

TEST(token_bucket_gives_its_rate_within_a_twentieth_over_ten_seconds)
{
	static const uint64_t rates[] = {1, 999, 10240, 1u << 20, 3000000000u};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct token_bucket b = {0};
		uint64_t now = 123456, end = now + 10000, sum = 0, most;
		struct rng rng;

		rng_seed(&rng, i + 1);
		token_set(&b, rates[i], now);
		while (now < end) {
			uint64_t n = token_left(&b, now);

			token_take(&b, n);
			sum += n;
			now += 1 + rng_below(&rng, 40);
		}
		most = rates[i] * 10;
		CHECK(sum <= most + most / 20 + 1);
		CHECK(sum + most / 20 + 1 >= most);
	}
}

TEST(token_bucket_gathers_a_quarter_second_and_not_more)
{
	struct token_bucket b = {0};

	token_set(&b, 100000, 1000);
	CHECK_INT(token_left(&b, 1000000), 25000);
	CHECK_INT(token_left(&b, UINT64_MAX - 1), 25000);
}

TEST(token_bucket_has_a_debt_paid_before_it_gives)
{
	struct token_bucket b = {0};

	token_set(&b, 1000, 0);
	CHECK_INT(token_left(&b, 100), 100);
	token_take(&b, 1100);
	CHECK_INT(token_left(&b, 100), 0);
	CHECK_INT(token_left(&b, 1099), 0);
	CHECK_INT(token_wait_ms(&b, 1, 1099), 2);
	CHECK_INT(token_left(&b, 1101), 1);
	CHECK_INT(token_wait_ms(&b, 1, 1101), 0);
	CHECK_INT(token_wait_ms(&b, 51, 1101), 50);
	CHECK_INT(token_wait_ms(&b, 1000000, 1101), 249);
}

TEST(token_bucket_takes_a_lower_rate_at_once)
{
	struct token_bucket b = {0};

	token_set(&b, 1u << 30, 0);
	CHECK(token_left(&b, 1000) > 1000000);
	token_set(&b, 1000, 1000);
	CHECK_INT(token_left(&b, 1000), 250);
	token_set(&b, 0, 1000);
	CHECK(token_left(&b, 1000) == UINT64_MAX);
}
