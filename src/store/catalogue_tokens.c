/* store/catalogue_tokens.c - who may do what at an index that is not open to all. */
#include <stdlib.h>

#include "base/text.h"
#include "store/catalogue_impl.h"

int catalogue_db_tokens(struct catalogue_db *db, struct catalogue_token **out, size_t *n,
			struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_TOKENS_GET, info);
	struct catalogue_token *list = NULL, *grown;
	int answer;

	*out = NULL;
	*n = 0;
	if (s == NULL)
		return catalogue_fault(db, NULL);
	while ((answer = sqlite3_step(s)) == SQLITE_ROW) {
		const unsigned char *name = sqlite3_column_text(s, 0);
		const void *hash = sqlite3_column_blob(s, 1);
		struct catalogue_token *t;

		if (name == NULL || hash == NULL || sqlite3_column_bytes(s, 1) != SHA256_LEN ||
		    sqlite3_column_bytes(s, 0) > (int)CATALOGUE_TOKEN_NAME_MAX)
			continue;
		grown = realloc(list, (*n + 1) * sizeof(*list));
		if (grown == NULL)
			break;
		list = grown;
		t = &list[(*n)++];
		*t = (struct catalogue_token){.right =
						  (enum catalogue_right)sqlite3_column_int(s, 2),
					      .created_at = sqlite3_column_int64(s, 3)};
		memcpy(t->name, name, (size_t)sqlite3_column_bytes(s, 0));
		memcpy(t->hash, hash, SHA256_LEN);
	}
	sqlite3_reset(s);
	*out = list;
	if (answer == SQLITE_DONE)
		return 0;
	free(list);
	*out = NULL;
	*n = 0;
	return answer == SQLITE_ROW ? err_set(info, ERR_NOMEM, "out of memory")
				    : catalogue_fault(db, info);
}

/* The token's name as the audit has it. */
static int note(struct catalogue_db *db, const struct catalogue_actor *who, const char *action,
		const char *name, struct err_info *info)
{
	struct entry e = {.owner = ""};

	memcpy(e.name, name, strlen(name) + 1);
	return catalogue_audit_add(db, who, action, &e, false, info);
}

static int add(struct catalogue_db *db, const struct catalogue_actor *who,
	       const struct catalogue_token *t, struct err_info *info)
{
	struct catalogue_token *list = NULL;
	sqlite3_stmt *s;
	size_t n = 0;
	int err = catalogue_db_tokens(db, &list, &n, info);

	for (size_t i = 0; i < n && err == 0; i++) {
		if (strcmp(list[i].name, t->name) == 0)
			err =
			    err_set(info, ERR_EXISTS, "%s: there is a token of this name", t->name);
	}
	free(list);
	if (err == 0 && n >= CATALOGUE_TOKENS_MAX)
		err =
		    err_set(info, ERR_TOO_BIG, "there are %u tokens already", CATALOGUE_TOKENS_MAX);
	if (err != 0)
		return err;
	s = catalogue_stmt(db, STMT_TOKEN_ADD, info);
	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, t->name);
	catalogue_bind_blob(s, 2, true, t->hash, SHA256_LEN);
	sqlite3_bind_int(s, 3, (int)t->right);
	sqlite3_bind_int64(s, 4, t->created_at);
	err = catalogue_run(db, s, info);
	return err == 0 ? note(db, who, "add token", t->name, info) : err;
}

/* Names are shown, and written into lines: words as tags are. */
static int check_name(const char *name, struct err_info *info)
{
	struct bytes s = bytes_str(name);
	char shown[80];

	if (s.len > 0 && s.len <= CATALOGUE_TOKEN_NAME_MAX && text_is_plain(s) &&
	    memchr(s.ptr, ' ', s.len) == NULL)
		return 0;
	return err_set(info, ERR_INVALID, "'%s': a token's name is one word of at most %u bytes",
		       text_escape(shown, sizeof(shown), s), CATALOGUE_TOKEN_NAME_MAX);
}

int catalogue_db_token_add(struct catalogue_db *db, const struct catalogue_actor *who,
			   const struct catalogue_token *t, struct err_info *info)
{
	int err = check_name(t->name, info);

	if (err == 0)
		err = catalogue_run_plain(db, STMT_BEGIN, info);
	return err == 0 ? catalogue_finish(db, add(db, who, t, info), info) : err;
}

int catalogue_db_revoked(struct catalogue_db *db, uint8_t (**out)[SHA256_LEN], size_t *n,
			 struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_REVOKED_GET, info);
	int answer, err;

	*out = NULL;
	*n = 0;
	if (s == NULL)
		return catalogue_fault(db, NULL);
	*out = calloc(CATALOGUE_TOKENS_MAX, sizeof(**out));
	if (*out == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	while ((answer = sqlite3_step(s)) == SQLITE_ROW && *n < CATALOGUE_TOKENS_MAX) {
		if (sqlite3_column_bytes(s, 0) == SHA256_LEN)
			memcpy((*out)[(*n)++], sqlite3_column_blob(s, 0), SHA256_LEN);
	}
	err = answer == SQLITE_DONE || answer == SQLITE_ROW ? 0 : catalogue_fault(db, info);
	sqlite3_reset(s);
	if (err == 0 && *n > 0)
		return 0;
	free(*out);
	*out = NULL;
	*n = 0;
	return err;
}

static int remember(struct catalogue_db *db, const char *name, int64_t now, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_REVOKED_ADD, info);
	int err;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, name);
	sqlite3_bind_int64(s, 2, now);
	err = catalogue_run(db, s, info);
	return err == 0 ? catalogue_run_on(db, STMT_REVOKED_OLD, CATALOGUE_TOKENS_MAX, info) : err;
}

static int revoke(struct catalogue_db *db, const struct catalogue_actor *who, const char *name,
		  struct err_info *info)
{
	int err = remember(db, name, who->now, info);
	sqlite3_stmt *s;

	if (err != 0)
		return err;
	s = catalogue_stmt(db, STMT_TOKEN_DROP, info);
	if (s == NULL)
		return catalogue_fault(db, NULL);
	catalogue_bind_text(s, 1, name);
	err = catalogue_run(db, s, info);
	if (err == 0 && sqlite3_changes(db->sql) == 0)
		err = err_set(info, ERR_NOENT, "%s: there is no token of this name", name);
	return err == 0 ? note(db, who, "revoke token", name, info) : err;
}

int catalogue_db_token_revoke(struct catalogue_db *db, const struct catalogue_actor *who,
			      const char *name, struct err_info *info)
{
	int err = check_name(name, info);

	if (err == 0)
		err = catalogue_run_plain(db, STMT_BEGIN, info);
	return err == 0 ? catalogue_finish(db, revoke(db, who, name, info), info) : err;
}

int catalogue_db_foreign_version(struct catalogue_db *db, int64_t *out, struct err_info *info)
{
	sqlite3_stmt *s = catalogue_stmt(db, STMT_DATA_VERSION, info);
	int err = 0;

	if (s == NULL)
		return catalogue_fault(db, NULL);
	if (sqlite3_step(s) == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	else
		err = catalogue_fault(db, info);
	sqlite3_reset(s);
	return err;
}
