#include "base/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>

/* OpenSSL takes a NULL message of length 0 for a question about sizes. */
static const uint8_t *msg_ptr(struct bytes msg)
{
	return msg.len == 0 ? (const uint8_t *)"" : msg.ptr;
}

int sign_public_key(const uint8_t seed[SIGN_SEED_LEN], uint8_t key[SIGN_KEY_LEN])
{
	size_t len = SIGN_KEY_LEN;
	EVP_PKEY *pkey;
	int ok;

	ERR_set_mark();
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGN_SEED_LEN);
	ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, key, &len) == 1;
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	/* Every seed is valid, so only memory can be missing. */
	return ok ? 0 : ERR_NOMEM;
}

int sign_make(const uint8_t seed[SIGN_SEED_LEN], struct bytes msg, uint8_t sig[SIGN_LEN])
{
	size_t len = SIGN_LEN;
	EVP_MD_CTX *ctx;
	EVP_PKEY *pkey;
	int ok;

	ERR_set_mark();
	ctx = EVP_MD_CTX_new();
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGN_SEED_LEN);
	ok = ctx != NULL && pkey != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	     EVP_DigestSign(ctx, sig, &len, msg_ptr(msg), msg.len) == 1;
	EVP_PKEY_free(pkey);
	EVP_MD_CTX_free(ctx);
	ERR_pop_to_mark();
	return ok ? 0 : ERR_NOMEM;
}

int sign_check(const uint8_t key[SIGN_KEY_LEN], struct bytes msg, const uint8_t sig[SIGN_LEN])
{
	int rc = ERR_NOMEM;
	EVP_MD_CTX *ctx;
	EVP_PKEY *pkey;

	ERR_set_mark();
	ctx = EVP_MD_CTX_new();
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SIGN_KEY_LEN);
	if (ctx != NULL && pkey != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1) {
		/* Only 1 is a yes; a key that is no curve point answers 0 or less. */
		rc = EVP_DigestVerify(ctx, sig, SIGN_LEN, msg_ptr(msg), msg.len) == 1
			 ? 0
			 : ERR_MISMATCH;
	}
	EVP_PKEY_free(pkey);
	EVP_MD_CTX_free(ctx);
	ERR_pop_to_mark();
	return rc;
}
