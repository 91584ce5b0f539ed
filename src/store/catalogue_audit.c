/* store/catalogue_audit.c - what happened to the catalogue, by whom; and its copy. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "store/catalogue_impl.h"
#include "store/durable.h"

/* A signature is refused for its age long before; until then a removal must be remembered. */
#define REMOVED_KEEP_S (24 * 3600)
#define BACKUP_WAIT_MS 20

int catalogue_audit_add(struct catalogue_db *db, const struct catalogue_actor *who,
			const char *action, const struct entry *e, bool has_key,
			struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_AUDIT_ADD, info);

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(s, 1, who->now);
	catalogue_bind_text(s, 2, who->address);
	catalogue_bind_text(s, 3, action);
	catalogue_bind_text(s, 4, e->owner);
	catalogue_bind_text(s, 5, e->name);
	sqlite3_bind_int64(s, 6, e->version);
	catalogue_bind_blob(s, 7, has_key, e->key, SIGN_KEY_LEN);
	catalogue_bind_text(s, 8, who->token == NULL ? "" : who->token);
	return catalogue_run(db, s, info);
}

int catalogue_removed_add(struct catalogue_db *db, const struct catalogue_actor *who,
			  const struct entry *e, int64_t at, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_REMOVED_ADD, info);
	int err;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, e->owner);
	catalogue_bind_text(s, 2, e->name);
	sqlite3_bind_int64(s, 3, at);
	err = catalogue_run(db, s, info);
	return err == 0 ? catalogue_run_on(db, STMT_REMOVED_OLD, who->now - REMOVED_KEEP_S, info)
			: err;
}

static int removed_since(const struct catalogue_actor *who, int64_t at, struct err_info *info)
{
	char until[32];

	if (at <= who->now)
		return err_set(info, ERR_MISMATCH,
			       "the name was unpublished at published_at or after it");
	return err_set(info, ERR_MISMATCH,
		       "the name was unpublished, with a date to come: it can be published in %s",
		       text_duration(until, sizeof(until), (uint64_t)(at - who->now) + 1));
}

int catalogue_removed_check(struct catalogue_db *db, const struct catalogue_actor *who,
			    const struct entry *e, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_REMOVED_GET, info);
	int answer, err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, e->owner);
	catalogue_bind_text(s, 2, e->name);
	answer = sqlite3_step(s);
	if (answer == SQLITE_ROW && sqlite3_column_int64(s, 0) >= e->published_at)
		err = removed_since(who, sqlite3_column_int64(s, 0), info);
	else if (answer != SQLITE_ROW && answer != SQLITE_DONE)
		err = catalogue_fault(db, info);
	sqlite3_reset(s);
	return err;
}

static const char *column_str(sqlite3_stmt *s, int i)
{
	const unsigned char *text = sqlite3_column_text(s, i);

	return text == NULL ? "" : (const char *)text;
}

static void audit_row(sqlite3_stmt *s, struct catalogue_audit *out)
{
	const void *key = sqlite3_column_blob(s, 7);

	*out = (struct catalogue_audit){
	    .id = (uint64_t)sqlite3_column_int64(s, 0),
	    .at = sqlite3_column_int64(s, 1),
	    .address = column_str(s, 2),
	    .action = column_str(s, 3),
	    .owner = column_str(s, 4),
	    .name = column_str(s, 5),
	    .version = (uint32_t)sqlite3_column_int64(s, 6),
	    .token = column_str(s, 8),
	    .has_key = key != NULL && sqlite3_column_bytes(s, 7) == SIGN_KEY_LEN,
	};
	if (out->has_key)
		memcpy(out->key, key, SIGN_KEY_LEN);
}

int catalogue_db_audit(struct catalogue_db *db, uint64_t before_id, uint32_t limit,
		       int (*each)(void *user, const struct catalogue_audit *a), void *user,
		       struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_AUDIT_GET, info);
	bool stop = false;
	int answer;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	sqlite3_bind_int64(
	    s, 1, before_id == 0 || before_id > INT64_MAX ? INT64_MAX : (int64_t)before_id);
	sqlite3_bind_int64(s, 2, limit);
	while (!stop && (answer = sqlite3_step(s)) == SQLITE_ROW) {
		struct catalogue_audit a;

		audit_row(s, &a);
		stop = each(user, &a) != 0;
	}
	sqlite3_reset(s);
	return stop || answer == SQLITE_DONE ? 0 : catalogue_fault(db, info);
}

/* ---- backup --------------------------------------------------------------- */

/* All pages in one step: nobody who writes waits for it, and between two steps a change by another
 * program would have it begin anew, at a busy index without end. */
static int copy_pages(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int answer = SQLITE_OK;

	if (b == NULL)
		return sqlite3_errcode(to);
	while (answer == SQLITE_OK || answer == SQLITE_BUSY || answer == SQLITE_LOCKED) {
		answer = sqlite3_backup_step(b, -1);
		if (answer == SQLITE_BUSY || answer == SQLITE_LOCKED)
			sqlite3_sleep(BACKUP_WAIT_MS);
	}
	(void)sqlite3_backup_finish(b);
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

/* Into a file of its own, complete by itself and synced. SQLite's answer. */
static int copy_into(struct catalogue_db *db, const char *file)
{
	sqlite3 *to = NULL;
	int answer = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (answer == SQLITE_OK)
		answer = copy_pages(to, db->sql);
	if (answer == SQLITE_OK)
		answer = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	(void)sqlite3_close(to);
	return answer;
}

/* Its name is that of a backup only once it is one: a copy that was killed must not pass for it,
 * nor be in the way of the next. */
int catalogue_db_backup(struct catalogue_db *db, const char *path, struct err_info *info)
{
	char name[300], temp[PATH_MAX];
	int answer, fd, err;

	text_escape(name, sizeof(name), bytes_str(path));
	if (access(path, F_OK) == 0)
		return err_set(info, ERR_EXISTS, "%s: is there already", name);
	if ((size_t)snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= sizeof(temp))
		return root_errno(info, path, ENAMETOOLONG);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return root_errno(info, path, errno);
	close(fd);
	answer = copy_into(db, temp);
	err = answer == SQLITE_OK ? durable_name_path(temp, path, info)
				  : err_set(info, answer == SQLITE_FULL ? ERR_NOSPACE : ERR_IO,
					    "%s: %s", name, sqlite3_errstr(answer));
	if (err != OK)
		(void)unlink(temp);
	return err;
}
