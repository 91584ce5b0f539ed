#include "node/index_server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/text.h"
#include "node/base64.h"
#include "node/entry_json.h"
#include "node/json_read.h"

/* Values of a call: a list of hashes, one a file, and a little. */
#define PUBLISH_VALUES_MAX (META_FILES_MAX + 8192u)

/* ---- is this a call at all? ---- */

static json_t *take_body(struct index_server *s, const struct http_request *r,
			 struct http_reply *reply)
{
	struct err_info why = {0};
	json_t *j = NULL;
	int err;

	/* Our own page changes nothing, so whatever has an origin is foreign. Comparing it with
	 * Host would not do: a rebound name is the same in both. */
	if (http_request_header(r, "Origin") != NULL)
		index_reply_error(reply, 403, "forbidden_origin",
				  "web pages may not change anything");
	else if (!http_request_is_json(r))
		index_reply_error(reply, 415, "bad_content_type",
				  "Content-Type must be application/json");
	else if ((err = json_read_object_within(r->body, PUBLISH_VALUES_MAX, &j, &why)) ==
		 ERR_NOMEM)
		index_reply_fault(s, reply, &why);
	else if (err < 0)
		index_reply_error(reply, 400, "bad_json", "%s", why.text);
	return j;
}

static bool is_fresh(const struct entry *e, int64_t skew_s)
{
	int64_t now = loop_wall_s();

	return e->published_at <= now + skew_s && now - e->published_at <= skew_s;
}

static int stale(const struct entry *e, struct http_reply *reply)
{
	char off[32];
	int64_t now = loop_wall_s();
	bool ahead = e->published_at > now;
	uint64_t by = (uint64_t)(ahead ? e->published_at - now : now - e->published_at);

	index_reply_error(reply, 403, "stale",
			  "published_at is %s %s the index's clock: is yours right?",
			  text_duration(off, sizeof(off), by), ahead ? "ahead of" : "behind");
	return ERR_DENIED;
}

/* Who asks, as it is remembered. */
struct caller {
	char address[ADDR_TEXT_MAX], token[CATALOGUE_TOKEN_NAME_MAX + 1];
};

/* `need`: what it took. Borrows from `c`. */
static struct catalogue_actor actor_of(const struct index_server *s, const struct http_request *r,
				       enum catalogue_right need, struct caller *c)
{
	struct catalogue_actor who = {.address = addr_host_text(c->address, &r->from),
				      .now = loop_wall_s()};
	struct buf token;

	buf_init(&token, HTTP_HEADERS_MAX);
	who.token = index_access_name(s->access, index_token_of(r, &token), need, c->token);
	buf_fini(&token);
	return who;
}

static void log_entry(const struct index_server *s, const char *event, const struct entry *e,
		      const struct catalogue_actor *who)
{
	json_t *fields = json_pack("{s:s, s:s, s:i, s:s}", "owner", e->owner, "name", e->name,
				   "version", (int)e->version, "from", who->address);

	if (who->token[0] != '\0')
		(void)json_object_set_new(fields, "token", json_string(who->token));
	index_log(s, event, fields);
}

/* ---- publish ---- */

struct publication {
	struct entry e;
	struct buf torrent;
	struct metainfo *meta;
	struct catalogue_file *files;
	size_t n_files;
};

static int fail(struct http_reply *reply, int status, const char *code, const char *why)
{
	index_reply_error(reply, status, code, "%s", why);
	return ERR_PROTO;
}

static int check_signature(const struct entry *e, const char *action, struct http_reply *reply)
{
	struct buf b;
	int err;

	buf_init(&b, 4096);
	err = entry_signed_bytes(e, action, &b);
	if (err == OK)
		err = sign_check(e->key, buf_bytes(&b), e->signature);
	buf_fini(&b);
	if (err == ERR_NOMEM)
		return fail(reply, 503, "busy", "out of memory");
	return err == OK ? OK
			 : fail(reply, 403, "bad_signature",
				"the signature is not by this key over this call");
}

static int take_torrent(json_t *body, struct publication *p, struct http_reply *reply)
{
	const json_t *text = json_object_get(body, "torrent");
	enum meta_fault fault;
	int err;

	if (!json_is_string(text))
		return fail(reply, 400, "bad_request", "\"torrent\" is missing or not a string");
	err = base64_take(bytes_of(json_string_value(text), json_string_length(text)), &p->torrent);
	if (err == ERR_TOO_BIG)
		return fail(reply, 413, "too_large", "the torrent is over 64 MiB");
	if (err == ERR_NOMEM)
		return fail(reply, 503, "busy", "out of memory");
	if (err < 0)
		return fail(reply, 400, "bad_request", "\"torrent\" is not base64");
	json_object_del(body, "torrent"); /* it may be large */
	fault = meta_parse(buf_bytes(&p->torrent), &p->meta);
	if (fault == META_NOMEM)
		return fail(reply, 503, "busy", "out of memory");
	return fault == META_OK ? 0 : fail(reply, 422, "bad_torrent", meta_fault_text(fault));
}

static bool hash_differs(bool claimed, const uint8_t *claim, bool is, const uint8_t *hash,
			 size_t len)
{
	return claimed && (!is || memcmp(claim, hash, len) != 0);
}

/* What the call says about the torrent, if anything, must be so; the rest is filled in. */
static int compare(const json_t *body, struct publication *p, struct http_reply *reply)
{
	const struct metainfo *m = p->meta;
	struct entry *e = &p->e;

	if (hash_differs(e->has_v1, e->hash_v1, m->v1, m->hash_v1, SHA1_LEN))
		return fail(reply, 422, "mismatch", "\"hash_v1\" is not the torrent's");
	if (hash_differs(e->has_v2, e->hash_v2, m->v2, m->hash_v2, SHA256_LEN))
		return fail(reply, 422, "mismatch", "\"hash_v2\" is not the torrent's");
	if (json_is_integer(json_object_get(body, "bytes")) && e->bytes != m->total_bytes)
		return fail(reply, 422, "mismatch", "\"bytes\" is not the torrent's size");
	if (json_is_integer(json_object_get(body, "n_files")) && e->n_files != m->n_real_files)
		return fail(reply, 422, "mismatch",
			    "\"n_files\" is not the torrent's number of files");
	e->has_v1 = m->v1;
	e->has_v2 = m->v2;
	memcpy(e->hash_v1, m->hash_v1, SHA1_LEN);
	memcpy(e->hash_v2, m->hash_v2, SHA256_LEN);
	e->bytes = m->total_bytes;
	e->n_files = m->n_real_files;
	return 0;
}

static int take_sha256(const json_t *list, struct publication *p, struct http_reply *reply)
{
	for (size_t i = 0; i < p->n_files; i++) {
		const json_t *v = json_array_get(list, i);
		struct catalogue_file *f = &p->files[i];

		if (v == NULL || json_is_null(v))
			continue;
		if (!json_is_string(v) ||
		    text_unhex(bytes_of(json_string_value(v), json_string_length(v)), f->sha256,
			       SHA256_LEN) < 0)
			return fail(reply, 400, "bad_request",
				    "an item of \"sha256\" is not 64 hex digits");
		f->has_sha256 = true;
	}
	if (p->meta->single && p->files[0].has_sha256) {
		p->e.has_sha256 = true;
		memcpy(p->e.sha256, p->files[0].sha256, SHA256_LEN);
	}
	return 0;
}

static int take_files(const json_t *body, struct publication *p, struct http_reply *reply)
{
	const json_t *list = json_object_get(body, "sha256");

	p->files = calloc((size_t)p->meta->n_real_files + 1, sizeof(*p->files));
	if (p->files == NULL)
		return fail(reply, 503, "busy", "out of memory");
	for (uint32_t i = 0; i < p->meta->n_files; i++) {
		const struct meta_file *f = &p->meta->files[i];

		if ((f->flags & META_FILE_PAD) == 0)
			p->files[p->n_files++] =
			    (struct catalogue_file){.path = f->path, .length = f->length};
	}
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return fail(reply, 400, "bad_request", "\"sha256\" is not a list");
	if (json_array_size(list) != p->n_files)
		return fail(reply, 422, "mismatch",
			    "\"sha256\" has not as many items as the torrent has files");
	return take_sha256(list, p, reply);
}

static int take_publication(json_t *body, struct publication *p, struct http_reply *reply)
{
	struct err_info why = {0};

	if (entry_json_read(body, false, &p->e, &why) < 0 || entry_check_new(&p->e, &why) < 0)
		return fail(reply, 400, "bad_request", why.text);
	if (!is_fresh(&p->e, INDEX_PUBLISH_SKEW_S))
		return stale(&p->e, reply);
	if (take_torrent(body, p, reply) < 0 || compare(body, p, reply) < 0 ||
	    take_files(body, p, reply) < 0)
		return ERR_PROTO;
	return check_signature(&p->e, "publish", reply);
}

static void store(struct index_server *s, const struct http_request *r, struct publication *p,
		  struct http_reply *reply)
{
	static const char *const said[] = {
	    [CATALOGUE_ADDED] = "publish", [CATALOGUE_UPDATED] = "update"};
	struct caller caller;
	struct catalogue_actor who = actor_of(s, r, RIGHT_PUBLISH, &caller);
	enum catalogue_change change;
	struct err_info why = {0};

	p->e.id = p->e.version = 0;
	if (catalogue_db_publish(s->db, &who, &p->e, buf_bytes(&p->torrent), p->files, p->n_files,
				 &change, &why) < 0) {
		if (why.code == ERR_MISMATCH)
			index_reply_error(reply, 403, "stale", "%s", why.text);
		else
			index_reply_fault(s, reply, &why);
		return;
	}
	if (change != CATALOGUE_SAME) {
		log_entry(s, said[change], &p->e, &who);
		index_events_catalogue(s, "publish", p->e.id);
	}
	/* The row itself: what was there before may have been signed at another time. */
	if (change != CATALOGUE_ADDED && catalogue_db_get(s->db, p->e.id, &p->e, &why) < 0)
		index_reply_fault(s, reply, &why);
	else
		api_reply_json(reply, change == CATALOGUE_ADDED ? 201 : 200,
			       index_entry_json(s, &p->e));
}

void index_publish(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct publication p = {0};
	json_t *body = take_body(s, r, reply);

	if (body == NULL)
		return;
	buf_init(&p.torrent, META_BYTES_MAX);
	if (take_publication(body, &p, reply) == 0)
		store(s, r, &p, reply);
	json_decref(body);
	buf_fini(&p.torrent);
	free(p.files);
	if (p.meta != NULL)
		meta_free(p.meta);
}

/* ---- unpublish ---- */

static bool is_content_of(const struct entry *claim, const struct entry *row)
{
	return !hash_differs(claim->has_v1, claim->hash_v1, row->has_v1, row->hash_v1, SHA1_LEN) &&
	       !hash_differs(claim->has_v2, claim->hash_v2, row->has_v2, row->hash_v2, SHA256_LEN);
}

/* An older signature must not remove what came after it. The date of a publication may be one to
 * come, where a clock was wrong and is not any more. */
static int dated_later(const struct entry *row, struct http_reply *reply)
{
	char until[32];
	int64_t now = loop_wall_s();

	if (row->published_at <= now)
		return fail(reply, 403, "stale", "the entry was published after published_at");
	index_reply_error(
	    reply, 403, "stale",
	    "version %u was published by a clock that was wrong: its owner can remove "
	    "it in %s, an admin now",
	    row->version, text_duration(until, sizeof(until), (uint64_t)(row->published_at - now)));
	return ERR_DENIED;
}

/* A page of them. */
static int check_rows(const struct entry *e, const struct entry *rows, size_t n,
		      struct http_reply *reply)
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp(rows[i].key, e->key, SIGN_KEY_LEN) != 0)
			return fail(reply, 403, "not_owner", "the entry belongs to another key");
		if (rows[i].published_at > e->published_at)
			return dated_later(&rows[i], reply);
		if (e->version != 0 && !is_content_of(e, &rows[i]))
			return fail(reply, 422, "mismatch",
				    "the hashes are not those of this version");
	}
	return 0;
}

/* What a removal is about, in s->rows: at most CATALOGUE_PAGE_MAX of those with ids below
 * `before`. */
static int find_rows(struct index_server *s, const struct entry *e, uint64_t before, size_t *n,
		     struct http_reply *reply)
{
	struct catalogue_query q = {.limit = CATALOGUE_PAGE_MAX,
				    .owner = e->owner,
				    .name = e->name,
				    .version = e->version,
				    .before_id = before};
	struct err_info why = {0};

	if (catalogue_db_find(s->db, &q, s->rows, n, &why) < 0)
		index_reply_fault(s, reply, &why);
	return why.code;
}

/* Each of those it would remove, page by page. s->rows has all of them where *n is less than
 * CATALOGUE_PAGE_MAX. */
static int check_all(struct index_server *s, const struct entry *e, size_t *n,
		     struct http_reply *reply)
{
	uint64_t before = 0;
	size_t more = 0;
	int err;

	do {
		err = find_rows(s, e, before, &more, reply);
		if (err == OK)
			err = check_rows(e, s->rows, more, reply);
		*n += more;
		before = more == 0 ? 0 : s->rows[more - 1].id;
	} while (err == OK && more == CATALOGUE_PAGE_MAX);
	return err == OK && *n == 0 ? fail(reply, 404, "not_found", "no such entry") : err;
}

static int take_removal(struct index_server *s, const json_t *body, struct entry *e, size_t *n,
			struct http_reply *reply)
{
	struct err_info why = {0};
	int err;

	if (entry_json_read(body, false, e, &why) < 0)
		return fail(reply, 400, "bad_request", why.text);
	if (!is_fresh(e, INDEX_UNPUBLISH_SKEW_S))
		return stale(e, reply);
	err = check_signature(e, "unpublish", reply);
	return err != OK ? err : check_all(s, e, n, reply);
}

/* "admin": true: the index's admin, who needs no signature but a token for it. */
static int take_admin_removal(struct index_server *s, const struct http_request *r,
			      const json_t *body, struct entry *e, size_t *n,
			      struct http_reply *reply)
{
	struct err_info why = {0};
	enum index_verdict may;
	uint64_t version = 0;
	struct buf token;
	bool absent;

	buf_init(&token, HTTP_HEADERS_MAX);
	may = index_access_check(s->access, index_token_of(r, &token), &r->from, RIGHT_ADMIN,
				 index_now_s(s));
	buf_fini(&token);
	if (may != ACCESS_GRANTED)
		return fail(reply, 403, "not_allowed", index_verdict_text(may));
	*e = (struct entry){.published_at = loop_wall_s()};
	if (json_read_text(body, "owner", e->owner, sizeof(e->owner), NULL, &why) < 0 ||
	    json_read_text(body, "name", e->name, sizeof(e->name), NULL, &why) < 0 ||
	    json_read_u64(body, "version", UINT32_MAX, &version, &absent, &why) < 0)
		return fail(reply, 400, "bad_request", why.text);
	e->version = (uint32_t)version;
	return find_rows(s, e, 0, n, reply);
}

/* Each of the `n` in s->rows; where there may be more, all of them as one, for streams hold only so
 * much (attack: a name with versions without end goes, and all who listen are hung up on). */
static void tell_removed(struct index_server *s, const struct entry *e, size_t n)
{
	if (n >= CATALOGUE_PAGE_MAX) {
		index_events_name_gone(s, e);
		return;
	}
	for (size_t i = 0; i < n; i++)
		index_events_catalogue(s, "unpublish", s->rows[i].id);
}

void index_unpublish(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct err_info why = {0};
	json_t *body = take_body(s, r, reply);
	bool admin = json_is_true(json_object_get(body, "admin"));
	struct caller caller;
	struct catalogue_actor who = actor_of(s, r, admin ? RIGHT_ADMIN : RIGHT_PUBLISH, &caller);
	uint32_t removed = 0;
	struct entry e;
	size_t n = 0;

	if (body == NULL)
		return;
	if ((admin ? take_admin_removal(s, r, body, &e, &n, reply)
		   : take_removal(s, body, &e, &n, reply)) == 0) {
		if (catalogue_db_unpublish(s->db, &who, &e, admin, &removed, &why) < 0) {
			index_reply_fault(s, reply, &why);
		} else {
			log_entry(s, admin ? "admin_unpublish" : "unpublish", &e, &who);
			tell_removed(s, &e, n);
			api_reply_json(reply, 200,
				       json_pack("{s:I}", "removed", (json_int_t)removed));
		}
	}
	json_decref(body);
}
