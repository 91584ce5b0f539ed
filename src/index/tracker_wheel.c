#include "index/tracker_impl.h"

/* Cards of one slot that are looked at for the stalest peer. */
#define EVICT_TRIES 8u
/* What a peer costs that has expired, and a card besides its peers. */
#define COST_EXPIRED 8u
#define COST_CARD 8u

void wheel_init(struct tracker *t)
{
	for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
		t->wheel[i] = (struct slot){NONE, NONE};
}

/* ---- slots ---- */

/* The first of the coarse slots that is not over. */
static uint32_t coarse_due(const struct tracker *t)
{
	return (t->due + TRACKER_STOCK_TICK_S - 1) / TRACKER_STOCK_TICK_S;
}

/* Times far away are those of stock clients, which come in whole ticks. */
static uint32_t slot_for(const struct tracker *t, uint32_t due)
{
	if (due < t->due)
		due = t->due;
	if (due - t->due < WHEEL_FINE)
		return due % WHEEL_FINE;
	return WHEEL_FINE + due / TRACKER_STOCK_TICK_S % WHEEL_FINE;
}

uint32_t wheel_due(const struct tracker *t, const struct card *b)
{
	uint32_t coarse = coarse_due(t);

	if (b->slot < WHEEL_FINE)
		return t->due + (uint8_t)(b->slot - t->due);
	return (coarse + (uint8_t)(b->slot - coarse)) * TRACKER_STOCK_TICK_S;
}

static void put(struct tracker *t, uint32_t number, uint32_t due)
{
	struct card *b = card_at(t, number);
	uint32_t at = slot_for(t, due);
	struct slot *slot = &t->wheel[at];

	b->slot = at & 1023;
	b->prev = slot->last;
	b->next = NONE;
	if (slot->last != NONE)
		card_at(t, slot->last)->next = number;
	else
		slot->first = number;
	slot->last = number;
}

void wheel_remove(struct tracker *t, uint32_t number)
{
	struct card *b = card_at(t, number);

	if (b->slot == SLOT_NONE)
		return;
	if (b->prev != NONE)
		card_at(t, b->prev)->next = b->next;
	else
		t->wheel[b->slot].first = b->next;
	if (b->next != NONE)
		card_at(t, b->next)->prev = b->prev;
	else
		t->wheel[b->slot].last = b->prev;
	b->slot = SLOT_NONE;
}

void wheel_sooner(struct tracker *t, uint32_t number, uint32_t due)
{
	const struct card *b = card_at(t, number);

	if (b->slot != SLOT_NONE && wheel_due(t, b) <= due)
		return;
	wheel_remove(t, number);
	put(t, number, due);
}

/* ---- expiry ---- */

static uint32_t first_due(const struct tracker *t, const struct card *b)
{
	uint32_t due = UINT32_MAX;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t then = facts_due(t, facts_at(b, i));

		due = then < due ? then : due;
	}
	return due;
}

/* In the wheel anew, by the time of those that stay. */
static uint32_t look_at(struct tracker *t, uint32_t number)
{
	const struct card *b = card_at(t, number);
	uint32_t cost = COST_CARD + b->n, due = UINT32_MAX;
	struct places gone = {{0, 0}};

	for (uint32_t i = 0; i < b->n; i++) {
		const struct facts *f = facts_at(b, i);

		if (facts_is_expired(t, f))
			places_add(&gone, i);
		else if (facts_due(t, f) < due)
			due = facts_due(t, f);
	}
	wheel_remove(t, number);
	if (due != UINT32_MAX)
		put(t, number, due);
	if (places_count(&gone) > 0)
		tracker_remove_peers(t, number, gone);
	return cost + COST_EXPIRED * places_count(&gone);
}

static void set_clock(struct tracker *t)
{
	t->now = t->real < t->due + LAG_MAX_S ? t->real : t->due + LAG_MAX_S;
	t->tick = t->now / TRACKER_STOCK_TICK_S;
}

static uint32_t empty_slot(struct tracker *t, uint32_t slot, uint32_t most)
{
	uint32_t cost = 0;

	while (t->wheel[slot].first != NONE && cost < most)
		cost += look_at(t, t->wheel[slot].first);
	return cost;
}

/* A second is over when its slots are empty. */
void wheel_expire(struct tracker *t, uint32_t most)
{
	uint32_t cost = 0;

	while (t->due <= t->real) {
		if (t->n_peers == 0) {
			t->due = t->real + 1;
			break;
		}
		set_clock(t);
		cost += empty_slot(t, t->due % WHEEL_FINE, most - cost);
		if (t->due % TRACKER_STOCK_TICK_S == 0 && cost < most)
			cost +=
			    empty_slot(t, WHEEL_FINE + t->due / TRACKER_STOCK_TICK_S % WHEEL_FINE,
				       most - cost);
		if (cost >= most)
			break;
		t->due++;
	}
	set_clock(t);
}

void wheel_expire_card(struct tracker *t, uint32_t number)
{
	if (t->due <= t->now && card_at(t, number)->slot != SLOT_NONE &&
	    wheel_due(t, card_at(t, number)) <= t->now)
		look_at(t, number);
}

/* A clock that is set back stands still until it has caught up. */
void wheel_set_now(struct tracker *t, uint64_t now_s)
{
	if (!t->has_epoch) {
		t->has_epoch = true;
		t->epoch_s = now_s;
	}
	if (now_s >= t->epoch_s && now_s - t->epoch_s > t->real)
		t->real = (uint32_t)(now_s - t->epoch_s);
}

/* ---- eviction ---- */

/* The first card whose time it is next, of 256 slots, which begin at `base` with number `at`. Its
 * time is set right first, since it may have been heard of. */
static uint32_t next_card(struct tracker *t, uint32_t base, uint32_t at)
{
	uint32_t tries = 0;

	for (uint32_t i = 0; i < WHEEL_FINE; i++) {
		struct slot *slot = &t->wheel[base + (at + i) % WHEEL_FINE];

		while (slot->first != NONE) {
			uint32_t number = slot->first, due = first_due(t, card_at(t, number));

			if (tries++ == EVICT_TRIES || slot_for(t, due) == card_at(t, number)->slot)
				return number;
			wheel_remove(t, number);
			put(t, number, due);
		}
	}
	return NONE;
}

static uint32_t stalest(const struct tracker *t, uint32_t number, struct spot *out)
{
	const struct card *b = card_at(t, number);
	uint32_t seen = UINT32_MAX;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t then = facts_seen(t, facts_at(b, i));

		if (then < seen) {
			seen = then;
			*out = (struct spot){number, i};
		}
	}
	return seen;
}

void wheel_evict(struct tracker *t)
{
	uint32_t fine, coarse;
	uint32_t seen_fine = UINT32_MAX, seen_coarse = UINT32_MAX;
	struct spot of_fine = NO_SPOT, of_coarse = NO_SPOT;

	do { /* one may have emptied the slots of the other */
		coarse = next_card(t, WHEEL_FINE, coarse_due(t));
		fine = next_card(t, 0, t->due);
	} while (fine == NONE && coarse == NONE);
	if (fine != NONE)
		seen_fine = stalest(t, fine, &of_fine);
	if (coarse != NONE)
		seen_coarse = stalest(t, coarse, &of_coarse);
	tracker_remove_peer(t, seen_coarse <= seen_fine ? of_coarse : of_fine);
}
