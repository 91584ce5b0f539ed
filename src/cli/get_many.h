/* cli/get_many.h - `get` of several things in one process, up to tens of thousands. */
#ifndef SHOAL_CLI_GET_MANY_H
#define SHOAL_CLI_GET_MANY_H

#include "cli/wanted.h"

/* Begun and not complete at one time; the others wait, and cost no more than their names. One
 * that nobody on line has goes on looking, but gives its place to the next. */
#define GET_ACTIVE_MAX 16u

/* Is what is fetched served when all is there? By a daemon it is unless it is told not to. */
static inline bool get_seeds(const struct opts *o)
{
	return o->seed || (seed_limit_is_set(&o->seed_limit) && !wanted_flows(o));
}
/* As far as --seed-ratio and --seed-time say, of what is complete for `ms`. */
static inline bool get_seeded_enough(const struct opts *o, const struct transfer_status *st,
				     uint64_t ms)
{
	return seed_limit_is_over(&o->seed_limit, st->swarm.up_bytes, st->wanted_bytes, ms / 1000);
}

/* What the arguments and the lines of o->input name. Returns an enum exit_code: that of the first
 * that failed. */
int get_many(const struct opts *o);

#endif
