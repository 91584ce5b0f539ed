#include "wire/ext.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

#define BYTES(s) bytes_of(s, sizeof(s) - 1)

static int decode_exact(struct ext_handshake *h, struct bytes in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	memset(h, 0, sizeof(*h));
	rc = ext_decode(h, bytes_of(copy, in.len));
	free(copy);
	return rc;
}

static struct ext_handshake decoded(const char *text)
{
	struct ext_handshake h = {0};

	CHECK_INT(decode_exact(&h, bytes_str(text)), 0);
	return h;
}

static bool same(const struct ext_handshake *a, const struct ext_handshake *b)
{
	return a->upload_only == b->upload_only && a->port == b->port && a->reqq == b->reqq &&
	       a->run_bytes == b->run_bytes && a->metadata_size == b->metadata_size &&
	       a->ut_metadata == b->ut_metadata && a->ut_pex == b->ut_pex &&
	       a->donthave == b->donthave && a->holepunch == b->holepunch &&
	       a->has_yourip == b->has_yourip && addr_eq(&a->yourip, &b->yourip) &&
	       strcmp(a->client, b->client) == 0;
}

static const char full_text[] =
    "d1:md11:lt_donthavei7e12:ut_holepunchi4e11:ut_metadatai3e6:ut_pexi1ee"
    "13:metadata_sizei31235e1:pi6881e4:reqqi500e9:shoal_runi131072e11:upload_onlyi1e"
    "1:v11:shoal 0.1.06:yourip4:\xc0\x00\x02\x01"
    "e";

static struct ext_handshake full_value(void)
{
	struct ext_handshake h = {.upload_only = true,
				  .port = 6881,
				  .reqq = 500,
				  .run_bytes = 131072,
				  .metadata_size = 31235,
				  .ut_metadata = 3,
				  .ut_pex = 1,
				  .donthave = 7,
				  .holepunch = 4,
				  .has_yourip = true,
				  .client = "shoal 0.1.0"};

	CHECK_INT(addr_from_ip(&h.yourip, BYTES("\xc0\x00\x02\x01"), 0), 0);
	return h;
}

TEST(a_full_handshake_is_read)
{
	struct ext_handshake want = full_value(), got;

	CHECK_INT(decode_exact(&got, BYTES(full_text)), 0);
	CHECK(same(&got, &want));
}

/* BEP 10: "m" of a later handshake has what changes; 0 takes an extension back. */
TEST(a_later_handshake_changes_only_the_ids_that_it_names)
{
	struct ext_handshake h = {0};

	CHECK_INT(decode_exact(&h, BYTES(full_text)), 0);
	CHECK_INT(ext_decode(&h, BYTES("d1:md6:ut_pexi0e12:ut_holepunchi9eee")), 0);
	CHECK_INT(h.ut_pex, 0);
	CHECK_INT(h.holepunch, 9);
	CHECK_INT(h.ut_metadata, 3);
	CHECK_INT(h.donthave, 7);
	CHECK_INT(ext_decode(&h, BYTES("d4:reqqi9ee")), 0);
	CHECK_INT(h.ut_metadata, 3);
	CHECK(!h.upload_only);
}

TEST(a_full_handshake_is_written_with_sorted_keys)
{
	struct ext_handshake h = full_value();
	struct buf out;

	buf_init(&out, 1024);
	CHECK_INT(ext_encode(&out, &h), 0);
	CHECK_INT(out.len, sizeof(full_text) - 1);
	CHECK_MEM(out.ptr, full_text, out.len);
	buf_fini(&out);
}

/* With the length of its second key put right: it has seven bytes, not six. */
TEST(the_example_of_bep_10_is_read)
{
	struct ext_handshake h =
	    decoded("d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e");

	CHECK_INT(h.port, 6881);
	CHECK_INT(h.ut_pex, 0);
	CHECK_INT(h.ut_metadata, 0);
	CHECK_STR(h.client, "\xc2\xb5Torrent 1.2");
}

TEST(an_empty_handshake_is_one)
{
	static const struct ext_handshake none;
	struct ext_handshake h = decoded("de");
	struct buf out;

	CHECK(same(&h, &none));
	buf_init(&out, 64);
	CHECK_INT(ext_encode(&out, &none), 0);
	CHECK_STR(buf_cstr(&out), "d1:mdee");
	buf_fini(&out);
}

TEST(what_is_no_dictionary_is_refused)
{
	static const char *const bad[] = {"",	  "i1e",     "le",	 "4:spam", "d",
					  "d1:m", "d1:mi1e", "di1ei2ee", "x"};
	struct ext_handshake h = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(decode_exact(&h, bytes_str(bad[i])), ERR_PROTO);
}

TEST(values_of_a_wrong_type_or_range_are_absent)
{
	static const char *const odd[] = {
	    "d1:mi1ee",
	    "d1:mlee",
	    "d1:md6:ut_pex1:1ee",
	    "d1:md6:ut_pexi256eee",
	    "d1:md6:ut_pexi-1eee",
	    "d1:pi65536ee",
	    "d1:pi-1ee",
	    "d1:p2:80e",
	    "d13:metadata_sizei-1ee",
	    "d13:metadata_sizei4294967296ee",
	    "d4:reqqi0ee",
	    "d4:reqqi-5ee",
	    "d4:reqq3:500e",
	    "d9:shoal_runi-1ee",
	    "d9:shoal_runi4294967296ee",
	    "d11:upload_onlyi0ee",
	    "d11:upload_only1:1e",
	    "d1:vi1ee",
	    "d1:v0:e",
	    "d6:yourip0:e",
	    "d6:yourip3:abce",
	    "d6:yourip5:abcdee",
	    "d6:youripi1ee",
	    "d1:md6:ut_pexi0eee",
	};
	static const struct ext_handshake none;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct ext_handshake h = decoded(odd[i]);

		CHECK(same(&h, &none));
	}
}

TEST(limits_hold_at_n_and_one_past)
{
	CHECK_INT(decoded("d1:md6:ut_pexi255eee").ut_pex, 255);
	CHECK_INT(decoded("d1:pi65535ee").port, 65535);
	CHECK_INT(decoded("d13:metadata_sizei4294967295ee").metadata_size, UINT32_MAX);
	CHECK_INT(decoded("d4:reqqi2048ee").reqq, EXT_REQQ_MAX);
	CHECK_INT(decoded("d4:reqqi2049ee").reqq, EXT_REQQ_MAX);
	CHECK_INT(decoded("d4:reqqi9223372036854775807ee").reqq, EXT_REQQ_MAX);
}

static size_t client_len(const char *one, size_t times)
{
	struct ext_handshake h = {0};
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b, "d1:v%zu:", strlen(one) * times);
	for (size_t i = 0; i < times; i++)
		buf_put_str(&b, one);
	buf_put_str(&b, "e");
	CHECK_INT(decode_exact(&h, buf_bytes(&b)), 0);
	buf_fini(&b);
	return strlen(h.client);
}

TEST(a_long_client_name_is_cut_between_characters)
{
	CHECK_INT(client_len("x", 63), 63);
	CHECK_INT(client_len("x", 64), 63);
	CHECK_INT(client_len("x", 500), 63);
	CHECK_INT(client_len("\xc2\xb5", 32), 62);
	CHECK_INT(client_len("\xf0\x9f\x90\x9f", 16), 60);
	CHECK(client_len("\x80", 100) <= 63);
}

TEST(a_nul_ends_the_client_name)
{
	struct ext_handshake h = {0};

	CHECK_INT(decode_exact(&h, BYTES("d1:v5:ab\0cde")), 0);
	CHECK_MEM(h.client, "ab\0\0\0", 5);
}

TEST(addresses_of_both_families_are_told)
{
	struct ext_handshake h = {0};

	CHECK_INT(decode_exact(&h, BYTES("d6:yourip16:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1e")),
		  0);
	CHECK(h.has_yourip && h.yourip.v6);
	CHECK_INT(decode_exact(&h, BYTES("d6:yourip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1e")),
		  0);
	CHECK(h.has_yourip && !h.yourip.v6);
}

TEST(bytes_after_the_dictionary_are_passed_over)
{
	CHECK_INT(decoded("d1:pi80eetail").port, 80);
}

TEST(every_prefix_is_refused)
{
	struct ext_handshake h = {0};

	for (size_t len = 0; len < sizeof(full_text) - 1; len++)
		CHECK_INT(decode_exact(&h, bytes_of(full_text, len)), ERR_PROTO);
}

/* A full handshake with a few bytes changed: reads the same after a round trip. */
TEST(random_changes_never_break_the_round_trip)
{
	struct buf out;
	struct rng r;

	buf_init(&out, 4096);
	for (uint64_t seed = 1; seed <= 50000; seed++) {
		uint8_t raw[sizeof(full_text) - 1];
		struct ext_handshake h = {0}, back = {0};

		rng_seed(&r, seed);
		memcpy(raw, full_text, sizeof(raw));
		for (uint32_t i = rng_below(&r, 4); i > 0; i--)
			raw[rng_below(&r, sizeof(raw))] = (uint8_t)rng_next(&r);
		if (decode_exact(&h, bytes_of(raw, sizeof(raw))) < 0)
			continue;
		buf_clear(&out);
		CHECK_SEED(ext_encode(&out, &h) == 0, seed);
		CHECK_SEED(decode_exact(&back, buf_bytes(&out)) == 0, seed);
		CHECK_SEED(same(&h, &back), seed);
	}
	buf_fini(&out);
}
