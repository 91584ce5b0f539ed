/* Slow ones and liars: what do they cost the others? */
#include <stdlib.h>

#include "sim/scenario.h"

#define SLOW_BPS 10000u
#define STALL_AFTER 40u

void scenario_tail(const struct scenario_options *o, struct table *t)
{
	struct node_spec slow = scene_lines(SLOW_BPS), stall = scene_lines(SCENE_BPS);
	struct scene s;

	slow.seed = stall.seed = true;
	stall.kind = NODE_STALLER;
	stall.stall_after = STALL_AFTER;
	scene_begin(&s, "tail", "slow and stalled", o);
	scene_origin(&s, SCENE_BPS);
	scene_add(&s, slow);
	scene_add(&s, stall);
	scene_crowd(&s, scene_pick(o, 48), scene_lines(SCENE_BPS));
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	row_at_most(&s.row, "p99 / p50", s.row.report.p99_s / s.row.report.p50_s, 1.1);
	row_at_most(&s.row, "wasted, %", s.row.report.wasted * 100, 1);
	scene_end(&s, t);
}

/* ---- churn and poison ---------------------------------------------------- */

#define LEAVES_MAX 4096u

struct leave {
	uint64_t at_ms;
	uint32_t node;
	bool politely;
};

static int by_time(const void *a, const void *b)
{
	const struct leave *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->node < y->node ? -1 : 1;
}

/* Hostile ones: as many of each kind. All but the last claim to have everything. */
static void add_hostile(struct scene *s, uint32_t n)
{
	static const struct node_spec kinds[5] = {
	    {.kind = NODE_CORRUPT, .seed = true, .corrupt_every = 10},
	    {.kind = NODE_MUTE, .seed = true},
	    {.kind = NODE_REJECTER, .seed = true},
	    {.kind = NODE_STALLER, .seed = true, .stall_after = 20},
	    {.kind = NODE_CHOKER},
	};

	for (uint32_t i = 0; i < n; i++) {
		struct node_spec spec = kinds[i % 5];

		spec.up_bps = spec.down_bps = SCENE_BPS;
		scene_add(s, spec);
	}
}

/* One in three of the nodes [from, until) leaves between a tenth and nine tenths of `span_ms`;
 * half of them without a word. */
static void run_with_leaves(struct scene *s, uint32_t from, uint32_t until, uint64_t span_ms)
{
	struct leave list[LEAVES_MAX];
	uint64_t now_ms = net_now_ms(s->net);
	uint32_t n = 0;

	for (uint32_t i = from; i < until && n < LEAVES_MAX; i++) {
		if (rng_below(&s->rng, 3) != 0)
			continue;
		list[n] = (struct leave){.node = i, .politely = n % 2 == 0};
		list[n++].at_ms =
		    now_ms + span_ms / 10 + rng_below(&s->rng, (uint32_t)(span_ms * 8 / 10));
	}
	qsort(list, n, sizeof(list[0]), by_time);
	for (uint32_t i = 0; i < n; i++) {
		net_run_for(s->net, list[i].at_ms);
		net_kill(s->net, list[i].node, list[i].politely);
	}
}

/* Returns the median and the last completion of those who stayed. */
static struct net_report churn(const struct scenario_options *o, struct table *t,
			       const char *variant, double poison, double plain_p50,
			       double plain_last)
{
	uint32_t n = scene_pick(o, 100), hostile = (uint32_t)(poison * n / (1 - poison));
	struct net_report r;
	struct scene s;

	scene_begin(&s, "churn-poison", variant, o);
	scene_origin(&s, SCENE_BPS);
	add_hostile(&s, hostile);
	scene_crowd(&s, n, scene_lines(SCENE_BPS));
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	if (poison > 0)
		run_with_leaves(&s, 1 + hostile, 1 + hostile + n, (uint64_t)(plain_p50 * 1000));
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	r = s.row.report;
	if (poison > 0) {
		row_at_most(&s.row, "p50 / p50 of plain", r.p50_s / plain_p50, 1.25);
		row_at_most(&s.row, "last / last of plain", r.last_s / plain_last, 1.25);
	}
	scene_end(&s, t);
	return r;
}

void scenario_churn_poison(const struct scenario_options *o, struct table *t)
{
	struct net_report plain = churn(o, t, "plain", 0, 0, 0);

	churn(o, t, "30 % hostile", 0.3, plain.p50_s, plain.last_s);
}
