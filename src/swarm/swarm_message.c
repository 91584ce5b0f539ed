/* Which message means what; each is judged where it belongs. */
#include "swarm/swarm_parts.h"

static void on_fast_hint(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	if (!p->fast || m->index >= t->s->meta->n_pieces) {
		swarm_breach(t, p, "suggested a piece where it must not");
		return;
	}
	if (m->type == WIRE_SUGGEST) {
		/* What is asked for in sequence is not what others lack most: in a crowd of 50 all
		 * would have the same to give, and take nine times as long. With suggestions of the
		 * seed they take a tenth longer. Among seeds there is no crowd. */
		if (!t->s->picker.sequential || t->s->n_peers > t->s->picker.n_all)
			picker_on_suggest(&p->asker, m->index);
		return;
	}
	if (p->n_allowed == PEER_ALLOWED_MAX)
		return;
	for (uint32_t i = 0; i < p->n_allowed; i++) {
		if (p->allowed[i] == m->index)
			return;
	}
	p->allowed[p->n_allowed++] = m->index;
	swarm_refill(t, p);
}

static void on_control(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_CHOKE:
		swarm_on_choke(t, p);
		break;
	case WIRE_UNCHOKE:
		swarm_on_unchoke(t, p);
		break;
	case WIRE_INTERESTED:
	case WIRE_NOT_INTERESTED:
		swarm_on_interested(t, p, m->type == WIRE_INTERESTED);
		break;
	case WIRE_HASH_REQUEST:
		swarm_on_hash_request(t, p, m);
		break;
	case WIRE_HASHES:
		swarm_on_hashes(t, p, m);
		break;
	case WIRE_HASH_REJECT:
		swarm_on_hash_reject(t, p, m);
		break;
	case WIRE_UNKNOWN:
		swarm_drop(t, p, "sent a message of an unknown kind");
		break;
	default: /* keepalive, port */
		break;
	}
}

void swarm_on_message(struct swarm *s, struct peer_ref ref, const struct wire_msg *m,
		      uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = swarm_find(s, ref);

	if (p == NULL)
		return;
	p->heard_ms = now_ms;
	switch (m->type) {
	case WIRE_HAVE:
		(void)swarm_on_have(&t, p, m->index);
		break;
	case WIRE_BITFIELD:
		swarm_on_bitfield(&t, p, m->body);
		break;
	case WIRE_HAVE_ALL:
	case WIRE_HAVE_NONE:
		swarm_on_have_all(&t, p, m->type == WIRE_HAVE_ALL);
		break;
	case WIRE_REQUEST:
		swarm_on_request(&t, p, m);
		break;
	case WIRE_CANCEL:
		swarm_on_cancel(&t, p, m);
		break;
	case WIRE_REJECT:
		swarm_on_reject(&t, p, m);
		break;
	case WIRE_SUGGEST:
	case WIRE_ALLOWED_FAST:
		on_fast_hint(&t, p, m);
		break;
	case WIRE_EXTENDED:
		swarm_on_extended(&t, p, m);
		break;
	default:
		on_control(&t, p, m);
		break;
	}
	swarm_settle(&t);
}
