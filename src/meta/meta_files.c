/* meta/meta_files.c - the file list of v1, and where each file lies in the pieces. */
#include "meta/metainfo_impl.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned attr_flags(const struct benc *dict)
{
	struct bytes attr;
	unsigned flags = 0;

	if (!benc_find_str(dict, "attr", &attr))
		return 0;
	for (size_t i = 0; i < attr.len; i++) {
		if (attr.ptr[i] == 'p')
			flags |= META_FILE_PAD;
		else if (attr.ptr[i] == 'x')
			flags |= META_FILE_EXEC;
		else if (attr.ptr[i] == 'l')
			flags |= META_FILE_SYMLINK;
		else if (attr.ptr[i] == 'h')
			flags |= META_FILE_HIDDEN;
	}
	return flags;
}

enum meta_fault meta_props_read(const struct benc *dict, struct meta_props *out)
{
	int64_t length = 0;
	bool known;

	if (dict->type != BENC_DICT)
		return META_FILE_NOT_DICT;
	out->flags = attr_flags(dict);
	known = benc_find_int(dict, "length", &length);
	if (!known && (out->flags & META_FILE_SYMLINK) == 0)
		return META_FILE_NO_LENGTH;
	if (length < 0)
		return META_FILE_LENGTH_BAD;
	out->length = (uint64_t)length;
	if ((out->flags & META_FILE_SYMLINK) == 0)
		return META_OK;
	if ((out->flags & META_FILE_PAD) != 0)
		return META_PAD_BAD;
	/* Wherever "symlink path" leads, nobody goes there: no link is ever made. */
	return length == 0 ? META_OK : META_SYMLINK_BAD;
}

enum meta_fault meta_files_alloc(struct meta_build *b, size_t n_files, size_t path_bytes)
{
	b->m->files = calloc(n_files, sizeof(*b->m->files));
	b->arena->paths = malloc(path_bytes + 1);
	b->path_end = b->arena->paths;
	return b->m->files != NULL && b->arena->paths != NULL ? META_OK : META_NOMEM;
}

enum meta_fault meta_file_add(struct meta_build *b, const char *path,
			      const struct meta_props *props)
{
	struct meta_file *f = &b->m->files[b->m->n_files];

	if (props->length > (uint64_t)INT64_MAX - b->space)
		return META_SIZE_OVERFLOW;
	*f = (struct meta_file){
	    .path = path, .length = props->length, .offset = b->space, .flags = props->flags};
	b->space += props->length;
	b->m->n_files++;
	if ((props->flags & META_FILE_PAD) == 0) {
		b->m->n_real_files++;
		b->m->total_bytes += props->length;
	} else if (props->length > 0) {
		b->m->pads = true;
	}
	return META_OK;
}

static void path_put(struct meta_build *b, struct bytes part)
{
	memcpy(b->path_end, part.ptr, part.len);
	b->path_end += part.len;
}

/* Joins the components into the arena; empty ones stand for nothing and are left out, and two files
 * that become one by that clash like any. The result is never longer than the list's
 * own encoding, since each component has at least two bytes of length prefix. */
static enum meta_fault path_join(struct meta_build *b, const struct benc *list, const char **out)
{
	struct benc_iter it = benc_iter(list);
	struct benc part;
	char *start = b->path_end;
	uint32_t depth = 0;

	while (benc_next(&it, NULL, &part)) {
		enum meta_fault f;

		if (part.type != BENC_STR)
			return META_PATH_BAD;
		if (part.str.len == 0)
			continue;
		f = meta_component_check(part.str);
		if (f != META_OK)
			return f;
		if (depth++ == META_DEPTH_MAX)
			return META_TREE_DEEP;
		if (b->path_end != start)
			*b->path_end++ = '/';
		path_put(b, part.str);
		if (b->path_end - start > (ptrdiff_t)META_PATH_BYTES_MAX)
			return META_PATH_LONG;
	}
	if (depth == 0)
		return META_PATH_EMPTY;
	*b->path_end++ = '\0';
	*out = start;
	return META_OK;
}

/* BEP 47 lets a pad go without a path; give it the recommended one. */
static const char *pad_path(struct meta_build *b, uint64_t length)
{
	char *start = b->path_end;
	char name[32];
	int n = snprintf(name, sizeof(name), ".pad/%llu", (unsigned long long)length);

	path_put(b, bytes_of(name, (size_t)n + 1));
	return start;
}

/* A hybrid's pads must lie where v2 has its alignment gaps, or the two halves would
 * disagree about which bytes piece 7 holds. */
static enum meta_fault check_place(const struct meta_build *b, const struct meta_props *props)
{
	uint64_t piece = b->m->piece_length;
	uint64_t gap = (piece - b->space % piece) % piece;

	if ((props->flags & META_FILE_PAD) != 0) {
		if (props->length > piece)
			return META_PAD_BAD;
		return b->m->v2 && (gap == 0 || props->length != gap) ? META_PAD_BAD : META_OK;
	}
	return b->m->v2 && props->length > 0 && gap > 0 ? META_PAD_BAD : META_OK;
}

static enum meta_fault read_entry(struct meta_build *b, const struct benc *entry)
{
	struct meta_props props;
	struct benc list;
	const char *path = NULL;
	enum meta_fault f = meta_props_read(entry, &props);

	if (f != META_OK)
		return f;
	if (benc_find_list(entry, "path", &list))
		f = path_join(b, &list, &path);
	else if ((props.flags & META_FILE_PAD) != 0)
		path = pad_path(b, props.length);
	else
		f = META_FILE_NO_PATH;
	if (f == META_OK)
		f = check_place(b, &props);
	return f == META_OK ? meta_file_add(b, path, &props) : f;
}

static enum meta_fault check_clashes(const struct metainfo *m)
{
	const char **paths = malloc(((size_t)m->n_real_files + 1) * sizeof(*paths));
	enum meta_fault f;
	size_t n = 0;

	if (paths == NULL)
		return META_NOMEM;
	for (uint32_t i = 0; i < m->n_files; i++)
		if ((m->files[i].flags & META_FILE_PAD) == 0)
			paths[n++] = m->files[i].path;
	f = meta_paths_check(paths, n);
	free(paths);
	return f;
}

static enum meta_fault read_list(struct meta_build *b, const struct benc *list)
{
	struct benc_iter it = benc_iter(list);
	struct benc entry;
	enum meta_fault f = META_OK;
	size_t n = 0;

	while (benc_next(&it, NULL, &entry))
		n++;
	if (n == 0)
		return META_FILES_EMPTY;
	if (n > META_FILES_MAX)
		return META_TOO_MANY_FILES;
	/* Each entry is longer than its path, be it joined or made by pad_path(). */
	f = meta_files_alloc(b, n, list->raw.len);
	it = benc_iter(list);
	while (f == META_OK && benc_next(&it, NULL, &entry))
		f = read_entry(b, &entry);
	if (f != META_OK)
		return f;
	return b->m->n_real_files > 0 ? check_clashes(b->m) : META_FILES_EMPTY;
}

static enum meta_fault read_single(struct meta_build *b)
{
	struct bytes name = bytes_str(b->m->name);
	struct meta_props props;
	enum meta_fault f = meta_props_read(&b->info, &props);

	if (f != META_OK)
		return f;
	if ((props.flags & META_FILE_PAD) != 0)
		return META_PAD_BAD;
	f = meta_files_alloc(b, 1, name.len);
	if (f != META_OK)
		return f;
	path_put(b, bytes_of(name.ptr, name.len + 1));
	b->m->single = true;
	return meta_file_add(b, b->arena->paths, &props);
}

/* BEP 3 allows no 'length' beside 'files'. Where one stands there all the same most clients take
 * 'files'; who did not would have other files of the same info-hash. */
enum meta_fault meta_files_v1(struct meta_build *b)
{
	const struct meta_field *files = &b->fields[INFO_FILES];

	if (files->found && files->value.type != BENC_LIST)
		return META_FILES_NOT_LIST;
	if (files->found)
		return read_list(b, &files->value);
	return b->fields[INFO_LENGTH].found ? read_single(b) : META_NO_FILES;
}

enum meta_fault meta_files_number(struct meta_build *b)
{
	struct metainfo *m = b->m;
	uint64_t piece = m->piece_length;

	if (b->space > META_PIECES_MAX * piece)
		return META_TOO_MANY_PIECES;
	m->space_bytes = b->space;
	m->n_pieces = (uint32_t)((b->space + piece - 1) / piece);
	for (uint32_t i = 0; i < m->n_files; i++) {
		struct meta_file *f = &m->files[i];

		f->first_piece = (uint32_t)(f->offset / piece);
		if (f->length > 0)
			f->n_pieces =
			    (uint32_t)((f->offset + f->length - 1) / piece) - f->first_piece + 1;
	}
	return META_OK;
}
