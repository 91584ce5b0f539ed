/* BEP 55, hole punching: asking a common peer to bring us together with somebody whom we cannot
 * dial, being brought together, and bringing others together.
 *
 * Whoever was named in a peer exchange as one who knows the extension, and not as reachable, is
 * asked for while it is dialled the plain way, since that mostly ends in nothing but time; others
 * are once it has failed. The one who named it is asked first, then one or two more. */
#include <stdlib.h>

#include "swarm/holepunch.h"
#include "swarm/swarm_parts.h"
#include "wire/ext_holepunch.h"
#include "wire/ext_pex.h"

/* Where packets of others reach it, as far as we see: over uTP it speaks from the socket that it
 * listens on, so that this is what its router made of it. NULL: unknown. */
static const struct addr *endpoint_of(const struct peer *p)
{
	const struct addr *a = p->incoming && !p->utp ? &p->listen : &p->addr;

	return addr_is_dialable(a) ? a : NULL;
}

static struct peer *find_by_addr(const struct swarm *s, const struct addr *a)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		if (!p->source && (addr_eq(&p->addr, a) || addr_eq(&p->listen, a)))
			return p;
	return NULL;
}

static bool is_ourselves(const struct swarm *s, const struct addr *a)
{
	const struct address *known = addrbook_find(&s->book, a);
	const struct addr *self = &s->book.self[a->v6];

	return (known != NULL && known->self) ||
	       (s->book.knows_self[a->v6] && addr_same_host(self, a) &&
		a->port == swarm_port_for(s, a));
}

/* `raw` lasts until the swarm's next call: messages borrow it. */
static void say(struct turn *t, struct peer *p, const struct ext_holepunch *m, uint8_t raw[24])
{
	struct buf body;

	buf_init(&body, 24);
	if (ext_holepunch_encode(&body, m) == OK) {
		memcpy(raw, body.ptr, body.len);
		swarm_send(t, p,
			   &(struct wire_msg){.type = WIRE_EXTENDED,
					      .ext_id = p->holepunch_id,
					      .body = bytes_of(raw, body.len)});
	}
	buf_fini(&body);
}

static struct holepunch *attempts_of(struct swarm *s)
{
	if (s->holepunch == NULL)
		s->holepunch = calloc(1, sizeof(*s->holepunch));
	return s->holepunch;
}

/* ---- asking ----------------------------------------------------------------------------- */

static bool may_introduce(const struct peer *p, const struct addr *to)
{
	return p != NULL && !p->source && p->holepunch_id != 0 && holepunch_may_pair(&p->addr, to);
}

/* Ask one who was not asked yet; false: there is none. */
static bool ask_somebody(struct turn *t, struct holepunch_attempt *a, struct peer_ref first)
{
	struct swarm *s = t->s;
	struct peer *p = swarm_find(s, first);
	uint32_t from = s->n_slots > 0 ? rng_below(&s->rng, s->n_slots) : 0;

	if (!may_introduce(p, &a->addr) || !holepunch_ask(a, p->ref, t->now_ms)) {
		p = NULL;
		for (uint32_t k = 0; k < s->n_slots && p == NULL; k++) {
			struct peer *q = s->slots[(from + k) % s->n_slots].peer;

			if (may_introduce(q, &a->addr) && holepunch_ask(a, q->ref, t->now_ms))
				p = q;
		}
	}
	if (p == NULL)
		return false;
	say(t, p, &(struct ext_holepunch){.type = EXT_HOLEPUNCH_RENDEZVOUS, .addr = a->addr},
	    a->message);
	if (a->answer_ms < s->punch_at_ms)
		s->punch_at_ms = a->answer_ms;
	return true;
}

void swarm_punch(struct turn *t, const struct address *to)
{
	struct swarm *s = t->s;
	struct holepunch_attempt *a;

	if (!s->punches || to->self || !holepunch_may_dial(&to->addr) || attempts_of(s) == NULL ||
	    holepunch_find(s->holepunch, &to->addr, t->now_ms) != NULL ||
	    holepunch_is_tried(s->holepunch, &to->addr, t->now_ms))
		return;
	a = holepunch_begin(s->holepunch, &to->addr, false, t->now_ms);
	/* With nobody to ask it may be tried again as soon as there is. */
	if (a != NULL && !ask_somebody(t, a, to->told_by))
		a->until_ms = 0;
}

/* Who was asked last does not help. */
static void ask_the_next(struct turn *t, struct holepunch_attempt *a)
{
	a->answer_ms = UINT64_MAX;
	(void)ask_somebody(t, a, (struct peer_ref){SWARM_NO_SLOT, 0});
}

void swarm_check_punches(struct turn *t)
{
	struct swarm *s = t->s;

	s->punch_at_ms = UINT64_MAX;
	for (uint32_t i = 0; s->holepunch != NULL && i < HOLEPUNCH_ATTEMPTS_MAX; i++) {
		struct holepunch_attempt *a = &s->holepunch->list[i];

		if (a->until_ms <= t->now_ms || a->answer_ms == UINT64_MAX)
			continue;
		if (a->answer_ms <= t->now_ms)
			ask_the_next(t, a);
		else if (a->answer_ms < s->punch_at_ms)
			s->punch_at_ms = a->answer_ms;
	}
}

static void on_error(struct turn *t, const struct peer *p, const struct ext_holepunch *m)
{
	struct holepunch_attempt *a = holepunch_find(t->s->holepunch, &m->addr, t->now_ms);

	if (a != NULL && !a->dialled && a->answer_ms != UINT64_MAX && peer_ref_eq(a->asked, p->ref))
		ask_the_next(t, a);
}

/* ---- being brought together ----------------------------------------------------------------- */

static void on_connect(struct turn *t, struct peer_ref by, struct allowance *heed,
		       const struct addr *to)
{
	struct swarm *s = t->s;
	const struct address *known = addrbook_find(&s->book, to);
	struct effect *e;

	if (s->n_peers - s->n_sources >= s->max_peers || find_by_addr(s, to) != NULL ||
	    is_ourselves(s, to) || addrbook_is_banned(&s->book, to, t->now_ms) ||
	    (known != NULL && known->seed && swarm_complete(s)) ||
	    holepunch_on_connect(s->holepunch, by, to, heed, t->now_ms) == NULL)
		return;
	e = effects_add(t->fx, EFFECT_PUNCH, by);
	if (e != NULL)
		e->u.addr = *to;
}

void swarm_on_introduced(struct swarm *s, const struct addr *list, size_t n, uint64_t now_ms,
			 struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	if (!s->punches || attempts_of(s) == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		on_connect(&t, (struct peer_ref){SWARM_NO_SLOT, 1}, &s->holepunch->heed, &list[i]);
}

/* ---- bringing others together --------------------------------------------------------------- */

static uint32_t why_not(const struct swarm *s, const struct peer *p, const struct addr *to)
{
	const struct peer *q;

	if (!addr_is_dialable(to))
		return EXT_HOLEPUNCH_NO_PEER;
	if (is_ourselves(s, to))
		return EXT_HOLEPUNCH_SELF;
	q = find_by_addr(s, to);
	if (q == NULL)
		return EXT_HOLEPUNCH_NOT_CONNECTED;
	if (q == p)
		return EXT_HOLEPUNCH_NO_PEER;
	if (q->holepunch_id == 0)
		return EXT_HOLEPUNCH_NO_SUPPORT;
	if (endpoint_of(p) == NULL || endpoint_of(q) == NULL ||
	    !holepunch_may_pair(endpoint_of(p), endpoint_of(q)))
		return EXT_HOLEPUNCH_NOT_CONNECTED;
	return 0;
}

static void on_rendezvous(struct turn *t, struct peer *p, const struct addr *to)
{
	struct swarm *s = t->s;
	struct holepunch *h = s->holepunch;
	struct ext_holepunch m = {.type = EXT_HOLEPUNCH_CONNECT};
	struct peer *q;
	uint32_t error;

	if (!allowance_take(&p->relays, HOLEPUNCH_RELAY_BURST, HOLEPUNCH_RELAY_MS, t->now_ms) ||
	    !allowance_take(&h->relays, HOLEPUNCH_RELAY_ALL_BURST, HOLEPUNCH_RELAY_ALL_MS,
			    t->now_ms))
		return;
	error = why_not(s, p, to);
	if (error != 0) {
		m = (struct ext_holepunch){
		    .type = EXT_HOLEPUNCH_ERROR, .addr = *to, .error = error};
		say(t, p, &m, h->messages[0]);
		return;
	}
	q = find_by_addr(s, to);
	m.addr = *endpoint_of(p);
	say(t, q, &m, h->messages[0]);
	m.addr = *endpoint_of(q);
	say(t, p, &m, h->messages[1]);
}

void swarm_on_holepunch(struct turn *t, struct peer *p, struct bytes body)
{
	struct ext_holepunch m;

	/* Source: BEP 55, "implementation notes": who does not say that it knows the extension is
	 * not heard. */
	if (!t->s->punches || p->holepunch_id == 0)
		return;
	if (ext_holepunch_decode(&m, body) < 0) {
		swarm_breach(t, p, "sent a hole punching message that cannot be read");
		return;
	}
	if (attempts_of(t->s) == NULL)
		return;
	switch (m.type) {
	case EXT_HOLEPUNCH_RENDEZVOUS:
		on_rendezvous(t, p, &m.addr);
		break;
	case EXT_HOLEPUNCH_CONNECT:
		on_connect(t, p->ref, &p->heed, &m.addr);
		break;
	case EXT_HOLEPUNCH_ERROR:
		on_error(t, p, &m);
		break;
	}
}
