#include "node/announce_pace.h"

#include "test.h"

static struct announce_pace paced(uint32_t interval_s, uint32_t min_interval_s, bool udp)
{
	const struct announce_reply r = {.interval_s = interval_s,
					 .min_interval_s = min_interval_s};
	struct announce_pace p = {0, 0};

	announce_pace_take(&p, &r, udp, true);
	return p;
}

static void check_next(uint32_t interval_s, uint32_t min_interval_s, bool udp, uint64_t least_ms)
{
	struct announce_pace p = paced(interval_s, min_interval_s, udp);
	uint64_t first = UINT64_MAX, last = 0;
	struct rng rng;

	rng_seed(&rng, 7);
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = announce_pace_next_ms(&p, &rng);

		first = ms < first ? ms : first;
		last = ms > last ? ms : last;
	}
	CHECK(first >= least_ms);
	CHECK(last <= least_ms + least_ms / 10);
	CHECK(last - first > least_ms / 20); /* spread */
}

TEST(nobody_announces_before_the_interval_is_over_nor_much_later)
{
	check_next(40, 0, false, 40000);
	check_next(40, 40, false, 40000);
	check_next(40, 0, true, 40000);
	check_next(1800, 60, false, 1800000);
	check_next(30, 90, false, 90000);
}

TEST(an_interval_is_believed_within_bounds)
{
	check_next(0, 0, false, 5000);
	check_next(4, 4, false, 5000);
	check_next(5, 0, true, 5000);
	check_next(7200, 0, false, 7200000);
	check_next(7201, 0, true, 7200000);
	check_next(1, UINT32_MAX, false, 7200000);
}

TEST(who_lacks_peers_asks_before_the_interval_only_where_that_is_allowed)
{
	CHECK_INT(paced(1800, 0, true).least_ms, 1800000);
	CHECK_INT(paced(1800, 0, false).least_ms, 60000);
	CHECK_INT(paced(40, 0, false).least_ms, 40000);
	CHECK_INT(paced(20, 5, false).least_ms, 5000);
	CHECK_INT(paced(1800, 900, false).least_ms, 900000);
}

TEST(of_two_hashes_the_one_that_asks_for_more_patience_counts)
{
	const struct announce_reply slow = {.interval_s = 1800}, fast = {.interval_s = 60};
	struct announce_pace p = {0, 0};

	announce_pace_take(&p, &slow, true, true);
	announce_pace_take(&p, &fast, true, false);
	CHECK_INT(p.interval_ms, 1800000);
	CHECK_INT(p.least_ms, 1800000);
	announce_pace_take(&p, &fast, true, true);
	CHECK_INT(p.interval_ms, 60000);
}
