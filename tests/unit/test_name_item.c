#include "meta/name_item.h"

#include "base/bencode.h"
#include "test.h"

static struct entry sample(bool v1, bool v2)
{
	struct entry e = {.owner = "ann@box",
			  .name = "data set",
			  .version = 3,
			  .has_v1 = v1,
			  .has_v2 = v2,
			  .bytes = 1u << 30,
			  .n_files = 7,
			  .published_at = 1800000000};

	memset(e.hash_v1, 1, sizeof(e.hash_v1));
	memset(e.hash_v2, 2, sizeof(e.hash_v2));
	return e;
}

static int read_back(const struct entry *e, struct entry *out)
{
	uint8_t salt[NAME_ITEM_SALT_MAX];
	size_t salt_len = name_item_salt(bytes_str(e->name), salt);
	struct buf b;
	int err;

	buf_init(&b, NAME_ITEM_VALUE_MAX);
	CHECK_INT(name_item_put(e, &b), 0);
	err = name_item_read(buf_bytes(&b), bytes_of(salt, salt_len), out);
	buf_fini(&b);
	return err;
}

TEST(an_entry_of_any_kind_comes_back_from_its_value)
{
	for (int kind = 1; kind <= 3; kind++) {
		struct entry e = sample((kind & 1) != 0, (kind & 2) != 0), got;

		e.has_sha256 = kind == 2;
		memset(e.sha256, 3, sizeof(e.sha256));
		CHECK_INT(read_back(&e, &got), 0);
		CHECK_STR(got.name, "data set");
		CHECK_STR(got.owner, "ann@box");
		CHECK_INT(got.version, 3);
		CHECK_INT(got.has_v1, e.has_v1);
		CHECK_INT(got.has_v2, e.has_v2);
		CHECK(!e.has_v1 || memcmp(got.hash_v1, e.hash_v1, SHA1_LEN) == 0);
		CHECK(!e.has_v2 || memcmp(got.hash_v2, e.hash_v2, SHA256_LEN) == 0);
		CHECK(got.bytes == e.bytes && got.n_files == 7);
		CHECK(got.published_at == e.published_at);
		CHECK_INT(got.has_sha256, e.has_sha256);
	}
}

/* Source: BEP 46: readers of nothing but "ih" find the name that the swarm goes by. */
TEST(ih_is_what_the_swarm_goes_by)
{
	struct entry e = sample(false, true);
	struct bytes ih;
	struct benc top;
	struct buf b;

	buf_init(&b, NAME_ITEM_VALUE_MAX);
	CHECK_INT(name_item_put(&e, &b), 0);
	CHECK_INT(benc_parse_all(buf_bytes(&b), &top, NULL), 0);
	CHECK(benc_find_str(&top, "ih", &ih) && ih.len == SHA1_LEN);
	CHECK_MEM(ih.ptr, e.hash_v2, SHA1_LEN);
	buf_fini(&b);
}

TEST(a_value_of_others_has_ih_and_its_salt_is_the_name)
{
	struct bytes v = bytes_str("d2:ih20:aaaaaaaaaaaaaaaaaaaae");
	struct entry e;

	CHECK_INT(name_item_read(v, bytes_str("n"), &e), 0);
	CHECK(e.has_v1 && !e.has_v2);
	CHECK_STR(e.name, "n");
	CHECK_STR(e.owner, "");
	CHECK_INT(name_item_read(v, bytes_of("\0\xff", 2), &e), 0);
	CHECK_STR(e.name, "");
	CHECK_INT(name_item_read(v, bytes_of(NULL, 0), &e), 0);
	CHECK_STR(e.name, "");
}

TEST(what_is_no_such_value_is_refused_and_odd_members_count_as_absent)
{
	static const char *const bad[] = {"",
					  "i1e",
					  "de",
					  "d2:ih19:aaaaaaaaaaaaaaaaaaae",
					  "d2:ih20:aaaaaaaaaaaaaaaaaaaa4:name3:a/be",
					  "d2:ih20:aaaaaaaaaaaaaaaaaaaa4:name0:e"};
	struct entry e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(name_item_read(bytes_str(bad[i]), bytes_str("n"), &e), ERR_PROTO);
	CHECK_INT(
	    name_item_read(bytes_str("d2:ih20:aaaaaaaaaaaaaaaaaaaa4:name1:me"), bytes_str("n"), &e),
	    ERR_MISMATCH);
	CHECK_INT(name_item_read(bytes_str("d5:bytesi-1e5:files1:x2:ih20:aaaaaaaaaaaaaaaaaaaa"
					   "3:ih22:xx5:owner3:a/b6:sha2561:x7:version"
					   "i99999999999ee"),
				 bytes_str("n"), &e),
		  0);
	CHECK(e.bytes == 0 && e.n_files == 0 && !e.has_v2 && e.version == 0 && !e.has_sha256);
	CHECK_STR(e.owner, "");
}

TEST(the_longest_names_fit_and_stand_under_their_hash)
{
	uint8_t salt[NAME_ITEM_SALT_MAX], hash[SHA256_LEN];
	struct entry e = sample(true, true), got;

	memset(e.name, 'n', NAME_ITEM_SALT_MAX);
	CHECK_INT(name_item_salt(bytes_str(e.name), salt), NAME_ITEM_SALT_MAX);
	CHECK_MEM(salt, e.name, NAME_ITEM_SALT_MAX);
	memset(e.name, 'n', ENTRY_NAME_BYTES_MAX);
	memset(e.owner, 'o', ENTRY_OWNER_BYTES_MAX);
	e.bytes = INT64_MAX;
	e.n_files = e.version = UINT32_MAX;
	e.published_at = INT64_MAX;
	e.has_sha256 = true;
	CHECK_INT(name_item_salt(bytes_str(e.name), salt), SHA256_LEN);
	sha256_of(bytes_str(e.name), hash);
	CHECK_MEM(salt, hash, SHA256_LEN);
	CHECK_INT(read_back(&e, &got), 0);
	CHECK_STR(got.name, e.name);
	CHECK_STR(got.owner, e.owner);
}
