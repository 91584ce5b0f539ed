#include "daemon/gateway_list.h"

#include <stdlib.h>

#include "base/text.h"
#include "node/torrent_file.h"

struct row {
	const char *name; /* borrows from the metainfo; `len` bytes of it */
	size_t len;
	bool folder;
	uint64_t bytes; /* a folder's: of all in it */
};

struct rows {
	struct row *list;
	size_t n, more;
};

static int by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

	if (x->folder != y->folder)
		return x->folder ? -1 : 1;
	return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

static bool read_row(const struct meta_file *f, const char *folder, struct row *out)
{
	size_t n = strlen(folder);
	const char *name = f->path, *end;

	if ((f->flags & (META_FILE_PAD | META_FILE_SYMLINK)) != 0)
		return false;
	if (n > 0) {
		if (strncmp(name, folder, n) != 0 || name[n] != '/')
			return false;
		name += n + 1;
	}
	end = strchr(name, '/');
	*out = (struct row){.name = name,
			    .len = end == NULL ? strlen(name) : (size_t)(end - name),
			    .folder = end != NULL,
			    .bytes = f->length};
	return true;
}

/* Folders first, each once. */
static int read_rows(const struct metainfo *m, const char *folder, struct rows *out)
{
	size_t n = 0, kept = 0;

	*out = (struct rows){.list = calloc(m->n_files + 1, sizeof(struct row))};
	if (out->list == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_files; i++)
		n += read_row(&m->files[i], folder, &out->list[n]);
	qsort(out->list, n, sizeof(*out->list), by_name);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && by_name(&out->list[kept - 1], &out->list[i]) == 0)
			out->list[kept - 1].bytes += out->list[i].bytes;
		else
			out->list[kept++] = out->list[i];
	}
	out->n = kept < GATEWAY_LIST_ROWS_MAX ? kept : GATEWAY_LIST_ROWS_MAX;
	out->more = kept - out->n;
	return OK;
}

static void put_url(struct buf *out, const struct row *r)
{
	/* A name with a ':' would be a scheme without it. */
	buf_put_str(out, "./");
	text_put_percent(out, bytes_of(r->name, r->len));
	if (r->folder)
		buf_put_u8(out, '/');
}

/* Text of strangers: what a terminal would not like is escaped first, then what a page would not.
 */
static void put_html(struct buf *out, struct bytes text)
{
	struct buf safe;

	buf_init(&safe, 8u * (META_PATH_BYTES_MAX + META_NAME_BYTES_MAX));
	text_put_escaped(&safe, text);
	text_put_xml(out, buf_bytes(&safe));
	buf_fini(&safe);
}

static void put_row(struct buf *out, const struct row *r)
{
	char size[32];

	buf_put_str(out, "<li><a href=\"");
	put_url(out, r);
	buf_put_str(out, "\">");
	put_html(out, bytes_of(r->name, r->len));
	buf_printf(out, "%s</a> %s\n", r->folder ? "/" : "",
		   text_size(size, sizeof(size), r->bytes));
}

int gateway_list_page(const struct metainfo *m, const char *folder, const char *title,
		      struct buf *out)
{
	struct rows rows;
	int err = read_rows(m, folder, &rows);

	if (err != OK)
		return err;
	buf_put_str(out, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>");
	put_html(out, bytes_str(title));
	buf_put_str(out, "</title>\n<h1>");
	put_html(out, bytes_str(title));
	if (folder[0] != '\0') {
		buf_put_str(out, " / ");
		put_html(out, bytes_str(folder));
	}
	buf_put_str(out, "</h1>\n<ul>\n");
	if (folder[0] != '\0')
		buf_put_str(out, "<li><a href=\"../\">..</a>\n");
	for (size_t i = 0; i < rows.n; i++)
		put_row(out, &rows.list[i]);
	buf_put_str(out, "</ul>\n");
	if (rows.more > 0)
		buf_printf(out, "<p>and %zu more\n", rows.more);
	free(rows.list);
	return out->err;
}

static json_t *row_json(const struct row *r)
{
	struct buf name, url;
	json_t *j = NULL;

	buf_init(&name, META_PATH_BYTES_MAX + 1);
	buf_init(&url, 3u * META_PATH_BYTES_MAX + 8);
	buf_put(&name, bytes_of(r->name, r->len));
	put_url(&url, r);
	if (buf_cstr(&name) != NULL && buf_cstr(&url) != NULL)
		j = json_pack("{s:o, s:s, s:I, s:s}", "name", torrent_text(buf_cstr(&name)), "type",
			      r->folder ? "folder" : "file", "bytes", (json_int_t)r->bytes, "url",
			      buf_cstr(&url));
	buf_fini(&name);
	buf_fini(&url);
	return j;
}

json_t *gateway_list_json(const struct metainfo *m, const char *folder)
{
	json_t *list = json_array();
	struct rows rows;

	if (list == NULL || read_rows(m, folder, &rows) != OK) {
		json_decref(list);
		return NULL;
	}
	for (size_t i = 0; i < rows.n; i++)
		json_array_append_new(list, row_json(&rows.list[i]));
	free(rows.list);
	return json_pack("{s:o, s:o, s:I}", "path", torrent_text(folder), "entries", list, "more",
			 (json_int_t)rows.more);
}
