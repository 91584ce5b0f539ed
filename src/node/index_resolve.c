/* node/index_resolve.c - what a name stands for.
 *
 * An owner's newest version stands for the owner. When these are all one content, any will do, and
 * the newest entry is taken. When they differ nobody but the user can know which one is meant,
 * unless the newest was asked for. */
#include "node/index_client_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "node/base64.h"
#include "node/entry_json.h"
#include "node/reach.h"
#include "node/session_line.h"

#define RESOLVE_ROWS 500u
#define LISTED_MAX 8u
#define NEAR_MAX 5u
/* Enough to begin with until we are in the swarm. */
#define FIRST_PEERS 10u

struct candidate {
	struct entry entry;
	json_t *json; /* borrowed from the reply */
};

struct candidates {
	struct candidate *list;
	size_t n;
	json_t *reply;
};

static void candidates_fini(struct candidates *c)
{
	free(c->list);
	json_decref(c->reply);
	*c = (struct candidates){0};
}

bool index_client_is_signed(const struct entry *e)
{
	struct buf b;
	bool ok;

	buf_init(&b, 4096);
	ok = entry_signed_bytes(e, "publish", &b) == 0 &&
	     sign_check(e->key, buf_bytes(&b), e->signature) == 0;
	buf_fini(&b);
	return ok;
}

static int ask_for(struct index_client *c, struct buf *path, struct candidates *out,
		   struct err_info *info)
{
	const char *text = buf_cstr(path);
	struct err_info why;
	const json_t *rows;
	size_t n;
	int r;

	*out = (struct candidates){0};
	if (text == NULL)
		return err_set(info, ERR_INVALID, "the name is too long");
	r = index_client_get(c, text, &out->reply, info);
	if (r < 0)
		return r;
	rows = json_object_get(out->reply, "entries");
	n = json_array_size(rows);
	out->list = calloc(n + 1, sizeof(*out->list));
	if (out->list == NULL) {
		candidates_fini(out);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	for (size_t i = 0; i < n && i < RESOLVE_ROWS; i++) {
		struct candidate *to = &out->list[i];

		to->json = json_array_get(rows, i);
		if (entry_json_read(to->json, true, &to->entry, &why) < 0) {
			candidates_fini(out);
			return err_set(info, ERR_PROTO, "%s: not an index: %s", c->url, why.text);
		}
		out->n = i + 1;
	}
	return 0;
}

static bool same_content(const struct entry *a, const struct entry *b)
{
	if (a->has_v2 && b->has_v2)
		return memcmp(a->hash_v2, b->hash_v2, SHA256_LEN) == 0;
	return a->has_v1 && b->has_v1 && memcmp(a->hash_v1, b->hash_v1, SHA1_LEN) == 0;
}

/* Newest first, so the first of an owner is the owner's newest version. */
static void keep_newest_of_each_owner(struct candidates *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		size_t j = 0;

		while (j < kept && strcmp(c->list[j].entry.owner, c->list[i].entry.owner) != 0)
			j++;
		if (j == kept)
			c->list[kept++] = c->list[i];
	}
	c->n = kept;
}

static bool all_same(const struct candidates *c)
{
	for (size_t i = 1; i < c->n; i++) {
		if (!same_content(&c->list[0].entry, &c->list[i].entry))
			return false;
	}
	return true;
}

/* ---- sentences ---- */

static void put_ref(struct buf *b, const struct entry *e, bool version)
{
	text_put_escaped(b, bytes_str(e->owner));
	buf_put_u8(b, '/');
	text_put_escaped(b, bytes_str(e->name));
	if (version)
		buf_printf(b, "@%u", e->version);
}

static void put_row(struct buf *b, const struct entry *e)
{
	time_t at = (time_t)e->published_at;
	char size[32], date[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	buf_put_str(b, "\n  ");
	put_ref(b, e, true);
	buf_printf(b, "  %s  %s", text_size(size, sizeof(size), e->bytes), date);
}

static int finish_sentence(struct buf *b, enum err code, struct err_info *info)
{
	const char *text = buf_cstr(b);
	int r = err_set(info, code, "%s", text != NULL ? text : err_text(code));

	buf_fini(b);
	return r;
}

static int several(const char *ref, const struct candidates *c, struct err_info *info)
{
	struct buf b;
	size_t shown = 0;

	buf_init(&b, 16384);
	text_put_escaped(&b, bytes_str(ref));
	buf_put_str(&b, ": several contents have this name; choose one, or take the newest with "
			"--latest:");
	/* Whole rows only, with room left for the last line. */
	while (shown < c->n && shown < LISTED_MAX && b.len < ERR_TEXT_MAX - 40) {
		size_t before = b.len;

		put_row(&b, &c->list[shown].entry);
		if (b.len >= ERR_TEXT_MAX - 24) {
			b.len = before;
			break;
		}
		shown++;
	}
	if (shown < c->n)
		buf_printf(&b, "\n  and %zu more", c->n - shown);
	return finish_sentence(&b, ERR_AMBIGUOUS, info);
}

static int nothing(struct index_client *c, const char *ref, const char *name, struct err_info *info)
{
	struct candidates near = {0};
	struct buf path, b;

	buf_init(&path, 4096);
	buf_init(&b, 16384);
	text_put_escaped(&b, bytes_str(ref));
	buf_put_str(&b, ": no such entry");
	if (name != NULL) {
		buf_put_str(&path, "/api/v1/near");
		index_client_put_param(&path, "name", name);
		if (ask_for(c, &path, &near, NULL) < 0)
			near.n = 0;
	}
	for (size_t i = 0; i < near.n && i < NEAR_MAX; i++) {
		buf_put_str(&b, i == 0 ? "; did you mean " : ", ");
		put_ref(&b, &near.list[i].entry, false);
	}
	if (near.n > 0)
		buf_put_u8(&b, '?');
	candidates_fini(&near);
	buf_fini(&path);
	return finish_sentence(&b, ERR_NOENT, info);
}

/* There is the name, but not that version of it. */
static int no_version(const char *ref, const struct entry *newest, struct err_info *info)
{
	struct buf b;

	buf_init(&b, 16384);
	text_put_escaped(&b, bytes_str(ref));
	buf_put_str(&b, ": no such version; the newest of ");
	put_ref(&b, newest, false);
	buf_printf(&b, " is %u", newest->version);
	return finish_sentence(&b, ERR_NOENT, info);
}

/* ---- the way from text to entry ---- */

static bool is_hash(const char *ref)
{
	size_t n = strlen(ref);
	uint8_t hash[SHA256_LEN];

	return (n == 2 * SHA1_LEN || n == 2 * SHA256_LEN) &&
	       text_unhex(bytes_of(ref, n), hash, n / 2) == 0;
}

static int choose(struct index_client *c, const char *ref, const char *name, bool latest,
		  struct candidates *found, json_t **out, struct err_info *info)
{
	keep_newest_of_each_owner(found);
	if (found->n == 0)
		return nothing(c, ref, name, info);
	if (!latest && !all_same(found))
		return several(ref, found, info);
	if (!index_client_is_signed(&found->list[0].entry))
		return err_set(info, ERR_PROTO,
			       "%s: the index shows an entry its owner did not sign", c->url);
	*out = json_incref(found->list[0].json);
	return 0;
}

size_t index_client_first_peers(const struct index_client *c, const json_t *j, struct addr *out,
				size_t cap, size_t *complete)
{
	enum addr_scope nearest = reach_of_index(index_client_scope(c));

	return session_line_peers(j, nearest, out, cap, complete);
}

bool index_client_told_torrent(const json_t *j, struct buf *out)
{
	const char *text = json_string_value(json_object_get(j, "torrent_base64"));

	return text != NULL && base64_take(bytes_str(text), out) == OK;
}

/* Who fetches it is told of all that it takes in one answer. */
static void begin_path(struct buf *path, bool to_fetch)
{
	buf_init(path, 4096);
	buf_printf(path, "/api/v1/entries?limit=%u", RESOLVE_ROWS);
	if (to_fetch)
		buf_printf(path, "&peers=%u&torrent=1", FIRST_PEERS);
}

static int by_hash(struct index_client *c, const char *ref, bool to_fetch, struct candidates *found,
		   struct err_info *info)
{
	struct buf path;
	int r;

	begin_path(&path, to_fetch);
	index_client_put_param(&path, "hash", ref);
	r = ask_for(c, &path, found, info);
	buf_fini(&path);
	return r;
}

static int by_name(struct index_client *c, const struct entry_ref *ref, bool to_fetch,
		   struct candidates *found, struct err_info *info)
{
	struct buf path;
	int r;

	begin_path(&path, to_fetch);
	index_client_put_param(&path, "name", ref->name);
	if (ref->owner[0] != '\0')
		index_client_put_param(&path, "owner", ref->owner);
	if (ref->version != 0)
		buf_printf(&path, "&version=%u", ref->version);
	else /* older ones of one owner must not crowd out another, nor be sent at all */
		buf_put_str(&path, "&latest=1");
	r = ask_for(c, &path, found, info);
	buf_fini(&path);
	return r;
}

/* Is it the version alone that there is not? */
static int look_for_others(struct index_client *c, const char *ref, struct entry_ref any,
			   struct err_info *info)
{
	struct candidates found = {0};
	int r;

	any.version = 0;
	r = by_name(c, &any, false, &found, info);
	if (r == 0 && found.n > 0)
		r = no_version(ref, &found.list[0].entry, info);
	else if (r == 0)
		r = nothing(c, ref, any.name, info);
	candidates_fini(&found);
	return r;
}

static bool asks_for_latest(const char *ref)
{
	const char *at = strrchr(ref, '@');

	return at != NULL && strcmp(at, "@latest") == 0;
}

static int resolve(struct index_client *c, const char *ref, bool latest, bool to_fetch,
		   json_t **out, struct err_info *info)
{
	struct candidates found = {0};
	struct entry_ref parsed;
	int r;

	if (is_hash(ref)) {
		r = by_hash(c, ref, to_fetch, &found, info);
		if (r < 0)
			return r;
		if (found.n > 0) {
			r = choose(c, ref, NULL, true, &found, out, info);
			candidates_fini(&found);
			return r;
		}
		candidates_fini(&found); /* it may still be a name that looks like one */
	}
	r = entry_ref_parse(bytes_str(ref), &parsed, info);
	if (r < 0)
		return r;
	r = by_name(c, &parsed, to_fetch, &found, info);
	if (r == 0 && found.n == 0 && parsed.version != 0)
		r = look_for_others(c, ref, parsed, info);
	else if (r == 0)
		r = choose(c, ref, parsed.name, latest || asks_for_latest(ref), &found, out, info);
	candidates_fini(&found);
	return r;
}

int index_client_resolve(struct index_client *c, const char *ref, bool latest, json_t **out,
			 struct err_info *info)
{
	return resolve(c, ref, latest, false, out, info);
}

int index_client_resolve_to_fetch(struct index_client *c, const char *ref, bool latest,
				  json_t **out, struct err_info *info)
{
	return resolve(c, ref, latest, true, out, info);
}
