/* cli/daemon_watch.h - `share --watch` by the daemon: what a watched job shares is published as a
 * new version once it has changed and come to rest (cli/renewer.h), and served in the older one's
 * place.
 *
 * How is said by the job's `watch`, an object:
 *
 *   path        absolute: what was given to `share`, a file or folder
 *   path_hex    the same, of one that is no UTF-8: see job_request.h
 *   entry       the version that is served, as the index has entries (node/entry_json.h)
 *   settle_s    0: SHARE_SETTLE_S
 *   v1_only, v2_only, piece_length, private, comment, trackers, webseeds, exclude,
 *   no_dht
 *               as the options of `share`
 *
 * Published is with the key in the daemon's home. What is in the way is the job's `upkeep_why`, and
 * tried again. A job that is paused is left as it is. One that is asked for anew is watched as is
 * said then.
 *
 * What changed while nobody looked is hashed once: the job waits (jobs_hold()) for what comes of
 * it. */
#ifndef SHOAL_CLI_DAEMON_WATCH_H
#define SHOAL_CLI_DAEMON_WATCH_H

#include "cli/opts.h"
#include "daemon/jobs.h"
#include "meta/entry.h"

/* One that cannot be watched (no key, no index, no memory) is tried again so often. */
#define DAEMON_WATCH_AGAIN_MS 60000u

struct daemon_watch;

/* The object as text. NULL without memory. Owns: the caller's (free). */
char *daemon_watch_text(const struct opts *o, const char *path, const struct entry *e);

/* All jobs that are watched, from now on. `say`: what is in the way, once. Returns 0 or ERR_NOMEM.
 */
int daemon_watch_new(struct loop *loop, struct jobs *js, struct node *node,
		     void (*say)(void *user, const char *line), void *user,
		     struct daemon_watch **out);
/* Before the jobs; waits for what is being published to be given up. NULL is fine. */
void daemon_watch_free(struct daemon_watch *d);

#endif
