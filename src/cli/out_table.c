/* cli/out_table.c - tables, and what they do where a terminal is narrower than they are.
 *
 * A long name would make its whole column so wide that every row is broken: it stands on a line of
 * its own instead, whole, and the rest of its row below.
 *
 *     NAME                VERSION     SIZE  OWNER
 *     short                     1  1.0 KiB  alice
 *     a name that is longer than there is room for
 *                               2 97.7 KiB  alice */
#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/text.h"
#include "cli/columns.h"

#define TABLE_BYTES_MAX ((size_t)1 << 30)
/* No table has more columns. */
#define COLUMNS_MAX 16u
/* A narrower column is not made of a long one, and no more of the last one is waited for. */
#define COLUMN_LEAST 16u

/* On a terminal `table` holds the rows, elsewhere `text` does. */
struct out_table {
	struct libscols_table *table;
	struct libscols_line *line;
	struct buf text;
	size_t at; /* next cell of the row */
	bool any;
	size_t n; /* columns */
	unsigned width[COLUMNS_MAX];
	bool right[COLUMNS_MAX];
};

static unsigned width_of(const char *text)
{
	unsigned used = 0;

	(void)columns_fit(bytes_str(text), UINT16_MAX, &used);
	return used;
}

static bool add_columns(struct out_table *t, const char *const *columns, size_t n,
			const bool *right)
{
	t->table = scols_new_table();
	/* Cells are escaped already, and more strictly. */
	if (t->table != NULL)
		scols_table_enable_noencoding(t->table, 1);
	for (size_t i = 0; t->table != NULL && i < n && i < COLUMNS_MAX; i++) {
		int flags = right != NULL && right[i] ? SCOLS_FL_RIGHT : 0;

		t->right[i] = flags != 0;
		t->width[i] = width_of(columns[i]);
		t->n = i + 1;
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
	if (t->table != NULL && t->line != NULL && text != NULL && t->at < t->n) {
		unsigned width = width_of(text);

		scols_line_set_data(t->line, t->at, text);
		if (width > t->width[t->at])
			t->width[t->at] = width;
	}
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

/* ---- printed --------------------------------------------------------------------------- */

/* Names stand left, with something behind them; the widest of these has the long ones. */
static bool find_wide(const struct out_table *t, size_t *wide)
{
	bool found = false;

	for (size_t i = 0; i + 1 < t->n; i++) {
		if (!t->right[i] && (!found || t->width[i] > t->width[*wide])) {
			*wide = i;
			found = true;
		}
	}
	return found;
}

/* How wide that column may be in `all` columns; the end of a row may go over. */
static unsigned room_for(const struct out_table *t, size_t wide, unsigned all)
{
	unsigned others = (unsigned)t->n - 1;

	for (size_t i = 0; i < t->n; i++)
		if (i != wide)
			others += i + 1 == t->n && !t->right[i] && t->width[i] > COLUMN_LEAST
				      ? COLUMN_LEAST
				      : t->width[i];
	return all > others + COLUMN_LEAST ? all - others : COLUMN_LEAST;
}

/* The first cells of a row, up to the long one; in their places nothing is left. */
static void spill(struct out_table *t, struct libscols_line *l, size_t wide, struct buf *out)
{
	for (size_t i = 0; i <= wide; i++) {
		const char *text = scols_cell_get_data(scols_line_get_cell(l, i));

		if (text != NULL && i == wide)
			buf_put_str(out, text);
		else
			columns_put(out, bytes_str(text == NULL ? "" : text), t->width[i],
				    t->right[i]);
		buf_put_u8(out, i == wide ? '\n' : ' ');
		scols_line_set_data(l, i, "");
	}
}

static const char *wide_cell(const struct out_table *t, size_t row, size_t wide)
{
	struct libscols_line *l = scols_table_get_line(t->table, row);

	return l == NULL ? NULL : scols_cell_get_data(scols_line_get_cell(l, wide));
}

/* Lines of the table, with what was taken out of them in between. */
static void print_spilled(struct out_table *t, size_t wide, unsigned room)
{
	size_t rows = scols_table_get_nlines(t->table);
	char *table = NULL, *line;
	struct buf *above = calloc(rows + 1, sizeof(*above));

	if (above == NULL) {
		scols_print_table(t->table);
		return;
	}
	for (size_t i = 0; i < rows; i++) {
		const char *text = wide_cell(t, i, wide);

		buf_init(&above[i], TABLE_BYTES_MAX);
		if (text != NULL && width_of(text) > room)
			spill(t, scols_table_get_line(t->table, i), wide, &above[i]);
	}
	if (scols_print_table_to_string(t->table, &table) != 0)
		table = NULL;
	line = table;
	for (size_t i = 0; line != NULL && *line != '\0'; i++) { /* 0: the headings */
		size_t len = strcspn(line, "\n");

		if (i > 0 && i <= rows && above[i - 1].len > 0)
			fwrite(above[i - 1].ptr, 1, above[i - 1].len, stdout);
		fwrite(line, 1, len, stdout);
		putchar('\n');
		line += len + (line[len] != '\0');
	}
	for (size_t i = 0; i < rows; i++)
		buf_fini(&above[i]);
	free(above);
	free(table);
}

static void print_table(struct out_table *t)
{
	size_t wide = 0;
	bool found = find_wide(t, &wide);
	unsigned room = found ? room_for(t, wide, out_width(STDOUT_FILENO)) : 0;

	if (found && t->width[wide] > room)
		print_spilled(t, wide, room);
	else
		scols_print_table(t->table);
}

void out_table_print(struct out_table *t)
{
	if (t == NULL)
		return;
	if (t->table != NULL && t->any)
		print_table(t);
	if (t->table == NULL && t->any) {
		buf_put_u8(&t->text, '\n');
		fwrite(t->text.ptr, 1, t->text.len, stdout);
	}
	if (t->table != NULL)
		scols_unref_table(t->table);
	buf_fini(&t->text);
	free(t);
}
