/* meta/create.c - lays files out in pieces and writes the outer dictionary. */
#include "meta/create.h"

#include "base/bencode.h"
#include "meta/create_impl.h"
#include "meta/metainfo_impl.h"

#include <stdlib.h>

int create_order(const char *a, const char *b, bool v2)
{
	return v2 ? meta_path_order(a, b) : strcmp(a, b);
}

#define FULL_PIECES_MAX 2047u

static bool too_many_pieces(const uint64_t *lengths, size_t n_files, bool aligned, uint32_t length)
{
	uint64_t full = 0, rest = 0;

	for (size_t i = 0; i < n_files && full <= FULL_PIECES_MAX; i++) {
		uint64_t bytes = lengths[i] + (aligned ? 0 : rest);

		full += bytes / length;
		rest = bytes % length;
	}
	return full > FULL_PIECES_MAX;
}

uint32_t create_piece_length(const uint64_t *lengths, size_t n_files, bool aligned)
{
	uint32_t length = META_PIECE_LENGTH_MIN;

	while (length < (16u << 20) && too_many_pieces(lengths, n_files, aligned, length))
		length *= 2;
	return length;
}

uint64_t create_pad(const struct create_spec *spec, size_t i)
{
	uint64_t piece = spec->piece_length;

	if (!spec->v1 || !spec->v2 || spec->n_files < 2)
		return 0;
	return (piece - spec->files[i].length % piece) % piece;
}

uint64_t create_offsets(const uint64_t *lengths, size_t n_files, uint32_t piece_length,
			bool aligned, uint64_t *offsets)
{
	uint64_t at = 0, piece = piece_length;

	for (size_t i = 0; i < n_files; i++) {
		offsets[i] = at;
		at += lengths[i];
		if (aligned && n_files > 1)
			at += (piece - at % piece) % piece;
	}
	return at;
}

static int check_path(const char *path)
{
	uint32_t depth = 0;

	if (strlen(path) > META_PATH_BYTES_MAX)
		return ERR_INVALID;
	for (;;) {
		const char *slash = strchr(path, '/');
		size_t len = slash != NULL ? (size_t)(slash - path) : strlen(path);

		if (meta_component_check(bytes_of(path, len)) != META_OK ||
		    depth++ == META_DEPTH_MAX)
			return ERR_INVALID;
		if (slash == NULL)
			return 0;
		path = slash + 1;
	}
}

static int check_paths(const struct create_spec *spec)
{
	const char **paths;
	enum meta_fault f;

	if (spec->single)
		return 0;
	for (size_t i = 0; i < spec->n_files; i++) {
		const char *path = spec->files[i].path;

		if (check_path(path) != 0)
			return ERR_INVALID;
		if (i > 0 && create_order(spec->files[i - 1].path, path, spec->v2) >= 0)
			return ERR_INVALID;
	}
	paths = malloc(spec->n_files * sizeof(*paths));
	if (paths == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < spec->n_files; i++)
		paths[i] = spec->files[i].path;
	f = meta_paths_check(paths, spec->n_files);
	free(paths);
	return f == META_OK ? 0 : ERR_INVALID;
}

static bool piece_length_is_fit(const struct create_spec *spec)
{
	uint32_t length = spec->piece_length;

	if (length > META_PIECE_LENGTH_MAX)
		return false;
	if (spec->v2)
		return length >= META_PIECE_LENGTH_MIN && (length & (length - 1)) == 0;
	return length >= META_PIECE_LENGTH_MIN_V1;
}

/* Of the v1 piece space. ERR_TOO_BIG: there are too many, or of v2. */
static int count_pieces(const struct create_spec *spec, uint64_t *v1)
{
	uint64_t piece = spec->piece_length, end_v1 = 0, pieces_v2 = 0;

	for (size_t i = 0; i < spec->n_files; i++) {
		const struct create_file *f = &spec->files[i];

		if (f->length > META_PIECES_MAX * piece)
			return ERR_TOO_BIG;
		end_v1 += f->length + create_pad(spec, i);
		pieces_v2 += (f->length + piece - 1) / piece;
		if (end_v1 > META_PIECES_MAX * piece || pieces_v2 > META_PIECES_MAX)
			return ERR_TOO_BIG;
	}
	*v1 = (end_v1 + piece - 1) / piece;
	return 0;
}

/* Lengths against the hashes that came with them. */
static int check_pieces(const struct create_spec *spec)
{
	uint64_t piece = spec->piece_length, pieces_v1;
	int err = count_pieces(spec, &pieces_v1);

	if (err != 0)
		return err;
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct create_file *f = &spec->files[i];

		if (spec->v2 && f->length > 0 && f->root == NULL)
			return ERR_INVALID;
		if (spec->v2 && f->length > piece && f->layer == NULL)
			return ERR_INVALID;
	}
	return spec->v1 && spec->n_pieces_v1 != pieces_v1 ? ERR_INVALID : 0;
}

bool create_name_is_fit(const char *name)
{
	return meta_component_check(bytes_str(name)) == META_OK;
}

static int check_spec(const struct create_spec *spec)
{
	int err;

	if ((!spec->v1 && !spec->v2) || spec->n_files == 0 || (spec->single && spec->n_files != 1))
		return ERR_INVALID;
	if (spec->n_files > META_FILES_MAX)
		return ERR_TOO_BIG;
	if (!create_name_is_fit(spec->name) || !piece_length_is_fit(spec))
		return ERR_INVALID;
	err = check_pieces(spec);
	return err != 0 ? err : check_paths(spec);
}

static void put_trackers(const struct create_spec *spec, struct buf *out)
{
	if (spec->n_trackers == 0)
		return;
	benc_put_str(out, "announce");
	benc_put_str(out, spec->trackers[0]);
	if (spec->n_trackers == 1)
		return;
	benc_put_str(out, "announce-list");
	benc_put_raw(out, 'l');
	for (size_t i = 0; i < spec->n_trackers; i++) {
		benc_put_raw(out, 'l');
		benc_put_str(out, spec->trackers[i]);
		benc_put_raw(out, 'e');
	}
	benc_put_raw(out, 'e');
}

static void put_webseeds(const struct create_spec *spec, struct buf *out)
{
	if (spec->n_webseeds == 0)
		return;
	benc_put_str(out, "url-list");
	benc_put_raw(out, 'l');
	for (size_t i = 0; i < spec->n_webseeds; i++)
		benc_put_str(out, spec->webseeds[i]);
	benc_put_raw(out, 'e');
}

static int order_roots(const void *a, const void *b)
{
	const struct create_file *x = *(const struct create_file *const *)a;
	const struct create_file *y = *(const struct create_file *const *)b;

	return memcmp(x->root, y->root, SHA256_LEN);
}

/* Sorted by root; files of the same content share one layer. */
static int put_layers(const struct create_spec *spec, struct buf *out)
{
	const struct create_file **list = malloc(spec->n_files * sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < spec->n_files; i++)
		if (spec->files[i].length > spec->piece_length)
			list[n++] = &spec->files[i];
	qsort(list, n, sizeof(*list), order_roots);
	benc_put_str(out, "piece layers");
	benc_put_raw(out, 'd');
	for (size_t i = 0; i < n; i++) {
		uint64_t pieces = (list[i]->length + spec->piece_length - 1) / spec->piece_length;

		if (i > 0 && order_roots(&list[i - 1], &list[i]) == 0)
			continue;
		benc_put_bytes(out, bytes_of(list[i]->root, SHA256_LEN));
		benc_put_bytes(out, bytes_of(list[i]->layer, (size_t)pieces * SHA256_LEN));
	}
	benc_put_raw(out, 'e');
	free(list);
	return 0;
}

/* Nobody could load a torrent beyond our own limits of bytes and of values. */
static int check_size(struct bytes torrent)
{
	struct benc value;

	if (torrent.len > META_BYTES_MAX)
		return ERR_TOO_BIG;
	return benc_parse(torrent, &value, NULL) == ERR_TOO_BIG ? ERR_TOO_BIG : 0;
}

int create_torrent(const struct create_spec *spec, struct buf *out)
{
	size_t start = out->len;
	int err = check_spec(spec);

	if (err != 0)
		return err;
	benc_put_raw(out, 'd');
	put_trackers(spec, out);
	if (spec->comment != NULL) {
		benc_put_str(out, "comment");
		benc_put_str(out, spec->comment);
	}
	if (spec->created_by != NULL) {
		benc_put_str(out, "created by");
		benc_put_str(out, spec->created_by);
	}
	if (spec->created_at != 0) {
		benc_put_pair(out, "creation date", spec->created_at);
	}
	benc_put_str(out, "info");
	create_put_info(spec, out);
	if (spec->v2)
		err = put_layers(spec, out);
	put_webseeds(spec, out);
	benc_put_raw(out, 'e');
	if (err == 0)
		err = out->err;
	return err == 0 ? check_size(bytes_sub(buf_bytes(out), start, out->len - start)) : err;
}

/* ---- beforehand ----------------------------------------------------------------------------- */

/* Layers, without what is in them. Returns the bytes that are left out. */
static uint64_t put_empty_layers(const struct create_spec *spec, struct buf *out)
{
	uint64_t left_out = 0;

	benc_put_str(out, "piece layers");
	benc_put_raw(out, 'd');
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct create_file *f = &spec->files[i];

		if (f->length <= spec->piece_length)
			continue;
		benc_put_bytes(out, bytes_of(f->root, SHA256_LEN));
		benc_put_str(out, "");
		left_out += ((f->length - 1) / spec->piece_length + 1) * SHA256_LEN;
	}
	benc_put_raw(out, 'e');
	return left_out;
}

static bool has_too_many_files(const struct create_spec *spec)
{
	size_t n = spec->n_files;

	for (size_t i = 0; i < spec->n_files; i++)
		n += create_pad(spec, i) > 0;
	return n > META_FILES_MAX;
}

int create_measure(const struct create_spec *spec, enum create_excess *out)
{
	struct create_spec bare = *spec;
	uint64_t pieces_v1 = 0, left_out;
	struct benc value;
	struct buf b;
	int err;

	*out = CREATE_FILES;
	if (has_too_many_files(spec))
		return 0;
	*out = CREATE_PIECES;
	if (count_pieces(spec, &pieces_v1) != 0)
		return 0;
	bare.n_pieces_v1 = 0;
	left_out = spec->v1 ? pieces_v1 * SHA1_LEN : 0;
	buf_init(&b, META_BYTES_MAX);
	benc_put_raw(&b, 'd');
	benc_put_str(&b, "info");
	create_put_info(&bare, &b);
	left_out += spec->v2 ? put_empty_layers(spec, &b) : 0;
	benc_put_raw(&b, 'e');
	err = b.err == ERR_NOMEM ? ERR_NOMEM : 0;
	if (b.err == ERR_TOO_BIG ||
	    (b.err == OK && benc_parse(buf_bytes(&b), &value, NULL) == ERR_TOO_BIG))
		*out = CREATE_FILES;
	else if (left_out <= META_BYTES_MAX - b.len)
		*out = CREATE_FITS;
	buf_fini(&b);
	return err;
}
