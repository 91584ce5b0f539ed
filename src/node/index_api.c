#include "node/index_server_impl.h"

#include <stdlib.h>

#include "base/text.h"
#include "index/query.h"
#include "meta/magnet.h"
#include "node/entry_json.h"
#include "node/index_torrent.h"

#define PARAM_MAX 2048u
/* A .torrent up to this size is opened to put its trackers into the magnet link. */
#define MAGNET_TORRENT_MAX (1u << 20)

/* ---- parameters ---- */

static int bad(struct http_reply *reply, const char *name)
{
	index_reply_error(reply, 400, "bad_request", "bad value of %s", name);
	return ERR_PROTO;
}

/* Appends the value and returns 1, or 0 when it is not given; a negative answer is in `reply`. */
static int take_text(const struct http_request *r, const char *name, struct buf *out,
		     struct http_reply *reply)
{
	if (!http_request_param(r, name, out))
		return out->err != 0 ? bad(reply, name) : 0;
	if (out->err != 0 || !text_is_utf8(buf_bytes(out)) ||
	    (out->len > 0 && memchr(out->ptr, '\0', out->len) != NULL) || buf_cstr(out) == NULL)
		return bad(reply, name);
	return 1;
}

static int take_number(const struct http_request *r, const char *name, uint64_t min, uint64_t max,
		       uint64_t *out, struct http_reply *reply)
{
	struct buf b;
	int found;

	buf_init(&b, 64);
	found = take_text(r, name, &b, reply);
	if (found > 0 && (text_parse_u64(buf_bytes(&b), max, out) < 0 || *out < min))
		found = bad(reply, name);
	buf_fini(&b);
	return found;
}

/* A parameter with a bad escape would look as if it were not there, and everything be listed. */
static bool query_is_sane(const struct http_request *r, struct http_reply *reply)
{
	struct buf b;
	bool ok;

	buf_init(&b, HTTP_HEADERS_MAX);
	ok = text_unpercent(r->query, &b) == 0;
	buf_fini(&b);
	if (!ok)
		index_reply_error(reply, 400, "bad_request", "a bad percent escape in the query");
	return ok;
}

/* ---- lists ---- */

struct list_ask {
	struct buf q, match, owner, name;
	uint8_t hash[SHA256_LEN];
	size_t hash_len;
	struct catalogue_query query;
};

static int take_hash(const struct http_request *r, struct list_ask *a, struct http_reply *reply)
{
	struct buf b;
	int found;

	buf_init(&b, 2 * SHA256_LEN + 1);
	found = take_text(r, "hash", &b, reply);
	if (found > 0) {
		a->hash_len = b.len / 2;
		if ((b.len != 2 * SHA1_LEN && b.len != 2 * SHA256_LEN) ||
		    text_unhex(buf_bytes(&b), a->hash, a->hash_len) < 0)
			found = bad(reply, "hash");
		else
			a->query.swarm_hash = a->hash;
	}
	buf_fini(&b);
	return found;
}

static int take_search(const struct http_request *r, struct list_ask *a, struct http_reply *reply)
{
	struct err_info why = {0};
	int found = take_text(r, "q", &a->q, reply);

	if (found <= 0 || a->q.len == 0)
		return found;
	if (query_to_match(buf_bytes(&a->q), &a->match, &why) < 0) {
		index_reply_error(reply, 400, "bad_search", "%s", why.text);
		return ERR_PROTO;
	}
	a->query.match = buf_cstr(&a->match);
	return found;
}

static int take_list_ask(const struct http_request *r, struct list_ask *a, struct http_reply *reply)
{
	uint64_t version = 0, limit = INDEX_LIST_DEFAULT;
	int owner, name;

	if (!query_is_sane(r, reply) || take_search(r, a, reply) < 0 ||
	    (owner = take_text(r, "owner", &a->owner, reply)) < 0 ||
	    (name = take_text(r, "name", &a->name, reply)) < 0 || take_hash(r, a, reply) < 0 ||
	    take_number(r, "version", 1, UINT32_MAX, &version, reply) < 0 ||
	    take_number(r, "before", 1, INT64_MAX, &a->query.before_id, reply) < 0 ||
	    take_number(r, "limit", 1, CATALOGUE_PAGE_MAX, &limit, reply) < 0)
		return ERR_PROTO;
	if (owner > 0)
		a->query.owner = (const char *)a->owner.ptr;
	if (name > 0)
		a->query.name = (const char *)a->name.ptr;
	a->query.version = (uint32_t)version;
	a->query.limit = (uint32_t)limit;
	return 0;
}

/* The catalogue knows swarms by 20 bytes; a whole v2 hash tells more. */
static bool has_hash(const struct list_ask *a, const struct entry *e)
{
	return a->hash_len != SHA256_LEN ||
	       (e->has_v2 && memcmp(e->hash_v2, a->hash, SHA256_LEN) == 0);
}

static json_t *rows_json(struct index_server *s, const struct list_ask *a, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *row;

		if (a != NULL && !has_hash(a, &s->rows[i]))
			continue;
		row = index_entry_json(s, &s->rows[i]);
		if (row == NULL || json_array_append_new(list, row) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static void list(struct index_server *s, struct list_ask *a, struct http_reply *reply)
{
	struct err_info why = {0};
	size_t n = 0;
	json_t *rows, *next;

	if (catalogue_db_find(s->db, &a->query, s->rows, &n, &why) < 0) {
		index_reply_fault(reply, &why);
		return;
	}
	rows = rows_json(s, a, n);
	next = n == a->query.limit ? json_integer((json_int_t)s->rows[n - 1].id) : json_null();
	index_reply_json(reply, 200, json_pack("{s:o, s:o}", "entries", rows, "next", next));
}

void index_list(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct list_ask a = {0};

	buf_init(&a.q, HTTP_HEADERS_MAX);
	buf_init(&a.match, QUERY_MATCH_BYTES_MAX + 1);
	buf_init(&a.owner, PARAM_MAX);
	buf_init(&a.name, PARAM_MAX);
	if (take_list_ask(r, &a, reply) == 0)
		list(s, &a, reply);
	buf_fini(&a.q);
	buf_fini(&a.match);
	buf_fini(&a.owner);
	buf_fini(&a.name);
}

void index_near(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct err_info why = {0};
	struct buf name;
	size_t n = 0;
	int found;

	if (!index_reply_method(r, reply, "GET") || !query_is_sane(r, reply))
		return;
	buf_init(&name, PARAM_MAX);
	found = take_text(r, "name", &name, reply);
	if (found == 0)
		bad(reply, "name");
	if (found > 0) {
		if (catalogue_db_near(s->db, (const char *)name.ptr, s->rows, INDEX_NEAR_MAX, &n,
				      &why) < 0)
			index_reply_fault(reply, &why);
		else
			index_reply_json(reply, 200,
					 json_pack("{s:o}", "entries", rows_json(s, NULL, n)));
	}
	buf_fini(&name);
}

/* ---- one entry ---- */

struct file_list {
	json_t *list;
	uint64_t left_out;
};

/* A path is bytes; JSON is text. */
static json_t *path_json(const char *path)
{
	struct bytes raw = bytes_str(path);
	struct buf b;
	json_t *j;

	if (text_is_utf8(raw))
		return json_stringn(path, raw.len);
	buf_init(&b, raw.len * 8 + 16);
	text_put_escaped(&b, raw);
	j = json_stringn((const char *)b.ptr, b.len);
	buf_fini(&b);
	return j;
}

static int add_file(void *user, const struct catalogue_file *f)
{
	struct file_list *files = user;

	if (json_array_size(files->list) == INDEX_FILES_SHOWN) {
		files->left_out++;
		return 0;
	}
	return json_array_append_new(
	    files->list,
	    json_pack("{s:o, s:I, s:o}", "path", path_json(f->path), "bytes", (json_int_t)f->length,
		      "sha256", entry_json_hex(f->has_sha256, f->sha256, SHA256_LEN)));
}

/* With the trackers of the torrent; without them when it is too large to open for that. */
static json_t *whole_magnet(struct index_server *s, const struct http_request *r, uint64_t id)
{
	struct buf stored, torrent, link;
	struct metainfo *m = NULL;
	json_t *j = NULL;

	buf_init(&stored, MAGNET_TORRENT_MAX);
	buf_init(&torrent, MAGNET_TORRENT_MAX * 2);
	buf_init(&link, MAGNET_BYTES_MAX * 4);
	if (catalogue_db_torrent(s->db, id, &stored, NULL) == 0 &&
	    index_torrent_put(buf_bytes(&stored), r, &torrent) == 0 &&
	    meta_parse(buf_bytes(&torrent), &m) == META_OK && magnet_put(m, &link) == 0)
		j = json_stringn((const char *)link.ptr, link.len);
	if (m != NULL)
		meta_free(m);
	buf_fini(&stored);
	buf_fini(&torrent);
	buf_fini(&link);
	return j;
}

static void details(struct index_server *s, const struct http_request *r, const struct entry *e,
		    struct http_reply *reply)
{
	struct file_list files = {.list = json_array()};
	struct err_info why = {0};
	json_t *j, *link;
	char path[64];

	if (catalogue_db_files(s->db, e->id, add_file, &files, &why) < 0) {
		json_decref(files.list);
		index_reply_fault(reply, &why);
		return;
	}
	j = index_entry_json(s, e);
	link = whole_magnet(s, r, e->id);
	if (link != NULL)
		json_object_set_new(j, "magnet", link);
	snprintf(path, sizeof(path), "/api/v1/entries/%llu/torrent", (unsigned long long)e->id);
	if (json_object_set_new(j, "torrent", json_string(path)) != 0 ||
	    json_object_set_new(j, "files", files.list) != 0 ||
	    json_object_set_new(j, "files_left_out", json_integer((json_int_t)files.left_out)) !=
		0) {
		json_decref(j);
		j = NULL;
	}
	index_reply_json(reply, 200, j);
}

static void torrent(struct index_server *s, const struct http_request *r, const struct entry *e,
		    struct http_reply *reply)
{
	struct err_info why = {0};
	struct buf stored;

	buf_init(&stored, META_BYTES_MAX);
	if (catalogue_db_torrent(s->db, e->id, &stored, &why) < 0)
		index_reply_fault(reply, &why);
	else if (index_torrent_put(buf_bytes(&stored), r, &reply->body) < 0)
		index_reply_error(reply, 503, "busy", "out of memory");
	else
		reply->type = "application/x-bittorrent";
	buf_fini(&stored);
}

void index_entry(struct index_server *s, const struct http_request *r, struct bytes rest,
		 struct http_reply *reply)
{
	const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
	size_t at = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
	struct bytes what = bytes_sub(rest, at, rest.len - at);
	struct err_info why = {0};
	struct entry e;
	uint64_t id;

	if (!index_reply_method(r, reply, "GET"))
		return;
	if (text_parse_u64(bytes_sub(rest, 0, at), INT64_MAX, &id) < 0)
		index_reply_error(reply, 404, "not_found", "no such path");
	else if (catalogue_db_get(s->db, id, &e, &why) < 0)
		index_reply_fault(reply, &why);
	else if (what.len == 0)
		details(s, r, &e, reply);
	else if (bytes_eq(what, bytes_str("/torrent")))
		torrent(s, r, &e, reply);
	else if (bytes_eq(what, bytes_str("/holders")))
		index_reply_json(reply, 200, index_holders_json(s, &e));
	else
		index_reply_error(reply, 404, "not_found", "no such path");
}

/* ---- who and how much ---- */

void index_peers(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	uint64_t limit = INDEX_PEERS_DEFAULT;

	if (!index_reply_method(r, reply, "GET") || !query_is_sane(r, reply) ||
	    take_number(r, "limit", 1, INDEX_PEERS_MAX, &limit, reply) < 0)
		return;
	index_reply_json(reply, 200, index_peers_json(s, (uint32_t)limit));
}

void index_status(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	uint64_t entries = 0, bytes = 0, swarms, peers;

	if (!index_reply_method(r, reply, "GET"))
		return;
	if (catalogue_db_count(s->db, &entries, &bytes) < 0) {
		index_reply_error(reply, 500, "io", "the catalogue cannot be read");
		return;
	}
	tracker_counts(s->tracker, &swarms, &peers);
	index_reply_json(
	    reply, 200,
	    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "version",
		      SHOAL_VERSION, "now", (json_int_t)loop_wall_s(), "uptime",
		      (json_int_t)((loop_now_ms(s->loop) - s->started_ms) / 1000), "entries",
		      (json_int_t)entries, "bytes", (json_int_t)bytes, "swarms", (json_int_t)swarms,
		      "peers", (json_int_t)peers, "announces", (json_int_t)s->counts.announces,
		      "announces_refused", (json_int_t)s->counts.refused, "scrapes",
		      (json_int_t)s->counts.scrapes, "requests", (json_int_t)s->counts.requests));
}
