#include "meta/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* Four files, a pad and a link in pieces of 16 bytes, as far as this module looks at it. */
static struct meta_file files[] = {
    {.path = "a.txt", .length = 20, .first_piece = 0, .n_pieces = 2},
    {.path = ".pad/12", .length = 12, .first_piece = 1, .n_pieces = 1, .flags = META_FILE_PAD},
    {.path = "doc/b.txt", .length = 40, .first_piece = 2, .n_pieces = 3},
    {.path = "doc/c.jpg", .length = 8, .first_piece = 4, .n_pieces = 1},
    {.path = "doc/link", .flags = META_FILE_SYMLINK},
    {.path = "empty", .length = 0},
};
static const struct metainfo meta = {
    .files = files, .n_files = 6, .n_real_files = 5, .n_pieces = 5};

/* 'x' for each wanted file, and how many. */
static const char *by_globs(const char *a, const char *b, const char *c)
{
	static char text[32];
	const char *const globs[] = {a, b, c, NULL};
	uint8_t want[6];
	uint32_t n = selection_by_globs(&meta, globs, want);

	for (int i = 0; i < 6; i++)
		text[i] = want[i] == WANT_NORMAL ? 'x' : '.';
	snprintf(text + 6, sizeof(text) - 6, " %u", n);
	return text;
}

static bool excludes(const char *glob, const char *path, bool is_folder)
{
	const char *const globs[] = {"no such", glob, NULL};

	return selection_excludes(globs, path, is_folder);
}

TEST(selection_excludes_names_anywhere_and_paths_from_the_top)
{
	char longest[META_PATH_BYTES_MAX + 3];

	CHECK(excludes("*.o", "a.o", false) && excludes("*.o", "x/y/a.o", false));
	CHECK(excludes(".git", "sub/.git", true) && excludes(".git", ".git", false));
	CHECK(!excludes("sub", "sub/a", false) && !excludes("sub", "subs", true));
	CHECK(excludes("sub/*", "sub/a/b", false) && !excludes("sub/*", "x/sub/a", false));
	CHECK(excludes("out/", "x/out", true) && !excludes("out/", "x/out", false));
	CHECK(excludes("x/out/", "x/out", true) && !excludes("x/out/", "y/x/out", true));
	CHECK(!excludes("", "a", false) && !excludes("/", "a", true));
	CHECK(!selection_excludes(NULL, "a", false));
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 2] = '/';
	longest[sizeof(longest) - 1] = '\0';
	CHECK(!excludes(longest, "a", true));
}

TEST(selection_by_globs_takes_what_the_last_matching_one_says)
{
	CHECK_STR(by_globs("*.txt", NULL, NULL), "x.x... 2");
	CHECK_STR(by_globs("doc/*", NULL, NULL), "..xx.. 2");
	CHECK_STR(by_globs("doc/*", "!*.jpg", NULL), "..x... 1");
	CHECK_STR(by_globs("doc/*", "!*.jpg", "*c.jpg"), "..xx.. 2");
	CHECK_STR(by_globs("!doc/*", NULL, NULL), "x....x 2");
	CHECK_STR(by_globs("?.txt", NULL, NULL), "x..... 1");
	CHECK_STR(by_globs("nothing", NULL, NULL), "...... 0");
	CHECK_STR(by_globs("*", NULL, NULL), "x.xx.x 4");
	CHECK_STR(by_globs("[", NULL, NULL), "...... 0");
}

TEST(selection_looks_at_so_many_patterns_and_not_at_one_more)
{
	const char **globs = calloc(SELECTION_PATTERNS_MAX + 2, sizeof(char *));
	uint8_t want[6];

	for (uint32_t i = 0; i < SELECTION_PATTERNS_MAX; i++)
		globs[i] = "none";
	globs[SELECTION_PATTERNS_MAX - 1] = "empty";
	globs[SELECTION_PATTERNS_MAX] = "*";
	CHECK_INT(selection_by_globs(&meta, globs, want), 1);
	free(globs);
}

TEST(selection_by_ranges_counts_as_the_torrent_lists)
{
	const struct magnet_range ranges[] = {{1, 2}, {4, UINT32_MAX}};
	uint8_t want[6];

	CHECK_INT(selection_by_ranges(&meta, ranges, 2, want), 2);
	CHECK_INT(want[2], WANT_NORMAL);
	CHECK_INT(want[5], WANT_NORMAL);
	CHECK_INT(want[1], WANT_NOT);
	CHECK_INT(selection_by_ranges(&meta, NULL, 0, want), 0);
}

TEST(selection_wants_a_piece_as_much_as_the_most_wanted_file_in_it)
{
	const uint8_t want[6] = {WANT_LOW, WANT_HIGH, WANT_NORMAL, WANT_HIGH, 0, 0};
	uint8_t pieces[5];
	uint64_t bytes;

	selection_pieces(&meta, want, pieces);
	CHECK_INT(pieces[0], WANT_LOW);
	CHECK_INT(pieces[1], WANT_LOW); /* the pad in it wants nothing */
	CHECK_INT(pieces[2], WANT_NORMAL);
	CHECK_INT(pieces[4], WANT_HIGH);
	CHECK_INT(selection_count(&meta, want, &bytes), 3);
	CHECK_INT(bytes, 68);
	CHECK_INT(selection_count(&meta, NULL, &bytes), 4);
	selection_pieces(&meta, NULL, pieces);
	CHECK_INT(pieces[1], WANT_NORMAL);
}

TEST(selection_is_by_patterns_or_by_ranges_and_all_is_none)
{
	static const char *const texts[] = {"*.txt", NULL}, *const nothing[] = {"*.doc", NULL},
				 *const all[] = {"*", NULL};
	static const struct magnet_range some = {1, 3}, pads = {1, 1};
	uint8_t *want;

	CHECK_INT(selection_choose(&meta, NULL, NULL, 0, &want), OK);
	CHECK(want == NULL);
	CHECK_INT(selection_choose(&meta, texts, &some, 1, &want), OK);
	CHECK(want != NULL && want[0] == WANT_NORMAL && want[3] == WANT_NOT);
	free(want);
	CHECK_INT(selection_choose(&meta, NULL, &some, 1, &want), OK);
	CHECK(want != NULL && want[0] == WANT_NOT && want[3] == WANT_NORMAL);
	free(want);
	CHECK_INT(selection_choose(&meta, all, NULL, 0, &want), OK);
	CHECK(want == NULL);
	CHECK_INT(selection_choose(&meta, nothing, NULL, 0, &want), ERR_NOENT);
	CHECK(want == NULL);
	CHECK_INT(selection_choose(&meta, NULL, &pads, 1, &want), ERR_NOENT);
	CHECK(want == NULL);
}

TEST(of_a_file_is_done_what_lies_in_pieces_that_are_there)
{
	static struct meta_file two[] = {
	    {.path = "a", .length = 20, .offset = 0, .first_piece = 0, .n_pieces = 2},
	    {.path = "b", .length = 15, .offset = 20, .first_piece = 1, .n_pieces = 2},
	    {.path = "none", .length = 0, .offset = 35},
	};
	const struct metainfo m = {.files = two, .n_files = 3, .n_pieces = 3, .piece_length = 16};
	struct bitfield have;

	CHECK_INT(bitfield_init(&have, 3), OK);
	CHECK_INT(meta_file_done(&m, &two[0], &have), 0);
	bitfield_set(&have, 1);
	CHECK_INT(meta_file_done(&m, &two[0], &have), 4);
	CHECK_INT(meta_file_done(&m, &two[1], &have), 12);
	CHECK_INT(meta_file_done(&m, &two[2], &have), 0);
	bitfield_fill(&have);
	CHECK_INT(meta_file_done(&m, &two[0], &have), 20);
	CHECK_INT(meta_file_done(&m, &two[1], &have), 15);
	bitfield_fini(&have);
}

TEST(each_degree_of_wanting_has_its_word)
{
	enum want back;

	for (int w = WANT_NOT; w <= WANT_HIGH; w++) {
		CHECK(want_from_word(want_word((enum want)w), &back));
		CHECK_INT(back, w);
	}
	CHECK(!want_from_word("often", &back));
}
