#include "node/live_state.h"

#include "test.h"

static struct live_state begun(uint64_t seed)
{
	struct live_state s;

	live_state_init(&s, seed);
	live_state_begin(&s, 0);
	return s;
}

static struct live_state up(uint64_t seed, uint64_t now_ms)
{
	struct live_state s = begun(seed);

	live_state_on_opened(&s, now_ms);
	live_state_on_line(&s, now_ms);
	live_state_on_welcome(&s, now_ms);
	return s;
}

/* Where in [least, least + more) the pauses lie: not all in one moment. */
static void check_spread(const uint32_t *pauses, size_t n, uint32_t least, uint32_t more)
{
	uint32_t low = UINT32_MAX, high = 0;

	for (size_t i = 0; i < n; i++) {
		CHECK(pauses[i] >= least && pauses[i] < least + more);
		low = pauses[i] < low ? pauses[i] : low;
		high = pauses[i] > high ? pauses[i] : high;
	}
	CHECK(high - low > more / 2);
}

TEST(announces_wait_a_moment_for_the_first_session_and_then_go_on_without_it)
{
	struct live_state s = begun(1);

	CHECK_INT(s.is, LIVE_TRYING);
	CHECK(live_state_on_grace(&s, LIVE_GRACE_MS));
	CHECK_INT(s.is, LIVE_DOWN);
	live_state_on_opened(&s, 5000);
	CHECK_INT(live_state_on_tick(&s, 6000), LIVE_TICK_WAIT);
	live_state_on_welcome(&s, 6100);
	CHECK_INT(s.is, LIVE_UP);
}

TEST(a_peer_that_stood_still_itself_gives_the_session_its_time_again)
{
	struct live_state s = begun(1);

	CHECK(!live_state_on_grace(&s, LIVE_GRACE_MS + LIVE_STALL_MS + 1));
	CHECK_INT(s.is, LIVE_TRYING);
	CHECK(!live_state_on_grace(&s, 3 * LIVE_GRACE_MS + 3 * LIVE_STALL_MS));
	CHECK(live_state_on_grace(&s, 4 * LIVE_GRACE_MS + 4 * LIVE_STALL_MS));
	CHECK_INT(s.is, LIVE_DOWN);
}

TEST(a_lost_session_is_told_anew_and_tried_again_soon_but_not_by_all_in_one_moment)
{
	uint32_t pauses[100];

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct live_state s = up(seed, 1000);
		struct live_loss loss = live_state_on_lost(&s, 0, 50000);

		CHECK(loss.anew && !loss.give_up);
		CHECK_INT(s.is, LIVE_TRYING);
		pauses[seed] = loss.retry_ms;
		CHECK(live_state_on_grace(&s, 50000 + LIVE_GRACE_MS));
	}
	check_spread(pauses, 100, LIVE_LOST_MS, LIVE_LOST_MORE_MS);
}

TEST(one_that_is_lost_right_after_its_welcome_is_tried_no_sooner_than_one_that_is_not_to_be_had)
{
	uint32_t pauses[100];

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct live_state s = up(seed, 1000);
		struct live_loss loss = live_state_on_lost(&s, 0, 1000 + LIVE_BRIEF_MS - 1);

		CHECK(loss.anew && loss.retell && !loss.give_up);
		pauses[seed] = loss.retry_ms;
		live_state_on_opened(&s, 20000);
		live_state_on_welcome(&s, 20000);
		loss = live_state_on_lost(&s, 0, 20000 + LIVE_BRIEF_MS);
		CHECK(loss.retry_ms < LIVE_LOST_MS + LIVE_LOST_MORE_MS);
	}
	check_spread(pauses, 100, LIVE_FAILED_MS, LIVE_FAILED_MORE_MS);
}

TEST(one_whose_hello_is_not_true_any_more_begins_anew_but_not_again_and_again)
{
	struct live_state s = begun(1);

	live_state_on_opened(&s, 10);
	CHECK(!live_state_renew(&s, 20)); /* not there yet */
	live_state_on_welcome(&s, 30);
	CHECK(live_state_renew(&s, 5000));
	CHECK_INT(s.is, LIVE_TRYING);
	CHECK(!live_state_may_tell(&s));
	live_state_on_opened(&s, 5100);
	live_state_on_welcome(&s, 5200);
	CHECK(!live_state_renew(&s, 5000 + LIVE_RENEW_MS - 1));
	CHECK_INT(s.is, LIVE_UP);
	CHECK(live_state_renew(&s, 5000 + LIVE_RENEW_MS));
	/* Announces wait for it as for one that was lost. */
	CHECK(live_state_on_grace(&s, 5000 + LIVE_RENEW_MS + LIVE_GRACE_MS));
	CHECK_INT(s.is, LIVE_DOWN);
}

TEST(what_was_told_before_the_welcome_is_told_anew_when_it_never_comes)
{
	struct live_state s;
	struct live_loss loss;

	live_state_init(&s, 1);
	live_state_begin(&s, 0);
	CHECK(!live_state_may_tell(&s));
	CHECK(!live_state_on_lost(&s, 0, 10).retell);
	live_state_on_opened(&s, 20);
	CHECK(live_state_may_tell(&s));
	loss = live_state_on_lost(&s, 0, 30);
	CHECK(loss.retell && !loss.anew);
	CHECK(!live_state_may_tell(&s));
	s = up(1, 100);
	CHECK(live_state_on_lost(&s, 0, 200).retell);
}

/* The index is being restarted: its peers are back within 10 s. */
TEST(one_that_was_there_once_is_tried_every_few_seconds_however_often_that_fails)
{
	struct live_state s = up(3, 0);
	uint32_t pauses[200];

	CHECK(live_state_on_lost(&s, 0, 100).anew);
	for (size_t i = 0; i < 200; i++) {
		struct live_loss loss = live_state_on_lost(&s, i % 2 == 0 ? 0 : 502, 200 + i);

		CHECK(!loss.anew);
		CHECK_INT(loss.give_up, i == 0);
		pauses[i] = loss.retry_ms;
	}
	check_spread(pauses, 200, LIVE_FAILED_MS, LIVE_FAILED_MORE_MS);
	CHECK(LIVE_FAILED_MS + LIVE_FAILED_MORE_MS <= 10000 / 2);
}

TEST(where_none_was_ever_had_it_is_tried_some_times_and_then_seldom)
{
	struct live_state s = begun(4);
	uint32_t pauses[50];

	for (uint32_t i = 0; i < LIVE_TRIES_FIRST; i++)
		CHECK(live_state_on_lost(&s, 0, i).retry_ms < LIVE_FAILED_MS + LIVE_FAILED_MORE_MS);
	for (uint32_t i = 0; i < 50; i++)
		pauses[i] = live_state_on_lost(&s, 0, 100 + i).retry_ms;
	check_spread(pauses, 50, LIVE_UNKNOWN_MS, LIVE_UNKNOWN_MORE_MS);
	live_state_on_welcome(&s, 1000);
	CHECK(live_state_on_lost(&s, 0, 2000).retry_ms < LIVE_FAILED_MS);
	CHECK(live_state_on_lost(&s, 0, 3000).retry_ms < LIVE_UNKNOWN_MS);
}

/* Whoever starts a machine before its index does is not to wait for minutes once that is there. */
TEST(where_nobody_is_there_it_is_tried_as_where_one_was_had)
{
	struct live_state s = begun(4);

	for (uint32_t i = 0; i < 10 * LIVE_TRIES_FIRST; i++)
		CHECK(live_state_on_lost(&s, LIVE_NOBODY, i).retry_ms <
		      LIVE_FAILED_MS + LIVE_FAILED_MORE_MS);
	/* Who is there then, and begins no session, is as any other. */
	for (uint32_t i = 0; i < LIVE_TRIES_FIRST; i++)
		CHECK(live_state_on_lost(&s, 0, i).retry_ms < LIVE_FAILED_MS + LIVE_FAILED_MORE_MS);
	CHECK(live_state_on_lost(&s, 0, 2000).retry_ms >= LIVE_UNKNOWN_MS);
}

TEST(an_index_that_knows_no_sessions_is_asked_seldom_from_the_first_answer_on)
{
	static const int answers[] = {400, 404, 405, 426};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct live_state s = begun(i);
		struct live_loss loss = live_state_on_lost(&s, answers[i], 10);

		CHECK(loss.retry_ms >= LIVE_UNKNOWN_MS && loss.give_up && !loss.warn);
	}
}

TEST(silence_ends_a_session_and_a_beat_shows_that_we_live)
{
	struct live_state s = up(5, 1000);
	unsigned beats = 0;

	for (uint64_t now = 2000; now <= 61000; now += LIVE_TICK_MS) {
		enum live_tick tick = live_state_on_tick(&s, now);

		CHECK(tick == LIVE_TICK_TELL || tick == LIVE_TICK_BEAT);
		beats += tick == LIVE_TICK_BEAT;
		live_state_on_line(&s, now);
	}
	CHECK_INT(beats, 20);
	CHECK_INT(live_state_on_tick(&s, 61000 + LIVE_SILENCE_MS - 1), LIVE_TICK_BEAT);
	CHECK_INT(live_state_on_tick(&s, 61000 + LIVE_SILENCE_MS), LIVE_TICK_SILENT);
}

/* A connection on which nothing is ever said is no session either. */
TEST(silence_before_the_welcome_counts_too)
{
	struct live_state s = begun(6);

	live_state_on_opened(&s, 100);
	CHECK_INT(live_state_on_tick(&s, 100 + LIVE_SILENCE_MS - 1), LIVE_TICK_WAIT);
	CHECK_INT(live_state_on_tick(&s, 100 + LIVE_SILENCE_MS), LIVE_TICK_SILENT);
	CHECK(live_state_on_lost(&s, 0, 9000).give_up);
}

TEST(a_reason_is_said_once_until_the_session_is_there_again)
{
	struct live_state s = begun(7);

	CHECK(live_state_on_lost(&s, 0, 1).say);
	CHECK(!live_state_on_lost(&s, 0, 2).say);
	CHECK(!live_state_may_say(&s));
	live_state_on_welcome(&s, 3);
	CHECK(live_state_may_say(&s));
	CHECK(!live_state_on_lost(&s, 0, 4).say);
}

TEST(that_the_index_lets_us_in_no_more_is_said_once_until_it_does)
{
	struct live_state s = up(8, 0);

	CHECK(!live_state_on_lost(&s, 0, 1).warn);
	CHECK(live_state_on_lost(&s, 401, 2).warn);
	CHECK(!live_state_on_lost(&s, 403, 3).warn);
	live_state_on_welcome(&s, 4);
	CHECK(live_state_on_lost(&s, 403, 5).warn);
}
