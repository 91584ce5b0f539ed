/* base/dh768.h - Diffie-Hellman over the 768-bit group of RFC 2409's shape that stream encryption
 * between BitTorrent peers uses, over OpenSSL. It keeps lookers-on out, not those in the middle. */
#ifndef SHOAL_BASE_DH768_H
#define SHOAL_BASE_DH768_H

#include "base/bytes.h"
#include "base/err.h"

#define DH768_BYTES 96u
#define DH768_PRIVATE_BYTES 20u

/* Both numbers big-endian, filled up with zeros in front. Returns 0 or ERR_NOMEM. */
int dh768_public(const uint8_t private[DH768_PRIVATE_BYTES], uint8_t out[DH768_BYTES]);
/* What both sides share. ERR_PROTO for a number that makes it no secret: 0, 1, the group's last,
 * and those outside of it. */
int dh768_secret(const uint8_t private[DH768_PRIVATE_BYTES], const uint8_t theirs[DH768_BYTES],
		 uint8_t out[DH768_BYTES]);

#endif
