/* What strangers keep in the hash table under a name: the first byte says how long the salt is, the
 * value follows it. */
#include "meta/name_item.h"

#include "fuzz.h"

static void check_texts(const struct entry *e)
{
	FUZZ_CHECK(memchr(e->name, '\0', sizeof(e->name)) != NULL);
	FUZZ_CHECK(memchr(e->owner, '\0', sizeof(e->owner)) != NULL);
	FUZZ_CHECK(e->name[0] == '\0' || entry_check_name(bytes_str(e->name), NULL) == OK);
	FUZZ_CHECK(e->owner[0] == '\0' || entry_check_owner(bytes_str(e->owner), NULL) == OK);
	FUZZ_CHECK(e->description[0] == '\0' && e->tags[0] == '\0' && e->meta[0] == '\0');
}

/* With a name it can be put again, and stands for the same then. */
static void check_again(const struct entry *e)
{
	uint8_t salt[NAME_ITEM_SALT_MAX];
	size_t len = name_item_salt(bytes_str(e->name), salt);
	struct entry back;
	struct buf out;

	buf_init(&out, NAME_ITEM_VALUE_MAX);
	FUZZ_CHECK(name_item_put(e, &out) == OK);
	FUZZ_CHECK(name_item_read(buf_bytes(&out), bytes_of(salt, len), &back) == OK);
	FUZZ_CHECK(strcmp(back.name, e->name) == 0 && strcmp(back.owner, e->owner) == 0);
	FUZZ_CHECK(back.bytes == e->bytes && back.n_files == e->n_files);
	FUZZ_CHECK(back.version == e->version && back.published_at == e->published_at);
	FUZZ_CHECK(back.has_v1 == e->has_v1 && back.has_v2 == e->has_v2);
	FUZZ_CHECK(memcmp(entry_swarm_hash(&back), entry_swarm_hash(e), SHA1_LEN) == 0);
	FUZZ_CHECK(back.has_sha256 == e->has_sha256 &&
		   memcmp(back.sha256, e->sha256, SHA256_LEN) == 0);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size == 0 ? 0 : data[0] % (NAME_ITEM_SALT_MAX + 1);
	struct bytes in = size == 0 ? bytes_of(NULL, 0) : bytes_of(data + 1, size - 1);
	struct entry e;
	int err;

	n = n < in.len ? n : in.len;
	err = name_item_read(bytes_sub(in, n, in.len - n), bytes_sub(in, 0, n), &e);
	FUZZ_CHECK(err == OK || err == ERR_PROTO || err == ERR_MISMATCH);
	if (err != OK)
		return 0;
	check_texts(&e);
	FUZZ_SEEDED(e.has_v1 && e.has_v2 && e.version > 3);
	if (e.name[0] != '\0')
		check_again(&e);
	return 0;
}
