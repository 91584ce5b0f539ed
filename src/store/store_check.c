/* store/store_check.c - pieces against their hashes. */
#include <stdlib.h>

#include "meta/merkle.h"
#include "store/store_impl.h"

static_assert(POOL_SCRATCH_BYTES % BLOCK_BYTES == 0, "whole blocks are read");

void shape_of(const struct store *s, uint32_t piece, struct piece_shape *out)
{
	const struct metainfo *m = s->meta;
	const struct meta_file *f = meta_piece_file(m, piece);
	const uint8_t *hash = m->v2 ? meta_piece_hash_v2(m, piece) : NULL;

	assert(piece < m->n_pieces);
	*out = (struct piece_shape){
	    .offset = (uint64_t)piece * m->piece_length,
	    .bytes = meta_piece_bytes(m, piece),
	    .blocks = meta_piece_blocks(m, piece),
	    .tree_blocks = m->piece_length / BLOCK_BYTES,
	    .v2 = m->v2,
	};
	out->real = out->bytes;
	if (m->v2 && f != NULL) {
		uint64_t left = f->offset + f->length - out->offset;

		out->real = left < out->bytes ? (uint32_t)left : out->bytes;
		out->whole_file = f->length <= m->piece_length;
	}
	if (hash != NULL)
		memcpy(out->want, hash, SHA256_LEN);
	else if (!m->v2)
		memcpy(out->want, m->pieces_v1 + (size_t)piece * SHA1_LEN, SHA1_LEN);
}

void shape_hash_blocks(const struct piece_shape *p, uint32_t from, uint32_t to, const uint8_t *data,
		       struct digest_many *many, uint8_t *out)
{
	uint32_t begin = from * BLOCK_BYTES, end = to * BLOCK_BYTES;
	uint32_t real = p->real <= begin ? 0 : (p->real < end ? p->real : end) - begin;
	size_t n = (real + BLOCK_BYTES - 1) / BLOCK_BYTES;

	digest_many(many, bytes_of(data, real), BLOCK_BYTES, out);
	memset(out + n * SHA256_LEN, 0, (to - from - n) * SHA256_LEN);
}

/* ---- on a worker -------------------------------------------------------- */

struct check {
	struct task task;
	struct piece_shape shape;
	uint8_t *leaves;       /* 32 bytes a block */
	const uint16_t *known; /* per run: those of `leaves` that are there; NULL: none */
	struct digest *sha1;   /* v1: already holds the blocks before `from` */
	uint32_t from;
	const uint8_t *mem; /* v1: where the whole piece is, perhaps not yet on disk; else NULL */
	uint8_t *own;	    /* memory of this check alone, `mem`, to be filled first; else NULL */
	bool want_hashes;
	bool written; /* just now: the disk may begin */
	bool good;
	uint64_t read;
};

static bool is_known(const struct check *c, uint32_t i)
{
	return c->known != NULL &&
	       (c->known[i / POOL_SLAB_BLOCKS] >> (i % POOL_SLAB_BLOCKS) & 1) != 0;
}

/* Read blocks [from, to), which fit into the scratch. */
static int read_blocks(struct check *c, struct pool_worker *w, uint32_t from, uint32_t to,
		       struct span *out)
{
	uint32_t begin = from * BLOCK_BYTES, end = to * BLOCK_BYTES;

	if (end > c->shape.bytes)
		end = c->shape.bytes;
	*out = (struct span){w->scratch, end - begin};
	if (c->mem != NULL) {
		memcpy(out->ptr, c->mem + begin, out->len);
		return OK;
	}
	c->read += out->len;
	return bytes_read(c->task.s, c->shape.offset + begin, *out, &c->task.e.err);
}

/* Fill in the block hashes that are not known. */
static int find_leaves(struct check *c, struct pool_worker *w)
{
	const uint32_t step = POOL_SCRATCH_BYTES / BLOCK_BYTES;

	for (uint32_t from = 0, to; from < c->shape.blocks; from = to) {
		struct span data;
		int err;

		to = from + 1;
		if (is_known(c, from))
			continue;
		while (to < c->shape.blocks && to - from < step && !is_known(c, to))
			to++;
		err = read_blocks(c, w, from, to, &data);
		if (err != OK)
			return err;
		shape_hash_blocks(&c->shape, from, to, data.ptr, w->many,
				  c->leaves + (size_t)from * SHA256_LEN);
	}
	return OK;
}

/* The tree is worked out in place, so on a copy while the hashes are wanted. */
static int check_v2(struct check *c, struct pool_worker *w)
{
	uint32_t n = (c->shape.real + BLOCK_BYTES - 1) / BLOCK_BYTES;
	uint8_t root[SHA256_LEN], *tree;
	int err = find_leaves(c, w);

	if (err != OK)
		return err;
	tree = malloc((size_t)n * SHA256_LEN);
	if (tree == NULL)
		return err_set(&c->task.e.err, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	memcpy(tree, c->leaves, (size_t)n * SHA256_LEN);
	merkle_piece(tree, n, c->shape.tree_blocks, c->shape.whole_file, root);
	free(tree);
	c->good = memcmp(root, c->shape.want, SHA256_LEN) == 0;
	return OK;
}

/* The bytes from `from` on, read back. */
static int read_sum(struct check *c, struct pool_worker *w, uint8_t sum[SHA1_LEN])
{
	const uint32_t step = POOL_SCRATCH_BYTES / BLOCK_BYTES;
	struct digest *sha1 = c->sha1;

	if (sha1 == NULL) {
		sha1 = w->sha1;
		digest_begin(sha1);
	}
	for (uint32_t from = c->from, to; from < c->shape.blocks; from = to) {
		struct span data;
		int err;

		to = c->shape.blocks - from < step ? c->shape.blocks : from + step;
		err = read_blocks(c, w, from, to, &data);
		if (err != OK)
			return err;
		digest_add(sha1, bytes_of(data.ptr, data.len));
	}
	digest_end(sha1, sum);
	return OK;
}

static void judge_v1(struct check *c, struct pool_worker *w, const uint8_t sum[SHA1_LEN])
{
	c->good = memcmp(sum, c->shape.want, SHA1_LEN) == 0;
	/* Hashes of the blocks tell later who sent the bad one. */
	if (c->leaves != NULL && (!c->good || c->want_hashes))
		find_leaves(c, w);
}

/* Is the whole piece in memory now? */
static bool load(struct check *c)
{
	struct span all = {c->own, c->shape.bytes};

	if (c->own == NULL)
		return true;
	c->read += all.len;
	return bytes_read(c->task.s, c->shape.offset, all, &c->task.e.err) == OK;
}

static void check_v1(struct check *c, struct pool_worker *w)
{
	uint8_t sum[SHA1_LEN];

	if (!load(c))
		return;
	if (c->mem != NULL)
		digest_once(w->sha1, bytes_of(c->mem, c->shape.bytes), sum);
	else if (read_sum(c, w, sum) != OK)
		return;
	judge_v1(c, w, sum);
}

static void sync_good(const struct check *c)
{
	if (c->good && c->written && c->mem == NULL)
		bytes_start_sync(c->task.s, c->shape.offset, c->shape.bytes);
}

static void check_run(struct pool_job *job, struct pool_worker *w)
{
	struct check *c = (struct check *)job;

	if (atomic_load(&c->task.s->cancel))
		return;
	c->good = false;
	if (c->shape.v2)
		check_v2(c, w);
	else
		check_v1(c, w);
	sync_good(c);
}

/* Whole v1 pieces, in less time than one after the other. */
static void check_many(struct pool_job **jobs, size_t n, struct pool_worker *w)
{
	struct check *loaded[POOL_MANY_MAX];
	struct bytes pieces[POOL_MANY_MAX] = {0};
	uint8_t sums[POOL_MANY_MAX * SHA1_LEN];
	size_t n_loaded = 0;

	for (size_t i = 0; i < n; i++) {
		struct check *c = (struct check *)jobs[i];

		if (atomic_load(&c->task.s->cancel) || !load(c))
			continue;
		pieces[n_loaded] = bytes_of(c->mem, c->shape.bytes);
		loaded[n_loaded++] = c;
	}
	digest_many_sha1(w->many, pieces, n_loaded, sums);
	for (size_t i = 0; i < n_loaded; i++) {
		judge_v1(loaded[i], w, sums + i * SHA1_LEN);
		sync_good(loaded[i]);
	}
}

/* The piece is in memory as a whole. */
static void check_with_others(struct check *c)
{
	c->task.job.run_many = check_many;
	c->task.job.many = pieces_together(c->task.s, &c->shape);
}

/* As task_try(); `with_leaves`: there is room for the hashes of its blocks. */
static struct check *check_try(struct store *s, enum store_event_type type, uint32_t piece,
			       uint64_t token, bool with_leaves)
{
	struct check *c = task_try(s, sizeof(*c), type, piece, token);

	if (c == NULL)
		return NULL;
	shape_of(s, piece, &c->shape);
	c->leaves = with_leaves ? calloc(c->shape.blocks, SHA256_LEN) : NULL;
	if (!with_leaves || c->leaves != NULL)
		return c;
	free(c);
	return NULL;
}

/* As task_new(). */
static struct check *check_new(struct store *s, enum store_event_type type, uint32_t piece,
			       bool with_leaves)
{
	struct check *c = check_try(s, type, piece, 0, with_leaves);

	if (c == NULL)
		task_nomem(s, type, piece, 0);
	return c;
}

/* Give the block hashes to the event, or free them. */
static void check_end(struct check *c, bool with_hashes)
{
	struct task *t = &c->task;

	t->s->read += c->read;
	if (with_hashes && t->e.err.code == OK) {
		t->hashes = c->leaves;
		t->e.n_hashes = c->shape.blocks;
	} else {
		free(c->leaves);
	}
	task_end(t);
}

/* ---- verify ------------------------------------------------------------- */

static void mark_had(struct store *s, uint32_t piece, bool good)
{
	if (good)
		bitfield_set(&s->have, piece);
	else
		bitfield_unset(&s->have, piece);
	bitfield_unset(&s->unsure, piece);
}

static void piece_judged(struct store *s, struct piece *p, const struct check *c)
{
	p->verify_wanted = p->verifying = false;
	if (c->task.e.err.code != OK) {
		piece_reset(s, p);
	} else if (c->good) {
		mark_had(s, p->index, true);
		p->settled = true;
		if (p->slabs == NULL)
			piece_free(s, p);
	} else if (p->leaves != NULL) {
		memcpy(p->leaves, c->leaves, (size_t)p->shape.blocks * SHA256_LEN);
		memset(p->known, 0xff, p->runs * sizeof(*p->known));
	}
}

static void verify_end(struct check *c)
{
	struct store *s = c->task.s;
	struct piece *p = s->pieces[c->task.e.piece];

	p->parked = NULL;
	if (c->task.e.err.code == OK)
		c->task.e.err = p->err;
	c->task.e.good = c->good && c->task.e.err.code == OK;
	piece_checked(s, p);
	if (!s->closed)
		piece_judged(s, p, c);
	else if (p->jobs == 0)
		piece_leave_memory(s, p);
	else
		p->verifying = false; /* the last write sees to the memory */
	hub_tell_room(s->hub);
	check_end(c, !c->good || c->want_hashes);
}

/* A piece in memory may be hashed before all of it is written. */
static void verify_done(struct pool_job *job)
{
	struct check *c = (struct check *)job;
	struct piece *p = c->task.s->pieces[c->task.e.piece];

	if (c->mem != NULL && p->jobs > 0 && !c->task.s->closed)
		p->parked = c;
	else
		verify_end(c);
}

void verify_forget(struct store *s, struct piece *p)
{
	if (p->parked == NULL)
		return;
	free(p->parked->leaves);
	free(p->parked);
	p->parked = NULL;
	p->verifying = false;
	s->jobs--;
}

static void verify_start(struct store *s, struct piece *p)
{
	struct check *c = check_new(s, STORE_VERIFIED, p->index, true);

	if (c == NULL) {
		p->verify_wanted = false;
		piece_reset(s, p);
		return;
	}
	c->want_hashes = p->want_hashes;
	c->written = true;
	if (p->leaves != NULL) {
		memcpy(c->leaves, p->leaves, (size_t)p->shape.blocks * SHA256_LEN);
		c->known = p->known;
	}
	c->sha1 = p->sha1;
	c->from = p->sha1_next;
	p->verifying = true;
	if (p->checking) {
		c->mem = p->mem;
		check_with_others(c);
	}
	if (p->err.code == OK) {
		task_submit(&c->task, check_run, verify_done);
		return;
	}
	/* Its bytes could not be written: no use to hash them. */
	s->jobs++;
	verify_done(&c->task.job);
}

void piece_written(struct store *s, struct piece *p)
{
	if (p->parked != NULL)
		verify_end(p->parked);
	else if (p->verify_wanted && !p->verifying)
		verify_start(s, p);
}

/* An answer that needs no look at the disk. */
static void verify_answer(struct store *s, uint32_t piece, enum err code)
{
	struct task *t = task_new(s, sizeof(*t), STORE_VERIFIED, piece, 0);

	if (t == NULL)
		return;
	t->e.good = code == OK;
	if (code != OK)
		err_set(&t->e.err, code, "%s", err_text(code));
	event_push(&t->event);
}

void store_verify(struct store *s, uint32_t piece, bool want_hashes)
{
	struct piece *p;

	if (s->mode != STORE_DOWNLOAD || piece >= s->meta->n_pieces)
		return;
	p = piece_at(s, piece);
	if (p == NULL || p->settled) {
		verify_answer(s, piece, p == NULL ? ERR_NOMEM : OK);
		return;
	}
	if (p->verify_wanted)
		return;
	p->verify_wanted = true;
	p->want_hashes = want_hashes;
	p->checking = p->mem_blocks == p->shape.blocks;
	s->hub->checking += p->checking;
	piece_flush(p);
	if (p->checking)
		bytes_clear_pads(s, p->shape.offset, (struct span){p->mem, p->shape.bytes});
	if (p->checking || p->jobs == 0)
		verify_start(s, p);
}

/* ---- recheck ------------------------------------------------------------ */

static void checks_hand_out(struct store *s);

/* Without memory, or a descriptor, nothing was found out: another recheck may. */
static void note_checked(struct store *s, const struct store_event *e)
{
	mark_had(s, e->piece, e->good);
	if (e->err.code == ERR_NOMEM || e->err.code == ERR_TOO_BIG)
		bitfield_set(&s->unsure, e->piece);
}

static void recheck_done(struct pool_job *job)
{
	struct check *c = (struct check *)job;
	struct store *s = c->task.s;
	struct store_event *e = &c->task.e;

	s->checks_out--;
	if (c->own != NULL) {
		pool_slabs_give(s->hub->pool, c->own, shape_runs(&c->shape));
		hub_tell_room(s->hub);
	}
	/* A file that is missing or too short is a piece we lack, not a fault. */
	if (e->err.code == ERR_NOENT || e->err.code == ERR_MISMATCH)
		e->err.code = OK;
	e->good = c->good && e->err.code == OK;
	if (!s->closed) {
		e->stored = bitfield_has(&s->have, e->piece) || bitfield_has(&s->unsure, e->piece);
		note_checked(s, e);
		e->last = s->todo.count == 0 && s->checks_out == 0;
		if (e->last)
			(void)store_places_check(s, &e->err);
		checks_hand_out(s);
	}
	check_end(c, false);
}

static bool check_one(struct store *s, uint32_t piece)
{
	struct check *c = check_new(s, STORE_CHECKED, piece, s->meta->v2);

	if (c == NULL)
		return false;
	c->mem = c->own = piece_memory(s, &c->shape);
	if (c->own != NULL)
		check_with_others(c);
	s->checks_out++;
	task_submit(&c->task, check_run, recheck_done);
	return true;
}

/* More than a few only where they go together in memory. */
static bool may_check_next(struct store *s)
{
	struct piece_shape shape;

	if (s->checks_out < STORE_CHECKS_OUT)
		return true;
	shape_of(s, s->todo_from, &shape);
	return s->checks_out < STORE_CHECKS_OUT_MAX && pieces_together(s, &shape) > 2 &&
	       piece_has_memory(s, &shape);
}

static void checks_hand_out(struct store *s)
{
	while (s->todo.count > 0) {
		while (!bitfield_has(&s->todo, s->todo_from))
			s->todo_from++;
		if (!may_check_next(s))
			return;
		bitfield_unset(&s->todo, s->todo_from);
		/* The event says ERR_NOMEM: that ends the recheck. */
		if (!check_one(s, s->todo_from))
			bitfield_clear(&s->todo);
	}
}

void store_recheck(struct store *s, bool all)
{
	for (uint32_t i = 0; i < s->todo.n; i++) {
		if (all || bitfield_has(&s->unsure, i))
			bitfield_set(&s->todo, i);
	}
	s->todo_from = 0;
	if (s->todo.count == 0 && s->checks_out == 0) {
		struct task *t = task_new(s, sizeof(*t), STORE_CHECKED, UINT32_MAX, 0);

		if (t != NULL) {
			t->e.last = true;
			event_push(&t->event);
		}
		return;
	}
	checks_hand_out(s);
}

/* ---- leaves ------------------------------------------------------------- */

static void leaves_run(struct pool_job *job, struct pool_worker *w)
{
	struct check *c = (struct check *)job;

	if (!atomic_load(&c->task.s->cancel))
		find_leaves(c, w);
}

static void leaves_done(struct pool_job *job)
{
	check_end((struct check *)job, true);
}

int store_leaves(struct store *s, uint32_t piece, uint64_t token)
{
	struct check *c = check_try(s, STORE_LEAVES, piece, token, true);

	if (c == NULL)
		return ERR_NOMEM;
	task_submit(&c->task, leaves_run, leaves_done);
	return OK;
}
