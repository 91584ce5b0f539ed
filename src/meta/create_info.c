/* meta/create_info.c - writes the info dictionary, the part that is hashed: each key
 * in raw order, and none that the tools we follow do not write. */
#include "meta/create_impl.h"

#include "base/bencode.h"

#include <stdio.h>

/* mktorrent writes no attributes. */
static void put_attr(const struct create_spec *spec, const struct create_file *f, struct buf *out)
{
	if (!spec->v2 || !f->executable)
		return;
	benc_put_str(out, "attr");
	benc_put_str(out, "x");
}

static void put_leaf(const struct create_spec *spec, const struct create_file *f, struct buf *out)
{
	benc_put_raw(out, 'd');
	benc_put_str(out, "");
	benc_put_raw(out, 'd');
	put_attr(spec, f, out);
	benc_put_pair(out, "length", (int64_t)f->length);
	if (f->length > 0) {
		benc_put_str(out, "pieces root");
		benc_put_bytes(out, bytes_of(f->root, SHA256_LEN));
	}
	benc_put_raw(out, 'e');
	benc_put_raw(out, 'e');
}

/* Length of what two paths share in whole folders, with the last '/'. */
static size_t shared_folders(const char *a, const char *b)
{
	size_t shared = 0;

	for (size_t i = 0; a[i] == b[i] && a[i] != '\0'; i++)
		if (a[i] == '/')
			shared = i + 1;
	return shared;
}

static void close_folders(const char *rest, struct buf *out)
{
	for (; (rest = strchr(rest, '/')) != NULL; rest++)
		benc_put_raw(out, 'e');
}

/* The files come in tree order, so each folder is opened and closed once. */
static void put_tree(const struct create_spec *spec, struct buf *out)
{
	const char *last = "";

	benc_put_str(out, "file tree");
	benc_put_raw(out, 'd');
	for (size_t i = 0; i < spec->n_files; i++) {
		const char *path = spec->single ? spec->name : spec->files[i].path;
		size_t shared = shared_folders(last, path);
		const char *part = path + shared;
		const char *slash;

		close_folders(last + shared, out);
		for (; (slash = strchr(part, '/')) != NULL; part = slash + 1) {
			benc_put_bytes(out, bytes_of(part, (size_t)(slash - part)));
			benc_put_raw(out, 'd');
		}
		benc_put_str(out, part);
		put_leaf(spec, &spec->files[i], out);
		last = path;
	}
	close_folders(last, out);
	benc_put_raw(out, 'e');
}

static void put_path(const char *path, struct buf *out)
{
	const char *slash;

	benc_put_str(out, "path");
	benc_put_raw(out, 'l');
	for (; (slash = strchr(path, '/')) != NULL; path = slash + 1)
		benc_put_bytes(out, bytes_of(path, (size_t)(slash - path)));
	benc_put_str(out, path);
	benc_put_raw(out, 'e');
}

static void put_pad(uint64_t length, struct buf *out)
{
	char name[32];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)length);
	benc_put_raw(out, 'd');
	benc_put_str(out, "attr");
	benc_put_str(out, "p");
	benc_put_pair(out, "length", (int64_t)length);
	benc_put_str(out, "path");
	benc_put_raw(out, 'l');
	benc_put_str(out, ".pad");
	benc_put_str(out, name);
	benc_put_raw(out, 'e');
	benc_put_raw(out, 'e');
}

static void put_list(const struct create_spec *spec, struct buf *out)
{
	benc_put_str(out, "files");
	benc_put_raw(out, 'l');
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct create_file *f = &spec->files[i];
		uint64_t pad = create_pad(spec, i);

		benc_put_raw(out, 'd');
		put_attr(spec, f, out);
		benc_put_pair(out, "length", (int64_t)f->length);
		put_path(f->path, out);
		benc_put_raw(out, 'e');
		if (pad > 0)
			put_pad(pad, out);
	}
	benc_put_raw(out, 'e');
}

static void put_files(const struct create_spec *spec, struct buf *out)
{
	if (spec->v1 && spec->single)
		put_attr(spec, &spec->files[0], out);
	if (spec->v2)
		put_tree(spec, out);
	if (!spec->v1)
		return;
	if (!spec->single) {
		put_list(spec, out);
		return;
	}
	benc_put_pair(out, "length", (int64_t)spec->files[0].length);
}

void create_put_info(const struct create_spec *spec, struct buf *out)
{
	benc_put_raw(out, 'd');
	put_files(spec, out);
	if (spec->v2) {
		benc_put_pair(out, "meta version", 2);
	}
	benc_put_str(out, "name");
	benc_put_str(out, spec->name);
	benc_put_pair(out, "piece length", spec->piece_length);
	if (spec->v1) {
		benc_put_str(out, "pieces");
		benc_put_bytes(out, bytes_of(spec->pieces_v1, spec->n_pieces_v1 * SHA1_LEN));
	}
	if (spec->private) {
		benc_put_pair(out, "private", 1);
	}
	if (spec->source != NULL) {
		benc_put_str(out, "source");
		benc_put_str(out, spec->source);
	}
	benc_put_raw(out, 'e');
}
