/* The peer wire: a stream is taken apart message by message, and each one is written
 * back byte for byte. */
#include "wire/msg.h"

#include "fuzz.h"

/* Before the message is whole the answer is "more" or the refusal it will get anyway. */
static void check_prefix(struct bytes in, int whole, size_t len)
{
	struct wire_msg m;
	int rc = wire_decode(&m, bytes_sub(in, 0, len));

	FUZZ_CHECK(rc == 0 || rc == whole);
	FUZZ_CHECK(rc <= 0 || (size_t)rc <= len);
}

static void check_head(struct bytes in, const struct wire_msg *m, int used)
{
	struct wire_msg head;
	int rc = wire_piece_head(&head, in);

	FUZZ_CHECK(rc == (m->type == WIRE_PIECE ? 1 : -1));
	if (rc != 1)
		return;
	FUZZ_CHECK(head.index == m->index && head.begin == m->begin && head.length == m->length);
	FUZZ_CHECK((size_t)used == WIRE_PIECE_HEAD + m->length);
}

static void check_message(struct bytes in, const struct wire_msg *m, int used)
{
	struct buf out;

	FUZZ_CHECK((size_t)used <= in.len && (size_t)used <= 4 + WIRE_BODY_MAX);
	FUZZ_CHECK(m->body.len <= WIRE_BODY_MAX);
	FUZZ_CHECK(wire_type_text(m->type) != NULL);
	buf_init(&out, WIRE_BODY_MAX + 4);
	FUZZ_CHECK(wire_encode(&out, m) == 0);
	FUZZ_CHECK(bytes_eq(buf_bytes(&out), bytes_sub(in, 0, (size_t)used)));
	buf_fini(&out);
	check_head(in, m, used);
	FUZZ_SEEDED(m->type == WIRE_HASHES && m->hash.length == 2 && m->body.len == 96 &&
		    m->hash.index > 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	while (in.len > 0) {
		struct wire_msg m;
		int used = wire_decode(&m, in);

		for (size_t len = 0; len < in.len && len < 64; len++)
			check_prefix(in, used, len);
		if (used <= 0)
			break;
		check_message(in, &m, used);
		in = bytes_sub(in, (size_t)used, in.len - (size_t)used);
	}
	return 0;
}
