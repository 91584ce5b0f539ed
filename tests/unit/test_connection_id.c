#include "wire/connection_id.h"

#include "base/rng.h"

#include "test.h"

static const struct siphash_key key = {0x0123456789abcdef, 0xfedcba9876543210};

static struct addr host(uint8_t last)
{
	return (struct addr){.ip = {192, 0, 2, last}, .port = 6881};
}

TEST(an_id_is_good_for_two_minutes_and_not_a_second_more)
{
	struct addr from = host(1);

	for (uint64_t made = 0; made < 600; made++) {
		uint64_t id = connection_id_make(key, &from, made);

		for (uint64_t age = 0; age < 1000; age++)
			CHECK_INT(connection_id_is_good(key, &from, made + age, id), age <= 120);
	}
}

TEST(an_id_from_the_future_is_wrong)
{
	struct addr from = host(1);

	for (uint64_t ahead = 1; ahead < 1000; ahead++)
		CHECK(!connection_id_is_good(key, &from, 5000,
					     connection_id_make(key, &from, 5000 + ahead)));
	/* Before the clock's first second there was nothing. */
	CHECK(!connection_id_is_good(key, &from, 3, connection_id_make(key, &from, (uint64_t)-5)));
}

TEST(an_id_is_good_from_any_port_of_its_address_and_from_no_other_address)
{
	struct addr from = host(1), other = host(2), v6 = {.ip = {192, 0, 2, 1}, .v6 = 1};
	uint64_t id = connection_id_make(key, &from, 77);

	from.port = 1;
	CHECK(connection_id_is_good(key, &from, 77, id));
	CHECK(!connection_id_is_good(key, &other, 77, id));
	CHECK(!connection_id_is_good(key, &v6, 77, id));
}

TEST(an_id_from_before_a_restart_is_wrong)
{
	struct siphash_key next = {key.k0 ^ 1, key.k1};
	struct addr from = host(1);

	CHECK(!connection_id_is_good(next, &from, 77, connection_id_make(key, &from, 77)));
}

TEST(a_million_guesses_are_wrong_and_so_is_every_bit_turned)
{
	struct addr from = host(1);
	uint64_t id = connection_id_make(key, &from, 1000);
	struct rng rng;

	rng_seed(&rng, 4);
	CHECK(!connection_id_is_good(key, &from, 1000, 0));
	for (unsigned i = 0; i < 1000000; i++)
		CHECK(!connection_id_is_good(key, &from, 1000, rng_next(&rng)));
	for (unsigned bit = 0; bit < 64; bit++)
		CHECK(!connection_id_is_good(key, &from, 1000, id ^ UINT64_C(1) << bit));
}
