/* wire/msg.h - peer messages as values. Pure: no socket, clock or heap. */
#ifndef SHOAL_WIRE_MSG_H
#define SHOAL_WIRE_MSG_H

#include "base/buf.h"
#include "base/bytes.h"

/* The largest body we accept: a bitfield of 2^21 pieces (256 KiB) and a block of
 * 128 KiB fit. Attack: a length prefix of 4 GiB must not make us allocate (O-12). */
#define WIRE_BODY_MAX (300u * 1024u)
/* Largest block in a request that we answer. */
#define WIRE_BLOCK_MAX (128u * 1024u)
/* Hashes in one hash request (BEP 52 advises 512; a power of two). */
#define WIRE_HASHES_MAX 8192u
#define WIRE_PROOF_MAX 64u
/* Length prefix, id, index, begin: what stands before a block's payload. */
#define WIRE_PIECE_HEAD 13u

enum wire_type {
	WIRE_CHOKE = 0,
	WIRE_UNCHOKE = 1,
	WIRE_INTERESTED = 2,
	WIRE_NOT_INTERESTED = 3,
	WIRE_HAVE = 4,
	WIRE_BITFIELD = 5,
	WIRE_REQUEST = 6,
	WIRE_PIECE = 7,
	WIRE_CANCEL = 8,
	WIRE_PORT = 9,
	WIRE_SUGGEST = 13, /* BEP 6 */
	WIRE_HAVE_ALL = 14,
	WIRE_HAVE_NONE = 15,
	WIRE_REJECT = 16,
	WIRE_ALLOWED_FAST = 17,
	WIRE_EXTENDED = 20,	/* BEP 10 */
	WIRE_HASH_REQUEST = 21, /* BEP 52 */
	WIRE_HASHES = 22,
	WIRE_HASH_REJECT = 23,
	WIRE_KEEPALIVE = 256, /* no id on the wire */
	WIRE_UNKNOWN = 257,   /* an id we do not know; body is whole: skip or drop */
};

struct wire_hash_req { /* ids 21-23 */
	uint8_t root[32];
	uint32_t base, index, length, proof; /* layer, first hash, hashes, proof layers */
};

struct wire_msg {
	enum wire_type type;
	uint32_t index;	 /* have, request, piece, cancel, reject, suggest, allowed fast */
	uint32_t begin;	 /* request, piece, cancel, reject */
	uint32_t length; /* request, cancel, reject: bytes wanted; piece: body.len */
	uint16_t port;	 /* port */
	uint8_t ext_id;	 /* extended: 0 is the handshake; unknown: the id */
	struct wire_hash_req hash;
	struct bytes body; /* bitfield bits; block payload; extension payload; hashes
			      and proof */
};

/* Decode one message from the front of `in`.
 * Source:  BEP 3 "peer messages"; ids 13-17 BEP 6; 20 BEP 10; 21-23 BEP 52.
 * Returns: > 0 bytes consumed, 0 need more, < 0 enum err (drop the peer). A known
 *          id with a body of the wrong length is ERR_PROTO as soon as the id is there.
 * Owns:    m->body borrows from `in`; copy before `in` is reused.
 * Limit:   a body over WIRE_BODY_MAX is ERR_TOO_BIG at once, from the prefix alone; so is
 *          a hash message with length > WIRE_HASHES_MAX, proof > WIRE_PROOF_MAX or
 *          base >= WIRE_PROOF_MAX, once it is whole. `hashes` holds `length` hashes and at
 *          most `proof` more. */
int wire_decode(struct wire_msg *m, struct bytes in);

/* Is a PIECE message's head at the front of `in`? Lets the payload be read straight to
 * where it belongs, before it has arrived.
 * Returns: 1 and index, begin, length (payload bytes) filled; 0 need more bytes to
 *          tell (fewer than WIRE_PIECE_HEAD); -1 it is another message, or a PIECE whose
 *          prefix is under 9 or over WIRE_BODY_MAX: let wire_decode judge it. */
int wire_piece_head(struct wire_msg *m, struct bytes in);

/* Append one message. PIECE, BITFIELD, EXTENDED and HASHES append m->body too.
 * Returns the buffer's answer. */
int wire_encode(struct buf *out, const struct wire_msg *m);

/* The head of a PIECE message whose payload follows by other means. */
void wire_put_piece_head(uint8_t out[WIRE_PIECE_HEAD], uint32_t index, uint32_t begin,
			 uint32_t length);

/* A name for logs: "have all". Never NULL. */
const char *wire_type_text(enum wire_type t);

#endif
