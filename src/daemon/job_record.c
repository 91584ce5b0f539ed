#include "daemon/job_record.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/seal.h"
#include "meta/selection.h"

#define MAGIC "SHOALJOB"
#define TOTALS_MAGIC "SHOALSUM"
#define MAGIC_LEN 8u
#define HEAD (MAGIC_LEN + 4u)
#define TOTAL_BYTES (4u + 3u * 8u)

/* Never renumber: they are on disks. */
enum tag {
	TAG_ID = 1,
	TAG_FLAGS = 2,
	TAG_HASH_V1 = 3,
	TAG_HASH_V2 = 4,
	TAG_STAMP = 5,
	TAG_REPLACES = 6,
	TAG_PRIORITY = 7,
	TAG_DOWN = 8,
	TAG_UP = 9,
	TAG_TOTAL = 10,
	TAG_ADDED = 11,
	TAG_COMPLETED = 12,
	TAG_PATH = 13,
	TAG_TITLE = 14,
	TAG_NAME = 15,
	TAG_TRACKER = 16,
	TAG_INDEX = 19,
	TAG_PIN = 20,
	TAG_TOKEN = 21,
	TAG_WEBSEED = 22,
	TAG_NEAREST = 23,
	TAG_ORDER = 24,
	TAG_FILES = 25,
	TAG_WANTED_FILES = 26,
	TAG_WANTED_BYTES = 27,
	TAG_WANTED = 28, /* a byte each */
	TAG_MAGNET = 29,
	TAG_ONLY = 30,
	TAG_OWNER = 31,
	TAG_ENTRY = 32,
	TAG_VERSION = 33,
	TAG_FOLLOW = 34,
	TAG_WATCH = 35,
	TAG_RULE = 36, /* a line of them each */
	TAG_SEED_RATIO = 37,
	TAG_SEED_TIME = 38,
	TAG_ITEM = 40,
	TAG_ALSO = 41,
};

enum {
	FLAG_SEED = 1,
	FLAG_COMPLETE = 2,
	FLAG_PAUSED = 4,
	FLAG_NO_SEED = 8,
	FLAG_PREALLOCATE = 16,
	FLAG_ERASE = 32,
	FLAG_INTO = 64,
};

/* ---- lists ---------------------------------------------------------------- */

size_t job_list_len(char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

void job_list_free(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

/* Takes `text`. */
static int list_add(char ***list, char *text)
{
	size_t n = job_list_len(*list);
	char **grown = text == NULL ? NULL : realloc(*list, (n + 2) * sizeof(*grown));

	if (grown == NULL) {
		free(text);
		return ERR_NOMEM;
	}
	grown[n] = text;
	grown[n + 1] = NULL;
	*list = grown;
	return OK;
}

int job_list_add(char ***list, const char *text)
{
	return list_add(list, strdup(text));
}

int job_list_copy(const char *const *list, size_t max, char ***out)
{
	int err = OK;

	*out = NULL;
	for (size_t i = 0; list != NULL && list[i] != NULL && err == OK; i++)
		err = i == max ? ERR_TOO_BIG : job_list_add(out, list[i]);
	if (err != OK) {
		job_list_free(*out);
		*out = NULL;
	}
	return err;
}

/* ---- writing ----------------------------------------------------------------- */

static void put_field(struct buf *b, enum tag tag, struct bytes value)
{
	buf_put_be16(b, (uint16_t)tag);
	buf_put_be32(b, (uint32_t)value.len);
	buf_put(b, value);
}

static void put_u64(struct buf *b, enum tag tag, uint64_t v)
{
	uint8_t raw[8];

	put_be64(raw, v);
	put_field(b, tag, bytes_of(raw, sizeof(raw)));
}

static void put_text(struct buf *b, enum tag tag, const char *text)
{
	if (text != NULL)
		put_field(b, tag, bytes_str(text));
}

static void put_list(struct buf *b, enum tag tag, char *const *list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		put_text(b, tag, list[i]);
}

static uint64_t flags_of(const struct job_record *r)
{
	return (r->seed ? FLAG_SEED : 0u) | (r->complete ? FLAG_COMPLETE : 0u) |
	       (r->paused ? FLAG_PAUSED : 0u) | (r->no_seed ? FLAG_NO_SEED : 0u) |
	       (r->preallocate ? FLAG_PREALLOCATE : 0u) | (r->erase ? FLAG_ERASE : 0u) |
	       (r->into ? FLAG_INTO : 0u);
}

int job_record_encode(const struct job_record *r, struct buf *out)
{
	buf_put_str(out, MAGIC);
	buf_put_be32(out, JOB_RECORD_VERSION);
	put_u64(out, TAG_ID, r->id);
	put_u64(out, TAG_FLAGS, flags_of(r));
	if (r->has_v1)
		put_field(out, TAG_HASH_V1, bytes_of(r->hash_v1, SHA1_LEN));
	if (r->has_v2)
		put_field(out, TAG_HASH_V2, bytes_of(r->hash_v2, SHA256_LEN));
	if (r->has_stamp)
		put_field(out, TAG_STAMP, bytes_of(r->stamp.sum, SHA256_LEN));
	if (r->has_replaces)
		put_field(out, TAG_REPLACES, bytes_of(r->replaces.sum, SHA256_LEN));
	put_u64(out, TAG_PRIORITY, (uint64_t)(int64_t)r->priority);
	put_u64(out, TAG_DOWN, r->down_bps);
	put_u64(out, TAG_UP, r->up_bps);
	put_u64(out, TAG_TOTAL, r->total_bytes);
	put_u64(out, TAG_ADDED, (uint64_t)r->added_at);
	put_u64(out, TAG_COMPLETED, (uint64_t)r->completed_at);
	put_text(out, TAG_PATH, r->path);
	put_text(out, TAG_TITLE, r->title);
	put_text(out, TAG_NAME, r->name);
	put_list(out, TAG_ALSO, r->also);
	put_text(out, TAG_INDEX, r->index);
	put_text(out, TAG_PIN, r->pin);
	put_text(out, TAG_TOKEN, r->token);
	put_u64(out, TAG_NEAREST, r->webseeds_nearest);
	if (r->item != NULL)
		put_field(out, TAG_ITEM, bytes_of(r->item, r->item_len));
	put_list(out, TAG_TRACKER, r->trackers);
	put_list(out, TAG_WEBSEED, r->webseeds);
	put_u64(out, TAG_ORDER, r->order);
	put_u64(out, TAG_FILES, r->files);
	put_u64(out, TAG_WANTED_FILES, r->wanted_files);
	put_u64(out, TAG_WANTED_BYTES, r->wanted_bytes);
	if (r->wanted != NULL)
		put_field(out, TAG_WANTED, bytes_of(r->wanted, r->n_wanted));
	put_text(out, TAG_MAGNET, r->magnet);
	put_list(out, TAG_ONLY, r->only);
	put_text(out, TAG_OWNER, r->owner);
	put_text(out, TAG_ENTRY, r->entry);
	put_u64(out, TAG_VERSION, r->version);
	put_text(out, TAG_FOLLOW, r->follow);
	put_text(out, TAG_WATCH, r->watch);
	put_list(out, TAG_RULE, r->rules);
	put_u64(out, TAG_SEED_RATIO, r->seed_limit.ratio_milli);
	put_u64(out, TAG_SEED_TIME, r->seed_limit.time_s);
	return seal_put(out, 0);
}

/* ---- reading -------------------------------------------------------------------- */

/* The part between the head and the seal. */
static int open_sealed(struct bytes in, const char *magic, struct bytes *body)
{
	if (!seal_take(&in) || in.len < HEAD || memcmp(in.ptr, magic, MAGIC_LEN) != 0 ||
	    be32(in.ptr + MAGIC_LEN) != JOB_RECORD_VERSION)
		return ERR_PROTO;
	*body = bytes_sub(in, HEAD, in.len - HEAD);
	return OK;
}

/* Strings are C's: a NUL would cut them. */
static int take_text(struct bytes v, char **out)
{
	if (memchr(v.ptr, '\0', v.len) != NULL)
		return ERR_PROTO;
	free(*out);
	*out = strndup((const char *)v.ptr, v.len);
	return *out == NULL ? ERR_NOMEM : OK;
}

static int take_line(struct bytes v, char ***list)
{
	char *text = NULL;
	int err = take_text(v, &text);

	return err == OK ? list_add(list, text) : err;
}

static int take_raw(struct bytes v, void *out, size_t len, bool *has)
{
	if (v.len != len)
		return ERR_PROTO;
	memcpy(out, v.ptr, len);
	*has = true;
	return OK;
}

int job_record_set_item(struct job_record *r, struct bytes item)
{
	uint8_t *copy = item.len == 0 ? NULL : malloc(item.len);

	if (item.len > 0 && copy == NULL)
		return ERR_NOMEM;
	if (copy != NULL)
		memcpy(copy, item.ptr, item.len);
	free(r->item);
	r->item = copy;
	r->item_len = item.len;
	return OK;
}

static void take_flags(struct job_record *r, uint64_t flags)
{
	r->seed = (flags & FLAG_SEED) != 0;
	r->complete = (flags & FLAG_COMPLETE) != 0;
	r->paused = (flags & FLAG_PAUSED) != 0;
	r->no_seed = (flags & FLAG_NO_SEED) != 0;
	r->preallocate = (flags & FLAG_PREALLOCATE) != 0;
	r->erase = (flags & FLAG_ERASE) != 0;
	r->into = (flags & FLAG_INTO) != 0;
}

static int take_wanted(struct bytes v, struct job_record *r)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] > WANT_HIGH)
			return ERR_PROTO;
	free(r->wanted);
	r->n_wanted = (uint32_t)v.len;
	r->wanted = malloc(v.len + 1);
	if (r->wanted == NULL)
		return ERR_NOMEM;
	memcpy(r->wanted, v.ptr, v.len);
	return OK;
}

static int take_u32(uint64_t n, uint64_t max, uint32_t *out)
{
	if (n > max)
		return ERR_PROTO;
	*out = (uint32_t)n;
	return OK;
}

static int take_number(struct job_record *r, unsigned tag, uint64_t n)
{
	switch (tag) {
	case TAG_ID:
		return n == 0 ? ERR_PROTO : take_u32(n, UINT32_MAX, &r->id);
	case TAG_FLAGS:
		take_flags(r, n);
		break;
	case TAG_PRIORITY:
		if ((int64_t)n < INT32_MIN || (int64_t)n > INT32_MAX)
			return ERR_PROTO;
		r->priority = (int32_t)(int64_t)n;
		break;
	case TAG_NEAREST:
		return take_u32(n, ADDR_LOOPBACK, &r->webseeds_nearest);
	case TAG_ORDER:
		return take_u32(n, UINT32_MAX, &r->order);
	case TAG_FILES:
		return take_u32(n, META_FILES_MAX, &r->files);
	case TAG_WANTED_FILES:
		return take_u32(n, META_FILES_MAX, &r->wanted_files);
	case TAG_VERSION:
		return take_u32(n, UINT32_MAX, &r->version);
	case TAG_SEED_RATIO:
		return take_u32(n, SEED_RATIO_MAX * 1000u, &r->seed_limit.ratio_milli);
	case TAG_SEED_TIME:
		return take_u32(n, UINT32_MAX, &r->seed_limit.time_s);
	case TAG_WANTED_BYTES:
		r->wanted_bytes = n;
		break;
	case TAG_DOWN:
		r->down_bps = n;
		break;
	case TAG_UP:
		r->up_bps = n;
		break;
	case TAG_TOTAL:
		r->total_bytes = n;
		break;
	case TAG_ADDED:
		r->added_at = (int64_t)n;
		break;
	case TAG_COMPLETED:
		r->completed_at = (int64_t)n;
		break;
	}
	return OK;
}

static int take_field(struct job_record *r, unsigned tag, struct bytes v)
{
	switch (tag) {
	case TAG_ID:
	case TAG_FLAGS:
	case TAG_PRIORITY:
	case TAG_NEAREST:
	case TAG_DOWN:
	case TAG_UP:
	case TAG_TOTAL:
	case TAG_ADDED:
	case TAG_COMPLETED:
	case TAG_ORDER:
	case TAG_FILES:
	case TAG_WANTED_FILES:
	case TAG_WANTED_BYTES:
	case TAG_VERSION:
	case TAG_SEED_RATIO:
	case TAG_SEED_TIME:
		return v.len == 8 ? take_number(r, tag, be64(v.ptr)) : ERR_PROTO;
	case TAG_HASH_V1:
		return take_raw(v, r->hash_v1, SHA1_LEN, &r->has_v1);
	case TAG_HASH_V2:
		return take_raw(v, r->hash_v2, SHA256_LEN, &r->has_v2);
	case TAG_STAMP:
		return take_raw(v, r->stamp.sum, SHA256_LEN, &r->has_stamp);
	case TAG_REPLACES:
		return take_raw(v, r->replaces.sum, SHA256_LEN, &r->has_replaces);
	case TAG_PATH:
		return take_text(v, &r->path);
	case TAG_TITLE:
		return take_text(v, &r->title);
	case TAG_NAME:
		return take_text(v, &r->name);
	case TAG_ALSO:
		return take_line(v, &r->also);
	case TAG_INDEX:
		return take_text(v, &r->index);
	case TAG_PIN:
		return take_text(v, &r->pin);
	case TAG_TOKEN:
		return take_text(v, &r->token);
	case TAG_ITEM:
		return job_record_set_item(r, v);
	case TAG_TRACKER:
		return take_line(v, &r->trackers);
	case TAG_WEBSEED:
		return take_line(v, &r->webseeds);
	case TAG_WANTED:
		return take_wanted(v, r);
	case TAG_MAGNET:
		return take_text(v, &r->magnet);
	case TAG_ONLY:
		return take_line(v, &r->only);
	case TAG_OWNER:
		return take_text(v, &r->owner);
	case TAG_ENTRY:
		return take_text(v, &r->entry);
	case TAG_FOLLOW:
		return take_text(v, &r->follow);
	case TAG_WATCH:
		return take_text(v, &r->watch);
	case TAG_RULE:
		return take_line(v, &r->rules);
	}
	return OK;
}

int job_record_decode(struct bytes in, struct job_record *r)
{
	struct bytes at;
	int err;

	*r = (struct job_record){.id = 0};
	err = open_sealed(in, MAGIC, &at);
	while (err == OK && at.len > 0) {
		uint32_t len;

		if (at.len < 6)
			return ERR_PROTO;
		len = be32(at.ptr + 2);
		if (at.len - 6 < len)
			return ERR_PROTO;
		err = take_field(r, be16(at.ptr), bytes_sub(at, 6, len));
		at = bytes_sub(at, 6 + len, at.len - 6 - len);
	}
	if (err == OK && (r->id == 0 || r->path == NULL || r->path[0] != '/' || r->title == NULL ||
			  r->name == NULL || (!r->has_v1 && !r->has_v2) ||
			  (r->owner == NULL) != (r->entry == NULL)))
		err = ERR_PROTO;
	return err;
}

void job_record_fini(struct job_record *r)
{
	free(r->path);
	free(r->title);
	free(r->name);
	free(r->index);
	free(r->pin);
	free(r->token);
	free(r->item);
	job_list_free(r->also);
	job_list_free(r->trackers);
	job_list_free(r->webseeds);
	job_list_free(r->only);
	job_list_free(r->rules);
	free(r->wanted);
	free(r->magnet);
	free(r->owner);
	free(r->entry);
	free(r->follow);
	free(r->watch);
	*r = (struct job_record){.id = 0};
}

/* ---- totals ------------------------------------------------------------------------ */

int job_totals_encode(const struct job_total *list, size_t n, struct buf *out)
{
	buf_put_str(out, TOTALS_MAGIC);
	buf_put_be32(out, JOB_RECORD_VERSION);
	buf_put_be32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_put_be32(out, list[i].id);
		buf_put_be64(out, list[i].down);
		buf_put_be64(out, list[i].up);
		buf_put_be64(out, list[i].done);
	}
	return seal_put(out, 0);
}

int job_totals_decode(struct bytes in, struct job_total **out, size_t *n)
{
	struct bytes at;
	int err = open_sealed(in, TOTALS_MAGIC, &at);

	if (err != OK)
		return err;
	if (at.len < 4 || (at.len - 4) % TOTAL_BYTES != 0 ||
	    be32(at.ptr) != (at.len - 4) / TOTAL_BYTES)
		return ERR_PROTO;
	*n = be32(at.ptr);
	*out = calloc(*n + 1, sizeof(**out));
	if (*out == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < *n; i++) {
		const uint8_t *p = at.ptr + 4 + i * TOTAL_BYTES;

		(*out)[i] = (struct job_total){be32(p), be64(p + 4), be64(p + 12), be64(p + 20)};
	}
	return OK;
}
