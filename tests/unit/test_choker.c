#include "swarm/choker.h"

#include "test.h"

#define NOW 1000000u

static struct choker_peer peer(uint32_t slot, bool unchoked, uint64_t give, uint64_t take,
			       uint64_t age_ms)
{
	return (struct choker_peer){.slot = slot,
				    .unchoked = unchoked,
				    .give_bps = give,
				    .take_bps = take,
				    .passes_milli = 1000,
				    .since_ms = NOW - age_ms};
}

static bool chosen(const struct choker_peer *list, uint32_t n, uint32_t slot)
{
	for (uint32_t i = 0; i < n; i++) {
		if (list[i].slot == slot)
			return list[i].unchoke;
	}
	return false;
}

static uint32_t count(const struct choker_peer *list, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		k += list[i].unchoke;
	return k;
}

TEST(choker_unchokes_everybody_while_there_are_places)
{
	struct choker_peer list[4];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 1);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 4; i++)
		list[i] = peer(i, i % 2 == 0, 0, 0, 60000);
	choker_round(&c, list, 4, true, NOW, &rng);
	CHECK_INT(count(list, 4), 4);
}

TEST(choker_keeps_those_who_give_most_and_one_by_chance)
{
	struct choker_peer list[10];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 2);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 10; i++)
		list[i] = peer(i, i < 4, i * 1000, 0, 60000);
	choker_round(&c, list, 10, false, NOW, &rng);
	CHECK_INT(count(list, 10), 4);
	CHECK(chosen(list, 10, 9) && chosen(list, 10, 8) && chosen(list, 10, 7));
}

TEST(choker_gives_an_optimistic_unchoke_its_time)
{
	struct choker_peer list[6];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 3);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 6; i++)
		list[i] = peer(i, i < 4, i == 3 ? 0 : 1000 + i, 0,
			       i == 3 ? CHOKER_OPTIMISTIC_MS - 1 : 60000);
	choker_round(&c, list, 6, false, NOW, &rng);
	CHECK(chosen(list, 6, 3));
	for (uint32_t i = 0; i < 6; i++)
		list[i] =
		    peer(i, i < 4, i == 3 ? 0 : 1000 + i, 0, i == 3 ? CHOKER_OPTIMISTIC_MS : 60000);
	choker_round(&c, list, 6, false, NOW, &rng);
	CHECK(!chosen(list, 6, 3));
}

TEST(choker_of_a_seed_serves_fast_takers_and_lets_newcomers_have_a_turn)
{
	struct choker_peer list[12];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 4);
	choker_init(&c, 8);
	for (uint32_t i = 0; i < 12; i++)
		list[i] = peer(i, i < 8, 0, i < 8 ? (i + 1) * 100000 : 0, i == 11 ? 90000 : 30000);
	choker_round(&c, list, 12, true, NOW, &rng);
	CHECK_INT(count(list, 12), 8);
	for (uint32_t i = 2; i < 8; i++)
		CHECK(chosen(list, 12, i));
	/* Two of the four that wait got the places of the slowest, the longest waiting first. */
	CHECK(chosen(list, 12, 11));
	CHECK(!chosen(list, 12, 0) && !chosen(list, 12, 1));
}

TEST(choker_of_a_seed_serves_everybody_in_turn)
{
	struct choker_peer list[40];
	bool served[40] = {false};
	uint64_t since[40] = {0};
	bool unchoked[40] = {false};
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 5);
	choker_init(&c, 8);
	for (uint64_t now = NOW; now < NOW + 300000; now += CHOKER_ROUND_MS) {
		for (uint32_t i = 0; i < 40; i++)
			list[i] = (struct choker_peer){.slot = i,
						       .unchoked = unchoked[i],
						       .take_bps = unchoked[i] ? 100000 : 0,
						       .passes_milli = 1000,
						       .since_ms = since[i]};
		choker_round(&c, list, 40, true, now, &rng);
		CHECK_INT(count(list, 40), 8);
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t k = list[i].slot;

			if (list[i].unchoke != unchoked[k])
				since[k] = now;
			unchoked[k] = list[i].unchoke;
			served[k] |= unchoked[k];
		}
	}
	for (uint32_t i = 0; i < 40; i++)
		CHECK(served[i]);
}

TEST(choker_lets_one_that_fell_behind_earn_its_place_with_less)
{
	struct choker_peer list[6];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 8);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 6; i++)
		list[i] = peer(i, i < 4, i == 3 ? 80000 : 100000, 0, 60000);
	list[3].behind_milli = 200;
	list[4].since_ms = list[5].since_ms = NOW - 10;
	choker_round(&c, list, 6, false, NOW, &rng);
	CHECK(chosen(list, 6, 3));
}

TEST(choker_gives_the_next_turn_to_one_that_came_late)
{
	struct choker_peer list[8];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 9);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 8; i++)
		list[i] = peer(i, i < 4, i < 4 ? 100000 : 0, 0, 30000);
	list[7].behind_milli = 500;
	list[7].since_ms = NOW - 1;
	choker_round(&c, list, 8, false, NOW, &rng);
	CHECK(chosen(list, 8, 7));
}

TEST(choker_of_a_seed_takes_the_place_of_one_that_passes_nothing_on)
{
	struct choker_peer list[12];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 10);
	choker_init(&c, 8);
	for (uint32_t i = 0; i < 12; i++)
		list[i] = peer(i, i < 8, 0, i < 8 ? 100000 : 0, 30000);
	for (uint32_t i = 0; i < 4; i++)
		list[i].passes_milli = 300;
	choker_round(&c, list, 12, true, NOW, &rng);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(!chosen(list, 12, i));
	CHECK_INT(count(list, 12), 8);
}

TEST(choker_of_a_seed_keeps_a_fast_one_that_thin_lines_leave_the_uplink_to)
{
	struct choker_peer list[40];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 5);
	choker_init(&c, 0);
	for (uint32_t i = 0; i < 40; i++)
		list[i] =
		    peer(i, i < CHOKER_SLOTS_FIRST, 0, i < CHOKER_SLOTS_FIRST ? 5000 : 0, 30000);
	list[3].take_bps = 800000;
	list[3].passes_milli = 30; /* nobody else could take so much */
	choker_round(&c, list, 40, true, NOW, &rng);
	CHECK(chosen(list, 40, 3));
	CHECK_INT(count(list, 40), c.slots + 1);
}

TEST(choker_of_a_seed_keeps_none_that_passes_nothing_on_before_others_had_a_place)
{
	struct choker_peer list[40];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 6);
	choker_init(&c, 0);
	for (uint32_t i = 0; i < 40; i++) {
		list[i] =
		    peer(i, i < CHOKER_SLOTS_FIRST, 0, i < CHOKER_SLOTS_FIRST ? 100000 : 0, 30000);
		list[i].passes_milli = i < CHOKER_SLOTS_FIRST ? 0 : 1000;
	}
	list[0].take_bps = 200000;
	choker_round(&c, list, 40, true, NOW, &rng);
	CHECK(!chosen(list, 40, 0));
	CHECK_INT(count(list, 40), c.slots);
}

TEST(choker_prefers_peers_with_little_for_a_free_place)
{
	struct choker_peer list[3] = {peer(0, false, 0, 0, 10), peer(1, true, 0, 0, 10),
				      peer(2, false, 0, 0, 10)};
	struct rng rng;

	rng_seed(&rng, 6);
	list[0].behind_milli = 10;
	list[2].behind_milli = 1000;
	CHECK_INT(choker_next(list, 3, true, &rng), 2);
	list[0].unchoked = list[2].unchoked = true;
	CHECK_INT(choker_next(list, 3, true, &rng), 3);
}

/* Rounds in which each of `n` takes `each_bps`, but all no more than `uplink_bps`. */
static void rounds(struct choker *c, int k, uint32_t n, uint64_t each_bps, uint64_t uplink_bps)
{
	struct choker_peer list[100];
	struct rng rng;

	rng_seed(&rng, 7);
	while (k-- > 0) {
		uint32_t taken = c->slots < n ? c->slots : n;
		uint64_t bps = each_bps * taken < uplink_bps ? each_bps : uplink_bps / taken;

		for (uint32_t i = 0; i < n; i++)
			list[i] = peer(i, i < taken, 0, i < taken ? bps : 0, 60000);
		choker_round(c, list, n, true, NOW, &rng);
		CHECK(c->slots <= CHOKER_SLOTS_MAX);
	}
}

TEST(choker_adds_places_while_more_is_taken)
{
	struct choker c;

	choker_init(&c, 0);
	rounds(&c, 15, 90, 1000000, 1000000000);
	CHECK_INT(c.slots, CHOKER_SLOTS_MAX);
}

TEST(choker_with_a_full_uplink_goes_back_to_few_places)
{
	struct choker c;

	choker_init(&c, 0);
	rounds(&c, 10, 90, 1000000, 1000000000);
	CHECK(c.slots > 2 * CHOKER_SLOTS_FIRST);
	rounds(&c, 200, 90, 10000000, 10000000);
	CHECK(c.slots <= CHOKER_SLOTS_FIRST + CHOKER_SLOTS_FIRST / 4);
}

TEST(choker_leaves_the_places_that_the_user_set)
{
	struct choker c;

	choker_init(&c, 3);
	rounds(&c, 20, 90, 1000000, 1000000000);
	CHECK_INT(c.slots, 3);
}

TEST(choker_gives_no_place_to_one_that_takes_nothing_while_others_want_it)
{
	struct choker_peer list[6];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 21);
	for (int seeding = 0; seeding < 2; seeding++) {
		choker_init(&c, 4);
		/* By what filled their buffers they are the best; and they waited longest. */
		for (uint32_t i = 0; i < 6; i++) {
			list[i] = peer(i, i < 2, i < 4 ? 9000000 : 0, i < 4 ? 9000000 : 0, 60000);
			list[i].stalled = i < 4;
		}
		CHECK(list[choker_next(list, 6, seeding != 0, &rng)].slot >= 4);
		choker_round(&c, list, 6, seeding != 0, NOW, &rng);
		CHECK_INT(count(list, 6), 4);
		CHECK(chosen(list, 6, 4) && chosen(list, 6, 5));
		for (uint32_t i = 0; i < 6; i++)
			list[i].stalled = true;
		CHECK_INT(choker_next(list, 6, seeding != 0, &rng), 6);
	}
}

TEST(choker_keeps_one_that_takes_before_those_that_had_a_place_in_vain)
{
	struct choker_peer list[20];
	struct choker c;
	struct rng rng;

	rng_seed(&rng, 22);
	choker_init(&c, 4);
	for (uint32_t i = 0; i < 20; i++) {
		list[i] = peer(i, i < 4, 0, i == 0 ? 1000000 : 0, 60000);
		list[i].idle_turns = i == 0 ? 0 : 1 + i % CHOKER_IDLE_TURNS_MAX;
		/* Nobody has anything from it, as the others take nothing. */
		list[i].passes_milli = i == 0 ? 20 : 1000;
	}
	choker_round(&c, list, 20, true, NOW, &rng);
	CHECK_INT(count(list, 20), 4);
	CHECK(chosen(list, 20, 0));
	/* One that had none yet comes before it. */
	for (uint32_t i = 0; i < 20; i++)
		list[i].idle_turns = list[i].slot == 0 || list[i].slot > 15 ? 0 : 1;
	choker_round(&c, list, 20, true, NOW, &rng);
	for (uint32_t i = 16; i < 20; i++)
		CHECK(chosen(list, 20, i));
}
