/* store/store_recv.c - blocks gather in slabs, workers write them.
 *
 * The rules:
 *   - a slab is written when the last block of its run came, so with one pwrite;
 *   - when slabs are out, the oldest one that nobody is reading into is written as it is;
 *   - a slab with a reader in it stays, but a verify may have its other blocks written;
 *   - when every slab is held by readers that stall, single blocks are dealt out instead;
 *   - three quarters of all slabs may be those of v1 pieces that stay in memory until they are
 * verified. */
#include <stdlib.h>

#include "store/store_impl.h"

/* Flush half-full slabs only while few are being written: those come free by themselves. */
#define FLUSH_WHILE_OUT 8u

static uint16_t bit(uint32_t i)
{
	return (uint16_t)(1u << i);
}

/* ---- pieces ------------------------------------------------------------- */

static uint32_t run_blocks(const struct piece *p, uint32_t run)
{
	uint32_t left = p->shape.blocks - run * POOL_SLAB_BLOCKS;

	return left < POOL_SLAB_BLOCKS ? left : POOL_SLAB_BLOCKS;
}

static bool run_came(const struct piece *p, uint32_t run)
{
	return p->got[run] == (uint16_t)((1u << run_blocks(p, run)) - 1);
}

void piece_checked(struct store *s, struct piece *p)
{
	s->hub->checking -= p->checking;
	p->checking = false;
}

void piece_leave_memory(struct store *s, struct piece *p)
{
	piece_checked(s, p);
	p->split = true;
	p->mem_blocks = 0;
	if (p->mem == NULL || p->slabs != NULL)
		return;
	pool_slabs_give(s->hub->pool, p->mem, p->runs);
	p->mem = NULL;
}

void piece_reset(struct store *s, struct piece *p)
{
	piece_leave_memory(s, p);
	memset(p->got, 0, p->runs * sizeof(*p->got));
	memset(p->known, 0, p->runs * sizeof(*p->known));
	p->err.code = OK;
	p->sha1_next = p->sha1_planned = 0;
	if (p->sha1 != NULL)
		digest_begin(p->sha1);
}

void piece_free(struct store *s, struct piece *p)
{
	s->pieces[p->index] = NULL;
	piece_leave_memory(s, p);
	digest_free(p->sha1);
	free(p->got);
	free(p->busy);
	free(p->known);
	free(p->open);
	free(p->leaves);
	free(p);
}

static bool piece_alloc(struct piece *p)
{
	p->got = calloc(p->runs, sizeof(*p->got));
	p->busy = calloc(p->runs, sizeof(*p->busy));
	p->known = calloc(p->runs, sizeof(*p->known));
	p->open = calloc(p->runs, sizeof(struct slab *));
	if (p->got == NULL || p->busy == NULL || p->known == NULL || p->open == NULL)
		return false;
	if (p->shape.v2)
		p->leaves = calloc(p->shape.blocks, SHA256_LEN);
	else
		p->sha1 = digest_new(DIGEST_SHA1);
	return p->leaves != NULL || p->sha1 != NULL;
}

/* What whole v1 pieces leave to the others. */
static unsigned slabs_for_others(const struct store *s)
{
	return pool_slabs_max(s->hub->pool) / 4;
}

unsigned pieces_together(struct store *s, const struct piece_shape *shape)
{
	struct store_hub *h = s->hub;
	unsigned fit = (pool_slabs_max(h->pool) - slabs_for_others(s)) / shape_runs(shape);

	if (shape->v2 || shape->bytes > DIGEST_MANY_BYTES_MAX)
		return 1;
	if (h->sha1.most == 0)
		h->sha1 = digest_many_sha1_widths();
	/* Two at least, for a single long one need not be read back either. */
	return digest_many_together(h->sha1, fit < 2 ? 2 : fit);
}

bool piece_has_memory(struct store *s, const struct piece_shape *shape)
{
	return pieces_together(s, shape) > 1 &&
	       pool_slabs_free(s->hub->pool) >= slabs_for_others(s) + shape_runs(shape);
}

uint8_t *piece_memory(struct store *s, const struct piece_shape *shape)
{
	if (!piece_has_memory(s, shape))
		return NULL;
	return pool_slabs_take(s->hub->pool, shape_runs(shape));
}

struct piece *piece_at(struct store *s, uint32_t index)
{
	struct piece *p = s->pieces[index];

	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->index = index;
	p->chain_tail = &p->chain;
	shape_of(s, index, &p->shape);
	p->runs = shape_runs(&p->shape);
	s->pieces[index] = p;
	if (!piece_alloc(p)) {
		piece_free(s, p);
		return NULL;
	}
	piece_reset(s, p);
	p->split = pieces_together(s, &p->shape) == 1;
	return p;
}

/* ---- a worker writes a slab --------------------------------------------- */

static uint8_t *slab_at(const struct slab *b, uint32_t i)
{
	return b->mem + (size_t)(i - b->first) * BLOCK_BYTES;
}

/* Blocks [from, to) of the run as bytes; the last block of a piece may be short. */
static struct span slab_bytes(const struct slab *b, uint32_t from, uint32_t to)
{
	uint32_t end = to * BLOCK_BYTES < b->run_bytes ? to * BLOCK_BYTES : b->run_bytes;

	return (struct span){slab_at(b, from), end - from * BLOCK_BYTES};
}

/* `data` holds blocks [from, to) of the run, still warm in the cache. */
static void hash_blocks(struct slab *b, struct pool_worker *w, uint32_t from, uint32_t to,
			struct span data)
{
	uint32_t first = b->run * POOL_SLAB_BLOCKS, end;

	if (b->piece->shape.v2) {
		shape_hash_blocks(&b->piece->shape, first + from, first + to, data.ptr, w->many,
				  b->leaves[from]);
		return;
	}
	if (b->lent)
		return;
	/* What counts is what a reader will get: pads as zeros. */
	bytes_clear_pads(b->s, b->offset + from * BLOCK_BYTES, data);
	if (b->sha1 == NULL || from != b->sha1_first)
		return;
	end = from + b->sha1_blocks;
	data = slab_bytes(b, from, end);
	digest_add(b->sha1, bytes_of(data.ptr, data.len));
}

static void slab_run(struct pool_job *job, struct pool_worker *w)
{
	struct slab *b = (struct slab *)job;

	for (uint32_t from = 0, to; from < POOL_SLAB_BLOCKS; from = to) {
		struct span data;

		to = from + 1;
		if ((b->out & bit(from)) == 0 || b->err.code != OK)
			continue;
		if (atomic_load(&b->s->cancel))
			return;
		while (to < POOL_SLAB_BLOCKS && (b->out & bit(to)) != 0)
			to++;
		data = slab_bytes(b, from, to);
		hash_blocks(b, w, from, to, data);
		if (bytes_write(b->s, b->offset + from * BLOCK_BYTES, bytes_of(data.ptr, data.len),
				&b->err) == OK)
			b->written += data.len;
		if (b->lent)
			bytes_start_sync(b->s, b->offset + from * BLOCK_BYTES, data.len);
	}
}

/* ---- the life of a slab ------------------------------------------------- */

static void age_unlink(struct store_hub *h, struct slab *b)
{
	*(b->older != NULL ? &b->older->newer : &h->oldest) = b->newer;
	*(b->newer != NULL ? &b->newer->older : &h->newest) = b->older;
}

static void age_link(struct store_hub *h, struct slab *b)
{
	b->older = h->newest;
	b->newer = NULL;
	*(h->newest != NULL ? &h->newest->newer : &h->oldest) = b;
	h->newest = b;
}

static void slab_close(struct slab *b)
{
	if (b->closed)
		return;
	b->closed = true;
	if (b->spare)
		return;
	b->piece->open[b->run] = NULL;
	age_unlink(b->s->hub, b);
}

static void slab_free(struct slab *b)
{
	struct store_hub *h = b->s->hub;

	slab_close(b);
	if (b->spare) {
		free(b->mem);
		h->spares--;
	} else if (!b->lent) {
		pool_slabs_give(h->pool, b->mem, 1);
	}
	free(b);
}

static void slab_release(struct slab *b)
{
	struct store *s = b->s;
	struct piece *p = b->piece;
	struct slab **at = &p->slabs;

	while (*at != b)
		at = &(*at)->next_in_piece;
	*at = b->next_in_piece;
	slab_free(b);
	if (p->settled && p->slabs == NULL)
		piece_free(s, p);
	else if (p->split && p->slabs == NULL)
		piece_leave_memory(s, p);
	hub_tell_room(s->hub);
}

static void slab_done(struct pool_job *job);

static void slab_start(struct slab *b)
{
	b->job.run = slab_run;
	b->job.done = slab_done;
	b->s->hub->slabs_out++;
	store_job_out(b->s, &b->job);
}

/* v1-only: does this slab go on where the piece's SHA-1 stops? */
static bool plan_sha1(struct piece *p, struct slab *b)
{
	uint32_t base = b->run * POOL_SLAB_BLOCKS, n = 0;
	uint32_t first = p->sha1_planned - base;

	b->sha1 = NULL;
	if (p->sha1 == NULL || !p->split || p->sha1_planned < base || first >= POOL_SLAB_BLOCKS ||
	    (b->out & bit(first)) == 0 || (first > 0 && (b->out & bit(first - 1)) != 0))
		return false;
	while (first + n < POOL_SLAB_BLOCKS && (b->out & bit(first + n)) != 0)
		n++;
	b->sha1 = p->sha1;
	b->sha1_first = first;
	b->sha1_blocks = n;
	p->sha1_planned += n;
	return true;
}

/* Have the blocks written that came. */
static void slab_submit(struct slab *b)
{
	struct piece *p = b->piece;

	b->out = b->got;
	b->got = 0;
	b->written = 0;
	b->err.code = OK;
	p->jobs++;
	if (plan_sha1(p, b) && p->sha1_busy) {
		b->next_in_chain = NULL;
		*p->chain_tail = b;
		p->chain_tail = &b->next_in_chain;
		return;
	}
	if (b->sha1 != NULL)
		p->sha1_busy = true;
	slab_start(b);
}

/* After each change: has the slab something to write, or is it free? */
static void slab_settle(struct slab *b)
{
	if (!b->closed && b->got != 0 && b->busy == 0 && (b->spare || run_came(b->piece, b->run)))
		slab_close(b);
	if (b->out != 0)
		return;
	if (b->got != 0 && b->closed)
		slab_submit(b);
	else if (b->got == 0 && b->busy == 0)
		slab_release(b);
}

static void chain_next(struct piece *p)
{
	struct slab *b = p->chain;

	p->sha1_busy = b != NULL;
	if (b == NULL)
		return;
	p->chain = b->next_in_chain;
	if (p->chain == NULL)
		p->chain_tail = &p->chain;
	slab_start(b);
}

/* Take over what the worker found out. */
static void take_result(struct slab *b)
{
	struct piece *p = b->piece;
	uint32_t base = b->run * POOL_SLAB_BLOCKS;

	b->s->written += b->written;
	if (b->err.code != OK && p->err.code == OK)
		p->err = b->err;
	for (uint32_t i = 0; p->leaves != NULL && i < POOL_SLAB_BLOCKS; i++) {
		if ((b->out & bit(i)) != 0)
			memcpy(p->leaves + (size_t)(base + i) * SHA256_LEN, b->leaves[i],
			       SHA256_LEN);
	}
	p->known[b->run] |= b->out;
	if (b->sha1 != NULL) {
		p->sha1_next += b->sha1_blocks;
		chain_next(p);
	}
	p->jobs--;
	b->out = 0;
}

static void slab_done(struct pool_job *job)
{
	struct slab *b = (struct slab *)job;
	struct store *s = b->s;
	struct piece *p = b->piece;

	s->hub->slabs_out--;
	if (s->closed) {
		slab_free(b);
		if (--p->jobs == 0 && !p->verifying)
			piece_leave_memory(s, p);
		hub_tell_room(s->hub);
		store_job_in(s);
		return;
	}
	take_result(b);
	slab_settle(b);
	if (p->jobs == 0)
		piece_written(s, p);
	hub_tell_room(s->hub);
	store_job_in(s);
}

void piece_flush(struct piece *p)
{
	struct slab *b, *next;

	for (b = p->slabs; b != NULL; b = next) {
		next = b->next_in_piece;
		slab_close(b);
		slab_settle(b);
	}
}

/* The store closes: give back all that no worker has. */
static void piece_drop(struct store *s, struct piece *p)
{
	struct slab *b, *next;

	for (b = p->chain; b != NULL; b = b->next_in_chain) {
		b->out = 0;
		p->jobs--;
	}
	for (b = p->slabs; b != NULL; b = next) {
		next = b->next_in_piece;
		slab_close(b);
		if (b->out == 0)
			slab_free(b);
	}
	p->slabs = NULL;
	verify_forget(s, p);
	if (p->jobs == 0 && !p->verifying)
		piece_leave_memory(s, p);
}

void slabs_drop(struct store *s)
{
	for (uint32_t i = 0; s->pieces != NULL && i < s->meta->n_pieces; i++) {
		if (s->pieces[i] != NULL)
			piece_drop(s, s->pieces[i]);
	}
}

/* ---- spans -------------------------------------------------------------- */

/* Slabs are out: have the oldest written that nobody is reading into. */
static bool flush_oldest(struct store_hub *h)
{
	struct slab *b = h->oldest;

	while (b != NULL && (b->busy != 0 || b->got == 0 || b->lent))
		b = b->newer;
	if (b == NULL)
		return false;
	slab_close(b);
	slab_settle(b);
	return true;
}

static struct slab *slab_alloc(struct store *s, struct piece *p, uint32_t run, uint8_t *mem)
{
	struct slab *b = calloc(1, sizeof(*b));
	uint32_t begin = run * POOL_SLAB_BYTES, left = p->shape.bytes - begin;

	if (b == NULL)
		return NULL;
	b->s = s;
	b->piece = p;
	b->run = run;
	b->mem = mem;
	b->offset = p->shape.offset + begin;
	b->run_bytes = left < POOL_SLAB_BYTES ? left : POOL_SLAB_BYTES;
	b->next_in_piece = p->slabs;
	p->slabs = b;
	return b;
}

static int spare_new(struct store *s, struct piece *p, uint32_t run, uint32_t i, struct slab **out)
{
	struct store_hub *h = s->hub;
	uint8_t *mem;

	if (h->spares == STORE_SPARES_MAX) {
		store_wait_room(s);
		return ERR_AGAIN;
	}
	mem = malloc(BLOCK_BYTES);
	*out = mem == NULL ? NULL : slab_alloc(s, p, run, mem);
	if (*out == NULL) {
		free(mem);
		return ERR_NOMEM;
	}
	(*out)->spare = true;
	(*out)->first = i;
	h->spares++;
	return OK;
}

/* Memory for a run; NULL when there is none. The first run decides for the piece. */
static uint8_t *run_memory(struct store *s, struct piece *p, uint32_t run, bool *lent)
{
	*lent = !p->split;
	if (!p->split && p->mem == NULL)
		p->mem = piece_memory(s, &p->shape);
	if (!p->split && p->mem != NULL)
		return p->mem + (size_t)run * POOL_SLAB_BYTES;
	/* Where verifying is slower than the network memory comes free soon. */
	if (!p->split && s->hub->checking > 0)
		return NULL;
	p->split = true;
	*lent = false;
	return pool_slabs_take(s->hub->pool, 1);
}

static int slab_new(struct store *s, struct piece *p, uint32_t run, uint32_t i, struct slab **out)
{
	struct store_hub *h = s->hub;
	bool lent;
	uint8_t *mem = run_memory(s, p, run, &lent);

	if (mem == NULL && p->split) {
		if (h->slabs_out < FLUSH_WHILE_OUT)
			flush_oldest(h);
		if (h->slabs_out == 0 && h->checking == 0)
			return spare_new(s, p, run, i, out);
	}
	if (mem == NULL) {
		store_wait_room(s);
		return ERR_AGAIN;
	}
	*out = slab_alloc(s, p, run, mem);
	if (*out == NULL) {
		if (!lent)
			pool_slabs_give(h->pool, mem, 1);
		return ERR_NOMEM;
	}
	(*out)->lent = lent;
	p->open[run] = *out;
	age_link(h, *out);
	return OK;
}

/* Is this one whole block of ours to receive? */
static bool block_is_sane(const struct store *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	if (s->mode != STORE_DOWNLOAD || piece >= s->meta->n_pieces || begin % BLOCK_BYTES != 0)
		return false;
	return length > 0 && length == meta_block_bytes(s->meta, piece, begin / BLOCK_BYTES);
}

int store_recv_span(struct store *s, uint32_t piece, uint32_t begin, uint32_t length,
		    struct span *out)
{
	uint32_t run = begin / POOL_SLAB_BYTES, i = begin / BLOCK_BYTES % POOL_SLAB_BLOCKS;
	struct piece *p;
	struct slab *b;
	int err;

	if (!block_is_sane(s, piece, begin, length) || bitfield_has(&s->have, piece))
		return ERR_INVALID;
	p = piece_at(s, piece);
	if (p == NULL)
		return ERR_NOMEM;
	if (p->verify_wanted || p->settled || ((p->got[run] | p->busy[run]) & bit(i)) != 0)
		return ERR_INVALID;
	b = p->open[run];
	if (b == NULL) {
		err = slab_new(s, p, run, i, &b);
		if (err != OK)
			return err;
	}
	b->busy |= bit(i);
	p->busy[run] |= bit(i);
	*out = (struct span){slab_at(b, i), length};
	return OK;
}

/* End the reading of a block; `whole`: its bytes are all there. */
static void recv_end(struct store *s, uint32_t piece, uint32_t begin, bool whole)
{
	uint32_t run = begin / POOL_SLAB_BYTES, i = begin / BLOCK_BYTES % POOL_SLAB_BLOCKS;
	struct piece *p = piece < s->meta->n_pieces ? s->pieces[piece] : NULL;
	struct slab *b;

	if (p == NULL || run >= p->runs || (p->busy[run] & bit(i)) == 0)
		return;
	b = p->open[run];
	if (b == NULL || (b->busy & bit(i)) == 0) {
		b = p->slabs;
		while (b->run != run || (b->busy & bit(i)) == 0)
			b = b->next_in_piece;
	}
	b->busy &= (uint16_t)~bit(i);
	p->busy[run] &= (uint16_t)~bit(i);
	/* Nothing may change under a verify, nor after it. */
	if (whole && !p->verify_wanted && !p->settled && (p->got[run] & bit(i)) == 0) {
		b->got |= bit(i);
		p->got[run] |= bit(i);
		p->mem_blocks += b->lent && !p->split;
	}
	slab_settle(b);
}

void store_recv_done(struct store *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	(void)length;
	recv_end(s, piece, begin, true);
}

void store_recv_abort(struct store *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	(void)length;
	recv_end(s, piece, begin, false);
}

void store_reopen_piece(struct store *s, uint32_t piece)
{
	struct piece *p = piece < s->meta->n_pieces ? s->pieces[piece] : NULL;

	if (p == NULL || p->verify_wanted || p->settled)
		return;
	/* Hashes in `leaves` stay true of what lies on disk; a v1 sum begins anew. */
	piece_leave_memory(s, p);
	memset(p->got, 0, p->runs * sizeof(*p->got));
	p->sha1_next = p->sha1_planned = 0;
	if (p->sha1 != NULL)
		digest_begin(p->sha1);
}
