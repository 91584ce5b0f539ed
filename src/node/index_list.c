/* node/index_list.c - lists of entries: search, order, pages; and names that are alike. */
#include <stdlib.h>

#include "base/text.h"
#include "index/query.h"
#include "node/base64.h"
#include "node/index_server_impl.h"
#include "node/index_told.h"

#define PARAM_MAX 2048u
/* Rows of a page whose peers are told of, where that is asked for (attack: a page of 500 rows, each
 * with a look at a large swarm). */
#define ROWS_WITH_PEERS 4u

/* ---- parameters ---- */

static int bad(struct http_reply *reply, const char *name)
{
	index_reply_error(reply, 400, "bad_request", "bad value of %s", name);
	return ERR_PROTO;
}

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

int index_take_number(const struct http_request *r, const char *name, uint64_t min, uint64_t max,
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

bool index_query_is_sane(const struct http_request *r, struct http_reply *reply)
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
	bool online, by_holders;
	uint32_t peers; /* of the first rows, so many are told of */
	bool torrent;	/* a small one comes with the first row */
	const struct http_request *r;
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

static int take_sort(const struct http_request *r, struct list_ask *a, struct http_reply *reply)
{
	static const char *const names[CATALOGUE_SORTS] = {[CATALOGUE_NEWEST] = "newest",
							   [CATALOGUE_BY_NAME] = "name",
							   [CATALOGUE_LARGEST] = "size"};
	struct buf b;
	int found;
	unsigned i;

	buf_init(&b, 16);
	found = take_text(r, "sort", &b, reply);
	if (found > 0 && bytes_eq(buf_bytes(&b), bytes_str("holders"))) {
		a->by_holders = true;
	} else if (found > 0) {
		for (i = 0; i < CATALOGUE_SORTS; i++) {
			if (bytes_eq(buf_bytes(&b), bytes_str(names[i])))
				break;
		}
		if (i == CATALOGUE_SORTS)
			found = bad(reply, "sort");
		else
			a->query.sort = (enum catalogue_sort)i;
	}
	buf_fini(&b);
	return found;
}

static int take_list_ask(const struct http_request *r, struct list_ask *a, struct http_reply *reply)
{
	uint64_t version = 0, limit = INDEX_LIST_DEFAULT, offset = 0, online = 0, peers = 0;
	uint64_t torrent = 0, latest = 0;
	int owner, name;

	if (!index_query_is_sane(r, reply) || take_search(r, a, reply) < 0 ||
	    (owner = take_text(r, "owner", &a->owner, reply)) < 0 ||
	    (name = take_text(r, "name", &a->name, reply)) < 0 || take_hash(r, a, reply) < 0 ||
	    index_take_number(r, "version", 1, UINT32_MAX, &version, reply) < 0 ||
	    index_take_number(r, "latest", 0, 1, &latest, reply) < 0 ||
	    index_take_number(r, "before", 1, INT64_MAX, &a->query.before_id, reply) < 0 ||
	    take_sort(r, a, reply) < 0 ||
	    index_take_number(r, "offset", 0, INDEX_OFFSET_MAX, &offset, reply) < 0 ||
	    index_take_number(r, "online", 0, 1, &online, reply) < 0 ||
	    index_take_number(r, "peers", 0, INDEX_LIST_PEERS_MAX, &peers, reply) < 0 ||
	    index_take_number(r, "torrent", 0, 1, &torrent, reply) < 0 ||
	    index_take_number(r, "limit", 1, CATALOGUE_PAGE_MAX, &limit, reply) < 0)
		return ERR_PROTO;
	if (owner > 0)
		a->query.owner = (const char *)a->owner.ptr;
	if (name > 0)
		a->query.name = (const char *)a->name.ptr;
	a->query.version = (uint32_t)version;
	a->query.latest = latest > 0;
	a->query.limit = (uint32_t)limit;
	a->query.offset = (uint32_t)offset;
	a->online = online > 0;
	a->peers = (uint32_t)peers;
	a->torrent = torrent > 0;
	a->r = r;
	return 0;
}

/* The catalogue knows swarms by 20 bytes; a whole v2 hash tells more. */
static bool has_hash(const struct list_ask *a, bool has_v2, const uint8_t hash_v2[SHA256_LEN])
{
	return a->hash_len != SHA256_LEN || (has_v2 && memcmp(hash_v2, a->hash, SHA256_LEN) == 0);
}

/* False: a row would be left out without a word. */
static bool add_row(struct index_server *s, json_t *list, const struct entry *e,
		    struct err_info *why)
{
	if (json_array_append_new(list, index_entry_json(s, e)) == 0)
		return true;
	err_set(why, ERR_NOMEM, "out of memory");
	return false;
}

static void look_at_swarm(struct index_server *s, const struct list_ask *a,
			  const uint8_t hash[SHA1_LEN], struct told *told)
{
	struct shard_hold hold = {.all = s->shards};
	struct announce_reply reply;

	tracker_look(shards_enter(&hold, hash), hash, a->peers, &a->r->from, &a->r->to,
		     index_now_s(s), &reply);
	told_add_reply(told, &reply);
	shards_leave(&hold); /* not before: it lent the peers */
}

/* The first rows say whom to ask for them: who fetches one has its first peers a few round trips
 * before it is in their swarm. */
static void tell_peers(struct index_server *s, const struct list_ask *a, const struct entry *e,
		       json_t *row)
{
	struct told told = told_new();

	if (e->has_v2)
		look_at_swarm(s, a, e->hash_v2, &told);
	if (e->has_v1 && told_count(&told) == 0) /* the same ones are in both */
		look_at_swarm(s, a, e->hash_v1, &told);
	told_put(&told, row);
}

/* Who fetches the first row needs its .torrent next, which is a round trip less where it comes at
 * once. */
static void tell_torrent(struct index_server *s, const struct list_ask *a, const struct entry *e,
			 json_t *row)
{
	struct err_info why = {0};
	struct buf torrent, text;

	buf_init(&torrent, INDEX_LIST_TORRENT_MAX);
	buf_init(&text, INDEX_LIST_TORRENT_MAX * 2);
	if (index_put_torrent(s, a->r, e, &torrent, &why) != OK)
		index_log_unread(s, &why);
	else if (base64_put(&text, buf_bytes(&torrent)) == OK)
		json_object_set_new(row, "torrent_base64",
				    json_stringn((const char *)text.ptr, text.len));
	buf_fini(&text);
	buf_fini(&torrent);
}

/* What was asked for besides, of row number `i`. */
static void tell_more(struct index_server *s, const struct list_ask *a, const struct entry *e,
		      size_t i, json_t *row)
{
	if (a->peers > 0 && i < ROWS_WITH_PEERS)
		tell_peers(s, a, e, row);
	if (a->torrent && i == 0)
		tell_torrent(s, a, e, row);
}

static json_t *rows_json(struct index_server *s, const struct list_ask *a, size_t n,
			 struct err_info *why)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (a != NULL && !has_hash(a, s->rows[i].has_v2, s->rows[i].hash_v2))
			continue;
		if (!add_row(s, list, &s->rows[i], why)) {
			json_decref(list);
			return NULL;
		}
		if (a != NULL) {
			size_t last = json_array_size(list) - 1;

			tell_more(s, a, &s->rows[i], last, json_array_get(list, last));
		}
	}
	return list;
}

static uint32_t peers_of(struct index_server *s, const struct catalogue_swarms *e)
{
	struct shard_hold hold = {.all = s->shards};
	struct scrape_row v1 = {0}, v2 = {0};
	uint32_t a, b;

	if (e->has_v1)
		tracker_scrape(shards_enter(&hold, e->hash_v1), e->hash_v1, index_now_s(s), &v1);
	if (e->has_v2)
		tracker_scrape(shards_enter(&hold, e->hash_v2), e->hash_v2, index_now_s(s), &v2);
	shards_leave(&hold);
	a = v1.complete + v1.incomplete;
	b = v2.complete + v2.incomplete;
	return a > b ? a : b;
}

json_int_t index_next_offset(uint64_t offset)
{
	return offset <= INDEX_OFFSET_MAX ? (json_int_t)offset : 0;
}

/* The page as the catalogue gives it; as of the other two, *next stays when there is none. */
static json_t *plain_page(struct index_server *s, struct list_ask *a, json_int_t *next,
			  struct err_info *why)
{
	bool newest = a->query.sort == CATALOGUE_NEWEST;
	size_t n = 0;

	if (catalogue_db_find(s->db, &a->query, s->rows, &n, why) < 0)
		return NULL;
	if (n == a->query.limit)
		*next =
		    newest ? (json_int_t)s->rows[n - 1].id : index_next_offset(a->query.offset + n);
	return rows_json(s, a, n, why);
}

static_assert(INDEX_SCANNED_MAX <= CATALOGUE_SCAN_MAX, "one search tells all of them");

static bool add_id(struct index_server *s, json_t *list, uint64_t id, struct err_info *why)
{
	struct entry row;

	return catalogue_db_get(s->db, id, &row, why) == 0 && add_row(s, list, &row, why);
}

/* Entries that somebody has or fetches now, of those looked at. */
struct online {
	struct index_server *s;
	const struct list_ask *a;
	uint64_t ids[CATALOGUE_PAGE_MAX], last_id;
	uint32_t n, looked_at;
};

static int keep_online(void *user, const struct catalogue_swarms *row)
{
	struct online *o = user;

	o->looked_at++;
	o->last_id = row->id;
	if (has_hash(o->a, row->has_v2, row->hash_v2) && peers_of(o->s, row) > 0)
		o->ids[o->n++] = row->id;
	return o->n == o->a->query.limit;
}

/* It may end before it is full, as so many were looked at. */
static json_t *online_page(struct index_server *s, const struct list_ask *a, json_int_t *next,
			   struct err_info *why)
{
	struct online o = {.s = s, .a = a};
	struct catalogue_query q = a->query;
	json_t *list = json_array();

	q.limit = INDEX_SCANNED_MAX;
	if (catalogue_db_scan(s->db, &q, keep_online, &o, why) < 0)
		return list;
	for (uint32_t i = 0; i < o.n; i++) {
		if (!add_id(s, list, o.ids[i], why))
			return list;
	}
	if (o.n == a->query.limit || o.looked_at == INDEX_SCANNED_MAX)
		*next = q.sort == CATALOGUE_NEWEST ? (json_int_t)o.last_id
						   : index_next_offset(q.offset + o.looked_at);
	return list;
}

struct ranked {
	uint64_t id;
	uint32_t peers;
};

struct ranking {
	struct index_server *s;
	const struct list_ask *a;
	struct ranked *all;
	size_t n;
	uint32_t looked_at;
};

static int rank(void *user, const struct catalogue_swarms *row)
{
	struct ranking *r = user;
	uint32_t peers = peers_of(r->s, row);

	r->looked_at++;
	if (has_hash(r->a, row->has_v2, row->hash_v2) && (peers > 0 || !r->a->online))
		r->all[r->n++] = (struct ranked){row->id, peers};
	return 0;
}

static int by_peers(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->peers != y->peers)
		return x->peers > y->peers ? -1 : 1;
	return x->id > y->id ? -1 : x->id < y->id;
}

/* The tracker's counts are not in the catalogue: INDEX_SCANNED_MAX entries are looked at and put in
 * order, first the newest ones, behind them those that are older, and so on, so that a list that is
 * followed has all. Offsets count from where those that are looked at begin. */
static json_t *ranked_page(struct index_server *s, const struct list_ask *a, json_int_t *next,
			   struct err_info *why)
{
	struct ranking r = {.s = s, .a = a, .all = malloc(INDEX_SCANNED_MAX * sizeof(*r.all))};
	struct catalogue_query q = a->query;
	json_t *list = json_array();
	size_t i = a->query.offset % INDEX_SCANNED_MAX;

	q.limit = INDEX_SCANNED_MAX;
	q.offset = a->query.offset - (uint32_t)i;
	if (r.all == NULL)
		err_set(why, ERR_NOMEM, "out of memory");
	else
		(void)catalogue_db_scan(s->db, &q, rank, &r, why);
	if (r.n > 0)
		qsort(r.all, r.n, sizeof(*r.all), by_peers);
	for (; i < r.n && json_array_size(list) < a->query.limit; i++) {
		if (!add_id(s, list, r.all[i].id, why))
			break;
	}
	if (i < r.n)
		*next = index_next_offset(q.offset + i);
	else if (r.looked_at == INDEX_SCANNED_MAX)
		*next = index_next_offset(q.offset + INDEX_SCANNED_MAX);
	free(r.all);
	return list;
}

static void list(struct index_server *s, struct list_ask *a, struct http_reply *reply)
{
	struct err_info why = {0};
	json_int_t next = 0;
	json_t *rows;

	if (a->by_holders)
		rows = ranked_page(s, a, &next, &why);
	else
		rows = a->online ? online_page(s, a, &next, &why) : plain_page(s, a, &next, &why);
	if (why.code != OK) {
		json_decref(rows);
		index_reply_fault(s, reply, &why);
		return;
	}
	api_reply_json(reply, 200,
		       json_pack("{s:o, s:o}", "entries", rows, "next",
				 next == 0 ? json_null() : json_integer(next)));
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

	if (!index_reply_method(r, reply, "GET") || !index_query_is_sane(r, reply))
		return;
	buf_init(&name, PARAM_MAX);
	found = take_text(r, "name", &name, reply);
	if (found == 0)
		bad(reply, "name");
	if (found > 0) {
		if (catalogue_db_near(s->db, (const char *)name.ptr, s->rows, INDEX_NEAR_MAX, &n,
				      &why) < 0)
			index_reply_fault(s, reply, &why);
		else
			api_reply_json(reply, 200,
				       json_pack("{s:o}", "entries", rows_json(s, NULL, n, &why)));
	}
	buf_fini(&name);
}
