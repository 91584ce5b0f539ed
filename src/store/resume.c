#include "store/resume.h"

#include "meta/metainfo.h"

static const char magic[8] = {'S', 'H', 'O', 'A', 'L', 'R', 'E', 'S'};

#define FLAG_PLACED 1u

/* magic, version, flags, info-hash, pieces */
#define HEAD_BYTES (8u + 4 + 4 + SHA256_LEN + 4)

int resume_encode(const struct resume *r, struct buf *out)
{
	size_t start = out->len;
	uint8_t sum[SHA256_LEN];

	buf_put(out, bytes_of(magic, sizeof(magic)));
	buf_put_be32(out, RESUME_VERSION);
	buf_put_be32(out, r->placed ? FLAG_PLACED : 0);
	buf_put(out, bytes_of(r->info_hash, SHA256_LEN));
	buf_put_be32(out, r->have.n);
	buf_put(out, bytes_of(r->have.bits, bitfield_bytes(r->have.n)));
	buf_put_be32(out, (uint32_t)r->torrent.len);
	buf_put(out, r->torrent);
	if (out->err != OK)
		return out->err;
	sha256_of(bytes_of(out->ptr + start, out->len - start), sum);
	return buf_put(out, bytes_of(sum, sizeof(sum)));
}

int resume_decode(struct bytes in, struct resume *r)
{
	struct bytes head, sum, bits, len, torrent;
	uint8_t want[SHA256_LEN];
	uint32_t pieces;
	int err;

	if (in.len < HEAD_BYTES + SHA256_LEN)
		return ERR_PROTO;
	sum = bytes_sub(in, in.len - SHA256_LEN, SHA256_LEN);
	in.len -= SHA256_LEN;
	sha256_of(in, want);
	if (!bytes_eq(sum, bytes_of(want, sizeof(want))) || !bytes_take(&in, HEAD_BYTES, &head))
		return ERR_PROTO;
	if (memcmp(head.ptr, magic, sizeof(magic)) != 0 || be32(head.ptr + 8) != RESUME_VERSION ||
	    (be32(head.ptr + 12) & ~FLAG_PLACED) != 0)
		return ERR_PROTO;
	pieces = be32(head.ptr + 16 + SHA256_LEN);
	if (pieces > META_PIECES_MAX || !bytes_take(&in, bitfield_bytes(pieces), &bits) ||
	    !bytes_take(&in, 4, &len) || !bytes_take(&in, be32(len.ptr), &torrent) || in.len != 0)
		return ERR_PROTO;
	memcpy(r->info_hash, head.ptr + 16, SHA256_LEN);
	r->placed = be32(head.ptr + 12) == FLAG_PLACED;
	r->torrent = torrent;
	err = bitfield_init(&r->have, pieces);
	if (err != OK)
		return err;
	err = bitfield_load(&r->have, bits);
	if (err != OK)
		bitfield_fini(&r->have);
	return err;
}
