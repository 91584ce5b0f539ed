#include "daemon/gateway.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "daemon/gateway_impl.h"
#include "node/json_put.h"

/* Requests that wait are looked at this often. */
#define LOOK_MS 50u

/* ---- the end of a request ------------------------------------------------------------ */

void ask_free(struct ask *a)
{
	TAILQ_REMOVE(&a->g->asks, a, link);
	a->g->n_asks--;
	reader_free(a->reader);
	free(a);
}

void ask_refuse(struct ask *a, int status, const char *code, const char *fmt, ...)
{
	struct http_reply reply = {.status = status, .type = "application/json"};
	char message[ERR_TEXT_MAX];
	json_t *j;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	buf_init(&reply.body, 4 * ERR_TEXT_MAX);
	j = json_pack("{s:{s:s, s:s%}}", "error", "code", code, "message", message,
		      text_is_utf8(bytes_str(message)) ? strlen(message) : (size_t)0);
	if (j != NULL)
		(void)json_put(&reply.body, j, JSON_COMPACT);
	(void)buf_put_u8(&reply.body, '\n');
	json_decref(j);
	if (status == 503) {
		reply.headers[0] = "Retry-After";
		reply.headers[1] = "5";
	}
	if (a->later != NULL)
		http_later_answer(a->later, &reply);
	buf_fini(&reply.body);
	ask_free(a);
}

void ask_fail(struct ask *a, const struct err_info *why)
{
	static const struct {
		enum err err;
		int status;
		const char *code;
	} table[] = {
	    {ERR_NOENT, 404, "not_found"},
	    {ERR_DENIED, 403, "denied"},
	    {ERR_NOMEM, 503, "busy"},
	    {ERR_AGAIN, 503, "busy"},
	    {ERR_UNREACHABLE, 502, "unreachable"},
	    {ERR_TIMEOUT, 504, "timeout"},
	    {ERR_NOSPACE, 507, "no_space"},
	    {ERR_PROTO, 502, "malformed"},
	    {ERR_MISMATCH, 502, "mismatch"},
	    {ERR_TOO_BIG, 503, "busy"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err == why->code) {
			ask_refuse(a, table[i].status, table[i].code, "%s", why->text);
			return;
		}
	}
	ask_refuse(a, 500, "io", "%s", why->text);
}

/* ---- which job ------------------------------------------------------------------------- */

/* Which version of `name`, "OWNER/NAME@"? 0: none. */
static uint64_t version_of(const char *title, const char *name)
{
	size_t n = strlen(name);
	uint64_t version = 0;

	return strncmp(title, name, n) == 0 &&
		       text_parse_u64(bytes_str(title + n), UINT32_MAX, &version) == OK
		   ? version
		   : 0;
}

/* "OWNER/NAME@VERSION" is what `share` and `get` call what they hand over, one content perhaps in
 * several ways. Of several versions the newest. */
static struct job *find_job(struct gateway *g, const struct entry_ref *ref)
{
	char name[ENTRY_REF_MAX];
	size_t at = 0;
	struct job *j, *best = NULL;
	uint64_t best_version = 0;

	snprintf(name, sizeof(name), "%s/%s@", ref->owner, ref->name);
	while ((j = jobs_next(g->p.jobs, &at)) != NULL) {
		struct job_view v;
		const char *title;

		job_view(j, &v);
		title = v.title;
		for (char *const *also = v.also; title != NULL;
		     title = also == NULL ? NULL : *also++) {
			uint64_t version = version_of(title, name);

			if (ref->version != 0 ? version != ref->version : version <= best_version)
				continue;
			best = j;
			best_version = version;
		}
	}
	return best;
}

static void wait_for_job(struct ask *a, const struct job_view *v)
{
	if (v->state == JOB_PAUSED || v->state == JOB_DONE)
		ask_refuse(a, 503, "busy", "it is %s; 'shoal resume %u' goes on with it",
			   job_state_word(v->state), v->id);
	else if (v->state == JOB_FAILED)
		ask_refuse(a, 503, "busy", "it has failed: %s", v->why.text);
	else if (loop_now_ms(a->g->p.loop) >= a->until_ms)
		ask_refuse(a, 503, "busy", "it is %s", job_state_word(v->state));
	else
		loop_timer_set(a->g->timer, LOOK_MS);
}

/* Of a job with some of a folder's files: one more, for as long as the job is there. */
static int want_file(struct ask *a, struct job *j, struct transfer *t, struct err_info *info)
{
	const struct metainfo *m = transfer_meta(t);
	const uint8_t *wanted = transfer_wanted(t);
	char glob[GATEWAY_GLOB_MAX];
	const char *const globs[] = {glob, NULL};
	uint32_t file;

	if (!gateway_needs_bytes(a, m, &file) || wanted == NULL || wanted[file] != WANT_NOT)
		return OK;
	gateway_glob(glob, m, file);
	return jobs_set_files(a->g->p.jobs, j, globs, WANT_NORMAL, info);
}

/* Its job is known: answer as soon as that has a transfer. */
static void step(struct ask *a)
{
	struct job *j = jobs_by_id(a->g->p.jobs, a->job);
	struct transfer *t = j == NULL ? NULL : job_transfer(j);
	struct err_info why;
	struct job_view v;

	if (j == NULL) {
		ask_refuse(a, 404, "not_found", "it was removed");
	} else if (t != NULL && want_file(a, j, t, &why) != OK) {
		ask_fail(a, &why);
	} else if (t != NULL) {
		gateway_answer(a, transfer_meta(t), t);
	} else {
		job_view(j, &v);
		wait_for_job(a, &v);
	}
}

static void on_timer(void *arg)
{
	struct gateway *g = arg;
	struct ask *a, *next;

	for (a = TAILQ_FIRST(&g->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->later == NULL)
			ask_free(a);
		else if (a->reader == NULL && a->fetch == NULL && a->job != 0)
			step(a);
	}
}

void gateway_poke(struct gateway *g)
{
	loop_timer_set(g->timer, 0);
}

/* ---- a request ------------------------------------------------------------------------------ */

static void on_more(void *user)
{
	struct ask *a = user;

	reader_next(a->reader);
}

static void on_closed(void *user)
{
	struct ask *a = user;

	a->later = NULL;
	/* While its name is being looked for the fetch still knows it. */
	if (a->fetch == NULL)
		ask_free(a);
}

static void keep(char *out, size_t cap, const struct http_request *r, const char *header)
{
	const char *value = http_request_header(r, header);

	/* What is longer than any honest one is no header. */
	if (value != NULL && strlen(value) < cap)
		memcpy(out, value, strlen(value) + 1);
}

static bool wants_json(const struct http_request *r)
{
	const char *accept = http_request_header(r, "Accept");

	return accept != NULL && strstr(accept, "application/json") != NULL &&
	       strstr(accept, "text/html") == NULL;
}

static bool has_param(const struct http_request *r, const char *name)
{
	struct buf value;
	bool there;

	buf_init(&value, HTTP_HEADERS_MAX);
	there = http_request_param(r, name, &value);
	buf_fini(&value);
	return there || bytes_eq(r->query, bytes_str(name));
}

/* See the header: was it the user who asked? */
static bool may_fetch(const struct daemon_call *c)
{
	const char *site = http_request_header(c->request, "Sec-Fetch-Site");
	const char *agent = http_request_header(c->request, "User-Agent");

	if (c->has_token)
		return true;
	if (site != NULL)
		return strcmp(site, "none") == 0 || strcmp(site, "same-origin") == 0;
	return agent == NULL || strncmp(agent, "Mozilla/", 8) != 0;
}

static struct ask *ask_new(struct gateway *g, const struct http_request *r,
			   const struct gateway_path *path)
{
	static const struct http_later_events events = {on_more, on_closed};
	struct ask *a = g->n_asks >= GATEWAY_ASKS_MAX ? NULL : calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->g = g;
	a->path = *path;
	a->head = strcmp(r->method, "HEAD") == 0;
	a->json = wants_json(r);
	a->download = has_param(r, "download");
	a->until_ms = loop_now_ms(g->p.loop) + GATEWAY_WAIT_MS;
	keep(a->range, sizeof(a->range), r, "Range");
	keep(a->if_none_match, sizeof(a->if_none_match), r, "If-None-Match");
	keep(a->if_range, sizeof(a->if_range), r, "If-Range");
	if (a->if_range[0] == '\0' && http_request_header(r, "If-Range") != NULL)
		a->range[0] = '\0';
	a->later = http_later_take(r, &events, a);
	if (a->later == NULL) {
		free(a);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&g->asks, a, link);
	g->n_asks++;
	return a;
}

static void handle(void *user, const struct daemon_call *c)
{
	struct gateway *g = user;
	struct gateway_path path;
	struct job_view v;
	struct job *j;
	struct ask *a;

	if (gateway_path_parse(c->rest, &path) != OK) {
		daemon_reply_error(c, 404, "not_found", "not an address: /n/OWNER/NAME");
		return;
	}
	j = find_job(g, &path.ref);
	if (j == NULL && !may_fetch(c)) {
		daemon_reply_error(c, 403, "denied",
				   "this name is not here yet, and a page elsewhere may not have "
				   "it fetched: open the address itself, or show the token");
		return;
	}
	a = ask_new(g, c->request, &path);
	if (a == NULL) {
		daemon_reply_error(c, 503, "busy", "too many requests are under way");
		return;
	}
	if (j == NULL) {
		gateway_fetch(a);
		return;
	}
	job_view(j, &v);
	a->job = v.id;
	gateway_poke(g);
}

/* ---- life ----------------------------------------------------------------------------------- */

int gateway_new(const struct gateway_params *p, struct gateway **out)
{
	static const struct daemon_route routes[] = {{"GET, HEAD", "/n/", ROUTE_OPEN, handle},
						     {.path = NULL}};
	struct gateway *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return ERR_NOMEM;
	g->p = *p;
	TAILQ_INIT(&g->asks);
	LIST_INIT(&g->fetches);
	g->timer = loop_timer_new(p->loop, on_timer, g);
	if (g->timer == NULL || daemon_http_add(p->http, routes, g) != OK) {
		gateway_free(g);
		return ERR_NOMEM;
	}
	*out = g;
	return OK;
}

void gateway_free(struct gateway *g)
{
	struct fetch *f;
	struct ask *a;

	if (g == NULL)
		return;
	while ((f = LIST_FIRST(&g->fetches)) != NULL)
		gateway_fetch_free(f);
	while ((a = TAILQ_FIRST(&g->asks)) != NULL)
		ask_free(a);
	index_client_free(g->index.client);
	loop_timer_free(g->timer);
	free(g);
}
