#include "swarm/pipeline.h"

#include "meta/metainfo.h"
#include "swarm/rate.h"
#include "test.h"

/* Blocks come at `bps` for `ms`, behind a round trip of `rtt_ms`, as far as the depth lets them. */
static uint32_t run(struct pipeline *p, uint64_t bps, uint32_t rtt_ms, uint64_t from_ms,
		    uint64_t ms, uint32_t reqq)
{
	struct rate rate = {0};
	uint64_t sent = 0;

	for (uint64_t now = from_ms; now < from_ms + ms; now++) {
		uint64_t most = (uint64_t)pipeline_depth(p, reqq, 2000) * BLOCK_BYTES * 1000 /
				(rtt_ms == 0 ? 1 : rtt_ms);
		uint64_t real = bps < most ? bps : most;

		sent += real;
		while (sent >= 1000u * BLOCK_BYTES) {
			sent -= 1000u * BLOCK_BYTES;
			rate_add(&rate, BLOCK_BYTES, now);
			pipeline_on_block(p, BLOCK_BYTES, rate_bps(&rate, now), rtt_ms * 1000, now);
		}
	}
	return pipeline_depth(p, reqq, 2000);
}

TEST(pipeline_starts_small)
{
	struct pipeline p;

	pipeline_init(&p);
	CHECK_INT(pipeline_depth(&p, 0, 2000), PIPELINE_FIRST);
}

TEST(pipeline_on_a_fast_loopback_has_megabytes_outstanding_within_ten_milliseconds)
{
	struct pipeline p;

	pipeline_init(&p);
	CHECK(run(&p, 2000000000, 1, 1000, 10, 2000) * (uint64_t)BLOCK_BYTES > 4u << 20);
}

TEST(pipeline_holds_eight_megabytes_and_two_round_trips_at_most)
{
	struct pipeline p;

	pipeline_init(&p);
	CHECK_INT(run(&p, 2000000000, 0, 1000, 3000, 2000), PIPELINE_ENOUGH);
	pipeline_init(&p);
	CHECK(run(&p, 200000000, 50, 1000, 3000, 2000) > PIPELINE_ENOUGH);
}

TEST(pipeline_settles_at_a_quarter_second_and_a_round_trip_of_data)
{
	struct pipeline p;
	uint32_t depth, want = 1000000 * (PIPELINE_TARGET_MS + 200) / 1000 / BLOCK_BYTES;

	pipeline_init(&p);
	depth = run(&p, 1000000, 200, 1000, 10000, 2000);
	CHECK(depth > want * 8 / 10 && depth < want * 13 / 10);
}

TEST(pipeline_to_a_far_and_fast_peer_does_not_limit_it)
{
	struct pipeline p;

	pipeline_init(&p);
	/* 10 MB/s over 300 ms needs 3 MB outstanding. */
	CHECK(run(&p, 10000000, 300, 1000, 10000, 2000) * (uint64_t)BLOCK_BYTES > 5000000);
}

/* 10,000 blocks a second of 100 bytes: small files, over 100 ms. */
TEST(pipeline_counts_blocks_as_large_as_they_are)
{
	struct pipeline p;
	uint32_t owed = 0;

	pipeline_init(&p);
	for (uint64_t now = 1000; now < 6000; now++) {
		for (owed += pipeline_depth(&p, 2000, 2000); owed >= 100; owed -= 100)
			pipeline_on_block(&p, 100, 1000 * pipeline_depth(&p, 2000, 2000), 100000,
					  now);
	}
	CHECK(pipeline_depth(&p, 2000, 2000) > PIPELINE_ENOUGH);
	for (uint64_t now = 6000; now < 7000; now++)
		pipeline_on_block(&p, BLOCK_BYTES, 1000 * BLOCK_BYTES, 100000, now);
	CHECK_INT(p.block_bytes, BLOCK_BYTES);
	CHECK(pipeline_depth(&p, 2000, 2000) < PIPELINE_ENOUGH);
}

/* Each `every` ms it sends what it was asked, at most what `bps` lets it. Answers the bytes that
 * came. */
static uint64_t run_in_bursts(struct pipeline *p, uint64_t bps, uint64_t every, uint64_t from_ms,
			      uint64_t ms)
{
	struct rate rate = {0};
	uint64_t got = 0;

	for (uint64_t now = from_ms; now < from_ms + ms; now += every) {
		uint64_t most = bps * every / 1000 / BLOCK_BYTES,
			 asked = pipeline_depth(p, 2000, 2000);

		for (uint64_t n = asked < most ? asked : most; n > 0; n--) {
			rate_add(&rate, BLOCK_BYTES, now);
			pipeline_on_block(p, BLOCK_BYTES, rate_bps(&rate, now), 50, now);
			got += BLOCK_BYTES;
		}
	}
	return got;
}

TEST(pipeline_to_a_peer_that_answers_in_bursts_does_not_limit_it)
{
	const uint64_t every[] = {500, 1010};

	for (unsigned i = 0; i < 2; i++) {
		struct pipeline p;

		pipeline_init(&p);
		CHECK(run_in_bursts(&p, 2000000, every[i], 1000, 40000) > 40u * 2000000u * 8 / 10);
		CHECK(pipeline_depth(&p, 2000, 2000) < 2 * 2000000u / BLOCK_BYTES);
		p.depth = PIPELINE_MIN;
		CHECK(run_in_bursts(&p, 2000000, every[i], 41500, 40000) > 40u * 2000000u * 6 / 10);
	}
}

TEST(pipeline_to_a_slow_peer_stays_at_its_minimum)
{
	struct pipeline p;

	pipeline_init(&p);
	CHECK(run(&p, 4000, 50, 1000, 60000, 2000) <= PIPELINE_MIN);
}

TEST(pipeline_respects_what_the_peer_queues)
{
	struct pipeline p;

	pipeline_init(&p);
	CHECK_INT(run(&p, 200000000, 100, 1000, 5000, 100), 100);
	CHECK_INT(pipeline_depth(&p, 0, 2000), PIPELINE_REQQ_UNKNOWN);
	p.depth = 4000;
	CHECK_INT(pipeline_depth(&p, 2048, 2000), 2000);
}

TEST(pipeline_of_a_stalled_peer_is_one_until_it_gives_again)
{
	struct pipeline p;

	pipeline_init(&p);
	run(&p, 10000000, 10, 1000, 5000, 2000);
	pipeline_on_stall(&p);
	CHECK_INT(pipeline_depth(&p, 2000, 2000), 1);
	pipeline_on_choke(&p);
	CHECK_INT(pipeline_depth(&p, 2000, 2000), 1);
	pipeline_on_block(&p, BLOCK_BYTES, 0, 0, 20000);
	CHECK(pipeline_depth(&p, 2000, 2000) > 1);
}

TEST(rate_is_right_after_a_second_and_falls_in_silence)
{
	struct rate r = {0};

	CHECK_INT(rate_bps(&r, 5000), 0);
	for (uint64_t ms = 5000; ms < 6000; ms += 10)
		rate_add(&r, 10000, ms);
	CHECK(rate_bps(&r, 6000) > 900000 && rate_bps(&r, 6000) < 1100000);
	CHECK(rate_bps(&r, 9000) < 500000);
	CHECK(rate_bps(&r, 60000) < 60000 && rate_bps(&r, 60000) > 0);
	CHECK(rate_bps(&r, 6000000) < 1000);
	CHECK(rate_shown_bps(&r, 14000) > 0 && rate_shown_bps(&r, 14000) < 200000);
	CHECK_INT(rate_shown_bps(&r, 6000 + RATE_SILENCE_MS), 0);
	CHECK_INT(rate_shown_bps(&r, 6000000), 0);
}

TEST(rate_falls_evenly_and_to_nothing_after_a_single_burst)
{
	struct rate r = {0};
	uint64_t last = UINT64_MAX;

	rate_add(&r, 1 << 20, 1000);
	for (uint64_t ms = 1000; ms < 1000 + RATE_SILENCE_MS; ms += 50) {
		CHECK(rate_shown_bps(&r, ms) <= last);
		last = rate_shown_bps(&r, ms);
	}
	CHECK(last < 10000);
	CHECK_INT(rate_shown_bps(&r, 1000 + RATE_SILENCE_MS), 0);
}

TEST(rate_of_who_sends_a_block_every_few_seconds_is_about_right)
{
	struct rate r = {0};
	uint64_t sum = 0, n = 0;

	for (uint64_t ms = 1000; ms < 121000; ms += 100) {
		if (ms % 4000 == 0)
			rate_add(&r, BLOCK_BYTES, ms);
		if (ms > 20000) {
			sum += rate_shown_bps(&r, ms);
			n++;
		}
	}
	CHECK(sum / n > 3000 && sum / n < 7000);
}
