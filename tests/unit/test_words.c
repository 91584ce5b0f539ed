#include "base/words.h"

#include "test.h"

static void check_words(const char *line, size_t n, const char *const *want)
{
	struct err_info info;
	struct words w;

	CHECK_INT(words_split(&w, line, &info), OK);
	CHECK_INT(w.n, n);
	for (size_t i = 0; i < n; i++)
		CHECK_STR(w.list[i], want[i]);
	CHECK(w.list[n] == NULL);
	words_fini(&w);
}

TEST(blanks_part_words_and_quotes_hold_them_together)
{
	static const char *const two[] = {"get", "a b"}, *const odd[] = {"a\"b", "", "c'd\\",
									 "$x;|"};

	check_words("", 0, NULL);
	check_words(" \t \r\n", 0, NULL);
	check_words("# nothing", 0, NULL);
	check_words("get 'a b'", 2, two);
	check_words("  get \"a b\" ", 2, two);
	check_words("get a\\ b # more", 2, two);
	check_words("g'e't a' 'b", 2, two);
	check_words("'a\"b' '' \"c'd\\\\\" $x;|", 4, odd);
}

static void check_end(const char *line, bool open, bool fresh, size_t last_at)
{
	struct err_info info;
	struct words w;

	CHECK_INT(words_split(&w, line, &info), OK);
	CHECK(w.open == open && w.fresh == fresh);
	CHECK_INT(w.last_at, last_at);
	words_fini(&w);
}

TEST(how_a_line_ends_is_told)
{
	check_end("get 'a", true, false, 4);
	check_end("get a\\", true, false, 4);
	check_end("get \"a'", true, false, 4);
	check_end("get a", false, false, 4);
	check_end("get a ", false, true, 4);
	check_end("get  'a b' c", false, false, 11);
}

TEST(what_was_quoted_is_one_word_again)
{
	static const char *const texts[] = {"", "a", "a b", "'\"\\# \t", "\\", "a'b"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		words_quote(&b, texts[i]);
		check_words(buf_cstr(&b), 1, &texts[i]);
		buf_fini(&b);
	}
}

TEST(too_much_is_refused)
{
	static char line[WORDS_LINE_MAX + 2];
	struct err_info info;
	struct words w;

	memset(line, 'a', WORDS_LINE_MAX);
	CHECK_INT(words_split(&w, line, &info), OK);
	words_fini(&w);
	line[WORDS_LINE_MAX] = 'a';
	CHECK_INT(words_split(&w, line, &info), ERR_TOO_BIG);
	words_fini(&w);
	for (size_t i = 0; i < 2 * (WORDS_MAX + 1); i++)
		line[i] = i % 2 == 0 ? 'a' : ' ';
	line[2 * WORDS_MAX] = '\0';
	CHECK_INT(words_split(&w, line, &info), OK);
	words_fini(&w);
	line[2 * WORDS_MAX] = 'a';
	line[2 * WORDS_MAX + 1] = '\0';
	CHECK_INT(words_split(&w, line, &info), ERR_TOO_BIG);
	words_fini(&w);
}
