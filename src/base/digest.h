/* base/digest.h - SHA-1 and SHA-256, over OpenSSL. No I/O, no shared state:
 * each thread keeps its own `struct digest`. */
#ifndef SHOAL_BASE_DIGEST_H
#define SHOAL_BASE_DIGEST_H

#include "base/bytes.h"
#include "base/err.h"

#define SHA1_LEN 20
#define SHA256_LEN 32

enum digest_alg { DIGEST_SHA1, DIGEST_SHA256 };

struct digest;

/* A reusable hasher. Returns NULL without memory. */
struct digest *digest_new(enum digest_alg alg);
void digest_free(struct digest *d);

void digest_begin(struct digest *d);
void digest_add(struct digest *d, struct bytes data);
/* `out` takes SHA1_LEN or SHA256_LEN bytes; begin again before reuse. */
void digest_end(struct digest *d, uint8_t *out);

/* begin, add, end in one. */
void digest_once(struct digest *d, struct bytes data, uint8_t *out);

/* Without a hasher at hand; slower by the set-up, right for single values. */
void sha1_of(struct bytes data, uint8_t out[SHA1_LEN]);
void sha256_of(struct bytes data, uint8_t out[SHA256_LEN]);
/* SHA-256 of a followed by b: one inner node of a Merkle tree. */
void sha256_pair(const uint8_t a[SHA256_LEN], const uint8_t b[SHA256_LEN], uint8_t out[SHA256_LEN]);

#endif
