#include "swarm/choker.h"

#include <stdlib.h>

void choker_init(struct choker *c, uint32_t slots)
{
	*c = (struct choker){.slots = slots, .fixed = slots != 0};
	if (slots == 0)
		c->slots = CHOKER_SLOTS_FIRST;
}

static int by_score(const void *a, const void *b)
{
	const struct choker_peer *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* One place more is kept when all together then take more, else it is given up again: with a
 * full uplink more places only make each slower. */
static void adapt_slots(struct choker *c, uint64_t total_bps, uint32_t n)
{
	if (c->fixed)
		return;
	if (c->tried && total_bps < c->last_bps + c->last_bps / 20) {
		c->slots--;
		c->quiet = 6;
		c->tried = false;
	} else if (c->quiet > 0) {
		c->quiet--;
		c->tried = false;
	} else if (n > c->slots && c->slots < CHOKER_SLOTS_MAX) {
		c->slots++;
		c->tried = true;
	} else {
		c->tried = false;
	}
	if (c->slots < CHOKER_SLOTS_MIN)
		c->slots = CHOKER_SLOTS_MIN;
	c->last_bps = total_bps;
}

/* Higher is better. What a peer earns its place by. */
static uint64_t merit(const struct choker_peer *p, bool seeding)
{
	if (!seeding)
		return p->give_bps;
	/* Twice as much for one that has nothing as for one that has nearly all. */
	return p->take_bps / 1000 * (2000 - p->have_milli);
}

/* Higher is better. Who waits longest; among equals, who has least. */
static uint64_t patience(const struct choker_peer *p, uint64_t now_ms, struct rng *rng)
{
	uint64_t waited = now_ms > p->since_ms ? now_ms - p->since_ms : 0;

	return (waited / 1000 + 1) * 4000 + (1000 - p->have_milli) * 2 + rng_below(rng, 1000);
}

/* The best `places` by merit that hold a place, or give us something. */
static uint32_t keep_best(struct choker_peer *list, uint32_t n, uint32_t places, bool seeding,
			  uint64_t now_ms)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct choker_peer *p = &list[i];
		bool held = p->unchoked && now_ms - p->since_ms < CHOKER_HOLD_MS;

		p->score = merit(p, seeding);
		if (held && p->score == 0)
			p->score = 1;
		if (seeding && !p->unchoked)
			p->score = 0;
	}
	qsort(list, n, sizeof(*list), by_score);
	for (uint32_t i = 0; i < n && kept < places; i++) {
		if (list[i].score == 0)
			break;
		list[i].unchoke = true;
		kept++;
	}
	return kept;
}

/* The rest of the places: optimistic ones whose time is not up, then who waits longest. */
static void fill_rest(struct choker_peer *list, uint32_t n, uint32_t places, bool seeding,
		      uint64_t now_ms, struct rng *rng)
{
	uint64_t hold = seeding ? CHOKER_HOLD_MS : CHOKER_OPTIMISTIC_MS;

	for (uint32_t i = 0; i < n; i++) {
		struct choker_peer *p = &list[i];

		if (p->unchoke)
			p->score = 0;
		else if (p->unchoked)
			p->score = now_ms - p->since_ms < hold ? UINT64_MAX : 1;
		else
			p->score = patience(p, now_ms, rng);
	}
	qsort(list, n, sizeof(*list), by_score);
	for (uint32_t i = 0; i < n && places > 0; i++) {
		if (list[i].unchoke)
			continue;
		list[i].unchoke = true;
		places--;
	}
}

void choker_round(struct choker *c, struct choker_peer *list, uint32_t n, bool seeding,
		  uint64_t now_ms, struct rng *rng)
{
	uint64_t total = 0;
	uint32_t turns, kept;

	for (uint32_t i = 0; i < n; i++) {
		list[i].unchoke = false;
		total += list[i].take_bps;
	}
	adapt_slots(c, total, n);
	if (n == 0)
		return;
	turns = c->slots / 4 > 0 ? c->slots / 4 : c->slots > 1;
	if (n <= c->slots)
		turns = 0;
	kept = keep_best(list, n, c->slots - turns, seeding, now_ms);
	fill_rest(list, n, c->slots - kept, seeding, now_ms, rng);
}

uint32_t choker_next(const struct choker_peer *list, uint32_t n, bool seeding, struct rng *rng)
{
	uint64_t best_score = 0;
	uint32_t best = n;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t score;

		if (list[i].unchoked)
			continue;
		score = (seeding ? 0 : list[i].give_bps) + 1 + (1000 - list[i].have_milli) +
			rng_below(rng, 500);
		if (best == n || score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}
