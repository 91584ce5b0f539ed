#include "node/index_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/text.h"
#include "meta/metainfo.h"
#include "node/base64.h"
#include "node/entry_json.h"
#include "node/index_client_impl.h"
#include "node/index_url.h"
#include "node/json_put.h"
#include "node/json_read.h"
#include "node/node_dht.h"

#define PATH_MAX_BYTES 8192u
#define TURN_MS 1000u
/* Large .torrents over slow lines. */
#define PUBLISH_MS (5u * 60u * 1000u)

/* ---- making one ---- */

static int set_urls(struct index_client *c, const char *url, struct err_info *info)
{
	struct buf b;
	int r;

	buf_init(&b, INDEX_URL_MAX);
	r = index_url_normalise(url, &b, &c->local, info);
	if (r == 0) {
		c->url = strndup((const char *)b.ptr, b.len);
		buf_put_str(&b, "/announce");
		c->tracker_url = strndup((const char *)b.ptr, b.len);
		c->announce_url = strndup((const char *)b.ptr, b.len);
		if (c->url == NULL || c->tracker_url == NULL || c->announce_url == NULL)
			r = err_set(info, ERR_NOMEM, "out of memory");
	}
	buf_fini(&b);
	return r;
}

static int set_token(struct index_client *c, const char *token, struct err_info *info)
{
	char *line = NULL, *url = NULL;

	if (token == NULL || *token == '\0')
		return 0;
	if (!index_token_is_sane(bytes_str(token)))
		return err_set(info, ERR_INVALID,
			       "that cannot be a token: it has spaces or odd "
			       "characters in it, or is too long");
	if (asprintf(&line, "Authorization: Bearer %s", token) < 0)
		line = NULL;
	if (asprintf(&url, "%s/%s", c->tracker_url, token) < 0)
		url = NULL;
	if (line == NULL || url == NULL) {
		free(line);
		free(url);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	free(c->authorization);
	free(c->announce_url);
	c->authorization = line;
	c->announce_url = url;
	return 0;
}

int index_client_new(const char *url, const char *token, struct index_client **out,
		     struct err_info *info)
{
	struct index_client *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	r = set_urls(c, url, info);
	if (r == 0)
		r = set_token(c, token, info);
	if (r == 0 && (loop_new(&c->loop) < 0 || http_client_new(c->loop, &c->http) < 0))
		r = err_set(info, ERR_NOMEM, "out of memory");
	if (r < 0) {
		index_client_free(c);
		return r;
	}
	*out = c;
	return 0;
}

int index_client_pin(struct index_client *c, const char *pin, struct err_info *info)
{
	return http_client_pin(c->http, c->url, pin, info);
}

/* The announce address has the token in it. */
bool index_client_eq(const struct index_client *a, const struct index_client *b)
{
	return strcmp(a->announce_url, b->announce_url) == 0 &&
	       http_client_pin_eq(a->http, b->http);
}

int index_client_http(const struct index_client *c, struct loop *l, struct http_client **out)
{
	int err = http_client_new(l, out);

	if (err == OK)
		http_client_pin_like(*out, c->http);
	return err;
}

void index_client_free(struct index_client *c)
{
	if (c == NULL)
		return;
	http_client_free(c->http);
	loop_free(c->loop);
	free(c->url);
	free(c->tracker_url);
	free(c->announce_url);
	free(c->authorization);
	free(c);
}

void index_client_stop_on(struct index_client *c, const atomic_bool *stop)
{
	c->stop = stop;
}

const char *index_client_url(const struct index_client *c)
{
	return c->url;
}

const char *index_client_tracker_url(const struct index_client *c)
{
	return c->tracker_url;
}

const char *index_client_announce_url(const struct index_client *c)
{
	return c->announce_url;
}

/* ---- one call ---- */

struct answer {
	bool done;
	struct err_info err;
	int status;
	struct addr from;
	struct buf body;
};

static void on_done(void *user, const struct http_answer *reply)
{
	struct answer *a = user;

	a->done = true;
	a->err = reply->err;
	a->status = reply->status;
	a->from = reply->from;
	if (a->err.code == OK && buf_put(&a->body, reply->body) < 0)
		err_set(&a->err, ERR_NOMEM, "out of memory");
}

enum addr_scope index_client_scope(const struct index_client *c)
{
	return c->scope;
}

static int not_reached(const struct index_client *c, const struct err_info *why,
		       struct err_info *info)
{
	if (why->code != ERR_UNREACHABLE && why->code != ERR_TIMEOUT)
		return err_set(info, why->code, "%s", why->text);
	/* There is one, which wants to be asked in another way. */
	if (strstr(why->text, HTTP_WANTS_HTTPS) != NULL)
		return err_set(info, ERR_UNREACHABLE, "%s", why->text);
	return err_set(info, ERR_UNREACHABLE, "%s; %s", why->text,
		       c->local ? "start one with: shoal index"
				: "name another one with --index URL");
}

/* What the index says in docs/api.md's words, in ours. */
static enum err err_of(const char *code, int status)
{
	static const struct {
		const char *code;
		enum err err;
	} known[] = {
	    {"not_found", ERR_NOENT},	  {"name_taken", ERR_EXISTS},
	    {"not_owner", ERR_DENIED},	  {"stale", ERR_MISMATCH},
	    {"token_needed", ERR_DENIED}, {"bad_token", ERR_DENIED},
	    {"not_allowed", ERR_DENIED},  {"locked_out", ERR_DENIED},
	    {"wrong_host", ERR_DENIED},	  {"bad_signature", ERR_DENIED},
	    {"no_space", ERR_NOSPACE},	  {"too_large", ERR_TOO_BIG},
	    {"bad_torrent", ERR_PROTO},	  {"mismatch", ERR_MISMATCH},
	    {"bad_request", ERR_INVALID}, {"bad_search", ERR_INVALID},
	    {"busy", ERR_AGAIN},	  {"io", ERR_IO},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].code, code) == 0)
			return known[i].err;
	}
	return status >= 500 ? ERR_IO : ERR_PROTO;
}

static int refused(const struct index_client *c, const struct answer *a, struct err_info *info)
{
	const char *code = NULL, *message = NULL;
	char shown[ERR_TEXT_MAX];
	json_t *j = NULL;
	int r = json_read_object(buf_bytes(&a->body), &j, NULL);

	if (r == ERR_NOMEM)
		r = err_set(info, ERR_NOMEM, "out of memory");
	else if (r < 0 ||
		 json_unpack(j, "{s:{s:s, s:s}}", "error", "code", &code, "message", &message) != 0)
		r = err_set(info, ERR_PROTO, "%s: not an index: it answers with status %d", c->url,
			    a->status);
	else
		r = err_set(info, err_of(code, a->status), "%s: %s", c->url,
			    text_escape(shown, sizeof(shown), bytes_str(message)));
	json_decref(j);
	return r;
}

static bool is_stopped(const struct index_client *c)
{
	return c->stop != NULL && atomic_load(c->stop);
}

static int wait_for(struct index_client *c, struct http_ask *ask, struct answer *a,
		    struct err_info *info)
{
	struct http_call *call;
	int r = 0;

	ask->done = on_done;
	ask->user = a;
	call = http_client_send(c->http, ask);
	if (call == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	while (!a->done && r >= 0 && !is_stopped(c))
		r = loop_turn(c->loop, TURN_MS);
	if (!a->done) {
		http_call_cancel(call);
		if (is_stopped(c))
			return err_set(info, ERR_CANCELLED, "%s: was not waited for", c->url);
		return err_set(info, ERR_IO, "%s: waiting for the answer failed", c->url);
	}
	if (a->err.code != OK)
		return not_reached(c, &a->err, info);
	c->scope = a->from.port == 0 ? ADDR_PUBLIC : addr_scope(&a->from);
	return a->status >= 200 && a->status < 300 ? 0 : refused(c, a, info);
}

static int call(struct index_client *c, const char *path, const json_t *post, size_t max_bytes,
		struct buf *out, struct err_info *info)
{
	const char *headers[3] = {NULL};
	struct http_ask ask = {.method = "GET", .headers = headers, .max_bytes = max_bytes};
	size_t n_headers = 0;
	struct answer a = {0};
	struct buf url;
	char *text = NULL;
	int r = ERR_NOMEM;

	buf_init(&a.body, max_bytes);
	buf_init(&url, INDEX_URL_MAX + PATH_MAX_BYTES);
	buf_put_str(&url, c->url);
	buf_put_str(&url, path);
	ask.url = buf_cstr(&url);
	if (c->authorization != NULL)
		headers[n_headers++] = c->authorization;
	if (post != NULL) {
		text = json_put_string(post, SIZE_MAX);
		ask.method = "POST";
		headers[n_headers++] = "Content-Type: application/json";
		ask.total_ms = PUBLISH_MS;
		ask.body = text == NULL ? bytes_of(NULL, 0) : bytes_str(text);
	}
	if (ask.url == NULL || (post != NULL && text == NULL))
		err_set(info, r, "out of memory");
	else
		r = wait_for(c, &ask, &a, info);
	if (r == 0 && buf_put(out, buf_bytes(&a.body)) < 0)
		r = err_set(info, out->err, "%s: the answer is too large", c->url);
	free(text);
	buf_fini(&url);
	buf_fini(&a.body);
	return r;
}

static int call_json(struct index_client *c, const char *path, const json_t *post, json_t **out,
		     struct err_info *info)
{
	struct err_info why = {.code = OK};
	struct buf body;
	int r;

	buf_init(&body, INDEX_JSON_BYTES_MAX);
	r = call(c, path, post, INDEX_JSON_BYTES_MAX, &body, info);
	if (r == 0)
		r = json_read_object(buf_bytes(&body), out, &why);
	if (why.code == ERR_NOMEM)
		r = err_set(info, ERR_NOMEM, "%s", why.text);
	else if (why.code != OK)
		r = err_set(info, ERR_PROTO, "%s: not an index: its answer is %s", c->url,
			    why.text);
	buf_fini(&body);
	return r;
}

int index_client_get(struct index_client *c, const char *path, json_t **out, struct err_info *info)
{
	return call_json(c, path, NULL, out, info);
}

void index_client_put_param(struct buf *path, const char *key, const char *value)
{
	buf_put_u8(path, path->len > 0 && memchr(path->ptr, '?', path->len) != NULL ? '&' : '?');
	buf_printf(path, "%s=", key);
	text_put_percent(path, bytes_str(value));
}

/* ---- the questions ---- */

static void put_list_path(struct buf *path, const struct index_list_ask *ask)
{
	buf_printf(path, "/api/v1/entries?limit=%u", ask->limit);
	if (ask->online)
		buf_put_str(path, "&online=1");
	if (ask->sort != NULL)
		index_client_put_param(path, "sort", ask->sort);
	if (ask->next > 0)
		buf_printf(path, "&%s=%llu", ask->sort == NULL ? "before" : "offset",
			   (unsigned long long)ask->next);
	if (ask->query != NULL)
		index_client_put_param(path, "q", ask->query);
	if (ask->owner != NULL)
		index_client_put_param(path, "owner", ask->owner);
	if (ask->name != NULL)
		index_client_put_param(path, "name", ask->name);
}

int index_client_list(struct index_client *c, const struct index_list_ask *ask, json_t **out,
		      struct err_info *info)
{
	struct buf path;
	const char *text;
	int r;

	buf_init(&path, PATH_MAX_BYTES);
	put_list_path(&path, ask);
	text = buf_cstr(&path);
	if (text == NULL)
		r = err_set(info, ERR_INVALID, "the search text is too long");
	else
		r = index_client_get(c, text, out, info);
	buf_fini(&path);
	if (r == 0 && !json_is_array(json_object_get(*out, "entries"))) {
		json_decref(*out);
		r = err_set(info, ERR_PROTO, "%s: not an index: its list has no entries", c->url);
	}
	return r;
}

const char *index_client_entry_path(char out[64], uint64_t id, const char *what)
{
	snprintf(out, 64, "/api/v1/entries/%llu%s", (unsigned long long)id, what);
	return out;
}

int index_client_dht_nodes(struct index_client *c, struct addr *out, size_t cap, size_t *n,
			   struct err_info *info)
{
	json_t *j = NULL;
	int err = index_client_get(c, "/api/v1/dht-nodes", &j, info);

	*n = err == OK ? node_dht_read_nodes(j, index_client_scope(c), out, cap) : 0;
	json_decref(j);
	return err;
}

int index_client_info(struct index_client *c, uint64_t id, json_t **out, struct err_info *info)
{
	char path[64];

	return index_client_get(c, index_client_entry_path(path, id, ""), out, info);
}

int index_client_holders(struct index_client *c, uint64_t id, json_t **out, struct err_info *info)
{
	char path[64];

	return index_client_get(c, index_client_entry_path(path, id, "/holders"), out, info);
}

int index_client_pieces(struct index_client *c, uint64_t id, json_t **out, struct err_info *info)
{
	char path[64];

	return index_client_get(c, index_client_entry_path(path, id, "/pieces"), out, info);
}

int index_client_peers(struct index_client *c, json_t **out, struct err_info *info)
{
	return index_client_get(c, "/api/v1/peers?limit=1000", out, info);
}

int index_client_status(struct index_client *c, json_t **out, struct err_info *info)
{
	return index_client_get(c, "/api/v1/status", out, info);
}

int index_client_torrent(struct index_client *c, uint64_t id, struct buf *out,
			 struct err_info *info)
{
	char path[64];

	return call(c, index_client_entry_path(path, id, "/torrent"), NULL, META_BYTES_MAX, out,
		    info);
}

int index_client_entry(const json_t *j, struct entry *out)
{
	return entry_json_read(j, true, out, NULL);
}

/* ---- publishing ---- */

/* "alice" -> "alice-2", "alice-2" -> "alice-3". */
static void next_name(const char *owner, char *out, size_t cap)
{
	const char *dash = strrchr(owner, '-');
	uint64_t n;

	if (dash != NULL && dash != owner && text_parse_u64(bytes_str(dash + 1), 999999, &n) == 0 &&
	    n >= 2)
		snprintf(out, cap, "%.*s-%u", (int)(dash - owner), owner, (unsigned)n + 1);
	else
		snprintf(out, cap, "%s-2", owner);
}

static int name_taken(const struct index_client *c, const struct entry *e, struct err_info *info)
{
	char next[ENTRY_OWNER_BYTES_MAX + 16], shown[256], shown_next[256];

	next_name(e->owner, next, sizeof(next));
	return err_set(
	    info, ERR_EXISTS,
	    "%s: the owner name %s is taken: it belongs to another key; choose a free one: "
	    "--as %s",
	    c->url, text_escape(shown, sizeof(shown), bytes_str(e->owner)),
	    text_escape(shown_next, sizeof(shown_next), bytes_str(next)));
}

static json_t *publish_body(const struct entry *e, struct bytes torrent, const json_t *sha256)
{
	json_t *j = entry_json(e);
	const char *text;
	struct buf b;

	buf_init(&b, (size_t)META_BYTES_MAX * 2);
	base64_put(&b, torrent);
	text = buf_cstr(&b);
	json_object_del(j, "id");
	json_object_del(j, "version");
	json_object_del(j, "sha256");
	if (j == NULL || text == NULL || json_object_set_new(j, "torrent", json_string(text)) < 0 ||
	    (sha256 != NULL && json_object_set(j, "sha256", (json_t *)(uintptr_t)sha256) < 0)) {
		json_decref(j);
		j = NULL;
	}
	buf_fini(&b);
	return j;
}

/* Is that what we asked it to store? */
static int take_published(const struct index_client *c, const json_t *j, struct entry *e,
			  struct err_info *info)
{
	struct entry stored;
	struct err_info why;

	if (entry_json_read(j, true, &stored, &why) < 0)
		return err_set(info, ERR_PROTO, "%s: not an index: %s", c->url, why.text);
	if (strcmp(stored.owner, e->owner) != 0 || strcmp(stored.name, e->name) != 0)
		return err_set(info, ERR_PROTO, "%s: the index stored something else", c->url);
	e->id = stored.id;
	e->version = stored.version;
	return 0;
}

int index_client_publish(struct index_client *c, struct entry *e, struct bytes torrent,
			 const json_t *sha256, struct err_info *info)
{
	json_t *body = publish_body(e, torrent, sha256), *reply = NULL;
	int r;

	if (body == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	r = call_json(c, "/api/v1/entries", body, &reply, info);
	json_decref(body);
	if (r == ERR_EXISTS)
		r = name_taken(c, e, info);
	if (r == 0)
		r = take_published(c, reply, e, info);
	json_decref(reply);
	return r;
}

/* Takes `body`. */
static int unpublish(struct index_client *c, json_t *body, uint32_t *removed, struct err_info *info)
{
	json_t *reply = NULL;
	uint64_t n = 0;
	int r;

	if (body == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	r = call_json(c, "/api/v1/unpublish", body, &reply, info);
	json_decref(body);
	if (r == ERR_MISMATCH)
		r = info->code = ERR_DENIED;
	if (r == 0)
		r = json_read_u64(reply, "removed", UINT32_MAX, &n, NULL, info);
	json_decref(reply);
	*removed = (uint32_t)n;
	return r;
}

int index_client_unpublish(struct index_client *c, const struct entry *e, uint32_t *removed,
			   struct err_info *info)
{
	json_t *body = entry_json(e);

	json_object_del(body, "id");
	return unpublish(c, body, removed, info);
}

int index_client_admin_unpublish(struct index_client *c, const struct entry *e, uint32_t *removed,
				 struct err_info *info)
{
	return unpublish(c,
			 json_pack("{s:b, s:s, s:s, s:I}", "admin", 1, "owner", e->owner, "name",
				   e->name, "version", (json_int_t)e->version),
			 removed, info);
}
