/* store/verified.h - what hashing has found of the files of a share, so that those that nobody has
 * touched since are not hashed again. A value and its bytes. Pure.
 *
 * A file counts as untouched while its size and time of change are what they were, as for
 * store/stamp.h; but here each file stands for itself, and what else lies in the folder does not
 * count.
 *
 * All integers big-endian and of fixed width; SHA-256 of everything before it at the end.
 *
 *   "SHOALVER" | version u32 | files u32 | pieces u32 | time of change of each file, ns i64
 *   | piece bitfield | sha256 32 */
#ifndef SHOAL_STORE_VERIFIED_H
#define SHOAL_STORE_VERIFIED_H

#include "base/bitfield.h"
#include "base/buf.h"

#define VERIFIED_VERSION 1u
/* The time of a file of which nothing is known. */
#define VERIFIED_NEVER INT64_MIN
/* As bytes: of META_FILES_MAX files and META_PIECES_MAX pieces (attack: none, it is our own; but
 * what lies there may be something else). */
#define VERIFIED_BYTES_MAX (5u << 20)

struct verified {
	uint32_t n_files;     /* real ones that are not empty, in the order of the torrent */
	int64_t *mtimes_ns;   /* of each, while it was hashed */
	struct bitfield have; /* pieces that were what the torrent says */
};

/* Nothing is known. Returns 0 or ERR_NOMEM. Owns: verified_fini(). */
int verified_init(struct verified *v, uint32_t n_files, uint32_t n_pieces);
void verified_fini(struct verified *v);

int verified_encode(const struct verified *v, struct buf *out);
/* Returns 0, ERR_PROTO (damaged, cut short, other version) or ERR_NOMEM; only after 0 there is
 * something to be freed. */
int verified_decode(struct bytes in, struct verified *v);

#endif
