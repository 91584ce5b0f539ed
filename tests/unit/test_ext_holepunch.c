#include "wire/ext_holepunch.h"

#include <stdlib.h>

#include "test.h"

#define BYTES(s) bytes_of(s, sizeof(s) - 1)

static int decode_exact(struct ext_holepunch *m, struct bytes in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	memcpy(copy, in.ptr, in.len);
	rc = ext_holepunch_decode(m, bytes_of(copy, in.len));
	free(copy);
	return rc;
}

TEST(a_rendezvous_is_laid_out_as_in_the_specification)
{
	static const char v4[] = "\x00\x00\x01\x02\x03\x04\x1a\xe1\x00\x00\x00\x00";
	static const char v6[] =
	    "\x02\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\x1a\xe1\0\0\0\x02";
	struct ext_holepunch m;
	struct buf out;

	CHECK_INT(decode_exact(&m, BYTES(v4)), OK);
	CHECK_INT(m.type, EXT_HOLEPUNCH_RENDEZVOUS);
	CHECK(addr_eq(&m.addr, &(struct addr){.ip = {1, 2, 3, 4}, .port = 6881}));
	CHECK_INT(m.error, 0);
	buf_init(&out, 100);
	CHECK_INT(ext_holepunch_encode(&out, &m), OK);
	CHECK(bytes_eq(buf_bytes(&out), BYTES(v4)));
	buf_clear(&out);
	CHECK_INT(decode_exact(&m, BYTES(v6)), OK);
	CHECK_INT(m.type, EXT_HOLEPUNCH_ERROR);
	CHECK_INT(m.addr.v6, 1);
	CHECK_INT(m.addr.port, 6881);
	CHECK_INT(m.error, EXT_HOLEPUNCH_NOT_CONNECTED);
	CHECK_INT(ext_holepunch_encode(&out, &m), OK);
	CHECK(bytes_eq(buf_bytes(&out), BYTES(v6)));
	buf_fini(&out);
}

/* What is cut anywhere is refused, but for a missing code, which libtorrent leaves out where there
 * is no error. */
static void check_prefixes(enum ext_holepunch_type type, bool v6)
{
	struct ext_holepunch m = {.type = type, .addr = {.ip = {1, 2, 3, 4}, .port = 1, .v6 = v6}};
	struct ext_holepunch got;
	struct buf out;

	buf_init(&out, 100);
	CHECK_INT(ext_holepunch_encode(&out, &m), OK);
	for (size_t n = 0; n < out.len; n++) {
		bool bare = n == out.len - 4 && type != EXT_HOLEPUNCH_ERROR;

		CHECK_INT(decode_exact(&got, bytes_of(out.ptr, n)), bare ? OK : ERR_PROTO);
	}
	CHECK_INT(decode_exact(&got, buf_bytes(&out)), OK);
	CHECK(got.type == type && addr_eq(&got.addr, &m.addr));
	CHECK_INT(buf_put_u8(&out, 0), OK);
	CHECK_INT(decode_exact(&got, buf_bytes(&out)), ERR_PROTO);
	buf_fini(&out);
}

TEST(only_an_error_must_have_its_code)
{
	struct ext_holepunch got;

	for (int v6 = 0; v6 < 2; v6++) {
		check_prefixes(EXT_HOLEPUNCH_RENDEZVOUS, v6 != 0);
		check_prefixes(EXT_HOLEPUNCH_CONNECT, v6 != 0);
		check_prefixes(EXT_HOLEPUNCH_ERROR, v6 != 0);
	}
	CHECK_INT(decode_exact(&got, BYTES("\3\0\1\2\3\4\0\1\0\0\0\0")), ERR_PROTO);
	CHECK_INT(decode_exact(&got, BYTES("\0\2\1\2\3\4\0\1\0\0\0\0")), ERR_PROTO);
}

TEST(every_error_has_its_words)
{
	for (uint32_t e = 0; e < 6; e++)
		CHECK(ext_holepunch_error_text(e)[0] != '\0');
}
