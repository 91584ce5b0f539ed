#include "base/err.h"

#include "base/text.h"
#include "test.h"

TEST(err_has_a_distinct_text_for_every_code)
{
	for (int a = OK; a >= ERR_CANCELLED; a--) {
		CHECK(strcmp(err_text((enum err)a), err_text((enum err)(ERR_CANCELLED - 1))) != 0);
		for (int b = a - 1; b >= ERR_CANCELLED; b--)
			CHECK(strcmp(err_text((enum err)a), err_text((enum err)b)) != 0);
	}
	CHECK_STR(err_text(ERR_NOENT), "no such thing");
}

TEST(err_set_fills_in_and_returns_the_code)
{
	struct err_info info;

	CHECK_INT(err_set(&info, ERR_NOENT, "%s: no such entry", "movie"), ERR_NOENT);
	CHECK_INT(info.code, ERR_NOENT);
	CHECK_STR(info.text, "movie: no such entry");
	CHECK_INT(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

TEST(err_set_cuts_at_the_limit)
{
	char longer[ERR_TEXT_MAX + 1];
	struct err_info info;

	memset(longer, 'a', sizeof(longer) - 1);
	longer[ERR_TEXT_MAX] = '\0';
	err_set(&info, ERR_IO, "%s", longer);
	CHECK_INT(strlen(info.text), ERR_TEXT_MAX - 1);
	longer[ERR_TEXT_MAX - 1] = '\0';
	err_set(&info, ERR_IO, "%s", longer);
	CHECK_STR(info.text, longer);
}

TEST(an_error_that_is_kept_says_what_it_said)
{
	struct err_kept k = {.code = OK};
	struct err_info why, out;

	err_kept_get(&k, &out);
	CHECK_INT(out.code, OK);
	err_set(&why, ERR_IO, "the disk is gone");
	err_keep(&k, &why);
	CHECK_INT(k.code, ERR_IO);
	err_kept_get(&k, &out);
	CHECK_INT(out.code, ERR_IO);
	CHECK_STR(out.text, why.text);

	/* A newer one takes its place, also itself. */
	err_set(&why, ERR_NOENT, "%0*d", ERR_TEXT_MAX - 1, 7);
	err_keep(&k, &why);
	err_kept_get(&k, &out);
	err_keep(&k, &out);
	err_kept_get(&k, &out);
	CHECK_STR(out.text, why.text);

	why.code = OK;
	err_keep(&k, &why);
	CHECK(k.text == NULL);
	err_kept_get(&k, &out);
	CHECK_INT(out.code, OK);
	err_drop(&k);
}

TEST(without_memory_the_code_of_a_kept_error_is_kept)
{
	struct err_kept k = {.code = ERR_NOSPACE};
	struct err_info out;

	err_kept_get(&k, &out);
	CHECK_INT(out.code, ERR_NOSPACE);
	CHECK_STR(out.text, err_text(ERR_NOSPACE));
	err_drop(&k);
	CHECK_INT(k.code, OK);
}

TEST(err_set_never_leaves_half_a_character)
{
	static const char *const chars[] = {"\u00e9", "\u20ac", "\U0001f600"};
	struct err_info info;

	for (size_t c = 0; c < 3; c++) {
		for (int pad = 0; pad < 5; pad++) {
			char text[2 * ERR_TEXT_MAX] = "abcd";
			size_t len = (size_t)pad, n = strlen(chars[c]);

			for (; len < ERR_TEXT_MAX + 8; len += n)
				memcpy(text + len, chars[c], n + 1);
			err_set(&info, ERR_IO, "%s", text);
			CHECK(text_is_utf8(bytes_str(info.text)));
			CHECK(strlen(info.text) + n >= ERR_TEXT_MAX);
			CHECK_MEM(info.text, text, strlen(info.text));
		}
	}
}
