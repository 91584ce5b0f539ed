#include "index/tracker.h"

#include "failmalloc.h"
#include "tracker_fixture.h"

/* ---- bounds ---- */

TEST(a_crowd_that_vanishes_is_forgotten_in_portions_but_never_told_of)
{
	struct tracker *t = new_tracker(0);
	struct scrape_row row;
	uint8_t hash[20];
	uint64_t before, portion_max = 0;

	announce_many(t, OURS, 0, 40000, 400, NOW);
	announce_many(t, OURS, 40000, 60000, 1, NOW);
	CHECK_INT(count(t), 60000);
	hash_of_many(hash, OURS, 7);
	tracker_scrape(t, hash, NOW + TRACKER_SHOAL_EXPIRY_S, &row);
	CHECK_INT(row.incomplete, 0);
	while (count(t) > 0) {
		before = count(t);
		CHECK(tracker_tick(t, NOW + TRACKER_SHOAL_EXPIRY_S) == (count(t) > 0));
		CHECK(count(t) < before);
		portion_max = before - count(t) > portion_max ? before - count(t) : portion_max;
		tracker_check(t);
	}
	CHECK(portion_max > 500 && portion_max < 1200);
	tracker_free(t);
}

TEST(who_announces_after_a_long_sleep_of_the_machine_is_kept)
{
	struct tracker *t = new_tracker(0);
	uint64_t morning = NOW + 100000;

	announce_many(t, STOCK, 0, 5000, 50, NOW);
	announce_many(t, OURS, 5000, 9000, 50, NOW);
	tracker_tick(t, morning);
	tracker_tick(t, morning + 1);
	announce_many(t, OURS, 20000, 20100, 1, morning + 1);
	for (int i = 1; i < 10; i++) {
		while (tracker_tick(t, morning + i))
			continue;
	}
	CHECK_INT(count(t), 100);
	while (tracker_tick(t, morning + 1 + TRACKER_SHOAL_EXPIRY_S))
		continue;
	CHECK_INT(count(t), 0);
	tracker_check(t);
	tracker_free(t);
}

struct seen {
	uint64_t from, to;
	uint32_t n;
};

static int count_if_seen(void *user, const struct tracker_peer *p)
{
	struct seen *s = user;

	s->n += p->seen_s >= s->from && p->seen_s <= s->to;
	return 0;
}

/* How many were heard of last at this time. */
static uint32_t seen_at(struct tracker *t, uint64_t then, uint64_t now)
{
	struct seen s = {then - TRACKER_STOCK_TICK_S + 1, then, 0};

	tracker_each(t, now, count_if_seen, &s);
	return s.n;
}

TEST(a_flood_pushes_out_those_silent_for_longer_and_nobody_else)
{
	struct tracker *t = new_tracker(3000);

	announce_many(t, STOCK, 0, 1000, 10, NOW);
	announce_many(t, STOCK, 1000, 2000, 1000, NOW + 100);
	announce_many(t, OURS, 2000, 3000, 300, NOW + 200);
	announce_many(t, STOCK, 3000, 3600, 7, NOW + 220);
	tracker_check(t);
	CHECK_INT(count(t), 3000);
	CHECK_INT(seen_at(t, NOW, NOW + 220), 400);
	CHECK_INT(seen_at(t, NOW + 100, NOW + 220), 1000);
	CHECK_INT(seen_at(t, NOW + 200, NOW + 220), 1000);
	announce_many(t, STOCK, 4000, 5400, 1, NOW + 221);
	tracker_check(t);
	CHECK_INT(count(t), 3000);
	CHECK_INT(seen_at(t, NOW, NOW + 221), 0);
	CHECK_INT(seen_at(t, NOW + 100, NOW + 221), 0);
	CHECK_INT(seen_at(t, NOW + 200, NOW + 221), 1000);
	CHECK_INT(seen_at(t, NOW + 220, NOW + 221), 2000);
	tracker_free(t);
}

/* Everything that was taken for a crowd goes back when it has gone: the lists of leaves, chains
 * and slabs among it. */
TEST(what_has_grown_shrinks_again)
{
	struct tracker *t = new_tracker(0);

	announce_many(t, STOCK, 0, 20000, 1, NOW);
	announce_many(t, STOCK, 20000, 50000, 30000, NOW);
	tracker_check(t);
	CHECK(t->n_chains > 20000);
	while (tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S))
		continue;
	CHECK_INT(count(t), 0);
	CHECK(t->n_chains <= 1 && t->n_segments <= 2);
	for (uint32_t i = 0; i < t->n_slabs; i++)
		CHECK(t->slabs[i].memory == NULL || i == t->open_slab);
	tracker_check(t);
	tracker_free(t);
}
TEST(memory_may_be_asked_for_ahead_for_any_swarms)
{
	struct tracker *t = new_tracker(0);
	uint8_t hashes[100][20];

	memset(hashes, 0, sizeof(hashes));
	tracker_prefetch(t, hashes, 100);
	announce_many(t, STOCK, 0, 2000, 50, NOW);
	announce_many(t, STOCK, 2000, 3000, 1, NOW);
	for (uint32_t i = 0; i < 100; i++)
		hash_of_many(hashes[i], STOCK, i);
	tracker_prefetch(t, hashes, 100);
	tracker_prefetch(t, hashes, 0);
	tracker_check(t);
	CHECK_INT(count(t), 3000);
	tracker_free(t);
}
TEST(a_peer_takes_12_bytes_and_a_swarm_64)
{
	CHECK_INT(sizeof(struct peer4), 12);
	CHECK_INT(sizeof(struct peer6), 24);
	CHECK_INT(sizeof(struct card), 64);
}
/* ---- want of memory ---- */

/* What grows and shrinks: nodes, the table, bunches, crowds of both families. False once memory was
 * refused. */
static bool churn(struct tracker *t, enum announce_event event, bool all_seeds)
{
	for (uint32_t i = 0; i < 420; i++) {
		struct announce a = announce_of('a', OURS, i, all_seeds ? 0 : i % 3);
		struct addr from = {.v6 = i % 8 == 1, .ip = {32, 1, 2, (uint8_t)(i / 4), 5}};
		struct announce_reply r;
		int result;

		a.event = event;
		a.port = (uint16_t)(1000 + i);
		a.info_hash[0] = (uint8_t)(i % 8 == 0 ? i / 8 : 77);
		if (!from.v6)
			from.ip[4] = 0;
		result = tracker_announce(t, &a, &from, NULL, NOW, &r);
		CHECK(result == 0 || result == ERR_NOMEM);
		if (result < 0)
			return false;
	}
	return true;
}

static bool churn_all(struct tracker *t)
{
	return churn(t, EVENT_NONE, false) && churn(t, EVENT_COMPLETED, true) &&
	       churn(t, EVENT_STOPPED, true) && churn(t, EVENT_NONE, false);
}

TEST(any_allocation_may_fail_and_nothing_is_lost)
{
	for (int forever = 0; forever < 2; forever++) {
		bool all = false;

		for (size_t n = 1; !all; n += 1 + n / 40) {
			struct tracker_params p = {.seed = 7, .key = {1, 2}, .peers_max = 5000};
			struct tracker *t;

			failmalloc_start(n, forever != 0);
			t = tracker_new(&p);
			all = t != NULL && churn_all(t);
			/* what only gives memory back may be refused some, and works all the same
			 */
			all = failmalloc_stop() < n && all;
			if (t == NULL)
				continue;
			tracker_check(t);
			CHECK(churn_all(t));
			tracker_check(t);
			CHECK_INT(count(t), 420);
			CHECK(churn(t, EVENT_STOPPED, false));
			tracker_check(t);
			CHECK_INT(count(t), 0);
			tracker_free(t);
			CHECK(n < 100000);
		}
	}
}
