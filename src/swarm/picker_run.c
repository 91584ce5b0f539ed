/* Long runs of pieces, for those who answer a question about many bytes as quickly as one about
 * few, and whose log has a line for each: web servers (BEP 19).
 *
 * A gap is a row of pieces that nobody has begun. A run begins at the front of the longest one, and
 * goes on from piece to piece until it meets one that somebody else has begun. Where the piece
 * before the gap is being fetched, whoever does that may be on its way into it: then the run begins
 * in its middle. The very first run begins anywhere, so that of many who start together each
 * brings the others something else.
 *
 * Urgent pieces come before all that; and of what is wanted more, or is to come in sequence, the
 * run begins at the first piece. */
#include "swarm/picker_impl.h"

struct gap {
	uint32_t first, n;
};

struct gap_search {
	const struct picker *p;
	const struct asker *a;
	bool only_here; /* pieces that no peer has */
	uint32_t rank;
};

static bool fits(const struct gap_search *g, uint32_t piece)
{
	if (!picker_is_fresh(g->p, piece) || picker_rank(g->p, piece) != g->rank ||
	    (g->only_here && picker_copies(g->p, piece) > 0) || picker_is_shut(g->p, piece))
		return false;
	return g->a->has == NULL || bitfield_has(g->a->has, piece);
}

static struct gap longest_gap(const struct gap_search *g)
{
	struct gap best = {0, 0}, now = {0, 0};

	for (uint32_t i = 0; i < g->p->have.n; i++) {
		if (!fits(g, i)) {
			now.n = 0;
			continue;
		}
		if (now.n++ == 0)
			now.first = i;
		if (now.n > best.n)
			best = now;
	}
	return best;
}

static uint32_t first_of_all(const struct gap_search *g)
{
	for (uint32_t i = 0; i < g->p->have.n; i++)
		if (fits(g, i))
			return i;
	return PICKER_NONE;
}

static uint32_t begin_in(const struct picker *p, struct gap gap)
{
	if (gap.n == p->have.n)
		return rng_below(p->rng, gap.n);
	if (gap.first > 0 && picker_open(p, gap.first - 1) != NULL)
		return gap.first + gap.n / 2;
	return gap.first;
}

/* PICKER_NONE: there is none. */
static uint32_t best_of_rank(struct gap_search *g)
{
	struct gap gap;

	if (picker_fresh_in(g->p, g->rank) == 0)
		return PICKER_NONE;
	if (g->p->sequential)
		return first_of_all(g);
	gap = longest_gap(g);
	if (gap.n == 0 && g->only_here) {
		g->only_here = false;
		gap = longest_gap(g);
	}
	return gap.n == 0 ? PICKER_NONE : begin_in(g->p, gap);
}

/* PICKER_NONE: there is no gap. */
static uint32_t new_run(const struct picker *p, struct asker *a, bool seeds)
{
	struct gap_search g = {.p = p, .a = a};
	uint32_t best = PICKER_NONE;

	if (p->n_order == 0 || a->dry_fresh == p->version_fresh)
		return PICKER_NONE;
	for (; g.rank < p->n_ranks && best == PICKER_NONE; g.rank++) {
		g.only_here = !seeds && !p->sequential;
		best = best_of_rank(&g);
	}
	if (best == PICKER_NONE)
		a->dry_fresh = p->version_fresh;
	return best;
}

bool picker_pick_run(struct picker *p, struct asker *a, bool seeds, uint64_t now_ms,
		     uint32_t *piece, uint32_t *block)
{
	uint32_t next;

	if (p->n_urgent > 0 && picker_pick_urgent(p, a, now_ms, piece, block))
		return true;
	next = a->current == PICKER_NONE ? PICKER_NONE : a->current + 1;
	*piece = a->current;
	if (next != PICKER_NONE && picker_pick_in(p, a, a->current, now_ms, block))
		return true;
	if (next >= p->have.n || !picker_is_fresh(p, next))
		next = new_run(p, a, seeds);
	*piece = next;
	if (next != PICKER_NONE && picker_pick_in(p, a, next, now_ms, block))
		return true;
	return picker_pick(p, a, now_ms, piece, block);
}
