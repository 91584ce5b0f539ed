#include "swarm/addrbook.h"

#include "test.h"

static struct rng rng;

static struct addr at(uint32_t host, uint16_t port)
{
	struct addr a = {.port = port};

	put_be32(a.ip, 0x0a000000u + host);
	return a;
}

static struct addrbook fresh(uint64_t seed)
{
	struct addrbook b;

	rng_seed(&rng, seed);
	addrbook_init(&b, &rng);
	return b;
}

TEST(addrbook_hands_out_each_address_once)
{
	struct addrbook b = fresh(1);
	uint64_t due;

	for (uint32_t i = 1; i <= 100; i++)
		CHECK(addrbook_add(&b, &(struct addr){{10, 1, 0, (uint8_t)i}, 1, 0, 0},
				   SOURCE_TRACKER, 5) != NULL);
	for (uint32_t i = 1; i <= 100; i++)
		CHECK(addrbook_dial(&b, WISH_ANY, 5, &due) != NULL);
	CHECK(addrbook_dial(&b, WISH_ANY, 5, &due) == NULL);
	CHECK(due == UINT64_MAX);
	CHECK_INT(b.n_dialing, 100);
	addrbook_check(&b);
	addrbook_fini(&b);
}

TEST(addrbook_knows_who_is_dialled_for_the_first_time)
{
	struct addrbook b = fresh(1);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_USER, 0);
	uint64_t now = 5, due;

	CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
	CHECK_INT(b.n_first, 1);
	/* There was no place for it. */
	addrbook_put_off(&b, k, 100, now);
	CHECK_INT(b.n_first, 0);
	now += 1000;
	CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
	CHECK_INT(b.n_first, 1);
	addrbook_on_failed(&b, k, now);
	CHECK_INT(b.n_first, 0);
	now += ADDRBOOK_RETRY_MAX_MS;
	CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
	CHECK_INT(b.n_dialing, 1);
	CHECK_INT(b.n_first, 0);
	addrbook_check(&b);
	addrbook_fini(&b);
}

TEST(addrbook_refuses_what_cannot_be_dialled)
{
	struct addrbook b = fresh(2);
	struct addr a = at(1, 0);

	CHECK(addrbook_add(&b, &a, SOURCE_PEX, 5) == NULL);
	a = (struct addr){.port = 5};
	CHECK(addrbook_add(&b, &a, SOURCE_PEX, 5) == NULL);
	a = (struct addr){.ip = {224, 0, 0, 1}, .port = 5};
	CHECK(addrbook_add(&b, &a, SOURCE_PEX, 5) == NULL);
	addrbook_fini(&b);
}

TEST(addrbook_waits_longer_after_each_failure_but_not_for_ever)
{
	struct addrbook b = fresh(3);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_TRACKER, 0);
	uint64_t now = 1000, due, last = 0;

	for (int i = 0; i < 30; i++) {
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		addrbook_on_failed(&b, k, now);
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == NULL);
		CHECK(due > now && due - now <= ADDRBOOK_RETRY_MAX_MS * 5 / 4);
		if (i == 6)
			CHECK(due - now > last);
		if (i == 0)
			last = due - now;
		now = due;
	}
	addrbook_fini(&b);
}

TEST(addrbook_tries_again_soon_who_hung_up)
{
	struct addrbook b = fresh(3);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_LSD, 0);
	uint64_t now = 1000, due;

	for (uint64_t ms = ADDRBOOK_RETRY_SOON_MS; ms < ADDRBOOK_RETRY_GOOD_MS; ms *= 2) {
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		addrbook_on_hung_up(&b, k, now);
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == NULL);
		CHECK(due - now >= ms * 3 / 4 && due - now <= ms * 5 / 4);
		now = due;
	}
	addrbook_fini(&b);
}

TEST(addrbook_tries_again_soon_whom_the_user_named_while_there_is_nobody_and_no_others)
{
	static const enum addr_source from[] = {SOURCE_USER, SOURCE_TRACKER};

	for (int i = 0; i < 2; i++) {
		struct addrbook b = fresh(3);
		struct addr a = at(1, 1);
		struct address *k = addrbook_add(&b, &a, from[i], 0);
		uint64_t now = 1000, due, ms = i == 0 ? ADDRBOOK_RETRY_SOON_MS : ADDRBOOK_RETRY_MS;

		for (uint32_t n = 0; n < 6; n++) {
			CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
			addrbook_on_failed_alone(&b, k, now);
			CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == NULL);
			CHECK(due - now >= ms * 3 / 4 && due - now <= ms * 5 / 4);
			now = due;
			ms *= 2;
			if (i == 0 && ms > ADDRBOOK_RETRY_MS)
				ms = ADDRBOOK_RETRY_MS;
		}
		addrbook_fini(&b);
	}
}

TEST(addrbook_holds_nothing_against_an_address_that_was_put_off)
{
	struct addrbook b = fresh(11);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_TRACKER, 0);
	uint64_t now = 1000, due;

	for (int i = 0; i < 30; i++) {
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		addrbook_put_off(&b, k, 4000, now);
		CHECK_INT(b.n_dialing, 0);
		CHECK_INT(k->failures, 0);
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == NULL);
		CHECK(due >= now + 3000 && due <= now + 5000);
		now = due;
	}
	CHECK_INT(addrbook_untried(&b, 10, now), 1);
	addrbook_check(&b);
	addrbook_fini(&b);
}

TEST(addrbook_tries_good_addresses_again_soon)
{
	struct addrbook b = fresh(4);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_TRACKER, 0);
	uint64_t now = 1000, due;

	k->good = true;
	for (int i = 0; i < 30; i++) {
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		addrbook_on_failed(&b, k, now);
		addrbook_dial(&b, WISH_ANY, now, &due);
		CHECK(due - now <= ADDRBOOK_RETRY_GOOD_MS * 5 / 4);
		now = due;
	}
	addrbook_fini(&b);
}

TEST(addrbook_tries_for_two_minutes_and_more_whom_the_user_named_each_five_seconds)
{
	struct addrbook b = fresh(4);
	struct addr a = at(1, 1);
	struct address *k = addrbook_add(&b, &a, SOURCE_USER, 0);
	uint64_t now = 1000, due;

	for (uint32_t i = 1; i <= 2 * ADDRBOOK_USER_TRIES; i++) {
		uint64_t most =
		    i < ADDRBOOK_USER_TRIES ? ADDRBOOK_RETRY_MS : ADDRBOOK_RETRY_GOOD_MS;

		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		addrbook_on_failed(&b, k, now);
		addrbook_dial(&b, WISH_ANY, now, &due);
		CHECK(due - now >= most * 3 / 4 && due - now <= most * 5 / 4);
		now = due;
	}
	addrbook_fini(&b);
}

/* A tracker lists the dead for long; that somebody comes, who knows him says once. */
TEST(addrbook_tries_at_once_who_has_just_come_or_is_named_again)
{
	static const struct {
		enum addr_source src;
		bool due;
	} cases[] = {{SOURCE_TRACKER, false}, {SOURCE_PEX, false}, {SOURCE_DHT, false},
		     {SOURCE_USER, true},     {SOURCE_LSD, true},  {SOURCE_ARRIVED, true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addrbook b = fresh(4);
		struct addr a = at(1, 1);
		struct address *k = addrbook_add(&b, &a, SOURCE_TRACKER, 0);
		uint64_t now = 1000, due;

		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == k);
		/* It is at it already. */
		CHECK(addrbook_add(&b, &a, cases[i].src, now) == k);
		CHECK(addrbook_dial(&b, WISH_ANY, now, &due) == NULL);
		addrbook_on_failed(&b, k, now);
		CHECK(addrbook_add(&b, &a, cases[i].src, now) == k);
		CHECK((addrbook_dial(&b, WISH_ANY, now, &due) == k) == cases[i].due);
		addrbook_check(&b);
		addrbook_fini(&b);
	}
}

TEST(addrbook_keeps_its_limit_and_prefers_useful_addresses)
{
	struct addrbook b = fresh(5);
	struct addr a;

	for (uint32_t i = 0; i < SWARM_ADDRESSES_MAX; i++) {
		a = at(i + 1, 1);
		CHECK(addrbook_add(&b, &a, SOURCE_PEX, 5) != NULL);
	}
	CHECK_INT(b.n, SWARM_ADDRESSES_MAX);
	a = at(500000, 1);
	CHECK(addrbook_add(&b, &a, SOURCE_USER, 5) != NULL);
	CHECK_INT(b.n, SWARM_ADDRESSES_MAX);
	for (uint32_t i = 0; i < 20000; i++) {
		struct addr flood = at(600000 + i, 1);

		addrbook_add(&b, &flood, SOURCE_PEX, 5);
	}
	CHECK_INT(b.n, SWARM_ADDRESSES_MAX);
	CHECK(addrbook_find(&b, &a) != NULL);
	addrbook_check(&b);
	addrbook_fini(&b);
}

TEST(addrbook_bans_a_host_for_a_time_and_on_loopback_one_address)
{
	struct addrbook b = fresh(6);
	struct addr bad = at(9, 1000), same_host = at(9, 2000), other = at(8, 1000);
	struct addr loop = {.ip = {127, 0, 0, 1}, .port = 1},
		    loop2 = {.ip = {127, 0, 0, 1}, .port = 2};

	CHECK_INT(addrbook_ban(&b, &bad, 100, SWARM_BAN_MS), 0);
	CHECK_INT(addrbook_ban(&b, &loop, 100, SWARM_BAN_MS), 0);
	CHECK(addrbook_is_banned(&b, &bad, 101) && addrbook_is_banned(&b, &same_host, 101));
	CHECK(!addrbook_is_banned(&b, &other, 101));
	CHECK(addrbook_is_banned(&b, &loop, 101) && !addrbook_is_banned(&b, &loop2, 101));
	loop.ip[3] = loop2.ip[3] = 9;
	CHECK_INT(addrbook_ban(&b, &loop, 100, SWARM_BAN_MS), 0);
	CHECK(addrbook_is_banned(&b, &loop2, 101));
	CHECK(addrbook_add(&b, &same_host, SOURCE_USER, 101) == NULL);
	CHECK(addrbook_is_banned(&b, &bad, 99 + SWARM_BAN_MS));
	CHECK(!addrbook_is_banned(&b, &bad, 100 + SWARM_BAN_MS));
	addrbook_fini(&b);
}

/* One line has all addresses of a /64. */
TEST(addrbook_bans_a_whole_64_of_ipv6)
{
	struct addrbook b = fresh(6);
	struct addr bad = {.ip = {0x2a, [7] = 1, [15] = 1}, .port = 1, .v6 = 1}, beside = bad,
		    other = bad;

	beside.ip[9] = 7;
	other.ip[7] = 2;
	CHECK_INT(addrbook_ban(&b, &bad, 100, SWARM_BAN_MS), 0);
	CHECK(addrbook_is_banned(&b, &beside, 101) && !addrbook_is_banned(&b, &other, 101));
	/* And the strikes of one are another's. */
	CHECK(!addrbook_strike(&b, &other, 100));
	other.ip[15] = 2;
	CHECK(!addrbook_strike(&b, &other, 100));
	other.ip[15] = 3;
	CHECK(addrbook_strike(&b, &other, 100));
	addrbook_fini(&b);
}

TEST(addrbook_keeps_its_limit_of_bans)
{
	struct addrbook b = fresh(7);
	struct addr a;

	for (uint32_t i = 0; i <= ADDRBOOK_BANS_MAX; i++) {
		a = at(i + 1, 1);
		CHECK_INT(addrbook_ban(&b, &a, 100 + i, SWARM_BAN_MS), 0);
	}
	CHECK_INT(b.n_bans, ADDRBOOK_BANS_MAX);
	CHECK(addrbook_is_banned(&b, &a, 2000));
	a = at(1, 1);
	CHECK(!addrbook_is_banned(&b, &a, 2000));
	addrbook_fini(&b);
}

TEST(addrbook_counts_three_strikes_in_ten_minutes)
{
	struct addrbook b = fresh(8);
	struct addr a = at(1, 1), other = at(2, 1);

	CHECK(!addrbook_strike(&b, &a, 1000));
	CHECK(!addrbook_strike(&b, &a, 2000));
	CHECK(!addrbook_strike(&b, &other, 2500));
	CHECK(addrbook_strike(&b, &a, 3000));
	CHECK(!addrbook_strike(&b, &other, 3000 + ADDRBOOK_STRIKE_MS));
	CHECK(!addrbook_strike(&b, &a, 3000 + ADDRBOOK_STRIKE_MS));
	addrbook_fini(&b);
}

TEST(addrbook_of_a_seed_skips_seeds_and_never_dials_itself)
{
	struct addrbook b = fresh(9);
	struct addr a = at(1, 1), c = at(2, 1);
	uint64_t due;

	addrbook_add(&b, &a, SOURCE_TRACKER, 0)->seed = true;
	addrbook_add(&b, &c, SOURCE_TRACKER, 0)->self = true;
	CHECK(addrbook_dial(&b, WISH_LACKING, 10, &due) == NULL);
	CHECK(addr_eq(&addrbook_dial(&b, WISH_ANY, 10, &due)->addr, &a));
	CHECK(addrbook_dial(&b, WISH_ANY, 10, &due) == NULL);
	addrbook_fini(&b);
}

TEST(addrbook_hands_out_who_is_said_to_have_everything_first_among_equals_when_asked_to)
{
	struct addrbook b = fresh(10);
	struct addr a;
	struct address *k;
	uint64_t due;

	for (uint32_t i = 1; i <= 50; i++) {
		a = at(i, 1);
		addrbook_add(&b, &a, SOURCE_TRACKER, 0)->said_complete = i % 10 == 0;
	}
	/* Worth more: the user named it. */
	a = at(100, 1);
	addrbook_add(&b, &a, SOURCE_USER, 0);
	k = addrbook_dial(&b, WISH_COMPLETE, 10, &due);
	CHECK(addr_eq(&k->addr, &a));
	CHECK_INT(addrbook_complete(&b), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		CHECK(addrbook_dial(&b, WISH_COMPLETE, 10, &due)->said_complete);
		CHECK_INT(addrbook_complete(&b), i);
	}
	k = addrbook_dial(&b, WISH_COMPLETE, 10, &due);
	CHECK(k->said_complete);
	addrbook_on_failed(&b, k, 10);
	CHECK_INT(addrbook_complete(&b), 3);
	CHECK(addrbook_dial(&b, WISH_COMPLETE, 10, &due)->said_complete);
	/* None is left but the one that failed. */
	CHECK(!addrbook_dial(&b, WISH_COMPLETE, 10, &due)->said_complete);
	addrbook_fini(&b);
}
