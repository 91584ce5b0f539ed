#include "cli/dht_name.h"

#include "test.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

TEST(a_key_and_a_name_are_told_from_everything_else)
{
	static const char *const other[] = {"",		  KEY,
					    KEY "/",	  "ann/data",
					    KEY "0/data", "x" KEY "/data",
					    KEY "/a/b",	  "g0010203040506070809" KEY "/data",
					    KEY "/data@0"};
	struct dht_name n;

	CHECK(dht_name_parse(KEY "/data", &n));
	CHECK_INT(n.key[31], 0x1f);
	CHECK_INT(n.salt_len, 4);
	CHECK_MEM(n.salt, "data", 4);
	CHECK_INT(n.version, 0);
	CHECK(dht_name_parse(KEY "/two words@7", &n));
	CHECK_INT(n.salt_len, 9);
	CHECK_INT(n.version, 7);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		CHECK(!dht_name_parse(other[i], &n));
}

static int64_t signed_seq(const struct entry *e, const struct home *h, int64_t after)
{
	struct err_info info;
	struct dht_item i;
	struct buf b;

	buf_init(&b, DHT_ITEM_BYTES_MAX);
	CHECK_INT(dht_name_sign(e, h, after, &b, &info), 0);
	CHECK_INT(dht_item_take(buf_bytes(&b), &i), 0);
	CHECK_MEM(i.key, h->key, sizeof(i.key));
	CHECK_MEM(i.salt, "data", 4);
	buf_fini(&b);
	return i.seq;
}

TEST(the_number_is_the_time_unless_somebody_was_ahead_of_it)
{
	struct entry e = {.name = "data", .owner = "ann", .has_v1 = true, .published_at = 1000};
	struct home h = {.seed = {7}};

	CHECK_INT(sign_public_key(h.seed, h.key), 0);
	CHECK_INT(signed_seq(&e, &h, -1), 1000);
	CHECK_INT(signed_seq(&e, &h, 999), 1000);
	CHECK_INT(signed_seq(&e, &h, 1000), 1001);
	CHECK_INT(signed_seq(&e, &h, 5000), 5001);
}
