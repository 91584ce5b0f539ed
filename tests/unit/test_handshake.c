#include "wire/handshake.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/rng.h"
#include "test.h"

#define HASH "aaaaaaaaaaaaaaaaaaaa"
#define ID "-SH0100-bbbbbbbbbbbb"
#define GREETING                                                                                   \
	"\x13"                                                                                     \
	"BitTorrent protocol"
#define BYTES(s) bytes_of(s, sizeof(s) - 1)

static int decode_exact(struct handshake *h, struct bytes in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	rc = handshake_decode(h, bytes_of(copy, in.len));
	free(copy);
	return rc;
}

TEST(the_handshake_has_its_68_bytes)
{
	struct handshake h = {.fast = true, .extended = true, .dht = true, .v2 = true};
	struct bytes want = BYTES(GREETING "\0\0\0\0\0\x10\0\x15" HASH ID);
	uint8_t out[HANDSHAKE_LEN];

	memcpy(h.info_hash, HASH, 20);
	memcpy(h.peer_id, ID, 20);
	handshake_encode(&h, out);
	CHECK_INT(want.len, HANDSHAKE_LEN);
	CHECK_MEM(out, want.ptr, HANDSHAKE_LEN);
}

TEST(each_reserved_bit_stands_for_one_extension)
{
	for (unsigned bits = 0; bits < 16; bits++) {
		struct handshake h = {
		    .fast = bits & 1, .extended = bits & 2, .dht = bits & 4, .v2 = bits & 8};
		struct handshake back;
		uint8_t out[HANDSHAKE_LEN];

		handshake_encode(&h, out);
		CHECK_INT(out[27], (h.fast ? 4 : 0) | (h.dht ? 1 : 0) | (h.v2 ? 16 : 0));
		CHECK_INT(out[25], h.extended ? 16 : 0);
		CHECK_INT(handshake_decode(&back, bytes_of(out, sizeof(out))), HANDSHAKE_LEN);
		CHECK_MEM(&back, &h, sizeof(h));
	}
}

TEST(unknown_reserved_bits_are_passed_over)
{
	struct handshake h;

	CHECK_INT(handshake_decode(&h, BYTES(GREETING "\xff\xff\xff\xff\xff\xef\xff\xea" HASH ID)),
		  HANDSHAKE_LEN);
	CHECK(!h.fast && !h.extended && !h.dht && !h.v2);
	CHECK_MEM(h.info_hash, HASH, 20);
	CHECK_MEM(h.peer_id, ID, 20);
}

TEST(every_prefix_of_a_handshake_wants_more_bytes)
{
	struct bytes whole = BYTES(GREETING "\0\0\0\0\0\0\0\0" HASH ID "more");
	struct handshake h;

	for (size_t len = 0; len < HANDSHAKE_LEN; len++)
		CHECK_INT(decode_exact(&h, bytes_sub(whole, 0, len)), 0);
	CHECK_INT(decode_exact(&h, bytes_sub(whole, 0, HANDSHAKE_LEN)), HANDSHAKE_LEN);
	CHECK_INT(decode_exact(&h, whole), HANDSHAKE_LEN);
}

TEST(a_wrong_byte_of_the_protocol_string_is_refused_at_once)
{
	for (size_t at = 0; at < 20; at++) {
		uint8_t raw[] = GREETING;
		struct handshake h;

		raw[at] ^= 0x20;
		CHECK_INT(decode_exact(&h, bytes_of(raw, at)), 0);
		CHECK_INT(decode_exact(&h, bytes_of(raw, at + 1)), ERR_PROTO);
		CHECK_INT(decode_exact(&h, bytes_of(raw, 20)), ERR_PROTO);
	}
}

TEST(noise_is_refused)
{
	struct handshake h;
	struct rng r;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		uint8_t raw[HANDSHAKE_LEN];

		rng_seed(&r, seed);
		rng_fill(&r, raw, sizeof(raw));
		CHECK_SEED(decode_exact(&h, bytes_of(raw, sizeof(raw))) == ERR_PROTO, seed);
	}
}

static const char *client_of(const char *id)
{
	static char out[CLIENT_TEXT_MAX];

	return handshake_client(out, (const uint8_t *)id);
}

TEST(clients_are_named_with_their_version)
{
	CHECK_STR(client_of("-SH0100-bbbbbbbbbbbb"), "shoal 0.1.0");
	CHECK_STR(client_of("-LT2080-bbbbbbbbbbbb"), "libtorrent 2.0.8");
	CHECK_STR(client_of("-LT20B0-bbbbbbbbbbbb"), "libtorrent 2.0.11");
	CHECK_STR(client_of("-TR4050-bbbbbbbbbbbb"), "Transmission 4.0.5");
	CHECK_STR(client_of("-qB4525-bbbbbbbbbbbb"), "qBittorrent 4.5.2.5");
	CHECK_STR(client_of("-lt0D80-bbbbbbbbbbbb"), "rakshasa libtorrent 0.13.8");
	CHECK_STR(client_of("-WW00a0-bbbbbbbbbbbb"), "WebTorrent 0.0.36");
	CHECK_STR(client_of("M7-10-5-bbbbbbbbbbbb"), "BitTorrent 7.10.5");
	CHECK_STR(client_of("A2-1-36-0-bbbbbbbbbb"), "aria2 1.36.0");
}

TEST(unknown_clients_are_shown_escaped)
{
	CHECK_STR(client_of("-XX1234-bbbbbbbbbbbb"), "-XX1234-");
	CHECK_STR(client_of("-LT2_80-bbbbbbbbbbbb"), "-LT2_80-");
	CHECK_STR(client_of("-LT2080bbbbbbbbbbbbb"), "-LT2080b");
	CHECK_STR(client_of("M7-100-5bbbbbbbbbbbb"), "M7-100-5");
	CHECK_STR(client_of("A2-1-36-\x1b[0mbbbbbbbb"), "A2-1-36-");
	CHECK_STR(client_of("\x1b]52;%n\nbbbbbbbbbbbb"), "\\x1b]52;%n\\n");
	CHECK_STR(client_of("\xff\xff\xff\xff\xff\xff\xff\xff"
			    "bbbbbbbbbbbb"),
		  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff");
}

TEST(any_peer_id_gives_printable_text)
{
	char out[CLIENT_TEXT_MAX];
	struct rng r;

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		uint8_t *id = malloc(20);

		rng_seed(&r, seed);
		rng_fill(&r, id, 20);
		if (seed % 3 == 0)
			memcpy(id, "-LT", 3);
		else if (seed % 3 == 1)
			memcpy(id, seed % 2 ? "A2-1-" : "M1-2-", 5);
		handshake_client(out, id);
		CHECK_SEED(strlen(out) > 0 && strlen(out) < CLIENT_TEXT_MAX, seed);
		for (const char *c = out; *c != '\0'; c++)
			CHECK_SEED((unsigned char)*c >= ' ' && *c != 0x7f, seed);
		free(id);
	}
}

TEST(our_own_peer_ids_are_known)
{
	CHECK(handshake_is_shoal((const uint8_t *)"-SH0100-bbbbbbbbbbbb"));
	CHECK(handshake_is_shoal((const uint8_t *)"-SH9z12-bbbbbbbbbbbb"));
	CHECK(!handshake_is_shoal((const uint8_t *)"-SH01000bbbbbbbbbbbb"));
	CHECK(!handshake_is_shoal((const uint8_t *)"-LT2080-bbbbbbbbbbbb"));
}
