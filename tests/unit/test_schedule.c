#include "base/schedule.h"

#include "test.h"

TEST(schedule_reads_rates)
{
	uint64_t bps;

	CHECK_INT(schedule_rate("0", &bps), 0);
	CHECK_INT(bps, 0);
	CHECK_INT(schedule_rate("500", &bps), 0);
	CHECK_INT(bps, 500);
	CHECK_INT(schedule_rate("500K", &bps), 0);
	CHECK_INT(bps, 512000);
	CHECK_INT(schedule_rate("2m", &bps), 0);
	CHECK_INT(bps, 2u << 20);
	CHECK_INT(schedule_rate("1024G", &bps), 0);
	CHECK_INT(schedule_rate("1025G", &bps), ERR_INVALID);
	CHECK_INT(schedule_rate("", &bps), ERR_INVALID);
	CHECK_INT(schedule_rate("K", &bps), ERR_INVALID);
	CHECK_INT(schedule_rate("-1", &bps), ERR_INVALID);
	CHECK_INT(schedule_rate("1.5M", &bps), ERR_INVALID);
	CHECK_INT(schedule_rate("1MB", &bps), ERR_INVALID);
}

TEST(schedule_reads_rules_and_refuses_others)
{
	static const char *const bad[] = {"",
					  "08:00",
					  "08:00-18:00",
					  "08:00-18:00=",
					  "8:00-18:00=1M",
					  "08:00-24:00=1M",
					  "08:60-18:00=1M",
					  "08:00-18:00=1M/",
					  "08:00-18:00=/1M",
					  "08:00-18:00=1M/2M/3M",
					  "08.00-18:00=1M"};
	struct schedule_rule r;

	CHECK_INT(schedule_parse("08:30-18:00=1M", &r), 0);
	CHECK_INT(r.from_min, 510);
	CHECK_INT(r.to_min, 1080);
	CHECK_INT(r.down_bps, 1u << 20);
	CHECK_INT(r.up_bps, 1u << 20);
	CHECK_INT(schedule_parse("23:59-00:00=0/200K", &r), 0);
	CHECK_INT(r.down_bps, 0);
	CHECK_INT(r.up_bps, 204800);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(schedule_parse(bad[i], &r), ERR_INVALID);
}

TEST(schedule_finds_the_last_rule_that_holds)
{
	struct schedule_rule r[3];

	CHECK_INT(schedule_parse("00:00-00:00=3", &r[0]), 0);
	CHECK_INT(schedule_parse("08:00-18:00=1", &r[1]), 0);
	CHECK_INT(schedule_parse("22:00-06:00=2", &r[2]), 0);
	CHECK_INT(schedule_at(r, 3, 479)->down_bps, 3);
	CHECK_INT(schedule_at(r, 3, 480)->down_bps, 1);
	CHECK_INT(schedule_at(r, 3, 1079)->down_bps, 1);
	CHECK_INT(schedule_at(r, 3, 1080)->down_bps, 3);
	CHECK_INT(schedule_at(r, 3, 1320)->down_bps, 2);
	CHECK_INT(schedule_at(r, 3, 0)->down_bps, 2);
	CHECK_INT(schedule_at(r, 3, 359)->down_bps, 2);
	CHECK_INT(schedule_at(r, 3, 360)->down_bps, 3);
	CHECK(schedule_at(r + 1, 1, 0) == NULL);
	CHECK(schedule_at(r, 0, 0) == NULL);
}
