#include "test.h"

#include "node/announce_gate.h"

#define MANY (ANNOUNCE_GATE_TURNS * 3)

static const struct siphash_key key = {3, 4};

struct one {
	struct announce_gate *gate;
	struct announce_turn turn;
	bool at_once; /* its turn is over inside of go() */
	uint32_t n;
};

static void go(void *arg)
{
	struct one *o = arg;

	o->n++;
	if (o->at_once)
		announce_gate_leave(o->gate, &o->turn);
}

static void crowd(struct announce_gate *g, struct one *list, uint32_t n, bool at_once)
{
	for (uint32_t i = 0; i < n; i++) {
		list[i] = (struct one){.gate = g, .at_once = at_once};
		list[i].turn.go = go;
		list[i].turn.arg = &list[i];
	}
}

TEST(so_many_have_a_turn_and_the_next_come_in_order)
{
	struct announce_gate g;
	struct one list[MANY];

	announce_gate_init(&g, key);
	crowd(&g, list, MANY, false);
	for (uint32_t i = 0; i < MANY; i++) {
		announce_gate_enter(&g, &list[i].turn);
		announce_gate_enter(&g, &list[i].turn);
		CHECK_INT(list[i].n, i < ANNOUNCE_GATE_TURNS);
	}
	CHECK_INT(g.n_in, ANNOUNCE_GATE_TURNS);
	/* One of those who wait goes away, and is left out. */
	announce_gate_leave(&g, &list[ANNOUNCE_GATE_TURNS].turn);
	CHECK_INT(list[ANNOUNCE_GATE_TURNS + 1].n, 0);
	announce_gate_leave(&g, &list[3].turn);
	CHECK_INT(list[ANNOUNCE_GATE_TURNS].n, 0);
	CHECK_INT(list[ANNOUNCE_GATE_TURNS + 1].n, 1);
	CHECK_INT(list[ANNOUNCE_GATE_TURNS + 2].n, 0);
	for (uint32_t i = 0; i < MANY; i++)
		announce_gate_leave(&g, &list[i].turn);
	CHECK_INT(g.n_in, 0);
	announce_gate_fini(&g);
}

TEST(turns_that_end_at_once_let_everybody_through)
{
	struct announce_gate g;
	struct one list[MANY];

	announce_gate_init(&g, key);
	crowd(&g, list, MANY, false);
	for (uint32_t i = 0; i < MANY; i++) {
		list[i].at_once = i >= ANNOUNCE_GATE_TURNS;
		announce_gate_enter(&g, &list[i].turn);
	}
	announce_gate_leave(&g, &list[0].turn);
	for (uint32_t i = 0; i < MANY; i++)
		CHECK_INT(list[i].n, 1);
	CHECK_INT(g.n_in, ANNOUNCE_GATE_TURNS - 1);
	announce_gate_fini(&g);
}

TEST(nobody_is_let_in_once_it_is_closed)
{
	struct announce_gate g;
	struct one list[MANY];

	announce_gate_init(&g, key);
	crowd(&g, list, MANY, false);
	for (uint32_t i = 0; i < MANY; i++)
		announce_gate_enter(&g, &list[i].turn);
	announce_gate_close(&g);
	for (uint32_t i = 0; i < MANY; i++)
		announce_gate_leave(&g, &list[i].turn);
	for (uint32_t i = ANNOUNCE_GATE_TURNS; i < MANY; i++)
		CHECK_INT(list[i].n, 0);
	announce_gate_fini(&g);
}

TEST(a_silent_tracker_is_asked_for_one_torrent_at_a_time_and_ever_later)
{
	struct announce_gate g;
	struct announce_site *s;
	uint64_t now = 1000, pause = ANNOUNCE_GATE_DOWN_MS;

	announce_gate_init(&g, key);
	s = announce_site_get(&g, "http://one/announce");
	s->in_flight = 5;
	CHECK(!announce_site_is_down(s, now)); /* not known to be silent */
	for (int i = 0; i < 10; i++) {
		announce_site_failed(s, "silence", now);
		announce_site_failed(s, "silence", now + 1); /* asked together: one failure */
		s->in_flight = 0;
		CHECK(announce_site_is_down(s, now + pause - 1));
		now += pause;
		CHECK(!announce_site_is_down(s, now));
		s->in_flight = 1;
		CHECK(announce_site_is_down(s, now));
		pause =
		    pause * 2 > ANNOUNCE_GATE_DOWN_LAST_MS ? ANNOUNCE_GATE_DOWN_LAST_MS : pause * 2;
	}
	announce_site_answered(s);
	CHECK(!announce_site_is_down(s, now));
	announce_site_put(&g, s);
	announce_gate_fini(&g);
}

TEST(a_tracker_is_one_site_for_all_and_down_for_a_while)
{
	struct announce_gate g;
	struct announce_site *a, *b, *c;

	announce_gate_init(&g, key);
	a = announce_site_get(&g, "http://one/announce");
	b = announce_site_get(&g, "http://two/announce");
	c = announce_site_get(&g, "http://one/announce");
	CHECK(a == c && a != b);
	CHECK(!announce_site_is_down(a, 1000));
	announce_site_failed(a, "nobody there", 1000);
	CHECK_STR(c->reason, "nobody there");
	CHECK(announce_site_is_down(c, 1000 + ANNOUNCE_GATE_DOWN_MS - 1));
	CHECK(!announce_site_is_down(c, 1000 + ANNOUNCE_GATE_DOWN_MS));
	CHECK(!announce_site_is_down(b, 1000));
	announce_site_put(&g, a);
	CHECK_INT(g.sites.n, 2);
	announce_site_put(&g, c);
	announce_site_put(&g, b);
	CHECK_INT(g.sites.n, 0);
	announce_gate_fini(&g);
}
