/* Crowds of unequal members: in what they have, give, and when they come and go. */
#include <math.h>
#include <stdlib.h>

#include "sim/scenario.h"

static double *times_new(const struct scene *s)
{
	double *list = calloc(net_nodes(s->net) + 1, sizeof(*list));

	if (list == NULL)
		abort();
	return list;
}

/* A quantile of the times of nodes [from, until). */
static double time_of(const struct scene *s, uint32_t from, uint32_t until, double q)
{
	double *list = times_new(s);
	uint32_t n = scene_times(s, from, until, list);
	double time = net_quantile(list, n, q);

	free(list);
	return time;
}

/* ---- unequal lines ------------------------------------------------------- */

#define FAST_UP 4000000u
#define MIDDLE_UP 1000000u
#define SLOW_UP 250000u
#define MIXED_DOWN 4000000u

void scenario_mixed_lines(const struct scenario_options *o, struct table *t)
{
	uint32_t n = scene_pick(o, 100), n_fast = n / 5, n_slow = n * 3 / 10;
	double up = 0;
	struct scene s;

	scene_begin(&s, "mixed-lines", "20 50 30 %", o);
	scene_origin(&s, MIDDLE_UP);
	/* The slow ones come first, then the fast ones. */
	for (uint32_t i = 0; i < n; i++) {
		struct node_spec spec = {.up_bps = MIDDLE_UP, .down_bps = MIXED_DOWN};

		if (i < n_slow)
			spec.up_bps = SLOW_UP;
		else if (i < n_slow + n_fast)
			spec.up_bps = FAST_UP;
		up += (double)spec.up_bps;
		scene_add(&s, spec);
	}
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bound_s(scene_bytes(&s), MIDDLE_UP, up, MIXED_DOWN, n);
	scene_limit_last(&s, 1.25);
	row_at_most(&s.row, "p50 of fast / of slow",
		    time_of(&s, 1 + n_slow, 1 + n_slow + n_fast, 0.5) /
			time_of(&s, 1, 1 + n_slow, 0.5),
		    1.02);
	scene_end(&s, t);
}

/* ---- the seed leaves ----------------------------------------------------- */

#define COPIES_SENT 1.1
/* One so fast has sent them when the others are not half way: they have the rest among themselves
 * or not at all. */
#define LEAVER_BPS 4000000u

/* Pieces that no node on line has whole. */
static uint32_t count_lost(const struct scene *s)
{
	uint32_t lost = 0;

	for (uint32_t piece = 0; piece < s->meta->n_pieces; piece++) {
		uint32_t i = 0;

		while (i < net_nodes(s->net) &&
		       (!net_is_up(s->net, i) ||
			!bitfield_has(swarm_have(net_swarm(s->net, i)), piece)))
			i++;
		lost += i == net_nodes(s->net);
	}
	return lost;
}

static void seed_leaves(const struct scenario_options *o, struct table *t, const char *variant,
			uint64_t seed_bps, bool politely)
{
	uint64_t enough;
	struct scene s;

	scene_begin(&s, "seed-leaves", variant, o);
	enough = (uint64_t)(scene_bytes(&s) * COPIES_SENT);
	scene_origin(&s, seed_bps);
	scene_crowd(&s, scene_pick(o, 100), scene_lines(SCENE_BPS));
	while (net_sent_bytes(s.net, 0) < enough && !net_run(s.net, net_now_ms(s.net) + 50))
		;
	net_kill(s.net, 0, politely);
	net_run(s.net, SCENE_END_MS / 6);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	scene_limit_last(&s, 1.5);
	row_at_most(&s.row, "pieces that nobody has", count_lost(&s), 0);
	scene_end(&s, t);
}

void scenario_seed_leaves(const struct scenario_options *o, struct table *t)
{
	seed_leaves(o, t, "equal lines", SCENE_BPS, true);
	seed_leaves(o, t, "fast, says so", LEAVER_BPS, true);
	seed_leaves(o, t, "fast, falls silent", LEAVER_BPS, false);
}

/* ---- late ones ----------------------------------------------------------- */

void scenario_late(const struct scenario_options *o, struct table *t)
{
	uint32_t n = scene_pick(o, 100), early = n * 4 / 5;
	uint64_t half_ms;
	struct scene s;

	scene_begin(&s, "late", "80 and 20", o);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	half_ms = (uint64_t)(s.row.bound_s * 500);
	scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, early, scene_lines(SCENE_BPS));
	/* From half way to twice that after the others are done, in steps. */
	for (uint32_t i = 0; i < n - early; i++) {
		net_run_for(s.net, 2000 + half_ms + 3 * half_ms * i / (n - early));
		scene_add(&s, scene_lines(SCENE_BPS));
	}
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	row_at_most(&s.row, "p99 of early / bound", time_of(&s, 1, 1 + early, 0.99) / s.row.bound_s,
		    1.25);
	row_at_most(&s.row, "p99 of late / bound",
		    time_of(&s, 1 + early, 1 + n, 0.99) / s.row.bound_s, 1.25);
	scene_end(&s, t);
}

/* ---- free riders --------------------------------------------------------- */

enum riders { RIDERS_NONE, RIDERS_AMONG, RIDERS_FIRST };

/* Honest getters and, one in five of all, riders; these come first or among the others. */
static void add_riders(struct scene *s, uint32_t n, enum riders riders, bool *is_rider)
{
	for (uint32_t i = 0; i < n; i++) {
		struct node_spec spec = scene_lines(SCENE_BPS);

		is_rider[1 + i] = riders == RIDERS_FIRST ? i < n / 5 : i % 5 == 2;
		if (is_rider[1 + i] && riders == RIDERS_NONE)
			continue;
		if (is_rider[1 + i])
			spec.kind = NODE_CHOKER;
		net_run_for(s->net, 1000 + (uint64_t)i * SCENE_COME_MS / n);
		scene_add(s, spec);
	}
}

/* The median of those that have everything by now. */
static double rider_p50(const struct scene *s, const bool *is_rider)
{
	double *list = times_new(s), p50;
	uint32_t n = 0;

	for (uint32_t i = 1; i < net_nodes(s->net); i++) {
		if (is_rider[i])
			n += scene_times(s, i, i + 1, list + n);
	}
	qsort(list, n, sizeof(*list), net_order);
	p50 = net_quantile(list, n, 0.5);
	free(list);
	return n > 0 ? p50 : HUGE_VAL;
}

static double free_riders(const struct scenario_options *o, struct table *t, enum riders riders,
			  double plain_p99)
{
	static const char *const variants[] = {"none", "among others", "come first"};
	uint32_t n = scene_pick(o, 100);
	bool *is_rider = calloc(n + 1, sizeof(*is_rider));
	double p99;
	struct scene s;

	if (is_rider == NULL)
		abort();
	scene_begin(&s, "free-riders", variants[riders], o);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	scene_origin(&s, SCENE_BPS);
	add_riders(&s, n, riders, is_rider);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	p99 = s.row.report.p99_s;
	if (riders != RIDERS_NONE) {
		/* Then they get the rest. */
		net_run_for(s.net, net_now_ms(s.net) + (uint64_t)(10000 * s.row.bound_s));
		row_at_most(&s.row, "p99 / p99 without", p99 / plain_p99, 1.3);
		row_at_least(&s.row, "p50 of riders / of the others",
			     rider_p50(&s, is_rider) / s.row.report.p50_s, 1);
	}
	scene_end(&s, t);
	free(is_rider);
	return p99;
}

void scenario_free_riders(const struct scenario_options *o, struct table *t)
{
	double plain = free_riders(o, t, RIDERS_NONE, 0);

	free_riders(o, t, RIDERS_AMONG, plain);
	free_riders(o, t, RIDERS_FIRST, plain);
}
