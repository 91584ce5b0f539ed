#include "swarm/requests.h"

#include "base/rng.h"
#include "test.h"

TEST(requests_keep_their_order)
{
	struct requests r = {0};
	struct request *q = NULL;

	for (uint32_t i = 0; i < 100; i++)
		CHECK(requests_add(&r, i / 10, i % 10 * 16384, 16384, i) != NULL);
	for (uint32_t i = 0; i < 100; i++) {
		q = requests_next(&r, q);
		CHECK_INT(q->piece, i / 10);
		CHECK_INT(q->begin, i % 10 * 16384);
	}
	CHECK(requests_next(&r, q) == NULL);
	for (uint32_t i = 100; i > 0; i--) {
		q = i == 100 ? requests_prev(&r, NULL) : requests_prev(&r, q);
		CHECK_INT(q->asked_ms, i - 1);
	}
	CHECK(requests_prev(&r, q) == NULL);
	requests_fini(&r);
}

TEST(requests_are_found_by_block_and_only_once_removed_are_not)
{
	struct requests r = {0};

	CHECK(requests_find(&r, 1, 2) == NULL);
	requests_add(&r, 1, 16384, 100, 5);
	CHECK(requests_find(&r, 1, 0) == NULL);
	CHECK_INT(requests_find(&r, 1, 16384)->length, 100);
	requests_remove(&r, requests_find(&r, 1, 16384));
	CHECK(requests_find(&r, 1, 16384) == NULL);
	CHECK_INT(r.n, 0);
	requests_fini(&r);
}

TEST(requests_hold_their_limit_and_not_one_more)
{
	struct requests r = {0};

	for (uint32_t i = 0; i < REQUESTS_MAX; i++)
		CHECK(requests_add(&r, i, 0, 1, 0) != NULL);
	CHECK(requests_add(&r, REQUESTS_MAX, 0, 1, 0) == NULL);
	requests_remove(&r, requests_find(&r, 7, 0));
	CHECK(requests_add(&r, REQUESTS_MAX, 0, 1, 0) != NULL);
	CHECK(requests_add(&r, REQUESTS_MAX + 1, 0, 1, 0) == NULL);
	requests_check(&r);
	requests_fini(&r);
}

TEST(requests_keep_little_memory_when_all_are_forgotten)
{
	struct requests r = {0};

	for (uint32_t i = 0; i < REQUESTS_KEEP; i++)
		CHECK(requests_add(&r, i, 0, 1, 0) != NULL);
	requests_clear(&r);
	CHECK_INT(r.cap, REQUESTS_KEEP);
	for (uint32_t i = 0; i <= REQUESTS_KEEP; i++)
		CHECK(requests_add(&r, i, 0, 1, 0) != NULL);
	requests_clear(&r);
	CHECK_INT(r.cap, 0);
	CHECK(requests_next(&r, NULL) == NULL && requests_find(&r, 1, 0) == NULL);
	CHECK(requests_add(&r, 1, 0, 1, 0) != NULL);
	requests_check(&r);
	requests_fini(&r);
}

TEST(requests_survive_one_that_is_never_answered)
{
	struct requests r = {0};

	requests_add(&r, 999, 0, 1, 0);
	for (uint32_t i = 0; i < 20000; i++) {
		CHECK(requests_add(&r, i % 900, i, 1, 0) != NULL);
		requests_remove(&r, requests_find(&r, i % 900, i));
		CHECK(r.n == 1);
	}
	CHECK(requests_next(&r, NULL)->piece == 999);
	CHECK(r.cap < 64);
	requests_fini(&r);
}

TEST(requests_agree_with_a_plain_list_in_random_runs)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct requests r = {0};
		uint8_t there[64] = {0};
		struct rng rng;

		rng_seed(&rng, seed);
		for (uint32_t i = 0; i < 2000; i++) {
			uint32_t b = rng_below(&rng, 64);
			struct request *q = requests_find(&r, b, b * 2);

			CHECK_SEED((q != NULL) == (there[b] != 0), seed);
			if (q != NULL)
				requests_remove(&r, q);
			else
				CHECK_SEED(requests_add(&r, b, b * 2, 1, i) != NULL, seed);
			there[b] ^= 1;
			if (i % 16 == 0)
				requests_check(&r);
		}
		requests_clear(&r);
		CHECK(requests_next(&r, NULL) == NULL);
		requests_fini(&r);
	}
}
