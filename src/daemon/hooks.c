#include "daemon/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "daemon/job_record.h"
#include "net/http_client.h"
#include "node/json_put.h"
#include "node/torrent_file.h"

#define LOOK_MS 100u
#define WORD_MAX (64u * 1024u)

extern char **environ;

struct child {
	pid_t pid; /* 0: none */
	uint64_t until_ms;
};

/* One URL that is to hear of one thing. */
struct call {
	struct call *next;
	struct hooks *h;
	const char *url;
	char *body;
	struct http_call *http; /* NULL: waits for its next try */
	struct loop_timer *timer;
	unsigned tries;
};

struct hooks {
	struct hooks_params p; /* without command and urls, which are the caller's: */
	char **urls;
	struct words words;
	struct http_client *http;
	struct loop_timer *look;
	struct child children[HOOKS_RUNNING_MAX];
	unsigned n_children;
	struct call *calls;
	unsigned n_calls;
};

static void __attribute__((format(printf, 2, 3))) say(struct hooks *h, const char *fmt, ...)
{
	char line[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	h->p.say(h->p.user, line);
}

/* ---- commands -------------------------------------------------------------------- */

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

static char **make_words(const struct hooks *h, const struct hook_facts *f, const char *bytes)
{
	char **list = calloc(h->words.n + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < h->words.n; i++) {
		list[i] = fill_in(h->words.list[i], f, bytes);
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
	sigaddset(&ignored_by_us, SIGPIPE);
	sigaddset(&ignored_by_us, SIGXFSZ);
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

static void run_command(struct hooks *h, const struct hook_facts *f, const char *bytes)
{
	char **words, **environment, safe[256];
	pid_t pid = 0;
	int rc = ENOMEM;

	if (h->n_children == HOOKS_RUNNING_MAX) {
		say(h, "%s: %u commands run already, so none is run for this",
		    text_escape(safe, sizeof(safe), bytes_str(f->title)), h->n_children);
		return;
	}
	words = make_words(h, f, bytes);
	environment = make_environment(f, bytes);
	if (words != NULL && environment != NULL)
		rc = spawn(words, environment, &pid);
	free_list(words);
	free_list(environment);
	if (rc != 0) {
		say(h, "%s: cannot be run: %s",
		    text_escape(safe, sizeof(safe), bytes_str(h->words.list[0])), strerror(rc));
		return;
	}
	for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
		if (h->children[i].pid != 0)
			continue;
		h->children[i].pid = pid;
		h->children[i].until_ms = loop_now_ms(h->p.loop) + HOOK_SECONDS_MAX * 1000ull;
		h->n_children++;
		break;
	}
	loop_timer_set(h->look, LOOK_MS);
}

static void say_end(struct hooks *h, int status)
{
	char safe[256];

	text_escape(safe, sizeof(safe), bytes_str(h->words.list[0]));
	if (WIFSIGNALED(status))
		say(h, "%s: killed by signal %d", safe, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		say(h, "%s: ended with status %d", safe, WEXITSTATUS(status));
}

static void on_look(void *arg)
{
	struct hooks *h = arg;
	uint64_t now = loop_now_ms(h->p.loop);

	for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
		struct child *c = &h->children[i];
		int status;

		if (c->pid == 0)
			continue;
		if (now > c->until_ms)
			(void)kill(c->pid, SIGKILL);
		if (waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		c->pid = 0;
		h->n_children--;
		say_end(h, status);
	}
	if (h->n_children > 0)
		loop_timer_set(h->look, LOOK_MS);
}

/* ---- webhooks --------------------------------------------------------------------- */

static void call_free(struct call *c)
{
	struct call **at = &c->h->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->h->n_calls--;
	if (c->http != NULL)
		http_call_cancel(c->http);
	loop_timer_free(c->timer);
	free(c->body);
	free(c);
}

static void on_answer(void *user, const struct http_answer *a)
{
	struct call *c = user;
	char safe[300], reason[64];

	c->http = NULL;
	if (a->err.code == OK && a->status >= 200 && a->status < 300) {
		call_free(c);
		return;
	}
	if (c->tries < WEBHOOK_TRIES) {
		loop_timer_set(c->timer, (uint64_t)WEBHOOK_FIRST_MS << (c->tries - 1));
		return;
	}
	snprintf(reason, sizeof(reason), "status %d", a->status);
	say(c->h, "%s: not told: %.200s", text_escape(safe, sizeof(safe), bytes_str(c->url)),
	    a->err.code == OK ? reason : a->err.text);
	call_free(c);
}

static void on_try(void *arg)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct call *c = arg;
	struct http_ask ask = {.method = "POST",
			       .url = c->url,
			       .headers = headers,
			       .body = bytes_str(c->body),
			       .max_bytes = WEBHOOK_REPLY_MAX,
			       .done = on_answer,
			       .user = c};

	c->tries++;
	c->http = http_client_send(c->h->http, &ask);
	if (c->http != NULL)
		return;
	say(c->h, "a webhook is not told: out of memory");
	call_free(c);
}

static void tell(struct hooks *h, const char *url, const struct hook_facts *f)
{
	json_t *j = json_pack("{s:i, s:s, s:o, s:o, s:o, s:I, s:o}", "schema", 1, "event", f->event,
			      "title", torrent_text(f->title), "name", torrent_text(f->name),
			      "path", torrent_text(f->path), "bytes", (json_int_t)f->bytes, "error",
			      f->error[0] == '\0' ? json_null() : torrent_text(f->error));
	struct call *c = h->n_calls < WEBHOOK_CALLS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c != NULL) {
		*c = (struct call){.h = h, .url = url, .next = h->calls};
		c->body = json_put_string(j, WEBHOOK_BODY_MAX);
		c->timer = loop_timer_new(h->p.loop, on_try, c);
		h->calls = c;
		h->n_calls++;
	}
	json_decref(j);
	if (c != NULL && c->body != NULL && c->timer != NULL) {
		loop_timer_set(c->timer, 0);
		return;
	}
	say(h, "a webhook is not told: too many wait, or memory has run out");
	if (c != NULL)
		call_free(c);
}

/* ---- both -------------------------------------------------------------------------- */

void hooks_fire(struct hooks *h, const struct hook_facts *f)
{
	char bytes[24];

	if (h == NULL)
		return;
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)f->bytes);
	if (h->words.n > 0)
		run_command(h, f, bytes);
	for (char *const *u = h->urls; u != NULL && *u != NULL; u++)
		tell(h, *u, f);
}

bool hooks_are_idle(const struct hooks *h)
{
	return h == NULL || (h->n_children == 0 && h->n_calls == 0);
}

static int take(struct hooks *h, const struct hooks_params *p, struct err_info *info)
{
	int err = p->command == NULL ? OK : words_split(&h->words, p->command, info);

	h->p = *p;
	h->p.command = NULL;
	h->p.urls = NULL;
	if (err == OK && p->command != NULL && (h->words.open || h->words.n == 0))
		err = err_set(info, ERR_INVALID,
			      h->words.open ? "--on-complete: ends within quotes"
					    : "--on-complete: no command");
	for (const char *const *u = p->urls; err == OK && u != NULL && *u != NULL; u++)
		if (strncmp(*u, "http://", 7) != 0 && strncmp(*u, "https://", 8) != 0)
			err = err_set(info, ERR_INVALID, "--webhook: not an http or https URL");
	if (err == OK && job_list_copy(p->urls, SIZE_MAX, &h->urls) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

int hooks_new(const struct hooks_params *p, struct hooks **out, struct err_info *info)
{
	struct hooks *h;
	int err;

	*out = NULL;
	if (p->command == NULL && p->urls == NULL)
		return OK;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = take(h, p, info);
	if (err == OK) {
		h->look = loop_timer_new(p->loop, on_look, h);
		if (h->look == NULL ||
		    (p->urls != NULL && http_client_new(p->loop, &h->http) != OK))
			err = err_set(info, ERR_NOMEM, "out of memory");
	}
	if (err != OK) {
		hooks_free(h);
		return err;
	}
	*out = h;
	return OK;
}

void hooks_free(struct hooks *h)
{
	if (h == NULL)
		return;
	while (h->calls != NULL)
		call_free(h->calls);
	if (h->http != NULL)
		http_client_free(h->http);
	loop_timer_free(h->look);
	words_fini(&h->words);
	job_list_free(h->urls);
	free(h);
}
