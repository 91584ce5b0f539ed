/* store/catalogue_impl.h - shared by the catalogue_*.c files. Private to them. */
#ifndef SHOAL_STORE_CATALOGUE_IMPL_H
#define SHOAL_STORE_CATALOGUE_IMPL_H

#include <sqlite3.h>

#include "store/catalogue_db.h"

enum catalogue_stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_OWNER_GET,
	STMT_OWNER_ADD,
	STMT_CONTENT_GET,
	STMT_ABOUT_SET,
	STMT_REMOVED_GET,
	STMT_REMOVED_ADD,
	STMT_REMOVED_OLD,
	STMT_AUDIT_ADD,
	STMT_AUDIT_GET,
	STMT_TOKEN_ADD,
	STMT_TOKEN_DROP,
	STMT_TOKENS_GET,
	STMT_REVOKED_ADD,
	STMT_REVOKED_OLD,
	STMT_REVOKED_GET,
	STMT_SELF_GET,
	STMT_DATA_VERSION,
	STMT_VERSION_LAST,
	STMT_DEALT_ADD,
	STMT_ENTRY_ADD,
	STMT_TORRENT_ADD,
	STMT_FILE_ADD,
	STMT_WORDS_ADD,
	STMT_WORDS_DROP,
	STMT_FILES_DROP,
	STMT_TORRENT_DROP,
	STMT_ENTRY_DROP,
	STMT_ENTRIES_OF,
	STMT_ENTRY_GET,
	STMT_TORRENT_LENGTH,
	STMT_FILES_GET,
	STMT_NEAR,
	N_STMTS,
};

/* Which conditions a search has, as bits: one prepared statement for each set. */
enum {
	FIND_MATCH = 1,
	FIND_OWNER = 2,
	FIND_NAME = 4,
	FIND_HASH = 8,
	FIND_VERSION = 16,
	FIND_BEFORE = 32,
	FIND_DEEP = 64, /* read from the index of that order */
	FIND_LATEST = 128,
	FIND_SORT = 256, /* times enum catalogue_sort */
	N_FINDS = FIND_SORT * CATALOGUE_SORTS,
};

/* One thread at a time. */
struct catalogue_db {
	sqlite3 *sql;
	sqlite3_stmt *stmts[N_STMTS];
	sqlite3_stmt *finds[N_FINDS];
	uint64_t steps, until_cpu_ms; /* of the search at hand */
	uint64_t entries, bytes;
};

/* Columns of `e` (entries) and `o` (owners) in the order read_row() takes them. */
#define CATALOGUE_COLUMNS                                                                          \
	"e.id, o.name, e.name, e.version, e.hash_v1, e.hash_v2, e.bytes, e.n_files, e.sha256, "    \
	"e.published_at, o.key, e.signature, e.description, e.tags, e.meta"

/* A reset statement with nothing bound, prepared at first use; NULL with the sentence. */
sqlite3_stmt *catalogue_stmt(struct catalogue_db *db, enum catalogue_stmt which,
			     struct err_info *info);
sqlite3_stmt *catalogue_prepare(struct catalogue_db *db, sqlite3_stmt **kept, const char *sql,
				struct err_info *info);

/* What SQLite answered last, as a code and a sentence without any SQL. */
int catalogue_fault(struct catalogue_db *db, struct err_info *info);

/* For statements without parameters, and with an entry's id as the only one. */
int catalogue_run_plain(struct catalogue_db *db, enum catalogue_stmt which, struct err_info *info);
int catalogue_run_on(struct catalogue_db *db, enum catalogue_stmt which, int64_t id,
		     struct err_info *info);

/* Ends what STMT_BEGIN began: commits when `err` is 0. Returns `err`, or what the commit said. */
int catalogue_finish(struct catalogue_db *db, int err, struct err_info *info);

/* ---- catalogue_audit.c ---- */

int catalogue_audit_add(struct catalogue_db *db, const struct catalogue_actor *who,
			const char *action, const struct entry *e, bool has_key,
			struct err_info *info);
/* The name was unpublished as of `at`: not before what was removed was signed, which an admin may
 * do before that date has come. */
int catalogue_removed_add(struct catalogue_db *db, const struct catalogue_actor *who,
			  const struct entry *e, int64_t at, struct err_info *info);
/* ERR_MISMATCH when the name was unpublished at e->published_at or later: nobody can tell what was
 * signed in that second from what is only repeated. */
int catalogue_removed_check(struct catalogue_db *db, const struct catalogue_actor *who,
			    const struct entry *e, struct err_info *info);

int catalogue_bind_text(sqlite3_stmt *s, int i, const char *text);
int catalogue_bind_blob(sqlite3_stmt *s, int i, bool has, const uint8_t *ptr, size_t len);

/* Run a statement that gives no rows. Resets it. */
int catalogue_run(struct catalogue_db *db, sqlite3_stmt *s, struct err_info *info);

#endif
