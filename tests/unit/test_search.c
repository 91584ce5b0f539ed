/* What users type, through index/query.h, asked of the catalogue: the two must agree. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hostile_searches.h"
#include "index/query.h"
#include "store/catalogue_db.h"
#include "test.h"

static char dir[64];
static struct err_info info;

static void put(struct catalogue_db *db, const char *name, uint32_t n)
{
	struct entry e = {.has_v1 = true, .bytes = 1, .n_files = 1};
	struct catalogue_file file = {.path = name, .length = 1};
	struct catalogue_actor who = {.address = "", .now = 0};
	enum catalogue_change change;

	put_be32(e.hash_v1, n);
	snprintf(e.owner, sizeof(e.owner), "ann");
	snprintf(e.name, sizeof(e.name), "%s", name);
	CHECK_INT(catalogue_db_publish(db, &who, &e, bytes_str("de"), &file, 1, &change, &info), 0);
}

static struct catalogue_db *db_new(void)
{
	static const char *const names[] = {"debian-12.5.0-amd64.iso", "debian live 12",
					    "Debian 12 live beta",     "caf\xc3\xa9 menu",
					    "C++ (2nd) notes.txt",     "100% cotton"};
	struct catalogue_db *db = NULL;

	snprintf(dir, sizeof(dir), "/tmp/shoal-search-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(catalogue_db_open(dir, &db, &info), 0);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(db, names[i], i);
	return db;
}

static void db_end(struct catalogue_db *db)
{
	char path[100];

	catalogue_db_close(db);
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(rmdir(dir), 0);
}

/* "name|name", or "!code". */
static const char *search(struct catalogue_db *db, const char *text)
{
	static char answer[4000];
	static struct entry rows[50];
	struct catalogue_query q = {.limit = 50};
	struct buf match;
	size_t n = 0, len = 0;
	int err;

	buf_init(&match, QUERY_MATCH_BYTES_MAX + 1);
	err = query_to_match(bytes_str(text), &match, &info);
	q.match = buf_cstr(&match);
	if (err == 0)
		err = catalogue_db_find(db, &q, rows, &n, &info);
	buf_fini(&match);
	answer[0] = '\0';
	if (err != 0)
		snprintf(answer, sizeof(answer), "!%d", err);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(answer + len, sizeof(answer) - len, "%s%s",
					i == 0 ? "" : "|", rows[i].name);
	return answer;
}

TEST(words_find_what_they_should)
{
	struct catalogue_db *db = db_new();

	CHECK_STR(search(db, "debian amd"), "debian-12.5.0-amd64.iso");
	CHECK_STR(search(db, "debian-12.5"), "debian-12.5.0-amd64.iso");
	CHECK_STR(search(db, "\"debian live\""), "debian live 12");
	CHECK_STR(search(db, "live debian -beta"), "debian live 12");
	CHECK_STR(search(db, "deb* -amd64 -\"12 live\""), "debian live 12");
	CHECK_STR(search(db, "CAFE"), "caf\xc3\xa9 menu");
	CHECK_STR(search(db, "caf\xc3\xa9 -x"), "caf\xc3\xa9 menu");
	CHECK_STR(search(db, "c++"), "100% cotton|C++ (2nd) notes.txt|caf\xc3\xa9 menu");
	CHECK_STR(search(db, "c++ (2nd)"), "C++ (2nd) notes.txt");
	CHECK_STR(search(db, "100%"), "100% cotton");
	CHECK_STR(search(db, "name:debian "), "");
	CHECK_STR(search(db, "debian OR cotton "), "");
	db_end(db);
}

/* Whether they stand alone, or another beside them: what follows the heart has it in red, what
 * follows the thumb is a tone of skin, the flag is two characters. */
TEST(pictures_are_found)
{
	struct catalogue_db *db = db_new();

	put(db, "shark🦈", 100);
	put(db, "🦈🐟", 101);
	put(db, "a ❤\xef\xb8\x8f b", 102);
	put(db, "👍🏽", 103);
	put(db, "🇩🇪 a→b", 104);
	CHECK_STR(search(db, "🦈"), "🦈🐟|shark🦈");
	CHECK_STR(search(db, "🐟"), "🦈🐟");
	CHECK_STR(search(db, "sha"), "shark🦈");
	CHECK_STR(search(db, "shark "), "shark🦈");
	CHECK_STR(search(db, "shark🦈"), "shark🦈");
	CHECK_STR(search(db, "🦈 -shark"), "🦈🐟");
	CHECK_STR(search(db, "🐟🦈"), "");
	CHECK_STR(search(db, "❤"), "a ❤\xef\xb8\x8f b");
	CHECK_STR(search(db, "❤\xef\xb8\x8f"), "a ❤\xef\xb8\x8f b");
	CHECK_STR(search(db, "👍"), "👍🏽");
	CHECK_STR(search(db, "👍🏿"), "");
	CHECK_STR(search(db, "🇩🇪"), "🇩🇪 a→b");
	CHECK_STR(search(db, "→"), "🇩🇪 a→b");
	CHECK_STR(search(db, "a→b"), "🇩🇪 a→b");
	CHECK_STR(search(db, "🐙"), "");
	CHECK_STR(search(db, "🥑"), "");
	db_end(db);
}

TEST(hostile_texts_are_answered_or_refused_with_a_sentence)
{
	struct catalogue_db *db = db_new();

	for (size_t i = 0; i < N_HOSTILE_SEARCHES; i++) {
		const char *got = search(db, hostile_searches[i]);
		char invalid[8];

		snprintf(invalid, sizeof(invalid), "!%d", ERR_INVALID);
		if (got[0] != '!')
			continue;
		CHECK_STR(got, invalid);
		CHECK(strstr(info.text, "letter or digit") != NULL);
	}
	CHECK_STR(search(db, "cotton"), "100% cotton");
	db_end(db);
}

TEST(random_texts_never_break_the_expression)
{
	static const char letters[] = "\"\"*- ad1(N:^\xc3\xa9%.";
	struct catalogue_db *db = db_new();
	uint32_t x = 4;

	for (int round = 0; round < 3000; round++) {
		char text[40];
		size_t n = 0;
		int code;

		while (n < (size_t)round % 39) {
			x = x * 1664525u + 1013904223u;
			text[n++] = letters[(x >> 16) % (sizeof(letters) - 1)];
		}
		text[n] = '\0';
		code = search(db, text)[0] == '!' ? (int)info.code : 0;
		CHECK_SEED(code == 0 || code == ERR_TOO_BIG ||
			       strstr(info.text, "cannot be understood") == NULL,
			   round);
	}
	db_end(db);
}
