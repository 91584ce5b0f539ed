#include "swarm/holepunch.h"

#define NOBODY UINT32_MAX

bool allowance_take(struct allowance *a, uint32_t burst, uint32_t every_ms, uint64_t now_ms)
{
	uint64_t from = a->paid_ms > now_ms ? a->paid_ms : now_ms;

	if (from - now_ms > (uint64_t)(burst - 1) * every_ms)
		return false;
	a->paid_ms = from + every_ms;
	return true;
}

/* ---- addresses ------------------------------------------------------------------------- */

bool holepunch_may_dial(const struct addr *a)
{
	enum addr_scope scope = addr_scope(a);

	return addr_is_dialable(a) && (scope == ADDR_PUBLIC || scope == ADDR_PRIVATE);
}

bool holepunch_may_pair(const struct addr *a, const struct addr *b)
{
	return a->v6 == b->v6 && holepunch_may_dial(a) && holepunch_may_dial(b) &&
	       addr_scope(a) == addr_scope(b);
}

/* ---- attempts -------------------------------------------------------------------------- */

struct holepunch_attempt *holepunch_find(struct holepunch *h, const struct addr *a, uint64_t now_ms)
{
	for (uint32_t i = 0; i < HOLEPUNCH_ATTEMPTS_MAX; i++)
		if (h->list[i].until_ms > now_ms && addr_eq(&h->list[i].addr, a))
			return &h->list[i];
	return NULL;
}

struct holepunch_attempt *holepunch_begin(struct holepunch *h, const struct addr *a, bool unasked,
					  uint64_t now_ms)
{
	struct holepunch_attempt *free = NULL;
	uint32_t n_unasked = 0;

	for (uint32_t i = 0; i < HOLEPUNCH_ATTEMPTS_MAX; i++) {
		if (h->list[i].until_ms <= now_ms)
			free = &h->list[i];
		else
			n_unasked += h->list[i].n_tried == 0;
	}
	if (free == NULL || (unasked && n_unasked >= HOLEPUNCH_UNASKED_MAX))
		return NULL;
	*free = (struct holepunch_attempt){.addr = *a,
					   .until_ms = now_ms + HOLEPUNCH_AGAIN_MS,
					   .asked = {NOBODY, 0},
					   .answer_ms = UINT64_MAX};
	return free;
}

bool holepunch_is_tried(const struct holepunch *h, const struct addr *a, uint64_t now_ms)
{
	uint32_t ports = 0;

	for (uint32_t i = 0; i < HOLEPUNCH_ATTEMPTS_MAX; i++) {
		const struct holepunch_attempt *t = &h->list[i];

		if (t->until_ms <= now_ms || !t->dialled || !addr_same_subscriber(&t->addr, a))
			continue;
		if (addr_eq(&t->addr, a) || ++ports == HOLEPUNCH_PORTS_MAX)
			return true;
	}
	return false;
}

/* What this introducer was asked for on that host: it may know it by another port, which is then
 * the one that the router gave it. */
static struct holepunch_attempt *asked_of(struct holepunch *h, struct peer_ref by,
					  const struct addr *a, uint64_t now_ms)
{
	for (uint32_t i = 0; i < HOLEPUNCH_ATTEMPTS_MAX; i++) {
		struct holepunch_attempt *t = &h->list[i];

		if (t->until_ms > now_ms && !t->dialled && peer_ref_eq(t->asked, by) &&
		    addr_same_host(&t->addr, a))
			return t;
	}
	return NULL;
}

struct holepunch_attempt *holepunch_on_connect(struct holepunch *h, struct peer_ref by,
					       const struct addr *a, struct allowance *heed,
					       uint64_t now_ms)
{
	struct holepunch_attempt *t;

	if (!holepunch_may_dial(a) || holepunch_is_tried(h, a, now_ms))
		return NULL;
	t = asked_of(h, by, a, now_ms);
	if (t == NULL)
		t = holepunch_find(h, a, now_ms);
	if (t == NULL || !peer_ref_eq(t->asked, by)) {
		if (!allowance_take(heed, HOLEPUNCH_HEED_BURST, HOLEPUNCH_HEED_MS, now_ms))
			return NULL;
		if (t == NULL)
			t = holepunch_begin(h, a, true, now_ms);
	}
	if (t == NULL)
		return NULL;
	t->addr = *a;
	t->dialled = true;
	t->until_ms = now_ms + HOLEPUNCH_AGAIN_MS;
	t->answer_ms = UINT64_MAX;
	return t;
}

bool holepunch_ask(struct holepunch_attempt *a, struct peer_ref introducer, uint64_t now_ms)
{
	if (a->dialled || a->n_tried == HOLEPUNCH_ASKS_MAX)
		return false;
	for (uint32_t i = 0; i < a->n_tried; i++)
		if (a->tried[i] == introducer.slot)
			return false;
	a->tried[a->n_tried++] = introducer.slot;
	a->asked = introducer;
	a->answer_ms = now_ms + HOLEPUNCH_WAIT_MS;
	return true;
}
