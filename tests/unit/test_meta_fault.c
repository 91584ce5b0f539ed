#include "meta/metainfo.h"

#include "test.h"

#include "meta_verdict.h"

struct row {
	enum meta_fault want;
	const char *text;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum meta_fault got = verdict_of_notation(rows[i].text);

		if (got != rows[i].want)
			fail_msg("row %zu: %s\ngot \"%s\", not \"%s\"", i, rows[i].text,
				 meta_fault_text(got), meta_fault_text(rows[i].want));
	}
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

TEST(metainfo_refuses_broken_outer_shapes)
{
	static const struct row rows[] = {
	    {META_NOT_BENCODE, ""},
	    {META_NOT_BENCODE, "{"},
	    {META_NOT_BENCODE, "{'info'}"},
	    {META_NOT_BENCODE, "{5 5}"},
	    {META_TRAILING_BYTES, SINGLE("") "5"},
	    {META_TRAILING_BYTES, SINGLE("") "}"},
	    {META_NOT_DICT, "5"},
	    {META_NOT_DICT, "['info']"},
	    {META_NOT_DICT, "'info'"},
	    {META_NO_INFO, "{}"},
	    {META_NO_INFO, "{'inf' {} 'info2' {}}"},
	    {META_INFO_NOT_DICT, "{'info' 5}"},
	    {META_INFO_NOT_DICT, "{'info' [" SINGLE("") "]}"},
	    {META_DUPLICATE_KEY, "{'info' {} 'info' {}}"},
	    {META_DUPLICATE_KEY, "{'info' {} 'a' 1 'info' {}}"},
	    {META_DUPLICATE_KEY, "{'announce' 'a' 'announce' 'b' 'info' {}}"},
	    {META_DUPLICATE_KEY, "{'info' {'length' 5 'length' 6" NP P1 "}}"},
	    {META_DUPLICATE_KEY, "{'info' {'length' 5 'name' 'm'" NP P1 "}}"},
	    {META_DUPLICATE_KEY, "{'info' {'length' 5" NP P1 "'z' {'a' 1 'a' 1}}}"},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_bad_names_and_piece_lengths)
{
	static const struct row rows[] = {
	    {META_NO_NAME, "{'info' {}}"},
	    {META_NO_NAME, "{'info' {'length' 5 'piece length' 16384" P1 "}}"},
	    {META_NO_NAME, "{'info' {'length' 5 'name' 7 'piece length' 16384" P1 "}}"},
	    {META_NAME_EMPTY, "{'info' {'length' 5 'name' '' 'piece length' 16384" P1 "}}"},
	    {META_NAME_BAD, "{'info' {'length' 5 'name' '.' 'piece length' 16384" P1 "}}"},
	    {META_NAME_BAD, "{'info' {'length' 5 'name' '..' 'piece length' 16384" P1 "}}"},
	    {META_NAME_BAD, "{'info' {'length' 5 'name' '/etc' 'piece length' 16384" P1 "}}"},
	    {META_NAME_BAD, "{'info' {'length' 5 'name' '../x' 'piece length' 16384" P1 "}}"},
	    {META_NAME_BAD, "{'info' {'length' 5 'name' 'a~b' 'piece length' 16384" P1 "}}"},
	    {META_OK, "{'info' {'length' 5 'name' 'x'*255 'piece length' 16384" P1 "}}"},
	    {META_NAME_LONG, "{'info' {'length' 5 'name' 'x'*256 'piece length' 16384" P1 "}}"},
	    {META_NAME_LONG, "{'info' {'length' 5 'name' 'x'*1000000 'piece length' 16384" P1 "}}"},
	    {META_NO_PIECE_LENGTH, "{'info' {'length' 5 'name' 'n'" P1 "}}"},
	    {META_NO_PIECE_LENGTH, "{'info' {'length' 5 'name' 'n' 'piece length' '16384'" P1 "}}"},
	    {META_PIECE_LENGTH_BAD, "{'info' {'length' 5 'name' 'n' 'piece length' 0" P1 "}}"},
	    {META_PIECE_LENGTH_BAD, "{'info' {'length' 5 'name' 'n' 'piece length' -1" P1 "}}"},
	    {META_PIECE_LENGTH_BAD, "{'info' {'length' 5 'name' 'n' 'piece length' 1023" P1 "}}"},
	    {META_OK, "{'info' {'length' 5 'name' 'n' 'piece length' 1024" P1 "}}"},
	    {META_OK, "{'info' {'length' 5 'name' 'n' 'piece length' 16383" P1 "}}"},
	    {META_OK, "{'info' {'length' 5 'name' 'n' 'piece length' 134217728" P1 "}}"},
	    {META_PIECE_LENGTH_BAD,
	     "{'info' {'length' 5 'name' 'n' 'piece length' 134217729" P1 "}}"},
	    {META_PIECE_LENGTH_BAD,
	     "{'info' {'length' 5 'name' 'n' 'piece length' 9223372036854775807" P1 "}}"},
	    {META_PIECE_LENGTH_BAD,
	     "{'info' {'file tree' {'f' " LEAF("5") "}" V2 "'name' 'n' 'piece length' 16383}}"},
	    {META_PIECE_LENGTH_BAD,
	     "{'info' {'file tree' {'f' " LEAF("5") "}" V2 "'name' 'n' 'piece length' 8192}}"},
	    {META_PIECE_LENGTH_NOT_POWER,
	     "{'info' {'file tree' {'f' " LEAF("5") "}" V2 "'name' 'n' 'piece length' 16385}}"},
	    {META_PIECE_LENGTH_NOT_POWER,
	     "{'info' {'file tree' {'f' " LEAF("5") "}" V2 "'name' 'n' 'piece length' 49152}}"},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_pieces_that_do_not_fit_the_files)
{
	static const struct row rows[] = {
	    {META_NO_PIECES, "{'info' {'length' 5" NP "}}"},
	    {META_NO_PIECES, "{'info' {'length' 5" NP "'pieces' 5}}"},
	    {META_NO_PIECES, "{'info' {'length' 5" NP "'pieces' ['x'*20]}}"},
	    {META_PIECES_NOT_20, "{'info' {'length' 5" NP "'pieces' 'x'*19}}"},
	    {META_PIECES_NOT_20, "{'info' {'length' 5" NP "'pieces' 'x'*21}}"},
	    {META_PIECES_FEW, "{'info' {'length' 5" NP "'pieces' ''}}"},
	    {META_PIECES_FEW, "{'info' {'length' 16385" NP P1 "}}"},
	    {META_PIECES_MANY, "{'info' {'length' 0" NP P1 "}}"},
	    {META_PIECES_MANY, "{'info' {'length' 16384" NP "'pieces' 'x'*40}}"},
	    {META_OK, "{'info' {'length' 0" NP "'pieces' ''}}"},
	    {META_OK, "{'info' {'length' 16384" NP P1 "}}"},
	    {META_TOO_MANY_PIECES, "{'info' {'length' 34359738369" NP P1 "}}"},
	    {META_PIECES_FEW, "{'info' {'length' 34359738368" NP P1 "}}"},
	    {META_TOO_MANY_PIECES, "{'info' {'length' 9223372036854775807" NP P1 "}}"},
	    {META_TOO_MANY_PIECES, TREE("{'f' " LEAF("9223372036854775807") "}")},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_bad_file_lists)
{
	static const struct row rows[] = {
	    {META_NO_FILES, "{'info' {" NP P1 "}}"},
	    {META_NO_FILES, "{'info' {" V2 NP "}}"},
	    {META_FILES_EMPTY, "{'info' {'files' [] 'length' 5" NP P1 "}}"},
	    {META_FILES_NOT_LIST, "{'info' {'files' 5 'length' 5" NP P1 "}}"},
	    {META_FILES_NOT_LIST, "{'info' {'files' " FILE1 NP P1 "}}"},
	    {META_FILES_NOT_LIST, "{'info' {'files' 5" NP P1 "}}"},
	    {META_FILES_EMPTY, LIST("")},
	    {META_FILES_EMPTY, LIST(PAD("5"))},
	    {META_FILE_NOT_DICT, LIST("5")},
	    {META_FILE_NOT_DICT, LIST(FILE1 "['a']")},
	    {META_FILE_NO_LENGTH, LIST("{'path' ['a']}")},
	    {META_FILE_NO_LENGTH, LIST("{'length' '5' 'path' ['a']}")},
	    {META_FILE_NO_LENGTH, "{'info' {'length' '5'" NP P1 "}}"},
	    {META_FILE_LENGTH_BAD, LIST("{'length' -1 'path' ['a']}")},
	    {META_FILE_LENGTH_BAD, "{'info' {'length' -1" NP P1 "}}"},
	    {META_SIZE_OVERFLOW, LIST("{'length' 9223372036854775807 'path' ['a']}"
				      "{'length' 1 'path' ['b']}")},
	    {META_FILE_NO_PATH, LIST("{'length' 5}")},
	    {META_FILE_NO_PATH, LIST("{'length' 5 'path' 'a'}")},
	    {META_PATH_EMPTY, LIST("{'length' 5 'path' []}")},
	    {META_PATH_EMPTY, LIST("{'length' 5 'path' ['']}")},
	    {META_PATH_EMPTY, LIST("{'length' 5 'path' ['' '']}")},
	    {META_OK, LIST("{'length' 5 'path' ['' 'a' '' 'b' '']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['a' '' '..' 'b']}")},
	    {META_PATH_CLASH,
	     LIST("{'length' 5 'path' ['a' '' 'b']}{'length' 0 'path' ['a' 'b']}")},
	    {META_PATH_CLASH, LIST("{'length' 5 'path' ['' 'a']}{'length' 0 'path' ['a' 'b']}")},
	    {META_OK, LIST(FILE1)},
	    {META_OK, LIST("{'length' 5 'md5sum' 'x' 'path' ['a'] 'zzz' {'q' []}}")},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_paths_that_leave_the_folder)
{
	static const struct row rows[] = {
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['..']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['..' '..' 'x']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['a' '..' '..' 'x']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['.']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['/abs']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['../../x']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['a/../../b']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['a~']}")},
	    {META_PATH_BAD, LIST("{'length' 5 'path' ['a' 5]}")},
	    {META_PATH_BAD, TREE("{'..' {'x' " LEAF("5") "}}")},
	    {META_PATH_BAD, TREE("{'a/b' " LEAF("5") "}")},
	    {META_PATH_BAD, TREE("{'a~' " LEAF("5") "}")},
	    {META_PATH_LONG, LIST("{'length' 5 'path' ['x'*256]}")},
	    {META_PATH_LONG, TREE("{'x'*256 " LEAF("5") "}")},
	    {META_OK, LIST("{'length' 5 'path' ['x'*255]}")},
	    {META_OK, TREE("{'x'*255 " LEAF("5") "}")},
	    {META_PATH_CLASH, LIST("{'length' 0 'path' ['a']}" FILE1)},
	    {META_PATH_CLASH, LIST(FILE1 "{'length' 0 'path' ['a' 'b']}")},
	    {META_PATH_CLASH, LIST("{'length' 0 'path' ['a' 'b']}{'length' 0 'path' ['a.b']}"
				   "{'length' 0 'path' ['a!']}" FILE1)},
	    {META_PATH_CLASH, LIST(FILE1 "{'length' 0 'path' ['q' 'b']}{'length' 0 'path' ['c']}"
					 "{'length' 0 'path' ['q' 'b' 'c' 'd']}")},
	    {META_OK, LIST(FILE1 "{'length' 0 'path' ['a.b']}{'length' 0 'path' ['ab' 'a']}")},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_bad_pads_and_links)
{
	static const struct row rows[] = {
	    {META_PAD_BAD, "{'info' {'attr' 'p' 'length' 5" NP P1 "}}"},
	    {META_PAD_BAD, LIST(FILE1 PAD("16385"))},
	    {META_PAD_BAD,
	     LIST("{'attr' 'pl' 'length' 0 'path' ['b'] 'symlink path' ['a']}" FILE1)},
	    {META_PAD_BAD, TREE("{'f' {'' {'attr' 'p' 'length' 5 'pieces root' 'r'*32}}}")},
	    {META_OK, LIST(FILE1 PAD("100") "{'length' 1 'path' ['b']}" PAD("100"))},
	    {META_OK, LIST(FILE1 "{'attr' 'p' 'length' 100}")},
	    {META_PATH_BAD, LIST(FILE1 "{'attr' 'p' 'length' 100 'path' ['..']}")},
	    {META_SYMLINK_BAD,
	     LIST(FILE1 "{'attr' 'l' 'length' 1 'path' ['b'] 'symlink path' ['a']}")},
	    {META_SYMLINK_BAD, TREE("{'f' {'' {'attr' 'l' 'length' 1 'pieces root' 'r'*32}}}")},
	    {META_PATH_CLASH, LIST("{'attr' 'l' 'length' 0 'path' ['d'] 'symlink path' ['e']}"
				   "{'length' 5 'path' ['d' 'x']}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'path' ['b'] 'symlink path' ['c' 'd']}")},
	    {META_OK, TREE("{'f' {'' {'attr' 'l' 'symlink path' ['a']}}}")},
	};

	CHECK_ROWS(rows);
}

/* libtorrent writes some of these for links that lead up or nowhere; none is ever made. */
TEST(metainfo_takes_links_wherever_they_lead)
{
	static const struct row rows[] = {
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b']}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b'] 'symlink path' ['..' 'a']}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b'] 'symlink path' ['.']}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b'] 'symlink path' ['/etc']}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b'] 'symlink path' 'a'}")},
	    {META_OK, LIST(FILE1 "{'attr' 'l' 'length' 0 'path' ['b'] 'symlink path' []}")},
	    {META_OK, TREE("{'f' {'' {'attr' 'l' 'length' 0}}}")},
	    {META_OK, TREE("{'f' {'' {'attr' 'l' 'symlink path' ['..' '..' 'a']}}}")},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_bad_file_trees)
{
	static const struct row rows[] = {
	    {META_VERSION_UNKNOWN, "{'info' {'meta version' 1}}"},
	    {META_VERSION_UNKNOWN, "{'info' {'meta version' 3}}"},
	    {META_VERSION_UNKNOWN, "{'info' {'meta version' '2'}}"},
	    {META_UNSORTED_V2, "{'info' {" V2 NP "'file tree' {'f' " LEAF("5") "}}}"},
	    {META_UNSORTED_V2, TREE("{'g' " LEAF("5") "'f' " LEAF("5") "}")},
	    {META_UNSORTED_V2, TREE("{'a' " LEAF("5") "'' {'length' 5}}")},
	    {META_DUPLICATE_KEY, TREE("{'f' " LEAF("5") "'f' " LEAF("5") "}")},
	    {META_DUPLICATE_KEY, TREE("{'f' {'' {} '' {}}}")},
	    {META_TREE_NOT_DICT, TREE("5")},
	    {META_TREE_NOT_DICT, TREE("[]")},
	    {META_TREE_NOT_DICT, TREE("{'f' 5}")},
	    {META_TREE_NOT_DICT, TREE("{'d' {'f' []}}")},
	    {META_TREE_EMPTY, TREE("{}")},
	    {META_TREE_EMPTY, TREE("{'d' {}}")},
	    {META_TREE_EMPTY, TREE("{'d' {} 'f' " LEAF("5") "}")},
	    {META_TREE_EMPTY, TREE("{'a' " LEAF("5") "'d' {'e' {'f' {}}}}")},
	    {META_TREE_ROOT_IS_FILE, TREE("{'' {'length' 5 'pieces root' 'r'*32}}")},
	    {META_TREE_ROOT_IS_FILE, TREE("{'' {'length' 0} 'f' " LEAF("5") "}")},
	    {META_TREE_FILE_HAS_SIBLINGS, TREE("{'d' {'' {'length' 0} 'f' " LEAF("5") "}}")},
	    {META_FILE_NOT_DICT, TREE("{'f' {'' 5}}")},
	    {META_FILE_NO_LENGTH, TREE("{'f' {'' {}}}")},
	    {META_FILE_LENGTH_BAD, TREE("{'f' {'' {'length' -5}}}")},
	    {META_SIZE_OVERFLOW,
	     TREE("{'f' " LEAF("9223372036854775807") "'g' " LEAF("9223372036854775807") "}")},
	    {META_ROOT_MISSING, TREE("{'f' {'' {'length' 5}}}")},
	    {META_ROOT_MISSING, TREE("{'f' {'' {'length' 5 'pieces root' 5}}}")},
	    {META_ROOT_BAD_LENGTH, TREE("{'f' {'' {'length' 5 'pieces root' 'r'*31}}}")},
	    {META_ROOT_BAD_LENGTH, TREE("{'f' {'' {'length' 5 'pieces root' 'r'*33}}}")},
	    {META_ROOT_ZERO, TREE("{'f' {'' {'length' 5 'pieces root' '~'*32}}}")},
	    {META_ROOT_ON_EMPTY_FILE, TREE("{'f' " LEAF("0") "}")},
	    {META_OK, TREE("{'f' {'' {'length' 0}}}")},
	    {META_OK, TREE("{'d' {'e' " LEAF("16384") "} 'f' {'' {'length' 0}}}")},
	    {META_NO_PIECES, "{'info' {'file tree' {'n' " LEAF("5") "} 'length' 5" V2 NP "}}"},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_bad_piece_layers)
{
	static const struct row rows[] = {
	    {META_OK, LAYERS("'piece layers' {" AB "'a'*32+'b'*32}")},
	    {META_LAYERS_MISSING, LAYERS("")},
	    {META_LAYERS_NOT_DICT, LAYERS("'piece layers' []")},
	    {META_LAYERS_NOT_DICT, LAYERS("'piece layers' 'a'*64")},
	    {META_LAYER_MISSING, LAYERS("'piece layers' {}")},
	    {META_LAYER_MISSING, LAYERS("'piece layers' {" ABC "'a'*96}")},
	    {META_LAYER_EXTRA, LAYERS("'piece layers' {'r'*31 'a'*64}")},
	    {META_LAYER_EXTRA, LAYERS("'piece layers' {" AB "'a'*32+'b'*32" ABC "'a'*96}")},
	    {META_LAYER_EXTRA, LAYERS("'piece layers' {" ABC "'a'*96" AB "'a'*32+'b'*32}")},
	    {META_LAYER_BAD_LENGTH, LAYERS("'piece layers' {" AB " 5}")},
	    {META_LAYER_BAD_LENGTH, LAYERS("'piece layers' {" AB "'a'*63}")},
	    {META_LAYER_BAD_LENGTH, LAYERS("'piece layers' {" AB "'a'*32+'b'*32+'~'*32}")},
	    {META_LAYER_BAD_LENGTH, LAYERS("'piece layers' {" AB "''}")},
	    {META_LAYER_MISMATCH, LAYERS("'piece layers' {" AB "'a'*64}")},
	    {META_LAYER_MISMATCH, LAYERS("'piece layers' {" AB "'b'*32+'a'*32}")},
	    {META_DUPLICATE_KEY, LAYERS("'piece layers' {" AB "'a'*64" AB "'a'*64}")},
	    {META_DUPLICATE_KEY, LAYERS("'piece layers' {} 'piece layers' {}")},
	    {META_OK, "{'info' {'length' 5" NP P1 "} 'piece layers' 'no matter in v1'}"},
	    {META_OK, "{'info' {'file tree' {'f' " LEAF("5") "}" V2 NP "}}"},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_refuses_hybrids_whose_halves_disagree)
{
	static const struct row rows[] = {
	    {META_OK, HYBRID(F1("5") PAD("16379") G1("7"), FG("5", "7"), "40")},
	    {META_OK, HYBRID(F1("5") PAD("16379") G1("7") PAD("16377"), FG("5", "7"), "40")},
	    {META_OK, HYBRID(F1("16384") G1("7"), FG("16384", "7"), "40")},
	    {META_OK, HYBRID(F1("5"), "{'f' " LEAF("5") "}", "20")},
	    {META_PAD_BAD, HYBRID(F1("5") G1("7"), FG("5", "7"), "20")},
	    {META_PAD_BAD, HYBRID(F1("5") PAD("16378") G1("7"), FG("5", "7"), "20")},
	    {META_PAD_BAD, HYBRID(F1("5") PAD("16380") G1("7"), FG("5", "7"), "40")},
	    {META_PAD_BAD, HYBRID(F1("5") PAD("16379") PAD("16384") G1("7"), FG("5", "7"), "60")},
	    {META_PAD_BAD, HYBRID(PAD("5") F1("5") PAD("16379") G1("7"), FG("5", "7"), "40")},
	    {META_PAD_BAD, HYBRID(F1("16384") PAD("0") G1("7"), FG("16384", "7"), "40")},
	    {META_PAD_BAD, HYBRID(F1("16384") PAD("16384") G1("7"), FG("16384", "7"), "60")},
	    {META_HYBRID_FILES_DIFFER, HYBRID(F1("5") PAD("16379") G1("8"), FG("5", "7"), "40")},
	    {META_HYBRID_FILES_DIFFER, HYBRID(G1("5") PAD("16379") F1("7"), FG("7", "5"), "40")},
	    {META_HYBRID_FILES_DIFFER, HYBRID(F1("5"), FG("5", "7"), "20")},
	    {META_HYBRID_FILES_DIFFER,
	     HYBRID(F1("5") PAD("16379") G1("7"), "{'f' " LEAF("5") "}", "40")},
	    {META_HYBRID_FILES_DIFFER, HYBRID(F1("5"), "{'d' {'f' " LEAF("5") "}}", "20")},
	    {META_HYBRID_FILES_DIFFER, HYBRID("{'length' 0 'path' ['f']}",
					      "{'f' {'' {'attr' 'l' 'symlink path' ['f']}}}", "0")},
	    {META_NO_PIECES,
	     "{'info' {'file tree' {'f' " LEAF("5") "} 'files' [" F1("5") "]" V2 NP "}}"},
	    {META_OK, "{'info' {'file tree' {'n' " LEAF("5") "} 'length' 5" V2 NP P1 "}}"},
	    {META_HYBRID_FILES_DIFFER,
	     "{'info' {'file tree' {'m' " LEAF("5") "} 'length' 5" V2 NP P1 "}}"},
	    {META_HYBRID_FILES_DIFFER,
	     "{'info' {'file tree' {'n' {'n' " LEAF("5") "}} 'length' 5" V2 NP P1 "}}"},
	    {META_HYBRID_FILES_DIFFER,
	     "{'info' {'file tree' {'n' " LEAF("6") "} 'length' 5" V2 NP P1 "}}"},
	};

	CHECK_ROWS(rows);
}

TEST(metainfo_has_a_sentence_for_every_fault)
{
	for (int f = META_OK; f <= META_NOMEM; f++) {
		CHECK(strlen(meta_fault_text(f)) > 10);
		CHECK(strcmp(meta_fault_text(f), "unknown fault") != 0);
		for (int g = META_OK; g < f; g++)
			CHECK(strcmp(meta_fault_text(f), meta_fault_text(g)) != 0);
	}
	CHECK_STR(meta_fault_text(META_NOMEM + 1), "unknown fault");
}
