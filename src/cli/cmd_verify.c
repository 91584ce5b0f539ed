#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "node/torrent_file.h"

#define LINE_BYTES_MAX (16u << 20)

struct verify {
	const struct opts *o;
	struct metainfo *meta;
	char *path; /* the file or folder, links resolved */
	struct progress progress;
	char label[64];
};

static const char *const state_words[] = {"good", "bad", "missing", "unreadable"};

/* ---- where the data is -------------------------------------------------------- */

/* Beside the .torrent, when it is not in the current folder. */
static char *beside(const char *torrent, const char *name)
{
	const char *slash = strrchr(torrent, '/');
	char *path = NULL;

	if (slash == NULL)
		return NULL;
	if (asprintf(&path, "%.*s/%s", (int)(slash - torrent), torrent, name) < 0)
		return NULL;
	return path;
}

static int find_data(struct verify *v, struct err_info *info)
{
	const struct opts *o = v->o;
	const char *given = o->n_args > 1 ? o->args[1] : meta_content_name(v->meta);
	char *other = NULL, safe[300];
	struct stat st;
	int rc = 0;

	if (o->n_args == 1 && access(given, F_OK) != 0)
		other = beside(o->args[0], meta_content_name(v->meta));
	v->path = realpath(other != NULL ? other : given, NULL);
	if (v->path == NULL || stat(v->path, &st) != 0)
		rc = root_errno(info, given, errno);
	else if (S_ISDIR(st.st_mode) && v->meta->single)
		/* "in this folder" is meant */
		rc = ERR_AGAIN;
	else if (!S_ISDIR(st.st_mode) && !v->meta->single)
		rc = err_set(info, ERR_MISMATCH, "%s: a file, where the torrent has a folder",
			     text_escape(safe, sizeof(safe), bytes_str(given)));
	free(other);
	return rc;
}

static int find_in_folder(struct verify *v, struct err_info *info)
{
	char *folder = v->path, *path = NULL;
	int rc = 0;

	if (asprintf(&path, "%s/%s", folder, meta_content_name(v->meta)) < 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	v->path = realpath(path, NULL);
	if (v->path == NULL)
		rc = root_errno(info, path, errno);
	free(path);
	free(folder);
	return rc;
}

/* ---- what was found ------------------------------------------------------------ */

/* The next run of pieces in `state` from *at on; false when there is none. */
static bool next_range(const struct check *c, uint32_t n, enum check_state state, uint32_t *at,
		       uint32_t *first)
{
	while (*at < n && c->pieces[*at] != state)
		++*at;
	*first = *at;
	while (*at < n && c->pieces[*at] == state)
		++*at;
	return *first < *at;
}

static json_t *ranges_json(const struct check *c, uint32_t n, enum check_state state)
{
	json_t *list = json_array();
	uint32_t at = 0, first;

	while (next_range(c, n, state, &at, &first))
		json_array_append_new(list, json_pack("[i, i]", (int)first, (int)at - 1));
	return list;
}

static void print_ranges(const struct check *c, uint32_t n, enum check_state state)
{
	uint32_t at = 0, first;
	char label[32];
	struct buf b;

	if (c->count[state] == 0)
		return;
	buf_init(&b, LINE_BYTES_MAX);
	while (next_range(c, n, state, &at, &first)) {
		buf_put_str(&b, b.len == 0 ? "" : ", ");
		if (at - first == 1)
			buf_printf(&b, "%u", first);
		else
			buf_printf(&b, "%u-%u", first, at - 1);
	}
	snprintf(label, sizeof(label), "%s pieces", state_words[state]);
	out_field(label, buf_cstr(&b) == NULL ? "too many to list" : buf_cstr(&b));
	buf_fini(&b);
}

static const char *file_word(const struct check *c, uint32_t i)
{
	return c->files[i] == CHECK_GOOD && c->longer[i] ? "too long" : state_words[c->files[i]];
}

static json_t *report_json(const struct verify *v, const struct check *c)
{
	const struct metainfo *m = v->meta;
	json_t *files = json_array();

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		if ((f->flags & META_FILE_PAD) || (c->files[i] == CHECK_GOOD && !c->longer[i]))
			continue;
		json_array_append_new(
		    files,
		    json_pack("{s:o, s:s, s:[i, i]}", "path", torrent_text(f->path), "state",
			      file_word(c, i), "pieces", (int)f->first_piece,
			      (int)(f->first_piece + (f->n_pieces == 0 ? 0 : f->n_pieces - 1))));
	}
	return json_pack("{s:o, s:o, s:b, s:i, s:i, s:o, s:o, s:o, s:o}", "name",
			 torrent_text(m->name), "path", torrent_text(v->path), "ok",
			 check_all_good(c, m), "pieces", (int)m->n_pieces, "good",
			 (int)c->count[CHECK_GOOD], "bad", ranges_json(c, m->n_pieces, CHECK_BAD),
			 "missing", ranges_json(c, m->n_pieces, CHECK_MISSING), "unreadable",
			 ranges_json(c, m->n_pieces, CHECK_UNREADABLE), "files", files);
}

static void print_report(const struct verify *v, const struct check *c)
{
	static const char *const columns[] = {"STATE", "PIECES", "FILE"};
	const struct metainfo *m = v->meta;
	struct out_table *t;
	char text[64];

	if (check_all_good(c, m)) {
		if (!v->o->quiet)
			printf(m->n_pieces == 1 ? "%s: its %u piece is good\n"
						: "%s: all %u pieces are good\n",
			       v->label, m->n_pieces);
		return;
	}
	printf("%s: %u of %u piece%s good\n", v->label, c->count[CHECK_GOOD], m->n_pieces,
	       m->n_pieces == 1 ? " is" : "s are");
	for (enum check_state s = CHECK_BAD; s <= CHECK_UNREADABLE; s++)
		print_ranges(c, m->n_pieces, s);
	if (c->trouble.code != OK)
		fprintf(stderr, "shoal verify: %s\n", c->trouble.text);
	t = out_table_new(columns, 3, NULL);
	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		if ((f->flags & META_FILE_PAD) || (c->files[i] == CHECK_GOOD && !c->longer[i]))
			continue;
		snprintf(text, sizeof(text),
			 f->n_pieces > 1    ? "%u-%u"
			 : f->n_pieces == 1 ? "%u"
					    : "-",
			 f->first_piece, f->first_piece + f->n_pieces - 1);
		out_row(t);
		out_cell(t, file_word(c, i));
		out_cell(t, text);
		out_cell(t, f->path);
	}
	out_table_print(t);
}

/* ---- the work -------------------------------------------------------------------- */

static void on_progress(void *user, uint64_t done, uint64_t total)
{
	struct verify *v = user;

	progress_work(&v->progress, v->label, NULL, done, total);
}

static int check_data(struct verify *v, struct check *c, struct err_info *info)
{
	struct check_params p = {.meta = v->meta, .progress = on_progress, .user = v};
	char *slash = strrchr(v->path, '/');
	struct root root;
	int rc;

	if (v->meta->single) {
		p.single_name = slash + 1;
		*slash = '\0';
	}
	rc = root_open(&root, v->path[0] == '\0' ? "/" : v->path, info);
	if (rc == 0) {
		p.root = &root;
		progress_begin(&v->progress, opts_progress(v->o));
		rc = check_run(&p, c, info);
		progress_clear(&v->progress);
		root_close(&root);
	}
	if (v->meta->single)
		*slash = '/';
	return rc;
}

static int verify(struct verify *v, int *code, struct err_info *info)
{
	struct check c = {0};
	json_t *j;
	int rc = torrent_load(v->o->args[0], NULL, &v->meta, info);

	if (rc == 0)
		rc = find_data(v, info);
	if (rc == ERR_AGAIN)
		rc = find_in_folder(v, info);
	if (rc != 0)
		return rc;
	text_escape(v->label, sizeof(v->label), bytes_str(v->meta->name));
	rc = check_data(v, &c, info);
	if (rc != 0)
		return rc;
	if (v->o->json) {
		j = report_json(v, &c);
		out_json(j);
		json_decref(j);
	} else {
		print_report(v, &c);
	}
	*code = check_all_good(&c, v->meta) ? EXIT_OK : EXIT_CORRUPT;
	check_fini(&c);
	return 0;
}

int cmd_verify(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct verify v = {.o = o};
	int code = EXIT_OK;

	if (verify(&v, &code, &info) != 0)
		code = opts_fail(o, "verify", &info);
	meta_free(v.meta);
	free(v.path);
	return code;
}
