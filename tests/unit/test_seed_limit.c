#include "base/seed_limit.h"

#include "test.h"

static bool is_over(uint32_t ratio_milli, uint32_t time_s, uint64_t up, uint64_t bytes, uint64_t s)
{
	return seed_limit_is_over(&(struct seed_limit){ratio_milli, time_s}, up, bytes, s);
}

TEST(without_a_limit_it_is_never_over)
{
	CHECK(!seed_limit_is_set(&(struct seed_limit){0}));
	CHECK(!is_over(0, 0, UINT64_MAX, 1, UINT64_MAX));
}

TEST(a_ratio_is_reached_at_its_byte_and_not_before)
{
	CHECK(!is_over(1500, 0, 149, 100, 0) && is_over(1500, 0, 150, 100, 0));
	CHECK(!is_over(1, 0, 0, 1000, 0) && is_over(1, 0, 1, 1000, 0));
	CHECK(!is_over(2000, 0, 1999999, 1000000, 0) && is_over(2000, 0, 2000000, 1000000, 0));
	CHECK(is_over(1000, 0, 0, 0, 0));
}

TEST(sizes_beyond_all_disks_do_not_overflow)
{
	uint64_t most = UINT64_MAX / SEED_RATIO_MAX;

	CHECK(!is_over(1000 * SEED_RATIO_MAX, 0, most * SEED_RATIO_MAX - 1, most, 0));
	CHECK(is_over(1000 * SEED_RATIO_MAX, 0, most * SEED_RATIO_MAX, most, 0));
	CHECK(!is_over(999, 0, 1, UINT64_MAX, 0));
	CHECK(is_over(500, 0, UINT64_MAX, UINT64_MAX, 0));
}

TEST(the_time_ends_it_whatever_was_sent)
{
	CHECK(!is_over(1000, 60, 0, 100, 59) && is_over(1000, 60, 0, 100, 60));
	CHECK(is_over(1000, 60, 100, 100, 0));
}
