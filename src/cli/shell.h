/* cli/shell.h - `shoal shell`: what is typed is done by the commands themselves.
 *
 * Each command runs in a process of its own, this very program: `ls` and the like in front, until
 * they end; `share` and `get` behind the prompt, telling what goes on through pipes, as
 * --progress json does. So nothing that hangs keeps the prompt, and nothing that is typed keeps a
 * transfer. */
#ifndef SHOAL_CLI_SHELL_H
#define SHOAL_CLI_SHELL_H

#include <sys/types.h>

#include "base/words.h"
#include "cli/opts.h"
#include "cli/prompt.h"

/* Shares and downloads of one shell: a process each. */
#define SHELL_JOBS_MAX 256u
/* A line that one of them says (attack: none, it is our own program). */
#define SHELL_LINE_MAX (64u * 1024u)
/* What `set` knows. */
#define SHELL_SETTINGS 3u
/* The token and the pin, which go with one index. */
#define SHELL_OF_INDEX 2u
/* Names of the index are kept for completion for so long, and waited for no longer than this. */
#define SHELL_NAMES_MS 5000u
#define SHELL_NAMES_WAIT_MS 2000u

struct shell_job {
	unsigned id;
	bool is_get;
	pid_t pid;
	char *what;  /* as it was named; not escaped */
	char *path;  /* absolute, of what is shared; NULL */
	char **refs; /* OWNER/NAME@VERSION of all that it has published, the last one last */
	size_t n_refs;
	int fds[2]; /* its standard output and error; -1: at its end */
	struct buf lines[2];
	bool complete;	  /* a download that is there */
	bool stopped;	  /* it was told to end */
	json_t *progress; /* the newest; NULL */
};

struct shell {
	const struct opts *o;
	struct prompt *prompt;
	struct shell_job *jobs[SHELL_JOBS_MAX];
	size_t n_jobs;
	unsigned last_id;
	char *set[SHELL_SETTINGS];	/* options for what is begun; NULL */
	char *of_index[SHELL_OF_INDEX]; /* as the shell was started with them; NULL */
	bool keep;			/* what was shared stays listed */
	bool over;
	int code;      /* see shell_note() */
	json_t *names; /* of the index, for completion */
	uint64_t names_ms;
};

/* A command of the shell's own. What is not among them, `shoal` itself does. */
struct shell_command {
	const char *name, *usage, *summary;
	const char *completes; /* as in struct command; NULL: as that of the same name */
	int min_args, max_args;
	void (*run)(struct shell *sh, int argc, char **argv); /* argv[0] is the command */
};
const struct shell_command *shell_commands(size_t *n);
const struct shell_command *shell_find(const char *name); /* NULL */

/* "[3] text", or without number for job NULL, above what is being typed. Escaped by the caller. */
void shell_say(struct shell *sh, const struct shell_job *j, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A command ended so. The first that did not end well is what became of a script. */
void shell_note(struct shell *sh, int code);

/* ---- shell_jobs.c ---- */

/* Wait for `fd` (-1: for nothing, up to `ms`; -1: for ever), and hear the jobs meanwhile. Returns 1
 * when it can be read, 0 when it took too long or a job said something, -1 after Ctrl-C. */
int shell_wait(struct shell *sh, int fd, int ms);
/* Run `shoal WORDS` in front. Returns its exit code, which is noted. */
int shell_run(struct shell *sh, int argc, char **argv);
/* The same, with what it prints in `out`, within `ms`, and without complaints. */
int shell_ask(struct shell *sh, char *const *argv, uint32_t ms, struct buf *out);
/* Begin a share or get. `more` are words that are added to it; NULL-ended. */
int shell_begin(struct shell *sh, const struct opts *o, int argc, char **argv,
		const char *const *more, struct err_info *info);
/* By number or name; NULL. */
struct shell_job *shell_job_find(struct shell *sh, const char *ref);
void shell_job_stop(struct shell_job *j);
/* End them all, and wait until they are gone. */
void shell_jobs_end(struct shell *sh);

/* ---- shell_set.c ---- */
/* The command `set`: for what runs, and what will be begun. */
void shell_set(struct shell *sh, int argc, char **argv);
void shell_set_fini(struct shell *sh);

/* ---- shell_local.c ---- */
/* The command `local`. */
void shell_local(struct shell *sh, int argc, char **argv);

/* ---- shell_complete.c ---- */
void shell_complete(void *user, const char *line, json_t *out, size_t *at);

#endif
