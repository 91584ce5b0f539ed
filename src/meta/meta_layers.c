/* meta/meta_layers.c - "piece layers": the hashes of each piece of each v2 file.
 *
 * They lie outside the info dictionary, so no info-hash covers them; each layer is
 * believed only after it hashes to the root that its file names. */
#include "meta/merkle.h"
#include "meta/metainfo_impl.h"

#include <stdlib.h>

#define MID_WIDTH ((uint64_t)1 << META_MID_HEIGHT)

struct layer {
	const uint8_t *root;
	struct bytes hashes;
	const uint8_t *kept; /* in the arena once a file needs it; NULL before */
};

static int order_layers(const void *a, const void *b)
{
	return memcmp(((const struct layer *)a)->root, ((const struct layer *)b)->root, SHA256_LEN);
}

static int order_key(const void *root, const void *layer)
{
	return memcmp(root, ((const struct layer *)layer)->root, SHA256_LEN);
}

/* Of the piece layer above the leaves. */
static uint32_t layer_height(const struct metainfo *m)
{
	return merkle_height(m->piece_length / BLOCK_BYTES);
}

/* How many nodes are kept of the level META_MID_HEIGHT above a layer of `n`; they lie behind it. */
static uint64_t mids_of(uint64_t n)
{
	return n <= MID_WIDTH ? 0 : (n + MID_WIDTH - 1) / MID_WIDTH;
}

/* A root of another length belongs to no file. */
static enum meta_fault layers_count(const struct benc *dict, size_t *n, size_t *total)
{
	struct benc_iter it = benc_iter(dict);
	struct bytes key;
	struct benc value;

	*n = *total = 0;
	while (benc_next(&it, &key, &value)) {
		if (key.len != SHA256_LEN)
			return META_LAYER_EXTRA;
		if (value.type != BENC_STR)
			return META_LAYER_BAD_LENGTH;
		*n += 1;
		*total += value.str.len + mids_of(value.str.len / SHA256_LEN) * SHA256_LEN;
	}
	return META_OK;
}

static enum meta_fault layers_list(const struct benc *dict, struct layer *list, size_t n)
{
	struct benc_iter it = benc_iter(dict);
	struct bytes key;
	struct benc value;
	size_t i = 0;

	while (i < n && benc_next(&it, &key, &value))
		list[i++] = (struct layer){.root = key.ptr, .hashes = value.str};
	qsort(list, n, sizeof(*list), order_layers);
	for (i = 1; i < n; i++)
		if (order_layers(&list[i - 1], &list[i]) == 0)
			return META_DUPLICATE_KEY;
	return META_OK;
}

/* Copy one layer to `*end` and prove it. Files with the same content share one. */
static enum meta_fault layer_keep(struct meta_build *b, struct layer *l, uint8_t **end)
{
	uint64_t n = l->hashes.len / SHA256_LEN, n_mids = mids_of(n);
	uint32_t base = layer_height(b->m);
	uint8_t root[SHA256_LEN], *mids = *end + l->hashes.len;

	memcpy(*end, l->hashes.ptr, l->hashes.len);
	for (uint64_t i = 0, at = 0; i < n_mids; i++, at += MID_WIDTH)
		merkle_over(*end + at * SHA256_LEN, n - at < MID_WIDTH ? n - at : MID_WIDTH,
			    MID_WIDTH, base, mids + i * SHA256_LEN);
	if (n_mids == 0)
		merkle_over(*end, n, merkle_width(n), base, root);
	else
		merkle_over(mids, n_mids, merkle_width(n) / MID_WIDTH, base + META_MID_HEIGHT,
			    root);
	if (memcmp(root, l->root, SHA256_LEN) != 0)
		return META_LAYER_MISMATCH;
	l->kept = *end;
	*end += l->hashes.len + n_mids * SHA256_LEN;
	return META_OK;
}

static bool file_needs_layer(const struct metainfo *m, const struct meta_file *f)
{
	return f->has_root && f->length > m->piece_length;
}

static enum meta_fault layers_assign(struct meta_build *b, struct layer *list, size_t n)
{
	uint8_t *end = b->arena->layers;

	for (uint32_t i = 0; i < b->m->n_files; i++) {
		struct meta_file *f = &b->m->files[i];
		enum meta_fault fault = META_OK;
		struct layer *l;

		if (!file_needs_layer(b->m, f))
			continue;
		l = n == 0 ? NULL : bsearch(f->root, list, n, sizeof(*list), order_key);
		if (l == NULL)
			return META_LAYER_MISSING;
		if (l->hashes.len != (size_t)f->n_pieces * SHA256_LEN)
			return META_LAYER_BAD_LENGTH;
		if (l->kept == NULL)
			fault = layer_keep(b, l, &end);
		if (fault != META_OK)
			return fault;
		f->layer = l->kept;
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].kept == NULL)
			return META_LAYER_EXTRA;
	return META_OK;
}

static enum meta_fault layers_check(struct meta_build *b, const struct benc *dict)
{
	size_t n, total;
	struct layer *list;
	enum meta_fault f = layers_count(dict, &n, &total);

	if (f != META_OK)
		return f;
	list = malloc((n + 1) * sizeof(*list));
	b->arena->layers = malloc(total + 1);
	if (list == NULL || b->arena->layers == NULL) {
		free(list);
		return META_NOMEM;
	}
	f = layers_list(dict, list, n);
	if (f == META_OK)
		f = layers_assign(b, list, n);
	free(list);
	return f;
}

/* Files of one piece are their own layer. Says whether others are there. */
static bool point_at_roots(struct metainfo *m)
{
	bool needed = false;

	for (uint32_t i = 0; i < m->n_files; i++) {
		struct meta_file *f = &m->files[i];

		if (file_needs_layer(m, f))
			needed = true;
		else if (f->has_root)
			f->layer = f->root;
	}
	return needed;
}

static int order_by_root(const void *a, const void *b)
{
	const struct meta_file *x = *(const struct meta_file *const *)a;
	const struct meta_file *y = *(const struct meta_file *const *)b;

	return memcmp(x->root, y->root, SHA256_LEN);
}

static enum meta_fault index_roots(struct meta_build *b)
{
	const struct meta_file **list = malloc(((size_t)b->m->n_files + 1) * sizeof(*list));
	uint32_t n = 0;

	if (list == NULL)
		return META_NOMEM;
	for (uint32_t i = 0; i < b->m->n_files; i++)
		if (b->m->files[i].has_root)
			list[n++] = &b->m->files[i];
	qsort(list, n, sizeof(*list), order_by_root);
	b->arena->by_root = list;
	b->arena->n_by_root = n;
	return META_OK;
}

/* v1's hashes are enough to check every piece by. */
static void take_as_v1(struct metainfo *m)
{
	m->v2 = false;
	memset(m->hash_v2, 0, sizeof(m->hash_v2));
	for (uint32_t i = 0; i < m->n_files; i++) {
		m->files[i].has_root = false;
		m->files[i].layer = NULL;
	}
}

enum meta_fault meta_layers_read(struct meta_build *b, const struct meta_field *field)
{
	bool needed = point_at_roots(b->m);
	enum meta_fault f = META_OK;

	if (field != NULL && field->found)
		f = field->value.type == BENC_DICT ? layers_check(b, &field->value)
						   : META_LAYERS_NOT_DICT;
	else if (field != NULL && needed && b->m->v1)
		take_as_v1(b->m);
	else if (field != NULL && needed)
		f = META_LAYERS_MISSING;
	return f == META_OK ? index_roots(b) : f;
}

uint64_t meta_upper_cost(const struct metainfo *m, const struct meta_file *f, uint32_t level)
{
	uint32_t up = level - layer_height(m);
	uint64_t n = f->n_pieces;

	if (up >= META_MID_HEIGHT && mids_of(n) > 0) {
		n = mids_of(n);
		up -= META_MID_HEIGHT;
	}
	return n >> up == 0 ? n : (uint64_t)1 << up;
}

void meta_upper_node(const struct metainfo *m, const struct meta_file *f, uint32_t level,
		     uint64_t index, uint8_t out[SHA256_LEN])
{
	uint32_t base = layer_height(m);
	uint64_t n = f->n_pieces, width = (uint64_t)1 << (level - base), first = index * width;
	const uint8_t *nodes = f->layer;

	if (first >= n) {
		merkle_pad(level, out);
		return;
	}
	if (width >= MID_WIDTH && mids_of(n) > 0) {
		nodes += n * SHA256_LEN;
		base += META_MID_HEIGHT;
		n = mids_of(n);
		width /= MID_WIDTH;
		first /= MID_WIDTH;
	}
	n = n - first < width ? n - first : width;
	merkle_over(nodes + first * SHA256_LEN, n, width, base, out);
}

const struct meta_file *meta_file_by_root(const struct metainfo *m, const uint8_t root[SHA256_LEN])
{
	const struct meta_arena *arena = m->arena;
	uint32_t low = 0, high = arena->n_by_root;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct meta_file *f = arena->by_root[mid];
		int c = memcmp(root, f->root, SHA256_LEN);

		if (c == 0)
			return f;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
