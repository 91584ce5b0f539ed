/* cli/daemon_places.h - remembers (cli/placed.h) which version of what the daemon has put where, so
 * that a later `get` may replace it, whether or not a command waited for the end. */
#ifndef SHOAL_CLI_DAEMON_PLACES_H
#define SHOAL_CLI_DAEMON_PLACES_H

#include "daemon/jobs.h"

struct daemon_places;

/* Of all jobs from now on. `say`: what cannot be remembered. Returns 0 or ERR_NOMEM. */
int daemon_places_new(struct jobs *js, void (*say)(void *user, const char *line), void *user,
		      struct daemon_places **out);
/* Before the jobs. NULL is fine. */
void daemon_places_free(struct daemon_places *p);

#endif
