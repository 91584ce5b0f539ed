#include "daemon/hooks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "daemon/hook_runner.h"
#include "daemon/job_record.h"
#include "net/http_client.h"
#include "node/json_put.h"
#include "node/torrent_file.h"

#define LOOK_MS 100u

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
	struct hooks_params p; /* without urls, which are the caller's: */
	char **urls;
	struct http_client *http;
	struct loop_timer *look;
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

static void run_command(struct hooks *h, const struct hook_facts *f)
{
	char safe[256];
	int err = hook_runner_run(h->p.runner, f);

	if (err != OK) {
		say(h, "%s: the command cannot be run: %s",
		    text_escape(safe, sizeof(safe), bytes_str(f->title)), err_text((enum err)err));
		return;
	}
	loop_timer_set(h->look, LOOK_MS);
}

static void on_look(void *arg)
{
	struct hooks *h = arg;
	char text[ERR_TEXT_MAX];

	while (hook_runner_ended(h->p.runner, text))
		if (text[0] != '\0')
			h->p.say(h->p.user, text);
	if (hook_runner_count(h->p.runner) > 0)
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
	if (h == NULL)
		return;
	if (h->p.runner != NULL)
		run_command(h, f);
	for (char *const *u = h->urls; u != NULL && *u != NULL; u++)
		tell(h, *u, f);
}

bool hooks_are_idle(const struct hooks *h)
{
	return h == NULL || (hook_runner_count(h->p.runner) == 0 && h->n_calls == 0);
}

static int take(struct hooks *h, const struct hooks_params *p, struct err_info *info)
{
	int err = OK;

	h->p = *p;
	h->p.urls = NULL;
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
	if (p->runner == NULL && p->urls == NULL)
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
	http_client_free(h->http);
	loop_timer_free(h->look);
	job_list_free(h->urls);
	free(h);
}
