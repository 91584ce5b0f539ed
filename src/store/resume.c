#include "store/resume.h"

#include "base/seal.h"
#include "meta/metainfo.h"

static const char magic[8] = {'S', 'H', 'O', 'A', 'L', 'R', 'E', 'S'};

#define FLAG_PLACED 1u
#define FLAG_TIMED 2u

/* magic, version, flags, info-hash, pieces */
#define HEAD_BYTES (8u + 4 + 4 + SHA256_LEN + 4)
/* open, files */
#define TIMES_HEAD_BYTES (8u + 4)

void resume_put_time(struct buf *out, const struct timespec *t)
{
	buf_put_be64(out, (uint64_t)(int64_t)t->tv_sec);
	buf_put_be32(out, (uint32_t)t->tv_nsec);
}

struct timespec resume_time(struct bytes times, uint32_t i)
{
	const uint8_t *at = times.ptr + (size_t)i * RESUME_TIME_BYTES;

	return (struct timespec){.tv_sec = (time_t)(int64_t)be64(at),
				 .tv_nsec = (long)be32(at + 8)};
}

static void put_times(const struct resume *r, struct buf *out)
{
	buf_put_be64(out, r->open_s);
	buf_put_be32(out, (uint32_t)(r->times.len / RESUME_TIME_BYTES));
	buf_put(out, r->times);
}

int resume_encode(const struct resume *r, struct buf *out)
{
	size_t start = out->len;

	buf_put(out, bytes_of(magic, sizeof(magic)));
	buf_put_be32(out, RESUME_VERSION);
	buf_put_be32(out, (r->placed ? FLAG_PLACED : 0) | (r->timed ? FLAG_TIMED : 0));
	buf_put(out, bytes_of(r->info_hash, SHA256_LEN));
	buf_put_be32(out, r->have.n);
	buf_put(out, bytes_of(r->have.bits, bitfield_bytes(r->have.n)));
	buf_put_be32(out, (uint32_t)r->torrent.len);
	buf_put(out, r->torrent);
	if (r->timed)
		put_times(r, out);
	return seal_put(out, start);
}

static bool take_times(struct bytes *in, struct resume *r)
{
	struct bytes head;

	if (!bytes_take(in, TIMES_HEAD_BYTES, &head))
		return false;
	r->open_s = be64(head.ptr);
	return be32(head.ptr + 8) <= META_FILES_MAX &&
	       bytes_take(in, (size_t)be32(head.ptr + 8) * RESUME_TIME_BYTES, &r->times);
}

int resume_decode(struct bytes in, struct resume *r)
{
	struct bytes head, bits, len;
	uint32_t pieces, flags;
	int err;

	if (!seal_take(&in) || !bytes_take(&in, HEAD_BYTES, &head))
		return ERR_PROTO;
	flags = be32(head.ptr + 12);
	if (memcmp(head.ptr, magic, sizeof(magic)) != 0 || be32(head.ptr + 8) != RESUME_VERSION ||
	    (flags & ~(FLAG_PLACED | FLAG_TIMED)) != 0)
		return ERR_PROTO;
	*r = (struct resume){.placed = (flags & FLAG_PLACED) != 0,
			     .timed = (flags & FLAG_TIMED) != 0};
	pieces = be32(head.ptr + 16 + SHA256_LEN);
	if (pieces > META_PIECES_MAX || !bytes_take(&in, bitfield_bytes(pieces), &bits) ||
	    !bytes_take(&in, 4, &len) || !bytes_take(&in, be32(len.ptr), &r->torrent) ||
	    (r->timed && !take_times(&in, r)) || in.len != 0)
		return ERR_PROTO;
	memcpy(r->info_hash, head.ptr + 16, SHA256_LEN);
	err = bitfield_init(&r->have, pieces);
	if (err != OK)
		return err;
	err = bitfield_load(&r->have, bits);
	if (err != OK)
		bitfield_fini(&r->have);
	return err;
}

int resume_set_open(struct buf *state, uint64_t open_s, const struct bitfield *still)
{
	struct resume r;
	size_t pieces;
	int err = resume_decode(buf_bytes(state), &r);

	if (err != OK)
		return err;
	pieces = r.have.n;
	bitfield_fini(&r.have);
	if (!r.timed)
		return ERR_NOENT;
	if (still != NULL && still->n != pieces)
		return ERR_PROTO;
	for (size_t i = 0; still != NULL && i < bitfield_bytes(still->n); i++)
		state->ptr[HEAD_BYTES + i] &= still->bits[i];
	state->len -= SEAL_BYTES;
	put_be64(state->ptr + state->len - r.times.len - TIMES_HEAD_BYTES, open_s);
	return seal_put(state, 0);
}
