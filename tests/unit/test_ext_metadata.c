#include "wire/ext_metadata.h"

#include <stdlib.h>

#include "test.h"

static int decode_exact(struct ext_metadata *m, const void *text, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	int rc;

	memcpy(copy, text, len);
	rc = ext_metadata_decode(m, bytes_of(copy, len));
	free(copy);
	return rc;
}

static int decode_text(const char *text)
{
	struct ext_metadata m;

	return decode_exact(&m, text, strlen(text));
}

TEST(the_messages_of_the_specification_are_read)
{
	static const char data[] = "d8:msg_typei1e5:piecei0e10:total_sizei3eexyz";
	struct ext_metadata m;

	CHECK_INT(decode_exact(&m, "d8:msg_typei0e5:piecei7ee", 25), OK);
	CHECK_INT(m.type, EXT_METADATA_REQUEST);
	CHECK_INT(m.piece, 7);
	CHECK_INT(decode_exact(&m, "d8:msg_typei2e5:piecei0ee", 25), OK);
	CHECK_INT(m.type, EXT_METADATA_REJECT);
	CHECK_INT(ext_metadata_decode(&m, bytes_str(data)), OK);
	CHECK_INT(m.type, EXT_METADATA_DATA);
	CHECK_INT(m.total_bytes, 3);
	CHECK_MEM(m.data.ptr, "xyz", 3);
}

TEST(every_prefix_of_a_message_is_refused)
{
	static const char data[] = "d8:msg_typei1e5:piecei0e10:total_sizei3eexyz";
	struct ext_metadata m;

	for (size_t n = 0; n < sizeof(data) - 1; n++)
		CHECK_INT(decode_exact(&m, data, n), ERR_PROTO);
}

TEST(a_kind_that_is_not_known_is_let_pass)
{
	struct ext_metadata m;

	CHECK_INT(decode_exact(&m, "d8:msg_typei3ee", 15), OK);
	CHECK_INT(m.type, EXT_METADATA_UNKNOWN);
}

TEST(sizes_and_pieces_that_cannot_be_are_refused_O_20)
{
	static const char *const bad[] = {
	    "d8:msg_typei1e5:piecei0e10:total_sizei0ee",
	    "d8:msg_typei1e5:piecei0e10:total_sizei-1ee",
	    "d8:msg_typei1e5:piecei0e10:total_sizei2147483648eex",
	    "d8:msg_typei1e5:piecei0e10:total_sizei10485761eex",
	    "d8:msg_typei1e5:piecei1e10:total_sizei3eexyz",
	    "d8:msg_typei1e5:piecei0e10:total_sizei4eexyz",
	    "d8:msg_typei1e5:piecei0e10:total_sizei2eexyz",
	    "d8:msg_typei1e5:piecei0e10:total_sizei99999eexyz",
	    "d8:msg_typei1e5:piecei0eexyz",
	    "d8:msg_typei0e5:piecei-1ee",
	    "d8:msg_typei0e5:piecei640ee",
	    "d8:msg_typei0ee",
	    "d5:piecei0ee",
	    "le",
	    "",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(decode_text(bad[i]), ERR_PROTO);
	CHECK_INT(decode_text("d8:msg_typei0e5:piecei639ee"), OK);
}

TEST(what_is_written_is_read_again)
{
	static const uint8_t data[EXT_METADATA_PIECE] = {1, 2, 3};
	struct ext_metadata m, want = {EXT_METADATA_DATA, 1, 40000, {data, sizeof(data)}};
	struct buf out;

	buf_init(&out, 20000);
	CHECK_INT(ext_metadata_encode(&out, &want), OK);
	CHECK_INT(ext_metadata_decode(&m, buf_bytes(&out)), OK);
	CHECK_INT(m.piece, 1);
	CHECK_INT(m.total_bytes, 40000);
	CHECK(bytes_eq(m.data, want.data));
	buf_fini(&out);
	CHECK_INT(ext_metadata_pieces(40000), 3);
	CHECK_INT(ext_metadata_piece_bytes(40000, 2), 40000 - 2 * 16384);
}
