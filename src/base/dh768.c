#include "base/dh768.h"

#include <openssl/bn.h>

#define GENERATOR 2

static const char prime[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
			    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
			    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";

/* base ^ private, modulo the prime. `base` NULL: the generator. */
static int power(const uint8_t *base, const uint8_t *private, uint8_t *out)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p = NULL, *x = BN_bin2bn(private, DH768_PRIVATE_BYTES, NULL);
	BIGNUM *g = base == NULL ? BN_new() : BN_bin2bn(base, DH768_BYTES, NULL);
	int err = ERR_NOMEM;

	if (ctx == NULL || x == NULL || g == NULL || BN_hex2bn(&p, prime) == 0 ||
	    (base == NULL && BN_set_word(g, GENERATOR) != 1))
		goto end;
	if (base != NULL) {
		/* Within [2, p - 2]? */
		if (BN_is_zero(g) || BN_is_one(g) || BN_sub_word(p, 1) != 1 || BN_cmp(g, p) >= 0 ||
		    BN_add_word(p, 1) != 1) {
			err = ERR_PROTO;
			goto end;
		}
	}
	BN_set_flags(x, BN_FLG_CONSTTIME);
	if (BN_mod_exp(g, g, x, p, ctx) == 1 && BN_bn2binpad(g, out, (int)DH768_BYTES) >= 0)
		err = OK;
end:
	BN_free(g);
	BN_clear_free(x);
	BN_free(p);
	BN_CTX_free(ctx);
	return err;
}

int dh768_public(const uint8_t private[DH768_PRIVATE_BYTES], uint8_t out[DH768_BYTES])
{
	return power(NULL, private, out);
}

int dh768_secret(const uint8_t private[DH768_PRIVATE_BYTES], const uint8_t theirs[DH768_BYTES],
		 uint8_t out[DH768_BYTES])
{
	return power(theirs, private, out);
}
