/* store/hashing_unit.c - the hashes of one unit, and what runs on to the next. */
#include "meta/merkle.h"
#include "store/hashing_impl.h"

#define PIECES_AT_ONCE 32u

static const uint8_t zeros[64 << 10];

/* ---- what stands alone -------------------------------------------------- */

static int part_read(struct hashing_task *t, const struct hashing_part *part, uint8_t *to,
		     struct err_info *info)
{
	struct span span = {to, (size_t)part->length};
	struct hashing_source own;
	int err, closed;

	if (part->source != NULL)
		return hashing_source_read(t, part->source, part->offset, span, info);
	err = hashing_source_open(t, part->file, &own, info);
	if (err != 0)
		return err;
	err = hashing_source_read(t, &own, 0, span, info);
	closed = hashing_source_close(t, &own, err == 0 ? info : NULL);
	return err == 0 ? closed : err;
}

int unit_read(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	int err = 0;

	if (u->streamed)
		return 0;
	for (size_t i = 0; i < u->n_parts && err == 0; i++)
		err = part_read(t, &u->parts[i], u->data + u->parts[i].in_buffer, info);
	return err;
}

static void feed_add(struct hashing_task *t, struct hashing_feed *f, struct bytes data)
{
	while (data.len > 0) {
		uint64_t piece = f->pos / t->piece;
		uint64_t end = hashing_min((piece + 1) * t->piece, t->space_end);
		size_t n = (size_t)hashing_min(data.len, end - f->pos);

		if (f->pos % t->piece == 0)
			digest_begin(f->sha1);
		digest_add(f->sha1, bytes_sub(data, 0, n));
		data = bytes_sub(data, n, data.len - n);
		f->pos += n;
		if (f->pos == end)
			digest_end(f->sha1, t->pieces_v1 + piece * SHA1_LEN);
	}
}

static void feed_zeros_to(struct hashing_task *t, struct hashing_feed *f, uint64_t pos)
{
	while (f->pos < pos)
		feed_add(t, f, bytes_of(zeros, (size_t)hashing_min(sizeof(zeros), pos - f->pos)));
}

static void file_root(const struct hashing_task *t, struct hashing_file *f)
{
	uint64_t n = (f->length - 1) / t->piece + 1;

	merkle_file_root(f->layer, n, (uint32_t)(t->piece / BLOCK_BYTES), f->root);
}

/* From the leaves of a part to piece hashes. */
static void part_tree(struct hashing_task *t, struct hashing_unit *u,
		      const struct hashing_part *part, uint8_t *leaves)
{
	struct hashing_file *f = &t->p->files[part->file];
	uint64_t n = merkle_leaves(part->length), blocks = t->piece / BLOCK_BYTES;
	uint8_t *to;

	if (!u->whole_pieces) {
		merkle_root(leaves, n, UNIT_BLOCKS, 0, u->node);
		return;
	}
	if (f->length <= t->piece) {
		merkle_root(leaves, n, merkle_width(n), 0, f->root);
		return;
	}
	to = f->layer + part->offset / t->piece * SHA256_LEN;
	for (uint64_t i = 0; i < n; i += blocks, to += SHA256_LEN)
		merkle_root(leaves + i * SHA256_LEN, hashing_min(blocks, n - i), blocks, 0, to);
	if (part_is_whole(t, part))
		file_root(t, f);
}

/* The plain hash of a whole file; of one that is a single block the tree has it already. */
static void part_plain(struct hashing_task *t, struct hashing_worker *w,
		       const struct hashing_unit *u, const struct hashing_part *part)
{
	struct hashing_file *f = &t->p->files[part->file];

	if (t->p->v2 && part->length > 0 && part->length <= BLOCK_BYTES)
		memcpy(f->sha256, f->root, SHA256_LEN);
	else
		digest_once(w->sha256, bytes_of(u->data + part->in_buffer, (size_t)part->length),
			    f->sha256);
}

/* One slice at a time when streamed; else the part is a single slice in memory. */
static int part_hash(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
		     const struct hashing_part *part, struct hashing_feed *feed,
		     struct err_info *info)
{
	uint64_t done = 0;

	while (done < part->length) {
		uint64_t left = part->length - done;
		size_t n = (size_t)(u->streamed ? hashing_min(UNIT_BYTES, left) : left);
		struct span slice = {u->data + part->in_buffer, n};
		struct bytes data = {slice.ptr, slice.len};

		if (u->streamed) {
			int err =
			    hashing_source_read(t, part->source, part->offset + done, slice, info);

			if (err != 0)
				return err;
		}
		if (feed != NULL)
			feed_add(t, feed, data);
		if (t->p->v2)
			digest_many(w->many, data, BLOCK_BYTES,
				    w->leaves + done / BLOCK_BYTES * SHA256_LEN);
		done += n;
	}
	if (t->p->v2 && part->length > 0)
		part_tree(t, u, part, w->leaves);
	if (t->p->plain && part_is_whole(t, part))
		part_plain(t, w, u, part);
	return 0;
}

/* A whole file in a streamed piece is nobody else's: open it for the time. */
static int part_hash_own(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
			 const struct hashing_part *part, struct hashing_feed *feed,
			 struct err_info *info)
{
	struct hashing_part lent = *part;
	struct hashing_source own;
	int err, closed;

	err = hashing_source_open(t, part->file, &own, info);
	if (err != 0)
		return err;
	lent.source = &own;
	err = part_hash(t, w, u, &lent, feed, info);
	closed = hashing_source_close(t, &own, err == 0 ? info : NULL);
	return err == 0 ? closed : err;
}

/* Where the unit's memory is the piece space without a gap, its pieces go side by side. */
static bool hash_pieces(struct hashing_task *t, struct hashing_worker *w,
			const struct hashing_unit *u)
{
	struct bytes left = bytes_of(u->data, (size_t)u->bytes), pieces[PIECES_AT_ONCE];
	uint8_t *out = t->pieces_v1 + u->begin / t->piece * SHA1_LEN;

	if (u->streamed || u->bytes != u->end - u->begin || left.len <= t->piece)
		return false;
	while (left.len > 0) {
		size_t n = 0;

		for (; n < PIECES_AT_ONCE && left.len > 0; n++) {
			pieces[n] = bytes_sub(left, 0, (size_t)hashing_min(t->piece, left.len));
			left = bytes_sub(left, pieces[n].len, left.len - pieces[n].len);
		}
		digest_many_sha1(w->many, pieces, n, out);
		out += n * SHA1_LEN;
	}
	return true;
}

int unit_hash(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
	      struct err_info *info)
{
	struct hashing_feed own = {w->sha1, u->begin}, *feed = &own;
	int err = 0;

	if (!t->p->v1 || !u->whole_pieces || hash_pieces(t, w, u))
		feed = NULL;
	for (size_t i = 0; i < u->n_parts && err == 0; i++) {
		const struct hashing_part *part = &u->parts[i];

		if (feed != NULL)
			feed_zeros_to(t, feed, part->at);
		if (u->streamed && part->source == NULL)
			err = part_hash_own(t, w, u, part, feed, info);
		else
			err = part_hash(t, w, u, part, feed, info);
	}
	if (feed != NULL && err == 0)
		feed_zeros_to(t, feed, u->end);
	return err;
}

/* ---- what runs on from unit to unit ------------------------------------- */

bool unit_has_step(const struct hashing_task *t, const struct hashing_unit *u, int s)
{
	switch (s) {
	case STREAM_PLAIN:
		return t->p->plain && u->crossing;
	case STREAM_SHA1:
		return t->p->v1 && !u->whole_pieces;
	default:
		return t->p->v2 && u->crossing;
	}
}

static void step_plain(struct hashing_task *t, const struct hashing_unit *u)
{
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];

		if (part_is_whole(t, part))
			continue;
		if (part->offset == 0)
			digest_begin(t->plain);
		digest_add(t->plain, bytes_of(u->data + part->in_buffer, (size_t)part->length));
		if (part_is_last(t, part))
			digest_end(t->plain, t->p->files[part->file].sha256);
	}
}

static void step_sha1(struct hashing_task *t, const struct hashing_unit *u)
{
	t->feed.pos = u->begin;
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];

		feed_zeros_to(t, &t->feed, part->at);
		feed_add(t, &t->feed, bytes_of(u->data + part->in_buffer, (size_t)part->length));
	}
	feed_zeros_to(t, &t->feed, u->end);
}

/* The tops of a long piece's units, gathered until it is whole. */
static void gather_node(struct hashing_task *t, const struct hashing_part *part,
			const uint8_t node[SHA256_LEN])
{
	struct hashing_file *f = &t->p->files[part->file];
	uint64_t end = part->offset + part->length;
	uint64_t n = part->offset % t->piece / UNIT_BYTES + 1;

	memcpy(t->gather + (n - 1) * SHA256_LEN, node, SHA256_LEN);
	if (end % t->piece != 0 && end != f->length)
		return;
	if (f->length <= t->piece)
		merkle_root(t->gather, n, merkle_width(n), UNIT_LEVEL, f->root);
	else
		merkle_root(t->gather, n, t->piece / UNIT_BYTES, UNIT_LEVEL,
			    f->layer + part->offset / t->piece * SHA256_LEN);
}

static void step_tree(struct hashing_task *t, const struct hashing_unit *u)
{
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];
		struct hashing_file *f = &t->p->files[part->file];

		if (part_is_whole(t, part))
			continue;
		if (!u->whole_pieces)
			gather_node(t, part, u->node);
		if (part_is_last(t, part) && f->length > t->piece)
			file_root(t, f);
	}
}

void unit_step(struct hashing_task *t, const struct hashing_unit *u, int s)
{
	if (s == STREAM_PLAIN)
		step_plain(t, u);
	else if (s == STREAM_SHA1)
		step_sha1(t, u);
	else
		step_tree(t, u);
}
