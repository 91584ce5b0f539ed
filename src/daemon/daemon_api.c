#include "daemon/daemon_api.h"

#include <stdlib.h>

#include "base/text.h"
#include "daemon/job_request.h"
#include "daemon/jobs_json.h"
#include "net/http_stream.h"
#include "node/json_put.h"
#include "node/json_read.h"
#include "node/metrics.h"
#include "node/node_dht.h"

/* A parameter of a list: names of all states, and more. */
#define PARAM_BYTES_MAX 256u
/* Text of one event. */
#define EVENT_BYTES_MAX (1u << 20)
/* A comment now and then finds out who has gone. */
#define BEAT_MS 15000u

struct stream {
	struct stream *next;
	struct daemon_api *api;
	struct http_stream *out;
};

struct daemon_api {
	struct jobs *js;
	struct node *node;
	struct jobs_watcher watcher;
	struct stream *streams;
	unsigned n_streams;
	struct loop_timer *beat;
};

/* ---- events ------------------------------------------------------------------- */

/* Takes `data`. For want of memory the event is left out. */
static void tell_all(struct daemon_api *a, const char *name, json_t *data)
{
	struct buf text;

	buf_init(&text, EVENT_BYTES_MAX);
	buf_printf(&text, "event: %s\ndata: ", name);
	if (data != NULL && json_put(&text, data, JSON_COMPACT) == 0 &&
	    buf_put_str(&text, "\n\n") == OK)
		for (struct stream *s = a->streams; s != NULL; s = s->next)
			http_stream_write(s->out, buf_bytes(&text));
	json_decref(data);
	buf_fini(&text);
}

static void on_event(void *user, struct job *j, enum job_event e)
{
	struct daemon_api *a = user;

	if (a->streams != NULL)
		tell_all(a, job_event_word(e), job_json(j));
}

static void on_beat(void *arg)
{
	struct daemon_api *a = arg;

	for (struct stream *s = a->streams; s != NULL; s = s->next)
		http_stream_write(s->out, bytes_str(":\n\n"));
	loop_timer_set(a->beat, BEAT_MS);
}

static void on_closed(void *user)
{
	struct stream *s = user;
	struct stream **at = &s->api->streams;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->api->n_streams--;
	free(s);
}

static void get_events(void *user, const struct daemon_call *c)
{
	struct daemon_api *a = user;
	struct stream *s;
	struct http_stream_params p = {
	    .head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		    "Cross-Origin-Resource-Policy: same-origin\r\n",
	    .closed = on_closed,
	};

	if (a->n_streams >= DAEMON_EVENT_STREAMS_MAX) {
		daemon_reply_error(c, 503, "busy", "too many listen already");
		return;
	}
	s = calloc(1, sizeof(*s));
	p.user = s;
	if (s != NULL) {
		s->api = a;
		s->out = http_stream_take(c->request, &p);
	}
	if (s == NULL || s->out == NULL) {
		free(s);
		daemon_reply_error(c, 503, "busy", "out of memory");
		return;
	}
	s->next = a->streams;
	a->streams = s;
	a->n_streams++;
	http_stream_write(s->out, bytes_str(":\n\n"));
}

/* ---- transfers ------------------------------------------------------------------ */

/* Of `takes`, which knows its members. NULL: it was answered. */
static json_t *body_of(const struct daemon_call *c, enum job_body takes)
{
	struct err_info why = {.code = OK};
	json_t *j = NULL;

	if (json_read_object(c->request->body, &j, &why) == OK &&
	    job_request_knows(takes, j, &why) == OK)
		return j;
	json_decref(j);
	if (why.code == ERR_INVALID)
		daemon_reply_fault(c, &why);
	else if (why.code == ERR_NOMEM)
		daemon_reply_error(c, 503, "busy", "%s", why.text);
	else
		daemon_reply_error(c, 400, "bad_json", "%s", why.text);
	return NULL;
}

static void post_transfers(struct daemon_api *a, const struct daemon_call *c)
{
	json_t *body = body_of(c, JOB_BODY_ADD);
	struct job_request r;
	struct err_info why;
	struct job *j = NULL;
	int err;

	if (body == NULL)
		return;
	err = job_request_from_json(&r, body, &why);
	if (err == OK)
		err = jobs_add(a->js, &r.spec, &j, &why);
	job_request_fini(&r);
	json_decref(body);
	if (err == OK)
		daemon_reply_json(c, 201, job_json(j));
	else
		daemon_reply_fault(c, &why);
}

/* HEAD is GET without its body. */
static bool is(const struct daemon_call *c, const char *method)
{
	const char *given = c->request->method;

	return strcmp(strcmp(given, "HEAD") == 0 ? "GET" : given, method) == 0;
}

/* What is no number, or no text, is NULL. */
static json_t *param_json(struct bytes text, bool number)
{
	uint64_t n;

	if (!number)
		return text.len == 0 ? NULL : json_stringn((const char *)text.ptr, text.len);
	return text_parse_u64(text, UINT32_MAX, &n) == OK ? json_integer((json_int_t)n) : NULL;
}

/* A parameter as a member of `args`, if it is there. */
static int take_param(const struct daemon_call *c, const char *name, bool number, json_t *args,
		      struct err_info *info)
{
	struct buf text;
	bool ok;

	buf_init(&text, PARAM_BYTES_MAX);
	if (http_request_param(c->request, name, &text))
		ok = json_object_set_new(args, name, param_json(buf_bytes(&text), number)) == 0;
	else
		ok = text.err == OK; /* else it is too long */
	buf_fini(&text);
	return ok ? OK : job_args_refuse(name, info);
}

static void get_transfers(struct daemon_api *a, const struct daemon_call *c)
{
	json_t *args = json_object();
	struct jobs_ask ask;
	struct err_info why;
	int err = take_param(c, "limit", true, args, &why);

	if (err == OK)
		err = take_param(c, "offset", true, args, &why);
	if (err == OK)
		err = take_param(c, "sort", false, args, &why);
	if (err == OK)
		err = take_param(c, "state", false, args, &why);
	if (err == OK)
		err = jobs_ask_from_json(&ask, args, &why);
	json_decref(args);
	if (err == OK)
		daemon_reply_json(c, 200, jobs_list_json(a->js, &ask));
	else
		daemon_reply_fault(c, &why);
}

static void on_transfers(void *user, const struct daemon_call *c)
{
	struct daemon_api *a = user;

	if (is(c, "POST"))
		post_transfers(a, c);
	else
		get_transfers(a, c);
}

/* "REF/word": the job, and the word in *word, which may be empty. NULL: it was answered. */
static struct job *find(struct daemon_api *a, const struct daemon_call *c, char word[16])
{
	struct bytes ref = c->rest, rest = {NULL, 0};
	const uint8_t *slash = ref.len == 0 ? NULL : memchr(ref.ptr, '/', ref.len);
	struct err_info why = {.code = ERR_NOENT, .text = "no such path"};
	struct job *j = NULL;
	struct buf text;

	if (slash != NULL) {
		ref.len = (size_t)(slash - ref.ptr);
		rest = bytes_sub(c->rest, ref.len + 1, c->rest.len - ref.len - 1);
	}
	buf_init(&text, JOBS_TITLE_MAX * 3);
	if (rest.len >= 16 || text_unpercent(ref, &text) != OK || buf_cstr(&text) == NULL)
		; /* no such path */
	else if (is(c, "DELETE"))
		(void)jobs_find_to_remove(a->js, buf_cstr(&text), &j, &why);
	else
		(void)jobs_find(a->js, buf_cstr(&text), &j, &why);
	buf_fini(&text);
	if (j == NULL) {
		daemon_reply_fault(c, &why);
		return NULL;
	}
	if (rest.len > 0)
		memcpy(word, rest.ptr, rest.len);
	word[rest.len] = '\0';
	return j;
}

/* Needs nothing beside the word; what is sent along all the same must not mean anything. */
static void do_word(struct daemon_api *a, const struct daemon_call *c, struct job *j,
		    const char *word)
{
	struct err_info why;

	if (c->request->body.len > 0) {
		json_t *body = body_of(c, JOB_BODY_WORD);

		json_decref(body);
		if (body == NULL)
			return;
	}
	if (jobs_do(a->js, j, word, NULL, &why) == OK)
		daemon_reply_json(c, 200, json_pack("{s:o}", "transfer", job_json(j)));
	else
		daemon_reply_fault(c, &why);
}

/* "data=1". Who says it in another way must not believe that its files go. */
static int take_data(const struct daemon_call *c, bool *with_data, struct err_info *info)
{
	json_t *args = json_object();
	json_int_t data = 0;
	int err = take_param(c, "data", true, args, info);

	if (err == OK)
		err = job_args_number(args, "data", 0, 1, &data, info);
	json_decref(args);
	*with_data = data == 1;
	return err;
}

static void delete_one(struct daemon_api *a, const struct daemon_call *c, struct job *j)
{
	json_t *shown, *args;
	struct err_info why;
	bool with_data;

	if (take_data(c, &with_data, &why) != OK) {
		daemon_reply_fault(c, &why);
		return;
	}
	shown = job_removed_json(j, with_data);
	args = json_pack("{s:b}", "data", (int)with_data);
	if (jobs_do(a->js, j, "remove", args, &why) == OK) {
		daemon_reply_json(c, 200, json_pack("{s:o}", "removed", shown));
	} else {
		json_decref(shown);
		daemon_reply_fault(c, &why);
	}
	json_decref(args);
}

/* Limits, priority and state in one: what is absent stays. */
static void patch_one(struct daemon_api *a, const struct daemon_call *c, struct job *j)
{
	json_t *body = body_of(c, JOB_BODY_CHANGE);
	struct err_info why;
	int err;

	if (body == NULL)
		return;
	err = jobs_change(a->js, j, body, &why);
	json_decref(body);
	if (err == OK)
		daemon_reply_json(c, 200, json_pack("{s:o}", "transfer", job_json(j)));
	else
		daemon_reply_fault(c, &why);
}

/* Those from `from` on. */
static void get_files(const struct daemon_call *c, const struct job *j)
{
	struct err_info why;
	uint64_t from = 0;
	struct buf text;
	json_t *out;
	bool ok;

	buf_init(&text, 32);
	ok = !http_request_param(c->request, "from", &text) ||
	     text_parse_u64(buf_bytes(&text), UINT32_MAX, &from) == OK;
	buf_fini(&text);
	out = ok ? job_files_json(j, (uint32_t)from, &why) : NULL;
	if (!ok)
		err_set(&why, ERR_INVALID, "from: not a number");
	if (out == NULL)
		daemon_reply_fault(c, &why);
	else
		daemon_reply_json(c, 200, out);
}

/* What can be done with one: NULL when there is no such word. */
static const char *methods_of(const char *word)
{
	static const struct {
		const char *word, *methods;
	} table[] = {{"", "GET, HEAD, PATCH, DELETE"},
		     {"peers", "GET, HEAD"},
		     {"files", "GET, HEAD"},
		     {"pause", "POST"},
		     {"resume", "POST"},
		     {"recheck", "POST"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].word, word) == 0)
			return table[i].methods;
	return NULL;
}

static void on_transfer(void *user, const struct daemon_call *c)
{
	struct daemon_api *a = user;
	char word[16];
	struct job *j = find(a, c, word);
	const char *methods = j == NULL ? NULL : methods_of(word);

	if (j != NULL && methods == NULL)
		daemon_reply_error(c, 404, "not_found", "no such path");
	if (methods == NULL || !daemon_allows(c, methods))
		return;
	if (is(c, "DELETE"))
		delete_one(a, c, j);
	else if (is(c, "PATCH"))
		patch_one(a, c, j);
	else if (is(c, "POST"))
		do_word(a, c, j, word);
	else if (strcmp(word, "peers") == 0)
		daemon_reply_json(c, 200, job_peers_json(j));
	else if (strcmp(word, "files") == 0)
		get_files(c, j);
	else
		daemon_reply_json(c, 200, json_pack("{s:o}", "transfer", job_json(j)));
}

/* ---- the peer as a whole ------------------------------------------------------------ */

static void put_status(struct daemon_api *a, const struct daemon_call *c)
{
	json_t *body = body_of(c, JOB_BODY_SETTINGS);
	struct err_info why;
	int err;

	if (body == NULL)
		return;
	err = jobs_set(a->js, a->node, body, &why);
	json_decref(body);
	if (err == OK)
		daemon_reply_json(c, 200, jobs_status_json(a->js, a->node));
	else
		daemon_reply_fault(c, &why);
}

static void on_status(void *user, const struct daemon_call *c)
{
	struct daemon_api *a = user;

	if (is(c, "PUT"))
		put_status(a, c);
	else
		daemon_reply_json(c, 200, jobs_status_json(a->js, a->node));
}

static void put_states(struct buf *out, struct jobs *js)
{
	size_t n[JOB_DONE + 1];

	jobs_count_states(js, n);
	buf_put_str(out, "# HELP shoal_transfers By what they do.\n# TYPE shoal_transfers gauge\n");
	for (int s = JOB_QUEUED; s <= JOB_DONE; s++)
		buf_printf(out, "shoal_transfers{state=\"%s\"} %zu\n",
			   job_state_word((enum job_state)s), n[s]);
}

static void put_dht(struct buf *out, const struct node *node)
{
	json_t *dht = node_dht_json(node);
	static const struct {
		const char *key, *name, *type, *help;
	} all[] = {
	    {"nodes", "dht_nodes", "gauge", "Nodes of the hash table that are known, IPv4."},
	    {"nodes6", "dht_nodes6", "gauge", "The same, IPv6."},
	    {"torrents", "dht_torrents", "gauge", "Info-hashes whose peers are kept for others."},
	    {"peers", "dht_peers", "gauge", "Those peers."},
	    {"items", "dht_items", "gauge", "Values that are kept for others."},
	    {"queries", "dht_queries_total", "counter", "Queries of others."},
	    {"sent_bytes", "dht_sent_bytes_total", "counter", "Sent in the hash table."},
	    {"received_bytes", "dht_received_bytes_total", "counter", "Received there."},
	};

	for (size_t i = 0; json_is_object(dht) && i < sizeof(all) / sizeof(all[0]); i++)
		metrics_put(out, all[i].name, all[i].type, all[i].help,
			    (uint64_t)json_integer_value(json_object_get(dht, all[i].key)));
	json_decref(dht);
}

static void get_metrics(void *user, const struct daemon_call *c)
{
	struct daemon_api *a = user;
	struct buf *out = &c->reply->body;
	struct node_status st;

	node_status(a->node, &st);
	c->reply->type = METRICS_TYPE;
	metrics_put_version(out);
	put_states(out, a->js);
	metrics_put(out, "peers", "gauge", "Connected peers.", st.peers);
	metrics_put(out, "down_bytes_per_second", "gauge", "Payload.", st.down_bps);
	metrics_put(out, "up_bytes_per_second", "gauge", "Payload.", st.up_bps);
	put_dht(out, a->node);
}

static const struct daemon_route routes[] = {
    {"GET", "/metrics", 0, get_metrics},
    {"GET, HEAD, POST", "/api/v1/transfers", 0, on_transfers},
    {"GET, HEAD, POST, PATCH, DELETE", "/api/v1/transfers/", 0, on_transfer},
    {"GET", "/api/v1/events", 0, get_events},
    {"GET, HEAD, PUT", "/api/v1/status", 0, on_status},
    {NULL, NULL, 0, NULL},
};

/* ---- life ----------------------------------------------------------------------------- */

int daemon_api_new(struct daemon_http *h, struct loop *loop, struct jobs *js, struct node *node,
		   struct daemon_api **out)
{
	struct daemon_api *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	a->js = js;
	a->node = node;
	a->beat = loop_timer_new(loop, on_beat, a);
	if (a->beat == NULL || daemon_http_add(h, routes, a) != OK) {
		daemon_api_free(a);
		return ERR_NOMEM;
	}
	a->watcher = (struct jobs_watcher){.event = on_event, .user = a};
	jobs_watch(js, &a->watcher);
	loop_timer_set(a->beat, BEAT_MS);
	*out = a;
	return OK;
}

void daemon_api_free(struct daemon_api *a)
{
	if (a == NULL)
		return;
	jobs_unwatch(a->js, &a->watcher);
	while (a->streams != NULL) {
		struct stream *s = a->streams;

		a->streams = s->next;
		free(s);
	}
	loop_timer_free(a->beat);
	free(a);
}
