#include "wire/ext_pex.h"

#include <stdlib.h>

#include "test.h"

#define BYTES(s) bytes_of(s, sizeof(s) - 1)

static int decode_exact(struct ext_pex *m, struct bytes in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	memcpy(copy, in.ptr, in.len);
	rc = ext_pex_decode(m, bytes_of(copy, in.len));
	free(copy);
	return rc;
}

static struct addr v4(uint8_t last)
{
	return (struct addr){.ip = {10, 1, 0, last}, .port = 6881};
}

static struct addr v6(uint8_t last)
{
	return (struct addr){.ip = {0x20, 1, 0xd, 0xb8, [15] = last}, .port = 6881, .v6 = 1};
}

TEST(what_is_written_is_read_again_in_both_families)
{
	struct ext_pex m = {.n_added = 3, .n_dropped = 2}, got;
	struct buf out;

	m.added[0] = (struct ext_pex_peer){v4(1), EXT_PEX_SEED};
	m.added[1] = (struct ext_pex_peer){v6(2), EXT_PEX_REACHABLE};
	m.added[2] = (struct ext_pex_peer){v4(3), 0};
	m.dropped[0] = v6(4);
	m.dropped[1] = v4(5);
	buf_init(&out, 1000);
	CHECK_INT(ext_pex_encode(&out, &m), OK);
	CHECK_INT(decode_exact(&got, buf_bytes(&out)), OK);
	CHECK_INT(got.n_added, 3);
	CHECK(addr_eq(&got.added[0].addr, &m.added[0].addr));
	CHECK(addr_eq(&got.added[1].addr, &m.added[2].addr));
	CHECK(addr_eq(&got.added[2].addr, &m.added[1].addr));
	CHECK_INT(got.added[0].flags, EXT_PEX_SEED);
	CHECK_INT(got.added[2].flags, EXT_PEX_REACHABLE);
	CHECK_INT(got.n_dropped, 2);
	for (size_t n = 0; n < out.len; n++)
		CHECK_INT(decode_exact(&got, bytes_sub(buf_bytes(&out), 0, n)), ERR_PROTO);
	buf_fini(&out);
}

TEST(a_full_message_and_an_empty_one_are_written)
{
	struct ext_pex m = {.n_added = EXT_PEX_MAX, .n_dropped = EXT_PEX_MAX}, got;
	struct buf out;

	for (uint8_t i = 0; i < EXT_PEX_MAX; i++) {
		m.added[i].addr = v6((uint8_t)(i + 1));
		m.dropped[i] = v6((uint8_t)(i + 100));
	}
	buf_init(&out, 4000);
	CHECK_INT(ext_pex_encode(&out, &m), OK);
	CHECK_INT(ext_pex_decode(&got, buf_bytes(&out)), OK);
	CHECK_INT(got.n_added, EXT_PEX_MAX);
	CHECK_INT(got.n_dropped, EXT_PEX_MAX);
	buf_clear(&out);
	m.n_added = m.n_dropped = 0;
	CHECK_INT(ext_pex_encode(&out, &m), OK);
	CHECK(bytes_eq(buf_bytes(&out), BYTES("de")));
	buf_fini(&out);
}

TEST(contacts_that_nobody_should_dial_are_left_out_O_21)
{
	static const char text[] = "d5:added42:"
				   "\x0a\x01\x00\x01\x1a\xe1" /* good */
				   "\x0a\x01\x00\x01\x1a\xe1" /* twice */
				   "\x0a\x01\x00\x01\x1a\xe2" /* the same host */
				   "\x00\x00\x00\x00\x1a\xe1" /* nowhere */
				   "\x0a\x01\x00\x02\x00\x00" /* no port */
				   "\xe0\x00\x00\x01\x1a\xe1" /* many */
				   "\xff\xff\xff\xff\x1a\xe1" /* everybody */
				   "e";
	struct ext_pex m;

	CHECK_INT(decode_exact(&m, BYTES(text)), OK);
	CHECK_INT(m.n_added, 1);
	CHECK(addr_eq(&m.added[0].addr, &(struct addr){.ip = {10, 1, 0, 1}, .port = 6881}));
}

TEST(ten_thousand_contacts_are_fifty_O_21)
{
	uint8_t *list = malloc(60000);
	struct ext_pex m;
	struct buf in;

	for (uint32_t i = 0; i < 10000; i++) {
		put_be32(list + 6 * i, 0x0b000001 + i);
		put_be16(list + 6 * i + 4, 6881);
	}
	buf_init(&in, 200000);
	(void)buf_put_str(&in, "d5:added60000:");
	(void)buf_put(&in, bytes_of(list, 60000));
	(void)buf_put_str(&in, "7:dropped60000:");
	(void)buf_put(&in, bytes_of(list, 60000));
	(void)buf_put_str(&in, "e");
	CHECK_INT(decode_exact(&m, buf_bytes(&in)), OK);
	CHECK_INT(m.n_added, EXT_PEX_MAX);
	CHECK_INT(m.n_dropped, EXT_PEX_MAX);
	buf_fini(&in);
	free(list);
}

TEST(lists_cut_short_and_other_things_are_refused)
{
	struct ext_pex m;

	CHECK_INT(decode_exact(&m, BYTES("d5:added5:12345e")), ERR_PROTO);
	CHECK_INT(decode_exact(&m, BYTES("d6:added617:12345678901234567e")), ERR_PROTO);
	CHECK_INT(decode_exact(&m, BYTES("d7:dropped5:12345e")), ERR_PROTO);
	CHECK_INT(decode_exact(&m, BYTES("i1e")), ERR_PROTO);
	CHECK_INT(decode_exact(&m, BYTES("d5:addedi5ee")), OK);
	CHECK_INT(m.n_added, 0);
}
