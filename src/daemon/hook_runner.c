#include "daemon/hook_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "net/loop.h"

#define LOOK_MS 100
#define WORD_MAX (64u * 1024u)
#define N_FACTS 6u
/* Where the runner has its end, and nothing else is open but the first three. */
#define RUNNER_FD 3

extern char **environ;

/* In the runner: SIGINT and the like are its maker's to hear; with it, it ends. */
static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP};
#define N_IGNORED (sizeof(ignored) / sizeof(ignored[0]))

struct hook_runner {
	int fd;
	pid_t pid;
	unsigned n; /* commands under way */
};

struct child {
	pid_t pid; /* 0: none */
	uint64_t until_ms;
};

/* The runner's own. */
struct runner {
	struct words words;
	struct child children[HOOKS_RUNNING_MAX];
	unsigned n_children;
};

/* ---- the command's words and environment ------------------------------------------- */

/* "{path}" to what it stands for; NULL: it stands for itself. */
static const char *meaning(struct bytes word, const struct hook_facts *f, const char *bytes)
{
	const struct {
		const char *word, *is;
	} table[] = {{"{title}", f->title}, {"{name}", f->name},   {"{path}", f->path},
		     {"{bytes}", bytes},    {"{event}", f->event}, {"{error}", f->error}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (bytes_eq(word, bytes_str(table[i].word)))
			return table[i].is;
	return NULL;
}

/* Owns: the caller's; NULL without memory. */
static char *fill_in(const char *word, const struct hook_facts *f, const char *bytes)
{
	struct buf out;
	char *copy;

	buf_init(&out, WORD_MAX);
	while (*word != '\0') {
		const char *end = *word == '{' ? strchr(word, '}') : NULL;
		size_t len = end == NULL ? 1 : (size_t)(end - word) + 1;
		const char *is = end == NULL ? NULL : meaning(bytes_of(word, len), f, bytes);

		if (is == NULL)
			len = 1;
		(void)buf_put(&out, is == NULL ? bytes_of(word, 1) : bytes_str(is));
		word += len;
	}
	copy = buf_cstr(&out) == NULL ? NULL : strdup(buf_cstr(&out));
	buf_fini(&out);
	return copy;
}

static void free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static char **make_words(const struct words *w, const struct hook_facts *f, const char *bytes)
{
	char **list = calloc(w->n + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < w->n; i++) {
		list[i] = fill_in(w->list[i], f, bytes);
		if (list[i] == NULL) {
			free_list(list);
			return NULL;
		}
	}
	return list;
}

/* Ours, and what happened. */
static char **make_environment(const struct hook_facts *f, const char *bytes)
{
	const char *const facts[][2] = {{"EVENT", f->event}, {"TITLE", f->title},
					{"NAME", f->name},   {"PATH", f->path},
					{"BYTES", bytes},    {"ERROR", f->error}};
	size_t n_facts = sizeof(facts) / sizeof(facts[0]), n = 0, at = 0;
	char **list;

	while (environ[n] != NULL)
		n++;
	list = calloc(n + n_facts + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < n_facts; i++, at++) {
		if (asprintf(&list[at], "SHOAL_%s=%s", facts[i][0], facts[i][1]) < 0) {
			list[at] = NULL;
			free_list(list);
			return NULL;
		}
	}
	for (size_t i = 0; list != NULL && i < n; i++, at++) {
		list[at] = strdup(environ[i]);
		if (list[at] == NULL) {
			free_list(list);
			return NULL;
		}
	}
	return list;
}

/* Returns 0 or an errno. */
static int spawn(char **words, char **environment, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t ignored_by_us;
	int rc;

	if (posix_spawn_file_actions_init(&files) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return ENOMEM;
	}
	sigemptyset(&ignored_by_us);
	for (size_t i = 0; i < N_IGNORED; i++)
		sigaddset(&ignored_by_us, ignored[i]);
	(void)posix_spawnattr_setsigdefault(&attributes, &ignored_by_us);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawnp(pid, words[0], &files, &attributes, words, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* ---- in the runner ------------------------------------------------------------------ */

/* One answer for each command: "" for one that went well. */
static void __attribute__((format(printf, 1, 2))) answer(const char *fmt, ...)
{
	char line[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)send(RUNNER_FD, line, strlen(line) + 1, MSG_NOSIGNAL);
}

static void start_command(struct runner *r, const struct hook_facts *f, const char *bytes)
{
	char **words, **environment, safe[256];
	pid_t pid = 0;
	int rc = ENOMEM;

	if (r->n_children == HOOKS_RUNNING_MAX) {
		answer("%s: %u commands run already, so none is run for this",
		       text_escape(safe, sizeof(safe), bytes_str(f->title)), r->n_children);
		return;
	}
	words = make_words(&r->words, f, bytes);
	environment = make_environment(f, bytes);
	if (words != NULL && environment != NULL)
		rc = spawn(words, environment, &pid);
	free_list(words);
	free_list(environment);
	if (rc != 0) {
		answer("%s: cannot be run: %s",
		       text_escape(safe, sizeof(safe), bytes_str(r->words.list[0])), strerror(rc));
		return;
	}
	for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
		if (r->children[i].pid != 0)
			continue;
		r->children[i] = (struct child){pid, loop_clock_ms() + HOOK_SECONDS_MAX * 1000ull};
		r->n_children++;
		break;
	}
}

static void answer_end(const struct runner *r, int status)
{
	char safe[256];

	text_escape(safe, sizeof(safe), bytes_str(r->words.list[0]));
	if (WIFSIGNALED(status))
		answer("%s: killed by signal %d", safe, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		answer("%s: ended with status %d", safe, WEXITSTATUS(status));
	else
		answer("%s", "");
}

static void look_at_children(struct runner *r)
{
	for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
		struct child *c = &r->children[i];
		int status;

		if (c->pid == 0)
			continue;
		if (loop_clock_ms() > c->until_ms)
			(void)kill(c->pid, SIGKILL);
		if (waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		c->pid = 0;
		r->n_children--;
		answer_end(r, status);
	}
}

/* Texts, each with its end; false: something else. */
static bool parse_facts(const char *text, size_t len, struct hook_facts *f, const char **bytes)
{
	const char *facts[N_FACTS];
	size_t at = 0;

	if (len == 0 || text[len - 1] != '\0')
		return false;
	for (size_t i = 0; i < N_FACTS; i++) {
		if (at >= len)
			return false;
		facts[i] = text + at;
		at += strlen(text + at) + 1;
	}
	*f = (struct hook_facts){.event = facts[0],
				 .title = facts[1],
				 .name = facts[2],
				 .path = facts[3],
				 .error = facts[5]};
	*bytes = facts[4];
	return at == len;
}

static _Noreturn void runner_main(struct runner *r)
{
	static char text[HOOK_FACTS_MAX];
	struct pollfd from = {.fd = RUNNER_FD, .events = POLLIN};
	struct hook_facts f;
	const char *bytes;

	for (;;) {
		int ready = poll(&from, 1, r->n_children > 0 ? LOOK_MS : -1);
		ssize_t n = ready > 0 ? recv(RUNNER_FD, text, sizeof(text), 0) : -1;

		if (n == 0 || (ready > 0 && n < 0 && errno != EINTR))
			_exit(EXIT_SUCCESS);
		if (n > 0 && parse_facts(text, (size_t)n, &f, &bytes))
			start_command(r, &f, bytes);
		look_at_children(r);
	}
}

/* Nothing of its maker's stays open. */
static _Noreturn void become_runner(struct runner *r, int fd, int log)
{
	for (size_t i = 0; i < N_IGNORED; i++)
		signal(ignored[i], SIG_IGN);
	if (dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    (fd != RUNNER_FD && dup3(fd, RUNNER_FD, O_CLOEXEC) < 0))
		_exit(EXIT_FAILURE);
	closefrom(RUNNER_FD + 1);
	runner_main(r);
}

/* ---- in its maker --------------------------------------------------------------------- */

static int split(struct words *w, const char *command, struct err_info *info)
{
	int err = words_split(w, command, info);

	if (err == OK && (w->open || w->n == 0))
		err = err_set(info, ERR_INVALID,
			      w->open ? "--on-complete: ends within quotes"
				      : "--on-complete: no command");
	return err;
}

static int start(struct hook_runner *h, struct runner *r, int log, struct err_info *info)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(info, ERR_IO, "--on-complete: %s", strerror(errno));
	(void)fflush(NULL);
	h->pid = fork();
	if (h->pid == 0)
		become_runner(r, ends[1], log);
	close(ends[1]);
	if (h->pid > 0) {
		h->fd = ends[0];
		return OK;
	}
	close(ends[0]);
	return err_set(info, ERR_IO, "--on-complete: no process to be had");
}

int hook_runner_start(const char *command, int log, struct hook_runner **out, struct err_info *info)
{
	struct runner r = {.n_children = 0};
	struct hook_runner *h;
	int err;

	*out = NULL;
	if (command == NULL)
		return OK;
	h = calloc(1, sizeof(*h));
	err =
	    h == NULL ? err_set(info, ERR_NOMEM, "out of memory") : split(&r.words, command, info);
	if (err == OK)
		err = start(h, &r, log, info);
	words_fini(&r.words);
	if (err == OK)
		*out = h;
	else
		free(h);
	return err;
}

void hook_runner_free(struct hook_runner *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(r);
}

int hook_runner_run(struct hook_runner *r, const struct hook_facts *f)
{
	char bytes[24];
	const char *const facts[N_FACTS] = {f->event, f->title, f->name, f->path, bytes, f->error};
	struct buf text;
	int err;

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)f->bytes);
	buf_init(&text, HOOK_FACTS_MAX);
	for (size_t i = 0; i < N_FACTS; i++)
		(void)buf_put(&text, bytes_of(facts[i], strlen(facts[i]) + 1));
	err = text.err;
	if (err == OK && send(r->fd, text.ptr, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err = ERR_IO;
	buf_fini(&text);
	r->n += err == OK;
	return err;
}

unsigned hook_runner_count(const struct hook_runner *r)
{
	return r == NULL ? 0 : r->n;
}

bool hook_runner_ended(struct hook_runner *r, char text[ERR_TEXT_MAX])
{
	ssize_t n = r->n == 0 ? -1 : recv(r->fd, text, ERR_TEXT_MAX, MSG_DONTWAIT);

	if (n < 0)
		return false;
	if (n == 0) { /* it was killed, and nobody knows how its commands ended */
		r->n = 0;
		n = snprintf(text, ERR_TEXT_MAX, "--on-complete: what runs it is gone") + 1;
	}
	text[n - 1] = '\0';
	r->n -= r->n > 0;
	return true;
}
