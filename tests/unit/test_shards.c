#include "node/shards.h"

#include <pthread.h>

#include "test.h"

#define SHARDS 3u
#define ROUNDS 2000u

static struct announce announce_of(uint32_t word, uint16_t port)
{
	struct announce a = {.port = port, .left = 1, .numwant = 10};

	put_be32(a.info_hash, word);
	memcpy(a.peer_id, "-XX0001-abcdefghijkl", 20);
	return a;
}

TEST(an_info_hash_has_one_shard_and_the_totals_are_of_all)
{
	struct shards *s = shards_new(SHARDS);
	struct shard_hold hold = {.all = s};
	struct addr from = {.ip = {192, 0, 2, 1}};
	struct announce_reply reply;
	struct scrape_row row;
	uint64_t swarms, peers;

	CHECK_INT(shards_count(s), SHARDS);
	for (uint32_t word = 0; word < 9; word++) {
		struct announce a = announce_of(word, 7000);

		CHECK_INT(
		    tracker_announce(shards_enter(&hold, a.info_hash), &a, &from, NULL, 1, &reply),
		    0);
		CHECK(shards_enter(&hold, a.info_hash) == shards_enter_at(&hold, word % SHARDS));
	}
	for (uint32_t word = 0; word < 9; word++) {
		struct announce a = announce_of(word, 7000);

		tracker_scrape(shards_enter(&hold, a.info_hash), a.info_hash, 1, &row);
		CHECK_INT(row.incomplete, 1);
	}
	shards_leave(&hold);
	shards_leave(&hold);
	shards_totals(s, &swarms, &peers);
	CHECK_INT(swarms, 9);
	CHECK_INT(peers, 9);
	shards_tick(s, 1 + TRACKER_STOCK_EXPIRY_S);
	shards_totals(s, &swarms, &peers);
	CHECK_INT(peers, 0);
	shards_free(s);
}

struct crowd {
	struct shards *all;
	uint8_t number;
	int failures;
};

/* Each announces to every shard in turn, from an address of its own. */
static void *announce_much(void *arg)
{
	struct crowd *c = arg;
	struct shard_hold hold = {.all = c->all};
	struct addr from = {.ip = {192, 0, 2, c->number}};

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct announce a = announce_of(i % 30, 7000);
		struct announce_reply reply;

		c->failures += tracker_announce(shards_enter(&hold, a.info_hash), &a, &from, NULL,
						1, &reply) != 0;
		if (i % 64 == 0)
			shards_leave(&hold);
	}
	shards_leave(&hold);
	return NULL;
}

TEST(threads_that_come_for_one_anothers_shards_lose_nothing)
{
	struct crowd crowd[4];
	pthread_t threads[4];
	struct shards *s = shards_new(SHARDS);
	uint64_t swarms, peers;

	for (uint8_t i = 0; i < 4; i++) {
		crowd[i] = (struct crowd){.all = s, .number = (uint8_t)(i + 1)};
		CHECK_INT(pthread_create(&threads[i], NULL, announce_much, &crowd[i]), 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		shards_tick(s, 1);
		shards_totals(s, &swarms, &peers);
	}
	for (uint8_t i = 0; i < 4; i++) {
		CHECK_INT(pthread_join(threads[i], NULL), 0);
		CHECK_INT(crowd[i].failures, 0);
	}
	shards_totals(s, &swarms, &peers);
	CHECK_INT(swarms, 30);
	CHECK_INT(peers, 4 * 30);
	shards_free(s);
}
