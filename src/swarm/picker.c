#include "swarm/picker.h"

#include "swarm/picker_impl.h"

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
	bool crowded = p->fetch_bytes > PICKER_FETCH_BYTES;
	struct open_piece *best = NULL;

	if (p->free_blocks == 0)
		return NULL;
	for (uint32_t i = 0; i < p->n_open; i++) {
		struct open_piece *o = p->open[i];

		if (!picker_is_joinable(p, o, a))
			continue;
		if (o->only.slot != PICKER_NONE)
			return o;
		if (!share && !crowded && o->n_on > 0 && now_ms - o->opened_ms < PICKER_SHARE_MS)
			continue;
		if (best == NULL ||
		    (p->sequential ? o->piece < best->piece : o->n_free < best->n_free))
			best = o;
	}
	return best;
}

/* Of two fresh pieces. */
static bool comes_before(const struct picker *p, uint32_t a, uint32_t b)
{
	uint32_t rank_a = picker_rank(p, a), rank_b = picker_rank(p, b);

	if (!p->sequential || rank_a != rank_b)
		return p->place[a] < p->place[b];
	return a < b;
}

/* Looked for among the peer's own pieces when it has few of many: the order is then mostly
 * pieces it lacks. */
static uint32_t first_of_few(const struct picker *p, const struct asker *a)
{
	uint32_t best = PICKER_NONE;

	for (uint32_t i = bitfield_next_set(a->has, 0); i < a->has->n;
	     i = bitfield_next_set(a->has, i + 1)) {
		if (picker_is_fresh(p, i) && picker_asker_has(p, a, i) &&
		    (best == PICKER_NONE || comes_before(p, i, best)))
			best = i;
	}
	return best;
}

/* Who has part of the torrent has none of what nobody has that has part of it: with one seed, and
 * many that have half, that is most of the order. */
static uint32_t rarest_of_rank(const struct picker *p, const struct asker *a, uint32_t rank)
{
	uint32_t from =
	    a->has == NULL ? p->start[rank * p->n_buckets] : picker_first_copied(p, rank);

	for (uint32_t i = from; i < p->start[(rank + 1) * p->n_buckets]; i++) {
		if (picker_asker_has(p, a, p->order[i]))
			return p->order[i];
	}
	return PICKER_NONE;
}

static uint32_t rarest_of_all(const struct picker *p, const struct asker *a)
{
	uint32_t best = PICKER_NONE;

	for (uint32_t r = 0; r < p->n_ranks && best == PICKER_NONE; r++)
		best = rarest_of_rank(p, a, r);
	return best;
}

static bool is_fresh_of(const struct picker *p, uint32_t piece, uint32_t rank)
{
	return picker_is_fresh(p, piece) && picker_rank(p, piece) == rank;
}

/* What a peer lacks is passed over, many at a time: it may have the end alone. */
static uint32_t lowest_of_rank(struct picker *p, const struct asker *a, uint32_t rank)
{
	uint32_t end = p->have.n < p->window_end ? p->have.n : p->window_end;
	uint32_t left = picker_fresh_in(p, rank), i = p->lowest[rank];

	if (left == 0)
		return PICKER_NONE;
	while (!is_fresh_of(p, i, rank))
		i++;
	p->lowest[rank] = i;
	if (i < p->window_first)
		i = p->window_first;
	if (a->has != NULL)
		i = bitfield_next_set(a->has, i);
	while (left > 0 && i < end) {
		if (is_fresh_of(p, i, rank)) {
			if (picker_asker_has(p, a, i))
				return i;
			left--;
		}
		i = a->has == NULL ? i + 1 : bitfield_next_set(a->has, i + 1);
	}
	return PICKER_NONE;
}

static uint32_t lowest_of_all(struct picker *p, const struct asker *a)
{
	uint32_t best = PICKER_NONE;

	for (uint32_t r = 0; r < p->n_ranks && best == PICKER_NONE; r++)
		best = lowest_of_rank(p, a, r);
	return best;
}

void picker_on_suggest(struct asker *a, uint32_t piece)
{
	if (a->n_suggested == PICKER_SUGGESTED) {
		a->n_suggested--;
		memmove(a->suggested, a->suggested + 1, a->n_suggested * sizeof(piece));
	}
	a->suggested[a->n_suggested++] = piece;
}

/* No fresh piece is wanted more. */
static bool is_of_best_rank(const struct picker *p, uint32_t piece)
{
	for (uint32_t r = 0; r < picker_rank(p, piece); r++) {
		if (picker_fresh_in(p, r) > 0)
			return false;
	}
	return true;
}

/* The oldest suggestion that is to be had; others are forgotten. */
static uint32_t suggested(const struct picker *p, struct asker *a)
{
	uint32_t piece = PICKER_NONE, i = 0;

	if (a->n_suggested == 0 || p->fetch_bytes > PICKER_FETCH_BYTES)
		return PICKER_NONE;
	while (i < a->n_suggested && piece == PICKER_NONE) {
		piece = a->suggested[i++];
		if (!picker_is_fresh(p, piece) || !picker_asker_has(p, a, piece) ||
		    !is_of_best_rank(p, piece))
			piece = PICKER_NONE;
	}
	a->n_suggested -= i;
	memmove(a->suggested, a->suggested + i, a->n_suggested * sizeof(piece));
	return piece;
}

/* Of those that it came to have since nothing was found. */
static uint32_t first_of_news(const struct picker *p, struct asker *a)
{
	uint32_t best = PICKER_NONE, n = 0;

	for (uint32_t i = 0; i < a->n_news; i++) {
		uint32_t piece = a->news[i];

		if (!picker_is_fresh(p, piece) || !picker_asker_has(p, a, piece))
			continue;
		a->news[n++] = piece;
		if (best == PICKER_NONE || comes_before(p, piece, best))
			best = piece;
	}
	a->n_news = n;
	return best;
}

/* The fresh piece that comes next in the order. */
static uint32_t next_fresh(struct picker *p, struct asker *a)
{
	uint32_t best;

	if (p->n_order == 0)
		return PICKER_NONE;
	if (a->dry_fresh == p->version_fresh)
		return first_of_news(p, a);
	a->n_news = 0;
	if (a->has != NULL && a->has->count < a->has->n / 64)
		best = first_of_few(p, a);
	else
		best = p->sequential ? lowest_of_all(p, a) : rarest_of_all(p, a);
	if (best == PICKER_NONE)
		a->dry_fresh = p->version_fresh;
	return best;
}

void picker_on_have(const struct picker *p, struct asker *a, uint32_t piece)
{
	const struct open_piece *o = picker_open(p, piece);

	/* It may have nothing of this one either: looking for it would be a walk over all (attack:
	 * HAVEs of pieces that nobody is asked for now, or that others are asked for already). */
	if (o == NULL ? !picker_is_fresh(p, piece) || !picker_asker_has(p, a, piece)
		      : !picker_is_joinable(p, o, a))
		return;
	a->dry = 0;
	if (o != NULL)
		return;
	if (a->dry_fresh == p->version_fresh && a->n_news < PICKER_NEWS)
		a->news[a->n_news++] = piece;
	else
		a->dry_fresh = 0;
}

/* The first urgent piece with a block for this peer. */
static struct open_piece *urgent_for(struct picker *p, const struct asker *a, uint64_t now_ms)
{
	for (uint32_t i = 0; i < p->n_urgent; i++) {
		const struct urgent *u = &p->urgent[i];
		struct open_piece *o = picker_open(p, u->piece);

		if (u->fast_only && (a->slow || (!a->tried && i < PICKER_SOON)))
			continue;
		if (o == NULL && picker_asker_has(p, a, u->piece))
			o = picker_begin(p, u->piece, now_ms);
		if (o != NULL && picker_is_joinable(p, o, a))
			return o;
	}
	return NULL;
}

bool picker_pick_urgent(struct picker *p, struct asker *a, uint64_t now_ms, uint32_t *piece,
			uint32_t *block)
{
	struct open_piece *o = urgent_for(p, a, now_ms);

	if (o == NULL)
		return false;
	if (o != asker_current(p, a))
		asker_enter(p, a, o);
	*piece = o->piece;
	*block = take_block(p, a, o);
	return true;
}

bool picker_pick(struct picker *p, struct asker *a, uint64_t now_ms, uint32_t *piece,
		 uint32_t *block)
{
	struct open_piece *o;
	uint32_t fresh = PICKER_NONE;

	if (picker_pick_urgent(p, a, now_ms, piece, block))
		return true;
	o = asker_current(p, a);
	if (o == NULL || !picker_is_joinable(p, o, a)) {
		if (a->dry == p->version)
			return false;
		o = (fresh = suggested(p, a)) != PICKER_NONE ? picker_begin(p, fresh, now_ms)
							     : best_begun(p, a, now_ms, false);
		/* Pieces that are all pad hold no free block: they are begun by the swarm. */
		if (o == NULL && (fresh = next_fresh(p, a)) != PICKER_NONE)
			o = picker_begin(p, fresh, now_ms);
		if (o == NULL || !picker_is_joinable(p, o, a))
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

	if (o == NULL && picker_asker_has(p, a, piece))
		o = picker_begin(p, piece, now_ms);
	if (o == NULL || !picker_is_joinable(p, o, a))
		return false;
	if (o != asker_current(p, a))
		asker_enter(p, a, o);
	*block = take_block(p, a, o);
	return true;
}
