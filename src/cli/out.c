#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/text.h"

#define TABLE_BYTES_MAX ((size_t)1 << 30)

/* A shallow copy with the schema in it; `j` may be NULL. */
static json_t *marked(const json_t *j)
{
	json_t *copy = NULL, *item;
	size_t i;

	if (json_is_array(j)) {
		copy = json_array();
		json_array_foreach((json_t *)j, i, item) json_array_append_new(copy, marked(item));
		return copy;
	}
	if (!json_is_object(j))
		return json_copy((json_t *)j);
	/* First, as that is where one looks for it. */
	copy = json_pack("{s:i}", "schema", OUT_SCHEMA);
	if (json_object_update(copy, (json_t *)j) != 0) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

static void print(FILE *stream, const json_t *j, size_t how)
{
	json_t *whole = marked(j);

	/* ASCII alone: what JSON leaves as it is, from U+0080 on, could steer a terminal. */
	if (whole == NULL || json_dumpf(whole, stream, how | JSON_ENSURE_ASCII) != 0)
		fputs("{\"error\": {\"code\": \"no_memory\", \"message\": \"out of memory\"}}",
		      stream);
	json_decref(whole);
	(void)fputc('\n', stream);
}

void out_json(const json_t *j)
{
	print(stdout, j, JSON_INDENT(2));
}

void out_json_line(FILE *stream, const json_t *j)
{
	print(stream, j, JSON_COMPACT);
	(void)fflush(stream);
}

bool out_can_redraw(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

void out_field(const char *label, const char *text)
{
	struct buf safe;

	if (text[0] == '\0')
		return;
	buf_init(&safe, TABLE_BYTES_MAX);
	buf_printf(&safe, "%s:", label);
	do
		buf_put_u8(&safe, ' ');
	while (safe.len < 15 && safe.err == OK);
	text_put_escaped(&safe, bytes_str(text));
	buf_put_u8(&safe, '\n');
	fwrite(safe.ptr, 1, safe.len, stdout);
	buf_fini(&safe);
}

/* On a terminal `table` holds the rows, elsewhere `text` does. */
struct out_table {
	struct libscols_table *table;
	struct libscols_line *line;
	struct buf text;
	size_t at; /* next cell of the row */
	bool any;
};

static bool add_columns(struct out_table *t, const char *const *columns, size_t n,
			const bool *right)
{
	t->table = scols_new_table();
	/* Cells are escaped already, and more strictly. */
	if (t->table != NULL)
		scols_table_enable_noencoding(t->table, 1);
	for (size_t i = 0; t->table != NULL && i < n; i++) {
		int flags = right != NULL && right[i] ? SCOLS_FL_RIGHT : 0;

		if (scols_table_new_column(t->table, columns[i], 0, flags) == NULL)
			return false;
	}
	return t->table != NULL;
}

struct out_table *out_table_new(const char *const *columns, size_t n, const bool *right)
{
	struct out_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	buf_init(&t->text, TABLE_BYTES_MAX);
	if (isatty(STDOUT_FILENO) && !add_columns(t, columns, n, right)) {
		scols_unref_table(t->table);
		free(t);
		return NULL;
	}
	return t;
}

void out_row(struct out_table *t)
{
	if (t == NULL)
		return;
	if (t->table != NULL)
		t->line = scols_table_new_line(t->table, NULL);
	else if (t->any)
		buf_put_u8(&t->text, '\n');
	t->at = 0;
	t->any = true;
}

/* `text` is fit for a terminal; NULL: no memory for it. */
static void put_cell(struct out_table *t, const char *text)
{
	if (t->table != NULL && t->line != NULL && text != NULL)
		scols_line_set_data(t->line, t->at, text);
	if (t->table == NULL && t->at > 0)
		buf_put_u8(&t->text, '\t');
	if (t->table == NULL)
		buf_put_str(&t->text, text == NULL ? "" : text);
	t->at++;
}

void out_cell(struct out_table *t, const char *text)
{
	struct buf safe;

	if (t == NULL)
		return;
	buf_init(&safe, TABLE_BYTES_MAX);
	text_put_escaped(&safe, bytes_str(text));
	put_cell(t, buf_cstr(&safe));
	buf_fini(&safe);
}

void out_cell_said(struct out_table *t, const char *text)
{
	if (t != NULL && text_is_plain(bytes_str(text)))
		put_cell(t, text);
	else
		out_cell(t, text);
}

void out_table_print(struct out_table *t)
{
	if (t == NULL)
		return;
	if (t->table != NULL && t->any)
		scols_print_table(t->table);
	if (t->table == NULL && t->any) {
		buf_put_u8(&t->text, '\n');
		fwrite(t->text.ptr, 1, t->text.len, stdout);
	}
	if (t->table != NULL)
		scols_unref_table(t->table);
	buf_fini(&t->text);
	free(t);
}
