#include "cli/columns.h"

#include <locale.h>

#include "test.h"

static const char *put(const char *text, unsigned width, bool right)
{
	static char out[128];
	struct buf b;

	CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	buf_init(&b, sizeof(out));
	columns_put(&b, bytes_str(text), width, right);
	CHECK_INT(b.err, 0);
	memcpy(out, b.ptr == NULL ? (const uint8_t *)"" : b.ptr, b.len);
	out[b.len] = '\0';
	buf_fini(&b);
	return out;
}

TEST(columns_are_filled_and_what_is_too_long_is_cut_where_one_sees_it)
{
	CHECK_STR(put("abc", 5, false), "abc  ");
	CHECK_STR(put("abc", 5, true), "  abc");
	CHECK_STR(put("abcde", 5, true), "abcde");
	CHECK_STR(put("abcdef", 5, false), "abcd~");
	CHECK_STR(put("abc", 0, false), "");
	CHECK_STR(put("", 2, false), "  ");
	CHECK_STR(put("ab", 1, false), "~");
}

TEST(columns_of_wide_characters_are_two)
{
	CHECK_STR(put("日本", 5, false), "日本 ");
	CHECK_STR(put("日本", 4, false), "日本");
	/* Half a character is none. */
	CHECK_STR(put("日本", 3, false), "日~");
	CHECK_STR(put("日本語", 4, true), " 日~");
	CHECK_STR(put("e\u0301a", 3, false), "e\u0301a ");
}

TEST(columns_of_bytes_that_are_no_text_are_one_each)
{
	unsigned used;

	CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	CHECK_INT(columns_fit(bytes_of("\xff\xfe"
				       "a",
				       3),
			      2, &used),
		  2);
	CHECK_INT(used, 2);
	CHECK_INT(columns_fit(bytes_of("\xe6\x97", 2), 9, &used), 2);
	CHECK_INT(used, 2);
}
