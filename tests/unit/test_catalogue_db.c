#include "store/catalogue_db.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostile_searches.h"
#include "store/catalogue_impl.h"
#include "test.h"

static char dir[64];
static struct err_info info;
static const struct catalogue_actor who = {.address = "192.0.2.1", .now = 1000};

static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/shoal-catalogue-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
}

static const char *db_path(const char *end)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/catalogue.db%s", dir, end);
	return path;
}

static void dir_remove(void)
{
	(void)unlink(db_path(""));
	(void)unlink(db_path("-wal"));
	(void)unlink(db_path("-shm"));
	CHECK_INT(rmdir(dir), 0);
}

static struct catalogue_db *db_open(void)
{
	struct catalogue_db *db = NULL;
	int err = catalogue_db_open(dir, &db, &info);

	if (err != 0)
		fail_msg("%s", info.text);
	return db;
}

static struct catalogue_db *db_new(void)
{
	dir_make();
	return db_open();
}

static void db_end(struct catalogue_db *db)
{
	catalogue_db_close(db);
	dir_remove();
}

/* Content number `n` under this name; the owner's key is made of its first letter. */
static struct entry entry_of(const char *owner, const char *name, uint32_t n)
{
	struct entry e = {.has_v1 = true,
			  .has_v2 = true,
			  .bytes = 1000 + n,
			  .n_files = 1,
			  .has_sha256 = true,
			  .published_at = 1700000000 + (int64_t)n};

	snprintf(e.owner, sizeof(e.owner), "%s", owner);
	snprintf(e.name, sizeof(e.name), "%s", name);
	memset(e.hash_v1, 0x11, sizeof(e.hash_v1));
	memset(e.hash_v2, 0x22, sizeof(e.hash_v2));
	put_be32(e.hash_v1, n);
	put_be32(e.hash_v2, n);
	memset(e.sha256, (int)n, sizeof(e.sha256));
	memset(e.key, owner[0], sizeof(e.key));
	memset(e.signature, 7, sizeof(e.signature));
	return e;
}

static int put_paths(struct catalogue_db *db, struct entry *e, const char *const *paths, size_t n,
		     bool *created)
{
	struct catalogue_file files[8];
	enum catalogue_change change;
	int err;

	for (size_t i = 0; i < n; i++)
		files[i] = (struct catalogue_file){
		    .path = paths[i], .length = i + 1, .has_sha256 = i == 0, .sha256 = {9}};
	err = catalogue_db_publish(db, &who, e, bytes_str("d4:infode"), files, n, &change, &info);
	if (err == 0)
		*created = change == CATALOGUE_ADDED;
	return err;
}

static int take_out(struct catalogue_db *db, const char *owner, const char *name, uint32_t version,
		    const uint8_t *key, uint32_t *removed)
{
	struct entry e = {.version = version};

	snprintf(e.owner, sizeof(e.owner), "%s", owner);
	snprintf(e.name, sizeof(e.name), "%s", name);
	memcpy(e.key, key, sizeof(e.key));
	return catalogue_db_unpublish(db, &who, &e, false, removed, &info);
}

static int put(struct catalogue_db *db, struct entry *e, bool *created)
{
	const char *path = e->name;

	return put_paths(db, e, &path, 1, created);
}

static void must_put(struct catalogue_db *db, const char *owner, const char *name, uint32_t n)
{
	struct entry e = entry_of(owner, name, n);
	bool created;

	CHECK_INT(put(db, &e, &created), 0);
}

/* Names found, as "name@version name@version". */
static const char *found(struct catalogue_db *db, struct catalogue_query q)
{
	static char text[4000];
	static struct entry rows[CATALOGUE_PAGE_MAX];
	size_t n = 0, len = 0;
	int err;

	if (q.limit == 0)
		q.limit = CATALOGUE_PAGE_MAX;
	err = catalogue_db_find(db, &q, rows, &n, &info);
	if (err != 0) {
		snprintf(text, sizeof(text), "error %d", err);
		return text;
	}
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s@%u",
					i == 0 ? "" : " ", rows[i].name, rows[i].version);
	return text;
}

#define FOUND(db, ...) found(db, (struct catalogue_query){__VA_ARGS__})

static int keep_file(void *user, const struct catalogue_file *f)
{
	char *text = user;
	size_t len = strlen(text);

	snprintf(text + len, 200 - len, "%s:%u:%d ", f->path, (unsigned)f->length, f->has_sha256);
	return 0;
}

static void run_sql(const char *sql)
{
	sqlite3 *db;

	CHECK_INT(sqlite3_open(db_path(""), &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

TEST(an_entry_comes_back_as_it_was_published)
{
	static const char *const paths[] = {"a/b.txt", "a/\xff\x1b.bin", "z"};
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "data set", 1), got;
	char files[200] = "";
	struct buf torrent;
	bool created;

	e.bytes = UINT64_MAX;
	e.published_at = -5;
	CHECK_INT(put_paths(db, &e, paths, 3, &created), 0);
	CHECK(created && e.id > 0 && e.version == 1);
	CHECK_INT(catalogue_db_get(db, e.id, &got, &info), 0);
	CHECK_MEM(&got, &e, sizeof(e));
	buf_init(&torrent, 100);
	CHECK_INT(catalogue_db_torrent(db, e.id, &torrent, &info), 0);
	CHECK_STR(buf_cstr(&torrent), "d4:infode");
	buf_fini(&torrent);
	buf_init(&torrent, 3);
	CHECK_INT(catalogue_db_torrent(db, e.id, &torrent, &info), ERR_TOO_BIG);
	buf_fini(&torrent);
	CHECK_INT(catalogue_db_files(db, e.id, keep_file, files, &info), 0);
	CHECK_STR(files, "a/b.txt:1:1 a/\xff\x1b.bin:2:0 z:3:0 ");
	CHECK_INT(catalogue_db_get(db, e.id + 1, &got, &info), ERR_NOENT);
	CHECK_INT(catalogue_db_get(db, UINT64_MAX, &got, &info), ERR_NOENT);
	db_end(db);
}

/* SQLite's memory beyond what it has anyway, while the torrent is asked for. */
static int64_t memory_of_torrent(struct catalogue_db *db, uint64_t id, size_t max, int want)
{
	int64_t before;
	struct buf out;

	buf_init(&out, max);
	(void)sqlite3_memory_highwater(1);
	before = sqlite3_memory_used();
	CHECK_INT(catalogue_db_torrent(db, id, &out, &info), want);
	buf_fini(&out);
	return sqlite3_memory_highwater(0) - before;
}

TEST(a_large_torrent_is_read_where_it_goes_and_not_at_all_where_it_does_not_fit)
{
	enum { BYTES = 16 << 20, LITTLE = 4 << 20 };
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "large", 1);
	struct catalogue_file file = {.path = "f", .length = 1};
	enum catalogue_change change;
	uint8_t *torrent = malloc(BYTES);
	struct buf out;

	for (size_t i = 0; i < BYTES; i++)
		torrent[i] = (uint8_t)(i * 2654435761u >> 13);
	CHECK_INT(
	    catalogue_db_publish(db, &who, &e, bytes_of(torrent, BYTES), &file, 1, &change, &info),
	    0);
	CHECK(memory_of_torrent(db, e.id, BYTES - 1, ERR_TOO_BIG) < LITTLE / 16);
	CHECK(memory_of_torrent(db, e.id, BYTES, 0) < LITTLE);
	buf_init(&out, BYTES + 1);
	CHECK_INT(buf_put_u8(&out, 7), 0);
	CHECK_INT(catalogue_db_torrent(db, e.id, &out, &info), 0);
	CHECK_INT(out.len, BYTES + 1);
	CHECK(memcmp(out.ptr + 1, torrent, BYTES) == 0);
	CHECK_INT(catalogue_db_torrent(db, e.id, &out, &info), ERR_TOO_BIG);
	CHECK_INT(catalogue_db_torrent(db, e.id + 1, &out, &info), ERR_NOENT);
	buf_fini(&out);
	free(torrent);
	db_end(db);
}

TEST(an_entry_with_one_kind_of_hash_comes_back_so)
{
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "v1", 1), got;
	bool created;

	e.has_v2 = e.has_sha256 = false;
	memset(e.hash_v2, 0, sizeof(e.hash_v2));
	memset(e.sha256, 0, sizeof(e.sha256));
	CHECK_INT(put(db, &e, &created), 0);
	CHECK_INT(catalogue_db_get(db, e.id, &got, &info), 0);
	CHECK_MEM(&got, &e, sizeof(e));
	CHECK_INT(put(db, &e, &created), 0);
	CHECK(!created);
	db_end(db);
}

TEST(the_same_content_again_is_the_same_entry_and_other_content_the_next_version)
{
	struct catalogue_db *db = db_new();
	struct entry a = entry_of("ann", "x", 1), b = entry_of("ann", "x", 2), again = a;
	bool created;

	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	CHECK(created && b.version == 2 && b.id > a.id);
	again = b;
	CHECK_INT(put(db, &again, &created), 0);
	CHECK(!created && again.version == 2 && again.id == b.id);
	CHECK_STR(FOUND(db, .name = "x"), "x@2 x@1");
	db_end(db);
}

TEST(content_of_an_older_version_that_is_published_once_more_is_the_newest)
{
	struct catalogue_db *db = db_new();
	struct entry a = entry_of("ann", "x", 1), b = entry_of("ann", "x", 2), again = a;
	bool created;

	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	again.published_at = b.published_at;
	CHECK_INT(put(db, &again, &created), 0);
	CHECK(created && again.version == 3 && again.id > b.id);
	CHECK_INT(put(db, &again, &created), 0);
	CHECK(!created && again.version == 3);
	b.published_at++;
	CHECK_INT(put(db, &b, &created), 0);
	CHECK(created && b.version == 4);
	CHECK_STR(FOUND(db, .name = "x"), "x@4 x@3 x@2 x@1");
	CHECK_STR(FOUND(db, .swarm_hash = a.hash_v1), "x@3 x@1");
	db_end(db);
}

TEST(of_each_owners_name_the_newest_version_alone_is_told_where_that_is_asked_for)
{
	struct catalogue_db *db = db_new();
	struct entry a = entry_of("ann", "x", 1), b = entry_of("ann", "x", 2);
	uint32_t removed;
	bool created;

	must_put(db, "bob", "x", 9);
	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	must_put(db, "ann", "y", 3);
	CHECK_STR(FOUND(db, .name = "x", .latest = true), "x@2 x@1");
	CHECK_STR(FOUND(db, .latest = true), "y@1 x@2 x@1");
	CHECK_STR(FOUND(db, .latest = true, .sort = CATALOGUE_BY_NAME), "x@2 x@1 y@1");
	CHECK_STR(FOUND(db, .match = "\"ann\"", .latest = true), "y@1 x@2");
	CHECK_STR(FOUND(db, .swarm_hash = a.hash_v1, .latest = true), "");
	CHECK_INT(take_out(db, "ann", "x", 2, b.key, &removed), 0);
	CHECK_STR(FOUND(db, .name = "x", .owner = "ann", .latest = true), "x@1");
	db_end(db);
}

TEST(a_signature_that_was_seen_before_brings_no_older_version_back)
{
	struct catalogue_db *db = db_new();
	struct entry a = entry_of("ann", "x", 1), b = entry_of("ann", "x", 3), again = a;
	bool created = false;

	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	created = false;
	CHECK_INT(put(db, &again, &created), ERR_MISMATCH);
	/* nor one that was held back */
	again.published_at = b.published_at - 1;
	CHECK_INT(put(db, &again, &created), ERR_MISMATCH);
	CHECK(!created && strstr(info.text, "newer version") != NULL);
	/* nor in the one second in which both were published */
	b.published_at = a.published_at;
	snprintf(a.name, sizeof(a.name), "y");
	snprintf(b.name, sizeof(b.name), "y");
	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	CHECK_INT(put(db, &a, &created), ERR_MISMATCH);
	CHECK_STR(FOUND(db, .owner = "ann"), "y@2 y@1 x@2 x@1");
	db_end(db);
}

TEST(an_owner_name_belongs_to_its_first_key)
{
	struct catalogue_db *db = db_new();
	struct entry mine = entry_of("ann", "x", 1), theirs = entry_of("ann", "y", 2);
	uint64_t entries, bytes;
	bool created;

	CHECK_INT(put(db, &mine, &created), 0);
	theirs.key[31] ^= 1;
	CHECK_INT(put(db, &theirs, &created), ERR_DENIED);
	CHECK(strstr(info.text, "taken") != NULL);
	CHECK_INT(theirs.id, 0);
	catalogue_db_count(db, &entries, &bytes);
	CHECK_INT(entries, 1);
	must_put(db, "bob", "x", 1);
	CHECK_STR(FOUND(db, .name = "x"), "x@1 x@1");
	CHECK_STR(FOUND(db, .name = "x", .owner = "bob"), "x@1");
	db_end(db);
}

TEST(a_hostile_owner_name_is_escaped_in_the_answer)
{
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("a\x1b[31m", "x", 1);
	bool created;

	CHECK_INT(put(db, &e, &created), 0);
	e.key[0] ^= 1;
	CHECK_INT(put(db, &e, &created), ERR_DENIED);
	CHECK(strchr(info.text, 0x1b) == NULL);
	db_end(db);
}

TEST(unpublishing_takes_one_version_or_all_and_their_words)
{
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "x", 0), other = entry_of("eve", "e", 0);
	uint64_t entries, bytes;
	uint32_t removed;

	for (uint32_t n = 1; n <= 3; n++)
		must_put(db, "ann", "x", n);
	must_put(db, "ann", "y", 1);
	CHECK_INT(take_out(db, "ann", "x", 0, other.key, &removed), ERR_DENIED);
	CHECK_INT(take_out(db, "ann", "z", 0, e.key, &removed), ERR_NOENT);
	CHECK_INT(take_out(db, "zed", "x", 0, e.key, &removed), ERR_NOENT);
	CHECK_INT(take_out(db, "ann", "x", 9, e.key, &removed), ERR_NOENT);
	CHECK_INT(removed, 0);
	CHECK_INT(take_out(db, "ann", "x", 2, e.key, &removed), 0);
	CHECK_INT(removed, 1);
	CHECK_STR(FOUND(db, .match = "\"x\""), "x@3 x@1");
	CHECK_INT(take_out(db, "ann", "x", 0, e.key, &removed), 0);
	CHECK_INT(removed, 2);
	CHECK_STR(FOUND(db, .match = "\"x\""), "");
	CHECK_STR(FOUND(db, .match = "\"ann\""), "y@1");
	catalogue_db_count(db, &entries, &bytes);
	CHECK_INT(entries, 1);
	CHECK_INT(bytes, 1001);
	/* the name stays bound */
	e = entry_of("ann", "x", 1);
	e.key[0] ^= 1;
	CHECK_INT(put(db, &e, &(bool){false}), ERR_DENIED);
	db_end(db);
}

TEST(a_number_is_dealt_out_once)
{
	struct catalogue_db *db = db_new();
	struct entry a = entry_of("ann", "x", 1), b = entry_of("ann", "x", 2),
		     c = entry_of("ann", "x", 3), bobs = entry_of("bob", "x", 4);
	uint32_t removed;
	bool created;

	CHECK_INT(put(db, &a, &created), 0);
	CHECK_INT(put(db, &b, &created), 0);
	CHECK_INT(take_out(db, "ann", "x", 2, a.key, &removed), 0);
	CHECK_INT(put(db, &c, &created), 0);
	CHECK_INT(c.version, 3);
	CHECK_INT(take_out(db, "ann", "x", 1, a.key, &removed), 0);
	CHECK_INT(take_out(db, "ann", "x", 0, a.key, &removed), 0);
	catalogue_db_close(db);
	db = db_open();
	c.published_at++;
	CHECK_INT(put(db, &c, &created), 0);
	CHECK(created && c.version == 4);
	CHECK_INT(put(db, &bobs, &created), 0);
	CHECK_INT(bobs.version, 1);
	/* nor those that were taken out before it was remembered */
	catalogue_db_close(db);
	run_sql("DROP TABLE dealt; DROP TABLE revoked; ALTER TABLE audit DROP COLUMN token;"
		" DELETE FROM entries; PRAGMA user_version = 6;");
	db = db_open();
	b.published_at = c.published_at;
	CHECK_INT(put(db, &b, &created), 0);
	CHECK(created && b.version == 5);
	db_end(db);
}

TEST(search_looks_in_names_owners_and_paths)
{
	static const char *const paths[] = {"isos/debian-12.5.0-amd64.iso", "SHA256SUMS",
					    "caf\xc3\xa9/menu"};
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("lab", "images", 1);
	bool created;

	CHECK_INT(put_paths(db, &e, paths, 3, &created), 0);
	must_put(db, "ann", "Ubuntu 24.04", 2);
	CHECK_STR(FOUND(db, .match = "(\"debian\")"), "images@1");
	CHECK_STR(FOUND(db, .match = "(\"debian-12.5\" *)"), "images@1");
	CHECK_STR(FOUND(db, .match = "(\"cafe\")"), "images@1");
	CHECK_STR(FOUND(db, .match = "(\"lab\" AND \"ima\" *)"), "images@1");
	CHECK_STR(FOUND(db, .match = "(\"UBUNTU\")"), "Ubuntu 24.04@1");
	CHECK_STR(FOUND(db, .match = "(\"u\" *)"), "Ubuntu 24.04@1");
	CHECK_STR(FOUND(db, .match = "(\"i\" *) NOT \"debian\""), "");
	CHECK_STR(FOUND(db, .match = "(\"ubuntu\")", .owner = "lab"), "");
	CHECK_STR(FOUND(db, .match = "(\"ubuntu\")", .owner = "ann"), "Ubuntu 24.04@1");
	db_end(db);
}

/* The expressions are what index/query.c makes of the words. */
TEST(of_what_is_written_without_blanks_any_part_is_found)
{
	struct catalogue_db *db = db_new();
	uint32_t removed;
	struct entry e;

	must_put(db, "ann", "東京大学データ-v2", 1);
	must_put(db, "ann", "京都", 2);
	CHECK_STR(FOUND(db, .match = "(\"大 学\" *)"), "東京大学データ-v2@1");
	CHECK_STR(FOUND(db, .match = "(\"デ ー タ\" AND \"v2\" *)"), "東京大学データ-v2@1");
	CHECK_STR(FOUND(db, .match = "(\"京\" *)"), "京都@1 東京大学データ-v2@1");
	CHECK_STR(FOUND(db, .match = "(\"京 東\" *)"), "");
	e = entry_of("ann", "京都", 2);
	CHECK_INT(take_out(db, "ann", "京都", 0, e.key, &removed), 0);
	CHECK_STR(FOUND(db, .match = "(\"京\" *)"), "東京大学データ-v2@1");
	db_end(db);
}

TEST(filters_join_and_swarm_hashes_find_both_kinds)
{
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "x", 2);

	for (uint32_t n = 1; n <= 3; n++)
		must_put(db, "ann", "x", n);
	CHECK_STR(FOUND(db, .swarm_hash = e.hash_v1), "x@2");
	CHECK_STR(FOUND(db, .swarm_hash = e.hash_v2), "x@2");
	e.hash_v1[19] ^= 1;
	CHECK_STR(FOUND(db, .swarm_hash = e.hash_v1), "");
	CHECK_STR(FOUND(db, .name = "x", .version = 3), "x@3");
	CHECK_STR(FOUND(db, .owner = "ann", .name = "x", .version = 4), "");
	CHECK_STR(FOUND(db, .match = "\"x\"", .owner = "ann", .name = "x", .version = 1,
			.before_id = 100),
		  "x@1");
	db_end(db);
}

TEST(paging_by_id_goes_through_everything_once)
{
	struct catalogue_db *db = db_new();
	struct catalogue_query q = {.limit = 7};
	struct entry rows[7];
	size_t n, total = 0;

	for (uint32_t i = 0; i < 30; i++)
		must_put(db, "ann", i % 2 == 0 ? "even" : "odd", i);
	do {
		CHECK_INT(catalogue_db_find(db, &q, rows, &n, &info), 0);
		for (size_t i = 0; i < n; i++) {
			CHECK(q.before_id == 0 || rows[i].id < q.before_id);
			q.before_id = rows[i].id;
		}
		total += n;
	} while (n == 7);
	CHECK_INT(total, 30);
	q = (struct catalogue_query){.limit = 0};
	CHECK_INT(catalogue_db_find(db, &q, rows, &n, &info), ERR_INVALID);
	q.limit = CATALOGUE_PAGE_MAX + 1;
	CHECK_INT(catalogue_db_find(db, &q, rows, &n, &info), ERR_INVALID);
	db_end(db);
}

TEST(hostile_texts_as_expressions_are_answered_without_sql)
{
	struct catalogue_db *db = db_new();
	uint64_t entries, bytes;

	must_put(db, "ann", "a", 1);
	for (size_t i = 0; i < N_HOSTILE_SEARCHES; i++) {
		const char *got;

		info.text[0] = '\0';
		got = FOUND(db, .match = hostile_searches[i]);
		if (strncmp(got, "error", 5) == 0)
			CHECK_INT(info.code, ERR_INVALID);
		CHECK(strstr(info.text, "SELECT") == NULL && strstr(info.text, "fts5") == NULL);
		(void)FOUND(db, .name = hostile_searches[i], .owner = hostile_searches[i]);
		CHECK_STR(FOUND(db, .name = "a"), "a@1");
	}
	catalogue_db_count(db, &entries, &bytes);
	CHECK_INT(entries, 1);
	db_end(db);
}

TEST(hostile_texts_as_names_are_stored_literally)
{
	struct catalogue_db *db = db_new();

	for (size_t i = 0; i < N_HOSTILE_SEARCHES; i++) {
		struct entry e = entry_of("ann", hostile_searches[i], (uint32_t)i), got;
		bool created;

		CHECK_INT(put(db, &e, &created), 0);
		CHECK_INT(catalogue_db_get(db, e.id, &got, &info), 0);
		CHECK_STR(got.name, hostile_searches[i]);
	}
	db_end(db);
}

/* By SQL: one by one so many would take minutes. The first is there already. */
static void fill(uint32_t n)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
		 "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
		 " INSERT INTO entries (id, owner, name, version, bytes, n_files, published_at,"
		 " signature) SELECT i, 1, 'n' || (%u - i), i, i, 1, 0, '' FROM n",
		 n, n);
	run_sql(sql);
}

TEST(a_search_too_costly_is_stopped)
{
	struct catalogue_db *db = db_new();

	must_put(db, "ann", "x", 1);
	fill(1500000);
	CHECK_STR(FOUND(db, .match = "\"x\""), "x@1");
	CHECK_STR(FOUND(db, .version = UINT32_MAX), "error -10");
	CHECK_INT(info.code, ERR_TIMEOUT);
	CHECK(strstr(info.text, "word") != NULL && strstr(info.text, "longer") == NULL);
	CHECK_STR(FOUND(db, .match = "\"x\""), "x@1");
	/* Lists are read from their index, wherever the page is. */
	CHECK_STR(FOUND(db, .sort = CATALOGUE_LARGEST, .limit = 2), "n0@1500000 n1@1499999");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_LARGEST, .limit = 1, .offset = 1000000),
		  "n1000000@500000");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_BY_NAME, .limit = 3),
		  "n0@1500000 n1@1499999 n10@1499990");
	CHECK_STR(FOUND(db, .sort = CATALOGUE_BY_NAME, .limit = 1, .offset = 1000000),
		  "n55@1499945");
	db_end(db);
}

/* Sorted up to there, read from the index of that order beyond. */
TEST(pages_of_a_search_join_however_deep_they_are)
{
	struct catalogue_db *db = db_new();
	const unsigned deep = FIND_MATCH | FIND_DEEP | FIND_SORT * CATALOGUE_BY_NAME;

	must_put(db, "ann", "x", 1);
	run_sql(
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
	    " INSERT INTO entries (id, owner, name, version, bytes, n_files, published_at,"
	    " signature) SELECT i, 1, iif(i % 4 = 0, 'N', 'n') || printf('%04d', i), 1, i, 1, 0,"
	    " '' FROM n;"
	    "INSERT INTO words (rowid, name) SELECT id, 'common' FROM entries WHERE id % 2 = 0");
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_BY_NAME, .limit = 2, .offset = 1000),
	    "n2002@1 N2004@1");
	CHECK(db->finds[deep] == NULL);
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_BY_NAME, .limit = 2, .offset = 1001),
	    "N2004@1 n2006@1");
	CHECK(db->finds[deep] != NULL);
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_BY_NAME, .limit = 2, .offset = 1499),
	    "N3000@1");
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_BY_NAME, .limit = 2, .offset = 1500),
	    "");
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_LARGEST, .limit = 2, .offset = 1000),
	    "N1000@1 n0998@1");
	CHECK_STR(
	    FOUND(db, .match = "common", .sort = CATALOGUE_LARGEST, .limit = 2, .offset = 1001),
	    "n0998@1 N0996@1");
	/* With more to be seen to it is sorted. */
	CHECK_STR(FOUND(db, .match = "common", .owner = "ann", .sort = CATALOGUE_BY_NAME,
			.limit = 1, .offset = 1001),
		  "N2004@1");
	CHECK_STR(FOUND(db, .match = "\"", .sort = CATALOGUE_BY_NAME, .limit = 1, .offset = 1001),
		  "error -12");
	db_end(db);
}

TEST(a_search_that_takes_long_without_steps_is_stopped)
{
	struct catalogue_db *db = db_new();
	char match[32 * 8 + 1] = "";

	for (size_t i = 0; i < 32; i++)
		memcpy(match + 8 * i, "\"a a b\" ", 9);
	must_put(db, "ann", "x", 1);
	run_sql("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 18)"
		" INSERT INTO words (rowid, name, owner, paths, description)"
		" SELECT i, '', '', replace(hex(zeroblob(300000)), '00', 'a b '), '' FROM n");
	CHECK_STR(FOUND(db, .match = match), "error -10");
	CHECK(strstr(info.text, "longer words") != NULL);
	CHECK_STR(FOUND(db, .match = "\"x\""), "x@1");
	db_end(db);
}

TEST(so_much_of_an_entrys_paths_is_searched_and_all_of_it_goes_with_the_entry)
{
	static char text[66000];
	const char *paths[] = {text, "beyond"};
	struct catalogue_db *db = db_new();
	struct entry e = entry_of("ann", "x", 1);
	uint32_t removed;
	bool created;

	memset(text, '-', sizeof(text) - 1);
	memcpy(text + 65536 - 5, " last next", 10);
	CHECK_INT(put_paths(db, &e, paths, 2, &created), 0);
	CHECK_STR(FOUND(db, .match = "\"last\""), "x@1");
	CHECK_STR(FOUND(db, .match = "\"next\""), "");
	CHECK_STR(FOUND(db, .match = "\"beyond\""), "");
	CHECK_INT(take_out(db, "ann", "x", 0, e.key, &removed), 0);
	CHECK_STR(FOUND(db, .match = "\"last\""), "");
	/* with a row of that number it would be found, had any of its words stayed */
	run_sql("INSERT INTO entries (id, owner, name, version, bytes, n_files, published_at,"
		" signature) VALUES (1, 1, 'x', 1, 1, 1, 0, '')");
	CHECK_STR(FOUND(db, .match = "\"last\""), "");
	CHECK_STR(FOUND(db, .match = "\"ann\""), "");
	db_end(db);
}

static int count_row(void *user, const struct catalogue_swarms *row)
{
	uint32_t *n = user;

	CHECK(row->id > 0 && !row->has_v1);
	return ++*n == 30001;
}

TEST(a_scan_tells_many_rows_in_one_search)
{
	struct catalogue_db *db = db_new();
	struct catalogue_query q = {.limit = CATALOGUE_SCAN_MAX, .sort = CATALOGUE_BY_NAME};
	uint32_t n = 0;

	must_put(db, "ann", "x", 1);
	fill(25001);
	CHECK_INT(catalogue_db_scan(db, &q, count_row, &n, &info), 0);
	CHECK_INT(n, CATALOGUE_SCAN_MAX);
	n = 30000;
	CHECK_INT(catalogue_db_scan(db, &q, count_row, &n, &info), 0);
	CHECK_INT(n, 30001);
	q.limit++;
	CHECK_INT(catalogue_db_scan(db, &q, count_row, &n, &info), ERR_INVALID);
	db_end(db);
}

TEST(names_alike_are_offered_best_first)
{
	struct catalogue_db *db = db_new();
	struct entry rows[3];
	size_t n;

	must_put(db, "ann", "debian-12.iso", 1);
	must_put(db, "ann", "debian-11.iso", 2);
	must_put(db, "bob", "Debian-12.iso", 3);
	must_put(db, "ann", "debian-12.iso", 4);
	must_put(db, "ann", "ubuntu.iso", 5);
	CHECK_INT(catalogue_db_near(db, "debian-12.iso", rows, 3, &n, &info), 0);
	CHECK_INT(n, 3);
	CHECK_STR(rows[0].name, "debian-12.iso");
	CHECK_INT(rows[0].version, 2);
	CHECK_STR(rows[1].owner, "bob");
	CHECK_STR(rows[2].name, "debian-11.iso");
	CHECK_INT(catalogue_db_near(db, "ubu", rows, 3, &n, &info), 0);
	CHECK_INT(n, 1);
	CHECK_INT(catalogue_db_near(db, "ubuntuu.ios", rows, 1, &n, &info), 0);
	CHECK_INT(n, 1);
	CHECK_INT(catalogue_db_near(db, "nothing like it", rows, 3, &n, &info), 0);
	CHECK_INT(n, 0);
	CHECK_INT(catalogue_db_near(db, "x", rows, 0, &n, &info), 0);
	db_end(db);
}

TEST(no_more_names_alike_are_offered_than_the_limit)
{
	struct catalogue_db *db = db_new();
	struct entry rows[CATALOGUE_NEAR_MAX + 1];
	char name[32];
	size_t n;

	for (unsigned i = 0; i <= CATALOGUE_NEAR_MAX; i++) {
		snprintf(name, sizeof(name), "debian-%02u.iso", i);
		must_put(db, "ann", name, i);
	}
	CHECK_INT(catalogue_db_near(db, "debian-07.iso", rows, CATALOGUE_NEAR_MAX + 1, &n, &info),
		  0);
	CHECK_INT(n, CATALOGUE_NEAR_MAX);
	CHECK_STR(rows[0].name, "debian-07.iso");
	db_end(db);
}

TEST(counts_survive_reopening)
{
	struct catalogue_db *db = db_new();
	uint64_t entries, bytes;

	for (uint32_t n = 1; n <= 5; n++)
		must_put(db, "ann", "x", n);
	catalogue_db_close(db);
	db = db_open();
	catalogue_db_count(db, &entries, &bytes);
	CHECK_INT(entries, 5);
	CHECK_INT(bytes, 5015);
	CHECK_STR(FOUND(db, .match = "\"x\"", .limit = 2), "x@5 x@4");
	db_end(db);
}

/* ---- bad ground ---------------------------------------------------------- */

static void fill_file(const char *text, size_t len)
{
	FILE *f = fopen(db_path(""), "wb");

	CHECK(f != NULL);
	for (size_t i = 0; i < len; i++)
		fputc(text[i % strlen(text)], f);
	fclose(f);
}

TEST(damaged_foreign_and_newer_files_are_told_apart)
{
	struct catalogue_db *db = NULL;

	dir_make();
	fill_file("this is not a database. ", 20000);
	CHECK_INT(catalogue_db_open(dir, &db, &info), ERR_PROTO);
	CHECK(strstr(info.text, "damaged") != NULL);
	(void)unlink(db_path(""));
	run_sql("CREATE TABLE t (x)");
	CHECK_INT(catalogue_db_open(dir, &db, &info), ERR_PROTO);
	CHECK(strstr(info.text, "something else") != NULL);
	dir_remove();
	db = db_new();
	catalogue_db_close(db);
	run_sql("PRAGMA user_version = 99");
	CHECK_INT(catalogue_db_open(dir, &db, &info), ERR_PROTO);
	CHECK(strstr(info.text, "newer") != NULL);
	dir_remove();
}

TEST(a_folder_that_is_not_there_is_an_error)
{
	struct catalogue_db *db = NULL;

	CHECK(catalogue_db_open("/nonexistent/folder", &db, &info) < 0);
	CHECK(strstr(info.text, "/nonexistent/folder") != NULL);
	CHECK(db == NULL);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(a_full_disk_refuses_writing_and_goes_on_reading_and_recovers)
{
	struct catalogue_db *db = db_new();
	uint64_t entries, bytes;
	uint32_t n = 0, removed, kept;
	struct entry e;
	bool created;
	int err;

	signal(SIGXFSZ, SIG_IGN);
	must_put(db, "ann", "first", 1000);
	limit_files(600 * 1024);
	do {
		e = entry_of("ann", "x", ++n);
		err = put(db, &e, &created);
	} while (err == 0 && n < 5000);
	CHECK_INT(err, ERR_NOSPACE);
	CHECK(strstr(info.text, "full") != NULL);
	kept = n - 1;
	CHECK(kept > 5);
	CHECK_INT(put(db, &e, &created), ERR_NOSPACE);
	CHECK_STR(FOUND(db, .name = "first"), "first@1");
	CHECK_STR(FOUND(db, .match = "\"first\""), "first@1");
	catalogue_db_count(db, &entries, &bytes);
	CHECK_INT(entries, kept + 1);
	limit_files(RLIM_INFINITY);
	CHECK_INT(put(db, &e, &created), 0);
	CHECK(created && e.version == n);
	CHECK_INT(take_out(db, "ann", "x", 0, e.key, &removed), 0);
	CHECK_INT(removed, n);
	db_end(db);
}

/* ---- kill -9 ------------------------------------------------------------- */

static void publish_for_ever(int ack)
{
	struct catalogue_db *db = NULL;
	uint64_t entries, bytes;

	if (catalogue_db_open(dir, &db, &info) != 0)
		_exit(1);
	catalogue_db_count(db, &entries, &bytes);
	for (uint32_t n = (uint32_t)entries;; n++) {
		struct entry e = entry_of("ann", "x", n);
		bool created;

		if (put(db, &e, &created) != 0 || write(ack, &n, sizeof(n)) != sizeof(n))
			_exit(2);
	}
}

static void check_integrity(void)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *sql;

	CHECK_INT(sqlite3_open(db_path(""), &sql), SQLITE_OK);
	CHECK_INT(sqlite3_prepare_v2(sql, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_step(s), SQLITE_ROW);
	CHECK_STR((const char *)sqlite3_column_text(s, 0), "ok");
	sqlite3_finalize(s);
	sqlite3_close(sql);
}

/* Reads what is acknowledged for `ms` milliseconds, kills, reads the rest. Returns the last. */
static int64_t kill_after(unsigned ms)
{
	int64_t last = -1;
	int pipe_fds[2], status;
	uint32_t n;
	pid_t child;

	CHECK_INT(pipe(pipe_fds), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(pipe_fds[0]);
		publish_for_ever(pipe_fds[1]);
	}
	close(pipe_fds[1]);
	CHECK_INT(read(pipe_fds[0], &n, sizeof(n)), sizeof(n));
	last = n;
	nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
	CHECK_INT(kill(child, SIGKILL), 0);
	while (read(pipe_fds[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	close(pipe_fds[0]);
	return last;
}

TEST(what_was_acknowledged_is_there_after_kill_9)
{
	dir_make();
	for (unsigned round = 0; round < 25; round++) {
		int64_t last = kill_after(round * 7 % 40);
		struct catalogue_db *db = db_open();
		uint64_t entries, bytes;

		catalogue_db_count(db, &entries, &bytes);
		CHECK_SEED(entries >= (uint64_t)last + 1, round);
		for (int64_t n = 0; n <= last; n++) {
			struct entry e = entry_of("ann", "x", (uint32_t)n), got;
			struct catalogue_query q = {.swarm_hash = e.hash_v1, .limit = 1};
			size_t found_n;

			CHECK_INT(catalogue_db_find(db, &q, &got, &found_n, &info), 0);
			CHECK_SEED(found_n == 1 && got.version == (uint32_t)n + 1, round);
		}
		catalogue_db_close(db);
		check_integrity();
	}
	dir_remove();
}
