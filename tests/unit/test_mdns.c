#include "wire/mdns.h"

#include <stdlib.h>

#include "test.h"

#define TYPE "_shoal._tcp"

/* A question of RFC 1035's form, as avahi-browse would send it: QU bit, one PTR. */
static const uint8_t golden_question[] = "\0\0\0\0\0\1\0\0\0\0\0\0"
					 "\x06_Shoal\x04_tcp\x05local\0"
					 "\0\x0c\x80\x01";

/* What another implementation tells, with names shortened by pointers: the PTR, and of its instance
 * ("Big box") SRV, TXT and one address. Pointers: 0x0c the type, 0x29 the instance, 0x45 the host.
 */
static const uint8_t golden_response[] = "\0\0\x84\0\0\0\0\4\0\0\0\0"
					 "\x06_shoal\x04_tcp\x05local\0" /* 0x0c */
					 "\0\x0c\0\1\0\0\x11\x94\0\x0a"	 /* PTR, 4500 s, 10 bytes */
					 "\x07"
					 "Big box\xc0\x0c" /* 0x29 */
					 "\xc0\x29\0\x21\x80\1\0\0\0\x78\0\x0e"
					 "\0\0\0\0\x1b\x39\x05gaia2\xc0\x18" /* 6969, 0x45 */
					 "\xc0\x29\0\x10\x80\1\0\0\x11\x94\0\x0f"
					 "\x08version=\x05id=ab"
					 "\xc0\x45\0\1\x80\1\0\0\0\x78\0\4\x0a\x09\0\1";

static struct mdns_service sample(void)
{
	struct mdns_service s = {
	    .type = TYPE, .instance = "shoal.on Gaia", .host = "Gaia", .port = 6969, .n_addrs = 2};

	CHECK_INT(addr_parse(bytes_str("192.0.2.7"), 6969, &s.addrs[0]), 0);
	CHECK_INT(addr_parse(bytes_str("[fd00::7]"), 6969, &s.addrs[1]), 0);
	CHECK_INT(mdns_text_put(&s, "id", "0123"), 0);
	CHECK_INT(mdns_text_put(&s, "pin", "sha256//abc="), 0);
	return s;
}

static struct bytes exact(const void *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	CHECK(copy != NULL);
	memcpy(copy, data, len);
	return bytes_of(copy, len);
}

static int decode_copy(const void *data, size_t len, struct mdns_service *out, unsigned cap)
{
	struct bytes in = exact(data, len);
	int n = mdns_response_decode(in, TYPE, out, cap);

	free((void *)in.ptr);
	return n;
}

static unsigned asked(const void *packet, size_t len, struct mdns_question *q)
{
	struct mdns_service s = sample();
	struct bytes in = exact(packet, len);

	CHECK_INT(mdns_question_decode(in, &s, q), 0);
	free((void *)in.ptr);
	return q->about;
}

TEST(what_one_encodes_the_other_decodes)
{
	struct mdns_service s = sample(), got[2];
	uint8_t out[MDNS_PACKET_MAX];
	size_t len = mdns_response_encode(&s, NULL, out);
	struct bytes value;

	CHECK_INT(decode_copy(out, len, got, 2), 1);
	CHECK_STR(got[0].instance, s.instance);
	CHECK_STR(got[0].host, "Gaia");
	CHECK_INT(got[0].port, 6969);
	CHECK(!got[0].gone);
	CHECK_INT(got[0].n_addrs, 2);
	CHECK(addr_eq(&got[0].addrs[0], &s.addrs[0]) && addr_eq(&got[0].addrs[1], &s.addrs[1]));
	CHECK(mdns_text_get(&got[0], "PIN", &value));
	CHECK(bytes_eq(value, bytes_str("sha256//abc=")));
	CHECK(!mdns_text_get(&got[0], "pi", &value));
	CHECK_INT(mdns_response_decode(bytes_of(out, len), "_other._tcp", got, 2), 0);
}

TEST(a_goodbye_is_known_as_one)
{
	struct mdns_service s = sample(), got;
	uint8_t out[MDNS_PACKET_MAX];

	s.gone = true;
	CHECK_INT(decode_copy(out, mdns_response_encode(&s, NULL, out), &got, 1), 1);
	CHECK(got.gone);
}

TEST(names_shortened_by_pointers_are_understood)
{
	struct mdns_service got;
	struct bytes value;

	CHECK_INT(decode_copy(golden_response, sizeof(golden_response) - 1, &got, 1), 1);
	CHECK_STR(got.instance, "Big box");
	CHECK_STR(got.host, "gaia2");
	CHECK_INT(got.port, 6969);
	CHECK_INT(got.n_addrs, 1);
	CHECK_INT(got.addrs[0].ip[0], 10);
	CHECK(mdns_text_get(&got, "version", &value) && value.len == 0);
	CHECK(mdns_text_get(&got, "id", &value) && bytes_eq(value, bytes_str("ab")));
}

TEST(every_prefix_of_a_response_is_refused_or_harmless)
{
	struct mdns_service got;

	for (size_t len = 0; len < sizeof(golden_response) - 1; len++)
		CHECK_INT(decode_copy(golden_response, len, &got, 1), ERR_PROTO);
}

TEST(pointers_in_circles_and_forwards_are_refused)
{
	uint8_t circle[] = "\0\0\x84\0\0\0\0\1\0\0\0\0"
			   "\xc0\x0c\0\x0c\0\1\0\0\0\1\0\0";
	struct mdns_service got;

	CHECK_INT(decode_copy(circle, sizeof(circle) - 1, &got, 1), ERR_PROTO);
	circle[13] = 0x0e;
	CHECK_INT(decode_copy(circle, sizeof(circle) - 1, &got, 1), ERR_PROTO);
	circle[13] = 0xff;
	CHECK_INT(decode_copy(circle, sizeof(circle) - 1, &got, 1), ERR_PROTO);
}

TEST(a_message_with_more_records_than_the_limit_is_refused)
{
	/* Each is the root's name, a pointer to nowhere else, and no data. */
	uint8_t packet[12 + (MDNS_RECORDS_MAX + 1) * 11] = {0, 0, 0x84};
	struct mdns_service got;

	put_be16(packet + 6, MDNS_RECORDS_MAX);
	CHECK_INT(mdns_response_decode(bytes_of(packet, sizeof(packet)), TYPE, &got, 1), 0);
	put_be16(packet + 6, MDNS_RECORDS_MAX + 1);
	CHECK_INT(mdns_response_decode(bytes_of(packet, sizeof(packet)), TYPE, &got, 1), ERR_PROTO);
}

TEST(a_name_is_at_most_255_bytes)
{
	/* Four labels of 61 bytes, one of n, the root: 4 * 62 + n + 2. */
	uint8_t packet[12 + 256 + 10] = {0, 0, 0x84};
	struct mdns_service got;

	for (unsigned n = 4; n <= 6; n++) {
		uint8_t *p = packet + 12;

		memset(p, 'a', 256);
		for (int i = 0; i < 4; i++, p += 62)
			*p = 61;
		*p = (uint8_t)n;
		p += n + 1;
		memset(p, 0, 11);
		put_be16(packet + 6, 1);
		CHECK_INT(mdns_response_decode(bytes_of(packet, (size_t)(p - packet) + 11), TYPE,
					       &got, 1),
			  4 * 62 + n + 2 <= MDNS_NAME_MAX ? 0 : ERR_PROTO);
	}
}

TEST(a_question_for_the_type_is_for_us_whatever_its_case)
{
	struct mdns_question q;
	uint8_t out[MDNS_PACKET_MAX];

	CHECK_INT(asked(golden_question, sizeof(golden_question) - 1, &q), MDNS_ABOUT_TYPE);
	CHECK(q.unicast);
	CHECK_INT(asked(out, mdns_question_encode(TYPE, 77, out), &q), MDNS_ABOUT_TYPE);
	CHECK(!q.unicast);
	CHECK_INT(q.id, 77);
	CHECK_INT(asked(out, mdns_question_encode("_ipp._tcp", 77, out), &q), 0);
	CHECK_INT(asked(out, mdns_question_encode("_services._dns-sd._udp", 1, out), &q),
		  MDNS_ABOUT_TYPES);
}

TEST(a_response_is_no_question)
{
	struct mdns_question q;

	CHECK_INT(asked(golden_response, sizeof(golden_response) - 1, &q), 0);
}

TEST(who_knows_us_already_is_not_told_again)
{
	struct mdns_service s = sample();
	struct mdns_question q;
	uint8_t known[2 * MDNS_PACKET_MAX], response[MDNS_PACKET_MAX];
	size_t len = mdns_question_encode(TYPE, 0, known), type_len = len - 12 - 4;
	size_t record_len = type_len + 10 + 1 + strlen(s.instance) + type_len;

	/* Our own PTR behind the question: it is the response's first record. */
	(void)mdns_response_encode(&s, NULL, response);
	memcpy(known + len, response + 12, record_len);
	len += record_len;
	put_be16(known + 6, 1);
	CHECK_INT(asked(known, len, &q), 0);
	/* Nearly forgotten: half of the time is over. */
	put_be32(known + mdns_question_encode(TYPE, 0, response) + 23, MDNS_TTL_S / 2 - 1);
	CHECK_INT(asked(known, len, &q), MDNS_ABOUT_TYPE);
}

TEST(a_legacy_reply_repeats_the_question_and_is_short_lived)
{
	struct mdns_service s = sample(), got;
	struct mdns_question q;
	uint8_t question[MDNS_PACKET_MAX], out[MDNS_PACKET_MAX];
	size_t asked_len = mdns_question_encode(TYPE, 0xabcd, question), len;

	CHECK_INT(asked(question, asked_len, &q), MDNS_ABOUT_TYPE);
	len = mdns_response_encode(&s, &q, out);
	CHECK_INT(be16(out), 0xabcd);
	CHECK_INT(be16(out + 4), 1);
	CHECK_MEM(out + 12, question + 12, asked_len - 12);
	CHECK_INT(be32(out + asked_len + 23), MDNS_LEGACY_TTL_S);
	CHECK_INT(decode_copy(out, len, &got, 1), 1);
	CHECK_STR(got.instance, s.instance);
}

TEST(text_is_full_at_its_limit)
{
	struct mdns_service s = {.type = TYPE};
	char value[256];

	memset(value, 'v', sizeof(value));
	value[254] = '\0';
	CHECK_INT(mdns_text_put(&s, "k", value), ERR_TOO_BIG);
	value[253] = '\0';
	CHECK_INT(mdns_text_put(&s, "k", value), 0);
	value[MDNS_TEXT_MAX - 256 - 1 - 2 + 1] = '\0';
	CHECK_INT(mdns_text_put(&s, "k", value), ERR_TOO_BIG);
	value[MDNS_TEXT_MAX - 256 - 1 - 2] = '\0';
	CHECK_INT(mdns_text_put(&s, "k", value), 0);
	CHECK_INT(s.text_len, MDNS_TEXT_MAX);
}
