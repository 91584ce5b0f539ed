/* One seed and a crowd that comes all at once. */
#include "sim/scenario.h"

static void flash(const struct scenario_options *o, uint32_t getters, double limit, struct table *t)
{
	struct scene s;
	char variant[24];
	uint32_t origin;

	snprintf(variant, sizeof(variant), "N=%u", getters);
	scene_begin(&s, "flash", variant, o);
	origin = scene_origin(&s, SCENE_BPS);
	scene_crowd(&s, getters, scene_lines(SCENE_BPS));
	scene_run(&s, SCENE_END_MS);
	scene_measure(&s, origin);
	s.row.bound_s = scene_bound_s(scene_bytes(&s), SCENE_BPS, (double)getters * SCENE_BPS,
				      SCENE_BPS, getters);
	if (limit > 0)
		scene_limit_last(&s, limit);
	scene_end(&s, t);
}

void scenario_flash(const struct scenario_options *o, struct table *t)
{
	if (o->nodes != 0) {
		flash(o, o->nodes, o->nodes <= 100 ? 1.15 : 1.25, t);
		return;
	}
	flash(o, 10, 1.15, t);
	flash(o, 100, 1.15, t);
	flash(o, 1000, 1.25, t);
}

/* As many bytes in fewer pieces: their HAVEs are what takes the time to simulate. A piece is passed
 * on when it is whole, so each of the ten steps or so from the seed to the last costs four times as
 * much as with small ones: the bound is farther off. */
#define BIG_PIECES 250u
#define BIG_BLOCKS 16u

void scenario_flash_big(const struct scenario_options *o, struct table *t)
{
	struct scenario_options big = *o;

	if (o->pieces == 0 && o->blocks == 0) {
		big.pieces = BIG_PIECES;
		big.blocks = BIG_BLOCKS;
	}
	flash(&big, scene_pick(o, 5000), 1.5, t);
}
