/* daemon/hooks.h - what to run, and whom to tell, when something is complete or has failed.
 *
 * A command is a line of words (base/words.h) that is run as it is, never by a shell: {title},
 * {name}, {path}, {bytes}, {event} and {error} in a word stand for what happened, as does its
 * environment: SHOAL_EVENT, SHOAL_TITLE, SHOAL_NAME, SHOAL_PATH, SHOAL_BYTES, SHOAL_ERROR. Its
 * input is empty, and what it prints goes to standard error. It is run by a process of its own
 * (daemon/hook_runner.h), outside the sandbox.
 *
 * A webhook is a URL that gets the same as JSON by POST: {"event", "title", "name", "path",
 * "bytes", "error"}. What is not answered with 2xx is sent again, WEBHOOK_TRIES times in all, after
 * 2 s and then after twice as long each time. */
#ifndef SHOAL_DAEMON_HOOKS_H
#define SHOAL_DAEMON_HOOKS_H

#include "base/err.h"
#include "net/loop.h"

/* Commands at a time; further ones are not run, which is said (attack: none, they are the user's; a
 * thousand small files that complete at once). */
#define HOOKS_RUNNING_MAX 16u
/* One that runs for longer is killed. */
#define HOOK_SECONDS_MAX 600u
#define WEBHOOK_TRIES 4u
#define WEBHOOK_FIRST_MS 2000u
/* Calls under way and waiting; the same for those. */
#define WEBHOOK_CALLS_MAX 256u
#define WEBHOOK_REPLY_MAX 65536u
/* What one is told: names of files, mostly. */
#define WEBHOOK_BODY_MAX (256u << 10)

struct hooks;
struct hook_runner;

struct hooks_params {
	struct loop *loop;
	struct hook_runner *runner; /* of the command; borrowed; NULL: none */
	const char *const *urls;    /* NULL-ended; NULL: none */
	/* What a person should know: a command that failed, a URL that nobody answers at. Escaped.
	 */
	void (*say)(void *user, const char *line);
	void *user;
};

/* Returns 0; ERR_INVALID for what is no http or https URL; ERR_NOMEM. *out is NULL when there is
 * neither command nor URL. */
int hooks_new(const struct hooks_params *p, struct hooks **out, struct err_info *info);
/* Commands that run go on by themselves; nobody else is told. NULL is fine. */
void hooks_free(struct hooks *h);

struct hook_facts {
	const char *event; /* "complete", "failed" */
	const char *title, *name, *path;
	uint64_t bytes;
	const char *error; /* "" when there is none */
};
/* NULL: nothing happens. */
void hooks_fire(struct hooks *h, const struct hook_facts *f);
/* Nothing runs, and nobody is yet to be told. */
bool hooks_are_idle(const struct hooks *h);

#endif
