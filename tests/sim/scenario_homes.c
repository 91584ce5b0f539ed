/* What people bring along: lines that give little, routers, computers that sleep, small files. */
#include <stdlib.h>

#include "sim/scenario.h"

/* ---- lines of homes ------------------------------------------------------ */

#define HOME_UP 1000000u
#define HOME_DOWN 10000000u
#define CENTRE_BPS 10000000u

static void homes(const struct scenario_options *o, struct table *t, uint32_t n)
{
	struct node_spec home = {.up_bps = HOME_UP, .down_bps = HOME_DOWN};
	char variant[24];
	struct scene s;

	snprintf(variant, sizeof(variant), "N=%u", n);
	scene_begin(&s, "homes", variant, o);
	scene_origin(&s, CENTRE_BPS);
	scene_crowd(&s, n, home);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s =
	    scene_bound_s(scene_bytes(&s), CENTRE_BPS, (double)n * HOME_UP, HOME_DOWN, n);
	scene_limit_last(&s, 1.25);
	scene_end(&s, t);
}

void scenario_homes(const struct scenario_options *o, struct table *t)
{
	homes(o, t, scene_pick(o, 20));
	if (o->nodes == 0)
		homes(o, t, 100);
}

/* ---- routers ------------------------------------------------------------- */

/* The 99th percentile of the times of those that are behind routers, or are not. */
static double p99_of(const struct scene *s, const bool *hidden, bool which)
{
	double *list = calloc(net_nodes(s->net) + 1, sizeof(*list)), p99;
	uint32_t n = 0;

	if (list == NULL)
		abort();
	for (uint32_t i = 1; i < net_nodes(s->net); i++) {
		if (hidden[i] == which)
			n += scene_times(s, i, i + 1, list + n);
	}
	qsort(list, n, sizeof(*list), net_order);
	p99 = net_quantile(list, n, 0.99);
	free(list);
	return p99;
}

/* `tenths` of the getters cannot be dialled, and nobody makes holes in their routers. These get all
 * they get from the others. */
static void routers(const struct scenario_options *o, struct table *t, uint32_t tenths)
{
	uint32_t n = scene_pick(o, 100), n_hidden = 0;
	bool *hidden = calloc(n + 1, sizeof(*hidden));
	uint64_t now_ms;
	char variant[24];
	struct scene s;

	if (hidden == NULL)
		abort();
	snprintf(variant, sizeof(variant), "%u %% hidden", tenths * 10);
	scene_begin(&s, "routers", variant, o);
	scene_origin(&s, SCENE_BPS);
	now_ms = net_now_ms(s.net);
	for (uint32_t i = 0; i < n; i++) {
		struct node_spec spec = scene_lines(SCENE_BPS);

		spec.hidden = hidden[1 + i] = i * 7 % 10 < tenths;
		n_hidden += spec.hidden;
		net_run_for(s.net, now_ms + (uint64_t)i * SCENE_COME_MS / n);
		scene_add(&s, spec);
	}
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bound_s(scene_bytes(&s), SCENE_BPS,
				      (double)(n - n_hidden) * SCENE_BPS, SCENE_BPS, n_hidden);
	scene_limit_last(&s, 1.25);
	/* Where the others are fewer they cannot give as much as they get. */
	if (2 * n_hidden < n)
		row_at_most(&s.row, "p99 of the hidden / of the others",
			    p99_of(&s, hidden, true) / p99_of(&s, hidden, false), 1.1);
	scene_end(&s, t);
	free(hidden);
}

void scenario_routers(const struct scenario_options *o, struct table *t)
{
	routers(o, t, 3);
	routers(o, t, 7);
}

/* ---- going and coming back ----------------------------------------------- */

#define SLEEP_MS 20000u
/* They go one after the other from a tenth to six tenths of the shortest time. */
#define GO_FIRST 0.1
#define GO_LAST 0.6

/* Each third getter goes once; wakes those whose time is over. */
static void run_sleepers(struct scene *s, uint32_t n, double bound_s, bool politely)
{
	uint32_t sleepers = n / 3, gone = 0, back = 0;
	double span_ms = bound_s * 1000 * (GO_LAST - GO_FIRST);
	uint64_t *until_ms = calloc(sleepers + 1, sizeof(*until_ms));

	if (until_ms == NULL)
		abort();
	for (uint32_t i = 0; i < sleepers; i++)
		until_ms[i] = net_now_ms(s->net) +
			      (uint64_t)(bound_s * 1000 * GO_FIRST + span_ms * i / sleepers);
	while (back < sleepers) {
		bool goes = gone < sleepers && (back == gone || until_ms[gone] <= until_ms[back]);
		uint32_t node = 1 + 3 * (goes ? gone : back);

		net_run_for(s->net, until_ms[goes ? gone : back]);
		if (goes) {
			net_kill(s->net, node, politely);
			until_ms[gone++] += SLEEP_MS;
		} else {
			net_revive(s->net, node);
			back++;
		}
	}
	free(until_ms);
}

static void sleepers(const struct scenario_options *o, struct table *t, const char *variant,
		     bool politely)
{
	uint32_t n = scene_pick(o, 100);
	double *stayed = calloc(n + 1, sizeof(*stayed)), *slept = calloc(n + 1, sizeof(*slept));
	uint32_t n_stayed = 0, n_slept = 0;
	struct scene s;

	if (stayed == NULL || slept == NULL)
		abort();
	scene_begin(&s, "sleepers", variant, o);
	scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, n, scene_lines(SCENE_BPS));
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	run_sleepers(&s, n, s.row.bound_s, politely);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (i % 3 == 0 && i / 3 < n / 3)
			n_slept += scene_times(&s, 1 + i, 2 + i, slept + n_slept);
		else
			n_stayed += scene_times(&s, 1 + i, 2 + i, stayed + n_stayed);
	}
	qsort(stayed, n_stayed, sizeof(*stayed), net_order);
	qsort(slept, n_slept, sizeof(*slept), net_order);
	row_at_most(&s.row, "last that stayed / bound",
		    net_quantile(stayed, n_stayed, 1) / s.row.bound_s, 1.25);
	row_at_most(&s.row, "last that slept, but for its sleep / bound",
		    (net_quantile(slept, n_slept, 1) - SLEEP_MS / 1000.0) / s.row.bound_s, 1.25);
	scene_end(&s, t);
	free(stayed);
	free(slept);
}

void scenario_sleepers(const struct scenario_options *o, struct table *t)
{
	sleepers(o, t, "say so", true);
	sleepers(o, t, "fall silent", false);
}

/* ---- small files --------------------------------------------------------- */

/* Nobody's line matters: what takes the time is to find each other and to be let in. */
static void small(const struct scenario_options *o, struct table *t, uint32_t pieces)
{
	struct scenario_options few = *o;
	uint32_t n = scene_pick(o, 1000);
	char variant[24];
	struct scene s;

	few.pieces = pieces;
	snprintf(variant, sizeof(variant), "%u KiB", pieces * SCENE_BLOCKS * BLOCK_BYTES / 1024);
	scene_begin(&s, "small", variant, &few);
	scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, n, scene_lines(SCENE_BPS));
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	row_at_most(&s.row, "last, seconds", s.row.report.last_s, 5);
	scene_end(&s, t);
}

void scenario_small(const struct scenario_options *o, struct table *t)
{
	small(o, t, 1);
	small(o, t, 4);
}
