/* Pieces that were begun, and what became of their blocks. */
#include <stdlib.h>

#include "base/grow.h"
#include "swarm/picker_impl.h"

#define OPEN_FIRST 8u

/* ---- begun pieces -------------------------------------------------------- */

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
static void blocks_reset(const struct picker *p, struct open_piece *o)
{
	memset(o->blocks, 0, o->n_blocks * sizeof(o->blocks[0]));
	o->n_free = o->n_blocks;
	o->n_done = o->cursor = o->n_senders = o->n_kept = 0;
	if (!p->meta->pads)
		return;
	for (uint32_t b = 0; b < o->n_blocks; b++) {
		if (meta_block_bytes(p->meta, o->piece, b) == 0) {
			o->blocks[b].flags = BLOCK_DONE;
			o->n_free--;
			o->n_done++;
		}
	}
}

/* The piece is among those being fetched, or is not any more. */
static void fetch_more(struct picker *p, const struct open_piece *o)
{
	p->free_blocks += o->n_free;
	p->fetch_bytes += meta_piece_bytes(p->meta, o->piece);
}

static void fetch_less(struct picker *p, const struct open_piece *o)
{
	p->free_blocks -= o->n_free;
	p->fetch_bytes -= meta_piece_bytes(p->meta, o->piece);
}

struct open_piece *picker_begin(struct picker *p, uint32_t piece, uint64_t now_ms)
{
	uint32_t n = meta_piece_blocks(p->meta, piece);
	struct open_piece *o;
	struct open_piece **grown;

	if (!picker_is_fresh(p, piece))
		return NULL;
	grown = grow(p->open, p->n_open, &p->open_cap, OPEN_FIRST, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	p->open = grown;
	o = malloc(sizeof(*o) + n * sizeof(o->blocks[0]));
	if (o == NULL)
		return NULL;
	*o = (struct open_piece){.piece = piece,
				 .n_blocks = n,
				 .only = {PICKER_NONE, 0},
				 .serial = ++p->serials,
				 .opened_ms = now_ms};
	blocks_reset(p, o);
	picker_order_take(p, piece);
	if (picker_is_held(p, piece)) {
		bitfield_unset(&p->held, piece);
		p->version++;
	}
	p->place[piece] = PICKER_OPEN | p->n_open;
	p->open[p->n_open++] = o;
	fetch_more(p, o);
	return o;
}

static void open_close(struct picker *p, struct open_piece *o)
{
	uint32_t at = p->place[o->piece] & ~PICKER_OPEN;

	if (o->state == OPEN_FETCHING)
		fetch_less(p, o);
	p->n_reserved -= o->only.slot != PICKER_NONE;
	p->open[at] = p->open[--p->n_open];
	p->place[p->open[at]->piece] = PICKER_OPEN | at;
	p->place[o->piece] = PICKER_NONE;
	free(o->senders);
	free(o);
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

bool picker_is_untouched(const struct picker *p, uint32_t piece)
{
	const struct open_piece *o = picker_open(p, piece);

	return o != NULL && o->state == OPEN_FETCHING && o->only.slot == PICKER_NONE &&
	       o->n_free == o->n_blocks;
}

void picker_give_back(struct picker *p, uint32_t piece)
{
	open_close(p, picker_open(p, piece));
	picker_order_put(p, piece);
}

bool picker_keep(struct picker *p, struct open_piece *o, uint32_t block)
{
	struct block *b = &o->blocks[block];

	assert(o->state == OPEN_FETCHING && b->asked == 0);
	if ((b->flags & BLOCK_DONE) != 0)
		return false;
	b->flags |= BLOCK_DONE;
	o->n_free--;
	p->free_blocks--;
	o->n_done++;
	o->n_kept++;
	return true;
}

/* Index + 1 of the sender in the piece's list; 0 when it cannot be remembered. */
static uint16_t sender_index(struct open_piece *o, const struct sender *from)
{
	struct sender *grown;

	for (uint32_t i = o->n_senders; i > 0; i--) {
		if (peer_ref_eq(o->senders[i - 1].ref, from->ref))
			return (uint16_t)i;
	}
	grown = grow(o->senders, o->n_senders, &o->senders_cap, 2, sizeof(*grown));
	if (grown == NULL)
		return 0;
	o->senders = grown;
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
		fetch_less(p, o);
	o->state = state;
}

void picker_thaw(struct picker *p, struct open_piece *o, uint64_t now_ms)
{
	assert(o->state != OPEN_FETCHING);
	o->state = picker_is_wanted(p, o->piece) ? OPEN_FETCHING : OPEN_PARKED;
	o->opened_ms = now_ms;
	if (o->state == OPEN_PARKED)
		return;
	fetch_more(p, o);
	p->version++;
}

void picker_good(struct picker *p, uint32_t piece)
{
	struct open_piece *o = picker_open(p, piece);

	if (o != NULL) {
		open_close(p, o);
	} else if (picker_is_fresh(p, piece)) {
		picker_order_take(p, piece);
		p->place[piece] = PICKER_NONE;
	}
	if (picker_is_held(p, piece))
		bitfield_unset(&p->held, piece);
	bitfield_set(&p->have, piece);
	p->n_missing -= picker_is_wanted(p, piece);
	picker_urgent_had(p, piece);
	if (bitfield_full(&p->have))
		picker_order_drop(p);
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
	o->n_kept -= b->by == 0 && o->n_kept > 0;
	*b = (struct block){0};
	o->n_done--;
	block_freed(p, o, block);
}

void picker_reserve_for(struct picker *p, struct open_piece *o, struct peer_ref ref)
{
	p->n_reserved -= o->only.slot != PICKER_NONE;
	p->n_reserved += ref.slot != PICKER_NONE;
	o->only = ref;
	p->version++;
}
