/* store/resume.h - the state file of an unfinished download, as bytes. */
#ifndef SHOAL_STORE_RESUME_H
#define SHOAL_STORE_RESUME_H

#include "base/bitfield.h"
#include "base/buf.h"
#include "base/digest.h"

/* All integers big-endian and of fixed width; SHA-256 of everything before it at the end.
 *
 *   "SHOALRES" | version u32 | flags u32 (1: placed) | info-hash 32 (v2, or v1 and 12 zeros)
 *   | pieces u32 | piece bitfield | length of .torrent u32 | the .torrent | sha256 32 */
#define RESUME_VERSION 1u

struct resume {
	uint8_t info_hash[SHA256_LEN];
	struct bitfield have; /* pieces whose bytes were synced before this was written */
	bool placed;	      /* the folder has its final name, though not all of it was wanted */
	struct bytes torrent; /* the metainfo, so that a download goes on without an index */
};

int resume_encode(const struct resume *r, struct buf *out);
/* Returns 0, ERR_PROTO (damaged, cut short, other version: start from hashing) or ERR_NOMEM.
 * Owns: r->have is new (bitfield_fini), r->torrent borrows `in`. */
int resume_decode(struct bytes in, struct resume *r);

#endif
