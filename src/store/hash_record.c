#include "store/hash_record.h"

#include <stdlib.h>

#include "base/grow.h"
#include "base/seal.h"
#include "store/stamp.h"

static const char magic[8] = {'S', 'H', 'O', 'A', 'L', 'H', 'S', 'H'};

#define VERSION 1u
/* magic, version, piece length, kind, number of files */
#define HEAD_BYTES (8u + 4 + 4 + 4 + 4)
/* of a file: length of its path, flags, size, inode, two times, two hashes */
#define ENTRY_BYTES (4u + 4 + 8 + 8 + 8 + 8 + SHA256_LEN + SHA256_LEN)

enum { KIND_V1 = 1, KIND_V2 = 2 };
enum { ENTRY_PADDED = 1 };

static void entry_fini(struct hash_entry *e)
{
	free(e->path);
	free(e->layer);
	free(e->pieces_v1);
}

void hash_record_fini(struct hash_record *r)
{
	for (size_t i = 0; i < r->n; i++)
		entry_fini(&r->list[i]);
	free(r->list);
	*r = (struct hash_record){.list = NULL};
}

void hash_record_begin(struct hash_record *r, uint32_t piece_length, bool v1, bool v2)
{
	hash_record_fini(r);
	r->piece_length = piece_length;
	r->v1 = v1;
	r->v2 = v2;
}

static uint64_t pieces_of(const struct hash_record *r, uint64_t length)
{
	return length / r->piece_length + (length % r->piece_length != 0);
}

uint32_t hash_entry_pieces(const struct hash_record *r, const struct hash_entry *e)
{
	return (uint32_t)pieces_of(r, e->length);
}

static size_t layer_bytes(const struct hash_record *r, const struct hash_entry *e)
{
	return r->v2 && e->length > r->piece_length ? (size_t)pieces_of(r, e->length) * SHA256_LEN
						    : 0;
}

static size_t v1_bytes(const struct hash_record *r, const struct hash_entry *e)
{
	return r->v1 ? (size_t)pieces_of(r, e->length) * SHA1_LEN : 0;
}

/* ---- adding and finding ------------------------------------------------------------- */

static bool copy_bytes(uint8_t **out, struct bytes from)
{
	*out = NULL;
	if (from.len == 0)
		return true;
	*out = malloc(from.len);
	if (*out != NULL)
		memcpy(*out, from.ptr, from.len);
	return *out != NULL;
}

/* The end of the list, with room for one. */
static struct hash_entry *place(struct hash_record *r)
{
	struct hash_entry *grown = grow(r->list, r->n, &r->cap, 16, sizeof(*grown));

	if (grown == NULL)
		return NULL;
	r->list = grown;
	return &r->list[r->n];
}

int hash_record_add(struct hash_record *r, const struct hash_entry *e, const struct stat *st,
		    int64_t now_s)
{
	struct hash_entry *to;

	if (st->st_mtim.tv_sec > now_s - HASH_RECORD_RACE_S ||
	    st->st_ctim.tv_sec > now_s - HASH_RECORD_RACE_S || (uint64_t)st->st_size != e->length)
		return OK;
	to = place(r);
	if (to == NULL)
		return ERR_NOMEM;
	*to = *e;
	to->ino = st->st_ino;
	to->mtime_ns = stamp_ns(&st->st_mtim);
	to->ctime_ns = stamp_ns(&st->st_ctim);
	to->path = strdup(e->path);
	to->layer = to->pieces_v1 = NULL;
	if (to->path == NULL || !copy_bytes(&to->layer, bytes_of(e->layer, layer_bytes(r, e))) ||
	    !copy_bytes(&to->pieces_v1, bytes_of(e->pieces_v1, v1_bytes(r, e)))) {
		entry_fini(to);
		return ERR_NOMEM;
	}
	r->n++;
	return OK;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct hash_entry *)a)->path, ((const struct hash_entry *)b)->path);
}

void hash_record_sort(struct hash_record *r)
{
	if (r->n > 1)
		qsort(r->list, r->n, sizeof(*r->list), by_path);
}

static const struct hash_entry *by_name(const struct hash_record *r, const char *path)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(r->list[mid].path, path);

		if (order == 0)
			return &r->list[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct hash_entry *hash_record_find(const struct hash_record *r, const char *path,
					  const struct stat *st)
{
	const struct hash_entry *e = by_name(r, path);

	if (e == NULL || (uint64_t)st->st_size != e->length || st->st_ino != e->ino ||
	    stamp_ns(&st->st_mtim) != e->mtime_ns || stamp_ns(&st->st_ctim) != e->ctime_ns)
		return NULL;
	return e;
}

/* ---- as bytes ------------------------------------------------------------------------- */

static void put_entry(const struct hash_record *r, const struct hash_entry *e, struct buf *out)
{
	size_t len = strlen(e->path);

	buf_put_be32(out, (uint32_t)len);
	buf_put_be32(out, e->padded ? ENTRY_PADDED : 0);
	buf_put_be64(out, e->length);
	buf_put_be64(out, e->ino);
	buf_put_be64(out, (uint64_t)e->mtime_ns);
	buf_put_be64(out, (uint64_t)e->ctime_ns);
	buf_put(out, bytes_of(e->root, SHA256_LEN));
	buf_put(out, bytes_of(e->sha256, SHA256_LEN));
	buf_put(out, bytes_of(e->path, len));
	buf_put(out, bytes_of(e->layer, layer_bytes(r, e)));
	buf_put(out, bytes_of(e->pieces_v1, v1_bytes(r, e)));
}

int hash_record_encode(const struct hash_record *r, struct buf *out)
{
	size_t start = out->len;

	buf_put(out, bytes_of(magic, sizeof(magic)));
	buf_put_be32(out, VERSION);
	buf_put_be32(out, r->piece_length);
	buf_put_be32(out, (r->v1 ? KIND_V1 : 0) | (r->v2 ? KIND_V2 : 0));
	buf_put_be32(out, (uint32_t)r->n);
	for (size_t i = 0; i < r->n; i++)
		put_entry(r, &r->list[i], out);
	return seal_put(out, start);
}

static int read_entry(struct bytes *in, struct hash_record *r)
{
	struct bytes head, path, layer, v1;
	struct hash_entry e = {.path = NULL}, *to;

	if (!bytes_take(in, ENTRY_BYTES, &head))
		return ERR_PROTO;
	e.padded = (be32(head.ptr + 4) & ENTRY_PADDED) != 0;
	e.length = be64(head.ptr + 8);
	e.ino = be64(head.ptr + 16);
	e.mtime_ns = (int64_t)be64(head.ptr + 24);
	e.ctime_ns = (int64_t)be64(head.ptr + 32);
	memcpy(e.root, head.ptr + 40, SHA256_LEN);
	memcpy(e.sha256, head.ptr + 40 + SHA256_LEN, SHA256_LEN);
	/* More pieces than bytes are left would be nonsense, and might not fit a size. */
	if (!bytes_take(in, be32(head.ptr), &path) || e.length / r->piece_length > in->len)
		return ERR_PROTO;
	if (!bytes_take(in, layer_bytes(r, &e), &layer) || !bytes_take(in, v1_bytes(r, &e), &v1))
		return ERR_PROTO;
	to = place(r);
	if (to == NULL)
		return ERR_NOMEM;
	*to = e;
	to->path = strndup((const char *)path.ptr, path.len);
	if (to->path == NULL || !copy_bytes(&to->layer, layer) || !copy_bytes(&to->pieces_v1, v1)) {
		entry_fini(to);
		return ERR_NOMEM;
	}
	r->n++;
	return OK;
}

static bool read_head(struct bytes *in, struct hash_record *r, uint32_t *n)
{
	struct bytes head;

	if (!bytes_take(in, HEAD_BYTES, &head) || memcmp(head.ptr, magic, sizeof(magic)) != 0 ||
	    be32(head.ptr + 8) != VERSION)
		return false;
	r->piece_length = be32(head.ptr + 12);
	r->v1 = (be32(head.ptr + 16) & KIND_V1) != 0;
	r->v2 = (be32(head.ptr + 16) & KIND_V2) != 0;
	*n = be32(head.ptr + 20);
	return r->piece_length > 0;
}

int hash_record_decode(struct bytes in, struct hash_record *r)
{
	uint32_t n = 0;
	int err = OK;

	*r = (struct hash_record){.list = NULL};
	if (!seal_take(&in) || !read_head(&in, r, &n))
		err = ERR_PROTO;
	for (uint32_t i = 0; i < n && err == OK; i++)
		err = read_entry(&in, r);
	if (err == OK && in.len != 0)
		err = ERR_PROTO;
	if (err != OK)
		hash_record_fini(r);
	else
		hash_record_sort(r);
	return err;
}
