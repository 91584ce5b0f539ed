/* cli/daemon_follow.h - `get --follow` by the daemon: of each job that follows its entry the index
 * is asked for the newest version, which is fetched beside what is there and takes its place.
 *
 *     the index has a newer one --> it is what its owner signed --> the place may be replaced
 *     (cli/renewal.h) --> a job of its own (jobs_add_newer) --> complete: the older one goes
 *
 * Nothing waits: questions are asked from the loop. What is in the way is the job's `upkeep_why`,
 * and is tried again; a version that somebody's changes are in the way of, when there is a newer
 * one or the job is asked for again, which begins anew as is said then. A job that is paused or not
 * complete is left as it is, unless nobody has what is missing of it: then the newer one is had. */
#ifndef SHOAL_CLI_DAEMON_FOLLOW_H
#define SHOAL_CLI_DAEMON_FOLLOW_H

#include "cli/opts.h"
#include "daemon/jobs.h"

/* One that cannot be followed (no index, no memory) is tried again so often. */
#define DAEMON_FOLLOW_AGAIN_MS 60000u

struct daemon_follow;

/* What `o` says of it, as struct job_spec has it: {"every_s": N, "replace": bool}. NULL without
 * memory. Owns: the caller's (free). */
char *daemon_follow_text(const struct opts *o);

/* All jobs that follow, from now on. `say`: what is in the way, once. Returns 0 or ERR_NOMEM. */
int daemon_follow_new(struct loop *loop, struct jobs *js, void (*say)(void *user, const char *line),
		      void *user, struct daemon_follow **out);
/* Before the jobs. NULL is fine. */
void daemon_follow_free(struct daemon_follow *d);

#endif
