#include "index/tracker.h"

#include "tracker_fixture.h"

/* ---- near and far ---- */

struct circles {
	uint32_t host, subnet, far;
};

static struct circles circles_of(const struct announce_reply *r, const struct addr *asker)
{
	struct circles c = {0, 0, 0};

	for (uint32_t i = 0; i < r->n_peers; i++) {
		const struct addr *told = &r->peers[i].addr;
		bool subnet =
		    told->v6 == asker->v6 && memcmp(told->ip, asker->ip, asker->v6 ? 8 : 3) == 0;

		c.host += addr_same_host(told, asker);
		c.subnet += subnet && !addr_same_host(told, asker);
		c.far += !subnet;
	}
	return c;
}

/* `subnets` of them with `hosts` each, every third a seed, and 3 more ports on one host. */
static struct tracker *new_town(bool v6, uint32_t subnets, uint32_t hosts)
{
	struct tracker *t = new_tracker(0);
	struct addr from;

	for (uint32_t i = 0; i < subnets * hosts; i++) {
		from = addr_in(v6, i % subnets, 1 + i / subnets, 6881);
		ask_as(t, &from, i % 3, 0);
	}
	for (uint16_t port = 1; port <= 3; port++) {
		from = addr_in(v6, 0, 1, port);
		ask_as(t, &from, 1, 0);
	}
	tracker_check(t);
	return t;
}

static void check_town(bool v6, uint32_t subnets, uint32_t hosts)
{
	struct tracker *t = new_town(v6, subnets, hosts);
	struct addr asker = addr_in(v6, 0, 1, 6881);

	for (uint32_t want = 4; want <= 60; want += 7) {
		struct announce_reply r = ask_as(t, &asker, 1, want);
		struct circles c = circles_of(&r, &asker);
		uint32_t near_max = want - (want + 3) / 4;

		CHECK_INT(r.n_peers, want);
		CHECK(c.host >= (near_max < 3 ? near_max : 3));
		CHECK(c.host + c.subnet >= (near_max < hosts + 2 ? near_max : hosts + 2));
		CHECK(c.far >= (want + 3) / 4);
	}
	tracker_free(t);
}

TEST(those_at_the_same_address_and_in_the_same_subnet_are_told_of_first_but_not_alone)
{
	for (int v6 = 0; v6 < 2; v6++) {
		check_town(v6, 6, 15);	 /* a bunch */
		check_town(v6, 40, 30);	 /* a crowd */
		check_town(v6, 500, 10); /* a larger one */
		check_town(v6, 3, 200);	 /* a subnet is more than a leaf */
	}
}

TEST(when_all_are_near_a_reply_is_as_long_as_any)
{
	struct tracker *t = new_town(false, 1, 250);
	struct addr asker = addr_in(false, 0, 7, 6881);
	struct announce_reply r = ask_as(t, &asker, 1, 200);

	CHECK_INT(r.n_peers, 200);
	for (uint32_t i = 0; i < r.n_peers; i++) {
		for (uint32_t k = 0; k < i; k++)
			CHECK(!addr_eq(&r.peers[i].addr, &r.peers[k].addr));
	}
	r = ask_as(t, &asker, 0, 200);
	CHECK_INT(r.n_peers, r.incomplete < 200 ? r.incomplete : 200);
	tracker_free(t);
}

TEST(a_large_crowd_of_neighbours_is_told_of_as_well)
{
	struct tracker *t = new_tracker(0);
	struct addr from = addr_in(false, 1, 7, 6881);

	for (uint32_t i = 0; i < 8000; i++) {
		struct addr a = addr_in(false, 1, 1 + i % 200, (uint16_t)(1000 + i));

		ask_as(t, &a, i % 3, 0);
	}
	CHECK_INT(ask_as(t, &from, 1, 200).n_peers, 200);
	CHECK_INT(ask_as(t, &from, 0, 50).n_peers, 50);
	tracker_free(t);
}

/* A site of two prefixes, a smaller one that is carved out of it, and one of IPv6. */
static const char *const site_prefixes[] = {"10.1.0.0", "10.9.0.0", "10.1.7.0", "2001:1::"};
static const struct tracker_site site_bits[] = {{.bits = 16, .site = 1}, {.bits = 17, .site = 1},
						{.bits = 24, .site = 2}, {.bits = 33, .site = 1},
						{.bits = 33, .site = 3}, {.bits = 8, .site = 0}};

static struct tracker *new_tracker_with_sites(void)
{
	struct tracker_site sites[6];
	struct tracker_params p = {.seed = 7, .key = {1, 2}, .sites = sites, .n_sites = 6};
	struct tracker *t;

	for (int i = 0; i < 6; i++) {
		sites[i] = site_bits[i];
		sites[i].prefix = addr_from(site_prefixes[i < 4 ? i : 0]);
	}
	t = tracker_new(&p);
	CHECK(t != NULL);
	CHECK_INT(t->n_sites, 4); /* no 33 bits of IPv4, and no site 0 */
	return t;
}

TEST(the_longest_prefix_says_at_which_site_an_address_is)
{
	static const struct {
		const char *addr;
		uint8_t site;
	} cases[] = {{"10.1.2.3", 1}, {"10.1.7.3", 2},	     {"10.9.127.255", 1}, {"10.9.128.0", 0},
		     {"10.2.0.0", 0}, {"2001:1:7fff::1", 1}, {"2001:1:8000::", 0}};
	struct tracker *t = new_tracker_with_sites();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a = addr_from(cases[i].addr);

		CHECK_INT(near_site(t, &a), cases[i].site);
	}
	tracker_free(t);
}

TEST(those_at_the_same_site_are_near_as_well)
{
	for (uint32_t n = 90; n <= 2000; n = n * 2 + 150) {
		struct tracker *t = new_tracker_with_sites();
		struct addr asker = addr_from("10.1.2.3:9"), from;
		struct announce_reply r;
		uint32_t at_site = 0;

		for (uint32_t i = 0; i < n; i++) {
			from = addr_in(false, (i % 16 == 0 ? 0x100 : 0x1000) + i, 1, 1);
			if (i % 16 == 8)
				from = addr_in(false, 0x900 + i % 128, 1, (uint16_t)i);
			ask_as(t, &from, i % 3, 0);
		}
		r = ask_as(t, &asker, 1, 16);
		for (uint32_t i = 0; i < r.n_peers; i++)
			at_site += near_site(t, &r.peers[i].addr) == 1;
		CHECK_INT(r.n_peers, 16);
		/* 10.1.7.0/24 is another site: the one of n / 16 there may be missing */
		CHECK(at_site >= (n / 8 - 2 < 12 ? n / 8 - 2 : 12) && at_site < 16);
		tracker_free(t);
	}
}

/* Of n that are told of `expected` times each on average: chi-square over them, which for n
 * degrees of freedom is n, give or take the root of 2 n. */
static void check_even(const uint32_t *told, uint32_t n, double expected)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += (told[i] - expected) * (told[i] - expected) / expected;
	if (sum > n && (sum - n) * (sum - n) > 36 * 2.0 * n)
		fail_msg("chi-square %.0f for %u", sum, n);
}

TEST(chance_is_fair_in_swarms_of_any_size)
{
	static const uint32_t sizes[] = {3, 60, 126, 127, 200, 1000, 5000};
	static uint32_t told[5000];
	/* every fourth is a seed; and nobody is told of more often for it */

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t n = sizes[k], rounds = 200 * n / 5, want = n < 20 ? 1 : 10;
		struct tracker *t = new_tracker(0);
		struct addr from = addr_from("192.0.2.1:1");
		uint64_t sum = 0;

		memset(told, 0, sizeof(told));
		for (uint32_t i = 0; i < n; i++) {
			struct addr a = addr_in(false, i, 1, 1);

			ask_as(t, &a, i % 4, 0);
		}
		for (uint32_t i = 0; i < rounds; i++) {
			struct announce_reply r = ask_as(t, &from, 1, want);

			CHECK_INT(r.n_peers, want);
			for (uint32_t j = 0; j < want; j++) {
				uint32_t at = be32(r.peers[j].addr.ip) >> 8 & 0xffff;

				told[at]++;
				CHECK_INT(r.peers[j].complete, at % 4 == 0);
			}
		}
		for (uint32_t i = 0; i < n; i++)
			sum += told[i];
		check_even(told, n, (double)sum / n);
		tracker_free(t);
	}
}

TEST(both_families_are_told_in_proportion)
{
	struct tracker *t = new_tracker(0);
	struct addr from = addr_from("192.0.2.1:1");
	struct announce_reply r;
	uint32_t v6 = 0;

	for (uint32_t i = 0; i < 400; i++) {
		struct addr a = addr_in(i % 4 == 0, i, 1, 1);

		ask_as(t, &a, i % 3, 0);
	}
	for (int round = 0; round < 500; round++) {
		r = ask_as(t, &from, 1, 20);
		CHECK_INT(r.n_peers, 20);
		for (uint32_t i = 0; i < 20; i++)
			v6 += r.peers[i].addr.v6;
	}
	CHECK(v6 > 2200 && v6 < 2800); /* 2500 expected */
	CHECK_INT(r.complete + r.incomplete, 401);
	tracker_free(t);
}
