#include "node/external.h"

#include "test.h"

static struct addr at(uint8_t a, uint8_t b)
{
	return (struct addr){.ip = {a, b, 1, 1}, .port = 1};
}

TEST(one_voice_is_not_believed_and_two_of_different_networks_are)
{
	struct addr us = at(20, 0), x = at(30, 1), beside = {.ip = {30, 1, 9, 9}}, y = at(30, 2);
	struct external e = {0};

	CHECK(!external_on_vote(&e, &x, &us));
	CHECK(!external_on_vote(&e, &beside, &us));
	CHECK(external_address(&e, false) == NULL);
	CHECK(external_on_vote(&e, &y, &us));
	CHECK(addr_same_host(external_address(&e, false), &us));
	CHECK_INT(external_address(&e, false)->port, 0);
	CHECK(external_address(&e, true) == NULL);
	/* It is news once. */
	CHECK(!external_on_vote(&e, &y, &us));
	CHECK_INT(e.source[0], EXTERNAL_VOTES);
}

TEST(a_liar_among_many_changes_nothing)
{
	struct addr us = at(20, 0), lie = at(66, 6);
	struct external e = {0};

	for (uint8_t i = 0; i < 5; i++) {
		struct addr by = at(30, i);

		(void)external_on_vote(&e, &by, &us);
	}
	for (uint8_t i = 0; i < 4; i++) {
		struct addr by = at(40, i);

		CHECK(!external_on_vote(&e, &by, &lie));
	}
	CHECK(addr_same_host(external_address(&e, false), &us));
}

TEST(the_table_goes_before_votes_and_votes_before_the_router)
{
	struct addr router = at(20, 0), voted = at(21, 0), table = at(22, 0), near = at(10, 0);
	struct addr x = at(30, 1), y = at(30, 2);
	struct external e = {0};

	CHECK(!external_on_verdict(&e, EXTERNAL_ROUTER, &near));
	CHECK(external_on_verdict(&e, EXTERNAL_ROUTER, &router));
	(void)external_on_vote(&e, &x, &voted);
	CHECK(external_on_vote(&e, &y, &voted));
	CHECK(!external_on_verdict(&e, EXTERNAL_ROUTER, &router));
	CHECK(external_on_verdict(&e, EXTERNAL_DHT, &table));
	CHECK(!external_on_vote(&e, &x, &voted));
	CHECK(addr_same_host(external_address(&e, false), &table));
	/* It may change its mind. */
	CHECK(external_on_verdict(&e, EXTERNAL_DHT, &voted));
	CHECK(addr_same_host(external_address(&e, false), &voted));
}
