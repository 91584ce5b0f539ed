#include "base/addr_votes.h"

#include "test.h"

static struct addr at(uint8_t a, uint8_t b, uint8_t last)
{
	return (struct addr){.ip = {a, b, 1, last}, .port = 1};
}

TEST(more_than_half_and_enough_must_agree)
{
	struct addr us = at(20, 0, 7), other = at(21, 0, 7);
	struct addr_votes v = {0};

	for (uint8_t i = 0; i < 4; i++) {
		struct addr by = at(30, i, 1);

		CHECK(!addr_votes_agree(&v, &us, 4));
		CHECK(addr_votes_add(&v, &by, &us));
	}
	CHECK(addr_votes_agree(&v, &us, 4));
	CHECK(!addr_votes_agree(&v, &us, 5));
	for (uint8_t i = 4; i < 8; i++) {
		struct addr by = at(30, i, 1);

		CHECK(addr_votes_add(&v, &by, &other));
	}
	CHECK(!addr_votes_agree(&v, &us, 4));
	CHECK(!addr_votes_agree(&v, &other, 4));
}

TEST(a_network_has_one_voice_however_many_speak)
{
	struct addr us = at(20, 0, 7);
	struct addr_votes v = {0};

	for (uint8_t i = 0; i < 100; i++) {
		struct addr by = at(30, 5, i);

		CHECK(addr_votes_add(&v, &by, &us));
	}
	CHECK_INT(v.n, 1);
	CHECK(!addr_votes_agree(&v, &us, 2));
}

TEST(the_oldest_votes_give_way)
{
	struct addr us = at(20, 0, 7), other = at(21, 0, 7);
	struct addr_votes v = {0};

	for (unsigned i = 0; i < 2 * ADDR_VOTES_MAX; i++) {
		struct addr by = at(30, (uint8_t)i, 1);

		CHECK(addr_votes_add(&v, &by, i < ADDR_VOTES_MAX ? &us : &other));
		CHECK_INT(v.n, i < ADDR_VOTES_MAX ? i + 1 : ADDR_VOTES_MAX);
	}
	CHECK(addr_votes_agree(&v, &other, ADDR_VOTES_MAX));
}

TEST(what_is_near_says_nothing_of_the_world)
{
	struct addr us = at(20, 0, 7), near = at(10, 0, 1), self = {.ip = {127, 0, 0, 1}};
	struct addr v6 = {.ip = {0x20, 1, 2}, .v6 = 1}, by = at(30, 1, 1);
	struct addr_votes v = {0};

	CHECK(!addr_votes_add(&v, &near, &us));
	CHECK(!addr_votes_add(&v, &by, &near));
	CHECK(!addr_votes_add(&v, &self, &us));
	CHECK(!addr_votes_add(&v, &by, &v6));
	CHECK_INT(v.n, 0);
}
