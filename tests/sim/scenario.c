#include "sim/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"

static const struct scenario scenarios[] = {
    {.name = "flash",
     .question = "one seed and 10, 100, 1,000 getters at once: how near the fluid bound?",
     .run = scenario_flash,
     .growth = true},
    {.name = "tail",
     .question = "a 10 kB/s peer and one that stalls: who waits for them?",
     .run = scenario_tail},
    {.name = "locality",
     .question = "two sites and a thin link: how often does the torrent cross it?",
     .run = scenario_locality},
    {.name = "churn-poison",
     .question = "a third leaves, 30 % are hostile: what does it cost the others?",
     .run = scenario_churn_poison},
    {.name = "mixed-lines",
     .question = "uplinks of 0.25 to 4 MB/s: who gives, who waits?",
     .run = scenario_mixed_lines},
    {.name = "wide",
     .question = "50 to 150 ms between any two, lines that lose packets",
     .run = scenario_wide},
    {.name = "seed-leaves",
     .question = "the origin leaves after 1.1 copies: is everything there?",
     .run = scenario_seed_leaves,
     .open = true},
    {.name = "late",
     .question = "a fifth comes when others are half way, or done",
     .run = scenario_late},
    {.name = "free-riders",
     .question = "a fifth takes and gives nothing",
     .run = scenario_free_riders},
    {.name = "streams",
     .question = "in sequence instead of the rarest first: what does it cost? and who seeks?",
     .run = scenario_streams},
    {.name = "holders",
     .question = "many have just begun, few have everything: does it help to know who?",
     .run = scenario_holders},
    {.name = "non-readers",
     .question = "fifty ask and read nothing: does a getter find a place?",
     .run = scenario_non_readers},
    {.name = "slow-first",
     .question = "sixty slow peers are met first, five fast ones are known: are they found?",
     .run = scenario_slow_first},
    {.name = "homes",
     .question = "lines that take ten times what they give, a seed with ten times the uplink",
     .run = scenario_homes},
    {.name = "routers",
     .question = "three in ten, then seven in ten are behind routers: who pays for it?",
     .run = scenario_routers},
    {.name = "sleepers",
     .question = "a third goes for twenty seconds, with or without a word, and comes back",
     .run = scenario_sleepers},
    {.name = "small",
     .question = "1,000 getters of one piece, of four: what takes the time?",
     .run = scenario_small},
    {.name = "flash-big",
     .question = "flash with 5,000 getters",
     .run = scenario_flash_big,
     .slow = true},
    {0},
};

const struct scenario *scenario_list(void)
{
	return scenarios;
}

const struct scenario *scenario_find(const char *name)
{
	for (const struct scenario *s = scenarios; s->name != NULL; s++) {
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void scene_begin(struct scene *s, const char *scenario, const char *variant,
		 const struct scenario_options *o)
{
	uint32_t pieces = o->pieces != 0 ? o->pieces : SCENE_PIECES;
	uint32_t blocks = o->blocks != 0 ? o->blocks : SCENE_BLOCKS;
	struct index_spec index = {.peers_max = o->peers != 0 ? o->peers : SCENE_PEERS,
				   .says_complete = true};

	*s = (struct scene){.began_s = wall_s(), .quiet = o->quiet, .every_s = o->every_s};
	s->row = (struct row){.scenario = scenario, .pieces = pieces, .seed = o->seed};
	snprintf(s->row.variant, sizeof(s->row.variant), "%s", variant);
	s->meta =
	    net_metainfo((uint64_t)pieces * blocks * BLOCK_BYTES, blocks * BLOCK_BYTES, true, true);
	if (s->meta == NULL)
		abort();
	rng_seed(&s->rng, o->seed ^ 0x5ce4e5b9u);
	s->net = net_new(s->meta, o->seed);
	net_set_index(s->net, &index);
}

uint32_t scene_add(struct scene *s, struct node_spec spec)
{
	if (spec.latency_us == 0)
		spec.latency_us = SCENE_LATENCY_MIN_US +
				  rng_below(&s->rng, SCENE_LATENCY_MAX_US - SCENE_LATENCY_MIN_US);
	s->up_bps += (double)spec.up_bps;
	return net_add(s->net, &spec);
}

struct node_spec scene_lines(uint64_t bps)
{
	return (struct node_spec){.up_bps = bps, .down_bps = bps};
}

uint32_t scene_origin(struct scene *s, uint64_t bps)
{
	struct node_spec spec = scene_lines(bps);

	spec.seed = true;
	return scene_add(s, spec);
}

void scene_crowd(struct scene *s, uint32_t n, struct node_spec spec)
{
	uint64_t now_ms = net_now_ms(s->net);

	for (uint32_t i = 0; i < n; i++) {
		net_run_for(s->net, now_ms + (uint64_t)i * SCENE_COME_MS / n);
		scene_add(s, spec);
	}
}

/* `sent`: by all nodes together when it was last said. */
static void say_state(const struct scene *s, double *sent)
{
	uint64_t now = 0, down = 0, wasted = 0, d, w;
	uint32_t done = 0;

	for (uint32_t i = 0; i < net_nodes(s->net); i++) {
		net_node_bytes(s->net, i, &d, &w);
		now += net_sent_bytes(s->net, i);
		down += d;
		wasted += w;
		done += net_done_ms(s->net, i) != UINT64_MAX;
	}
	printf("# %5.0f s: uplinks %4.1f %% busy with blocks, %.2f %% wasted so far, %u complete\n",
	       (double)net_now_ms(s->net) / 1000 - 1,
	       100 * ((double)now - *sent) / (s->up_bps * s->every_s),
	       down > 0 ? 100 * (double)wasted / (double)down : 0, done);
	fflush(stdout);
	*sent = (double)now;
}

void scene_run(struct scene *s, uint64_t until_ms)
{
	double sent = 0;

	if (s->every_s == 0) {
		net_run(s->net, until_ms);
		return;
	}
	while (net_now_ms(s->net) < until_ms) {
		uint64_t next_ms = net_now_ms(s->net) + s->every_s * 1000u;

		if (net_run(s->net, next_ms < until_ms ? next_ms : until_ms))
			break;
		say_state(s, &sent);
	}
}

uint32_t scene_pick(const struct scenario_options *o, uint32_t nodes)
{
	return o->nodes != 0 ? o->nodes : nodes;
}

void scene_limit_last(struct scene *s, double limit)
{
	const struct net_report *r = &s->row.report;
	double last_s = r->finished < r->getters ? HUGE_VAL : r->last_s;

	row_at_most(&s->row, "last / bound", last_s / s->row.bound_s, limit);
}

uint32_t scene_times(const struct scene *s, uint32_t from, uint32_t until, double *sorted)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < until; i++) {
		if (net_done_ms(s->net, i) != UINT64_MAX)
			sorted[n++] =
			    (double)(net_done_ms(s->net, i) - net_came_ms(s->net, i)) / 1000;
	}
	qsort(sorted, n, sizeof(*sorted), net_order);
	return n;
}

double scene_bytes(const struct scene *s)
{
	return (double)s->meta->total_bytes;
}

double scene_bound_s(double bytes, double seed_up, double getters_up, double down_min, uint32_t n)
{
	double bound = bytes / seed_up;

	if (bytes / down_min > bound)
		bound = bytes / down_min;
	if (n * bytes / (seed_up + getters_up) > bound)
		bound = n * bytes / (seed_up + getters_up);
	return bound;
}

void scene_measure(struct scene *s, uint32_t origin)
{
	net_report(s->net, s->meta, origin, &s->row.report);
	s->row.nodes = net_nodes(s->net);
	s->row.wall_s = wall_s() - s->began_s;
}

void scene_end(struct scene *s, struct table *t)
{
	const struct net_report *r = &s->row.report;

	row_at_least(&s->row, CHECK_COMPLETED, r->finished, r->getters);
	row_at_most(&s->row, CHECK_BANS, r->honest_bans, 0);
	if (!s->quiet)
		row_print(&s->row, stdout);
	table_add(t, &s->row);
	net_free(s->net);
	meta_free(s->meta);
}
