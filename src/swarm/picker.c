#include "swarm/picker.h"

#include <stdlib.h>

#define PICKER_OPEN 0x80000000u
#define BUCKETS_FIRST 8u
#define OPEN_FIRST 8u

/* ---- the order ----------------------------------------------------------- */

static bool is_fresh(const struct picker *p, uint32_t piece)
{
	return p->place != NULL && (p->place[piece] & PICKER_OPEN) == 0;
}

static void order_swap(struct picker *p, uint32_t i, uint32_t j)
{
	uint32_t a = p->order[i], b = p->order[j];

	p->order[i] = b;
	p->place[b] = i;
	p->order[j] = a;
	p->place[a] = j;
}

/* Without this, pieces would stand in the order in which HAVEs came, which is the same at
 * every peer, and all would fetch the same one next. */
static void order_shuffle_in(struct picker *p, uint32_t at, uint32_t bucket)
{
	uint32_t n = p->start[bucket + 1] - p->start[bucket];

	if (n > 1)
		order_swap(p, at, p->start[bucket] + rng_below(p->rng, n));
}

static void order_take(struct picker *p, uint32_t piece)
{
	uint32_t at = p->place[piece];

	for (uint32_t b = p->avail[piece]; b < p->n_buckets; b++) {
		uint32_t last = --p->start[b + 1];

		order_swap(p, at, last);
		at = last;
	}
	p->n_order--;
}

static void order_put(struct picker *p, uint32_t piece)
{
	uint32_t at = p->n_order++;

	p->order[at] = piece;
	p->place[piece] = at;
	p->start[p->n_buckets] = p->n_order;
	for (uint32_t b = p->n_buckets - 1; b > p->avail[piece]; b--) {
		uint32_t first = p->start[b]++;

		order_swap(p, at, first);
		at = first;
	}
	order_shuffle_in(p, at, p->avail[piece]);
}

/* All missing pieces are fresh here and `avail` is whatever it is. */
static void order_build(struct picker *p)
{
	p->n_order = 0;
	for (uint32_t b = 0; b <= p->n_buckets; b++)
		p->start[b] = 0;
	for (uint32_t i = 0; i < p->have.n; i++) {
		p->place[i] = PICKER_NONE;
		if (!bitfield_has(&p->have, i))
			p->start[p->avail[i] + 1]++;
	}
	for (uint32_t b = 0; b < p->n_buckets; b++)
		p->start[b + 1] += p->start[b];
	/* Fill each bucket from its front; the borders come right again afterwards. */
	for (uint32_t i = 0; i < p->have.n; i++) {
		if (bitfield_has(&p->have, i))
			continue;
		p->order[p->start[p->avail[i]]++] = i;
		p->n_order++;
	}
	for (uint32_t b = p->n_buckets; b > 0; b--)
		p->start[b] = p->start[b - 1];
	p->start[0] = 0;
	for (uint32_t b = 0; b < p->n_buckets; b++) {
		for (uint32_t i = p->start[b + 1]; i > p->start[b] + 1; i--) {
			uint32_t j = p->start[b] + rng_below(p->rng, i - p->start[b]);
			uint32_t t = p->order[i - 1];

			p->order[i - 1] = p->order[j];
			p->order[j] = t;
		}
	}
	for (uint32_t i = 0; i < p->n_order; i++)
		p->place[p->order[i]] = i;
}

static void order_drop(struct picker *p)
{
	free(p->order);
	free(p->place);
	free(p->start);
	p->order = p->place = p->start = NULL;
	p->n_order = 0;
}

/* For at least `buckets`; made when there is something to order. */
static int order_make(struct picker *p)
{
	uint32_t n = p->have.n;

	p->order = malloc(n * sizeof(*p->order));
	p->place = malloc(n * sizeof(*p->place));
	p->start = malloc((p->n_buckets + 1) * sizeof(*p->start));
	if (p->order == NULL || p->place == NULL || p->start == NULL) {
		order_drop(p);
		return ERR_NOMEM;
	}
	order_build(p);
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

int picker_init(struct picker *p, const struct metainfo *meta, struct rng *rng)
{
	uint32_t n = meta->n_pieces;

	*p = (struct picker){.meta = meta, .rng = rng, .n_buckets = BUCKETS_FIRST, .version = 1, .version_fresh = 1};
	for (uint32_t i = 0; i < meta->n_files; i++) {
		if ((meta->files[i].flags & META_FILE_PAD) != 0 && meta->v1)
			p->pads = true;
	}
	if (bitfield_init(&p->have, n) < 0)
		return ERR_NOMEM;
	p->avail = calloc(n == 0 ? 1 : n, sizeof(*p->avail));
	if (p->avail == NULL || (n > 0 && order_make(p) < 0)) {
		picker_fini(p);
		return ERR_NOMEM;
	}
	return 0;
}

void picker_fini(struct picker *p)
{
	for (uint32_t i = 0; i < p->n_open; i++) {
		free(p->open[i]->senders);
		free(p->open[i]);
	}
	free(p->open);
	order_drop(p);
	free(p->avail);
	bitfield_fini(&p->have);
	*p = (struct picker){0};
}

int picker_set_have(struct picker *p, const struct bitfield *have)
{
	assert(have->n == p->have.n && p->n_open == 0);
	if (have->n == 0)
		return 0;
	memcpy(p->have.bits, have->bits, bitfield_bytes(have->n));
	p->have.count = have->count;
	order_drop(p);
	return bitfield_full(&p->have) ? 0 : order_make(p);
}

int picker_reserve(struct picker *p, uint32_t peers)
{
	uint32_t want = p->n_buckets;
	uint32_t *start;

	while (want < peers + 2)
		want *= 2;
	if (want == p->n_buckets)
		return 0;
	if (p->start != NULL) {
		start = realloc(p->start, (want + 1) * sizeof(*start));
		if (start == NULL)
			return ERR_NOMEM;
		for (uint32_t b = p->n_buckets + 1; b <= want; b++)
			start[b] = p->n_order;
		p->start = start;
	}
	p->n_buckets = want;
	return 0;
}

/* ---- who has what -------------------------------------------------------- */

void picker_add(struct picker *p, uint32_t piece)
{
	uint32_t a = p->avail[piece]++;
	uint32_t last;

	assert(a + 1 < p->n_buckets);
	if (!is_fresh(p, piece))
		return;
	last = --p->start[a + 1];
	order_swap(p, p->place[piece], last);
	order_shuffle_in(p, last, a + 1);
}

void picker_remove(struct picker *p, uint32_t piece)
{
	uint32_t a = p->avail[piece]--;
	uint32_t first;

	assert(a > 0);
	if (!is_fresh(p, piece))
		return;
	first = p->start[a]++;
	order_swap(p, p->place[piece], first);
	order_shuffle_in(p, first, a - 1);
}

/* The next set bit at or after `i`, or n. */
static uint32_t next_bit(const struct bitfield *b, uint32_t i)
{
	while (i < b->n) {
		if ((i & 7) == 0 && b->bits[i >> 3] == 0)
			i += 8;
		else if (bitfield_has(b, i))
			return i;
		else
			i++;
	}
	return b->n;
}

void picker_add_bits(struct picker *p, const struct bitfield *has)
{
	for (uint32_t i = next_bit(has, 0); i < has->n; i = next_bit(has, i + 1))
		picker_add(p, i);
}

void picker_remove_bits(struct picker *p, const struct bitfield *has)
{
	for (uint32_t i = next_bit(has, 0); i < has->n; i = next_bit(has, i + 1))
		picker_remove(p, i);
}

/* ---- begun pieces -------------------------------------------------------- */

bool picker_is_pad(const struct picker *p, uint32_t piece, uint32_t block)
{
	const struct metainfo *m = p->meta;
	uint64_t off, end;

	if (!p->pads)
		return false;
	off = (uint64_t)piece * m->piece_length + (uint64_t)block * BLOCK_BYTES;
	end = off + meta_block_bytes(m, piece, block);
	while (off < end) {
		uint32_t f = meta_file_at(m, off);

		if (f >= m->n_files || (m->files[f].flags & META_FILE_PAD) == 0)
			return false;
		off = m->files[f].offset + m->files[f].length;
	}
	return true;
}

struct open_piece *picker_open(const struct picker *p, uint32_t piece)
{
	uint32_t at;

	if (p->place == NULL || piece >= p->have.n)
		return NULL;
	at = p->place[piece];
	if (at == PICKER_NONE || (at & PICKER_OPEN) == 0)
		return NULL;
	return p->open[at & ~PICKER_OPEN];
}

/* Set the blocks to what they are before anything came. */
static void blocks_reset(struct picker *p, struct open_piece *o)
{
	memset(o->blocks, 0, o->n_blocks * sizeof(o->blocks[0]));
	o->n_free = o->n_blocks;
	o->n_done = o->cursor = o->n_senders = 0;
	if (!p->pads)
		return;
	for (uint32_t b = 0; b < o->n_blocks; b++) {
		if (picker_is_pad(p, o->piece, b)) {
			o->blocks[b].flags = BLOCK_DONE;
			o->n_free--;
			o->n_done++;
		}
	}
}

struct open_piece *picker_begin(struct picker *p, uint32_t piece, uint64_t now_ms)
{
	uint32_t n = meta_piece_blocks(p->meta, piece);
	struct open_piece *o;

	if (!is_fresh(p, piece))
		return NULL;
	if (p->n_open == p->open_cap) {
		uint32_t cap = p->open_cap == 0 ? OPEN_FIRST : p->open_cap * 2;
		struct open_piece **open = realloc(p->open, cap * sizeof(*open));

		if (open == NULL)
			return NULL;
		p->open = open;
		p->open_cap = cap;
	}
	o = malloc(sizeof(*o) + n * sizeof(o->blocks[0]));
	if (o == NULL)
		return NULL;
	*o = (struct open_piece){.piece = piece,
	                         .n_blocks = n,
	                         .only = {PICKER_NONE, 0},
	                         .serial = ++p->serials,
	                         .opened_ms = now_ms};
	blocks_reset(p, o);
	order_take(p, piece);
	p->place[piece] = PICKER_OPEN | p->n_open;
	p->open[p->n_open++] = o;
	p->free_blocks += o->n_free;
	p->open_bytes += meta_piece_bytes(p->meta, piece);
	return o;
}

static void open_close(struct picker *p, struct open_piece *o)
{
	uint32_t at = p->place[o->piece] & ~PICKER_OPEN;

	if (o->state == OPEN_FETCHING)
		p->free_blocks -= o->n_free;
	p->open_bytes -= meta_piece_bytes(p->meta, o->piece);
	p->open[at] = p->open[--p->n_open];
	p->place[p->open[at]->piece] = PICKER_OPEN | at;
	p->place[o->piece] = PICKER_NONE;
	free(o->senders);
	free(o);
}

/* ---- picking ------------------------------------------------------------- */

static bool asker_has(const struct asker *a, uint32_t piece)
{
	return a->has == NULL || bitfield_has(a->has, piece);
}

static bool ref_eq(struct peer_ref a, struct peer_ref b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

static bool is_joinable(const struct open_piece *o, const struct asker *a)
{
	return o->state == OPEN_FETCHING && o->n_free > 0 &&
	       (o->only.slot == PICKER_NONE || ref_eq(o->only, a->ref)) && asker_has(a, o->piece);
}

static struct open_piece *asker_current(const struct picker *p, const struct asker *a)
{
	struct open_piece *o;

	if (a->current == PICKER_NONE)
		return NULL;
	o = picker_open(p, a->current);
	return o != NULL && o->serial == a->serial ? o : NULL;
}

void picker_leave(struct picker *p, struct asker *a)
{
	struct open_piece *o = asker_current(p, a);

	if (o != NULL)
		o->n_on--;
	a->current = PICKER_NONE;
}

static void asker_enter(struct picker *p, struct asker *a, struct open_piece *o)
{
	picker_leave(p, a);
	a->current = o->piece;
	a->serial = o->serial;
	a->hint = PICKER_NONE;
	o->n_on++;
}

static bool is_free(const struct open_piece *o, uint32_t b)
{
	return o->blocks[b].asked == 0 && (o->blocks[b].flags & BLOCK_DONE) == 0;
}

/* The block after the last one of this peer; else the first free one, or, when others are at
 * work from there, one somewhere in the rest, so that each has a run of its own. */
static uint32_t free_block(struct picker *p, const struct asker *a, struct open_piece *o)
{
	uint32_t b = a->hint;

	if (b < o->n_blocks && is_free(o, b))
		return b;
	while (!is_free(o, o->cursor))
		o->cursor++;
	if (o->n_on <= 1)
		return o->cursor;
	b = o->cursor + rng_below(p->rng, o->n_blocks - o->cursor);
	while (b < o->n_blocks && !is_free(o, b))
		b++;
	return b < o->n_blocks ? b : o->cursor;
}

static uint32_t take_block(struct picker *p, struct asker *a, struct open_piece *o)
{
	uint32_t b = free_block(p, a, o);

	o->blocks[b].asked = 1;
	o->n_free--;
	p->free_blocks--;
	a->hint = b + 1;
	return b;
}

/* The begun piece nearest to being whole. `share`: also one that others are busy with. */
static struct open_piece *best_begun(const struct picker *p, const struct asker *a, uint64_t now_ms,
                                     bool share)
{
	bool crowded = p->open_bytes > PICKER_OPEN_BYTES;
	struct open_piece *best = NULL;

	if (p->free_blocks == 0)
		return NULL;
	for (uint32_t i = 0; i < p->n_open; i++) {
		struct open_piece *o = p->open[i];

		if (!is_joinable(o, a))
			continue;
		if (o->only.slot != PICKER_NONE)
			return o;
		if (!share && !crowded && o->n_on > 0 && now_ms - o->opened_ms < PICKER_SHARE_MS)
			continue;
		if (best == NULL || o->n_free < best->n_free)
			best = o;
	}
	return best;
}

/* Looked for among the peer's own pieces when it has few of many: the order is then mostly
 * pieces it lacks. */
static uint32_t rarest_of_few(const struct picker *p, const struct asker *a)
{
	uint32_t best = PICKER_NONE;

	for (uint32_t i = next_bit(a->has, 0); i < a->has->n; i = next_bit(a->has, i + 1)) {
		if (is_fresh(p, i) && (best == PICKER_NONE || p->place[i] < p->place[best]))
			best = i;
	}
	return best;
}

static uint32_t rarest(const struct picker *p, struct asker *a)
{
	if (p->n_order == 0 || a->dry_fresh == p->version_fresh)
		return PICKER_NONE;
	if (a->has != NULL && a->has->count < a->has->n / 64) {
		uint32_t piece = rarest_of_few(p, a);

		if (piece != PICKER_NONE)
			return piece;
	} else {
		for (uint32_t i = 0; i < p->n_order; i++) {
			if (asker_has(a, p->order[i]))
				return p->order[i];
		}
	}
	a->dry_fresh = p->version_fresh;
	return PICKER_NONE;
}

void picker_on_have(const struct picker *p, struct asker *a, uint32_t piece)
{
	const struct open_piece *o = picker_open(p, piece);

	if (o == NULL && !is_fresh(p, piece))
		return;
	a->dry = 0;
	if (o == NULL)
		a->dry_fresh = 0;
}

bool picker_pick(struct picker *p, struct asker *a, uint64_t now_ms, uint32_t *piece, uint32_t *block)
{
	struct open_piece *o = asker_current(p, a);
	uint32_t fresh = PICKER_NONE;

	if (o == NULL || !is_joinable(o, a)) {
		if (a->dry == p->version)
			return false;
		o = best_begun(p, a, now_ms, false);
		/* Pieces that are all pad hold no free block: they are begun by the swarm. */
		if (o == NULL && (fresh = rarest(p, a)) != PICKER_NONE)
			o = picker_begin(p, fresh, now_ms);
		if (o == NULL || !is_joinable(o, a))
			o = best_begun(p, a, now_ms, true);
		if (o == NULL) {
			/* Without memory to begin it, the piece is still to be had. */
			if (fresh == PICKER_NONE)
				a->dry = p->version;
			picker_leave(p, a);
			return false;
		}
		asker_enter(p, a, o);
	}
	*piece = o->piece;
	*block = take_block(p, a, o);
	return true;
}

bool picker_pick_in(struct picker *p, struct asker *a, uint32_t piece, uint64_t now_ms,
                    uint32_t *block)
{
	struct open_piece *o = picker_open(p, piece);

	if (o == NULL && asker_has(a, piece))
		o = picker_begin(p, piece, now_ms);
	if (o == NULL || !is_joinable(o, a))
		return false;
	if (o != asker_current(p, a))
		asker_enter(p, a, o);
	*block = take_block(p, a, o);
	return true;
}

/* ---- what became of it --------------------------------------------------- */

bool picker_ask_again(struct picker *p, uint32_t piece, uint32_t block)
{
	struct open_piece *o = picker_open(p, piece);
	struct block *b;

	if (o == NULL || o->state != OPEN_FETCHING)
		return false;
	b = &o->blocks[block];
	if (b->asked == 0 || b->asked == UINT8_MAX || (b->flags & BLOCK_DONE) != 0)
		return false;
	b->asked++;
	b->flags |= BLOCK_SHARED;
	return true;
}

static void block_freed(struct picker *p, struct open_piece *o, uint32_t block)
{
	o->n_free++;
	if (o->state == OPEN_FETCHING)
		p->free_blocks++;
	if (block < o->cursor)
		o->cursor = block;
	p->version++;
}

void picker_unask(struct picker *p, uint32_t piece, uint32_t block, bool late)
{
	struct open_piece *o = picker_open(p, piece);
	struct block *b = &o->blocks[block];

	assert(b->asked > 0);
	b->asked--;
	if (late)
		b->flags |= BLOCK_SHARED;
	if (b->asked == 0 && (b->flags & BLOCK_DONE) == 0)
		block_freed(p, o, block);
}

/* Index + 1 of the sender in the piece's list; 0 when it cannot be remembered. */
static uint16_t sender_index(struct open_piece *o, const struct sender *from)
{
	for (uint32_t i = o->n_senders; i > 0; i--) {
		if (ref_eq(o->senders[i - 1].ref, from->ref))
			return (uint16_t)i;
	}
	if (o->n_senders == o->senders_cap) {
		uint32_t cap = o->senders_cap == 0 ? 2 : o->senders_cap * 2;
		struct sender *list = realloc(o->senders, cap * sizeof(*list));

		if (list == NULL)
			return 0;
		o->senders = list;
		o->senders_cap = cap;
	}
	o->senders[o->n_senders++] = *from;
	return (uint16_t)o->n_senders;
}

bool picker_receive(struct picker *p, uint32_t piece, uint32_t block, const struct sender *from)
{
	struct open_piece *o = picker_open(p, piece);
	struct block *b = &o->blocks[block];

	assert((b->flags & BLOCK_DONE) == 0);
	/* An answer given up may come while the block is free again. */
	if (b->asked == 0) {
		o->n_free--;
		p->free_blocks--;
	}
	b->asked = 0;
	b->flags |= BLOCK_DONE;
	b->by = sender_index(o, from);
	o->n_done++;
	return (b->flags & BLOCK_SHARED) != 0;
}

void picker_freeze(struct picker *p, struct open_piece *o, enum open_state state)
{
	assert(state != OPEN_FETCHING);
	if (o->state == OPEN_FETCHING)
		p->free_blocks -= o->n_free;
	o->state = state;
}

void picker_thaw(struct picker *p, struct open_piece *o, uint64_t now_ms)
{
	assert(o->state != OPEN_FETCHING);
	o->state = OPEN_FETCHING;
	o->opened_ms = now_ms;
	p->free_blocks += o->n_free;
	p->version++;
}

void picker_good(struct picker *p, struct open_piece *o)
{
	uint32_t piece = o->piece;

	open_close(p, o);
	bitfield_set(&p->have, piece);
	if (bitfield_full(&p->have))
		order_drop(p);
}

void picker_again(struct picker *p, struct open_piece *o, uint64_t now_ms)
{
	if (o->state == OPEN_FETCHING)
		picker_freeze(p, o, OPEN_VERIFYING);
	blocks_reset(p, o);
	picker_thaw(p, o, now_ms);
}

void picker_block_again(struct picker *p, struct open_piece *o, uint32_t block)
{
	struct block *b = &o->blocks[block];

	if ((b->flags & BLOCK_DONE) == 0)
		return;
	*b = (struct block){0};
	o->n_done--;
	block_freed(p, o, block);
}

void picker_reserve_for(struct picker *p, struct open_piece *o, struct peer_ref ref)
{
	o->only = ref;
	p->version++;
}

int picker_lose(struct picker *p, uint32_t piece)
{
	bool had = bitfield_unset(&p->have, piece);

	if (!had)
		return 0;
	if (p->place == NULL) {
		if (order_make(p) < 0) {
			bitfield_set(&p->have, piece);
			return ERR_NOMEM;
		}
	} else {
		order_put(p, piece);
	}
	p->version++;
	p->version_fresh++;
	return 0;
}
