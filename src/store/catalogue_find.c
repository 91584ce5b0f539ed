/* store/catalogue_find.c - what is asked of the catalogue. */
#include <time.h>

#include "base/text.h"
#include "store/catalogue_impl.h"
#include "store/near.h"

/* FTS5 reads its index by statements whose steps are counted, some 250 pages of it at so many. */
#define STEPS_AT_ONCE 1000
#define NEAR_ROWS_MAX 20000
/* is_deep(): leaving out fewer, or a smaller part of all, everything found is sorted. */
#define DEEP_LEAST 1000u
#define DEEP_PART 16u
#define DEEP_LARGE_PART 4u
/* Steps for each entry where it is not. */
#define DEEP_STEPS 13u

static void column_text(sqlite3_stmt *s, int i, char *out, size_t cap)
{
	const unsigned char *text = sqlite3_column_text(s, i);
	size_t n = (size_t)sqlite3_column_bytes(s, i);

	if (text == NULL || n >= cap)
		n = 0;
	if (n > 0)
		memcpy(out, text, n);
	out[n] = '\0';
}

static bool column_blob(sqlite3_stmt *s, int i, uint8_t *out, size_t len)
{
	const void *blob = sqlite3_column_blob(s, i);

	if (blob == NULL || (size_t)sqlite3_column_bytes(s, i) != len)
		return false;
	memcpy(out, blob, len);
	return true;
}

static void read_row(sqlite3_stmt *s, struct entry *out)
{
	memset(out, 0, sizeof(*out));
	out->id = (uint64_t)sqlite3_column_int64(s, 0);
	column_text(s, 1, out->owner, sizeof(out->owner));
	column_text(s, 2, out->name, sizeof(out->name));
	out->version = (uint32_t)sqlite3_column_int64(s, 3);
	out->has_v1 = column_blob(s, 4, out->hash_v1, SHA1_LEN);
	out->has_v2 = column_blob(s, 5, out->hash_v2, SHA256_LEN);
	out->bytes = (uint64_t)sqlite3_column_int64(s, 6);
	out->n_files = (uint32_t)sqlite3_column_int64(s, 7);
	out->has_sha256 = column_blob(s, 8, out->sha256, SHA256_LEN);
	out->published_at = sqlite3_column_int64(s, 9);
	(void)column_blob(s, 10, out->key, SIGN_KEY_LEN);
	(void)column_blob(s, 11, out->signature, SIGN_LEN);
	column_text(s, 12, out->description, sizeof(out->description));
	column_text(s, 13, out->tags, sizeof(out->tags));
	column_text(s, 14, out->meta, sizeof(out->meta));
}

/* ---- search ------------------------------------------------------------- */

/* Far into what a search found, in another order than it was found in: to sort so many costs 4 us
 * for each (100,000: 0.4 s), to go through all entries in that order and leave out what was not
 * found half a microsecond for each. So that is done where a good part of all was found, as it was
 * if so many are to be left out; not where it would take more steps than there may be, and sorting
 * would not. */
static bool is_deep(const struct catalogue_db *db, const struct catalogue_query *q)
{
	return q->match != NULL && q->owner == NULL && q->name == NULL && q->swarm_hash == NULL &&
	       q->version == 0 && q->before_id == 0 && q->sort != CATALOGUE_NEWEST &&
	       q->offset > DEEP_LEAST && q->offset >= db->entries / DEEP_PART &&
	       (db->entries <= CATALOGUE_STEPS_MAX / DEEP_STEPS ||
		q->offset >= db->entries / DEEP_LARGE_PART);
}

static unsigned conditions_of(const struct catalogue_db *db, const struct catalogue_query *q)
{
	return (is_deep(db, q) ? FIND_DEEP : 0u) | (q->match != NULL ? FIND_MATCH : 0u) |
	       (q->owner != NULL ? FIND_OWNER : 0u) | (q->name != NULL ? FIND_NAME : 0u) |
	       (q->swarm_hash != NULL ? FIND_HASH : 0u) | (q->version != 0 ? FIND_VERSION : 0u) |
	       (q->before_id != 0 ? FIND_BEFORE : 0u) | (q->latest ? FIND_LATEST : 0u) |
	       FIND_SORT * (unsigned)q->sort;
}

static const char *const orders[CATALOGUE_SORTS] = {
    [CATALOGUE_NEWEST] = " ORDER BY e.id DESC",
    [CATALOGUE_BY_NAME] = " ORDER BY e.name COLLATE NOCASE, e.name, e.id DESC",
    [CATALOGUE_LARGEST] = " ORDER BY e.bytes DESC, e.id DESC",
};

static const char *const indexes[CATALOGUE_SORTS] = {
    [CATALOGUE_NEWEST] = "",
    [CATALOGUE_BY_NAME] = " INDEXED BY entries_by_name",
    [CATALOGUE_LARGEST] = " INDEXED BY entries_bytes",
};

/* CROSS JOIN: the order as written, so that FTS5 gives the rows newest first and the search
 * ends at the limit instead of sorting everything that fits. Nothing but what tells the swarms, so
 * that rows which are skipped are no more than a step in an index, and rows that must be sorted are
 * small. */
static void put_find_sql(struct buf *sql, unsigned with)
{
	bool deep = with & FIND_DEEP, match = (with & FIND_MATCH) && !deep;
	bool rare = (with & (FIND_OWNER | FIND_NAME | FIND_HASH | FIND_VERSION)) == FIND_VERSION;

	buf_put_str(sql, "SELECT e.id, e.hash_v1, e.hash_v2 FROM ");
	buf_put_str(sql, match ? "words w CROSS JOIN entries e ON e.id = w.rowid" : "entries e");
	/* A look at each row in the order of an index costs more than sorting the few that fit. */
	buf_put_str(sql, !match && rare ? " NOT INDEXED" : "");
	buf_put_str(sql, deep ? indexes[with / FIND_SORT] : "");
	buf_put_str(sql, match ? " WHERE words MATCH ?1" : " WHERE 1");
	if (deep)
		buf_put_str(sql, " AND e.id IN (SELECT rowid FROM words WHERE words MATCH ?1)");
	if (with & FIND_OWNER)
		buf_put_str(sql, " AND e.owner = (SELECT id FROM owners WHERE name = ?2)");
	if (with & FIND_NAME)
		buf_put_str(sql, " AND e.name = ?3");
	if (with & FIND_HASH)
		buf_put_str(sql, " AND (e.hash_v1 = ?4 OR substr(e.hash_v2, 1, 20) = ?4)");
	if (with & FIND_VERSION)
		buf_put_str(sql, " AND e.version = ?5");
	if (with & FIND_LATEST)
		buf_put_str(sql, " AND NOT EXISTS (SELECT 1 FROM entries n WHERE n.owner = e.owner"
				 " AND n.name = e.name AND n.version > e.version)");
	if (with & FIND_BEFORE)
		buf_put_str(sql, match ? " AND w.rowid < ?6" : " AND e.id < ?6");
	buf_put_str(sql, with / FIND_SORT == CATALOGUE_NEWEST && match ? " ORDER BY w.rowid DESC"
								       : orders[with / FIND_SORT]);
	buf_put_str(sql, " LIMIT ?7 OFFSET ?8");
}

static sqlite3_stmt *find_stmt(struct catalogue_db *db, const struct catalogue_query *q,
			       struct err_info *info)
{
	unsigned with = conditions_of(db, q);
	const char *text;
	sqlite3_stmt *s = NULL;
	struct buf sql;

	buf_init(&sql, 2048);
	put_find_sql(&sql, with);
	text = buf_cstr(&sql);
	if (text == NULL)
		(void)err_set(info, ERR_NOMEM, "out of memory");
	else
		s = catalogue_prepare(db, &db->finds[with], text, info);
	buf_fini(&sql);
	if (s == NULL)
		return NULL;
	if (q->match != NULL)
		catalogue_bind_text(s, 1, q->match);
	if (q->owner != NULL)
		catalogue_bind_text(s, 2, q->owner);
	if (q->name != NULL)
		catalogue_bind_text(s, 3, q->name);
	if (q->swarm_hash != NULL)
		catalogue_bind_blob(s, 4, true, q->swarm_hash, SHA1_LEN);
	sqlite3_bind_int64(s, 5, q->version);
	sqlite3_bind_int64(s, 6, q->before_id > INT64_MAX ? INT64_MAX : (int64_t)q->before_id);
	sqlite3_bind_int64(s, 7, q->limit);
	sqlite3_bind_int64(s, 8, q->offset);
	return s;
}

/* Of this thread, so that a busy machine refuses nothing. */
static uint64_t cpu_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int too_costly(void *user)
{
	struct catalogue_db *db = user;

	db->steps += STEPS_AT_ONCE;
	return db->steps > CATALOGUE_STEPS_MAX || cpu_ms() > db->until_cpu_ms;
}

static int find_fault(struct catalogue_db *db, const struct catalogue_query *q,
		      struct err_info *info)
{
	int answer = sqlite3_errcode(db->sql) & 0xff;

	/* the only SQL error a prepared search can meet is in its expression */
	if (q->match != NULL && answer == SQLITE_ERROR)
		return err_set(info, ERR_INVALID, "the search cannot be understood");
	if (q->match == NULL && answer == SQLITE_INTERRUPT)
		return err_set(info, ERR_TIMEOUT,
			       "so far into the list is too costly: search for words, an owner or "
			       "a name");
	return catalogue_fault(db, info);
}

int catalogue_db_scan(struct catalogue_db *db, const struct catalogue_query *q,
		      int (*each)(void *user, const struct catalogue_swarms *row), void *user,
		      struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	bool stop = false;
	int answer, err = 0;

	if (q->limit == 0 || q->limit > CATALOGUE_SCAN_MAX)
		return err_set(info, ERR_INVALID, "a scan has 1 to %u entries", CATALOGUE_SCAN_MAX);
	s = find_stmt(db, q, info);
	if (s == NULL)
		return catalogue_fault(db, NULL);
	db->steps = 0;
	db->until_cpu_ms = cpu_ms() + CATALOGUE_CPU_MS_MAX;
	sqlite3_progress_handler(db->sql, STEPS_AT_ONCE, too_costly, db);
	while (!stop && (answer = sqlite3_step(s)) == SQLITE_ROW) {
		struct catalogue_swarms row = {.id = (uint64_t)sqlite3_column_int64(s, 0)};

		row.has_v1 = column_blob(s, 1, row.hash_v1, SHA1_LEN);
		row.has_v2 = column_blob(s, 2, row.hash_v2, SHA256_LEN);
		stop = each(user, &row) != 0;
	}
	if (!stop && answer != SQLITE_DONE)
		err = find_fault(db, q, info);
	sqlite3_progress_handler(db->sql, 0, NULL, NULL);
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return err;
}

struct page {
	uint64_t ids[CATALOGUE_PAGE_MAX];
	size_t n;
};

static int keep_id(void *user, const struct catalogue_swarms *row)
{
	struct page *p = user;

	p->ids[p->n++] = row->id;
	return 0;
}

int catalogue_db_find(struct catalogue_db *db, const struct catalogue_query *q, struct entry *rows,
		      size_t *n, struct err_info *info)
{
	struct page found = {.n = 0};
	int err;

	*n = 0;
	if (q->limit == 0 || q->limit > CATALOGUE_PAGE_MAX)
		return err_set(info, ERR_INVALID, "a page has 1 to %u entries", CATALOGUE_PAGE_MAX);
	err = catalogue_db_scan(db, q, keep_id, &found, info);
	for (size_t i = 0; i < found.n && err == 0; i++)
		err = catalogue_db_get(db, found.ids[i], &rows[i], info);
	*n = err == 0 ? found.n : 0;
	return err;
}

/* ---- one entry ---------------------------------------------------------- */

static int no_entry(struct err_info *info)
{
	return err_set(info, ERR_NOENT, "there is no such entry");
}

/* Step once. 0: there is a row, which the caller resets. */
static int row_of(struct catalogue_db *db, enum catalogue_stmt which, uint64_t id,
		  sqlite3_stmt **out, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, which, info);
	int answer, err;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	if (id > INT64_MAX)
		return no_entry(info);
	sqlite3_bind_int64(s, 1, (int64_t)id);
	answer = sqlite3_step(s);
	*out = s;
	if (answer == SQLITE_ROW)
		return 0;
	err = answer == SQLITE_DONE ? no_entry(info) : catalogue_fault(db, info);
	sqlite3_reset(s);
	return err;
}

int catalogue_db_get(struct catalogue_db *db, uint64_t id, struct entry *out, struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	int err = row_of(db, STMT_ENTRY_GET, id, &s, info);

	if (err != 0)
		return err;
	read_row(s, out);
	sqlite3_reset(s);
	return 0;
}

/* Straight into `out`: as a column it would lie in SQLite's memory first. */
static int read_torrent(struct catalogue_db *db, uint64_t id, struct buf *out,
			struct err_info *info)
{
	sqlite3_blob *blob = NULL;
	struct span room;
	int n, err;

	if (sqlite3_blob_open(db->sql, "main", "torrents", "torrent", (int64_t)id, 0, &blob) !=
	    SQLITE_OK)
		return catalogue_fault(db, info);
	n = sqlite3_blob_bytes(blob);
	err = buf_reserve(out, (size_t)n, &room);
	if (err != OK)
		err_set(info, err, "%s", err_text(err));
	else if (sqlite3_blob_read(blob, room.ptr, n, 0) != SQLITE_OK)
		err = catalogue_fault(db, info);
	else
		buf_commit(out, (size_t)n);
	sqlite3_blob_close(blob);
	return err;
}

int catalogue_db_torrent(struct catalogue_db *db, uint64_t id, struct buf *out,
			 struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	int err = row_of(db, STMT_TORRENT_LENGTH, id, &s, info);
	bool fits;

	if (err != 0)
		return err;
	fits = (uint64_t)sqlite3_column_int64(s, 0) <= out->max - out->len;
	sqlite3_reset(s);
	return fits ? read_torrent(db, id, out, info)
		    : err_set(info, ERR_TOO_BIG, "%s", err_text(ERR_TOO_BIG));
}

static int each_file(struct catalogue_db *db, sqlite3_stmt *s,
		     int (*each)(void *user, const struct catalogue_file *f), void *user,
		     struct err_info *info)
{
	int answer;

	do {
		struct catalogue_file f = {.path = (const char *)sqlite3_column_text(s, 0),
					   .length = (uint64_t)sqlite3_column_int64(s, 1)};

		f.has_sha256 = column_blob(s, 2, f.sha256, SHA256_LEN);
		if (f.path == NULL)
			return err_set(info, ERR_NOMEM, "out of memory");
		if (each(user, &f) != 0)
			return 0;
		answer = sqlite3_step(s);
	} while (answer == SQLITE_ROW);
	return answer == SQLITE_DONE ? 0 : catalogue_fault(db, info);
}

int catalogue_db_files(struct catalogue_db *db, uint64_t id,
		       int (*each)(void *user, const struct catalogue_file *f), void *user,
		       struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	int err = row_of(db, STMT_FILES_GET, id, &s, info);

	if (err != 0)
		return err;
	err = each_file(db, s, each, user, info);
	sqlite3_reset(s);
	return err;
}

/* ---- names that are alike ----------------------------------------------- */

struct near_row {
	int64_t id, owner;
	int rank;
	char name[ENTRY_NAME_BYTES_MAX + 1];
};

static bool near_has(const struct near_row *best, size_t n, const struct near_row *row)
{
	for (size_t i = 0; i < n; i++)
		if (best[i].owner == row->owner && strcmp(best[i].name, row->name) == 0)
			return true;
	return false;
}

/* Rows come newest first, so among equals the newest stays in front. */
static size_t near_insert(struct near_row *best, size_t n, size_t cap, const struct near_row *row)
{
	size_t at = n;

	while (at > 0 && best[at - 1].rank > row->rank)
		at--;
	if (at == cap || near_has(best, n, row))
		return n;
	n = n < cap ? n + 1 : cap;
	memmove(&best[at + 1], &best[at], (n - at - 1) * sizeof(best[0]));
	best[at] = *row;
	return n;
}

static int near_pick(struct catalogue_db *db, const char *name, struct near_row *best, size_t cap,
		     size_t *n, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_NEAR, info);
	int answer;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, NEAR_ROWS_MAX);
	while ((answer = sqlite3_step(s)) == SQLITE_ROW) {
		struct near_row row = {.id = sqlite3_column_int64(s, 0),
				       .owner = sqlite3_column_int64(s, 1)};

		column_text(s, 2, row.name, sizeof(row.name));
		row.rank = near_rank(bytes_str(name), bytes_str(row.name));
		if (row.rank >= 0)
			*n = near_insert(best, *n, cap, &row);
	}
	sqlite3_reset(s);
	return answer == SQLITE_DONE ? 0 : catalogue_fault(db, info);
}

int catalogue_db_near(struct catalogue_db *db, const char *name, struct entry *rows, size_t cap,
		      size_t *n, struct err_info *info)
{
	struct near_row best[CATALOGUE_NEAR_MAX];
	size_t found = 0;
	int err;

	*n = 0;
	if (cap > CATALOGUE_NEAR_MAX)
		cap = CATALOGUE_NEAR_MAX;
	err = near_pick(db, name, best, cap, &found, info);
	for (size_t i = 0; i < found && err == 0; i++) {
		err = catalogue_db_get(db, (uint64_t)best[i].id, &rows[i], info);
		*n += err == 0;
	}
	return err;
}
