/* Where nodes stand: sites with a thin link between, and far from one another. */
#include <stdlib.h>

#include "sim/scenario.h"

#define LAN_BPS 4000000u
#define LINK_BPS 1000000u
#define LINK_LATENCY_US 25000u
#define LAN_LATENCY_US 200u
#define FAR_MIN 5u
/* A look at who still knows whom, at this part of the time that the bound gives. */
#define LOOK_AT 0.7

/* The part of incomplete nodes that know somebody at the other site. */
static double with_far(const struct scene *s)
{
	uint32_t n = 0, far = 0;

	for (uint32_t i = 1; i < net_nodes(s->net); i++) {
		if (net_done_ms(s->net, i) != UINT64_MAX)
			continue;
		n++;
		far += net_far_conns(s->net, i) > 0;
	}
	return n > 0 ? (double)far / n : 1;
}

static void two_sites(const struct scenario_options *o, struct table *t, bool near)
{
	struct index_spec index = {.peers_max = o->peers != 0 ? o->peers : SCENE_PEERS,
				   .prefer_near = near,
				   .far_min = FAR_MIN};
	uint32_t n = scene_pick(o, 100);
	struct scene s;
	double far;

	scene_begin(&s, "locality", near ? "near preferred" : "random peers", o);
	net_set_index(s.net, &index);
	net_set_link(s.net, 0, 1, LINK_LATENCY_US, LINK_BPS);
	for (uint32_t i = 0; i <= n; i++) {
		struct node_spec spec = scene_lines(LAN_BPS);

		spec.seed = i == 0;
		spec.site = i % 2;
		spec.latency_us = LAN_LATENCY_US;
		net_run_for(s.net, 1000 + (uint64_t)i * SCENE_COME_MS / n);
		scene_add(&s, spec);
	}
	s.row.bound_s = scene_bytes(&s) / LINK_BPS;
	net_run_for(s.net, 2000 + (uint64_t)(s.row.bound_s * LOOK_AT * 1000));
	far = with_far(&s);
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	scene_limit_last(&s, 1.5);
	if (near) {
		row_at_most(&s.row, "copies that crossed", s.row.report.cross_copies, 1.5);
		row_at_least(&s.row, "part that know far ones", far, 0.9);
	}
	scene_end(&s, t);
}

void scenario_locality(const struct scenario_options *o, struct table *t)
{
	two_sites(o, t, true);
	two_sites(o, t, false);
}

void scenario_wide(const struct scenario_options *o, struct table *t)
{
	struct scene s;

	scene_begin(&s, "wide", "0 to 0.6 % loss", o);
	scene_origin(&s, SCENE_BPS);
	for (uint32_t i = 0; i < scene_pick(o, 100); i++) {
		struct node_spec spec = scene_lines(SCENE_BPS);

		spec.latency_us = 25000 + rng_below(&s.rng, 50000);
		spec.loss_ppm = rng_below(&s.rng, 3000);
		net_run_for(s.net, 1000 + (uint64_t)i * SCENE_COME_MS / scene_pick(o, 100));
		scene_add(&s, spec);
	}
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, 0);
	s.row.bound_s = scene_bytes(&s) / SCENE_BPS;
	scene_limit_last(&s, 1.5);
	scene_end(&s, t);
}
