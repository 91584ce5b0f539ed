/* wire/ext_metadata.h - the extension messages that carry an info dictionary, piece by piece. */
#ifndef SHOAL_WIRE_EXT_METADATA_H
#define SHOAL_WIRE_EXT_METADATA_H

#include "base/buf.h"

/* Bytes of every piece but the last. */
#define EXT_METADATA_PIECE 16384u
/* The largest info dictionary that is fetched or offered (attack: a size of 2 GiB that we are to
 * make room for, O-20). */
#define EXT_METADATA_MAX (10u << 20)

enum ext_metadata_type {
	EXT_METADATA_REQUEST = 0,
	EXT_METADATA_DATA = 1,
	EXT_METADATA_REJECT = 2,
	EXT_METADATA_UNKNOWN, /* newer than we: to be let pass */
};

struct ext_metadata {
	enum ext_metadata_type type;
	uint32_t piece;
	uint32_t total_bytes; /* data: of the whole dictionary, as it is claimed */
	struct bytes data;    /* data: what follows the message; borrowed */
};

/* Source:  BEP 9. Returns 0, or ERR_PROTO: no dictionary, no kind, a piece or size that no
 *          dictionary within the limit has, data of a wrong length for its place and size. */
int ext_metadata_decode(struct ext_metadata *m, struct bytes body);
/* The bencoded message, with the data behind it. Returns the buffer's answer. */
int ext_metadata_encode(struct buf *out, const struct ext_metadata *m);

static inline uint32_t ext_metadata_pieces(uint32_t total_bytes)
{
	return (total_bytes + EXT_METADATA_PIECE - 1) / EXT_METADATA_PIECE;
}

/* Bytes of one piece; it must be there. */
static inline uint32_t ext_metadata_piece_bytes(uint32_t total_bytes, uint32_t piece)
{
	uint32_t left = total_bytes - piece * EXT_METADATA_PIECE;

	return left < EXT_METADATA_PIECE ? left : EXT_METADATA_PIECE;
}

#endif
