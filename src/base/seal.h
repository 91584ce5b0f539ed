/* base/seal.h - the last 32 bytes of a file that we wrote: SHA-256 of those before, so that what a
 * crash or a failing disk made of it is not believed. Not against people: no key is in it. Pure. */
#ifndef SHOAL_BASE_SEAL_H
#define SHOAL_BASE_SEAL_H

#include "base/buf.h"
#include "base/digest.h"

#define SEAL_BYTES SHA256_LEN

/* Appends the seal of what is in `out` from `start` on. Returns 0, or what was or is wrong with
 * `out`. */
int seal_put(struct buf *out, size_t start);
/* Takes it off the end of `in`. False: `in` does not end with its seal, and is as it was. */
bool seal_take(struct bytes *in);

#endif
