/* daemon/hook_runner.h - a process of its own that runs the user's command (daemon/hooks.h).
 *
 * Who is in a sandbox (sys/sandbox.h) can start nothing. So this process is made before, stays
 * outside, and has the command's words from then on: it can be told that something happened, never
 * what to run. It ends when its maker does; commands that run then go on.
 *
 *     maker --- what happened ---> runner --- starts ---> command
 *           <-- how each ended ---                          | */
#ifndef SHOAL_DAEMON_HOOK_RUNNER_H
#define SHOAL_DAEMON_HOOK_RUNNER_H

#include "daemon/hooks.h"

/* One thing that happened, as text (attack: whoever has taken the maker over fills memory). */
#define HOOK_FACTS_MAX 32768u

struct hook_runner;

/* Splits `command` into words and starts. To be called while there is one thread. What commands
 * print goes to the descriptor `log`.
 * Returns 0, and *out NULL when `command` is; ERR_INVALID for a line that ends within quotes or has
 * no word; ERR_NOMEM; ERR_IO: no process to be had. */
int hook_runner_start(const char *command, int log, struct hook_runner **out,
		      struct err_info *info);
/* NULL is fine. */
void hook_runner_free(struct hook_runner *r);

/* Returns 0, ERR_NOMEM, ERR_TOO_BIG, or ERR_IO when it does not listen. */
int hook_runner_run(struct hook_runner *r, const struct hook_facts *f);
/* Commands that hook_runner_run() took and hook_runner_ended() has not told of. */
unsigned hook_runner_count(const struct hook_runner *r);
/* True: one has ended, or could not be run; `text` is what a person should know of it, or "". */
bool hook_runner_ended(struct hook_runner *r, char text[ERR_TEXT_MAX]);

#endif
