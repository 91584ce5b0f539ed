#include "swarm/swarm_parts.h"

struct peer *swarm_find(const struct swarm *s, struct peer_ref ref)
{
	if (ref.slot >= s->n_slots || s->slots[ref.slot].gen != ref.gen)
		return NULL;
	return s->slots[ref.slot].peer;
}

struct peer *swarm_next_peer(const struct swarm *s, uint32_t *i)
{
	while (*i < s->n_slots) {
		struct peer *p = s->slots[(*i)++].peer;

		if (p != NULL)
			return p;
	}
	return NULL;
}

void swarm_settle(struct turn *t)
{
	struct swarm *s = t->s;

	if (s->pads_due)
		swarm_begin_pads(t);
	if (s->picker.held.count > 0)
		swarm_ask_stale(t);
	if (s->returned)
		swarm_refill_all(t);
	if (s->places)
		swarm_fill_places(t);
	if (s->redial)
		swarm_dial(t);
}

void swarm_send(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	struct effect *e;

	if (p->source) {
		swarm_tell_source(t, p, m->type);
		return;
	}
	e = effects_add(t->fx, EFFECT_SEND, p->ref);
	if (e != NULL)
		e->u.msg = *m;
	p->spoke_ms = t->now_ms;
}

void swarm_say(struct turn *t, struct peer *p, enum wire_type type)
{
	swarm_send(t, p, &(struct wire_msg){.type = type});
}
