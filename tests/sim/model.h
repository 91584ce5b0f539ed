/* sim/model.h - a few swarms to which anything happens, in an order that chance chose. */
#ifndef SHOAL_SIM_MODEL_H
#define SHOAL_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MODEL_STEPS 80u

enum step_type {
	STEP_WAIT, /* only time passes */
	STEP_GONE, /* a piece that was had is gone from disk */
	STEP_BACK, /* and found again */
	STEP_PLAN,
	STEP_ORDER,
	STEP_URGENT,
	STEP_WINDOW,
	STEP_PAUSE,
	STEP_UPLOAD,
	STEP_SHED,
	STEP_LEAVE, /* or falls silent */
	STEP_RETURN,
	STEP_SOURCE,
	STEP_GIVE, /* a source brings blocks */
	STEP_REST,
	STEP_LACK,
	STEP_PART, /* a source goes */
	STEP_TYPES
};

struct step {
	enum step_type type;
	uint32_t node, a, b;
	uint32_t wait_ms; /* afterwards */
	bool out;	  /* passed over, by who looks for the shortest way to a fault */
};

void model_plan(uint64_t seed, struct step steps[MODEL_STEPS]);
void model_say(FILE *out, const struct step *s);

/* All of it with every invariant checked after each event; then peace: whoever left comes back,
 * everything is wanted, and all must have it in bounded time. Aborts when something is wrong. */
void model_run(uint64_t seed, const struct step steps[MODEL_STEPS]);

#endif
