#include "wire/msg.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

#define OUT_MAX (WIRE_BODY_MAX + 64u)

#define ROOT                                                                                       \
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"                         \
	"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
#define HASH "................................"
#define BYTES(s) bytes_of(s, sizeof(s) - 1)

struct sample {
	struct bytes raw;
	struct wire_msg msg;
};

static const struct wire_hash_req two_hashes = {
    .root = ROOT, .base = 5, .index = 6, .length = 2, .proof = 3};

/* One of each kind, laid out by hand from BEP 3, 6, 10 and 52. */
static size_t samples_get(const struct sample **out)
{
	static struct sample all[32];
	size_t n = 0;

#define ADD(bytes, ...)                                                                            \
	all[n++] = (struct sample)                                                                 \
	{                                                                                          \
		BYTES(bytes),                                                                      \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
	ADD("\0\0\0\0", .type = WIRE_KEEPALIVE);
	ADD("\0\0\0\1\0", .type = WIRE_CHOKE);
	ADD("\0\0\0\1\1", .type = WIRE_UNCHOKE);
	ADD("\0\0\0\1\2", .type = WIRE_INTERESTED);
	ADD("\0\0\0\1\3", .type = WIRE_NOT_INTERESTED);
	ADD("\0\0\0\5\4\1\2\3\4", .type = WIRE_HAVE, .index = 0x01020304);
	ADD("\0\0\0\3\5\xff\x80", .type = WIRE_BITFIELD, .body = BYTES("\xff\x80"));
	ADD("\0\0\0\1\5", .type = WIRE_BITFIELD);
	ADD("\0\0\0\x0d\6\0\0\0\1\0\0\x40\0\0\0\x40\0", .type = WIRE_REQUEST, .index = 1,
	    .begin = 0x4000, .length = 0x4000);
	ADD("\0\0\0\x0c\7\0\0\0\1\0\0\x40\0xyz", .type = WIRE_PIECE, .index = 1, .begin = 0x4000,
	    .length = 3, .body = BYTES("xyz"));
	ADD("\0\0\0\x09\7\0\0\0\1\0\0\0\0", .type = WIRE_PIECE, .index = 1);
	ADD("\0\0\0\x0d\x08\0\0\0\2\0\0\0\0\0\0\x40\0", .type = WIRE_CANCEL, .index = 2,
	    .length = 0x4000);
	ADD("\0\0\0\3\x09\x1a\xe1", .type = WIRE_PORT, .port = 6881);
	ADD("\0\0\0\5\x0d\xff\xff\xff\xff", .type = WIRE_SUGGEST, .index = UINT32_MAX);
	ADD("\0\0\0\1\x0e", .type = WIRE_HAVE_ALL);
	ADD("\0\0\0\1\x0f", .type = WIRE_HAVE_NONE);
	ADD("\0\0\0\x0d\x10\0\0\0\2\0\0\0\0\0\0\x40\0", .type = WIRE_REJECT, .index = 2,
	    .length = 0x4000);
	ADD("\0\0\0\5\x11\0\0\0\7", .type = WIRE_ALLOWED_FAST, .index = 7);
	ADD("\0\0\0\4\x14\0de", .type = WIRE_EXTENDED, .body = BYTES("de"));
	ADD("\0\0\0\2\x14\3", .type = WIRE_EXTENDED, .ext_id = 3);
	ADD("\0\0\0\x31\x15" ROOT "\0\0\0\5\0\0\0\6\0\0\0\2\0\0\0\3", .type = WIRE_HASH_REQUEST,
	    .hash = two_hashes);
	ADD("\0\0\0\x91\x16" ROOT "\0\0\0\5\0\0\0\6\0\0\0\2\0\0\0\3" HASH HASH HASH,
	    .type = WIRE_HASHES, .hash = two_hashes, .body = BYTES(HASH HASH HASH));
	ADD("\0\0\0\x31\x17" ROOT "\0\0\0\5\0\0\0\6\0\0\0\2\0\0\0\3", .type = WIRE_HASH_REJECT,
	    .hash = two_hashes);
	ADD("\0\0\0\3\x18hi", .type = WIRE_UNKNOWN, .ext_id = 24, .body = BYTES("hi"));
	ADD("\0\0\0\1\xff", .type = WIRE_UNKNOWN, .ext_id = 255);
	ADD("\0\0\0\2\x0a?", .type = WIRE_UNKNOWN, .ext_id = 10, .body = BYTES("?"));
#undef ADD
	*out = all;
	return n;
}

static bool same(const struct wire_msg *a, const struct wire_msg *b)
{
	return a->type == b->type && a->index == b->index && a->begin == b->begin &&
	       a->length == b->length && a->port == b->port && a->ext_id == b->ext_id &&
	       memcmp(&a->hash, &b->hash, sizeof(a->hash)) == 0 && bytes_eq(a->body, b->body);
}

/* Decode from a block of exactly `in.len` bytes, so that one byte too many is seen. */
static int decode_exact(struct bytes in, enum wire_type *type)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	struct wire_msg m = {0};
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	rc = wire_decode(&m, bytes_of(copy, in.len));
	*type = m.type;
	free(copy);
	return rc;
}

TEST(every_message_decodes_to_its_value)
{
	const struct sample *s;
	size_t n = samples_get(&s);

	for (size_t i = 0; i < n; i++) {
		struct wire_msg m;

		CHECK_INT(wire_decode(&m, s[i].raw), s[i].raw.len);
		CHECK(same(&m, &s[i].msg));
	}
}

TEST(every_message_encodes_to_its_bytes)
{
	const struct sample *s;
	size_t n = samples_get(&s);
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < n; i++) {
		buf_clear(&out);
		CHECK_INT(wire_encode(&out, &s[i].msg), 0);
		CHECK_INT(out.len, s[i].raw.len);
		CHECK_MEM(out.ptr, s[i].raw.ptr, out.len);
	}
	buf_fini(&out);
}

TEST(every_prefix_of_a_message_wants_more_bytes)
{
	const struct sample *s;
	size_t n = samples_get(&s);
	enum wire_type type;

	for (size_t i = 0; i < n; i++) {
		for (size_t len = 0; len < s[i].raw.len; len++)
			CHECK_INT(decode_exact(bytes_sub(s[i].raw, 0, len), &type), 0);
		CHECK_INT(decode_exact(s[i].raw, &type), s[i].raw.len);
		CHECK_INT(type, s[i].msg.type);
	}
}

TEST(messages_in_a_row_are_taken_one_by_one)
{
	const struct sample *s;
	size_t n = samples_get(&s), pos = 0;
	struct buf all;

	buf_init(&all, OUT_MAX);
	for (size_t i = 0; i < n; i++)
		buf_put(&all, s[i].raw);
	for (size_t i = 0; i < n; i++) {
		struct wire_msg m;
		int used = wire_decode(&m, bytes_sub(buf_bytes(&all), pos, all.len - pos));

		CHECK_INT(used, s[i].raw.len);
		CHECK(same(&m, &s[i].msg));
		pos += (size_t)used;
	}
	CHECK_INT(pos, all.len);
	buf_fini(&all);
}

TEST(a_wrong_length_of_a_known_id_is_refused_with_the_id)
{
	static const struct {
		uint8_t id, good;
		bool more;
	} rows[] = {
	    {0, 1, false},   {1, 1, false},   {2, 1, false},   {3, 1, false},  {4, 5, false},
	    {6, 13, false},  {7, 9, true},    {8, 13, false},  {9, 3, false},  {13, 5, false},
	    {14, 1, false},  {15, 1, false},  {16, 13, false}, {17, 5, false}, {20, 2, true},
	    {21, 49, false}, {22, 49, false}, {23, 49, false},
	};
	enum wire_type type;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t raw[5] = {0, 0, 0, 0, rows[i].id};

		for (uint32_t len = 1; len < 80; len++) {
			bool good = len == rows[i].good || (rows[i].more && len > rows[i].good);

			/* A message that is only its id is whole with these five bytes. */
			put_be32(raw, len);
			CHECK_INT(decode_exact(bytes_of(raw, 5), &type), !good	    ? ERR_PROTO
									 : len == 1 ? 5
										    : 0);
		}
	}
}

TEST(a_prefix_over_the_limit_is_refused_before_anything_else_came)
{
	static const uint32_t bad[] = {WIRE_BODY_MAX + 1, (2u << 20) + 1, 1u << 31, UINT32_MAX};
	uint8_t raw[4];
	enum wire_type type;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_be32(raw, bad[i]);
		CHECK_INT(decode_exact(bytes_of(raw, 4), &type), ERR_TOO_BIG);
	}
	put_be32(raw, WIRE_BODY_MAX);
	CHECK_INT(decode_exact(bytes_of(raw, 4), &type), 0);
}

TEST(the_largest_message_passes)
{
	uint8_t *raw = calloc(1, WIRE_BODY_MAX + 4);
	struct wire_msg m;

	put_be32(raw, WIRE_BODY_MAX);
	raw[4] = WIRE_BITFIELD;
	CHECK_INT(wire_decode(&m, bytes_of(raw, WIRE_BODY_MAX + 3)), 0);
	CHECK_INT(wire_decode(&m, bytes_of(raw, WIRE_BODY_MAX + 4)), WIRE_BODY_MAX + 4);
	CHECK_INT(m.body.len, WIRE_BODY_MAX - 1);
	free(raw);
}

static int decode_hashes(enum wire_type type, struct wire_hash_req h, size_t n)
{
	struct wire_msg m = {.type = type, .hash = h}, back;
	uint8_t *hashes = calloc(n + 1, 32);
	struct buf out;
	int rc;

	m.body = bytes_of(hashes, n * 32);
	buf_init(&out, OUT_MAX);
	CHECK_INT(wire_encode(&out, &m), 0);
	rc = wire_decode(&back, buf_bytes(&out));
	if (rc > 0)
		CHECK(memcmp(&back.hash, &h, sizeof(h)) == 0);
	buf_fini(&out);
	free(hashes);
	return rc < 0 ? rc : 1;
}

TEST(hash_messages_keep_within_their_limits)
{
	static const enum wire_type types[] = {WIRE_HASH_REQUEST, WIRE_HASH_REJECT, WIRE_HASHES};

	for (size_t i = 0; i < 3; i++) {
		struct wire_hash_req h = {
		    .length = WIRE_HASHES_MAX, .proof = WIRE_PROOF_MAX, .base = WIRE_PROOF_MAX - 1};

		CHECK_INT(decode_hashes(types[i], h, WIRE_HASHES_MAX), 1);
		h.length++;
		CHECK_INT(decode_hashes(types[i], h, WIRE_HASHES_MAX + 1), ERR_TOO_BIG);
		h.length--;
		h.proof++;
		CHECK_INT(decode_hashes(types[i], h, WIRE_HASHES_MAX), ERR_TOO_BIG);
		h.proof--;
		h.base++;
		CHECK_INT(decode_hashes(types[i], h, WIRE_HASHES_MAX), ERR_TOO_BIG);
	}
}

TEST(hashes_carry_what_was_asked_for_and_at_most_the_proof)
{
	struct wire_hash_req h = {.length = 4, .proof = 2};

	CHECK_INT(decode_hashes(WIRE_HASHES, h, 3), ERR_PROTO);
	CHECK_INT(decode_hashes(WIRE_HASHES, h, 4), 1);
	CHECK_INT(decode_hashes(WIRE_HASHES, h, 6), 1);
	CHECK_INT(decode_hashes(WIRE_HASHES, h, 7), ERR_PROTO);
}

static int piece_head_exact(struct bytes in, struct wire_msg *m)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	rc = wire_piece_head(m, bytes_of(copy, in.len));
	free(copy);
	return rc;
}

TEST(a_piece_head_is_seen_before_its_payload)
{
	struct bytes raw = BYTES("\0\0\x40\x09\7\0\0\0\5\0\1\0\0");
	struct wire_msg m;

	for (size_t len = 0; len < raw.len; len++)
		CHECK_INT(piece_head_exact(bytes_sub(raw, 0, len), &m), 0);
	CHECK_INT(piece_head_exact(raw, &m), 1);
	CHECK_INT(m.type, WIRE_PIECE);
	CHECK_INT(m.index, 5);
	CHECK_INT(m.begin, 0x10000);
	CHECK_INT(m.length, 0x4000);
}

TEST(other_messages_have_no_piece_head)
{
	const struct sample *s;
	size_t n = samples_get(&s);
	struct wire_msg m;

	for (size_t i = 0; i < n; i++)
		CHECK_INT(piece_head_exact(s[i].raw, &m), s[i].msg.type == WIRE_PIECE ? 1 : -1);
	CHECK_INT(piece_head_exact(BYTES("\0\0\0\x08\7\0\0\0\1\0\0\0\0"), &m), -1);
	CHECK_INT(piece_head_exact(BYTES("\0\4\xb0\0"), &m), 0);
	CHECK_INT(piece_head_exact(BYTES("\0\4\xb0\1"), &m), -1);
}

TEST(a_piece_head_put_by_hand_equals_an_encoded_piece)
{
	uint8_t head[WIRE_PIECE_HEAD];
	struct wire_msg m = {.type = WIRE_PIECE, .index = 9, .begin = 16384, .body = BYTES("abc")};
	struct buf out;

	buf_init(&out, OUT_MAX);
	wire_put_piece_head(head, 9, 16384, 3);
	CHECK_INT(wire_encode(&out, &m), 0);
	CHECK_INT(out.len, sizeof(head) + 3);
	CHECK_MEM(out.ptr, head, sizeof(head));
	buf_fini(&out);
}

TEST(a_full_buffer_takes_no_half_message)
{
	struct wire_msg m = {.type = WIRE_PIECE, .body = BYTES("abc")};
	struct buf out;

	buf_init(&out, WIRE_PIECE_HEAD + 2);
	CHECK_INT(wire_encode(&out, &m), ERR_TOO_BIG);
	CHECK_INT(out.len, 0);
	buf_fini(&out);
	buf_init(&out, WIRE_PIECE_HEAD + 3);
	CHECK_INT(wire_encode(&out, &m), 0);
	CHECK_INT(out.len, WIRE_PIECE_HEAD + 3);
	buf_fini(&out);
}

TEST(types_have_names)
{
	CHECK_STR(wire_type_text(WIRE_CHOKE), "choke");
	CHECK_STR(wire_type_text(WIRE_HAVE_ALL), "have all");
	CHECK_STR(wire_type_text(WIRE_HASH_REJECT), "hash reject");
	CHECK_STR(wire_type_text(WIRE_KEEPALIVE), "keepalive");
	CHECK_STR(wire_type_text(WIRE_UNKNOWN), "unknown");
	CHECK_STR(wire_type_text((enum wire_type)11), "unknown");
	CHECK_STR(wire_type_text((enum wire_type) - 1), "unknown");
}

/* Bytes of chance, with short prefixes so that messages do come about. */
static size_t noise(struct rng *r, uint8_t *out, size_t cap)
{
	size_t len = rng_below(r, (uint32_t)cap + 1);

	rng_fill(r, out, len);
	if (len > 0 && rng_below(r, 8) != 0)
		out[0] = 0;
	if (len > 1 && rng_below(r, 8) != 0)
		out[1] = 0;
	if (len > 2 && rng_below(r, 4) != 0)
		out[2] = 0;
	if (len > 4 && rng_below(r, 2) != 0)
		out[4] &= 31;
	return len;
}

TEST(random_bytes_decode_within_bounds_and_round_trip)
{
	struct rng r;
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (uint64_t seed = 1; seed <= 50000; seed++) {
		uint8_t pool[300];
		size_t len;
		uint8_t *in;
		struct wire_msg m, back;
		int used;

		rng_seed(&r, seed);
		len = noise(&r, pool, sizeof(pool));
		in = malloc(len == 0 ? 1 : len);
		memcpy(in, pool, len);
		used = wire_decode(&m, bytes_of(in, len));
		CHECK_SEED(used <= (int)len, seed);
		if (used > 0) {
			buf_clear(&out);
			CHECK_SEED(wire_encode(&out, &m) == 0, seed);
			CHECK_SEED(out.len == (size_t)used, seed);
			CHECK_SEED(memcmp(out.ptr, in, out.len) == 0, seed);
			CHECK_SEED(wire_decode(&back, buf_bytes(&out)) == used, seed);
			CHECK_SEED(same(&m, &back), seed);
		}
		free(in);
	}
	buf_fini(&out);
}
