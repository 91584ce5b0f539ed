#include "node/json_read.h"

#include "base/buf.h"
#include "failmalloc.h"
#include "test.h"

static int read_text(const char *text, json_t **out, struct err_info *info)
{
	*out = NULL;
	return json_read_object(bytes_str(text), out, info);
}

TEST(json_read_takes_one_object_and_nothing_else)
{
	static const char *const bad[] = {"",
					  "[]",
					  "3",
					  "{",
					  "{\"a\": 1}}",
					  "nulls",
					  "{\"a\":1,}",
					  "{\"a\":1,\"a\":2}",
					  "{\"a\":\"\x01\"}"};
	struct err_info why;
	json_t *j;

	CHECK_INT(read_text("{\"a\": [1, {\"b\": null}]}", &j, &why), 0);
	CHECK(json_is_object(j));
	json_decref(j);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(read_text(bad[i], &j, &why), ERR_PROTO);
		CHECK_INT(why.code, ERR_PROTO);
	}
}

TEST(json_read_stops_at_a_depth)
{
	char text[2 * JSON_READ_DEPTH_MAX + 64] = "{\"a\":", *at = text + 5;
	struct err_info why;
	json_t *j;

	for (int levels = JSON_READ_DEPTH_MAX - 1; levels <= JSON_READ_DEPTH_MAX; levels++) {
		memset(at, '[', (size_t)levels);
		memset(at + levels, ']', (size_t)levels);
		memcpy(at + 2 * levels, "}", 2);
		CHECK_INT(read_text(text, &j, &why), levels < JSON_READ_DEPTH_MAX ? 0 : ERR_PROTO);
		json_decref(j);
	}
}

/* "{"a":[" VALUE "," ... "]}" of so many values and bytes. */
static int read_many(const char *value, size_t n, size_t bytes, json_t **out, struct err_info *info)
{
	struct buf text;
	int err;

	buf_init(&text, bytes + 64 + n * (strlen(value) + 1));
	buf_put_str(&text, "{\"a\":[");
	for (size_t i = 0; i < n; i++) {
		buf_put_str(&text, i == 0 ? "" : ",");
		buf_put_str(&text, value);
	}
	buf_put_str(&text, "]}");
	while (text.len < bytes)
		buf_put_str(&text, " ");
	*out = NULL;
	err = text.err != OK ? text.err : json_read_object(buf_bytes(&text), out, info);
	buf_fini(&text);
	return err;
}

/* O-30. A list has a comma less than values, and counts itself; then the object around it. */
TEST(json_read_takes_so_many_values_and_not_one_more)
{
	static const size_t around = JSON_READ_OBJECT_WEIGHT, bytes = 1000000;
	const size_t few = JSON_READ_VALUES_MAX - around;
	const size_t many = bytes / JSON_READ_BYTES_A_VALUE - around;
	const size_t objects = few / (JSON_READ_OBJECT_WEIGHT + 1);
	struct err_info why;
	json_t *j;

	for (size_t more = 0; more < 2; more++) {
		int want = more == 0 ? OK : ERR_PROTO;

		CHECK_INT(read_many("1", few + more, 0, &j, &why), want);
		json_decref(j);
		CHECK_INT(read_many("1", many + more, bytes, &j, &why), want);
		json_decref(j);
		CHECK_INT(read_many("{}", objects + more, 0, &j, &why), want);
		json_decref(j);
	}
	/* Commas in strings are none. */
	CHECK_INT(read_many("\",,,,,,,,,,,,,\\\",,,\"", 20000, 0, &j, &why), OK);
	json_decref(j);
}

/* Else a document that is right would be called wrong, and who wrote it blamed. */
TEST(json_read_says_when_it_is_memory_that_is_missing)
{
	static const char text[] = "{\"one\": [1, 2.5, \"three\"], \"two\": {\"x\": true}}";

	for (int forever = 0; forever < 2; forever++) {
		for (size_t n = 1;; n++) {
			struct err_info why = {.code = OK};
			json_t *j;
			size_t asked;
			int err;

			failmalloc_start(n, forever);
			err = read_text(text, &j, &why);
			asked = failmalloc_stop();
			if (asked < n) {
				CHECK_INT(err, 0);
				json_decref(j);
				break;
			}
			CHECK_INT(err, ERR_NOMEM);
			CHECK_INT(why.code, ERR_NOMEM);
		}
	}
}
