#include "store/resume.h"

#include <stdlib.h>

#include "meta/metainfo.h"
#include "test.h"

static void encode(struct buf *out, uint32_t pieces, const char *torrent)
{
	struct resume r = {.torrent = bytes_str(torrent)};

	memset(r.info_hash, 0xab, sizeof(r.info_hash));
	CHECK_INT(bitfield_init(&r.have, pieces), 0);
	for (uint32_t i = 0; i < pieces; i += 3)
		bitfield_set(&r.have, i);
	buf_init(out, SIZE_MAX);
	CHECK_INT(resume_encode(&r, out), 0);
	bitfield_fini(&r.have);
}

TEST(a_state_comes_back_as_it_was_written)
{
	struct buf b;
	struct resume r;

	encode(&b, 21, "d4:infode");
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK_INT(r.have.n, 21);
	CHECK_INT(r.have.count, 7);
	CHECK(bitfield_has(&r.have, 18) && !bitfield_has(&r.have, 19));
	CHECK_INT(r.info_hash[31], 0xab);
	CHECK(bytes_eq(r.torrent, bytes_str("d4:infode")));
	bitfield_fini(&r.have);
	buf_fini(&b);
}

TEST(the_bytes_are_as_the_header_draws_them)
{
	static const uint8_t head[] = {'S', 'H', 'O', 'A', 'L', 'R', 'E', 'S',
				       0,   0,	 0,   1,   0,	0,   0,	  0};
	static const uint8_t tail[] = {0, 0, 0, 4, 0x90, 0, 0, 0, 1, 'x'};
	uint8_t sum[SHA256_LEN];
	struct buf b;

	encode(&b, 4, "x");
	CHECK_INT(b.len, 16 + 32 + sizeof(tail) + SHA256_LEN);
	CHECK_MEM(b.ptr, head, sizeof(head));
	CHECK_MEM(b.ptr + 48, tail, sizeof(tail));
	sha256_of(bytes_of(b.ptr, b.len - SHA256_LEN), sum);
	CHECK_MEM(b.ptr + b.len - SHA256_LEN, sum, SHA256_LEN);
	buf_fini(&b);
}

/* Of three files the last is not there; before 1970 one may be, too. */
static void encode_timed(struct buf *out, uint64_t open_s)
{
	static const struct timespec times[] = {{0x102, 999999999}, {-1, 5}, {0, 0}};
	struct resume r = {.torrent = bytes_str("x"), .timed = true, .open_s = open_s};
	struct buf b;

	buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 3; i++)
		resume_put_time(&b, &times[i]);
	r.times = buf_bytes(&b);
	CHECK_INT(bitfield_init(&r.have, 4), 0);
	bitfield_set(&r.have, 1);
	buf_init(out, SIZE_MAX);
	CHECK_INT(resume_encode(&r, out), 0);
	bitfield_fini(&r.have);
	buf_fini(&b);
}

TEST(times_of_files_come_back_as_they_were_written)
{
	static const uint8_t tail[] = {'x', 0, 0, 0, 0, 0, 0,	 0x12, 0x34, 0,	   0,	 0,   3,
				       0,   0, 0, 0, 0, 0, 0x01, 2,    0x3b, 0x9a, 0xc9, 0xff};
	struct buf b;
	struct resume r;

	encode_timed(&b, 0x1234);
	CHECK_INT(b.ptr[15], 2);
	CHECK_MEM(b.ptr + 48 + 4 + 1 + 4, tail, sizeof(tail));
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK(r.timed && !r.placed);
	CHECK_INT(r.open_s, 0x1234);
	CHECK_INT(r.times.len, 3 * RESUME_TIME_BYTES);
	CHECK(resume_time(r.times, 0).tv_sec == 0x102);
	CHECK(resume_time(r.times, 0).tv_nsec == 999999999);
	CHECK(resume_time(r.times, 1).tv_sec == -1 && resume_time(r.times, 1).tv_nsec == 5);
	CHECK(resume_time(r.times, 2).tv_sec == 0 && resume_time(r.times, 2).tv_nsec == 0);
	bitfield_fini(&r.have);
	for (size_t n = 0; n < b.len; n++)
		CHECK_INT(resume_decode(bytes_of(b.ptr, n), &r), ERR_PROTO);
	buf_fini(&b);
}

TEST(that_a_run_writes_is_changed_in_place)
{
	struct buf b, c;

	encode_timed(&b, 0);
	encode_timed(&c, 77);
	CHECK_INT(resume_set_open(&b, 77, NULL), 0);
	CHECK(bytes_eq(buf_bytes(&b), buf_bytes(&c)));
	CHECK_INT(resume_set_open(&b, 0, NULL), 0);
	b.ptr[20] ^= 1;
	CHECK_INT(resume_set_open(&b, 77, NULL), ERR_PROTO);
	buf_fini(&b);
	buf_fini(&c);
	encode(&b, 4, "x");
	CHECK_INT(resume_set_open(&b, 77, NULL), ERR_NOENT);
	buf_fini(&b);
}

TEST(what_is_not_believed_any_more_is_taken_out)
{
	struct bitfield still;
	struct resume r;
	struct buf b;

	encode_timed(&b, 0);
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK_INT(bitfield_copy(&still, &r.have), 0);
	CHECK(bitfield_unset(&still, 1) && bitfield_set(&still, 2));
	bitfield_fini(&r.have);
	CHECK_INT(resume_set_open(&b, 77, &still), 0);
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK_INT(r.open_s, 77);
	CHECK_INT(r.have.count, 0);
	bitfield_fini(&r.have);
	bitfield_fini(&still);
	CHECK_INT(bitfield_init(&still, 200), 0);
	CHECK_INT(resume_set_open(&b, 78, &still), ERR_PROTO);
	bitfield_fini(&still);
	buf_fini(&b);
}

TEST(a_torrent_without_pieces_has_a_state_too)
{
	struct buf b;
	struct resume r;

	encode(&b, 0, "");
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK_INT(r.have.n, 0);
	bitfield_fini(&r.have);
	buf_fini(&b);
}

TEST(every_prefix_of_a_state_is_refused)
{
	struct buf b;
	struct resume r;

	encode(&b, 21, "d4:infode");
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *exact = malloc(n > 0 ? n : 1);

		memcpy(exact, b.ptr, n);
		CHECK_INT(resume_decode(bytes_of(exact, n), &r), ERR_PROTO);
		free(exact);
	}
	buf_fini(&b);
}

TEST(every_flipped_bit_of_a_state_is_found)
{
	struct buf b;
	struct resume r;

	encode(&b, 21, "d4:infode");
	for (size_t i = 0; i < b.len * 8; i++) {
		b.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
		CHECK_INT(resume_decode(buf_bytes(&b), &r), ERR_PROTO);
		b.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	bitfield_fini(&r.have);
	buf_fini(&b);
}

/* Write `v` at `at` and make the checksum right again, as only an attacker would. */
static int decode_forged(struct buf *b, size_t at, uint32_t v)
{
	struct resume r;
	int err;

	put_be32(b->ptr + at, v);
	sha256_of(bytes_of(b->ptr, b->len - SHA256_LEN), b->ptr + b->len - SHA256_LEN);
	err = resume_decode(buf_bytes(b), &r);
	if (err == OK)
		bitfield_fini(&r.have);
	return err;
}

TEST(numbers_with_a_right_checksum_are_still_checked)
{
	const size_t version = 8, flags = 12, pieces = 48, torrent = 52 + 3;
	struct buf b;

	encode(&b, 21, "d4:infode");
	CHECK_INT(decode_forged(&b, version, 2), ERR_PROTO);
	CHECK_INT(decode_forged(&b, version, 1), 0);
	CHECK_INT(decode_forged(&b, flags, 2), ERR_PROTO);
	CHECK_INT(decode_forged(&b, flags, 0), 0);
	CHECK_INT(decode_forged(&b, pieces, META_PIECES_MAX + 1), ERR_PROTO);
	CHECK_INT(decode_forged(&b, pieces, UINT32_MAX), ERR_PROTO);
	CHECK_INT(decode_forged(&b, pieces, 18), ERR_PROTO); /* bit 18 is then a spare one */
	CHECK_INT(decode_forged(&b, pieces, 24), 0);
	CHECK_INT(decode_forged(&b, pieces, 25), ERR_PROTO);
	CHECK_INT(decode_forged(&b, pieces, 21), 0);
	CHECK_INT(decode_forged(&b, torrent, 8), ERR_PROTO);
	CHECK_INT(decode_forged(&b, torrent, 10), ERR_PROTO);
	CHECK_INT(decode_forged(&b, torrent, UINT32_MAX), ERR_PROTO);
	CHECK_INT(decode_forged(&b, torrent, 9), 0);
	CHECK_INT(decode_forged(&b, flags, 4), ERR_PROTO);
	buf_fini(&b);
	encode_timed(&b, 0);
	CHECK_INT(decode_forged(&b, flags, 0), ERR_PROTO);
	CHECK_INT(decode_forged(&b, flags, 3), 0);
	CHECK_INT(decode_forged(&b, b.len - SHA256_LEN - 3 * 12 - 4, 2), ERR_PROTO);
	CHECK_INT(decode_forged(&b, b.len - SHA256_LEN - 3 * 12 - 4, 4), ERR_PROTO);
	CHECK_INT(decode_forged(&b, b.len - SHA256_LEN - 3 * 12 - 4, UINT32_MAX), ERR_PROTO);
	CHECK_INT(decode_forged(&b, b.len - SHA256_LEN - 3 * 12 - 4, 3), 0);
	buf_fini(&b);
}

TEST(the_most_pieces_a_torrent_may_have_fit)
{
	struct buf b;
	struct resume r;

	encode(&b, META_PIECES_MAX, "x");
	CHECK_INT(resume_decode(buf_bytes(&b), &r), 0);
	CHECK_INT(r.have.n, META_PIECES_MAX);
	bitfield_fini(&r.have);
	buf_fini(&b);
}
