/* base/digest_many.h - SHA-256 of many blocks, SHA-1 of many pieces at once.
 *
 * One digest leaves the processor waiting on its own rounds; two side by side take hardly longer
 * than one. Over Intel's multi-buffer library where that was there at build time and the processor
 * has what it needs (SHA extensions for 2, AVX2 for 8, AVX-512 for 16 at a time), else over
 * digest.h, one after the other. No I/O, no shared state: each thread keeps its own. */
#ifndef SHOAL_BASE_DIGEST_MANY_H
#define SHOAL_BASE_DIGEST_MANY_H

#include "base/digest.h"

enum digest_many_way {
	DIGEST_MANY_BEST,
	DIGEST_MANY_PLAIN /* digest.h, to compare with */
};

struct digest_many;

/* Returns NULL without memory. The library's part, 200 KB or twice that, is made when first needed;
 * where there is no memory for it then, blocks are hashed one after the other. */
struct digest_many *digest_many_new(enum digest_many_way way);
void digest_many_free(struct digest_many *d);

/* The SHA-256 of each run of `each` bytes of `data`, the last of which may be shorter, SHA256_LEN
 * bytes one behind the other in `out`; of no data, nothing. */
void digest_many(struct digest_many *d, struct bytes data, size_t each, uint8_t *out);

/* The SHA-1 of each of `n` messages, SHA1_LEN bytes one behind the other in `out`. The library
 * takes whole messages alone, so this is for pieces that lie in memory from their first byte to
 * their last; what is longer than DIGEST_MANY_BYTES_MAX is hashed alone. */
#define DIGEST_MANY_BYTES_MAX (16u << 20)
void digest_many_sha1(struct digest_many *d, const struct bytes *messages, size_t n, uint8_t *out);

/* How many messages at once SHA-1 is fastest with on this processor. To find out takes the
 * library's part, so whoever asks again and again keeps the answer. */
struct digest_many_widths {
	unsigned most; /* 1, 2, 8 or 16 */
	bool in_pairs; /* two alone are faster, too, as with the instructions for SHA-1 */
};
struct digest_many_widths digest_many_sha1_widths(void);
/* How many to keep in memory for one another where `fit` do: `most`, 2 or 1. */
unsigned digest_many_together(struct digest_many_widths w, uint64_t fit);

#endif
