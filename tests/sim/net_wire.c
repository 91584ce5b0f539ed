/* Messages on their way. */
#include <stdlib.h>

#include "sim/net_impl.h"

/* A lost packet is sent again after about a round trip, or a fifth of a second when nothing
 * behind it tells of the loss. */
#define RESEND_US 200000u

/* Type, block and length of a message in 32 bits. */
#define TYPE_BITS 5u
#define BLOCK_BITS 13u

static uint64_t loss_delay_us(struct net *n, const struct conn *c, uint32_t bytes)
{
	uint32_t packets = 1 + bytes / 1448;
	uint64_t us = 0;

	for (uint32_t i = 0; i < packets; i++) {
		if (rng_below(&n->rng, 1000000) < c->loss_ppm)
			us = 2u * (uint64_t)c->latency_us +
			     (rng_below(&n->rng, 4) == 0 ? RESEND_US : 0);
	}
	return us;
}

void net_transmit(struct net *n, uint32_t to, struct event e)
{
	struct conn *c = &n->conns[to / 2];
	struct end *t = &c->end[to % 2];

	if (c->loss_ppm != 0)
		e.at_us += loss_delay_us(n, c, e.type == EVENT_BLOCK ? BLOCK_BYTES : 0);
	if (e.at_us < t->last_us)
		e.at_us = t->last_us;
	t->last_us = e.at_us;
	e.target = to;
	e.life = c->gen;
	net_schedule(n, e);
}

/* Bytes on the wire: length prefix, id and what follows. */
uint32_t net_wire_bytes(const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_HAVE:
	case WIRE_SUGGEST:
	case WIRE_ALLOWED_FAST:
		return 9;
	case WIRE_REQUEST:
	case WIRE_CANCEL:
	case WIRE_REJECT:
		return 17;
	case WIRE_HASH_REQUEST:
	case WIRE_HASHES:
	case WIRE_HASH_REJECT:
		return 53 + (uint32_t)m->body.len;
	default:
		return 5 + (uint32_t)m->body.len;
	}
}

static bool pack(struct event *e, const struct wire_msg *m)
{
	if (m->body.len > 0 || m->type > WIRE_ALLOWED_FAST || m->begin % BLOCK_BYTES != 0 ||
	    m->begin / BLOCK_BYTES >> BLOCK_BITS != 0 || m->length > BLOCK_BYTES ||
	    m->type == WIRE_PORT)
		return false;
	e->type = EVENT_MESSAGE;
	e->a = m->index;
	e->b = (uint32_t)m->type | m->begin / BLOCK_BYTES << TYPE_BITS;
	/* 0 stands for a whole block. */
	e->b |= m->length % BLOCK_BYTES << (TYPE_BITS + BLOCK_BITS);
	return true;
}

static uint32_t new_parcel(struct net *n)
{
	uint32_t at = n->free_parcel;

	if (at != NET_NONE) {
		n->free_parcel = n->parcels[at].next;
		return at;
	}
	n->parcels = net_grow(n->parcels, n->n_parcels, &n->parcels_cap, sizeof(*n->parcels));
	return n->n_parcels++;
}

static void put_parcel(struct net *n, struct event *e, const struct wire_msg *m)
{
	struct parcel *p;

	e->type = EVENT_PARCEL;
	e->a = new_parcel(n);
	p = &n->parcels[e->a];
	*p = (struct parcel){.msg = *m};
	if (m->body.len == 0)
		return;
	p->body = malloc(m->body.len);
	if (p->body == NULL)
		abort();
	memcpy(p->body, m->body.ptr, m->body.len);
	p->msg.body.ptr = p->body;
}

void net_drop_parcel(struct net *n, const struct event *e)
{
	struct parcel *p = &n->parcels[e->a];

	free(p->body);
	p->body = NULL;
	p->next = n->free_parcel;
	n->free_parcel = e->a;
}

void net_open_message(const struct net *n, const struct event *e, struct wire_msg *out)
{
	if (e->type == EVENT_PARCEL) {
		*out = n->parcels[e->a].msg;
		return;
	}
	memset(out, 0, sizeof(*out));
	out->type = (enum wire_type)(e->b & ((1u << TYPE_BITS) - 1));
	out->index = e->a;
	if (out->type != WIRE_REQUEST && out->type != WIRE_CANCEL && out->type != WIRE_REJECT)
		return;
	out->begin = (e->b >> TYPE_BITS & ((1u << BLOCK_BITS) - 1)) * BLOCK_BYTES;
	out->length = e->b >> (TYPE_BITS + BLOCK_BITS);
	if (out->length == 0)
		out->length = BLOCK_BYTES;
}

void net_send_message(struct net *n, uint32_t from, const struct wire_msg *m)
{
	struct conn *c = &n->conns[from / 2];
	struct event e = {.at_us = n->now_us + c->latency_us};

	n->nodes[c->end[from % 2].node].up_debt += net_wire_bytes(m) + NET_HEAD_BYTES;
	if (!pack(&e, m))
		put_parcel(n, &e, m);
	net_transmit(n, from ^ 1, e);
}

bool net_must_land(struct net *n, struct event *e)
{
	struct end *t = net_end(n, e->target);

	if (e->landed) {
		t->landing--;
		return false;
	}
	if (e->type == EVENT_BLOCK)
		t->land_us = net_land_block(n, e);
	if (t->landing == 0 && (e->type != EVENT_BLOCK || t->land_us <= n->now_us))
		return false;
	e->at_us = t->land_us;
	e->landed = true;
	t->landing++;
	net_schedule(n, *e);
	return true;
}
