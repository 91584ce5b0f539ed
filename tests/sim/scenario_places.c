/* Places at others, and with us: who gets them, who wastes them. */
#include "sim/scenario.h"

/* ---- who has everything -------------------------------------------------- */

/* Lines so thin that they have next to nothing for others. */
#define BEGINNER_BPS 20000u
#define HOLDERS 3u
#define LATE 5u
#define LATE_MS 4000u

/* A few that have everything among many that have just begun; then some come with good lines, and
 * the others are sent away. */
static void holders(const struct scenario_options *o, struct table *t, const char *variant,
		    bool says_complete)
{
	struct index_spec index = {.peers_max = o->peers != 0 ? o->peers : SCENE_PEERS,
				   .says_complete = says_complete};
	uint32_t n = scene_pick(o, 100), first = HOLDERS + n;
	struct scene s;

	scene_begin(&s, "holders", variant, o);
	net_set_index(s.net, &index);
	for (uint32_t i = 0; i < HOLDERS; i++)
		scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, n, scene_lines(BEGINNER_BPS));
	for (uint32_t i = 0; i < LATE; i++) {
		net_run_for(s.net, net_now_ms(s.net) + LATE_MS);
		scene_add(&s, scene_lines(SCENE_BPS));
	}
	for (uint32_t i = first; i < first + LATE; i++) {
		while (net_done_ms(s.net, i) == UINT64_MAX && net_now_ms(s.net) < SCENE_END_MS)
			net_run_for(s.net, net_now_ms(s.net) + 100);
	}
	for (uint32_t i = HOLDERS; i < first; i++)
		net_kill(s.net, i, true);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	row_at_most(&s.row, "last / bound", s.row.report.last_s / s.row.bound_s, 4);
	scene_end(&s, t);
}

void scenario_holders(const struct scenario_options *o, struct table *t)
{
	holders(o, t, "nobody says who", false);
	holders(o, t, "the index says who", true);
}

/* ---- who does not read --------------------------------------------------- */

/* What their systems take for them: 128 KiB. */
#define GLUTTON_BLOCKS 8u
#define GLUTTONS_AHEAD_MS 20000u

/* One getter and a seed, and `n` who read nothing, who come at the same time or were there before.
 */
static double non_readers(const struct scenario_options *o, struct table *t, const char *variant,
			  uint32_t n, uint64_t ahead_ms, double plain_last)
{
	struct node_spec glutton = scene_lines(SCENE_BPS);
	struct scene s;
	double last;

	glutton.kind = NODE_GLUTTON;
	glutton.stall_after = GLUTTON_BLOCKS;
	scene_begin(&s, "non-readers", variant, o);
	scene_origin(&s, SCENE_BPS);
	for (uint32_t i = 0; i < n; i++)
		scene_add(&s, glutton);
	net_run_for(s.net, net_now_ms(s.net) + ahead_ms);
	scene_add(&s, scene_lines(SCENE_BPS));
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	last = s.row.report.last_s;
	/* Some of it is theirs: 128 KiB for each that was tried. */
	if (plain_last > 0)
		row_at_most(&s.row, "seconds more than without them", last - plain_last, 5);
	scene_end(&s, t);
	return last;
}

void scenario_non_readers(const struct scenario_options *o, struct table *t)
{
	uint32_t n = scene_pick(o, 50);
	double plain = non_readers(o, t, "none", 0, 0, 0);

	non_readers(o, t, "come with it", n, 0, plain);
	non_readers(o, t, "were there before", n, GLUTTONS_AHEAD_MS, plain);
}

/* ---- whom one meets first ------------------------------------------------ */

#define SLOW_BPS 10000u
#define FAST 5u
#define FAST_LATER_MS 3000u

/* A getter knows `n` slow peers that have everything, and five fast ones at first or soon after. */
static double meet(const struct scenario_options *o, struct table *t, const char *variant,
		   uint64_t fast_after_ms, double plain_last)
{
	struct node_spec slow = scene_lines(SLOW_BPS), fast = scene_lines(SCENE_BPS);
	uint32_t n = scene_pick(o, 60), getter = n + FAST;
	struct scene s;
	double last;

	slow.seed = fast.seed = true;
	scene_begin(&s, "slow-first", variant, o);
	net_set_index(s.net, NULL);
	for (uint32_t i = 0; i < getter; i++)
		scene_add(&s, i < n ? slow : fast);
	scene_add(&s, scene_lines(SCENE_BPS));
	for (uint32_t i = 0; fast_after_ms == 0 && i < FAST; i++)
		net_introduce(s.net, getter, n + i);
	for (uint32_t i = 0; i < n; i++)
		net_introduce(s.net, getter, i);
	net_run_for(s.net, net_now_ms(s.net) + fast_after_ms);
	for (uint32_t i = 0; i < FAST; i++)
		net_introduce(s.net, getter, n + i);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, n);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	last = s.row.report.last_s;
	if (plain_last > 0)
		row_at_most(&s.row, "last / last where fast come first", last / plain_last, 1.25);
	scene_end(&s, t);
	return last;
}

void scenario_slow_first(const struct scenario_options *o, struct table *t)
{
	double plain = meet(o, t, "fast ones first", 0, 0);

	meet(o, t, "slow ones first", FAST_LATER_MS, plain);
}
