/* BEP 11, peer exchange.
 *
 * Each peer is told whom else we are connected to, as changes since it was told last, at most once
 * a minute: somebody is in its `pex_told` list from the message that added him to the one that
 * drops him. Who came to us is named by the port that he says he listens on, without the mark of
 * being reachable. A seed, which does not stay connected to other seeds, tells of those that it has
 * reached lately, too: who knows one of them alone would never hear of the others. What others tell
 * us is only where one might knock: it is heeded no more often than once a minute, and within the
 * limits of the address book. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"
#include "wire/ext_pex.h"

/* Where others can dial it; NULL: unknown. */
static const struct addr *contact_of(const struct peer *p)
{
	const struct addr *a = p->incoming ? &p->listen : &p->addr;

	return addr_is_dialable(a) ? a : NULL;
}

static uint8_t flags_of(const struct peer *p)
{
	return (uint8_t)((swarm_needs_nothing(p) ? EXT_PEX_SEED : 0) | (p->utp ? EXT_PEX_UTP : 0) |
			 (p->holepunch_id != 0 ? EXT_PEX_HOLEPUNCH : 0) |
			 (p->incoming ? 0 : EXT_PEX_REACHABLE));
}

/* Shall `p` know of `other`? Two seeds have nothing to do with each other, and where somebody is in
 * our network, or on this machine, means another place elsewhere. */
static bool is_news(const struct peer *p, const struct peer *other)
{
	const struct addr *a = contact_of(other);

	return a != NULL && other != p && !(p->has_all && other->has_all) &&
	       addr_may_name(addr_scope(&p->addr), a);
}

/* A seed that we have reached lately, and hung up on since neither of us needed anything. */
static bool is_fellow(const struct swarm *s, const struct address *a, uint64_t now_ms)
{
	return swarm_complete(s) && a->seed && a->state == ADDRESS_IDLE && a->reached_ms > 0 &&
	       now_ms - a->reached_ms < SWARM_PEX_SEED_MS &&
	       !addrbook_is_banned(&s->book, &a->addr, now_ms);
}

static bool was_told(const struct peer *p, const struct addr *a)
{
	for (uint32_t i = 0; i < p->n_pex_told; i++)
		if (addr_eq(&p->pex_told[i], a))
			return true;
	return false;
}

static bool is_connected(const struct swarm *s, const struct peer *p, const struct addr *a)
{
	const struct peer *q;

	for (uint32_t i = 0; (q = swarm_next_peer(s, &i)) != NULL;) {
		const struct addr *c = q == p ? NULL : contact_of(q);

		if (c != NULL && addr_eq(c, a))
			return true;
	}
	return false;
}

/* Would `p` be told of it now, if it was not yet? */
static bool still_holds(const struct swarm *s, const struct peer *p, const struct addr *told,
			uint64_t now_ms)
{
	const struct address *a;

	if (is_connected(s, p, told))
		return true;
	a = addrbook_find(&s->book, told);
	return a != NULL && is_fellow(s, a, now_ms);
}

static void list_dropped(const struct swarm *s, struct peer *p, uint64_t now_ms, struct ext_pex *m)
{
	for (uint32_t i = 0; i < p->n_pex_told && m->n_dropped < EXT_PEX_MAX;) {
		if (still_holds(s, p, &p->pex_told[i], now_ms)) {
			i++;
			continue;
		}
		m->dropped[m->n_dropped++] = p->pex_told[i];
		p->pex_told[i] = p->pex_told[--p->n_pex_told];
	}
}

static bool names(const struct ext_pex *m, const struct addr *a)
{
	for (uint32_t i = 0; i < m->n_added; i++)
		if (addr_eq(&m->added[i].addr, a))
			return true;
	for (uint32_t i = 0; i < m->n_dropped; i++)
		if (addr_eq(&m->dropped[i], a))
			return true;
	return false;
}

static bool has_room(const struct peer *p, const struct ext_pex *m)
{
	return m->n_added < EXT_PEX_MAX && p->n_pex_told < SWARM_PEX_TOLD_MAX;
}

static void add(struct peer *p, const struct addr *a, uint8_t flags, struct ext_pex *m)
{
	if (was_told(p, a) || names(m, a))
		return;
	p->pex_told[p->n_pex_told++] = *a;
	m->added[m->n_added++] = (struct ext_pex_peer){*a, flags};
}

/* Everybody is told of others first, so that a swarm's peers do not all dial the same few. */
static void list_added(const struct swarm *s, struct peer *p, struct ext_pex *m)
{
	for (uint32_t k = 1; k < s->n_slots && has_room(p, m); k++) {
		const struct peer *q = s->slots[(p->ref.slot + k) % s->n_slots].peer;

		if (q != NULL && is_news(p, q))
			add(p, contact_of(q), flags_of(q), m);
	}
}

static void list_fellows(const struct swarm *s, struct peer *p, uint64_t now_ms, struct ext_pex *m)
{
	const struct addrbook *b = &s->book;

	if (!swarm_complete(s) || swarm_needs_nothing(p))
		return;
	for (uint32_t k = 0; k < b->n && has_room(p, m); k++) {
		const struct address *a = &b->list[(p->ref.slot + k) % b->n];

		if (is_fellow(s, a, now_ms) && addr_may_name(addr_scope(&p->addr), &a->addr))
			add(p, &a->addr, EXT_PEX_SEED | EXT_PEX_REACHABLE, m);
	}
}

static void tell(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;
	struct ext_pex m;

	p->pex_due_ms = t->now_ms + SWARM_PEX_LOOK_MS;
	if (p->pex_told == NULL)
		p->pex_told = calloc(SWARM_PEX_TOLD_MAX, sizeof(*p->pex_told));
	if (p->pex_told == NULL)
		return;
	m.n_added = m.n_dropped = 0;
	list_dropped(s, p, t->now_ms, &m);
	list_added(s, p, &m);
	list_fellows(s, p, t->now_ms, &m);
	if (m.n_added == 0 && m.n_dropped == 0)
		return;
	buf_clear(&s->scratch);
	if (ext_pex_encode(&s->scratch, &m) == OK)
		swarm_send(t, p,
			   &(struct wire_msg){.type = WIRE_EXTENDED,
					      .ext_id = p->pex_id,
					      .body = buf_bytes(&s->scratch)});
	p->pex_due_ms = t->now_ms + SWARM_PEX_MS;
}

void swarm_begin_pex(struct turn *t, struct peer *p, uint8_t id)
{
	if (t->s->meta->private)
		return;
	/* Zero takes it back; a new number does not make it sooner. */
	if (p->pex_id == 0)
		p->pex_due_ms = t->now_ms + SWARM_PEX_FIRST_MS;
	p->pex_id = id;
	if (id != 0 && p->pex_due_ms < t->s->pex_at_ms)
		t->s->pex_at_ms = p->pex_due_ms;
}

/* One message in a turn: they all borrow one buffer. */
void swarm_tell_pex(struct turn *t)
{
	struct swarm *s = t->s;
	bool told = false;
	struct peer *p;

	s->pex_at_ms = UINT64_MAX;
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->pex_id == 0)
			continue;
		if (!told && p->pex_due_ms <= t->now_ms) {
			told = true;
			tell(t, p);
		}
		if (p->pex_due_ms < s->pex_at_ms)
			s->pex_at_ms = p->pex_due_ms;
	}
}

static void take(struct turn *t, const struct peer *p, const struct ext_pex_peer *told)
{
	struct address *a;

	if (!addr_may_name(addr_scope(&p->addr), &told->addr))
		return;
	a = addrbook_add(&t->s->book, &told->addr, SOURCE_PEX, t->now_ms);
	if (a == NULL)
		return;
	a->told_by = p->ref;
	if (a->state == ADDRESS_IDLE)
		a->said_complete = (told->flags & EXT_PEX_SEED) != 0;
	a->punch = (told->flags & (EXT_PEX_HOLEPUNCH | EXT_PEX_REACHABLE)) == EXT_PEX_HOLEPUNCH;
	/* Others are when they are dialled. */
	if (a->punch && a->state == ADDRESS_DIALING)
		swarm_punch(t, a);
}

void swarm_on_pex(struct turn *t, struct peer *p, struct bytes body)
{
	struct ext_pex m;

	if (t->s->meta->private)
		return;
	if (ext_pex_decode(&m, body) < 0) {
		swarm_breach(t, p, "sent a peer exchange that cannot be read");
		return;
	}
	if (p->pex_heard && t->now_ms - p->pex_heard_ms < SWARM_PEX_HEED_MS)
		return;
	p->pex_heard = true;
	p->pex_heard_ms = t->now_ms;
	for (uint32_t i = 0; i < m.n_added; i++)
		take(t, p, &m.added[i]);
	t->s->redial = true;
}
