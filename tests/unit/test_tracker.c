#include "index/tracker.h"

#include "tracker_fixture.h"

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
	CHECK(!r.peers[0].has_id);
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

TEST(aria2_that_may_have_no_more_than_a_link_is_told_of_seeds)
{
	struct tracker *t = new_tracker(0);
	struct announce a = {.numwant = 50, .event = EVENT_STARTED};
	struct announce_reply r;

	say(t, announce_of('a', STOCK, 1, 0), "192.0.2.1:1", NOW);
	memset(a.info_hash, 'a', sizeof(a.info_hash));
	memcpy(a.peer_id, "A2-1-36-0-1234567890", 20);
	r = say(t, a, "192.0.2.2:2", NOW);
	CHECK_INT(r.n_peers, 1);
	CHECK(told_of(&r, "192.0.2.1:1"));
	a.event = EVENT_NONE;
	CHECK_INT(say(t, a, "192.0.2.2:2", NOW + 60).n_peers, 1);

	/* one that has moved something is a seed */
	a.downloaded = 1;
	CHECK_INT(say(t, a, "192.0.2.2:2", NOW + 120).n_peers, 0);
	a.downloaded = 0;
	a.uploaded = 1;
	CHECK_INT(say(t, a, "192.0.2.2:2", NOW + 180).n_peers, 0);
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
	tracker_scrape(t, hash, NOW + TRACKER_SHOAL_EXPIRY_S - 1, &row);
	CHECK_INT(row.complete, 2);
	tracker_scrape(t, hash, NOW + TRACKER_SHOAL_EXPIRY_S, &row);
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
	CHECK_INT(p.seen_s, NOW + 50 / TRACKER_STOCK_TICK_S * TRACKER_STOCK_TICK_S);
	CHECK_MEM(p.client_id, "-TR3000-\0\0\0\0", 12);
	CHECK_INT(p.left, 4);
	say(t, announce_of('a', OURS, 2, 0), "192.0.2.1:1", NOW + 70);
	CHECK_INT(tracker_peers(t, hash, NOW + 70, &p, 1), 1);
	CHECK_INT(p.since_s, NOW + 70);
	CHECK_INT(p.seen_s, NOW + 70);
	CHECK_INT(p.left, 0);
	CHECK_MEM(p.client_id, "-SH0100-\0\0\0\0", 12);
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
	while (tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S))
		continue;
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
TEST(who_looks_is_told_as_who_announces_and_is_not_taken_in)
{
	struct addr v4 = addr_from("192.0.2.9:50123"), v6 = addr_from("[2001:db8::9]:50123");
	struct tracker *t = new_tracker(0);
	uint8_t hash[20] = {0};
	struct announce_reply r;

	tracker_look(t, hash, 10, &v4, NULL, NOW, &r);
	CHECK_INT(r.n_peers, 0);
	for (uint32_t n = 1; n <= 5000; n++) {
		say_as_host(t, 0x0a000000 + n, 1, 0, NOW);
		if (n > 12 && n != 300 && n != 5000)
			continue;
		for (int k = 0; k < 2; k++) {
			tracker_look(t, hash, 10, k == 0 ? &v4 : &v6, NULL, NOW, &r);
			CHECK_INT(r.n_peers, n < 10 ? n : 10);
			CHECK_INT(r.complete + r.incomplete, n);
		}
	}
	/* One neighbour is not taken for the asker. */
	say_as_host(t, 0xc0000207, 1, 0, NOW);
	tracker_look(t, hash, 10, &v4, NULL, NOW, &r);
	CHECK(told_of(&r, "192.0.2.7:1"));
	CHECK_INT(count(t), 5001);
	tracker_check(t);
	tracker_free(t);
}

/* ---- what is known of a peer ---- */

static struct tracker_peer peer_known(struct tracker *t, uint64_t now)
{
	struct tracker_peer p;
	uint8_t hash[20];

	memset(hash, 'a', sizeof(hash));
	CHECK_INT(tracker_peers(t, hash, now, &p, 1), 1);
	return p;
}

TEST(first_and_last_announce_are_known_to_within_two_percent_for_months)
{
	for (int ours = 0; ours < 2; ours++) {
		struct tracker *t = new_tracker(0);
		struct announce a = announce_of('a', ours ? OURS : STOCK, 1, 5);
		uint64_t step = ours ? 20 : 1800, now = NOW, end = NOW + 90 * 24 * 3600;

		say(t, announce_of('b', OURS, 1, 0), "192.0.2.9:1", NOW - 777);
		for (; now < end; now += step) {
			struct addr from = addr_from("192.0.2.1:1");
			struct announce_reply r;
			struct tracker_peer p;

			a.port = 1;
			CHECK_INT(tracker_announce(t, &a, &from, NULL, now, &r), 0);
			if ((now - NOW) / step % 16 != 3 && now + step < end)
				continue;
			p = peer_known(t, now + step / 2);
			CHECK(p.since_s <= NOW);
			CHECK(NOW - p.since_s <= 32 + (now - NOW) / 50);
			CHECK(p.seen_s <= now && p.seen_s + (ours ? 0 : 15) >= now);
		}
		tracker_free(t);
	}
}

TEST(what_is_left_is_exact_when_small_and_never_too_little)
{
	struct tracker *t = new_tracker(0);

	for (uint64_t left = 0; left < (uint64_t)1 << 48; left = left * 9 / 8 + 1) {
		uint64_t known;

		say(t, announce_of('a', STOCK, 1, left), "192.0.2.1:1", NOW);
		known = peer_known(t, NOW).left;
		CHECK(known >= left && known - left <= left / 100);
		CHECK(left > 128 || known == left);
	}
	say(t, announce_of('a', STOCK, 1, UINT64_MAX), "192.0.2.1:1", NOW);
	CHECK(peer_known(t, NOW).left == (uint64_t)1 << 48);
	tracker_free(t);
}

TEST(clients_have_names_while_there_is_room_for_them)
{
	struct tracker *t = new_tracker(0);
	uint32_t named = 0;

	for (uint32_t i = 0; i < 400; i++) {
		struct announce a = announce_of((char)('a' + i % 2), "XXxxxx", 1, 5);
		struct addr from = addr_in(false, i, 1, 1);
		struct announce_reply r;
		char code[8];

		snprintf(code, sizeof(code), "%04u", i);
		memcpy(a.peer_id + 3, code, 4);
		a.port = 1;
		CHECK_INT(tracker_announce(t, &a, &from, NULL, NOW, &r), 0);
	}
	tracker_check(t);
	for (uint32_t i = 2; i < CLIENTS_MAX; i++)
		named += t->clients[i].peers > 0;
	CHECK(named > 200);
	CHECK(t->clients[CLIENT_OTHER].peers >= 400 - 254);
	tracker_tick(t, NOW + TRACKER_STOCK_EXPIRY_S);
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		CHECK_INT(t->clients[i].peers, 0);
	tracker_free(t);
}

TEST(names_of_clients_are_read_in_each_usual_form)
{
	static const struct {
		const char *id, *name;
	} cases[] = {{"-TR3000-abcdefghijkl", "-TR3000-"},   {"M7-10-5--abcdefghijk", "M7-10-5-"},
		     {"A2-1-36-0-abcdefghij", "A2-1-36-0-"}, {"A2-1-36-abcdefghijkl", ""},
		     {"M7-100-5--abcdefghij", ""},	     {"abcdefghijklmnopqrst", ""},
		     {"M7-7-7-7-7-7-7-7-7-7", "M7-7-7-"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tracker *t = new_tracker(0);
		struct announce a = announce_of('a', STOCK, 1, 5);
		struct tracker_peer p;
		uint8_t want[20] = {0};

		memcpy(a.peer_id, cases[i].id, 20);
		memcpy(want, cases[i].name, strlen(cases[i].name));
		say(t, a, "192.0.2.1:1", NOW);
		p = peer_known(t, NOW);
		CHECK_MEM(p.client_id, want, 20);
		tracker_free(t);
	}
}
/* ---- lists ---- */

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
