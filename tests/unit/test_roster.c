#include "index/roster.h"

#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

static struct roster *made(void)
{
	struct roster *r = roster_new((struct siphash_key){1, 2});

	CHECK(r != NULL);
	return r;
}

static struct roster_session hello_of(uint32_t host, uint16_t port)
{
	struct roster_session h = {.client = "test"};

	h.addr.ip[0] = 10;
	h.addr.ip[1] = (uint8_t)(host >> 16);
	h.addr.ip[2] = (uint8_t)(host >> 8);
	h.addr.ip[3] = (uint8_t)host;
	h.addr.port = port;
	memcpy(h.peer_id, &host, sizeof(host));
	memcpy(h.peer_id + 8, &port, sizeof(port));
	return h;
}

static struct roster_session *entered(struct roster *r, uint32_t host, uint16_t port, uint64_t now)
{
	struct roster_session h = hello_of(host, port), *s = NULL;

	CHECK_INT(roster_enter(r, &h, now, &s), OK);
	return s;
}

static struct roster_member *joined(struct roster *r, struct roster_session *s, char swarm,
				    uint32_t number, uint32_t n_pieces)
{
	struct roster_member like = {
	    .number = number, .n_pieces = n_pieces, .left = 100, .map_known = true};
	struct roster_member *m = NULL;
	uint8_t hash[SHA1_LEN];

	memset(hash, swarm, sizeof(hash));
	CHECK_INT(roster_join(r, s, hash, &like, 0, &m), OK);
	return m;
}

static int join_code(struct roster *r, struct roster_session *s, uint32_t number, uint32_t n_pieces)
{
	struct roster_member like = {.number = number, .n_pieces = n_pieces, .map_known = true}, *m;
	uint8_t hash[SHA1_LEN] = {'h'};

	return roster_join(r, s, hash, &like, 0, &m);
}

/* "x.x" of the map. */
static const char *map_of(const struct roster_member *m)
{
	static char picture[256];
	struct bitfield b;

	CHECK_INT(roster_map(m, &b), OK);
	for (uint32_t i = 0; i < b.n; i++)
		picture[i] = bitfield_has(&b, i) ? 'x' : '.';
	picture[b.n] = '\0';
	CHECK_INT(b.count, m->have);
	bitfield_fini(&b);
	return picture;
}

TEST(roster_a_session_that_is_silent_for_eight_seconds_is_named_and_no_sooner)
{
	struct roster *r = made();
	struct roster_session *a = entered(r, 1, 1, 1000), *b = entered(r, 2, 1, 1000);

	roster_on_line(r, a, 4000);
	CHECK(roster_silent(r, 1000 + ROSTER_SILENCE_MS - 1) == NULL);
	CHECK(roster_silent(r, 1000 + ROSTER_SILENCE_MS) == b);
	roster_quit(r, b);
	CHECK(roster_silent(r, 4000 + ROSTER_SILENCE_MS - 1) == NULL);
	CHECK(roster_silent(r, 4000 + ROSTER_SILENCE_MS) == a);
	roster_free(r);
}

TEST(roster_a_peer_that_comes_again_is_known_by_its_id_and_address_together)
{
	struct roster *r = made();
	struct roster_session *a = entered(r, 1, 1, 0);
	struct roster_session again = hello_of(1, 1), thief = hello_of(2, 1), other;

	memcpy(thief.peer_id, again.peer_id, sizeof(thief.peer_id));
	other = hello_of(1, 2);
	CHECK(roster_twin(r, &again) == a);
	CHECK(roster_twin(r, &thief) == NULL);
	CHECK(roster_twin(r, &other) == NULL);
	roster_quit(r, a);
	CHECK(roster_twin(r, &again) == NULL);
	roster_free(r);
}

TEST(roster_holds_its_limit_of_sessions_of_a_host_and_not_one_more)
{
	struct roster *r = made();
	struct roster_session h, *s, *first = NULL;

	for (uint32_t i = 0; i < ROSTER_HOST_SESSIONS_MAX; i++) {
		s = entered(r, 1, (uint16_t)(i + 1), 0);
		first = first == NULL ? s : first;
	}
	h = hello_of(1, 60000);
	CHECK_INT(roster_enter(r, &h, 0, &s), ERR_TOO_BIG);
	entered(r, 2, 1, 0);
	roster_quit(r, first);
	CHECK_INT(roster_enter(r, &h, 0, &s), OK);
	roster_free(r);
}

TEST(roster_holds_its_limit_of_sessions_and_not_one_more)
{
	struct roster *r = made();
	struct roster_session h = hello_of(900000, 1), *s;

	for (uint32_t i = 0; i < ROSTER_SESSIONS_MAX; i++)
		entered(r, i + 1, 1, 0);
	CHECK_INT(roster_enter(r, &h, 0, &s), ERR_TOO_BIG);
	CHECK_INT(roster_sessions(r), ROSTER_SESSIONS_MAX);
	roster_free(r);
}

TEST(roster_numbers_are_dense_free_and_within_their_limit)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);

	CHECK_INT(join_code(r, s, 65, 8), ERR_INVALID);
	CHECK_INT(join_code(r, s, 64, 8), OK);
	CHECK_INT(join_code(r, s, 64, 8), ERR_INVALID);
	CHECK_INT(join_code(r, s, ROSTER_TORRENTS_MAX, 8), ERR_TOO_BIG);
	CHECK_INT(join_code(r, s, 1, ROSTER_PIECES_MAX + 1), ERR_INVALID);
	CHECK_INT(join_code(r, s, 1, ROSTER_PIECES_MAX), OK);
	CHECK(roster_member(s, 1)->number == 1);
	CHECK(roster_member(s, 2) == NULL);
	CHECK(roster_member(s, UINT64_MAX) == NULL);
	roster_leave(r, roster_member(s, 1));
	CHECK(roster_member(s, 1) == NULL);
	CHECK_INT(roster_members(r), 1);
	roster_free(r);
}

TEST(roster_a_session_joins_its_limit_of_torrents_and_not_one_more)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);

	for (uint32_t i = 0; i < ROSTER_TORRENTS_MAX; i++)
		CHECK_INT(join_code(r, s, i, 8), OK);
	CHECK_INT(join_code(r, s, ROSTER_TORRENTS_MAX, 8), ERR_TOO_BIG);
	roster_free(r);
}

TEST(roster_maps_come_and_go_in_ranges)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);
	struct roster_member *m = joined(r, s, 'a', 0, 20);

	CHECK_STR(map_of(m), "....................");
	roster_on_pieces(r, m, 1, 18, true);
	CHECK_STR(map_of(m), ".xxxxxxxxxxxxxxxxxx.");
	CHECK(roster_map_bytes(r) > 0);
	roster_on_pieces(r, m, 3, 12, false);
	CHECK_STR(map_of(m), ".xx..........xxxxxx.");
	roster_on_pieces(r, m, 0, 19, true);
	CHECK_STR(map_of(m), "xxxxxxxxxxxxxxxxxxxx");
	CHECK_INT(roster_map_bytes(r), 0);
	roster_on_pieces(r, m, 7, 7, false);
	CHECK_STR(map_of(m), "xxxxxxx.xxxxxxxxxxxx");
	roster_leave(r, m);
	CHECK_INT(roster_map_bytes(r), 0);
	roster_free(r);
}

TEST(roster_maps_beyond_their_memory_are_unknown_and_the_peer_stays)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);
	uint32_t fit = ROSTER_SESSION_MAP_BYTES_MAX / (ROSTER_PIECES_MAX / 8), n = 0;
	struct roster_member *m;

	for (; n < fit; n++) {
		m = joined(r, s, 'a', n, ROSTER_PIECES_MAX);
		roster_on_pieces(r, m, 1, 1, true);
		CHECK(m->map_known);
	}
	m = joined(r, s, 'a', n, ROSTER_PIECES_MAX);
	roster_on_pieces(r, m, 1, 1, true);
	CHECK(!m->map_known);
	roster_on_pieces(r, m, 0, ROSTER_PIECES_MAX - 1, true);
	CHECK_INT(m->have, 0);
	CHECK(!roster_knows(m, ROSTER_PIECES_MAX));
	CHECK_INT(roster_map_bytes(r), ROSTER_SESSION_MAP_BYTES_MAX);
	/* A full map takes none. */
	m = joined(r, s, 'a', n + 1, ROSTER_PIECES_MAX);
	roster_on_pieces(r, m, 0, ROSTER_PIECES_MAX - 1, true);
	CHECK(m->map_known);
	roster_free(r);
}

TEST(roster_maps_of_all_sessions_together_have_a_limit)
{
	struct roster *r = made();
	uint32_t hosts = ROSTER_MAP_BYTES_MAX / ROSTER_SESSION_MAP_BYTES_MAX;
	uint32_t fit = ROSTER_SESSION_MAP_BYTES_MAX / (ROSTER_PIECES_MAX / 8);
	struct roster_member *m;

	for (uint32_t h = 0; h < hosts; h++) {
		struct roster_session *s = entered(r, h + 1, 1, 0);

		for (uint32_t i = 0; i < fit; i++) {
			m = joined(r, s, 'a', i, ROSTER_PIECES_MAX);
			roster_on_pieces(r, m, 1, 1, true);
			CHECK(m->map_known);
		}
	}
	m = joined(r, entered(r, 999, 1, 0), 'a', 0, 100);
	roster_on_pieces(r, m, 1, 1, true);
	CHECK(!m->map_known);
	roster_free(r);
}

static struct roster_pieces counted(struct roster *r, char swarm, uint32_t n_pieces)
{
	struct roster_member **list;
	struct roster_pieces p;
	uint8_t hash[SHA1_LEN];
	size_t n;

	memset(hash, swarm, sizeof(hash));
	CHECK_INT(roster_list(r, hash, &list, &n), OK);
	CHECK_INT(roster_pieces(list, n, n_pieces, &p), OK);
	free(list);
	return p;
}

TEST(roster_counts_copies_the_rarest_and_distributed_ones)
{
	struct roster *r = made();
	struct roster_member *a = joined(r, entered(r, 1, 1, 0), 'a', 0, 4);
	struct roster_member *b = joined(r, entered(r, 2, 1, 0), 'a', 0, 4);
	struct roster_member *liar = joined(r, entered(r, 3, 1, 0), 'a', 0, 5);
	struct roster_pieces p;

	roster_on_pieces(r, a, 0, 3, true);
	roster_on_pieces(r, b, 0, 0, true);
	roster_on_pieces(r, liar, 0, 4, true);
	p = counted(r, 'a', 4);
	CHECK_INT(p.known, 2);
	CHECK_INT(p.n_copies, 3);
	CHECK_INT(p.copies[0], 0);
	CHECK_INT(p.copies[1], 3);
	CHECK_INT(p.copies[2], 1);
	CHECK_INT(p.rarest, 1);
	CHECK_INT(p.rare.count, 3);
	CHECK(!bitfield_has(&p.rare, 0));
	CHECK_INT(p.distributed_milli, 1250);
	roster_pieces_fini(&p);
	p = counted(r, 'b', 4);
	CHECK_INT(p.copies[0], 4);
	CHECK_INT(p.distributed_milli, 0);
	roster_pieces_fini(&p);
	p = counted(r, 'b', 0);
	CHECK_INT(p.n_copies, 0);
	roster_pieces_fini(&p);
	roster_free(r);
}

TEST(roster_copies_beyond_the_last_count_there)
{
	struct roster *r = made();
	struct roster_pieces p;

	for (uint32_t i = 0; i < ROSTER_COPIES_MAX + 5; i++)
		roster_on_pieces(r, joined(r, entered(r, i + 1, 1, 0), 'a', 0, 4), 0, 3, true);
	p = counted(r, 'a', 4);
	CHECK_INT(p.n_copies, ROSTER_COPIES_MAX);
	CHECK_INT(p.copies[ROSTER_COPIES_MAX - 1], 4);
	CHECK_INT(p.rarest, ROSTER_COPIES_MAX + 5);
	roster_pieces_fini(&p);
	roster_free(r);
}

TEST(roster_names_nodes_of_the_hash_table_each_once_from_anywhere)
{
	struct roster *r = made();
	const struct roster_session *some[10];
	struct roster_session *s[5];

	for (uint32_t i = 0; i < 5; i++)
		s[i] = entered(r, i + 1, 6881, 1000);
	CHECK_INT(roster_dht_some(r, 3, some, 10), 0);
	for (uint32_t i = 0; i < 5; i += 2)
		roster_set_dht(r, s[i], (uint16_t)(7000 + i));
	roster_set_dht(r, s[4], 7104); /* another one */
	CHECK_INT(roster_dht_nodes(r), 3);
	for (uint32_t draw = 0; draw < 7; draw++) {
		uint32_t seen = 0;

		CHECK_INT(roster_dht_some(r, draw, some, 10), 3);
		for (size_t i = 0; i < 3; i++)
			seen |= 1u << (some[i]->dht_port % 100);
		CHECK_INT(seen, 1u | 1u << 2 | 1u << 4);
		CHECK_INT(roster_dht_some(r, draw, some, 1), 1);
		CHECK_INT(some[0]->dht_port % 100, draw % 3 * 2);
	}
	roster_set_dht(r, s[2], 0);
	roster_quit(r, s[0]);
	CHECK_INT(roster_dht_nodes(r), 1);
	CHECK_INT(roster_dht_some(r, 9, some, 10), 1);
	CHECK(some[0] == s[4]);
	roster_free(r);
}

TEST(roster_lists_each_address_once)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);
	struct roster_pieces p;

	for (uint32_t i = 0; i < 5; i++)
		roster_on_pieces(r, joined(r, s, 'a', i, 4), 0, 3, true);
	p = counted(r, 'a', 4);
	CHECK_INT(p.known, 1);
	CHECK_INT(p.rarest, 1);
	roster_pieces_fini(&p);
	roster_free(r);
}

TEST(roster_watchers_hear_what_was_gained_since_they_looked)
{
	struct roster *r = made();
	struct roster_member *m = joined(r, entered(r, 1, 1, 0), 'a', 0, 20);
	uint8_t hash[SHA1_LEN];
	struct bitfield got;

	memset(hash, 'a', sizeof(hash));
	CHECK_INT(roster_watch(r, hash), OK);
	CHECK(roster_changed(r, hash));
	CHECK(!roster_changed(r, hash));
	roster_on_pieces(r, m, 2, 4, true);
	CHECK(roster_changed(r, hash));
	CHECK_INT(roster_gained(m, &got), OK);
	CHECK_INT(got.count, 3);
	bitfield_fini(&got);
	roster_on_pieces(r, m, 0, 19, true);
	CHECK_INT(roster_gained(m, &got), OK);
	CHECK_INT(got.count, 17);
	bitfield_fini(&got);
	CHECK_INT(roster_gained(m, &got), OK);
	CHECK_INT(got.count, 0);
	bitfield_fini(&got);
	(void)roster_changed(r, hash);
	roster_on_rates(m, 5, 6);
	CHECK(roster_changed(r, hash));
	roster_on_rates(m, 5, 6);
	CHECK(!roster_changed(r, hash));
	roster_leave(r, m);
	CHECK(roster_changed(r, hash));
	roster_unwatch(r, hash);
	CHECK(!roster_changed(r, hash));
	roster_free(r);
}

TEST(roster_names_each_member_for_the_tracker_in_its_time)
{
	struct roster *r = made();
	struct roster_session *s = entered(r, 1, 1, 0);
	struct roster_member *a = joined(r, s, 'a', 0, 4), *b = joined(r, s, 'b', 1, 4);

	CHECK(roster_due(r, ROSTER_REFRESH_S * 1000 - 1) == NULL);
	CHECK(roster_due(r, ROSTER_REFRESH_S * 1000) == a);
	CHECK(roster_due(r, ROSTER_REFRESH_S * 1000) == b);
	CHECK(roster_due(r, ROSTER_REFRESH_S * 1000) == NULL);
	roster_free(r);
}

TEST(roster_a_newcomer_is_told_to_those_who_lack_something)
{
	struct roster *r = made();
	struct roster_member *seed = joined(r, entered(r, 1, 1, 0), 'a', 0, 4);
	struct roster_member *a = joined(r, entered(r, 2, 1, 0), 'a', 0, 4);
	struct roster_member *full = joined(r, entered(r, 3, 1, 0), 'a', 0, 4);
	struct roster_member *b = joined(r, entered(r, 4, 1, 0), 'a', 0, 4);

	(void)joined(r, entered(r, 5, 1, 0), 'b', 0, 4);
	full->left = 0;
	CHECK(roster_tell_next(seed, NULL) == b);
	CHECK(roster_tell_next(seed, b) == a);
	CHECK(roster_tell_next(seed, a) == NULL);
	roster_free(r);
}

TEST(who_asks_for_more_is_brought_together_with_other_givers_each_time)
{
	struct roster *r = made();
	struct roster_member *getter = joined(r, entered(r, 1, 1, 0), 'a', 0, 4);
	struct roster_member *part = joined(r, entered(r, 2, 1, 0), 'a', 0, 4);
	struct roster_member *full = joined(r, entered(r, 4, 1, 0), 'a', 0, 4);

	(void)joined(r, entered(r, 3, 1, 0), 'a', 0, 4); /* has nothing */
	roster_on_pieces(r, part, 1, 2, true);
	full->left = 0;
	for (int round = 0; round < 2; round++) {
		CHECK(roster_introduce(getter) == full);
		CHECK(roster_introduce(getter) == part);
		CHECK(roster_introduce(getter) == NULL);
	}
	CHECK(roster_introduce(full) == part);
	CHECK(roster_introduce(full) == NULL);
	roster_free(r);
}

TEST(of_a_large_swarm_only_so_many_are_looked_at)
{
	struct roster *r = made();
	struct roster_member *getter = joined(r, entered(r, 1, 1, 0), 'a', 0, 4);
	struct roster_member *full = joined(r, entered(r, 2, 1, 0), 'a', 0, 4);

	full->left = 0;
	for (uint32_t i = 0; i < ROSTER_INTRODUCE_LOOK_MAX - 1; i++)
		(void)joined(r, entered(r, 3 + i, 1, 0), 'a', 0, 4);
	CHECK(roster_introduce(getter) == full);
	CHECK(roster_introduce(getter) == NULL);
	(void)joined(r, entered(r, 60000, 1, 0), 'a', 0, 4);
	CHECK(roster_introduce(getter) == NULL);
	roster_free(r);
}

/* ---- at random, beside a plain table ---------------------------------------------------- */

#define HOSTS 12u
#define NUMBERS 6u
#define PIECES 40u

struct shadow {
	struct roster_session *s;
	uint64_t heard;
	struct {
		bool in;
		char swarm;
		bool has[PIECES];
	} at[NUMBERS];
};

struct model {
	struct roster *r;
	struct rng rng;
	uint64_t seed, now;
	struct shadow all[HOSTS];
};

static void model_drop(struct model *m, struct shadow *s)
{
	struct roster_member *at;

	while ((at = roster_any(s->s)) != NULL)
		roster_leave(m->r, at);
	roster_quit(m->r, s->s);
	memset(s, 0, sizeof(*s));
}

static void model_pieces(struct model *m, struct shadow *s, uint32_t k)
{
	uint32_t first = rng_below(&m->rng, PIECES);
	uint32_t last = first + rng_below(&m->rng, PIECES - first);
	bool has = rng_below(&m->rng, 3) > 0;

	roster_on_pieces(m->r, roster_member(s->s, k), first, last, has);
	for (uint32_t i = first; i <= last; i++)
		s->at[k].has[i] = has;
}

static void model_step(struct model *m)
{
	uint32_t host = rng_below(&m->rng, HOSTS), k = rng_below(&m->rng, NUMBERS);
	struct shadow *s = &m->all[host];

	m->now += rng_below(&m->rng, 400);
	if (s->s == NULL) {
		s->s = entered(m->r, host + 1, 1, m->now);
		s->heard = m->now;
	} else if (rng_below(&m->rng, 60) == 0) {
		model_drop(m, s);
	} else if (!s->at[k].in) {
		s->at[k].swarm = (char)('a' + rng_below(&m->rng, 3));
		s->at[k].in = true;
		(void)joined(m->r, s->s, s->at[k].swarm, k, PIECES);
	} else if (rng_below(&m->rng, 10) == 0) {
		roster_leave(m->r, roster_member(s->s, k));
		memset(&s->at[k], 0, sizeof(s->at[k]));
	} else {
		model_pieces(m, s, k);
		roster_on_line(m->r, s->s, m->now);
		s->heard = m->now;
	}
}

/* An address counts once, with the newest of its members; here all of one session are equally
 * new, so a swarm joined twice is left out of the comparison. */
static bool is_joined_twice(const struct model *m, char swarm)
{
	for (uint32_t h = 0; h < HOSTS; h++) {
		uint32_t n = 0;

		for (uint32_t k = 0; k < NUMBERS; k++)
			n += m->all[h].at[k].in && m->all[h].at[k].swarm == swarm;
		if (n > 1)
			return true;
	}
	return false;
}

static void model_compare_swarm(struct model *m, char swarm)
{
	uint32_t copies[PIECES] = {0}, want[ROSTER_COPIES_MAX] = {0}, least = UINT32_MAX;
	struct roster_pieces p;

	if (is_joined_twice(m, swarm))
		return;
	for (uint32_t h = 0; h < HOSTS; h++)
		for (uint32_t k = 0; k < NUMBERS; k++)
			for (uint32_t i = 0; i < PIECES && m->all[h].at[k].swarm == swarm; i++)
				copies[i] += m->all[h].at[k].has[i];
	for (uint32_t i = 0; i < PIECES; i++) {
		want[copies[i]]++;
		least = copies[i] < least ? copies[i] : least;
	}
	p = counted(m->r, swarm, PIECES);
	CHECK_SEED(memcmp(p.copies, want, sizeof(want)) == 0, m->seed);
	CHECK_SEED(p.rarest == least, m->seed);
	CHECK_SEED(p.rare.count == want[least], m->seed);
	roster_pieces_fini(&p);
}

static void model_compare(struct model *m)
{
	struct roster_session *silent;
	uint32_t sessions = 0, members = 0;

	while ((silent = roster_silent(m->r, m->now)) != NULL) {
		struct shadow *s = &m->all[silent->addr.ip[3] - 1];

		CHECK_SEED(s->s == silent && m->now - s->heard >= ROSTER_SILENCE_MS, m->seed);
		model_drop(m, s);
	}
	for (uint32_t h = 0; h < HOSTS; h++) {
		struct shadow *s = &m->all[h];

		CHECK_SEED(s->s == NULL || m->now - s->heard < ROSTER_SILENCE_MS, m->seed);
		sessions += s->s != NULL;
		for (uint32_t k = 0; k < NUMBERS; k++)
			members += s->at[k].in;
	}
	CHECK_SEED(roster_sessions(m->r) == sessions, m->seed);
	CHECK_SEED(roster_members(m->r) == members, m->seed);
	for (char swarm = 'a'; swarm <= 'c'; swarm++)
		model_compare_swarm(m, swarm);
}

TEST(roster_agrees_with_a_plain_table_at_random)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct model m = {.r = made(), .seed = seed};

		rng_seed(&m.rng, seed);
		for (int step = 0; step < 3000; step++) {
			model_step(&m);
			if (step % 8 == 0)
				model_compare(&m);
		}
		roster_free(m.r);
	}
}

/* ---- without memory ------------------------------------------------------------------------ */

static void whole_life(struct roster *r)
{
	struct roster_session h = hello_of(1, 1), *s;
	struct roster_member like = {.n_pieces = 20, .map_known = true}, *m, **list;
	uint8_t hash[SHA1_LEN] = {1};
	struct roster_pieces p;
	struct bitfield got;
	size_t n;

	if (roster_watch(r, hash) != OK)
		return;
	if (roster_enter(r, &h, 0, &s) == OK && roster_join(r, s, hash, &like, 0, &m) == OK) {
		roster_on_pieces(r, m, 3, 5, true);
		if (roster_list(r, hash, &list, &n) == OK) {
			if (roster_pieces(list, n, 20, &p) == OK)
				roster_pieces_fini(&p);
			free(list);
		}
		if (roster_gained(m, &got) == OK)
			bitfield_fini(&got);
	}
	roster_unwatch(r, hash);
}

TEST(roster_survives_each_failing_allocation)
{
	size_t all;
	struct roster *r = made();

	failmalloc_start(0, false);
	whole_life(r);
	all = failmalloc_stop();
	roster_free(r);
	CHECK(all > 5);
	for (size_t i = 1; i <= all; i++) {
		r = made();
		failmalloc_start(i, false);
		whole_life(r);
		failmalloc_stop();
		roster_free(r);
	}
}
