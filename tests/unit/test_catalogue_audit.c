/* The catalogue's memory of what happened to it, what owners say about entries, its copies, and
 * catalogues of older versions. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/catalogue_db.h"
#include "test.h"

static char dir[64];
static struct err_info info;
static const struct catalogue_actor who = {.address = "192.0.2.1", .now = 1000};

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/shoal-audit-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
}

static void dir_remove(void)
{
	static const char *const names[] = {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm",
					    "copy.db"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	CHECK_INT(rmdir(dir), 0);
}

static struct catalogue_db *db_open(void)
{
	struct catalogue_db *db = NULL;

	if (catalogue_db_open(dir, &db, &info) != 0)
		fail_msg("%s", info.text);
	return db;
}

static struct entry entry_of(const char *name, uint8_t content, int64_t at)
{
	struct entry e = {.has_v1 = true, .bytes = content, .n_files = 1, .published_at = at};

	snprintf(e.owner, sizeof(e.owner), "ann");
	snprintf(e.name, sizeof(e.name), "%s", name);
	memset(e.hash_v1, content, sizeof(e.hash_v1));
	return e;
}

static int put(struct catalogue_db *db, struct entry *e, enum catalogue_change *change)
{
	struct catalogue_file file = {.path = e->name, .length = e->bytes};

	return catalogue_db_publish(db, &who, e, bytes_str("de"), &file, 1, change, &info);
}

static enum catalogue_change must_put(struct catalogue_db *db, struct entry *e)
{
	enum catalogue_change change;

	CHECK_INT(put(db, e, &change), 0);
	return change;
}

/* Names of what is found, in order. */
static const char *found(struct catalogue_db *db, struct catalogue_query q)
{
	static char text[200];
	struct entry rows[8];
	size_t n = 0, len = 0;

	q.limit = q.limit == 0 ? 8 : q.limit;
	CHECK_INT(catalogue_db_find(db, &q, rows, &n, &info), 0);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
					rows[i].name);
	return text;
}
#define FOUND(db, ...) found(db, (struct catalogue_query){__VA_ARGS__})

TEST(what_is_said_about_an_entry_is_kept_found_and_replaced)
{
	struct catalogue_db *db;
	struct entry e = entry_of("data", 1, 100), got;

	dir_make();
	db = db_open();
	CHECK_INT(entry_set_description(&e, bytes_str("rain over Bern"), NULL), 0);
	CHECK_INT(entry_add_tags(&e, bytes_str("weather raw"), NULL), 0);
	CHECK_INT(entry_set_meta(&e, bytes_str("station"), bytes_str("seven"), NULL), 0);
	CHECK_INT(must_put(db, &e), CATALOGUE_ADDED);
	CHECK_INT(catalogue_db_get(db, e.id, &got, &info), 0);
	CHECK_STR(got.description, "rain over Bern");
	CHECK_STR(got.tags, "raw weather");
	CHECK_STR(got.meta, "station=seven\n");
	CHECK_STR(FOUND(db, .match = "\"bern\""), "data");
	CHECK_STR(FOUND(db, .match = "\"weather\" \"seven\""), "data");
	CHECK_INT(must_put(db, &e), CATALOGUE_SAME);

	/* Said later, it counts; an older signature cannot bring back what was said before. */
	snprintf(e.description, sizeof(e.description), "snow");
	e.tags[0] = '\0';
	e.published_at--;
	CHECK_INT(must_put(db, &e), CATALOGUE_SAME);
	e.published_at += 2;
	e.signature[0] = 9;
	CHECK_INT(must_put(db, &e), CATALOGUE_UPDATED);
	CHECK_INT(e.version, 1);
	CHECK_INT(catalogue_db_get(db, e.id, &got, &info), 0);
	CHECK_STR(got.description, "snow");
	CHECK_INT(got.published_at, 101);
	CHECK_INT(got.signature[0], 9);
	CHECK_STR(FOUND(db, .match = "\"bern\""), "");
	CHECK_STR(FOUND(db, .match = "\"weather\""), "");
	CHECK_STR(FOUND(db, .match = "\"snow\" \"data\""), "data");
	catalogue_db_close(db);
	dir_remove();
}

static int note(void *user, const struct catalogue_audit *a)
{
	char *text = user;
	size_t len = strlen(text);

	snprintf(text + len, 300 - len, "%s %s/%s@%u by %s at %d%s%s%s; ", a->action, a->owner,
		 a->name, a->version, a->address, (int)a->at, a->has_key ? "" : " (no key)",
		 a->token[0] == '\0' ? "" : " with ", a->token);
	return 0;
}

static int stop_at_once(void *user, const struct catalogue_audit *a)
{
	++*(unsigned *)user;
	return a->id > 0;
}

TEST(every_change_is_in_the_audit_table_and_nothing_else)
{
	static const struct catalogue_actor boss = {
	    .address = "192.0.2.2", .token = "boss", .now = 1001};
	struct entry e = entry_of("x", 1, 100), again = e, stranger;
	char text[300] = "";
	enum catalogue_change change;
	struct catalogue_db *db;
	uint32_t removed;
	unsigned n = 0;

	dir_make();
	db = db_open();
	must_put(db, &e);
	must_put(db, &again);
	stranger = e;
	stranger.key[0] = 1;
	CHECK_INT(put(db, &stranger, &change), ERR_DENIED);
	CHECK_INT(catalogue_db_unpublish(db, &who, &stranger, false, &removed, &info), ERR_DENIED);
	again.published_at++;
	again.description[0] = 'd';
	must_put(db, &again);
	e.version = 0;
	e.published_at = 200;
	CHECK_INT(catalogue_db_unpublish(db, &who, &e, false, &removed, &info), 0);
	e = entry_of("y", 2, 100);
	must_put(db, &e);
	e.version = 1;
	CHECK_INT(catalogue_db_unpublish(db, &boss, &e, true, &removed, &info), 0);
	catalogue_db_close(db);
	db = db_open();
	CHECK_INT(catalogue_db_audit(db, 0, 10, note, text, &info), 0);
	CHECK_STR(text, "admin unpublish ann/y@1 by 192.0.2.2 at 1001 (no key) with boss; "
			"publish ann/y@1 by 192.0.2.1 at 1000; "
			"unpublish ann/x@0 by 192.0.2.1 at 1000; "
			"update ann/x@1 by 192.0.2.1 at 1000; "
			"publish ann/x@1 by 192.0.2.1 at 1000; ");
	text[0] = '\0';
	CHECK_INT(catalogue_db_audit(db, 3, 1, note, text, &info), 0);
	CHECK_STR(text, "update ann/x@1 by 192.0.2.1 at 1000; ");
	CHECK_INT(catalogue_db_audit(db, 0, 10, stop_at_once, &n, &info), 0);
	CHECK_INT(n, 1);
	catalogue_db_close(db);
	dir_remove();
}

TEST(an_old_signature_brings_nothing_back_not_even_after_a_restart)
{
	struct entry e = entry_of("x", 1, 100), gone = e;
	struct catalogue_actor later = {.address = "", .now = 1000000};
	enum catalogue_change change;
	struct catalogue_db *db;
	uint32_t removed;

	dir_make();
	db = db_open();
	must_put(db, &e);
	gone.published_at = 150;
	CHECK_INT(catalogue_db_unpublish(db, &who, &gone, false, &removed, &info), 0);
	CHECK_INT(put(db, &e, &change), ERR_MISMATCH);
	catalogue_db_close(db);
	db = db_open();
	e.published_at = 149;
	CHECK_INT(put(db, &e, &change), ERR_MISMATCH);
	e.published_at = 150;
	CHECK_INT(put(db, &e, &change), ERR_MISMATCH);
	e.published_at = 151;
	CHECK_INT(must_put(db, &e), CATALOGUE_ADDED);
	/* After a day nobody would take such a signature anyway: it is forgotten. */
	e = entry_of("y", 2, 100);
	must_put(db, &e);
	CHECK_INT(catalogue_db_unpublish(db, &later, &e, false, &removed, &info), 0);
	e = entry_of("x", 3, 1);
	CHECK_INT(must_put(db, &e), CATALOGUE_ADDED);
	catalogue_db_close(db);
	dir_remove();
}

TEST(what_was_removed_does_not_come_back_by_the_call_that_published_it)
{
	struct entry e = entry_of("x", 1, 100), gone = e, ahead = entry_of("y", 2, 4000);
	struct catalogue_actor now = {.address = "", .now = 500};
	enum catalogue_change change;
	struct catalogue_db *db;
	uint32_t removed;

	dir_make();
	db = db_open();
	/* Both in one second. */
	must_put(db, &e);
	CHECK_INT(catalogue_db_unpublish(db, &now, &gone, false, &removed, &info), 0);
	CHECK_INT(put(db, &e, &change), ERR_MISMATCH);
	e.published_at++;
	CHECK_INT(must_put(db, &e), CATALOGUE_ADDED);
	/* An admin removes what is dated an hour ahead. */
	must_put(db, &ahead);
	gone = ahead;
	gone.published_at = now.now;
	CHECK_INT(catalogue_db_unpublish(db, &now, &gone, true, &removed, &info), 0);
	CHECK_INT(catalogue_db_publish(db, &now, &ahead, bytes_str("de"), NULL, 0, &change, &info),
		  ERR_MISMATCH);
	CHECK(strstr(info.text, "in 58") != NULL);
	ahead.published_at++;
	CHECK_INT(must_put(db, &ahead), CATALOGUE_ADDED);
	catalogue_db_close(db);
	dir_remove();
}

TEST(of_two_things_said_in_one_second_the_first_counts)
{
	struct entry a = entry_of("x", 1, 100), b = a, got;
	enum catalogue_change change;
	struct catalogue_db *db;

	dir_make();
	db = db_open();
	snprintf(a.description, sizeof(a.description), "one");
	snprintf(b.description, sizeof(b.description), "other");
	must_put(db, &a);
	CHECK_INT(put(db, &b, &change), ERR_MISMATCH);
	CHECK_INT(must_put(db, &a), CATALOGUE_SAME);
	b.published_at++;
	CHECK_INT(must_put(db, &b), CATALOGUE_UPDATED);
	CHECK_INT(must_put(db, &b), CATALOGUE_SAME);
	CHECK_INT(must_put(db, &a), CATALOGUE_SAME);
	CHECK_INT(catalogue_db_get(db, b.id, &got, &info), 0);
	CHECK_STR(got.description, "other");
	catalogue_db_close(db);
	dir_remove();
}

TEST(lists_come_in_the_order_asked_for)
{
	static const char *const names[] = {"beta", "Alpha", "gamma", "alpha"};
	struct catalogue_db *db;

	dir_make();
	db = db_open();
	for (size_t i = 0; i < 4; i++) {
		struct entry e = entry_of(names[i], (uint8_t)(5 - i), 100);

		must_put(db, &e);
	}
	CHECK_STR(FOUND(db, .limit = 8), "alpha gamma Alpha beta");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_BY_NAME), "Alpha alpha beta gamma");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_LARGEST), "beta Alpha gamma alpha");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_BY_NAME, .offset = 1, .limit = 2), "alpha beta");
	CHECK_STR(FOUND(db, .match = "\"ann\"", .sort = CATALOGUE_LARGEST, .offset = 3), "alpha");
	CHECK_STR(FOUND(db, .match = "\"ann\"", .sort = CATALOGUE_BY_NAME, .limit = 1), "Alpha");
	catalogue_db_close(db);
	dir_remove();
}

TEST(a_backup_is_a_catalogue_and_replaces_nothing)
{
	struct entry e = entry_of("x", 1, 100);
	char copy[100];
	struct catalogue_db *db;
	struct stat st;

	dir_make();
	db = db_open();
	snprintf(copy, sizeof(copy), "%s", path_of("copy.db"));
	must_put(db, &e);
	CHECK_INT(catalogue_db_backup(db, copy, &info), 0);
	/* Like the catalogue itself it is for nobody else. */
	CHECK(stat(copy, &st) == 0 && (st.st_mode & 077) == 0);
	CHECK(stat(path_of("catalogue.db"), &st) == 0 && (st.st_mode & 077) == 0);
	CHECK(stat(path_of("catalogue.db-wal"), &st) == 0 && (st.st_mode & 077) == 0);
	CHECK_INT(catalogue_db_backup(db, copy, &info), ERR_EXISTS);
	CHECK_INT(catalogue_db_backup(db, "/nonexistent/x", &info), ERR_NOENT);
	CHECK_STR(info.text, "/nonexistent/x: No such file or directory");
	e = entry_of("y", 2, 100);
	must_put(db, &e);
	catalogue_db_close(db);
	CHECK_INT(rename(copy, path_of("catalogue.db")), 0);
	db = db_open();
	CHECK_STR(FOUND(db, .limit = 8), "x");
	catalogue_db_close(db);
	dir_remove();
}

/* The tables as the first version made them, with one entry. */
static const char first_version[] =
    "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key BLOB NOT NULL);"
    "CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " owner INTEGER NOT NULL REFERENCES owners, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " hash_v1 BLOB, hash_v2 BLOB, bytes INTEGER NOT NULL, n_files INTEGER NOT NULL, sha256 BLOB,"
    " published_at INTEGER NOT NULL, signature BLOB NOT NULL,"
    " description TEXT NOT NULL DEFAULT '', UNIQUE (owner, name, version));"
    "CREATE TABLE torrents (entry INTEGER PRIMARY KEY, torrent BLOB NOT NULL);"
    "CREATE TABLE files (entry INTEGER NOT NULL, position INTEGER NOT NULL, path TEXT NOT NULL,"
    " length INTEGER NOT NULL, sha256 BLOB, PRIMARY KEY (entry, position)) WITHOUT ROWID;"
    "CREATE VIRTUAL TABLE words USING fts5 (name, owner, paths, description, content = '',"
    " tokenize = 'unicode61', prefix = '1 2 3');"
    "INSERT INTO owners VALUES (1, 'ann', zeroblob(32));"
    "INSERT INTO entries VALUES (7, 1, 'old', 1, zeroblob(20), NULL, 5, 1, NULL, 50,"
    " zeroblob(64), '');"
    "INSERT INTO torrents VALUES (7, 'de');"
    "INSERT INTO files VALUES (7, 0, 'old', 5, NULL);"
    "INSERT INTO words (rowid, name, owner, paths, description) VALUES (7, 'old', 'ann', 'old',"
    " '');"
    "PRAGMA application_id = 0x73686f61; PRAGMA user_version = 1;";

static void make_first_version(void)
{
	sqlite3 *sql;

	CHECK_INT(sqlite3_open(path_of("catalogue.db"), &sql), SQLITE_OK);
	CHECK_INT(sqlite3_exec(sql, first_version, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
}

TEST(a_catalogue_of_the_first_version_is_taken_over_with_all_in_it)
{
	struct entry e = entry_of("new", 3, 100), gone = entry_of("old", 0, 500);
	uint8_t id[CATALOGUE_ID_LEN], again[CATALOGUE_ID_LEN];
	struct catalogue_db *db;
	char text[300] = "";
	uint32_t removed;

	dir_make();
	make_first_version();
	db = db_open();
	CHECK_INT(catalogue_db_id(db, id, &info), 0);
	CHECK_STR(FOUND(db, .match = "\"old\""), "old");
	CHECK_STR(FOUND(db, .match = "\"ann\"", .sort = CATALOGUE_BY_NAME), "old");
	must_put(db, &e);
	CHECK_INT(e.id, 8);
	CHECK_INT(catalogue_db_unpublish(db, &who, &gone, false, &removed, &info), 0);
	CHECK_STR(FOUND(db, .match = "\"old\""), "");
	CHECK_STR(FOUND(db, .match = "\"ann\""), "new");
	CHECK_INT(catalogue_db_audit(db, 2, 1, note, text, &info), 0);
	CHECK_STR(text, "publish ann/new@1 by 192.0.2.1 at 1000; ");
	catalogue_db_close(db);
	db = db_open();
	CHECK_INT(catalogue_db_id(db, again, &info), 0);
	CHECK(memcmp(id, again, sizeof(id)) == 0);
	catalogue_db_close(db);
	dir_remove();
}

/* Its index, which an older shoal runs, goes on writing as that does. */
TEST(a_catalogue_of_an_older_version_is_copied_as_it_is_and_not_changed_by_others_than_its_index)
{
	char copy[100];
	struct catalogue_db *db;

	dir_make();
	make_first_version();
	CHECK_INT(catalogue_db_open_beside(dir, false, &db, &info), ERR_AGAIN);
	CHECK(strstr(info.text, "start the index anew") != NULL);
	CHECK_INT(catalogue_db_open_beside(dir, true, &db, &info), 0);
	snprintf(copy, sizeof(copy), "%s", path_of("copy.db"));
	CHECK_INT(catalogue_db_backup(db, copy, &info), 0);
	catalogue_db_close(db);
	CHECK_INT(catalogue_db_open_beside(dir, false, &db, &info), ERR_AGAIN);
	db = db_open();
	catalogue_db_close(db);
	CHECK_INT(catalogue_db_open_beside(dir, false, &db, &info), 0);
	catalogue_db_close(db);
	/* The copy is one of the older version, too. */
	CHECK_INT(rename(copy, path_of("catalogue.db")), 0);
	CHECK_INT(catalogue_db_open_beside(dir, false, &db, &info), ERR_AGAIN);
	db = db_open();
	CHECK_STR(FOUND(db, .match = "\"old\""), "old");
	catalogue_db_close(db);
	dir_remove();
}

TEST(a_step_that_fails_leaves_the_older_version_as_it_was)
{
	struct catalogue_db *db;
	sqlite3 *sql;

	dir_make();
	make_first_version();
	CHECK_INT(sqlite3_open(path_of("catalogue.db"), &sql), SQLITE_OK);
	/* In the way of the second version's last tables. */
	CHECK_INT(sqlite3_exec(sql, "CREATE TABLE removed (x)", NULL, NULL, NULL), SQLITE_OK);
	CHECK(catalogue_db_open(dir, &db, &info) < 0);
	CHECK_INT(sqlite3_exec(sql, "DROP TABLE removed", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
	db = db_open();
	CHECK_STR(FOUND(db, .match = "\"old\""), "old");
	catalogue_db_close(db);
	dir_remove();
}

TEST(tokens_are_added_listed_and_revoked_and_seen_by_others)
{
	struct catalogue_token t = {.right = RIGHT_PUBLISH, .created_at = 5}, *list = NULL;
	struct catalogue_db *db, *other;
	char text[300] = "";
	int64_t before, after;
	size_t n;

	dir_make();
	db = db_open();
	other = db_open();
	CHECK_INT(catalogue_db_tokens(db, &list, &n, &info), 0);
	CHECK(list == NULL && n == 0);
	CHECK_INT(catalogue_db_foreign_version(db, &before, &info), 0);
	snprintf(t.name, sizeof(t.name), "ci");
	memset(t.hash, 7, sizeof(t.hash));
	CHECK_INT(catalogue_db_token_add(other, &who, &t, &info), 0);
	CHECK_INT(catalogue_db_foreign_version(db, &after, &info), 0);
	CHECK(after != before);
	CHECK_INT(catalogue_db_token_add(db, &who, &t, &info), ERR_EXISTS);
	snprintf(t.name, sizeof(t.name), "anna");
	t.right = RIGHT_READ;
	CHECK_INT(catalogue_db_token_add(db, &who, &t, &info), 0);
	CHECK_INT(catalogue_db_tokens(db, &list, &n, &info), 0);
	CHECK_INT(n, 2);
	CHECK_STR(list[0].name, "anna");
	CHECK_INT(list[0].right, RIGHT_READ);
	CHECK_STR(list[1].name, "ci");
	CHECK_INT(list[1].right, RIGHT_PUBLISH);
	CHECK_INT(list[1].created_at, 5);
	CHECK_INT(list[1].hash[31], 7);
	free(list);
	CHECK_INT(catalogue_db_token_revoke(db, &who, "bob", &info), ERR_NOENT);
	CHECK_INT(catalogue_db_token_revoke(db, &who, "anna", &info), 0);
	CHECK_INT(catalogue_db_tokens(db, &list, &n, &info), 0);
	CHECK_INT(n, 1);
	free(list);
	snprintf(t.name, sizeof(t.name), "two words");
	CHECK_INT(catalogue_db_token_add(db, &who, &t, &info), ERR_INVALID);
	t.name[0] = '\0';
	CHECK_INT(catalogue_db_token_add(db, &who, &t, &info), ERR_INVALID);
	CHECK_INT(catalogue_db_audit(db, 0, 10, note, text, &info), 0);
	CHECK_STR(text, "revoke token /anna@0 by 192.0.2.1 at 1000 (no key); "
			"add token /anna@0 by 192.0.2.1 at 1000 (no key); "
			"add token /ci@0 by 192.0.2.1 at 1000 (no key); ");
	catalogue_db_close(other);
	catalogue_db_close(db);
	dir_remove();
}
