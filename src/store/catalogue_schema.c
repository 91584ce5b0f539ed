/* store/catalogue_schema.c - opening the catalogue, its tables and statements. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "store/catalogue_impl.h"

#define APPLICATION_ID 0x73686f61 /* "shoa" */
#define BUSY_MS 2000

#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x

/* Searchable are the paths of the first files only: an entry of 500,000 files would otherwise hold
 * up everybody else's; nor more than so much of them, for a phrase of a word that they repeat is
 * looked for at each place. What is cut off there may be half a word. */
#define WORDS_PATHS_MAX 5000
#define WORDS_PATH_BYTES_MAX 65536
#define FIRST_PATHS TEXT_OF(WORDS_PATHS_MAX)
#define FIRST_BYTES TEXT_OF(WORDS_PATH_BYTES_MAX)
#define WORDS_SELECT                                                                               \
	" SELECT e.id, apart(e.name), apart(o.name), (SELECT apart(CAST(substr(CAST("              \
	"group_concat(path, char(10)) AS BLOB), 1, " FIRST_BYTES ") AS TEXT)) FROM (SELECT path"   \
	" FROM files WHERE entry = e.id ORDER BY position LIMIT " FIRST_PATHS ")),"                \
	" apart(e.description || ' ' || e.tags || ' ' || e.meta)"                                  \
	" FROM entries e JOIN owners o ON o.id = e.owner"
#define WORDS_OF WORDS_SELECT " WHERE e.id = ?1"

/* What makes version n + 1 of the tables out of version n; a new catalogue takes all of them. Each
 * is one transaction, so that a crash leaves one version or the other.
 *
 * The words of an entry are kept in the index only, not once more beside it: `words` has no
 * content. To take them out again the same words must be given, which are read from the
 * other tables (WORDS_OF): who changes that adds a step which makes all words anew. Columns of it
 * cannot be added later, so what else is to be found goes into `description`. */
static const char step_1[] =
    "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " key BLOB NOT NULL);"
    "CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " owner INTEGER NOT NULL REFERENCES owners, name TEXT NOT NULL,"
    " version INTEGER NOT NULL, hash_v1 BLOB, hash_v2 BLOB, bytes INTEGER NOT NULL,"
    " n_files INTEGER NOT NULL, sha256 BLOB, published_at INTEGER NOT NULL,"
    " signature BLOB NOT NULL, description TEXT NOT NULL DEFAULT '',"
    " UNIQUE (owner, name, version));"
    "CREATE INDEX entries_name ON entries (name);"
    "CREATE INDEX entries_v1 ON entries (hash_v1);"
    "CREATE INDEX entries_v2 ON entries (substr(hash_v2, 1, 20));"
    "CREATE TABLE torrents (entry INTEGER PRIMARY KEY, torrent BLOB NOT NULL);"
    "CREATE TABLE files (entry INTEGER NOT NULL, position INTEGER NOT NULL,"
    " path TEXT NOT NULL, length INTEGER NOT NULL, sha256 BLOB,"
    " PRIMARY KEY (entry, position)) WITHOUT ROWID;"
    "CREATE VIRTUAL TABLE words USING fts5 (name, owner, paths, description, content = '',"
    " tokenize = 'unicode61', prefix = '1 2 3');"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";";
static const char step_2[] =
    "ALTER TABLE entries ADD COLUMN tags TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE entries ADD COLUMN meta TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, address TEXT NOT NULL,"
    " action TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,"
    " version INTEGER NOT NULL, key BLOB);"
    "CREATE TABLE removed (owner TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL,"
    " PRIMARY KEY (owner, name)) WITHOUT ROWID;"
    "CREATE INDEX removed_at ON removed (at);";
static const char step_3[] =
    "CREATE TABLE tokens (name TEXT PRIMARY KEY, hash BLOB NOT NULL, right INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL) WITHOUT ROWID;";
static const char step_4[] = "CREATE TABLE self (id BLOB NOT NULL);"
			     "INSERT INTO self VALUES (randomblob(" TEXT_OF(CATALOGUE_ID_LEN) "));";
/* What lists by name and by size are read from: sorted anew for each page, 400,000 entries were too
 * many. Rows of one size come by falling id, for an index read backwards ends with that. */
static const char step_5[] = "CREATE INDEX entries_by_name ON entries (name COLLATE NOCASE, name,"
			     " id DESC);"
			     "CREATE INDEX entries_bytes ON entries (bytes);";
/* Fewer words of an entry's paths, which the last step makes. */
static const char step_6[] = "";
/* The highest number that was taken from an owner's name, which is not dealt out again; of those
 * taken before, the audit knows. One row at most for two of the audit, which stays as well. */
static const char step_7[] =
    "CREATE TABLE dealt (owner INTEGER NOT NULL REFERENCES owners, name TEXT NOT NULL,"
    " version INTEGER NOT NULL, PRIMARY KEY (owner, name)) WITHOUT ROWID;"
    "INSERT INTO dealt SELECT o.id, a.name, max(a.version) FROM audit a JOIN owners o"
    " ON o.name = a.owner WHERE a.action = 'publish' GROUP BY o.id, a.name"
    " HAVING max(a.version) > coalesce((SELECT max(version) FROM entries e"
    " WHERE e.owner = o.id AND e.name = a.name), 0);";
/* Of tokens that were good once: who shows one has guessed nothing. */
static const char step_8[] = "CREATE TABLE revoked (hash BLOB PRIMARY KEY, at INTEGER NOT NULL)"
			     " WITHOUT ROWID;";
/* Each character of Chinese and Japanese as a word of its own, which the last step makes. */
static const char step_9[] = "";
/* By its name, which outlives it. */
static const char step_10[] = "ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';";
/* Each picture as a word of its own. */
static const char step_11[] =
    "INSERT INTO words (words) VALUES ('delete-all');"
    "INSERT INTO words (rowid, name, owner, paths, description)" WORDS_SELECT ";";
static const char *const steps[] = {step_1, step_2, step_3, step_4,  step_5, step_6,
				    step_7, step_8, step_9, step_10, step_11};
#define SCHEMA_VERSION ((int64_t)(sizeof(steps) / sizeof(steps[0])))

static const char *const statements[N_STMTS] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_OWNER_GET] = "SELECT id, key FROM owners WHERE name = ?1",
    [STMT_OWNER_ADD] = "INSERT INTO owners (name, key) VALUES (?1, ?2)",
    [STMT_CONTENT_GET] = "SELECT e.id, e.version, e.published_at, (SELECT published_at"
			 " FROM entries WHERE owner = ?1 AND name = ?2 AND version > e.version"
			 " ORDER BY version DESC LIMIT 1)"
			 " FROM entries e WHERE owner = ?1 AND name = ?2"
			 " AND hash_v1 IS ?3 AND hash_v2 IS ?4 ORDER BY version DESC LIMIT 1",
    [STMT_ABOUT_SET] = "UPDATE entries SET published_at = ?2, signature = ?3, description = ?4,"
		       " tags = ?5, meta = ?6 WHERE id = ?1",
    [STMT_REMOVED_GET] = "SELECT at FROM removed WHERE owner = ?1 AND name = ?2",
    [STMT_REMOVED_ADD] = "INSERT INTO removed (owner, name, at) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
    [STMT_REMOVED_OLD] = "DELETE FROM removed WHERE at < ?1",
    [STMT_AUDIT_ADD] = "INSERT INTO audit (at, address, action, owner, name, version, key,"
		       " token) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_AUDIT_GET] = "SELECT id, at, address, action, owner, name, version, key, token"
		       " FROM audit"
		       " WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    [STMT_VERSION_LAST] = "SELECT max(version) FROM (SELECT version FROM entries WHERE owner = ?1"
			  " AND name = ?2 UNION ALL SELECT version FROM dealt WHERE owner = ?1"
			  " AND name = ?2)",
    [STMT_DEALT_ADD] = "INSERT INTO dealt (owner, name, version) VALUES (?1, ?2, ?3)"
		       " ON CONFLICT DO UPDATE SET version = max(version, excluded.version)",
    [STMT_ENTRY_ADD] = "INSERT INTO entries (owner, name, version, hash_v1, hash_v2, bytes,"
		       " n_files, sha256, published_at, signature, description, tags, meta)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [STMT_TORRENT_ADD] = "INSERT INTO torrents (entry, torrent) VALUES (?1, ?2)",
    [STMT_FILE_ADD] = "INSERT INTO files (entry, position, path, length, sha256)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)",
    [STMT_TOKEN_ADD] = "INSERT INTO tokens (name, hash, right, created_at) VALUES (?1, ?2, ?3, ?4)",
    [STMT_TOKEN_DROP] = "DELETE FROM tokens WHERE name = ?1",
    [STMT_REVOKED_ADD] = "INSERT OR REPLACE INTO revoked SELECT hash, ?2 FROM tokens"
			 " WHERE name = ?1",
    [STMT_REVOKED_OLD] = "DELETE FROM revoked WHERE hash IN (SELECT hash FROM revoked"
			 " ORDER BY at DESC, hash LIMIT -1 OFFSET ?1)",
    [STMT_REVOKED_GET] = "SELECT hash FROM revoked ORDER BY hash",
    [STMT_TOKENS_GET] = "SELECT name, hash, right, created_at FROM tokens ORDER BY name",
    [STMT_SELF_GET] = "SELECT id FROM self",
    [STMT_DATA_VERSION] = "PRAGMA data_version",
    [STMT_WORDS_ADD] = "INSERT INTO words (rowid, name, owner, paths, description)" WORDS_OF,
    [STMT_WORDS_DROP] = "INSERT INTO words (words, rowid, name, owner, paths, description)"
			" SELECT 'delete', * FROM (" WORDS_OF ")",
    [STMT_FILES_DROP] = "DELETE FROM files WHERE entry = ?1",
    [STMT_TORRENT_DROP] = "DELETE FROM torrents WHERE entry = ?1",
    [STMT_ENTRY_DROP] = "DELETE FROM entries WHERE id = ?1",
    [STMT_ENTRIES_OF] =
	"SELECT id, bytes, version, published_at FROM entries WHERE owner = ?1 AND name = ?2"
	" AND (?3 = 0 OR version = ?3) LIMIT 1",
    [STMT_ENTRY_GET] = "SELECT " CATALOGUE_COLUMNS
		       " FROM entries e JOIN owners o ON o.id = e.owner WHERE e.id = ?1",
    [STMT_TORRENT_LENGTH] = "SELECT length(torrent) FROM torrents WHERE entry = ?1",
    [STMT_FILES_GET] = "SELECT path, length, sha256 FROM files WHERE entry = ?1"
		       " ORDER BY position",
    [STMT_NEAR] = "SELECT id, owner, name FROM entries ORDER BY id DESC LIMIT ?1",
};

/* Quotas and file-size limits have no code of their own in SQLite; what write(2) answered is
 * kept with the file it was about, mostly the log. */
static int write_errno(struct catalogue_db *db)
{
	int error = sqlite3_system_errno(db->sql);
	sqlite3_file *log = NULL;

	if (error == 0)
		(void)sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log != NULL && log->pMethods != NULL)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
	if (error == 0)
		(void)sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

static enum err code_of_errno(int error)
{
	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		return ERR_NOSPACE;
	return error == EACCES || error == EPERM || error == EROFS ? ERR_DENIED : ERR_IO;
}

static enum err code_of(struct catalogue_db *db, int answer)
{
	switch (answer) {
	case SQLITE_FULL:
		return ERR_NOSPACE;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_INTERRUPT:
		return ERR_TIMEOUT;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return ERR_DENIED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_AGAIN;
	case SQLITE_TOOBIG:
		return ERR_TOO_BIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return code_of_errno(write_errno(db));
	default:
		return ERR_IO;
	}
}

int catalogue_fault(struct catalogue_db *db, struct err_info *info)
{
	int answer = sqlite3_errcode(db->sql) & 0xff;
	enum err code = code_of(db, answer);

	if (answer == SQLITE_CORRUPT || answer == SQLITE_NOTADB)
		return err_set(info, code, "the catalogue is damaged");
	if (code == ERR_TIMEOUT)
		return err_set(info, code, "the search is too costly: name more or longer words");
	if (code == ERR_NOSPACE)
		return err_set(info, code, "the catalogue's disk is full");
	if (code == ERR_AGAIN)
		return err_set(info, code, "the catalogue is in use by another program");
	/* Not ERR_DENIED, which says that a name is somebody else's. */
	if (code == ERR_DENIED)
		return err_set(info, ERR_IO, "the catalogue may not be written to");
	return err_set(info, code, "the catalogue failed: %s", sqlite3_errstr(answer));
}

sqlite3_stmt *catalogue_prepare(struct catalogue_db *db, sqlite3_stmt **kept, const char *sql,
				struct err_info *info)
{
	if (*kept != NULL) {
		sqlite3_clear_bindings(*kept);
		return *kept;
	}
	if (sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL) !=
	    SQLITE_OK) {
		(void)catalogue_fault(db, info);
		return NULL;
	}
	return *kept;
}

sqlite3_stmt *catalogue_stmt(struct catalogue_db *db, enum catalogue_stmt which,
			     struct err_info *info)
{
	return catalogue_prepare(db, &db->stmts[which], statements[which], info);
}

static int pragma_of(struct catalogue_db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *s = NULL;
	int answer = sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL);

	if (answer == SQLITE_OK) {
		answer = sqlite3_step(s);
		*out = answer == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	}
	(void)sqlite3_finalize(s);
	return answer == SQLITE_ROW ? 0 : ERR_IO;
}

/* Damage is told apart from a disk that fails: the one needs a backup, the other a look at
 * the machine. */
static int open_fault(struct catalogue_db *db, const char *path, struct err_info *info)
{
	int answer = sqlite3_errcode(db->sql) & 0xff;
	char name[300], reason[64];
	enum err code = code_of(db, answer);
	int error = answer == SQLITE_IOERR ? write_errno(db) : 0;

	text_escape(name, sizeof(name), bytes_str(path));
	if (answer == SQLITE_NOTADB || answer == SQLITE_CORRUPT)
		return err_set(info, ERR_PROTO, "%s: is damaged or no catalogue", name);
	/* SQLite looks for another way, and remembers why that was none. */
	if (answer == SQLITE_CANTOPEN) {
		error = access(path, R_OK | W_OK) != 0 && errno != ENOENT ? errno : write_errno(db);
		code = code_of_errno(error);
	}
	return err_set(info, code, "%s: cannot be opened: %s", name,
		       error != 0 ? strerror_r(error, reason, sizeof(reason))
				  : sqlite3_errstr(answer));
}

static int take_step(struct catalogue_db *db, int64_t version)
{
	char done[64];

	snprintf(done, sizeof(done), "PRAGMA user_version = %d; COMMIT;", (int)version + 1);
	if (sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db->sql, steps[version], NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db->sql, done, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return ERR_IO;
}

/* Who opens it: its index, another program beside that, or one that copies it. */
enum opener { OPENER_INDEX, OPENER_BESIDE, OPENER_COPIES };

/* An index of an older shoal would go on writing its own way into tables that are not its own any
 * more: the words that it adds would not be those that are taken out later. */
static int bring_up_to_date(struct catalogue_db *db, const char *path, enum opener who,
			    int64_t version, struct err_info *info)
{
	char name[300];

	if (version > 0 && version < SCHEMA_VERSION && who == OPENER_COPIES)
		return 0;
	if (version > 0 && version < SCHEMA_VERSION && who == OPENER_BESIDE)
		return err_set(info, ERR_AGAIN,
			       "%s: was written by an older shoal, whose index may be running: "
			       "start the index anew, which brings it up to date",
			       text_escape(name, sizeof(name), bytes_str(path)));
	for (; version < SCHEMA_VERSION; version++) {
		if (take_step(db, version) != 0)
			return open_fault(db, path, info);
	}
	return 0;
}

static int open_schema(struct catalogue_db *db, const char *path, enum opener who,
		       struct err_info *info)
{
	int64_t version = 0, application = 0, tables = 0;
	char name[300];

	text_escape(name, sizeof(name), bytes_str(path));
	if (pragma_of(db, "PRAGMA user_version", &version) != 0 ||
	    pragma_of(db, "PRAGMA application_id", &application) != 0 ||
	    pragma_of(db, "SELECT count(*) FROM sqlite_schema", &tables) != 0)
		return open_fault(db, path, info);
	if (tables > 0 && (application != APPLICATION_ID || version == 0))
		return err_set(info, ERR_PROTO, "%s: is a database of something else", name);
	if (version > SCHEMA_VERSION)
		return err_set(info, ERR_PROTO, "%s: was written by a newer shoal", name);
	return bring_up_to_date(db, path, who, version, info);
}

static void apart(sqlite3_context *c, int n, sqlite3_value **value)
{
	struct bytes text = bytes_of(sqlite3_value_text(value[0]), 0);
	struct buf out;

	(void)n;
	text.len = (size_t)sqlite3_value_bytes(value[0]);
	if (text.ptr == NULL)
		return; /* NULL, as it came */
	buf_init(&out, 2 * text.len + 1);
	text_put_apart(&out, text);
	if (out.err == OK)
		sqlite3_result_text64(c, out.len == 0 ? "" : (const char *)out.ptr, out.len,
				      SQLITE_TRANSIENT, SQLITE_UTF8);
	else
		sqlite3_result_error_nomem(c);
	buf_fini(&out);
}

/* FULL: with less, WAL would lose what was acknowledged when the power fails. Temporary
 * tables stay in memory, for a full disk must not stop a search. */
static int open_settings(struct catalogue_db *db, const char *path, struct err_info *info)
{
	int answer;

	sqlite3_busy_timeout(db->sql, BUSY_MS);
	sqlite3_extended_result_codes(db->sql, 0);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (sqlite3_create_function(db->sql, "apart", 1,
				    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
				    apart, NULL, NULL) != SQLITE_OK)
		return open_fault(db, path, info);
	answer = sqlite3_exec(db->sql,
			      "PRAGMA journal_mode = WAL;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA journal_size_limit = 16777216;",
			      NULL, NULL, NULL);
	return answer == SQLITE_OK ? 0 : open_fault(db, path, info);
}

/* Counted once here, then kept up to date: the dashboard asks every second. */
static int open_counts(struct catalogue_db *db, const char *path, struct err_info *info)
{
	sqlite3_stmt *s = NULL;
	int answer = sqlite3_prepare_v2(db->sql, "SELECT bytes FROM entries", -1, &s, NULL);

	while (answer == SQLITE_OK || answer == SQLITE_ROW) {
		answer = sqlite3_step(s);
		if (answer == SQLITE_ROW) {
			db->entries++;
			db->bytes += (uint64_t)sqlite3_column_int64(s, 0);
		}
	}
	(void)sqlite3_finalize(s);
	return answer == SQLITE_DONE ? 0 : open_fault(db, path, info);
}

/* A new file, which its owner alone may read: addresses and tokens' hashes are in it. SQLite gives
 * it to whomever the umask lets. One that is there already is not opened, as closing it would take
 * SQLite's locks from it; what is wrong, SQLite says. */
static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

static int open_as(const char *dir, enum opener who, struct catalogue_db **out,
		   struct err_info *info)
{
	struct catalogue_db *db = calloc(1, sizeof(*db));
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/" CATALOGUE_FILE, dir);
	int err;

	if (db == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (n < 0 || (size_t)n >= sizeof(path)) {
		err = err_set(info, ERR_INVALID, "the folder's path is too long");
		goto fail;
	}
	make_file(path);
	if (sqlite3_open_v2(path, &db->sql,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		err = open_fault(db, path, info);
		goto fail;
	}
	err = open_settings(db, path, info);
	if (err == 0)
		err = open_schema(db, path, who, info);
	if (err == 0)
		err = open_counts(db, path, info);
	if (err != 0)
		goto fail;
	*out = db;
	return 0;
fail:
	catalogue_db_close(db);
	return err;
}

int catalogue_db_open(const char *dir, struct catalogue_db **out, struct err_info *info)
{
	return open_as(dir, OPENER_INDEX, out, info);
}

int catalogue_db_open_beside(const char *dir, bool to_copy, struct catalogue_db **out,
			     struct err_info *info)
{
	return open_as(dir, to_copy ? OPENER_COPIES : OPENER_BESIDE, out, info);
}

void catalogue_db_close(struct catalogue_db *db)
{
	if (db == NULL)
		return;
	for (size_t i = 0; i < N_STMTS; i++)
		(void)sqlite3_finalize(db->stmts[i]);
	for (size_t i = 0; i < N_FINDS; i++)
		(void)sqlite3_finalize(db->finds[i]);
	(void)sqlite3_close(db->sql);
	free(db);
}
