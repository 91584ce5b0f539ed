/* The one-shot calls use OpenSSL's plain SHA contexts although 3.0 marks them
 * deprecated: they allocate nothing and so cannot fail, and they cost a quarter of
 * SHA256(), which looks its algorithm up anew each time. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct digest {
	EVP_MD *md; /* fetched once: a fetch costs as much as hashing a KiB */
	EVP_MD_CTX *ctx;
};

struct digest *digest_new(enum digest_alg alg)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->md = EVP_MD_fetch(NULL, alg == DIGEST_SHA1 ? "SHA1" : "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	/* The first start allocates; those in digest_begin reuse its memory. */
	if (d->md == NULL || d->ctx == NULL || EVP_DigestInit_ex2(d->ctx, d->md, NULL) != 1)
		goto fail;
	return d;
fail:
	digest_free(d);
	return NULL;
}

void digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

/* With the memory in hand OpenSSL can fail only when misused, and going on would
 * give a wrong hash: worse than a stop. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

void digest_begin(struct digest *d)
{
	must(EVP_DigestInit_ex2(d->ctx, d->md, NULL));
}

void digest_add(struct digest *d, struct bytes data)
{
	if (data.len > 0)
		must(EVP_DigestUpdate(d->ctx, data.ptr, data.len));
}

void digest_end(struct digest *d, uint8_t *out)
{
	must(EVP_DigestFinal_ex(d->ctx, out, NULL));
}

void digest_once(struct digest *d, struct bytes data, uint8_t *out)
{
	digest_begin(d);
	digest_add(d, data);
	digest_end(d, out);
}

void sha1_of(struct bytes data, uint8_t out[SHA1_LEN])
{
	SHA_CTX ctx;

	SHA1_Init(&ctx);
	if (data.len > 0)
		SHA1_Update(&ctx, data.ptr, data.len);
	SHA1_Final(out, &ctx);
}

void sha256_of(struct bytes data, uint8_t out[SHA256_LEN])
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	if (data.len > 0)
		SHA256_Update(&ctx, data.ptr, data.len);
	SHA256_Final(out, &ctx);
}

void sha256_pair(const uint8_t a[SHA256_LEN], const uint8_t b[SHA256_LEN], uint8_t out[SHA256_LEN])
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, a, SHA256_LEN);
	SHA256_Update(&ctx, b, SHA256_LEN);
	SHA256_Final(out, &ctx);
}
