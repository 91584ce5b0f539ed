#include "base/sign.h"

#include <openssl/err.h>

#include "base/text.h"
#include "failmalloc_openssl.h"
#include "test.h"

/* RFC 8032 7.1, tests 1 to 3. */
static const struct {
	const char *seed, *key, *msg, *sig;
	size_t msg_len;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
     "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
     0},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "\x72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
     1},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
     2},
};

static void unhex(const char *hex, uint8_t *out, size_t len)
{
	CHECK_INT(text_unhex(bytes_str(hex), out, len), 0);
}

TEST(sign_gives_the_values_of_rfc_8032)
{
	for (size_t i = 0; i < 3; i++) {
		uint8_t seed[SIGN_SEED_LEN], key[SIGN_KEY_LEN], sig[SIGN_LEN], want[SIGN_LEN];
		struct bytes msg = bytes_of(vectors[i].msg, vectors[i].msg_len);

		unhex(vectors[i].seed, seed, sizeof(seed));
		CHECK_INT(sign_public_key(seed, key), 0);
		unhex(vectors[i].key, want, sizeof(key));
		CHECK_MEM(key, want, sizeof(key));
		CHECK_INT(sign_make(seed, msg, sig), 0);
		unhex(vectors[i].sig, want, sizeof(sig));
		CHECK_MEM(sig, want, sizeof(sig));
		CHECK_INT(sign_check(key, msg, sig), 0);
	}
}

TEST(sign_check_refuses_each_changed_bit)
{
	uint8_t seed[SIGN_SEED_LEN] = {1}, key[SIGN_KEY_LEN], sig[SIGN_LEN], msg[4] = "ship";

	CHECK_INT(sign_public_key(seed, key), 0);
	CHECK_INT(sign_make(seed, bytes_of(msg, 4), sig), 0);
	for (int bit = 0; bit < 8 * SIGN_LEN; bit++) {
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(sign_check(key, bytes_of(msg, 4), sig), ERR_MISMATCH);
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (int bit = 0; bit < 8 * SIGN_KEY_LEN; bit++) {
		key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(sign_check(key, bytes_of(msg, 4), sig), ERR_MISMATCH);
		key[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK_INT(sign_check(key, bytes_of(msg, 3), sig), ERR_MISMATCH);
	msg[0] ^= 1;
	CHECK_INT(sign_check(key, bytes_of(msg, 4), sig), ERR_MISMATCH);
	msg[0] ^= 1;
	CHECK_INT(sign_check(key, bytes_of(msg, 4), sig), 0);
}

/* What stands in OpenSSL's queue belongs to whoever put it there; what we left
 * would be blamed on the next TLS call. */
TEST(sign_leaves_the_error_queue_as_it_was)
{
	uint8_t seed[SIGN_SEED_LEN] = {3}, key[SIGN_KEY_LEN], sig[SIGN_LEN] = {0};
	unsigned long before;

	ERR_raise(ERR_LIB_USER, 7);
	before = ERR_peek_last_error();
	CHECK_INT(sign_public_key(seed, key), 0);
	CHECK_INT(sign_check(key, bytes_str("x"), sig), ERR_MISMATCH);
	failmalloc_start(1, true);
	CHECK_INT(sign_make(seed, bytes_str("x"), sig), ERR_NOMEM);
	failmalloc_stop();
	CHECK(ERR_peek_last_error() == before);
	CHECK(ERR_get_error() == before);
	CHECK_INT(ERR_get_error(), 0);
}

/* A check that lacked memory may say "mismatch", but never "fine" without cause. */
TEST(sign_survives_the_failure_of_each_allocation)
{
	uint8_t seed[SIGN_SEED_LEN] = {4}, key[SIGN_KEY_LEN], sig[SIGN_LEN], other[SIGN_LEN];
	struct bytes msg = bytes_str("x");

	CHECK_INT(sign_public_key(seed, key), 0);
	CHECK_INT(sign_make(seed, msg, sig), 0);
	memcpy(other, sig, sizeof(other));
	other[0] ^= 1;
	for (size_t n = 1, asked = n; asked >= n; n++) {
		int made, checked, forged, shown;

		failmalloc_start(n, true);
		made = sign_make(seed, msg, sig);
		asked = failmalloc_stop();
		CHECK(made == 0 || made == ERR_NOMEM);
		failmalloc_start(n, true);
		shown = sign_public_key(seed, key);
		failmalloc_stop();
		CHECK(shown == 0 || shown == ERR_NOMEM);
		failmalloc_start(n, true);
		checked = sign_check(key, msg, sig);
		failmalloc_stop();
		CHECK(checked == 0 || checked == ERR_NOMEM || checked == ERR_MISMATCH);
		failmalloc_start(n, true);
		forged = sign_check(key, msg, other);
		failmalloc_stop();
		CHECK(forged == ERR_NOMEM || forged == ERR_MISMATCH);
	}
	CHECK_INT(sign_make(seed, msg, sig), 0);
	CHECK_INT(sign_check(key, msg, sig), 0);
}

TEST(sign_takes_null_for_an_empty_message)
{
	uint8_t seed[SIGN_SEED_LEN] = {2}, key[SIGN_KEY_LEN], sig[SIGN_LEN];

	CHECK_INT(sign_public_key(seed, key), 0);
	CHECK_INT(sign_make(seed, bytes_of(NULL, 0), sig), 0);
	CHECK_INT(sign_check(key, bytes_str(""), sig), 0);
}
