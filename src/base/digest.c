/* Over OpenSSL's plain SHA contexts, which 3.0 marks deprecated, and not over EVP:
 * hashing returns nothing and so must not fail, but EVP_DigestInit_ex2 allocates
 * at every start even with the algorithm fetched. The inner loops are the same. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest.h"

#include <openssl/sha.h>
#include <stdlib.h>

struct digest {
	enum digest_alg alg;
	union {
		SHA_CTX sha1;
		SHA256_CTX sha256;
	} ctx;
};

struct digest *digest_new(enum digest_alg alg)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->alg = alg;
	digest_begin(d);
	return d;
}

void digest_free(struct digest *d)
{
	free(d);
}

void digest_begin(struct digest *d)
{
	if (d->alg == DIGEST_SHA1)
		SHA1_Init(&d->ctx.sha1);
	else
		SHA256_Init(&d->ctx.sha256);
}

void digest_add(struct digest *d, struct bytes data)
{
	if (data.len == 0)
		return;
	if (d->alg == DIGEST_SHA1)
		SHA1_Update(&d->ctx.sha1, data.ptr, data.len);
	else
		SHA256_Update(&d->ctx.sha256, data.ptr, data.len);
}

void digest_end(struct digest *d, uint8_t *out)
{
	if (d->alg == DIGEST_SHA1)
		SHA1_Final(out, &d->ctx.sha1);
	else
		SHA256_Final(out, &d->ctx.sha256);
}

void digest_once(struct digest *d, struct bytes data, uint8_t *out)
{
	digest_begin(d);
	digest_add(d, data);
	digest_end(d, out);
}

void sha1_of(struct bytes data, uint8_t out[SHA1_LEN])
{
	struct digest d = {.alg = DIGEST_SHA1};

	digest_once(&d, data, out);
}

void sha256_of(struct bytes data, uint8_t out[SHA256_LEN])
{
	struct digest d = {.alg = DIGEST_SHA256};

	digest_once(&d, data, out);
}

void sha256_pair(const uint8_t a[SHA256_LEN], const uint8_t b[SHA256_LEN], uint8_t out[SHA256_LEN])
{
	struct digest d = {.alg = DIGEST_SHA256};

	digest_begin(&d);
	digest_add(&d, bytes_of(a, SHA256_LEN));
	digest_add(&d, bytes_of(b, SHA256_LEN));
	digest_end(&d, out);
}
