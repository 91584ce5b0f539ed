/* cli/get_many.h - `get` of several things in one process, up to tens of thousands. */
#ifndef SHOAL_CLI_GET_MANY_H
#define SHOAL_CLI_GET_MANY_H

#include "cli/opts.h"

/* Begun and not complete at one time; the others wait, and cost no more than their names. One
 * that nobody on line has goes on looking, but gives its place to the next. */
#define GET_ACTIVE_MAX 16u

/* What the arguments and the lines of o->input name. Returns an enum exit_code: that of the first
 * that failed. */
int get_many(const struct opts *o);

#endif
