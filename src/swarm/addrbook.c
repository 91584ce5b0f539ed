#include "swarm/addrbook.h"

#include <stdlib.h>

#include "base/grow.h"
#include "swarm/priority.h"

#define ADDRBOOK_FIRST 16u

void addrbook_init(struct addrbook *b, struct rng *rng)
{
	*b = (struct addrbook){.rng = rng};
	b->key.k0 = rng_next(rng);
	b->key.k1 = rng_next(rng);
}

void addrbook_fini(struct addrbook *b)
{
	free(b->list);
	free(b->heads);
	free(b->bans);
	free(b->strikes);
	*b = (struct addrbook){0};
}

/* ---- the table ----------------------------------------------------------- */

static uint32_t *head_of(const struct addrbook *b, const struct addr *a)
{
	uint64_t h = siphash(b->key, bytes_of(a, sizeof(*a)));

	return &b->heads[h & (b->heads_cap - 1)];
}

struct address *addrbook_find(const struct addrbook *b, const struct addr *a)
{
	uint32_t at;

	if (b->n == 0)
		return NULL;
	for (at = *head_of(b, a); at != 0; at = b->list[at - 1].next) {
		if (addr_eq(&b->list[at - 1].addr, a))
			return &b->list[at - 1];
	}
	return NULL;
}

static void chain_in(struct addrbook *b, uint32_t i)
{
	uint32_t *head = head_of(b, &b->list[i].addr);

	b->list[i].next = *head;
	*head = i + 1;
}

static void chain_out(struct addrbook *b, uint32_t i)
{
	uint32_t *link = head_of(b, &b->list[i].addr);

	while (*link != i + 1)
		link = &b->list[*link - 1].next;
	*link = b->list[i].next;
}

static int more_addresses(struct addrbook *b)
{
	uint32_t cap = b->cap == 0 ? ADDRBOOK_FIRST : b->cap * 2;
	struct address *list = realloc(b->list, cap * sizeof(*list));
	uint32_t *heads;

	if (list == NULL)
		return ERR_NOMEM;
	b->list = list;
	heads = calloc(cap, sizeof(*heads));
	if (heads == NULL)
		return ERR_NOMEM;
	free(b->heads);
	b->heads = heads;
	b->heads_cap = b->cap = cap;
	for (uint32_t i = 0; i < b->n; i++)
		chain_in(b, i);
	return 0;
}

/* Higher is worth more. */
static uint32_t worth(const struct address *a)
{
	static const uint8_t of_source[] = {
	    [SOURCE_TRACKER] = 3, [SOURCE_USER] = 100, [SOURCE_PEX] = 1,
	    [SOURCE_DHT] = 2,	  [SOURCE_LSD] = 50,   [SOURCE_ARRIVED] = 3};
	uint32_t failed = a->failures < 15 ? a->failures : 15u;

	return (a->good ? 400u : 0u) + of_source[a->source] * 2u + (15 - failed) * 20u;
}

/* A slot of an address worth no more than a new one from `src`: the worst of a few looked at,
 * so that floods cost little each. */
static uint32_t weakest(struct addrbook *b, enum addr_source src)
{
	struct address fresh = {.source = (uint8_t)src};
	uint32_t best = b->n;

	for (int i = 0; i < 16; i++) {
		uint32_t at = rng_below(b->rng, b->n);

		if (b->list[at].state != ADDRESS_IDLE || b->list[at].self)
			continue;
		if (best == b->n || worth(&b->list[at]) < worth(&b->list[best]))
			best = at;
	}
	return best < b->n && worth(&b->list[best]) <= worth(&fresh) ? best : b->n;
}

static void awaken(struct address *a, uint64_t now_ms)
{
	if (a->state == ADDRESS_IDLE && a->due_ms > now_ms)
		a->due_ms = now_ms;
}

struct address *addrbook_add(struct addrbook *b, const struct addr *a, enum addr_source src,
			     uint64_t now_ms)
{
	struct address *known = addrbook_find(b, a);
	uint32_t at = b->n;

	if (known != NULL) {
		if (src == SOURCE_USER || src == SOURCE_LSD)
			known->source = (uint8_t)src;
		if (src == SOURCE_USER || src == SOURCE_LSD || src == SOURCE_ARRIVED)
			awaken(known, now_ms);
		return known;
	}
	if (!addr_is_dialable(a) || addrbook_is_banned(b, a, now_ms))
		return NULL;
	if (b->n == SWARM_ADDRESSES_MAX) {
		at = weakest(b, src);
		if (at == b->n)
			return NULL;
		chain_out(b, at);
	} else {
		if (b->n == b->cap && more_addresses(b) < 0)
			return NULL;
		b->n++;
	}
	b->list[at] = (struct address){.addr = *a,
				       .source = (uint8_t)src,
				       .told_by = {UINT32_MAX, 0},
				       .priority = addrbook_priority(b, a),
				       .due_ms = now_ms};
	chain_in(b, at);
	return &b->list[at];
}

/* ---- priority ------------------------------------------------------------ */

uint32_t addrbook_priority(const struct addrbook *b, const struct addr *a)
{
	/* A peer of our own network sees us at another address. */
	if (!b->knows_self[a->v6] || addr_scope(a) != ADDR_PUBLIC)
		return 0;
	return peer_priority(&b->self[a->v6], a);
}

void addrbook_set_self(struct addrbook *b, const struct addr *self)
{
	b->knows_self[self->v6] = true;
	b->self[self->v6] = *self;
	for (uint32_t i = 0; i < b->n; i++)
		b->list[i].priority = addrbook_priority(b, &b->list[i].addr);
}

static bool is_better(const struct address *a, const struct address *b, enum address_wish wish)
{
	uint32_t ours = worth(a), theirs = worth(b);

	if (ours != theirs)
		return ours > theirs;
	if (wish == WISH_COMPLETE && a->said_complete != b->said_complete)
		return a->said_complete;
	return a->priority > b->priority;
}

/* ---- dialling ------------------------------------------------------------ */

void addrbook_set_state(struct addrbook *b, struct address *a, enum address_state state)
{
	if (a->state == ADDRESS_DIALING) {
		b->n_dialing--;
		b->n_first -= a->first;
	}
	if (state == ADDRESS_DIALING) {
		a->first = !a->dialled;
		a->dialled = true;
		b->n_dialing++;
		b->n_first += a->first;
	}
	a->state = (uint8_t)state;
}

uint32_t addrbook_complete(const struct addrbook *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++)
		n += b->list[i].said_complete && b->list[i].state != ADDRESS_IDLE;
	return n;
}

struct address *addrbook_dial(struct addrbook *b, enum address_wish wish, uint64_t now_ms,
			      uint64_t *due_ms)
{
	struct address *best = NULL;
	uint32_t from = b->n > 0 ? rng_below(b->rng, b->n) : 0;

	*due_ms = UINT64_MAX;
	for (uint32_t k = 0; k < b->n; k++) {
		struct address *a = &b->list[(from + k) % b->n];

		if (a->state != ADDRESS_IDLE || a->self || (wish == WISH_LACKING && a->seed))
			continue;
		if (a->due_ms > now_ms) {
			if (a->due_ms < *due_ms)
				*due_ms = a->due_ms;
			continue;
		}
		if (best == NULL || is_better(a, best, wish))
			best = a;
	}
	if (best != NULL) {
		addrbook_set_state(b, best, ADDRESS_DIALING);
		*due_ms = now_ms;
	}
	return best;
}

bool addrbook_has_due(const struct addrbook *b, uint64_t now_ms)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->list[i].state == ADDRESS_IDLE && !b->list[i].self &&
		    b->list[i].due_ms <= now_ms)
			return true;
	}
	return false;
}

uint32_t addrbook_untried(const struct addrbook *b, uint32_t most, uint64_t now_ms)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n && n < most; i++) {
		const struct address *a = &b->list[i];

		n += a->state == ADDRESS_IDLE && !a->self && !a->dialled && a->due_ms <= now_ms;
	}
	return n;
}

void addrbook_delay(struct addrbook *b, struct address *a, uint64_t ms, uint64_t now_ms)
{
	/* A quarter more or less. */
	uint32_t quarter = (uint32_t)(ms / 4);

	a->due_ms = now_ms + ms - quarter + rng_below(b->rng, 2 * quarter + 1);
}

static uint64_t pause_ms(const struct address *a, bool soon)
{
	bool keep = a->good || a->source == SOURCE_USER || a->source == SOURCE_LSD;
	bool named = a->source == SOURCE_USER && a->failures < ADDRBOOK_USER_TRIES;
	uint64_t max = named  ? ADDRBOOK_RETRY_MS
		       : keep ? ADDRBOOK_RETRY_GOOD_MS
			      : ADDRBOOK_RETRY_MAX_MS;
	uint32_t doublings = a->failures > 1 ? a->failures - 1u : 0;
	uint64_t ms = soon ? ADDRBOOK_RETRY_SOON_MS : ADDRBOOK_RETRY_MS;

	while (doublings-- > 0 && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

static void try_later(struct addrbook *b, struct address *a, bool soon, uint64_t now_ms)
{
	addrbook_set_state(b, a, ADDRESS_IDLE);
	if (a->failures < UINT8_MAX)
		a->failures++;
	a->reached_ms = 0;
	addrbook_delay(b, a, pause_ms(a, soon), now_ms);
}

void addrbook_on_failed(struct addrbook *b, struct address *a, uint64_t now_ms)
{
	try_later(b, a, false, now_ms);
}

void addrbook_on_hung_up(struct addrbook *b, struct address *a, uint64_t now_ms)
{
	try_later(b, a, true, now_ms);
}

void addrbook_on_failed_alone(struct addrbook *b, struct address *a, uint64_t now_ms)
{
	try_later(b, a, a->source == SOURCE_USER, now_ms);
}

void addrbook_put_off(struct addrbook *b, struct address *a, uint64_t ms, uint64_t now_ms)
{
	addrbook_set_state(b, a, ADDRESS_IDLE);
	a->dialled = false;
	addrbook_delay(b, a, ms, now_ms);
}

void addrbook_recall(struct addrbook *b, uint64_t now_ms)
{
	for (uint32_t i = 0; i < b->n; i++)
		awaken(&b->list[i], now_ms);
}

void addrbook_on_closed(struct addrbook *b, struct address *a, bool useful, uint64_t now_ms)
{
	if (!useful) {
		addrbook_on_failed(b, a, now_ms);
		return;
	}
	addrbook_set_state(b, a, ADDRESS_IDLE);
	a->failures = 0;
	addrbook_delay(b, a, ADDRBOOK_RETRY_MS / 2, now_ms);
}

/* ---- bans ---------------------------------------------------------------- */

struct addr addrbook_host(const struct addr *a)
{
	static const struct addr everybody = {.ip = {127, 0, 0, 1}};
	static const struct addr everybody_v6 = {.ip = {[15] = 1}, .v6 = 1};

	if (addr_same_host(a, &everybody) || addr_same_host(a, &everybody_v6))
		return *a;
	return addr_subscriber(a);
}

bool addrbook_covers(const struct addr *ban, const struct addr *a)
{
	struct addr host = addrbook_host(ban), other = addrbook_host(a);

	return addr_eq(&host, &other);
}

int addrbook_ban(struct addrbook *b, const struct addr *a, uint64_t now_ms, uint64_t ms)
{
	uint32_t at = b->n_bans;
	struct addr_mark *grown;

	for (uint32_t i = 0; i < b->n_bans; i++) {
		if (b->bans[i].until_ms <= now_ms || addrbook_covers(&b->bans[i].addr, a)) {
			at = i;
			break;
		}
	}
	if (at == ADDRBOOK_BANS_MAX) {
		at = 0;
		for (uint32_t i = 1; i < b->n_bans; i++) {
			if (b->bans[i].until_ms < b->bans[at].until_ms)
				at = i;
		}
	}
	grown = grow(b->bans, at, &b->bans_cap, 4, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	b->bans = grown;
	if (at == b->n_bans)
		b->n_bans++;
	b->bans[at] = (struct addr_mark){*a, now_ms + ms};
	return 0;
}

bool addrbook_is_banned(const struct addrbook *b, const struct addr *a, uint64_t now_ms)
{
	for (uint32_t i = 0; i < b->n_bans; i++) {
		if (b->bans[i].until_ms > now_ms && addrbook_covers(&b->bans[i].addr, a))
			return true;
	}
	return false;
}

bool addrbook_strike(struct addrbook *b, const struct addr *a, uint64_t now_ms)
{
	uint32_t n = 0;

	if (b->strikes == NULL) {
		b->strikes = malloc(ADDRBOOK_STRIKES_KEPT * sizeof(*b->strikes));
		if (b->strikes == NULL)
			return false;
	}
	b->strikes[b->strike_at] = (struct addr_mark){*a, now_ms + ADDRBOOK_STRIKE_MS};
	b->strike_at = (b->strike_at + 1) % ADDRBOOK_STRIKES_KEPT;
	if (b->n_strikes < ADDRBOOK_STRIKES_KEPT)
		b->n_strikes++;
	for (uint32_t i = 0; i < b->n_strikes; i++) {
		if (b->strikes[i].until_ms > now_ms && addrbook_covers(a, &b->strikes[i].addr))
			n++;
	}
	return n >= ADDRBOOK_STRIKES;
}

void addrbook_check(const struct addrbook *b)
{
	uint32_t n_dialing = 0, n_first = 0;

	assert(b->n <= SWARM_ADDRESSES_MAX && b->n <= b->cap);
	for (uint32_t i = 0; i < b->n; i++) {
		assert(addrbook_find(b, &b->list[i].addr) == &b->list[i]);
		n_dialing += b->list[i].state == ADDRESS_DIALING;
		n_first += b->list[i].state == ADDRESS_DIALING && b->list[i].first;
	}
	assert(n_dialing == b->n_dialing && n_first == b->n_first);
}
