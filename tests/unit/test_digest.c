#include "base/digest.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/text.h"
#include "failmalloc_openssl.h"
#include "test.h"

/* FIPS 180 examples. */
static const struct {
	const char *msg, *sha1, *sha256;
} vectors[] = {
    {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void check_hex(const uint8_t *got, size_t len, const char *want)
{
	char hex[2 * SHA256_LEN + 1];

	text_hex(hex, bytes_of(got, len));
	CHECK_STR(hex, want);
}

TEST(digest_gives_the_fips_values)
{
	struct digest *d1 = digest_new(DIGEST_SHA1), *d256 = digest_new(DIGEST_SHA256);
	uint8_t out[SHA256_LEN];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct bytes msg = bytes_str(vectors[i].msg);

		digest_once(d1, msg, out);
		check_hex(out, SHA1_LEN, vectors[i].sha1);
		sha1_of(msg, out);
		check_hex(out, SHA1_LEN, vectors[i].sha1);
		digest_once(d256, msg, out);
		check_hex(out, SHA256_LEN, vectors[i].sha256);
		sha256_of(msg, out);
		check_hex(out, SHA256_LEN, vectors[i].sha256);
	}
	digest_free(d1);
	digest_free(d256);
}

TEST(digest_of_a_million_letters_in_parts)
{
	struct digest *d1 = digest_new(DIGEST_SHA1), *d256 = digest_new(DIGEST_SHA256);
	uint8_t out[SHA256_LEN];
	char part[1000];

	memset(part, 'a', sizeof(part));
	digest_begin(d1);
	digest_begin(d256);
	for (int i = 0; i < 1000; i++) {
		digest_add(d1, bytes_of(part, sizeof(part)));
		digest_add(d256, bytes_of(part, sizeof(part)));
	}
	digest_end(d1, out);
	check_hex(out, SHA1_LEN, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	digest_end(d256, out);
	check_hex(out, SHA256_LEN,
		  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	digest_free(d1);
	digest_free(d256);
}

TEST(digest_does_not_depend_on_how_the_data_is_cut)
{
	struct digest *d = digest_new(DIGEST_SHA256);
	uint8_t data[1000], whole[SHA256_LEN], out[SHA256_LEN];
	struct rng r;

	for (uint64_t seed = 1; seed <= 50; seed++) {
		rng_seed(&r, seed);
		rng_fill(&r, data, sizeof(data));
		sha256_of(bytes_of(data, sizeof(data)), whole);
		digest_begin(d);
		for (size_t at = 0, n; at < sizeof(data); at += n) {
			n = rng_below(&r, 200);
			n = n < sizeof(data) - at ? n : sizeof(data) - at;
			digest_add(d, bytes_of(data + at, n));
		}
		digest_end(d, out);
		CHECK_SEED(memcmp(out, whole, sizeof(out)) == 0, seed);
	}
	digest_free(d);
}

TEST(digest_begin_forgets_a_message_left_half_way)
{
	struct digest *d = digest_new(DIGEST_SHA1);
	uint8_t out[SHA1_LEN];

	digest_begin(d);
	digest_add(d, bytes_str("left behind"));
	digest_once(d, bytes_str("abc"), out);
	check_hex(out, SHA1_LEN, vectors[1].sha1);
	digest_once(d, bytes_of(NULL, 0), out);
	check_hex(out, SHA1_LEN, vectors[0].sha1);
	digest_free(d);
	digest_free(NULL);
}

TEST(digest_pair_is_the_hash_of_both_halves_and_may_overwrite_one)
{
	uint8_t both[2 * SHA256_LEN], want[SHA256_LEN];
	struct rng r;

	rng_seed(&r, 3);
	rng_fill(&r, both, sizeof(both));
	sha256_of(bytes_of(both, sizeof(both)), want);
	sha256_pair(both, both + SHA256_LEN, both);
	CHECK_MEM(both, want, sizeof(want));
}

TEST(digest_new_without_memory_is_null_and_afterwards_nothing_allocates)
{
	struct digest *d = digest_new(DIGEST_SHA256);
	uint8_t out[SHA256_LEN];

	digest_free(d);
	d = NULL;
	for (size_t n = 1; d == NULL; n++) {
		failmalloc_start(n, true);
		d = digest_new(DIGEST_SHA256);
		failmalloc_stop();
		CHECK(n < 100);
		CHECK(n > 1 || d == NULL);
	}
	failmalloc_start(1, true);
	digest_once(d, bytes_str("abc"), out);
	digest_once(d, bytes_str("abc"), out);
	sha1_of(bytes_str("abc"), out);
	sha256_of(bytes_str("abc"), out);
	CHECK_INT(failmalloc_stop(), 0);
	check_hex(out, SHA256_LEN, vectors[1].sha256);
	digest_free(d);
}
