#include "store/verified.h"

#include <stdlib.h>

#include "base/seal.h"
#include "meta/metainfo.h"

static const char magic[8] = {'S', 'H', 'O', 'A', 'L', 'V', 'E', 'R'};

/* magic, version, files, pieces */
#define HEAD_BYTES (8u + 4 + 4 + 4)

static_assert(HEAD_BYTES + 8ull * META_FILES_MAX + META_PIECES_MAX / 8 + 1 + SEAL_BYTES <=
		  VERIFIED_BYTES_MAX,
	      "the largest torrent fits");

int verified_init(struct verified *v, uint32_t n_files, uint32_t n_pieces)
{
	*v = (struct verified){.n_files = n_files};
	v->mtimes_ns = malloc(((size_t)n_files + 1) * sizeof(*v->mtimes_ns));
	if (v->mtimes_ns == NULL || bitfield_init(&v->have, n_pieces) != OK) {
		verified_fini(v);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < n_files; i++)
		v->mtimes_ns[i] = VERIFIED_NEVER;
	return OK;
}

void verified_fini(struct verified *v)
{
	free(v->mtimes_ns);
	bitfield_fini(&v->have);
	*v = (struct verified){.n_files = 0};
}

int verified_encode(const struct verified *v, struct buf *out)
{
	size_t start = out->len;

	buf_put(out, bytes_of(magic, sizeof(magic)));
	buf_put_be32(out, VERIFIED_VERSION);
	buf_put_be32(out, v->n_files);
	buf_put_be32(out, v->have.n);
	for (uint32_t i = 0; i < v->n_files; i++)
		buf_put_be64(out, (uint64_t)v->mtimes_ns[i]);
	buf_put(out, bytes_of(v->have.bits, bitfield_bytes(v->have.n)));
	return seal_put(out, start);
}

int verified_decode(struct bytes in, struct verified *v)
{
	uint32_t files, pieces;
	size_t times;
	int err;

	if (!seal_take(&in) || in.len < HEAD_BYTES || memcmp(in.ptr, magic, sizeof(magic)) != 0 ||
	    be32(in.ptr + 8) != VERIFIED_VERSION)
		return ERR_PROTO;
	files = be32(in.ptr + 12);
	pieces = be32(in.ptr + 16);
	times = (size_t)files * 8;
	if (files > META_FILES_MAX || pieces > META_PIECES_MAX ||
	    in.len != HEAD_BYTES + times + bitfield_bytes(pieces))
		return ERR_PROTO;
	err = verified_init(v, files, pieces);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < files; i++)
		v->mtimes_ns[i] = (int64_t)be64(in.ptr + HEAD_BYTES + (size_t)i * 8);
	err = bitfield_load(&v->have, bytes_sub(in, HEAD_BYTES + times, bitfield_bytes(pieces)));
	if (err != OK)
		verified_fini(v);
	return err;
}
