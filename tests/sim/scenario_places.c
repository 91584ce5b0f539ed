/* Places at others, and with us: who gets them, who wastes them. */
#include "sim/scenario.h"

/* ---- who has everything -------------------------------------------------- */

/* Lines so thin that they have next to nothing for others. */
#define BEGINNER_BPS 20000u
#define HOLDERS 3u
#define LATE 5u
#define LATE_MS 4000u

/* A few that have everything among many that have just begun; then some come with good lines.
 * Returns when the last of these was complete, and sends the others away. */
static double holders(const struct scenario_options *o, struct table *t, const char *variant,
		      bool says_complete, double plain_last)
{
	struct index_spec index = {.peers_max = o->peers != 0 ? o->peers : SCENE_PEERS,
				   .says_complete = says_complete};
	uint32_t n = scene_pick(o, 100), first = HOLDERS + n;
	struct scene s;
	double last;

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
	last = s.row.report.last_s;
	if (plain_last > 0)
		row_at_most(&s.row, "last / last where nobody says", last / plain_last, 0.8);
	scene_end(&s, t);
	return last;
}

void scenario_holders(const struct scenario_options *o, struct table *t)
{
	double plain = holders(o, t, "nobody says who", false, 0);

	holders(o, t, "the index says who", true, plain);
}
