#include "store/verified.h"

#include <stdlib.h>

#include "base/digest.h"
#include "meta/metainfo.h"
#include "test.h"

static void encode(struct buf *out, uint32_t files, uint32_t pieces)
{
	struct verified v;

	CHECK_INT(verified_init(&v, files, pieces), 0);
	for (uint32_t i = 1; i < files; i++)
		v.mtimes_ns[i] = (int64_t)i - 5;
	for (uint32_t i = 0; i < pieces; i += 3)
		bitfield_set(&v.have, i);
	buf_init(out, VERIFIED_BYTES_MAX);
	CHECK_INT(verified_encode(&v, out), 0);
	verified_fini(&v);
}

TEST(what_was_verified_comes_back_as_it_was_written)
{
	struct verified v;
	struct buf b;

	encode(&b, 9, 21);
	CHECK_INT(verified_decode(buf_bytes(&b), &v), 0);
	CHECK_INT(v.n_files, 9);
	CHECK(v.mtimes_ns[0] == VERIFIED_NEVER && v.mtimes_ns[1] == -4 && v.mtimes_ns[8] == 3);
	CHECK_INT(v.have.n, 21);
	CHECK_INT(v.have.count, 7);
	CHECK(bitfield_has(&v.have, 18) && !bitfield_has(&v.have, 19));
	verified_fini(&v);
	buf_fini(&b);
}

TEST(the_bytes_of_it_are_as_the_header_draws_them)
{
	static const uint8_t want[] = {'S',  'H', 'O', 'A', 'L', 'V', 'E', 'R', 0,   0,
				       0,    1,	  0,   0,   0,	 1,   0,   0,	0,   4,
				       0x80, 0,	  0,   0,   0,	 0,   0,   0,	0x90};
	uint8_t sum[SHA256_LEN];
	struct buf b;

	encode(&b, 1, 4);
	CHECK_INT(b.len, sizeof(want) + SHA256_LEN);
	CHECK_MEM(b.ptr, want, sizeof(want));
	sha256_of(bytes_of(b.ptr, sizeof(want)), sum);
	CHECK_MEM(b.ptr + sizeof(want), sum, SHA256_LEN);
	buf_fini(&b);
}

TEST(every_prefix_and_every_flipped_bit_of_it_is_refused)
{
	struct verified v;
	struct buf b;

	encode(&b, 3, 21);
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *exact = malloc(n > 0 ? n : 1);

		memcpy(exact, b.ptr, n);
		CHECK_INT(verified_decode(bytes_of(exact, n), &v), ERR_PROTO);
		free(exact);
	}
	for (size_t i = 0; i < b.len * 8; i++) {
		b.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
		CHECK_INT(verified_decode(buf_bytes(&b), &v), ERR_PROTO);
		b.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	buf_fini(&b);
}

/* Write `n` at `at` and make the checksum right again. */
static int decode_forged(struct buf *b, size_t at, uint32_t n)
{
	struct verified v;
	int err;

	put_be32(b->ptr + at, n);
	sha256_of(bytes_of(b->ptr, b->len - SHA256_LEN), b->ptr + b->len - SHA256_LEN);
	err = verified_decode(buf_bytes(b), &v);
	if (err == OK)
		verified_fini(&v);
	return err;
}

TEST(numbers_of_it_with_a_right_checksum_are_still_checked)
{
	const size_t version = 8, files = 12, pieces = 16;
	struct buf b;

	encode(&b, 3, 21);
	CHECK_INT(decode_forged(&b, version, 2), ERR_PROTO);
	CHECK_INT(decode_forged(&b, version, 1), 0);
	CHECK_INT(decode_forged(&b, files, 4), ERR_PROTO);
	CHECK_INT(decode_forged(&b, files, UINT32_MAX), ERR_PROTO);
	CHECK_INT(decode_forged(&b, files, 3), 0);
	CHECK_INT(decode_forged(&b, pieces, 25), ERR_PROTO);
	CHECK_INT(decode_forged(&b, pieces, 18), ERR_PROTO); /* bit 18 is then a spare one */
	CHECK_INT(decode_forged(&b, pieces, UINT32_MAX), ERR_PROTO);
	CHECK_INT(decode_forged(&b, pieces, 24), 0);
	buf_fini(&b);
}

TEST(what_was_verified_of_the_largest_torrent_fits_and_of_no_larger_one_does)
{
	struct verified v;
	struct buf b;

	encode(&b, META_FILES_MAX, META_PIECES_MAX);
	CHECK_INT(verified_decode(buf_bytes(&b), &v), 0);
	verified_fini(&v);
	buf_fini(&b);
	encode(&b, META_FILES_MAX + 1, 1);
	CHECK_INT(verified_decode(buf_bytes(&b), &v), ERR_PROTO);
	buf_fini(&b);
	encode(&b, 1, META_PIECES_MAX + 1);
	CHECK_INT(verified_decode(buf_bytes(&b), &v), ERR_PROTO);
	buf_fini(&b);
}
