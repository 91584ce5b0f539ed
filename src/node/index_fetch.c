#include "node/index_fetch.h"

#include <stdlib.h>

#include "node/entry_json.h"
#include "node/index_client_impl.h"
#include "node/json_read.h"

/* An entry with its description (attack: an index that never ends). */
#define ENTRY_REPLY_MAX (1u << 20)

struct index_fetch {
	struct index_fetch_params p;
	struct http_client *http;
	struct entry entry;
};

static void end(struct index_fetch *f, const struct err_info *why, struct bytes torrent,
		enum addr_scope from)
{
	f->p.done(f->p.user, why, &f->entry, torrent, from);
	index_fetch_free(f);
}

static void fail(struct index_fetch *f, const struct err_info *why)
{
	end(f, why, bytes_of(NULL, 0), ADDR_PUBLIC);
}

static int ask(struct index_fetch *f, const char *path, size_t max_bytes,
	       void (*done)(void *user, const struct http_answer *reply))
{
	const struct index_client *c = f->p.index;
	const char *headers[] = {c->authorization, NULL};
	struct http_ask a = {
	    .method = "GET", .headers = headers, .max_bytes = max_bytes, .done = done, .user = f};
	struct buf url;
	int err = ERR_NOMEM;

	buf_init(&url, 8192);
	buf_printf(&url, "%s%s", c->url, path);
	a.url = buf_cstr(&url);
	if (a.url != NULL && http_client_send(f->http, &a) != NULL)
		err = OK;
	buf_fini(&url);
	return err;
}

/* ERR_NOENT for 404, and what else is no answer. */
static int check_status(const struct index_fetch *f, const struct http_answer *reply,
			struct err_info *why)
{
	*why = reply->err;
	if (why->code != OK)
		return why->code;
	if (reply->status == 404)
		return err_set(why, ERR_NOENT, "%s: no such entry", f->p.index->url);
	if (reply->status == 401 || reply->status == 403)
		return err_set(why, ERR_DENIED, "%s: answers with status %d", f->p.index->url,
			       reply->status);
	if (reply->status != 200)
		return err_set(why, ERR_UNREACHABLE, "%s: answers with status %d", f->p.index->url,
			       reply->status);
	return OK;
}

bool index_fetch_is_content(const struct entry *e, const struct metainfo *m)
{
	return e->has_v1 == m->v1 && e->has_v2 == m->v2 &&
	       (!m->v1 || memcmp(e->hash_v1, m->hash_v1, SHA1_LEN) == 0) &&
	       (!m->v2 || memcmp(e->hash_v2, m->hash_v2, SHA256_LEN) == 0);
}

static void take_torrent(struct index_fetch *f, struct bytes torrent, const struct addr *from)
{
	struct err_info why = {.code = OK};
	struct metainfo *m = NULL;

	if (meta_parse(torrent, &m) != META_OK)
		err_set(&why, ERR_PROTO, "%s: gives no usable .torrent", f->p.index->url);
	else if (!index_fetch_is_content(&f->entry, m))
		err_set(&why, ERR_MISMATCH, "%s: the index's .torrent is not what the owner signed",
			f->p.index->url);
	meta_free(m);
	end(f, &why, torrent, from->port == 0 ? ADDR_PUBLIC : addr_scope(from));
}

static void on_torrent(void *user, const struct http_answer *reply)
{
	struct index_fetch *f = user;
	struct err_info why;

	if (check_status(f, reply, &why) == OK)
		take_torrent(f, reply->body, &reply->from);
	else
		fail(f, &why);
}

/* The newest comes first. Its .torrent is appended where it is there. */
static int read_entry(struct index_fetch *f, struct bytes body, struct buf *torrent,
		      struct err_info *why)
{
	json_t *j = NULL;
	const json_t *row = NULL;
	int err = json_read_object(body, &j, why);

	if (err == OK) {
		row = json_array_get(json_object_get(j, "entries"), 0);
		if (row == NULL)
			err = err_set(why, ERR_NOENT, "%s: no such entry", f->p.index->url);
		else
			err = entry_json_read(row, true, &f->entry, why);
	}
	if (err == OK && !index_client_is_signed(&f->entry))
		err = err_set(why, ERR_PROTO, "%s: shows an entry its owner did not sign",
			      f->p.index->url);
	if (err == OK && (strcmp(f->entry.owner, f->p.ref.owner) != 0 ||
			  strcmp(f->entry.name, f->p.ref.name) != 0))
		err = err_set(why, ERR_PROTO, "%s: shows another entry than was asked for",
			      f->p.index->url);
	if (err == OK)
		(void)index_client_told_torrent(row, torrent);
	json_decref(j);
	return err;
}

static int ask_for_torrent(struct index_fetch *f, struct err_info *why)
{
	char path[64];

	if (ask(f, index_client_entry_path(path, f->entry.id, "/torrent"), META_BYTES_MAX,
		on_torrent) == OK)
		return OK;
	return err_set(why, ERR_NOMEM, "out of memory");
}

static void on_entry(void *user, const struct http_answer *reply)
{
	struct index_fetch *f = user;
	struct err_info why;
	struct buf torrent;

	buf_init(&torrent, META_BYTES_MAX);
	if (check_status(f, reply, &why) != OK || read_entry(f, reply->body, &torrent, &why) != OK)
		fail(f, &why);
	else if (torrent.len > 0)
		take_torrent(f, buf_bytes(&torrent), &reply->from);
	else if (ask_for_torrent(f, &why) != OK)
		fail(f, &why);
	buf_fini(&torrent);
}

int index_fetch_new(const struct index_fetch_params *p, struct index_fetch **out)
{
	struct index_fetch *f = calloc(1, sizeof(*f));
	struct buf path;
	int err = ERR_NOMEM;

	if (f == NULL)
		return ERR_NOMEM;
	f->p = *p;
	buf_init(&path, 4096);
	buf_put_str(&path, "/api/v1/entries?limit=1&torrent=1");
	index_client_put_param(&path, "name", p->ref.name);
	index_client_put_param(&path, "owner", p->ref.owner);
	if (p->ref.version != 0)
		buf_printf(&path, "&version=%u", p->ref.version);
	if (buf_cstr(&path) != NULL && index_client_http(p->index, p->loop, &f->http) == OK)
		err = ask(f, buf_cstr(&path), ENTRY_REPLY_MAX, on_entry);
	buf_fini(&path);
	if (err != OK) {
		index_fetch_free(f);
		return err;
	}
	*out = f;
	return OK;
}

void index_fetch_free(struct index_fetch *f)
{
	if (f == NULL)
		return;
	http_client_free(f->http);
	free(f);
}
