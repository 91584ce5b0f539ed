/* store/catalogue_db.c - what changes the catalogue. */
#include "store/catalogue_db.h"

#include "base/text.h"
#include "store/catalogue_impl.h"

int catalogue_bind_text(sqlite3_stmt *s, int i, const char *text)
{
	return sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

int catalogue_bind_blob(sqlite3_stmt *s, int i, bool has, const uint8_t *ptr, size_t len)
{
	return has ? sqlite3_bind_blob64(s, i, ptr, len, SQLITE_STATIC) : sqlite3_bind_null(s, i);
}

int catalogue_run(struct catalogue_db *db, sqlite3_stmt *s, struct err_info *info)
{
	int err = sqlite3_step(s) == SQLITE_DONE ? 0 : catalogue_fault(db, info);

	sqlite3_reset(s);
	return err;
}

int catalogue_run_plain(struct catalogue_db *db, enum catalogue_stmt which, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, which, info);

	return s == NULL ? catalogue_fault(db, NULL) : catalogue_run(db, s, info);
}

int catalogue_run_on(struct catalogue_db *db, enum catalogue_stmt which, int64_t id,
		     struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, which, info);

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, id);
	return catalogue_run(db, s, info);
}

/* End what run_plain(STMT_BEGIN) began. SQLite has ended it by itself after some failures, a
 * full disk among them. A commit that failed leaves nothing behind. */
int catalogue_finish(struct catalogue_db *db, int err, struct err_info *info)
{
	if (err == 0)
		err = catalogue_run_plain(db, STMT_COMMIT, info);
	if (err != 0 && sqlite3_get_autocommit(db->sql) == 0)
		(void)catalogue_run_plain(db, STMT_ROLLBACK, NULL);
	return err;
}

static int denied(const char *owner, struct err_info *info)
{
	char name[ENTRY_OWNER_BYTES_MAX * 4 + 1];

	text_escape(name, sizeof(name), bytes_str(owner));
	return err_set(info, ERR_DENIED, "the owner name '%s' is taken by another key", name);
}

/* The owner's row, *id 0 when there is none. ERR_DENIED when it has another key than `key` (NULL:
 * any). */
static int owner_get(struct catalogue_db *db, const char *owner, const uint8_t *key, int64_t *id,
		     struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_OWNER_GET, info);
	int answer, err = 0;

	*id = 0;
	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, owner);
	answer = sqlite3_step(s);
	if (answer == SQLITE_ROW) {
		*id = sqlite3_column_int64(s, 0);
		if (key != NULL && (sqlite3_column_bytes(s, 1) != SIGN_KEY_LEN ||
				    memcmp(sqlite3_column_blob(s, 1), key, SIGN_KEY_LEN) != 0))
			err = denied(owner, info);
	} else if (answer != SQLITE_DONE) {
		err = catalogue_fault(db, info);
	}
	sqlite3_reset(s);
	return err;
}

static int owner_bind(struct catalogue_db *db, const struct entry *e, int64_t *id,
		      struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	int err = owner_get(db, e->owner, e->key, id, info);

	if (err != 0 || *id != 0)
		return err;
	s = catalogue_stmt(db, STMT_OWNER_ADD, info);
	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, e->owner);
	catalogue_bind_blob(s, 2, true, e->key, SIGN_KEY_LEN);
	err = catalogue_run(db, s, info);
	*id = sqlite3_last_insert_rowid(db->sql);
	return err;
}

/* The content of the row at hand, is it the newest? Else it is published once more; unless somebody
 * repeats what its owner signed before, which everybody can read. */
static int is_newest(sqlite3_stmt *s, const struct entry *e, bool *newest, struct err_info *info)
{
	*newest = sqlite3_column_type(s, 3) == SQLITE_NULL;
	if (!*newest && (e->published_at <= sqlite3_column_int64(s, 2) ||
			 e->published_at < sqlite3_column_int64(s, 3)))
		return err_set(info, ERR_MISMATCH,
			       "a newer version was published after published_at");
	return 0;
}

/* Is this content there under this name, and no other published since? Then e->id and e->version
 * are set. */
static int content_get(struct catalogue_db *db, int64_t owner, struct entry *e, bool *there,
		       struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_CONTENT_GET, info);
	int answer, err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	*there = false;
	sqlite3_bind_int64(s, 1, owner);
	catalogue_bind_text(s, 2, e->name);
	catalogue_bind_blob(s, 3, e->has_v1, e->hash_v1, SHA1_LEN);
	catalogue_bind_blob(s, 4, e->has_v2, e->hash_v2, SHA256_LEN);
	answer = sqlite3_step(s);
	if (answer == SQLITE_ROW) {
		e->id = (uint64_t)sqlite3_column_int64(s, 0);
		e->version = (uint32_t)sqlite3_column_int64(s, 1);
		err = is_newest(s, e, there, info);
	} else if (answer != SQLITE_DONE) {
		err = catalogue_fault(db, info);
	}
	sqlite3_reset(s);
	return err;
}

static int version_next(struct catalogue_db *db, int64_t owner, struct entry *e,
			struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_VERSION_LAST, info);
	int64_t last;
	int err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, owner);
	catalogue_bind_text(s, 2, e->name);
	if (sqlite3_step(s) != SQLITE_ROW)
		err = catalogue_fault(db, info);
	last = err == 0 ? sqlite3_column_int64(s, 0) : 0;
	if (err == 0 && last >= UINT32_MAX)
		err = err_set(info, ERR_TOO_BIG, "there are no versions left");
	e->version = (uint32_t)(last + 1);
	sqlite3_reset(s);
	return err;
}

static int entry_add(struct catalogue_db *db, int64_t owner, struct entry *e, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_ENTRY_ADD, info);
	int err;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, owner);
	catalogue_bind_text(s, 2, e->name);
	sqlite3_bind_int64(s, 3, e->version);
	catalogue_bind_blob(s, 4, e->has_v1, e->hash_v1, SHA1_LEN);
	catalogue_bind_blob(s, 5, e->has_v2, e->hash_v2, SHA256_LEN);
	sqlite3_bind_int64(s, 6, (int64_t)e->bytes);
	sqlite3_bind_int64(s, 7, e->n_files);
	catalogue_bind_blob(s, 8, e->has_sha256, e->sha256, SHA256_LEN);
	sqlite3_bind_int64(s, 9, e->published_at);
	catalogue_bind_blob(s, 10, true, e->signature, SIGN_LEN);
	catalogue_bind_text(s, 11, e->description);
	catalogue_bind_text(s, 12, e->tags);
	catalogue_bind_text(s, 13, e->meta);
	err = catalogue_run(db, s, info);
	e->id = (uint64_t)sqlite3_last_insert_rowid(db->sql);
	return err;
}

static int torrent_add(struct catalogue_db *db, uint64_t id, struct bytes torrent,
		       struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_TORRENT_ADD, info);
	int err;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, (int64_t)id);
	if (torrent.len == 0)
		sqlite3_bind_zeroblob(s, 2, 0);
	else
		catalogue_bind_blob(s, 2, true, torrent.ptr, torrent.len);
	err = catalogue_run(db, s, info);
	sqlite3_clear_bindings(s);
	return err;
}

static int files_add(struct catalogue_db *db, uint64_t id, const struct catalogue_file *files,
		     size_t n_files, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_FILE_ADD, info);
	int err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	for (size_t i = 0; i < n_files && err == 0; i++) {
		const struct catalogue_file *f = &files[i];

		sqlite3_bind_int64(s, 1, (int64_t)id);
		sqlite3_bind_int64(s, 2, (int64_t)i);
		catalogue_bind_text(s, 3, f->path);
		sqlite3_bind_int64(s, 4, (int64_t)f->length);
		catalogue_bind_blob(s, 5, f->has_sha256, f->sha256, SHA256_LEN);
		err = catalogue_run(db, s, info);
	}
	sqlite3_clear_bindings(s);
	return err;
}

static bool says_the_same(const struct entry *a, const struct entry *b)
{
	return strcmp(a->description, b->description) == 0 && strcmp(a->tags, b->tags) == 0 &&
	       strcmp(a->meta, b->meta) == 0;
}

/* The content is there: has its owner something else to say about it? The words are taken out as
 * they were, and come back as they are. */
static int about_set(struct catalogue_db *db, const struct entry *e, enum catalogue_change *change,
		     struct err_info *info)
{
	int64_t id = (int64_t)e->id;
	struct entry old;
	sqlite3_stmt *s;
	int err = catalogue_db_get(db, e->id, &old, info);

	if (err != 0 || says_the_same(&old, e) || e->published_at < old.published_at)
		return err;
	if (e->published_at == old.published_at)
		return err_set(info, ERR_MISMATCH,
			       "something else was said of it in the same second: sign it again in "
			       "the next one");
	err = catalogue_run_on(db, STMT_WORDS_DROP, id, info);
	if (err != 0)
		return err;
	s = catalogue_stmt(db, STMT_ABOUT_SET, info);
	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, e->published_at);
	catalogue_bind_blob(s, 3, true, e->signature, SIGN_LEN);
	catalogue_bind_text(s, 4, e->description);
	catalogue_bind_text(s, 5, e->tags);
	catalogue_bind_text(s, 6, e->meta);
	err = catalogue_run(db, s, info);
	*change = CATALOGUE_UPDATED;
	return err == 0 ? catalogue_run_on(db, STMT_WORDS_ADD, id, info) : err;
}

static int add_all(struct catalogue_db *db, int64_t owner, struct entry *e, struct bytes torrent,
		   const struct catalogue_file *files, size_t n_files, struct err_info *info)
{
	int err = version_next(db, owner, e, info);

	if (err == 0)
		err = entry_add(db, owner, e, info);
	if (err == 0)
		err = torrent_add(db, e->id, torrent, info);
	if (err == 0)
		err = files_add(db, e->id, files, n_files, info);
	return err == 0 ? catalogue_run_on(db, STMT_WORDS_ADD, (int64_t)e->id, info) : err;
}

static int publish(struct catalogue_db *db, const struct catalogue_actor *who, struct entry *e,
		   struct bytes torrent, const struct catalogue_file *files, size_t n_files,
		   enum catalogue_change *change, struct err_info *info)
{
	int64_t owner;
	bool there = false;
	int err = owner_bind(db, e, &owner, info);

	if (err == 0)
		err = catalogue_removed_check(db, who, e, info);
	if (err == 0)
		err = content_get(db, owner, e, &there, info);
	if (err != 0)
		return err;
	*change = there ? CATALOGUE_SAME : CATALOGUE_ADDED;
	err = there ? about_set(db, e, change, info)
		    : add_all(db, owner, e, torrent, files, n_files, info);
	if (err != 0 || *change == CATALOGUE_SAME)
		return err;
	return catalogue_audit_add(db, who, *change == CATALOGUE_ADDED ? "publish" : "update", e,
				   true, info);
}

int catalogue_db_publish(struct catalogue_db *db, const struct catalogue_actor *who,
			 struct entry *e, struct bytes torrent, const struct catalogue_file *files,
			 size_t n_files, enum catalogue_change *change, struct err_info *info)
{
	struct entry stored = *e;
	enum catalogue_change done = CATALOGUE_SAME;
	int err = catalogue_run_plain(db, STMT_BEGIN, info);

	if (err == 0)
		err = catalogue_finish(
		    db, publish(db, who, &stored, torrent, files, n_files, &done, info), info);
	if (err != 0)
		return err;
	e->id = stored.id;
	e->version = stored.version;
	*change = done;
	if (done == CATALOGUE_ADDED) {
		db->entries++;
		db->bytes += e->bytes;
	}
	return 0;
}

/* What is removed: a row at hand (0: none is left), and of all of them so far how many they are,
 * how large, the highest number and the latest date. */
struct removal {
	int64_t id;
	uint32_t n;
	uint64_t bytes;
	int64_t version, published_at;
};

static int doomed_get(struct catalogue_db *db, int64_t owner, const struct entry *e,
		      struct removal *r, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_ENTRIES_OF, info);
	int answer;

	r->id = 0;
	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, owner);
	catalogue_bind_text(s, 2, e->name);
	sqlite3_bind_int64(s, 3, e->version);
	answer = sqlite3_step(s);
	if (answer == SQLITE_ROW) {
		r->id = sqlite3_column_int64(s, 0);
		r->n++;
		r->bytes += (uint64_t)sqlite3_column_int64(s, 1);
		if (sqlite3_column_int64(s, 2) > r->version)
			r->version = sqlite3_column_int64(s, 2);
		if (sqlite3_column_int64(s, 3) > r->published_at)
			r->published_at = sqlite3_column_int64(s, 3);
	}
	sqlite3_reset(s);
	return answer == SQLITE_ROW || answer == SQLITE_DONE ? 0 : catalogue_fault(db, info);
}

/* Who follows the name would take another version of the same number for what it has. */
static int dealt_add(struct catalogue_db *db, int64_t owner, const char *name, int64_t version,
		     struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_DEALT_ADD, info);

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, owner);
	catalogue_bind_text(s, 2, name);
	sqlite3_bind_int64(s, 3, version);
	return catalogue_run(db, s, info);
}

static int entry_drop(struct catalogue_db *db, int64_t id, struct err_info *info)
{
	/* the words first: they are told from the other rows */
	static const enum catalogue_stmt order[] = {STMT_WORDS_DROP, STMT_FILES_DROP,
						    STMT_TORRENT_DROP, STMT_ENTRY_DROP};
	int err = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && err == 0; i++)
		err = catalogue_run_on(db, order[i], id, info);
	return err;
}

static int unpublish(struct catalogue_db *db, const struct catalogue_actor *who,
		     const struct entry *e, bool admin, struct removal *r, struct err_info *info)
{
	int64_t owner;
	int err = owner_get(db, e->owner, admin ? NULL : e->key, &owner, info);

	while (err == 0 && owner != 0) {
		err = doomed_get(db, owner, e, r, info);
		if (err != 0 || r->id == 0)
			break;
		err = entry_drop(db, r->id, info);
	}
	if (err == 0 && r->n == 0)
		err = err_set(info, ERR_NOENT, "there is no such entry");
	if (err == 0)
		err = dealt_add(db, owner, e->name, r->version, info);
	if (err == 0)
		err = catalogue_removed_add(db, who, e, r->published_at, info);
	if (err == 0)
		err = catalogue_audit_add(db, who, admin ? "admin unpublish" : "unpublish", e,
					  !admin, info);
	return err;
}

int catalogue_db_unpublish(struct catalogue_db *db, const struct catalogue_actor *who,
			   const struct entry *e, bool admin, uint32_t *removed,
			   struct err_info *info)
{
	struct removal r = {.published_at = e->published_at};
	int err = catalogue_run_plain(db, STMT_BEGIN, info);

	if (err == 0)
		err = catalogue_finish(db, unpublish(db, who, e, admin, &r, info), info);
	*removed = err == 0 ? r.n : 0;
	if (err == 0) {
		db->entries -= r.n;
		db->bytes -= r.bytes;
	}
	return err;
}

int catalogue_db_id(struct catalogue_db *db, uint8_t out[CATALOGUE_ID_LEN], struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_SELF_GET, info);
	int err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == CATALOGUE_ID_LEN)
		memcpy(out, sqlite3_column_blob(s, 0), CATALOGUE_ID_LEN);
	else
		err = catalogue_fault(db, info);
	sqlite3_reset(s);
	return err;
}

void catalogue_db_count(const struct catalogue_db *db, uint64_t *entries, uint64_t *bytes)
{
	*entries = db->entries;
	*bytes = db->bytes;
}
