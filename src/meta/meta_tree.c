/* meta/meta_tree.c - the file tree of v2, read without recursion.
 *
 *	d 4:docs d 5:a.txt d 0: d 6:length i5e 11:pieces root 32:... e e e e
 *	  ^ folder ^ file   ^ "" holds what is known about the file
 *
 * The whole document was checked before, so stepping into a dictionary is reading
 * its 'd'; each byte is looked at once per walk whatever the depth. Keys are known
 * to be sorted and unique, hence no two files can have one path. */
#include "meta/metainfo_impl.h"

#include <stdlib.h>

/* Joined paths repeat their folders: a small tree of deep folders would make a list
 * many times its size. Real trees stay well below this. */
static size_t path_bytes_max(size_t tree_bytes)
{
	return ((size_t)1 << 20) + 4 * tree_bytes;
}

struct tree_walk {
	struct bytes rest;
	uint32_t depth; /* open folders, and the file when one is open */
	bool fresh;	/* the innermost dictionary has had no entry yet */
	bool in_file;	/* ... or has had its "" */
	size_t path_len;
	size_t ends[META_DEPTH_MAX + 1]; /* path_len before component i */
	char path[META_PATH_BYTES_MAX + 1];
};

static void tree_start(struct tree_walk *w, const struct benc *tree)
{
	w->rest = bytes_sub(tree->raw, 1, tree->raw.len - 1);
	w->depth = 0;
	w->path_len = 0;
	w->fresh = true;
	w->in_file = false;
}

/* The value at the front, which benc_parse has accepted once already. */
static struct benc take_value(struct tree_walk *w)
{
	struct benc v = {0};
	int n = benc_parse(w->rest, &v, NULL);

	assert(n > 0);
	w->rest = bytes_sub(w->rest, (size_t)n, w->rest.len - (size_t)n);
	return v;
}

static enum meta_fault tree_enter(struct tree_walk *w, struct bytes key)
{
	enum meta_fault f = meta_component_check(key);
	size_t slash = w->path_len > 0 ? 1 : 0;

	if (f != META_OK)
		return f;
	if (w->depth == META_DEPTH_MAX)
		return META_TREE_DEEP;
	if (w->path_len + slash + key.len > META_PATH_BYTES_MAX)
		return META_PATH_LONG;
	if (w->rest.ptr[0] != 'd')
		return META_TREE_NOT_DICT;
	w->ends[w->depth++] = w->path_len;
	if (slash != 0)
		w->path[w->path_len++] = '/';
	memcpy(w->path + w->path_len, key.ptr, key.len);
	w->path_len += key.len;
	w->path[w->path_len] = '\0';
	w->rest = bytes_sub(w->rest, 1, w->rest.len - 1);
	w->fresh = true;
	return META_OK;
}

/* On to the next file: its path is in w->path, its properties in `props`. At the end
 * of the tree `*end` is set. */
static enum meta_fault tree_next(struct tree_walk *w, struct benc *props, bool *end)
{
	*end = false;
	for (;;) {
		struct benc key;
		enum meta_fault f;

		if (w->rest.ptr[0] == 'e') {
			if (w->fresh)
				return META_TREE_EMPTY;
			if (w->depth == 0) {
				*end = true;
				return META_OK;
			}
			w->rest = bytes_sub(w->rest, 1, w->rest.len - 1);
			w->path_len = w->ends[--w->depth];
			w->in_file = false;
			continue;
		}
		if (w->in_file)
			return META_TREE_FILE_HAS_SIBLINGS;
		key = take_value(w);
		if (key.str.len == 0 && w->fresh) {
			if (w->depth == 0)
				return META_TREE_ROOT_IS_FILE;
			*props = take_value(w);
			w->fresh = false;
			w->in_file = true;
			return META_OK;
		}
		f = tree_enter(w, key.str);
		if (f != META_OK)
			return f;
	}
}

static enum meta_fault tree_measure(const struct benc *tree, struct tree_walk *w, size_t *n_files,
				    size_t *path_bytes, bool *single)
{
	struct benc props;
	bool end;
	enum meta_fault f;

	*n_files = *path_bytes = 0;
	*single = false;
	tree_start(w, tree);
	for (;;) {
		f = tree_next(w, &props, &end);
		if (f != META_OK)
			return f;
		if (end)
			break;
		*n_files += 1;
		*path_bytes += w->path_len + 1;
		*single = *n_files == 1 && w->depth == 1;
		if (*n_files > META_FILES_MAX)
			return META_TOO_MANY_FILES;
		if (*path_bytes > path_bytes_max(tree->raw.len))
			return META_PATHS_LONG;
	}
	return META_OK;
}

static enum meta_fault read_root(const struct benc *dict, uint64_t length, struct meta_file *file)
{
	static const uint8_t zero[SHA256_LEN];
	struct benc root;

	if (!benc_find(dict, "pieces root", &root))
		return length == 0 ? META_OK : META_ROOT_MISSING;
	if (length == 0)
		return META_ROOT_ON_EMPTY_FILE;
	if (root.type != BENC_STR)
		return META_ROOT_MISSING;
	if (root.str.len != SHA256_LEN)
		return META_ROOT_BAD_LENGTH;
	if (memcmp(root.str.ptr, zero, SHA256_LEN) == 0)
		return META_ROOT_ZERO;
	memcpy(file->root, root.str.ptr, SHA256_LEN);
	file->has_root = true;
	return META_OK;
}

/* v2 alone: the tree is the list. */
static enum meta_fault add_file(struct meta_build *b, const struct tree_walk *w,
				const struct meta_props *props)
{
	uint64_t piece = b->m->piece_length;
	uint64_t gap = (piece - b->space % piece) % piece;
	char *path = b->path_end;

	if (props->length > 0 && gap > 0) {
		if (gap > (uint64_t)INT64_MAX - b->space)
			return META_SIZE_OVERFLOW;
		b->space += gap;
	}
	memcpy(path, w->path, w->path_len + 1);
	b->path_end += w->path_len + 1;
	return meta_file_add(b, path, props);
}

/* Hybrid: the tree must repeat the v1 list, pads left out. */
static enum meta_fault match_file(struct meta_build *b, const struct tree_walk *w,
				  const struct meta_props *props, uint32_t *next)
{
	const struct metainfo *m = b->m;
	const struct meta_file *have;

	while (*next < m->n_files && (m->files[*next].flags & META_FILE_PAD) != 0)
		*next += 1;
	if (*next == m->n_files)
		return META_HYBRID_FILES_DIFFER;
	have = &m->files[*next];
	if (strcmp(have->path, w->path) != 0 || have->length != props->length ||
	    ((have->flags ^ props->flags) & META_FILE_SYMLINK) != 0)
		return META_HYBRID_FILES_DIFFER;
	return META_OK;
}

static enum meta_fault tree_fill(struct meta_build *b, const struct benc *tree, struct tree_walk *w)
{
	uint32_t next = 0;

	tree_start(w, tree);
	for (;;) {
		struct meta_props props;
		struct benc dict;
		bool end;
		enum meta_fault f = tree_next(w, &dict, &end);

		if (f != META_OK || end)
			return f;
		f = meta_props_read(&dict, &props);
		if (f == META_OK && (props.flags & META_FILE_PAD) != 0)
			f = META_PAD_BAD;
		if (f == META_OK)
			f = b->m->v1 ? match_file(b, w, &props, &next) : add_file(b, w, &props);
		if (f == META_OK)
			f = read_root(&dict, props.length, &b->m->files[next]);
		if (f != META_OK)
			return f;
		next++;
	}
}

static enum meta_fault read_with(struct meta_build *b, const struct benc *tree, struct tree_walk *w)
{
	size_t n_files, path_bytes;
	bool single;
	enum meta_fault f = tree_measure(tree, w, &n_files, &path_bytes, &single);

	if (f != META_OK)
		return f;
	if (b->m->v1) {
		if (n_files != b->m->n_real_files || (b->m->single && !single))
			return META_HYBRID_FILES_DIFFER;
	} else {
		b->m->single = single;
		f = meta_files_alloc(b, n_files, path_bytes);
	}
	return f == META_OK ? tree_fill(b, tree, w) : f;
}

enum meta_fault meta_tree_read(struct meta_build *b)
{
	const struct meta_field *tree = &b->fields[INFO_TREE];
	struct tree_walk *w;
	enum meta_fault f;

	if (!tree->found)
		return META_NO_FILES;
	if (tree->value.type != BENC_DICT)
		return META_TREE_NOT_DICT;
	w = malloc(sizeof(*w));
	if (w == NULL)
		return META_NOMEM;
	f = read_with(b, &tree->value, w);
	free(w);
	return f;
}
