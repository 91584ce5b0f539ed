/* Fetching in sequence, and what is wanted at once. */
#include "sim/scenario.h"

/* Pieces in a row that a reader needs at once: 4 of 64 KiB at 1 MB/s take a quarter of a second. */
#define SEEK_PIECES 4u
#define SLOW_BPS 20000u
#define SLOW_COUNT 5u
#define SEEDS 4u

static double all_in_order(const struct scenario_options *o, struct table *t, const char *variant,
			   enum swarm_order order, double plain_last)
{
	uint32_t n = scene_pick(o, 50);
	struct scene s;
	double last;

	scene_begin(&s, "streams", variant, o);
	scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, n, scene_lines(SCENE_BPS));
	for (uint32_t i = 1; i <= n; i++)
		net_set_order(s.net, i, order);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	last = s.row.report.last_s;
	if (plain_last > 0)
		row_at_most(&s.row, "last / last of rarest first", last / plain_last, 1.25);
	scene_end(&s, t);
	return last;
}

static bool has_run(const struct scene *s, uint32_t node, struct piece_run run)
{
	for (uint32_t i = 0; i < run.count; i++) {
		if (!bitfield_has(swarm_have(net_swarm(s->net, node)), run.first + i))
			return false;
	}
	return true;
}

/* The last run of pieces none of which it has. */
static struct piece_run missing_run(const struct scene *s, uint32_t node)
{
	const struct bitfield *have = swarm_have(net_swarm(s->net, node));
	uint32_t n = 0, i = have->n;

	while (i > 0 && n < SEEK_PIECES)
		n = bitfield_has(have, --i) ? 0 : n + 1;
	return (struct piece_run){i, n};
}

/* Some peers of the one that seeks are slow. */
static void seek(const struct scenario_options *o, struct table *t)
{
	struct node_spec slow = scene_lines(SLOW_BPS);
	uint32_t n = scene_pick(o, 20), reader;
	struct piece_run run;
	uint64_t at_ms, step;
	struct scene s;

	slow.seed = true;
	scene_begin(&s, "streams", "one seeks half way", o);
	for (uint32_t i = 0; i < SEEDS; i++)
		scene_origin(&s, SCENE_BPS);
	for (uint32_t i = 0; i < SLOW_COUNT; i++)
		scene_add(&s, slow);
	scene_crowd(&s, n, scene_lines(SCENE_BPS));
	reader = SEEDS + SLOW_COUNT + n - 1;
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	net_run_for(s.net, (uint64_t)(s.row.bound_s * 500));
	run = missing_run(&s, reader);
	at_ms = net_now_ms(s.net);
	net_set_urgent(s.net, reader, &run, 1);
	for (step = 10; !has_run(&s, reader, run) && step < 60000; step += 10)
		net_run_for(s.net, at_ms + step);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	row_at_most(&s.row, "seconds until 256 KiB are there", (double)step / 1000, 1.5);
	scene_end(&s, t);
}

void scenario_streams(const struct scenario_options *o, struct table *t)
{
	double plain = all_in_order(o, t, "rarest first", ORDER_RAREST, 0);

	all_in_order(o, t, "ends first", ORDER_ENDS_FIRST, plain);
	all_in_order(o, t, "in sequence", ORDER_SEQUENTIAL, plain);
	seek(o, t);
}
