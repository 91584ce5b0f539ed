#include "index/tracker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "index/tracker_impl.h"
#include "test.h"

#define NOW 1000000u

static struct tracker *new_tracker(uint32_t peers_max)
{
	struct tracker_params p = {.seed = 7, .key = {1, 2}, .peers_max = peers_max};
	struct tracker *t = tracker_new(&p);

	CHECK(t != NULL);
	return t;
}

static struct addr addr_from(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 0, &a), 0);
	return a;
}

/* "SHOAL" or a stock client; the rest of the id tells peers apart. */
static struct announce announce_of(char swarm, const char *client, uint32_t who, uint64_t left)
{
	struct announce a = {.left = left, .numwant = ANNOUNCE_PEERS_DEFAULT, .compact = true};

	memset(a.info_hash, swarm, sizeof(a.info_hash));
	snprintf((char *)a.peer_id, sizeof(a.peer_id), "-%s-%010u", client, who);
	return a;
}

#define OURS "SH0100"
#define STOCK "TR3000"

static struct announce_reply say(struct tracker *t, struct announce a, const char *from,
				 uint64_t now)
{
	struct announce_reply r;
	struct addr addr = addr_from(from);

	a.port = addr.port;
	CHECK_INT(tracker_announce(t, &a, &addr, NULL, now, &r), 0);
	tracker_check(t);
	return r;
}

static bool told_of(const struct announce_reply *r, const char *text)
{
	struct addr a = addr_from(text);

	for (uint32_t i = 0; i < r->n_peers; i++) {
		if (addr_eq(&r->peers[i].addr, &a))
			return true;
	}
	return false;
}

static uint64_t count(const struct tracker *t)
{
	uint64_t swarms, peers;

	tracker_counts(t, &swarms, &peers);
	return peers;
}

TEST(peers_of_one_swarm_hear_of_each_other_and_nobody_of_himself)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;

	r = say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:6881", NOW);
	CHECK_INT(r.n_peers, 0);
	CHECK_INT(r.complete, 1);
	r = say(t, announce_of('a', STOCK, 2, 9), "[2001:db8::2]:6882", NOW);
	CHECK_INT(r.n_peers, 1);
	CHECK(told_of(&r, "192.0.2.1:6881"));
	CHECK(r.peers[0].has_id);
	CHECK_MEM(r.peers[0].id, "-SH0100-0000000001", 18);
	r = say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:6881", NOW);
	CHECK_INT(r.n_peers, 1);
	CHECK(told_of(&r, "[2001:db8::2]:6882"));
	CHECK_INT(r.complete, 1);
	CHECK_INT(r.incomplete, 1);
	r = say(t, announce_of('b', OURS, 3, 5), "192.0.2.3:6881", NOW);
	CHECK_INT(r.n_peers, 0);
	tracker_free(t);
}

TEST(the_port_told_counts_and_not_the_port_of_the_connection)
{
	struct tracker *t = new_tracker(0);
	struct announce a = announce_of('a', OURS, 1, 0);
	struct addr from = addr_from("192.0.2.1:50123");
	struct announce_reply r;

	a.port = 6881;
	CHECK_INT(tracker_announce(t, &a, &from, NULL, NOW, &r), 0);
	r = say(t, announce_of('a', OURS, 2, 4), "192.0.2.2:6881", NOW);
	CHECK(told_of(&r, "192.0.2.1:6881"));
	tracker_free(t);
}

TEST(a_seed_is_not_told_of_seeds)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;

	say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:1", NOW);
	say(t, announce_of('a', OURS, 2, 7), "192.0.2.2:2", NOW);
	r = say(t, announce_of('a', OURS, 3, 0), "192.0.2.3:3", NOW);
	CHECK_INT(r.n_peers, 1);
	CHECK(told_of(&r, "192.0.2.2:2"));
	r = say(t, announce_of('a', OURS, 2, 0), "192.0.2.2:2", NOW);
	CHECK_INT(r.n_peers, 0);
	CHECK_INT(r.complete, 3);
	tracker_free(t);
}

TEST(loopback_peers_are_told_to_loopback_askers_only)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;

	say(t, announce_of('a', OURS, 1, 0), "127.0.0.1:1", NOW);
	say(t, announce_of('a', OURS, 2, 0), "[::1]:2", NOW);
	say(t, announce_of('a', OURS, 3, 0), "192.0.2.3:3", NOW);
	r = say(t, announce_of('a', OURS, 4, 5), "192.0.2.4:4", NOW);
	CHECK_INT(r.n_peers, 1);
	CHECK(told_of(&r, "192.0.2.3:3"));
	r = say(t, announce_of('a', OURS, 5, 5), "127.0.0.5:5", NOW);
	CHECK_INT(r.n_peers, 4);
	tracker_free(t);
}

TEST(shoal_peers_come_back_soon_and_stock_clients_after_half_an_hour)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;

	r = say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:1", NOW);
	CHECK_INT(r.interval_s, TRACKER_SHOAL_INTERVAL_S);
	CHECK_INT(r.min_interval_s, TRACKER_SHOAL_MIN_INTERVAL_S);
	r = say(t, announce_of('a', STOCK, 2, 0), "192.0.2.2:2", NOW);
	CHECK_INT(r.interval_s, TRACKER_INTERVAL_S);
	CHECK_INT(r.min_interval_s, TRACKER_MIN_INTERVAL_S);
	tracker_free(t);
}

TEST(who_is_silent_for_too_long_is_gone)
{
	struct tracker *t = new_tracker(0);
	struct scrape_row row;
	uint8_t hash[20];

	memset(hash, 'a', sizeof(hash));
	say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:1", NOW);
	say(t, announce_of('a', STOCK, 2, 0), "[2001:db8::2]:2", NOW);
	tracker_scrape(t, hash, NOW + TRACKER_SHOAL_INTERVAL_S - 1, &row);
	CHECK_INT(row.complete, 2);
	tracker_scrape(t, hash, NOW + TRACKER_SHOAL_INTERVAL_S, &row);
	CHECK_INT(row.complete, 1);
	tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S - 1);
	CHECK_INT(count(t), 1);
	tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S);
	CHECK_INT(count(t), 0);
	tracker_check(t);
	tracker_free(t);
}

TEST(an_announce_keeps_a_peer_alive)
{
	struct tracker *t = new_tracker(0);

	for (uint64_t now = NOW; now < NOW + 300; now += 20)
		say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:1", now);
	tracker_tick(t, NOW + 300);
	CHECK_INT(count(t), 1);
	tracker_free(t);
}

TEST(a_clock_that_jumps_back_drops_nobody)
{
	struct tracker *t = new_tracker(0);

	say(t, announce_of('a', OURS, 1, 0), "192.0.2.1:1", NOW);
	say(t, announce_of('a', OURS, 2, 0), "192.0.2.2:1", NOW - 500);
	tracker_tick(t, 0);
	CHECK_INT(count(t), 2);
	tracker_free(t);
}

TEST(stopping_removes_at_once_but_only_with_the_right_peer_id)
{
	struct tracker *t = new_tracker(0);
	struct announce a = announce_of('a', OURS, 1, 0), stranger = announce_of('a', OURS, 2, 0);
	struct announce_reply r;

	say(t, a, "192.0.2.1:1", NOW);
	stranger.event = a.event = EVENT_STOPPED;
	r = say(t, stranger, "192.0.2.1:1", NOW);
	CHECK_INT(r.complete, 1);
	r = say(t, a, "192.0.2.9:1", NOW);
	CHECK_INT(r.complete, 1);
	r = say(t, a, "192.0.2.1:1", NOW);
	CHECK_INT(r.complete, 0);
	CHECK_INT(r.n_peers, 0);
	CHECK_INT(count(t), 0);
	r = say(t, a, "192.0.2.1:1", NOW);
	CHECK(!r.failed);
	tracker_free(t);
}

TEST(completed_is_counted_once_for_a_known_leech)
{
	struct tracker *t = new_tracker(0);
	struct announce a = announce_of('a', OURS, 1, 5);
	struct announce_reply r;

	say(t, a, "192.0.2.1:1", NOW);
	a.left = 0;
	a.event = EVENT_COMPLETED;
	r = say(t, a, "192.0.2.1:1", NOW);
	CHECK_INT(r.downloaded, 1);
	r = say(t, a, "192.0.2.1:1", NOW);
	CHECK_INT(r.downloaded, 1);
	r = say(t, a, "192.0.2.2:1", NOW);
	CHECK_INT(r.downloaded, 1);
	tracker_free(t);
}

TEST(another_program_on_the_same_port_is_there_since_now)
{
	struct tracker *t = new_tracker(0);
	struct tracker_peer p;
	uint8_t hash[20];

	memset(hash, 'a', sizeof(hash));
	say(t, announce_of('a', STOCK, 1, 5), "192.0.2.1:1", NOW);
	say(t, announce_of('a', STOCK, 1, 4), "192.0.2.1:1", NOW + 50);
	CHECK_INT(tracker_peers(t, hash, NOW + 60, &p, 1), 1);
	CHECK_INT(p.since_s, NOW);
	CHECK_INT(p.seen_s, NOW + 50);
	CHECK_INT(p.left, 4);
	say(t, announce_of('a', OURS, 2, 0), "192.0.2.1:1", NOW + 70);
	CHECK_INT(tracker_peers(t, hash, NOW + 70, &p, 1), 1);
	CHECK_INT(p.since_s, NOW + 70);
	CHECK_INT(p.left, 0);
	CHECK_MEM(p.info_hash, hash, 20);
	tracker_free(t);
}

TEST(peers_are_listed_seeds_first_and_counted_beyond_the_room_given)
{
	struct tracker *t = new_tracker(0);
	struct tracker_peer list[10];
	uint8_t hash[20];
	char from[32];

	memset(hash, 'a', sizeof(hash));
	for (uint32_t i = 0; i < 9; i++) {
		snprintf(from, sizeof(from), "192.0.2.%u:1", i + 1);
		say(t, announce_of('a', OURS, i, i % 3), from, NOW);
	}
	CHECK_INT(tracker_peers(t, hash, NOW, list, 10), 9);
	for (int i = 0; i < 9; i++)
		CHECK((list[i].left == 0) == (i < 3));
	CHECK_INT(tracker_peers(t, hash, NOW, list, 4), 9);
	memset(hash, 'b', sizeof(hash));
	CHECK_INT(tracker_peers(t, hash, NOW, list, 4), 0);
	tracker_free(t);
}

static struct announce_reply say_as_host(struct tracker *t, uint32_t host, uint16_t port,
					 uint32_t swarm, uint64_t now)
{
	struct announce a = announce_of(0, STOCK, host, 1);
	struct announce_reply r;
	struct addr from = {.port = port};

	put_be32(a.info_hash, swarm);
	put_be32(from.ip, host);
	a.port = port;
	a.numwant = 200;
	CHECK_INT(tracker_announce(t, &a, &from, NULL, now, &r), 0);
	return r;
}

TEST(one_host_may_hold_so_many_places_and_not_one_more)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;

	for (uint32_t i = 0; i < TRACKER_HOST_PEERS_MAX; i++) {
		r = say_as_host(t, 0xc0000201, 6881, i, NOW);
		CHECK(!r.failed);
	}
	r = say_as_host(t, 0xc0000201, 6882, 0, NOW);
	CHECK(r.failed);
	CHECK(r.failure[0] != '\0');
	r = say_as_host(t, 0xc0000201, 6881, 5, NOW);
	CHECK(!r.failed);
	r = say_as_host(t, 0xc0000202, 6881, 0, NOW);
	CHECK(!r.failed);
	CHECK_INT(count(t), TRACKER_HOST_PEERS_MAX + 1);
	for (int i = 0; i < 100; i++)
		tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S);
	CHECK_INT(count(t), 0);
	r = say_as_host(t, 0xc0000201, 6882, 0, NOW + TRACKER_STOCK_EXPIRY_S);
	CHECK(!r.failed);
	tracker_check(t);
	tracker_free(t);
}

TEST(an_ipv6_host_is_its_whole_64_bit_network)
{
	struct tracker *t = new_tracker(0);
	struct addr a = addr_from("[2001:db8:0:1::1]:5"), near = addr_from("[2001:db8:0:1:9::2]:6");
	struct addr far = addr_from("[2001:db8:0:2::1]:5");

	say(t, announce_of('a', OURS, 1, 0), "[2001:db8:0:1::1]:5", NOW);
	CHECK_INT(tracker_host_peers(t, &a), 1);
	CHECK_INT(tracker_host_peers(t, &near), 1);
	CHECK_INT(tracker_host_peers(t, &far), 0);
	tracker_free(t);
}

TEST(a_full_tracker_drops_the_one_silent_for_longest)
{
	struct tracker *t = new_tracker(100);
	struct tracker_peer p;
	uint8_t hash[20] = {0};

	for (uint32_t i = 0; i < 100; i++)
		say_as_host(t, 0x0a000000 + i, 1, i, NOW + i);
	say_as_host(t, 0x0a000000, 1, 0, NOW + 100);
	say_as_host(t, 0x0b000000, 1, 500, NOW + 101);
	tracker_check(t);
	CHECK_INT(count(t), 100);
	put_be32(hash, 0);
	CHECK_INT(tracker_peers(t, hash, NOW + 101, &p, 1), 1);
	put_be32(hash, 1);
	CHECK_INT(tracker_peers(t, hash, NOW + 101, &p, 1), 0);
	put_be32(hash, 500);
	CHECK_INT(tracker_peers(t, hash, NOW + 101, &p, 1), 1);
	tracker_free(t);
}

TEST(nobody_can_be_told_to_connect_to_an_address_that_is_none)
{
	struct tracker *t = new_tracker(0);
	struct announce a = announce_of('a', OURS, 1, 0);
	struct addr from = addr_from("192.0.2.1:9"), nowhere = addr_from("0.0.0.0:9");
	struct announce_reply r;

	CHECK_INT(tracker_announce(t, &a, &from, NULL, NOW, &r), 0);
	CHECK(r.failed);
	a.port = 6881;
	CHECK_INT(tracker_announce(t, &a, &nowhere, NULL, NOW, &r), 0);
	CHECK(r.failed);
	CHECK_INT(count(t), 0);
	tracker_free(t);
}

TEST(a_reply_holds_what_was_wanted_but_at_most_two_hundred_all_different)
{
	struct tracker *t = new_tracker(0);
	struct announce_reply r;
	struct announce a = announce_of('a', STOCK, 9, 1);
	struct addr from = addr_from("192.0.2.1:9");

	memset(a.info_hash, 0, sizeof(a.info_hash));
	a.port = 9;
	for (uint32_t i = 0; i < 700; i++)
		say_as_host(t, 0x0a000000 + i, 1, 0, NOW);
	for (uint32_t want = 0; want < 400; want += 37) {
		a.numwant = want;
		CHECK_INT(tracker_announce(t, &a, &from, NULL, NOW, &r), 0);
		CHECK_INT(r.n_peers, want < ANNOUNCE_PEERS_MAX ? want : ANNOUNCE_PEERS_MAX);
		for (uint32_t i = 0; i < r.n_peers; i++) {
			for (uint32_t j = 0; j < i; j++)
				CHECK(!addr_eq(&r.peers[i].addr, &r.peers[j].addr));
		}
	}
	tracker_free(t);
}

TEST(every_peer_is_told_about_equally_often)
{
	struct tracker *t = new_tracker(0);
	uint32_t told[101] = {0};

	for (uint32_t i = 0; i < 101; i++)
		say_as_host(t, 0x0a000000 + i, 1, 0, NOW);
	for (int round = 0; round < 4000; round++) {
		struct announce a = announce_of(0, STOCK, 0x0a000000, 1);
		struct addr from = addr_from("10.0.0.0:1");
		struct announce_reply r;

		memset(a.info_hash, 0, sizeof(a.info_hash));
		a.port = 1;
		a.numwant = 10;
		CHECK_INT(tracker_announce(t, &a, &from, NULL, NOW, &r), 0);
		for (uint32_t i = 0; i < r.n_peers; i++)
			told[r.peers[i].addr.ip[3]]++;
	}
	CHECK_INT(told[0], 0);
	for (int i = 1; i < 101; i++) /* 400 expected, the deviation is about 20 */
		CHECK(told[i] > 280 && told[i] < 520);
	tracker_free(t);
}

static int count_one(void *user, const struct tracker_peer *p)
{
	uint32_t *n = user;

	CHECK(p->addr.port != 0);
	return ++*n == 5;
}

TEST(each_visits_everyone_until_told_to_stop)
{
	struct tracker *t = new_tracker(0);
	uint32_t n = 0;

	for (uint32_t i = 0; i < 3; i++)
		say_as_host(t, 0x0a000000 + i, 1, i % 2, NOW);
	tracker_each(t, NOW, count_one, &n);
	CHECK_INT(n, 3);
	for (uint32_t i = 3; i < 10; i++)
		say_as_host(t, 0x0a000000 + i, 1, i, NOW);
	n = 0;
	tracker_each(t, NOW, count_one, &n);
	CHECK_INT(n, 5);
	n = 0;
	tracker_each(t, NOW + TRACKER_STOCK_EXPIRY_S, count_one, &n);
	CHECK_INT(n, 0);
	tracker_free(t);
}

TEST(a_peer_takes_72_bytes_and_a_swarm_48)
{
	CHECK(sizeof(struct peer) <= 72);
	CHECK(sizeof(struct tracked_swarm) <= 48);
}

/* Grows everything that grows: slabs, tables, swarms, IPv6 addresses. False once memory was
 * refused. */
static bool crowd(struct tracker *t)
{
	for (uint32_t i = 0; i < 300; i++) {
		struct announce a = announce_of('a', OURS, i, i % 2);
		struct addr from = {.v6 = i % 2, .ip = {32, 1, 2, (uint8_t)i, 5}, .port = 9};
		struct announce_reply r;
		int result;

		a.port = (uint16_t)(1000 + i);
		a.info_hash[0] = (uint8_t)(i % 3 == 0 ? i : 7);
		if (!from.v6)
			from.ip[4] = 0;
		result = tracker_announce(t, &a, &from, NULL, NOW, &r);
		CHECK(result == 0 || result == ERR_NOMEM);
		if (result < 0)
			return false;
	}
	return true;
}

TEST(any_allocation_may_fail_and_nothing_is_lost)
{
	for (int forever = 0; forever < 2; forever++) {
		bool all = false;

		for (size_t n = 1; !all; n++) {
			struct tracker_params p = {.seed = 7, .key = {1, 2}, .peers_max = 5000};
			struct tracker *t;

			failmalloc_start(n, forever != 0);
			t = tracker_new(&p);
			all = t != NULL && crowd(t);
			failmalloc_stop();
			if (t == NULL)
				continue;
			tracker_check(t);
			CHECK(crowd(t));
			tracker_check(t);
			CHECK_INT(count(t), 300);
			tracker_free(t);
			CHECK(n < 1000);
		}
	}
}

/* A plain list with the same rules, to compare with. */
struct shadow {
	bool used;
	uint8_t swarm, seed, ours;
	struct addr addr;
	uint64_t seen;
};

static void random_addr(struct rng *r, struct addr *out)
{
	memset(out, 0, sizeof(*out));
	out->v6 = (uint8_t)rng_below(r, 2);
	out->ip[0] = 32;
	out->ip[out->v6 ? 15 : 3] = (uint8_t)rng_below(r, 12);
	out->port = (uint16_t)(1 + rng_below(r, 3));
}

static struct shadow *shadow_find(struct shadow *all, size_t n, uint8_t swarm, const struct addr *a)
{
	struct shadow *unused = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!all[i].used)
			unused = &all[i];
		else if (all[i].swarm == swarm && addr_eq(&all[i].addr, a))
			return &all[i];
	}
	return unused;
}

static void shadow_expire(struct shadow *all, size_t n, uint64_t now)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t patience = all[i].ours ? TRACKER_SHOAL_INTERVAL_S : TRACKER_STOCK_EXPIRY_S;

		if (all[i].used && now - all[i].seen >= patience)
			all[i].used = false;
	}
}

static void compare(struct tracker *t, const struct shadow *all, size_t n, uint64_t now,
		    uint64_t seed)
{
	for (uint8_t swarm = 0; swarm < 8; swarm++) {
		uint32_t seeds = 0, leeches = 0;
		struct scrape_row row;
		uint8_t hash[20];

		memset(hash, swarm, sizeof(hash));
		for (size_t i = 0; i < n; i++) {
			seeds += all[i].used && all[i].swarm == swarm && all[i].seed;
			leeches += all[i].used && all[i].swarm == swarm && !all[i].seed;
		}
		tracker_scrape(t, hash, now, &row);
		CHECK_SEED(row.complete == seeds && row.incomplete == leeches, seed);
	}
}

static void random_step(struct tracker *t, struct rng *r, struct shadow *all, size_t n,
			uint64_t now)
{
	uint8_t swarm = (uint8_t)rng_below(r, 8), ours = (uint8_t)rng_below(r, 2);
	struct announce a = announce_of((char)swarm, ours ? OURS : STOCK, 1, rng_below(r, 2));
	struct announce_reply reply;
	struct shadow *s;
	struct addr from;

	random_addr(r, &from);
	a.port = from.port;
	a.event = rng_below(r, 4) == 0 ? EVENT_STOPPED : EVENT_NONE;
	a.numwant = rng_below(r, 60);
	s = shadow_find(all, n, swarm, &from);
	if (a.event == EVENT_STOPPED) {
		if (s != NULL && s->used && s->ours == ours)
			s->used = false;
	} else {
		*s = (struct shadow){true, swarm, a.left == 0, ours, from, now};
	}
	CHECK_INT(tracker_announce(t, &a, &from, NULL, now, &reply), 0);
	for (uint32_t i = 0; i < reply.n_peers; i++)
		CHECK(!addr_eq(&reply.peers[i].addr, &from));
}

TEST(random_runs_agree_with_a_plain_list)
{
	static struct shadow all[8 * 2 * 12 * 3];
	size_t n = sizeof(all) / sizeof(all[0]);

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct tracker *t = new_tracker(0);
		uint64_t now = NOW;
		struct rng r;

		rng_seed(&r, seed);
		memset(all, 0, sizeof(all));
		for (int step = 0; step < 3000; step++) {
			now += rng_below(&r, 50) == 0 ? rng_below(&r, 40) : 0;
			if (rng_below(&r, 900) == 0)
				now += TRACKER_STOCK_EXPIRY_S / 2;
			tracker_tick(t, now);
			shadow_expire(all, n, now);
			random_step(t, &r, all, n, now);
			if (step % 16 == 0) {
				tracker_check(t);
				compare(t, all, n, now, seed);
			}
		}
		tracker_free(t);
	}
}
