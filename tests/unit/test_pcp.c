#include "wire/pcp.h"

#include <stdlib.h>

#include "test.h"

/* RFC 6887 7.1 and 11.1, figures 2 and 9, by hand: 10.0.0.2 would like 203.0.113.9:7000. */
static const uint8_t golden[PCP_MAP_BYTES] = {
    2, 1, 0, 0, 0,    0,    0x0e, 0x10,					   /* MAP, 3600 s */
    0, 0, 0, 0, 0,    0,    0,	  0,	0, 0,  0xff, 0xff, 10,	0, 0,	2, /* client */
    1, 2, 3, 4, 5,    6,    7,	  8,	9, 10, 11,   12,		   /* nonce */
    6, 0, 0, 0, 0x1a, 0xe1, 0x1b, 0x58,					   /* TCP, 6881, 7000 */
    0, 0, 0, 0, 0,    0,    0,	  0,	0, 0,  0xff, 0xff, 203, 0, 113, 9,
};

static struct pcp_map sample(void)
{
	struct pcp_map m = {.protocol = PCP_TCP,
			    .internal_port = 6881,
			    .lifetime_s = 3600,
			    .nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

	CHECK_INT(addr_parse(bytes_str("203.0.113.9:7000"), 0, &m.external), 0);
	return m;
}

static void make_reply(uint8_t out[PCP_MAP_BYTES])
{
	memcpy(out, golden, PCP_MAP_BYTES);
	out[1] |= 0x80;
}

static int decode(const uint8_t *data, size_t len, struct pcp_map *out)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	struct pcp_map asked = sample();
	int rc;

	CHECK(copy != NULL);
	memcpy(copy, data, len);
	rc = pcp_map_reply_decode(bytes_of(copy, len), &asked, out);
	free(copy);
	return rc;
}

TEST(a_request_is_as_the_standard_says)
{
	struct pcp_map m = sample();
	uint8_t out[PCP_MAP_BYTES];
	struct addr client;

	CHECK_INT(addr_parse(bytes_str("10.0.0.2:6881"), 0, &client), 0);
	CHECK_INT(pcp_map_encode(&m, &client, out), PCP_MAP_BYTES);
	CHECK_MEM(out, golden, PCP_MAP_BYTES);
}

TEST(a_reply_tells_what_the_router_gave)
{
	uint8_t reply[PCP_MAP_BYTES];
	struct pcp_map got;

	make_reply(reply);
	put_be16(reply + 42, 7001);
	put_be32(reply + 4, 120);
	CHECK_INT(decode(reply, sizeof(reply), &got), 0);
	CHECK_INT(got.result, PCP_SUCCESS);
	CHECK_INT(got.lifetime_s, 120);
	CHECK_INT(got.external.port, 7001);
	CHECK(!got.external.v6 && got.external.ip[0] == 203);
	reply[3] = PCP_NOT_AUTHORIZED;
	CHECK_INT(decode(reply, sizeof(reply), &got), 0);
	CHECK_INT(got.result, PCP_NOT_AUTHORIZED);
}

TEST(a_router_that_speaks_only_nat_pmp_is_known_by_its_answer)
{
	/* RFC 6886 3.5: version 0, opcode 128 + 1, result 1, and the time. */
	static const uint8_t old[8] = {0, 0x81, 0, 1, 0, 0, 0, 9};
	uint8_t reply[PCP_MAP_BYTES];
	struct pcp_map got;

	CHECK_INT(decode(old, sizeof(old), &got), 0);
	CHECK_INT(got.result, PCP_UNSUPPORTED_VERSION);
	make_reply(reply);
	reply[3] = PCP_UNSUPPORTED_VERSION;
	CHECK_INT(decode(reply, sizeof(reply), &got), 0);
	CHECK_INT(got.result, PCP_UNSUPPORTED_VERSION);
}

TEST(what_is_no_reply_to_this_is_refused)
{
	static const size_t must_match[] = {1, 24, 35, 36, 40, 41};
	uint8_t reply[PCP_BYTES_MAX + 1] = {0};
	struct pcp_map got;

	make_reply(reply);
	for (size_t len = 0; len < PCP_MAP_BYTES; len++)
		CHECK_INT(decode(reply, len, &got), ERR_PROTO);
	CHECK_INT(decode(reply, PCP_BYTES_MAX, &got), 0);
	CHECK_INT(decode(reply, PCP_BYTES_MAX + 1, &got), ERR_PROTO);
	for (size_t i = 0; i < sizeof(must_match) / sizeof(must_match[0]); i++) {
		make_reply(reply);
		reply[must_match[i]] ^= 1;
		CHECK_INT(decode(reply, PCP_MAP_BYTES, &got), ERR_PROTO);
	}
	/* A question is no answer. */
	CHECK_INT(decode(golden, PCP_MAP_BYTES, &got), ERR_PROTO);
}
