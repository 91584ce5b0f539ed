#include "swarm/holepunch.h"

#include "test.h"

static const struct peer_ref introducer = {3, 7};

static struct addr at(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 6881, &a), OK);
	return a;
}

TEST(packets_go_only_where_a_strangers_word_may_send_them)
{
	static const struct {
		const char *addr;
		bool may;
	} list[] = {
	    {"8.8.8.8", true},
	    {"8.8.8.8:0", false},
	    {"127.0.0.1", false},
	    {"127.9.9.9", false},
	    {"0.0.0.0", false},
	    {"0.1.2.3", false},
	    {"169.254.1.1", false},
	    {"224.0.0.1", false},
	    {"239.255.255.250", false},
	    {"255.255.255.255", false},
	    {"240.0.0.1", false},
	    /* Of a network that we may be in: who dials looks. */
	    {"10.1.2.3", true},
	    {"192.168.1.1", true},
	    {"172.16.1.1", true},
	    {"[2001:db8::1]", true},
	    {"[::1]", false},
	    {"[::]", false},
	    {"[fe80::1]", false},
	    {"[ff02::1]", false},
	    {"[fd00::1]", true},
	    {"[::ffff:127.0.0.1]", false},
	    {"[64:ff9b::7f00:1]", false},
	    {"[2002:7f00:1::]", false},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct addr a = at(list[i].addr);

		if (holepunch_may_dial(&a) != list[i].may)
			fail_msg("%s", list[i].addr);
	}
}

TEST(only_those_are_paired_who_can_see_each_other)
{
	static const struct {
		const char *a, *b;
		bool may;
	} list[] = {
	    {"8.8.8.8", "9.9.9.9", true},
	    {"8.8.8.8", "[2001:db8::1]", false},
	    {"8.8.8.8", "192.168.1.1", false},
	    {"192.168.1.2", "192.168.1.1", true},
	    {"127.0.0.1", "127.0.0.1:5", false},
	    {"8.8.8.8", "127.0.0.1", false},
	    {"[2001:db8::1]", "[2001:db8::2]", true},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct addr a = at(list[i].a), b = at(list[i].b);

		CHECK(holepunch_may_pair(&a, &b) == list[i].may);
		CHECK(holepunch_may_pair(&b, &a) == list[i].may);
	}
}

TEST(an_allowance_comes_back_with_time)
{
	struct allowance a = {0};
	uint64_t now = 1000000;

	for (int i = 0; i < 5; i++)
		CHECK(allowance_take(&a, 5, 100, now));
	CHECK(!allowance_take(&a, 5, 100, now));
	CHECK(!allowance_take(&a, 5, 100, now + 99));
	CHECK(allowance_take(&a, 5, 100, now + 100));
	CHECK(!allowance_take(&a, 5, 100, now + 100));
	now += 100000;
	for (int i = 0; i < 5; i++)
		CHECK(allowance_take(&a, 5, 100, now));
	CHECK(!allowance_take(&a, 5, 100, now));
}

TEST(an_introducer_that_was_asked_is_heeded_also_when_it_knows_another_port)
{
	struct addr a = at("8.8.8.8:1000"), mapped = at("8.8.8.8:33333"), other = at("9.9.9.9:5");
	struct allowance none = {.paid_ms = UINT64_MAX / 2};
	struct holepunch h = {0};
	struct holepunch_attempt *t = holepunch_begin(&h, &a, false, 1000);

	CHECK(t != NULL);
	CHECK(holepunch_ask(t, introducer, 1000));
	CHECK(holepunch_on_connect(&h, introducer, &other, &none, 1100) == NULL);
	CHECK(holepunch_on_connect(&h, (struct peer_ref){3, 8}, &a, &none, 1100) == NULL);
	CHECK(holepunch_on_connect(&h, introducer, &mapped, &none, 1200) == t);
	/* Once. */
	CHECK(holepunch_on_connect(&h, introducer, &mapped, &none, 1300) == NULL);
	CHECK(holepunch_is_tried(&h, &mapped, 1300));
}

TEST(a_host_is_not_dialled_again_soon_whoever_says_so)
{
	struct addr a = at("8.8.8.8:1000");
	struct holepunch h = {0};
	uint64_t now = 1000;

	for (uint32_t i = 0; i < 10; i++) {
		struct allowance heed = {0};

		CHECK((holepunch_on_connect(&h, (struct peer_ref){i, 0}, &a, &heed, now) != NULL) ==
		      (i == 0));
	}
	for (uint16_t port = 1; port < 10; port++) {
		struct allowance heed = {0};

		a.port = port;
		CHECK((holepunch_on_connect(&h, introducer, &a, &heed, now) != NULL) ==
		      (port < HOLEPUNCH_PORTS_MAX));
	}
	now += HOLEPUNCH_AGAIN_MS;
	CHECK(holepunch_on_connect(&h, introducer, &a, &(struct allowance){0}, now) != NULL);
}

TEST(a_64_of_ipv6_is_dialled_no_more_often_than_a_host)
{
	struct holepunch h = {0};
	uint32_t n = 0;

	for (uint8_t i = 0; i < 20; i++) {
		struct addr a = {.ip = {0x2a, [15] = i}, .port = 6881, .v6 = 1};
		struct allowance heed = {0};

		n += holepunch_on_connect(&h, introducer, &a, &heed, 1000) != NULL;
	}
	CHECK_INT(n, HOLEPUNCH_PORTS_MAX);
}

TEST(one_introducer_may_name_a_few_unasked)
{
	struct allowance heed = {0};
	struct holepunch h = {0};
	uint32_t n = 0;

	for (uint8_t i = 1; i < 100; i++) {
		struct addr a = {.ip = {8, 8, 8, i}, .port = 1};

		n += holepunch_on_connect(&h, introducer, &a, &heed, 1000) != NULL;
	}
	CHECK_INT(n, HOLEPUNCH_HEED_BURST);
}

TEST(many_introducers_leave_room_for_what_was_asked)
{
	struct addr ours = at("9.9.9.9:9");
	struct holepunch h = {0};
	uint32_t n = 0;

	for (uint8_t i = 1; i < 200; i++) {
		struct addr a = {.ip = {8, 8, 8, i}, .port = 1};
		struct allowance heed = {0};

		n += holepunch_on_connect(&h, (struct peer_ref){i, 0}, &a, &heed, 1000) != NULL;
	}
	CHECK_INT(n, HOLEPUNCH_UNASKED_MAX);
	for (n = 0; n < 100; n++) {
		struct holepunch_attempt *t = holepunch_begin(&h, &ours, false, 1000);

		if (t == NULL)
			break;
		CHECK(holepunch_ask(t, introducer, 1000));
		ours.port++;
	}
	CHECK_INT(n, HOLEPUNCH_ATTEMPTS_MAX - HOLEPUNCH_UNASKED_MAX);
}

TEST(few_introducers_are_asked_and_each_once)
{
	struct addr a = at("8.8.8.8:1000");
	struct holepunch h = {0};
	struct holepunch_attempt *t = holepunch_begin(&h, &a, false, 1000);

	CHECK(holepunch_find(&h, &a, 1000) == t);
	for (uint32_t i = 0; i < HOLEPUNCH_ASKS_MAX; i++) {
		CHECK(holepunch_ask(t, (struct peer_ref){i, 0}, 1000));
		CHECK(!holepunch_ask(t, (struct peer_ref){i, 0}, 1000));
	}
	CHECK(!holepunch_ask(t, (struct peer_ref){9, 0}, 1000));
	CHECK(holepunch_find(&h, &a, 1000 + HOLEPUNCH_AGAIN_MS) == NULL);
}
