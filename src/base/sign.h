/* base/sign.h - Ed25519 keys and signatures, over OpenSSL. Pure: the seed comes
 * from the caller, who got it from the kernel. */
#ifndef SHOAL_BASE_SIGN_H
#define SHOAL_BASE_SIGN_H

#include "base/bytes.h"
#include "base/err.h"

#define SIGN_SEED_LEN 32
#define SIGN_KEY_LEN 32
#define SIGN_LEN 64

/* Source: RFC 8032. The public key that belongs to a 32-byte secret seed. */
int sign_public_key(const uint8_t seed[SIGN_SEED_LEN], uint8_t key[SIGN_KEY_LEN]);
int sign_make(const uint8_t seed[SIGN_SEED_LEN], struct bytes msg, uint8_t sig[SIGN_LEN]);
/* Returns 0, or ERR_MISMATCH when the signature is not by this key over msg. */
int sign_check(const uint8_t key[SIGN_KEY_LEN], struct bytes msg, const uint8_t sig[SIGN_LEN]);

#endif
