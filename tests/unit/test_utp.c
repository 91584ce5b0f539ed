#include "wire/utp.h"

#include <stdlib.h>

#include "test.h"

static int decode_exact(struct utp_packet *p, const void *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	int rc;

	memcpy(copy, data, len);
	rc = utp_decode(p, bytes_of(copy, len));
	free(copy);
	return rc;
}

/* Source: BEP 29 "header format" and "Selective ACK": 7 and 15 have come, 6 has not. */
static const uint8_t golden[] = {
    0x21, 0x01, 0x12, 0x34, 0x00, 0x00, 0x00, 0x01, 0x80, 0x00, 0x00, 0x02, 0x00,
    0x10, 0x00, 0x00, 0xff, 0xff, 0x00, 0x05, 0x00, 0x04, 0x01, 0x01, 0x00, 0x00,
};

TEST(a_packet_is_read_and_written)
{
	struct utp_packet p;
	uint8_t out[sizeof(golden)];

	CHECK_INT(utp_decode(&p, bytes_of(golden, sizeof(golden))), sizeof(golden));
	CHECK_INT(p.type, UTP_STATE);
	CHECK_INT(p.id, 0x1234);
	CHECK_INT(p.stamp_us, 1);
	CHECK_INT(p.delay_us, 0x80000002);
	CHECK_INT(p.window, 1 << 20);
	CHECK_INT(p.seq, 0xffff);
	CHECK_INT(p.ack, 5);
	CHECK_INT(p.sack.len, 4);
	CHECK_INT(p.sack.ptr[1], 1);
	CHECK_INT(p.payload.len, 0);
	CHECK_INT(utp_encode_head(&p, out), sizeof(golden));
	CHECK_MEM(out, golden, sizeof(golden));
}

TEST(every_prefix_is_too_short)
{
	struct utp_packet p;

	for (size_t n = 0; n < sizeof(golden); n++)
		CHECK_INT(decode_exact(&p, golden, n), 0);
	CHECK_INT(decode_exact(&p, golden, sizeof(golden)), sizeof(golden));
}

TEST(what_is_behind_the_heads_is_payload)
{
	uint8_t raw[UTP_HEAD + 7] = {0x01, 0x02};
	struct utp_packet p;

	memcpy(raw + UTP_HEAD, "\0\2xxabc", 7);
	CHECK_INT(decode_exact(&p, raw, sizeof(raw)), sizeof(raw));
	CHECK_INT(utp_decode(&p, bytes_of(raw, sizeof(raw))), sizeof(raw));
	CHECK_INT(p.type, UTP_DATA);
	CHECK_INT(p.sack.len, 0);
	CHECK_INT(p.payload.len, 3);
	CHECK_MEM(p.payload.ptr, "abc", 3);
	raw[1] = 0;
	CHECK_INT(utp_decode(&p, bytes_of(raw, sizeof(raw))), sizeof(raw));
	CHECK_INT(p.payload.len, 7);
}

TEST(a_head_without_acknowledgements_has_twenty_bytes)
{
	struct utp_packet p = {.type = UTP_SYN, .id = 7, .seq = 1}, back;
	uint8_t out[UTP_HEAD];

	CHECK_INT(utp_encode_head(&p, out), UTP_HEAD);
	CHECK_INT(out[0], 0x41);
	CHECK_INT(utp_decode(&back, bytes_of(out, sizeof(out))), UTP_HEAD);
	CHECK_INT(back.type, UTP_SYN);
	CHECK_INT(back.id, 7);
}

TEST(other_versions_and_types_are_refused_and_masks_have_any_length)
{
	uint8_t raw[UTP_HEAD + 2 + UTP_SACK_MAX] = {0x21, 1};
	struct utp_packet p;

	CHECK(!utp_is_packet('d'));
	for (unsigned first = 0; first < 256; first++) {
		raw[0] = (uint8_t)first;
		raw[1] = 0;
		CHECK_INT(utp_decode(&p, bytes_of(raw, UTP_HEAD)),
			  (first & 15) == 1 && first >> 4 <= 4 ? (int)UTP_HEAD : ERR_PROTO);
	}
	raw[0] = 0x21;
	raw[1] = 1;
	for (unsigned len = 0; len <= UTP_SACK_MAX; len++) {
		raw[UTP_HEAD + 1] = (uint8_t)len;
		CHECK_INT(decode_exact(&p, raw, UTP_HEAD + 2 + len), (int)(UTP_HEAD + 2 + len));
		CHECK_INT(p.sack.len, len);
	}
}

TEST(a_chain_of_extensions_has_an_end)
{
	uint8_t raw[UTP_HEAD + 2 * (UTP_EXTENSIONS_MAX + 1)];
	struct utp_packet p;
	size_t n = UTP_HEAD + 2 * UTP_EXTENSIONS_MAX;

	memset(raw, 0, sizeof(raw));
	raw[0] = 0x01;
	raw[1] = 9;
	for (unsigned i = 0; i + 1 < UTP_EXTENSIONS_MAX; i++)
		raw[UTP_HEAD + 2 * i] = 9;
	CHECK_INT(decode_exact(&p, raw, n), (int)n);
	raw[n - 2] = 9;
	CHECK_INT(decode_exact(&p, raw, n + 2), ERR_PROTO);
}
