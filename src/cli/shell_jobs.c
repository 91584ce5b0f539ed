#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/entries.h"
#include "meta/entry.h"
#include "net/loop.h"

#define PROGRAM "/proc/self/exe"
/* Who was told to leave says goodbye to the index first. */
#define END_MS 8000

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
	caught = signo;
}

/* ---- processes ----------------------------------------------------------------------------- */

/* In the child: nothing of the shell's ways with signals. */
static void become(char *const *argv, const int fds[3])
{
	sigset_t none;

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			_exit(EXIT_FAILED);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(PROGRAM, argv);
	_exit(EXIT_FAILED);
}

/* Standard input, output and error from `fds`; -1: as ours. `behind`: Ctrl-C is not for it, but it
 * ends when we do. Returns its id, or -1. */
static pid_t start(char *const *argv, const int fds[3], bool behind)
{
	pid_t parent = getpid(), pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	if (behind) {
		setpgid(0, 0);
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
			_exit(EXIT_FAILED);
	}
	become(argv, fds);
	_exit(EXIT_FAILED);
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERRUPTED;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return code_of(status);
}

/* ---- what jobs say --------------------------------------------------------------------------- */

/* What it has published. Without memory it stays listed when the shell ends. */
static void take_ref(struct shell_job *j, const json_t *serving)
{
	char text[ENTRY_REF_MAX], **grown;

	entry_ref_text(text, entries_str(serving, "owner"), entries_str(serving, "name"),
		       (uint32_t)entries_int(serving, "version"));
	for (size_t i = 0; i < j->n_refs; i++)
		if (strcmp(j->refs[i], text) == 0)
			return;
	grown = realloc(j->refs, (j->n_refs + 1) * sizeof(*grown));
	if (grown == NULL)
		return;
	j->refs = grown;
	j->refs[j->n_refs] = strdup(text);
	if (j->refs[j->n_refs] != NULL)
		j->n_refs++;
}

static void take_line(struct shell *sh, struct shell_job *j, int stream, const char *line)
{
	json_t *event = stream == 1 && *line == '{' ? json_loads(line, 0, NULL) : NULL;
	const char *what = entries_str(event, "event");

	if (strcmp(what, "progress") == 0) {
		json_decref(j->progress);
		j->progress = event;
		return;
	}
	if (strcmp(what, "serving") == 0) {
		take_ref(j, event);
		json_decref(event);
		return; /* it says so to a person, too */
	}
	json_decref(event);
	if (stream == 0 && j->is_get)
		j->complete = true;
	/* It escaped what strangers wrote. */
	shell_say(sh, j, "%s", line);
}

static void take_lines(struct shell *sh, struct shell_job *j, int stream)
{
	struct buf *b = &j->lines[stream];
	uint8_t *end;

	while (b->len > 0 && (end = memchr(b->ptr, '\n', b->len)) != NULL) {
		size_t n = (size_t)(end - b->ptr);

		*end = '\0';
		take_line(sh, j, stream, (const char *)b->ptr);
		buf_consume(b, n + 1);
	}
}

static void job_free(struct shell_job *j)
{
	for (int i = 0; i < 2; i++) {
		if (j->fds[i] >= 0)
			close(j->fds[i]);
		buf_fini(&j->lines[i]);
	}
	json_decref(j->progress);
	free(j->what);
	free(j->path);
	for (size_t i = 0; i < j->n_refs; i++)
		free(j->refs[i]);
	free(j->refs);
	free(j);
}

/* Both pipes are closed: it has ended, or is about to. */
static void job_gone(struct shell *sh, struct shell_job *j)
{
	int code = reap(j->pid);
	char safe[256];
	size_t at = 0;

	if (!j->stopped)
		shell_note(sh, code);
	if (code != EXIT_OK && !j->stopped)
		shell_say(sh, j, "%s: ended with exit status %d",
			  text_escape(safe, sizeof(safe), bytes_str(j->what)), code);
	while (sh->jobs[at] != j)
		at++;
	sh->jobs[at] = NULL;
	for (; at + 1 < sh->n_jobs; at++)
		sh->jobs[at] = sh->jobs[at + 1];
	sh->n_jobs--;
	job_free(j);
}

static void hear(struct shell *sh, struct shell_job *j, int stream)
{
	struct span room;
	ssize_t n;

	/* Who says a longer line loses it. */
	if (buf_reserve(&j->lines[stream], 4096, &room) != OK) {
		buf_clear(&j->lines[stream]);
		return;
	}
	n = read(j->fds[stream], room.ptr, room.len);
	if (n > 0) {
		buf_commit(&j->lines[stream], (size_t)n);
		take_lines(sh, j, stream);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(j->fds[stream]);
		j->fds[stream] = -1;
	}
	if (j->fds[0] < 0 && j->fds[1] < 0)
		job_gone(sh, j);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void catch_signals(sigset_t *open)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t held;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	/* They come while we wait, and at no other time. */
	sigprocmask(SIG_BLOCK, &held, NULL);
	sigemptyset(open);
}

int shell_wait(struct shell *sh, int fd, int ms)
{
	struct pollfd fds[1 + 2 * SHELL_JOBS_MAX] = {{.fd = fd, .events = POLLIN}};
	struct shell_job *jobs[SHELL_JOBS_MAX];
	struct timespec limit = {ms / 1000, (long)(ms % 1000) * 1000000};
	size_t n = sh->n_jobs;
	sigset_t open;
	int rc;

	for (size_t i = 0; i < n; i++) {
		jobs[i] = sh->jobs[i];
		for (size_t k = 0; k < 2; k++)
			fds[1 + 2 * i + k] =
			    (struct pollfd){.fd = jobs[i]->fds[k], .events = POLLIN};
	}
	catch_signals(&open);
	rc = ppoll(fds, 1 + 2 * n, ms < 0 ? NULL : &limit, &open);
	if (rc < 0 && errno == EINTR) {
		sh->over = sh->over || caught != SIGINT;
		return -1;
	}
	for (size_t i = 0; rc > 0 && i < n; i++) {
		/* The second only if the first was not its end. */
		bool more = fds[2 + 2 * i].revents != 0 && jobs[i]->fds[1] >= 0;

		if (more)
			hear(sh, jobs[i], 1);
		if (fds[1 + 2 * i].revents != 0 && (!more || sh->n_jobs > 0)) {
			for (size_t k = 0; k < sh->n_jobs; k++)
				if (sh->jobs[k] == jobs[i]) {
					hear(sh, jobs[i], 0);
					break;
				}
		}
	}
	return fds[0].revents != 0;
}

static int wait_for(struct shell *sh, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	/* Ctrl-C is for the command in front; we hear of it, too. */
	while (fd >= 0 && shell_wait(sh, fd, -1) <= 0)
		;
	if (fd >= 0)
		close(fd);
	return reap(pid);
}

/* argv with "shoal" before it and `more` behind it; NULL without memory. */
static char **command_line(int argc, char *const *argv, const char *const *more)
{
	static char program[] = "shoal";
	size_t n = 0, at = 1;
	char **out;

	while (more != NULL && more[n] != NULL)
		n++;
	out = calloc((size_t)argc + n + 2, sizeof(*out));
	if (out == NULL)
		return NULL;
	out[0] = program;
	/* Behind the command, so that no "--" of the user's comes before. */
	out[at++] = argv[0];
	for (size_t i = 0; i < n; i++)
		out[at++] = (char *)more[i];
	for (int i = 1; i < argc; i++)
		out[at++] = argv[i];
	return out;
}

int shell_run(struct shell *sh, int argc, char **argv)
{
	int fds[3] = {-1, -1, -1}, code = EXIT_FAILED;
	char **line = command_line(argc, argv, NULL);
	pid_t pid;

	/* What comes through our own pipe are commands, not its input. */
	if (!prompt_is_terminal(sh->prompt))
		fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid = line == NULL ? -1 : start(line, fds, false);
	if (pid > 0)
		code = wait_for(sh, pid);
	else
		fprintf(stderr, "%s: cannot be begun: %s\n", argv[0], strerror(errno));
	if (fds[0] >= 0)
		close(fds[0]);
	free(line);
	shell_note(sh, code);
	return code;
}

static void gather(struct shell *sh, int fd, uint32_t ms, struct buf *out)
{
	uint64_t end = loop_clock_ms() + ms, now;

	while ((now = loop_clock_ms()) < end) {
		int ready = shell_wait(sh, fd, (int)(end - now));
		struct span room;
		ssize_t n;

		if (ready < 0 || (ready > 0 && buf_reserve(out, 4096, &room) != OK))
			return;
		if (ready == 0)
			continue;
		n = read(fd, room.ptr, room.len);
		if (n <= 0)
			return;
		buf_commit(out, (size_t)n);
	}
}

int shell_ask(struct shell *sh, char *const *argv, uint32_t ms, struct buf *out)
{
	int pipes[2] = {-1, -1}, null = open("/dev/null", O_RDWR | O_CLOEXEC), argc = 0;
	char **line;
	pid_t pid = -1;

	while (argv[argc] != NULL)
		argc++;
	line = command_line(argc, argv, NULL);
	if (line != NULL && null >= 0 && pipe2(pipes, O_CLOEXEC) == 0)
		pid = start(line, (const int[]){null, pipes[1], null}, true);
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (null >= 0)
		close(null);
	free(line);
	if (pid > 0) {
		gather(sh, pipes[0], ms, out);
		kill(pid, SIGKILL); /* it only asks, and has nothing to put in order */
	}
	if (pipes[0] >= 0)
		close(pipes[0]);
	return pid > 0 ? reap(pid) : EXIT_FAILED;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static int job_start(struct shell_job *j, int argc, char **argv, const char *const *more)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char **line = command_line(argc, argv, more);

	j->pid = -1;
	if (line != NULL && null >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
		j->pid = start(line, (const int[]){null, out[1], err[1]}, true);
	if (null >= 0)
		close(null);
	if (out[1] >= 0)
		close(out[1]);
	if (err[1] >= 0)
		close(err[1]);
	free(line);
	j->fds[0] = out[0];
	j->fds[1] = err[0];
	return j->pid > 0 ? OK : ERR_IO;
}

int shell_begin(struct shell *sh, const struct opts *o, int argc, char **argv,
		const char *const *more, struct err_info *info)
{
	struct shell_job *j;

	if (sh->n_jobs == SHELL_JOBS_MAX)
		return err_set(info, ERR_TOO_BIG, "%u run already; stop one", SHELL_JOBS_MAX);
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	j->is_get = strcmp(argv[0], "get") == 0;
	j->what = strdup(o->n_args > 0 ? o->args[0] : argv[0]);
	j->path = j->is_get || o->n_args == 0 ? NULL : realpath(o->args[0], NULL);
	for (int i = 0; i < 2; i++)
		buf_init(&j->lines[i], SHELL_LINE_MAX + 4096);
	if (j->what == NULL || job_start(j, argc, argv, more) != OK) {
		job_free(j);
		return err_set(info, ERR_IO, "cannot be begun: %s", strerror(errno));
	}
	j->id = ++sh->last_id;
	sh->jobs[sh->n_jobs++] = j;
	return OK;
}

struct shell_job *shell_job_find(struct shell *sh, const char *ref)
{
	uint64_t id = 0;

	(void)text_parse_u64(bytes_str(ref), UINT32_MAX, &id);
	for (size_t i = 0; i < sh->n_jobs; i++)
		if (sh->jobs[i]->id == id || strcmp(sh->jobs[i]->what, ref) == 0)
			return sh->jobs[i];
	return NULL;
}

void shell_job_stop(struct shell_job *j)
{
	j->stopped = true;
	kill(j->pid, SIGTERM);
}

void shell_jobs_end(struct shell *sh)
{
	uint64_t end = loop_clock_ms() + END_MS, now;

	for (size_t i = 0; i < sh->n_jobs; i++)
		shell_job_stop(sh->jobs[i]);
	while (sh->n_jobs > 0 && (now = loop_clock_ms()) < end)
		(void)shell_wait(sh, -1, (int)(end - now));
	while (sh->n_jobs > 0) {
		kill(sh->jobs[0]->pid, SIGKILL);
		job_gone(sh, sh->jobs[0]);
	}
}
