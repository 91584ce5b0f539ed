#include "swarm/picker_impl.h"

static void check_open(const struct picker *p, const struct open_piece *o)
{
	uint32_t n_free = 0, n_done = 0;

	assert(picker_open(p, o->piece) == o);
	assert(!bitfield_has(&p->have, o->piece));
	for (uint32_t b = 0; b < o->n_blocks; b++) {
		const struct block *k = &o->blocks[b];
		bool done = (k->flags & BLOCK_DONE) != 0;

		assert(!done || k->asked == 0);
		assert(k->by <= o->n_senders);
		if (!done && k->asked == 0) {
			assert(b >= o->cursor);
			n_free++;
		}
		n_done += done;
	}
	assert(n_free == o->n_free && n_done == o->n_done);
	assert(o->state != OPEN_VERIFYING || n_done == o->n_blocks);
	assert(o->state != OPEN_FETCHING || picker_is_wanted(p, o->piece));
}

static void check_order(const struct picker *p)
{
	uint32_t n = 0;

	assert(p->start[0] == 0 && p->start[p->n_ranks * p->n_buckets] == p->n_order);
	for (uint32_t b = 0; b < p->n_ranks * p->n_buckets; b++) {
		assert(p->start[b] <= p->start[b + 1]);
		for (uint32_t i = p->start[b]; i < p->start[b + 1]; i++) {
			assert(picker_bucket(p, p->order[i]) == b);
			assert(!p->sequential ||
			       p->order[i] >= p->lowest[picker_rank(p, p->order[i])]);
			assert(p->place[p->order[i]] == i);
		}
	}
	for (uint32_t i = 0; i < p->have.n; i++) {
		bool begun = picker_open(p, i) != NULL;

		if (bitfield_has(&p->have, i) || (!begun && !picker_is_wanted(p, i)))
			assert(p->place[i] == PICKER_NONE);
		else if ((p->place[i] & PICKER_OPEN) == 0)
			n++;
	}
	assert(n == p->n_order);
}

static void check_rarest(const struct picker *p)
{
	uint32_t least = UINT32_MAX, n_alone = 0, alone;

	for (uint32_t i = 0; i < p->have.n; i++) {
		if (!picker_lacks(p, i))
			continue;
		least = picker_copies(p, i) < least ? picker_copies(p, i) : least;
		n_alone += picker_copies(p, i) == 0;
	}
	assert(picker_rarest(p, &alone) == least && alone == n_alone);
}

void picker_check(const struct picker *p)
{
	uint64_t bytes = 0;
	uint32_t n_free = 0, n_missing = 0, n_reserved = 0;

	for (uint32_t i = 0; i < p->n_open; i++) {
		check_open(p, p->open[i]);
		n_reserved += p->open[i]->only.slot != PICKER_NONE;
		if (p->open[i]->state != OPEN_FETCHING)
			continue;
		bytes += meta_piece_bytes(p->meta, p->open[i]->piece);
		n_free += p->open[i]->n_free;
	}
	assert(bytes == p->fetch_bytes && n_free == p->free_blocks);
	assert(n_reserved == p->n_reserved);
	assert((p->place == NULL) == bitfield_full(&p->have));
	for (uint32_t i = 0; i < p->have.n; i++)
		assert(p->avail[i] >= p->low && p->avail[i] < p->n_buckets);
	for (uint32_t i = 0; i < p->have.n; i++)
		n_missing += picker_lacks(p, i);
	assert(n_missing == p->n_missing);
	check_rarest(p);
	for (uint32_t i = 0; i < p->n_urgent; i++)
		assert(!bitfield_has(&p->have, p->urgent[i].piece));
	if (p->place != NULL)
		check_order(p);
	else
		assert(p->n_open == 0);
}

static bool is_news(const struct asker *a, uint32_t piece)
{
	uint32_t i = 0;

	while (i < a->n_news && a->news[i] != piece)
		i++;
	return i < a->n_news;
}

void picker_check_asker(const struct picker *p, const struct asker *a)
{
	for (uint32_t i = 0; a->dry == p->version && i < p->n_open; i++)
		assert(!picker_is_joinable(p, p->open[i], a));
	for (uint32_t i = 0; a->dry_fresh == p->version_fresh && i < p->n_order; i++)
		assert(!picker_asker_has(p, a, p->order[i]) || is_news(a, p->order[i]));
}
