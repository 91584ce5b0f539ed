#include "cli/index_admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "net/entropy.h"
#include "node/index_access.h"
#include "node/torrent_file.h"
#include "store/durable.h"

/* In the order of enum catalogue_right. */
static const char *const rights[] = {"none", "read", "publish", "admin"};

static const struct catalogue_actor *actor(struct catalogue_actor *out)
{
	*out = (struct catalogue_actor){.address = "local", .now = (int64_t)time(NULL)};
	return out;
}

static int usage(const struct opts *o, struct err_info *info)
{
	char safe[128];

	return err_set(
	    info, ERR_INVALID,
	    "'%s': give nothing, 'backup FILE', 'token add NAME', 'token revoke NAME' or "
	    "'token list'",
	    text_escape(safe, sizeof(safe), bytes_str(o->args[0])));
}

/* ---- backup -------------------------------------------------------------- */

static int backup(const struct opts *o, struct catalogue_db *db, struct err_info *info)
{
	int rc = catalogue_db_backup(db, o->args[1], info);
	char safe[512];
	json_t *j;

	if (rc == 0 && o->json) {
		j = json_pack("{s:o}", "backup", torrent_text(o->args[1]));
		out_json(j);
		json_decref(j);
	} else if (rc == 0 && !o->quiet) {
		printf("catalogue copied to %s\n",
		       text_escape(safe, sizeof(safe), bytes_str(o->args[1])));
	}
	return rc;
}

/* ---- tokens -------------------------------------------------------------- */

static int right_of(const struct opts *o, enum catalogue_right *out, struct err_info *info)
{
	char safe[64];

	*out = RIGHT_READ;
	if (o->right == NULL)
		return 0;
	for (unsigned i = RIGHT_READ; i <= RIGHT_ADMIN; i++) {
		if (strcmp(o->right, rights[i]) == 0) {
			*out = (enum catalogue_right)i;
			return 0;
		}
	}
	return err_set(info, ERR_INVALID, "--right '%s': give read, publish or admin",
		       text_escape(safe, sizeof(safe), bytes_str(o->right)));
}

static void show_new(const struct opts *o, const struct catalogue_token *t, const char *secret)
{
	json_t *j;

	if (o->json) {
		j = json_pack("{s:s, s:s, s:s?}", "name", t->name, "right", rights[t->right],
			      "token", secret);
		out_json(j);
		json_decref(j);
	} else if (secret != NULL) {
		printf("%s\n", secret);
		if (!o->quiet)
			fprintf(stderr,
				"token of %s, right to %s; it is shown this once. Give it with "
				"--token or SHOAL_TOKEN;\nother clients: announce to "
				".../announce/TOKEN\n",
				t->name, rights[t->right]);
	} else if (!o->quiet) {
		printf("who shows no token may %s\n", rights[t->right]);
	}
}

static int add(const struct opts *o, struct catalogue_db *db, struct err_info *info)
{
	uint8_t chance[INDEX_TOKEN_LEN / 2];
	char secret[INDEX_TOKEN_LEN + 1];
	struct catalogue_token t = {.created_at = (int64_t)time(NULL)};
	bool anonymous = strcmp(o->args[2], CATALOGUE_ANONYMOUS) == 0;
	struct catalogue_actor who;
	int rc = right_of(o, &t.right, info);

	if (rc == 0 && anonymous && t.right == RIGHT_ADMIN)
		rc = err_set(info, ERR_INVALID, "everybody cannot be admin");
	if (rc == 0 && strlen(o->args[2]) > CATALOGUE_TOKEN_NAME_MAX)
		rc = err_set(info, ERR_INVALID, "a token's name is at most %u bytes long",
			     CATALOGUE_TOKEN_NAME_MAX);
	if (rc != 0)
		return rc;
	snprintf(t.name, sizeof(t.name), "%s", o->args[2]);
	if (!anonymous) {
		entropy_fill(chance, sizeof(chance));
		text_hex(secret, bytes_of(chance, sizeof(chance)));
		sha256_of(bytes_str(secret), t.hash);
	}
	rc = catalogue_db_token_add(db, actor(&who), &t, info);
	if (rc == 0)
		show_new(o, &t, anonymous ? NULL : secret);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static void show_revoked(const struct opts *o, bool open)
{
	char safe[128];
	json_t *j;

	if (o->json) {
		j = json_pack("{s:s, s:b}", "revoked", o->args[2], "open", (int)open);
		out_json(j);
		json_decref(j);
		return;
	}
	if (!o->quiet)
		printf("revoked: %s\n", text_escape(safe, sizeof(safe), bytes_str(o->args[2])));
	if (open)
		fputs("warning: that was the last token: the index is open to everyone who can "
		      "reach it\n",
		      stderr);
}

static int revoke(const struct opts *o, struct catalogue_db *db, struct err_info *info)
{
	struct catalogue_token *left = NULL;
	struct catalogue_actor who;
	size_t n = 0;
	int rc = catalogue_db_token_revoke(db, actor(&who), o->args[2], info);

	if (rc == 0)
		rc = catalogue_db_tokens(db, &left, &n, info);
	free(left);
	if (rc == 0)
		show_revoked(o, n == 0);
	return rc;
}

static const char *right_text(enum catalogue_right right)
{
	return right >= RIGHT_READ && right <= RIGHT_ADMIN ? rights[right] : rights[RIGHT_NONE];
}

static void print_tokens(const struct opts *o, const struct catalogue_token *list, size_t n)
{
	static const char *const columns[] = {"NAME", "RIGHT", "MADE"};
	struct out_table *t = NULL;
	json_t *rows = json_array(), *j;
	char date[ENTRIES_DATE_MAX];

	if (!o->json)
		t = out_table_new(columns, 3, (const bool[]){false, false, false});
	for (size_t i = 0; i < n; i++) {
		if (o->json) {
			json_array_append_new(
			    rows, json_pack("{s:s, s:s, s:I}", "name", list[i].name, "right",
					    right_text(list[i].right), "created_at",
					    (json_int_t)list[i].created_at));
			continue;
		}
		out_row(t);
		out_cell(t, list[i].name);
		out_cell(t, right_text(list[i].right));
		out_cell(t, entries_date(date, list[i].created_at));
	}
	if (o->json) {
		j = json_pack("{s:O}", "tokens", rows);
		out_json(j);
		json_decref(j);
	} else {
		out_table_print(t);
		if (n == 0 && !o->quiet)
			fputs("no tokens: the index is open\n", stderr);
	}
	json_decref(rows);
}

static int list_tokens(const struct opts *o, struct catalogue_db *db, struct err_info *info)
{
	struct catalogue_token *list = NULL;
	size_t n = 0;
	int rc = catalogue_db_tokens(db, &list, &n, info);

	if (rc == 0)
		print_tokens(o, list, n);
	free(list);
	return rc;
}

/* A first token may come before the first start, so that the index is never open; all else is of
 * a catalogue that is there. */
static int open_catalogue(const char *data, bool make, bool to_copy, struct catalogue_db **db,
			  struct err_info *info)
{
	char path[4096], safe[512];
	struct stat st;
	int rc = make ? durable_mkdirs(data, 0700, info) : OK;

	snprintf(path, sizeof(path), "%s/" CATALOGUE_FILE, data);
	if (rc == OK && !make && stat(path, &st) != 0 && errno == ENOENT)
		rc = err_set(info, ERR_NOENT, "%s: no catalogue of an index; see --data",
			     text_escape(safe, sizeof(safe), bytes_str(path)));
	return rc == OK ? catalogue_db_open_beside(data, to_copy, db, info) : rc;
}

int index_admin(const struct opts *o, const char *data, struct err_info *info)
{
	static const struct {
		const char *noun, *verb;
		int n_args;
		int (*run)(const struct opts *o, struct catalogue_db *db, struct err_info *info);
	} verbs[] = {{"backup", NULL, 2, backup},
		     {"token", "add", 3, add},
		     {"token", "revoke", 3, revoke},
		     {"token", "list", 2, list_tokens}};
	struct catalogue_db *db = NULL;
	int rc;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(o->args[0], verbs[i].noun) != 0 || o->n_args != verbs[i].n_args ||
		    (verbs[i].verb != NULL && strcmp(o->args[1], verbs[i].verb) != 0))
			continue;
		rc = open_catalogue(data, verbs[i].run == add, verbs[i].run == backup, &db, info);
		if (rc == 0)
			rc = verbs[i].run(o, db, info);
		catalogue_db_close(db);
		return rc;
	}
	return usage(o, info);
}
