#include "index/query.h"

#include <stdlib.h>

#include "hostile_searches.h"
#include "test.h"

static char answer[QUERY_MATCH_BYTES_MAX + 1];

/* The expression for `text`, or the code in brackets. */
static const char *match_of(const char *text)
{
	struct err_info info = {0};
	struct buf out;
	int err;

	buf_init(&out, QUERY_MATCH_BYTES_MAX);
	err = query_to_match(bytes_str(text), &out, &info);
	if (err == 0) {
		CHECK(out.len < sizeof(answer));
		memcpy(answer, out.ptr, out.len);
		answer[out.len] = '\0';
	} else {
		CHECK_INT(info.code, err);
		CHECK(info.text[0] != '\0');
		CHECK_INT(out.len, 0);
		memcpy(answer, err == ERR_TOO_BIG ? "[big]" : "[bad]", 6);
	}
	buf_fini(&out);
	return answer;
}

TEST(words_are_joined_and_the_last_is_a_beginning)
{
	CHECK_STR(match_of("debian"), "(\"debian\" *)");
	CHECK_STR(match_of("debian iso"), "(\"debian\" AND \"iso\" *)");
	CHECK_STR(match_of("  debian\t iso"), "(\"debian\" AND \"iso\" *)");
}

TEST(a_finished_last_word_is_whole)
{
	CHECK_STR(match_of("debian iso "), "(\"debian\" AND \"iso\")");
}

TEST(a_star_makes_a_beginning_of_any_word)
{
	CHECK_STR(match_of("deb* iso "), "(\"deb\" * AND \"iso\")");
	CHECK_STR(match_of("deb*** iso"), "(\"deb\" * AND \"iso\" *)");
	CHECK_STR(match_of("d*b x "), "(\"d*b\" AND \"x\")");
}

TEST(quotes_hold_words_together)
{
	CHECK_STR(match_of("\"debian live\" iso"), "(\"debian live\" AND \"iso\" *)");
	CHECK_STR(match_of("iso \"debian live\""), "(\"iso\" AND \"debian live\")");
	CHECK_STR(match_of("\"never closed"), "(\"never closed\")");
	CHECK_STR(match_of("a\"b"), "(\"a\"\"b\" *)");
}

TEST(a_minus_excludes)
{
	CHECK_STR(match_of("iso -beta"), "(\"iso\") NOT \"beta\"");
	CHECK_STR(match_of("-beta iso"), "(\"iso\" *) NOT \"beta\"");
	CHECK_STR(match_of("iso -\"old one\" -x*"), "(\"iso\") NOT \"old one\" NOT \"x\" *");
	CHECK_STR(match_of("debian-12"), "(\"debian-12\" *)");
	CHECK_STR(match_of("-beta"), "[bad]");
}

TEST(operators_columns_and_functions_are_mere_words)
{
	CHECK_STR(match_of("a AND b "), "(\"a\" AND \"AND\" AND \"b\")");
	CHECK_STR(match_of("NEAR(a b) "), "(\"NEAR(a\" AND \"b)\")");
	CHECK_STR(match_of("owner:x "), "(\"owner:x\")");
	CHECK_STR(match_of("^a "), "(\"^a\")");
}

TEST(what_holds_no_letter_or_digit_is_left_out)
{
	CHECK_STR(match_of("! a ( * "), "(\"a\")");
	CHECK_STR(match_of("! -a"), "[bad]");
	CHECK_STR(match_of("a -! -\xe2\x80\xa6"), "(\"a\")");
	CHECK_STR(match_of("+++"), "[bad]");
	CHECK_STR(match_of("\xef\xb8\x8f"), "[bad]"); /* in colour, please */
	CHECK_STR(match_of("\xc3\xa9t\xc3\xa9"), "(\"\xc3\xa9t\xc3\xa9\" *)");
	CHECK_STR(match_of("\xec\x84\x9c\xec\x9a\xb8"), "(\"\xec\x84\x9c\xec\x9a\xb8\" *)");
	CHECK_STR(match_of(""), "[bad]");
	CHECK_STR(match_of("   "), "[bad]");
	CHECK_STR(match_of("\"\""), "[bad]");
}

TEST(what_is_written_without_blanks_is_a_row_of_characters)
{
	CHECK_STR(match_of("漢字"), "(\"漢 字\" *)");
	CHECK_STR(match_of("a漢1字 -かな"), "(\"a 漢 1 字\") NOT \"か な\"");
	CHECK_STR(match_of("\"漢 字\""), "(\"漢   字\")");
}

/* U+2713 is U+E583 there, U+1F389 is U+EE89. */
TEST(a_picture_is_a_word)
{
	CHECK_STR(match_of("🎉"), "(\"\xee\xba\x89\" *)");
	CHECK_STR(match_of("a🎉b -✓"), "(\"a \xee\xba\x89 b\") NOT \"\xee\x96\x83\"");
	CHECK_STR(match_of("-✓"), "[bad]");
}

TEST(text_that_is_not_utf8_is_refused)
{
	CHECK_STR(match_of("a\xff"), "[bad]");
	CHECK_STR(match_of("\xc3"), "[bad]");
}

TEST(a_nul_ends_a_word_and_nothing_else)
{
	struct buf out;

	buf_init(&out, QUERY_MATCH_BYTES_MAX);
	CHECK_INT(query_to_match(bytes_of("a\0b\0\"c\0d\" ", 9), &out, NULL), 0);
	CHECK_STR(buf_cstr(&out), "(\"a\" AND \"b\" AND \"c d\")");
	buf_fini(&out);
}

TEST(the_length_limit_is_exact)
{
	char text[QUERY_TEXT_BYTES_MAX + 2];

	memset(text, 'a', sizeof(text));
	text[QUERY_TEXT_BYTES_MAX] = '\0';
	CHECK(match_of(text)[0] == '(');
	text[QUERY_TEXT_BYTES_MAX] = 'a';
	text[QUERY_TEXT_BYTES_MAX + 1] = '\0';
	CHECK_STR(match_of(text), "[big]");
}

TEST(the_word_limit_is_exact_and_counts_quoted_words)
{
	char text[QUERY_TEXT_BYTES_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < QUERY_WORDS_MAX; i++) {
		text[n++] = 'a';
		text[n++] = ' ';
	}
	text[n] = '\0';
	CHECK(match_of(text)[0] == '(');
	text[0] = '"';
	text[1] = 'b'; /* "ba a a ...: one less space, the same number of words */
	CHECK(match_of(text)[0] == '(');
	text[0] = 'a';
	text[1] = ' ';
	text[n] = '!';
	text[n + 1] = '\0';
	CHECK_STR(match_of(text), "[big]");
	text[0] = '"';
	text[1] = 'b';
	text[n] = 'a';
	text[n + 1] = ' ';
	text[n + 2] = 'a';
	text[n + 3] = '\0';
	CHECK_STR(match_of(text), "[big]");
}

TEST(the_longest_expression_fits_its_ceiling)
{
	char text[QUERY_TEXT_BYTES_MAX + 1];
	size_t n = 0;

	for (unsigned i = 0; i < QUERY_WORDS_MAX; i++) {
		text[n++] = '-';
		text[n++] = 'a';
		for (int k = 0; k < 12; k++)
			text[n++] = '"';
		text[n++] = '*';
		text[n++] = ' ';
	}
	text[n] = '\0';
	CHECK_INT(n, QUERY_TEXT_BYTES_MAX);
	text[0] = 'a';
	CHECK(match_of(text)[0] == '(');
}

/* Outside of quoted strings only our own syntax may appear. */
static bool is_harmless(const char *s)
{
	bool quoted = false;
	char bare[QUERY_MATCH_BYTES_MAX + 1];
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (*s == '"' && quoted && s[1] == '"')
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (!quoted)
			bare[n++] = *s;
	}
	bare[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (strchr("() *ANDOT", bare[i]) == NULL)
			return false;
	return !quoted;
}

TEST(hostile_texts_become_harmless)
{
	for (size_t i = 0; i < N_HOSTILE_SEARCHES; i++) {
		const char *m = match_of(hostile_searches[i]);

		CHECK(m[0] == '[' || is_harmless(m));
	}
}

TEST(random_texts_become_harmless)
{
	static const char letters[] = "\"\"*- aAN(D:^\xc3\xa9+";
	uint32_t x = 99;

	for (int round = 0; round < 20000; round++) {
		char text[40];
		size_t n = 0;

		while (n < (size_t)round % 39) {
			x = x * 1664525u + 1013904223u;
			text[n++] = letters[(x >> 16) % (sizeof(letters) - 1)];
		}
		text[n] = '\0';
		match_of(text);
		CHECK_SEED(answer[0] == '[' || is_harmless(answer), round);
	}
}

TEST(every_prefix_of_a_text_is_read_within_its_bounds)
{
	static const char text[] = "-\"a b\" c* \xc3\xa9 \"d -e* \"\" f\"";

	for (size_t n = 0; n < sizeof(text); n++) {
		uint8_t *exact = malloc(n == 0 ? 1 : n);
		struct buf out;

		memcpy(exact, text, n);
		buf_init(&out, QUERY_MATCH_BYTES_MAX);
		(void)query_to_match(bytes_of(exact, n), &out, NULL);
		buf_fini(&out);
		free(exact);
	}
}

TEST(a_full_buffer_is_reported)
{
	struct err_info info;
	struct buf out;

	buf_init(&out, 5);
	CHECK_INT(query_to_match(bytes_str("abcdef"), &out, &info), ERR_TOO_BIG);
	buf_fini(&out);
}
