/* An entry as JSON: of a call to publish, and of an index that answers. */
#include "node/entry_json.h"

#include "fuzz.h"
#include "node/json_read.h"

static void check_entry(const struct entry *e)
{
	size_t at = 0;
	struct bytes key, value;

	FUZZ_CHECK(entry_check_name(bytes_str(e->name), NULL) == OK);
	FUZZ_CHECK(entry_check_owner(bytes_str(e->owner), NULL) == OK);
	while (entry_next_meta(e, &at, &key, &value))
		FUZZ_CHECK(key.len > 0 && at <= ENTRY_META_BYTES_MAX);
}

static void check_read(const json_t *j, bool stored)
{
	struct entry e, back;
	struct err_info why = {0};
	int err = entry_json_read(j, stored, &e, &why);
	json_t *again;

	FUZZ_CHECK(err == OK || (err == ERR_PROTO && why.code == ERR_PROTO && why.text[0] != '\0'));
	if (err != OK)
		return;
	check_entry(&e);
	again = entry_json(&e);
	FUZZ_CHECK(again != NULL && entry_json_read(again, stored, &back, &why) == OK);
	FUZZ_CHECK(strcmp(e.name, back.name) == 0 && strcmp(e.owner, back.owner) == 0);
	FUZZ_CHECK(strcmp(e.tags, back.tags) == 0 && strcmp(e.meta, back.meta) == 0);
	FUZZ_CHECK(strcmp(e.description, back.description) == 0);
	FUZZ_CHECK(e.id == back.id && e.version == back.version && e.bytes == back.bytes);
	FUZZ_CHECK(memcmp(e.signature, back.signature, SIGN_LEN) == 0);
	json_decref(again);
	FUZZ_SEEDED(stored && strchr(e.tags, ' ') != NULL && e.version > 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_info why = {0};
	json_t *j = NULL;
	int err = json_read_object(bytes_of(data, size), &j, &why);

	FUZZ_CHECK(err == OK || (err == ERR_PROTO && why.code == err && why.text[0] != '\0'));
	if (err == OK) {
		check_read(j, false);
		check_read(j, true);
	}
	json_decref(j);
	return 0;
}
