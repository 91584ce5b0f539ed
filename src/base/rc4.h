/* base/rc4.h - the RC4 stream cipher, for peers that speak nothing better. Not for secrets: it is
 * broken as such. Own lines, since OpenSSL 3 has it in a module that need not be installed. */
#ifndef SHOAL_BASE_RC4_H
#define SHOAL_BASE_RC4_H

#include "base/bytes.h"

struct rc4 {
	uint8_t s[256], i, j;
};

/* `key`: 1 to 256 bytes. */
void rc4_init(struct rc4 *r, struct bytes key);
/* Encrypts or decrypts the next bytes of the stream, in place. */
void rc4_apply(struct rc4 *r, uint8_t *data, size_t len);
/* Passes over the next bytes of the stream. */
void rc4_skip(struct rc4 *r, size_t len);

#endif
