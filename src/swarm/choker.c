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

/* The places are right when more of them take no more together: then the uplink is full, and more
 * places only make each slower. So now and then a quarter more is tried, and kept when the sum
 * grows by half of that at least; or a quarter less, and kept when the sum stays. */
static void end_try(struct choker *c, uint64_t total_bps)
{
	bool more = c->slots > c->before;
	uint64_t want = more ? c->peak_bps + c->peak_bps * (c->slots - c->before) / c->before / 2
			     : c->peak_bps - c->peak_bps / 32;

	if (total_bps >= want) {
		c->quiet = 0;
		c->fewer = !more;
	} else {
		c->slots = c->before;
		c->quiet = CHOKER_QUIET_ROUNDS;
		c->fewer = more;
	}
	c->before = 0;
}

static void begin_try(struct choker *c, uint32_t n)
{
	uint32_t step = c->slots / 4;

	if (!c->fewer && (n <= c->slots || c->slots == CHOKER_SLOTS_MAX))
		return;
	if (c->fewer && c->slots <= CHOKER_SLOTS_FIRST) {
		c->fewer = false;
		return;
	}
	c->before = c->slots;
	c->slots = c->fewer ? c->slots - step : c->slots + step;
	if (c->slots > CHOKER_SLOTS_MAX)
		c->slots = CHOKER_SLOTS_MAX;
	if (c->slots < CHOKER_SLOTS_FIRST)
		c->slots = CHOKER_SLOTS_FIRST;
}

static void adapt_slots(struct choker *c, uint64_t total_bps, uint32_t n)
{
	if (c->fixed)
		return;
	if (c->before != 0)
		end_try(c, total_bps);
	/* What was once reached need not be for ever. */
	c->peak_bps -= c->peak_bps / 16;
	if (total_bps > c->peak_bps)
		c->peak_bps = total_bps;
	if (c->quiet > 0)
		c->quiet--;
	else
		begin_try(c, n);
}

/* Higher is better. What a peer earns its place by. */
static uint64_t merit(const struct choker_peer *p, bool seeding)
{
	if (seeding)
		return p->take_bps / 1000 * p->passes_milli;
	return p->give_bps / 1000 * (1000 + CHOKER_BEHIND * (uint64_t)p->behind_milli);
}

/* Higher is better. Who waits longest. */
static uint64_t patience(const struct choker_peer *p, uint64_t now_ms, struct rng *rng)
{
	uint64_t waited = now_ms > p->since_ms ? now_ms - p->since_ms : 0;

	waited += (uint64_t)p->behind_milli * CHOKER_BEHIND_MS + 1000 + rng_below(rng, 1000);
	return (waited * p->passes_milli / 1000 >> p->idle_turns) + 1;
}

/* A seed keeps only who takes, and passes on, half of what the others take on average. */
static uint64_t least_merit(const struct choker_peer *list, uint32_t n, bool seeding)
{
	uint64_t sum = 0, taken = 0;

	for (uint32_t i = 0; seeding && i < n; i++) {
		if (!list[i].unchoked || list[i].stalled)
			continue;
		sum += list[i].take_bps;
		taken++;
	}
	return taken > 0 ? sum / taken / 2 : 0;
}

/* The best `places` by merit that hold a place, or give us something. */
static uint32_t keep_best(struct choker_peer *list, uint32_t n, uint32_t places, bool seeding,
			  uint64_t now_ms)
{
	uint64_t least = least_merit(list, n, seeding);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct choker_peer *p = &list[i];
		bool held = p->unchoked && now_ms - p->since_ms < CHOKER_HOLD_MS;

		p->score = merit(p, seeding);
		if (seeding && (!p->unchoked || p->score < least))
			p->score = 0;
		if (held && p->score == 0)
			p->score = 1;
		if (p->stalled)
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

/* Above all who had a place in vain. */
#define FRESH ((uint64_t)1 << 48)

/* The rest of the places: optimistic ones whose time is not up, then who waits longest. Who takes
 * something makes room for them, but not for those who did nothing with theirs. */
static void fill_rest(struct choker_peer *list, uint32_t n, uint32_t places, bool seeding,
		      uint64_t now_ms, struct rng *rng)
{
	uint64_t hold = seeding ? CHOKER_HOLD_MS : CHOKER_OPTIMISTIC_MS;

	for (uint32_t i = 0; i < n; i++) {
		struct choker_peer *p = &list[i];

		if (p->unchoke || p->stalled)
			p->score = 0;
		else if (p->unchoked && now_ms - p->since_ms < hold)
			p->score = UINT64_MAX;
		else if (p->unchoked)
			p->score = p->take_bps > 0 ? FRESH : 1;
		else
			p->score = patience(p, now_ms, rng) + (p->idle_turns == 0 ? FRESH : 0);
	}
	qsort(list, n, sizeof(*list), by_score);
	for (uint32_t i = 0; i < n && places > 0; i++) {
		if (list[i].unchoke)
			continue;
		list[i].unchoke = true;
		places--;
	}
}

/* As much as the places would take if whoever has one were like those who pass on what they get. */
static uint64_t passed_bps(const struct choker *c, const struct choker_peer *list, uint32_t n)
{
	uint64_t sum = 0, weight = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!list[i].unchoked || list[i].stalled)
			continue;
		sum += list[i].take_bps * list[i].passes_milli;
		weight += list[i].passes_milli;
	}
	return weight == 0 ? c->peak_bps : sum / weight * c->slots;
}

/* Whoever takes much keeps a place beyond those of the others as long as these leave most of the
 * line idle: it costs nobody anything. It may have passed little on because all others have thin
 * lines. */
static void add_takers(const struct choker *c, struct choker_peer *list, uint32_t n,
		       uint64_t total_bps)
{
	if (passed_bps(c, list, n) >= c->peak_bps / CHOKER_IDLE)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (!list[i].stalled && list[i].take_bps > total_bps / c->slots)
			list[i].unchoke = true;
	}
}

void choker_round(struct choker *c, struct choker_peer *list, uint32_t n, bool seeding,
		  uint64_t now_ms, struct rng *rng)
{
	uint32_t turns, kept, n_takers = 0;
	uint64_t total = 0;

	for (uint32_t i = 0; i < n; i++) {
		list[i].unchoke = false;
		if (list[i].stalled)
			list[i].take_bps = 0;
		total += list[i].take_bps;
		n_takers += !list[i].stalled;
	}
	adapt_slots(c, total, n_takers);
	if (n == 0)
		return;
	turns = c->slots / 4 > 0 ? c->slots / 4 : c->slots > 1;
	if (n_takers <= c->slots)
		turns = 0;
	kept = keep_best(list, n, c->slots - turns, seeding, now_ms);
	fill_rest(list, n, c->slots - kept, seeding, now_ms, rng);
	if (seeding && !c->fixed)
		add_takers(c, list, n, total);
}

uint32_t choker_next(const struct choker_peer *list, uint32_t n, bool seeding, struct rng *rng)
{
	uint64_t best_score = 0;
	uint32_t best = n;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t score;

		if (list[i].unchoked || list[i].stalled)
			continue;
		score = ((seeding ? 0 : merit(&list[i], false)) + list[i].behind_milli +
			 rng_below(rng, 500)) >>
			list[i].idle_turns;
		if (best == n || score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}
