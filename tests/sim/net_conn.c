/* Connections: made, found, forgotten, used again. */
#include <stdlib.h>

#include "sim/net_impl.h"

/* TCP on a line that loses packets sends 1.22 / sqrt(loss) of them in a round trip (Mathis et al.,
 * 1997). Returns how long a block takes then, 0 without loss. */
static uint64_t pace_us(uint32_t latency_us, uint32_t loss_ppm)
{
	uint64_t milli = 0;

	if (loss_ppm == 0)
		return 0;
	/* The greatest number of thousandths of packets whose square is not over that. */
	for (uint64_t step = 1u << 21; step > 0; step /= 2) {
		if ((milli + step) * (milli + step) * loss_ppm <= 1488400000000u)
			milli += step;
	}
	return 2u * (uint64_t)latency_us * BLOCK_BYTES * 1000 / (milli * 1448);
}

/* As much as the slowest part of the way takes in its latency and a short queue. */
static uint32_t window_max(const struct net *n, const struct node *from, const struct node *to,
			   const struct conn *c)
{
	const struct link *l = &n->links[from->spec.site][to->spec.site];
	uint64_t bps =
	    from->spec.up_bps < to->spec.down_bps ? from->spec.up_bps : to->spec.down_bps;
	uint64_t blocks;

	if (l->bps != 0 && l->bps < bps)
		bps = l->bps;
	if (c->pace_us != 0 && BLOCK_BYTES * 1000000u / c->pace_us < bps)
		bps = BLOCK_BYTES * 1000000u / c->pace_us;
	blocks = bps * (c->latency_us + NET_QUEUE_US) / 1000000 / BLOCK_BYTES + NET_WINDOW_FIRST;
	return blocks < NET_WINDOW_MAX ? (uint32_t)blocks : NET_WINDOW_MAX;
}

static uint32_t add_conn(struct net *n)
{
	struct conn *conns;
	uint32_t cap;

	if (n->n_conns < n->conns_cap)
		return n->n_conns++;
	cap = n->conns_cap == 0 ? 64 : n->conns_cap * 2;
	conns = aligned_alloc(_Alignof(struct conn), cap * sizeof(*conns));
	n->flows = realloc(n->flows, 2 * (size_t)cap * sizeof(*n->flows));
	if (conns == NULL || n->flows == NULL)
		abort();
	if (n->n_conns > 0)
		memcpy(conns, n->conns, n->n_conns * sizeof(*conns));
	free(n->conns);
	n->conns = conns;
	n->conns_cap = cap;
	return n->n_conns++;
}

uint32_t net_conn_new(struct net *n, uint32_t node, uint32_t other)
{
	const struct node *k = &n->nodes[node], *o = &n->nodes[other];
	uint32_t at = n->free_conn, gen = 0;
	struct conn *c;

	if (at == NET_NONE) {
		at = add_conn(n);
	} else {
		n->free_conn = n->conns[at].next;
		gen = n->conns[at].gen;
	}
	c = &n->conns[at];
	*c = (struct conn){.gen = gen, .dialing = true, .used = true};
	c->latency_us = k->spec.latency_us + o->spec.latency_us +
			n->links[k->spec.site][o->spec.site].latency_us;
	c->loss_ppm = k->spec.loss_ppm + o->spec.loss_ppm;
	c->pace_us = pace_us(c->latency_us, c->loss_ppm);
	for (uint32_t i = 0; i < 2; i++) {
		struct end *e = &c->end[i];

		e->node = i == 0 ? node : other;
		e->life = n->nodes[e->node].life;
		*net_flow(n, at * 2 + i) =
		    (struct flow){.window = NET_WINDOW_FIRST,
				  .threshold = NET_WINDOW_MAX,
				  .window_max = window_max(n, i == 0 ? k : o, i == 0 ? o : k, c)};
	}
	return at;
}

void net_settle_conn(struct net *n, uint32_t conn)
{
	struct conn *c = &n->conns[conn];

	if (!c->used || c->dialing || c->end[0].open || c->end[1].open)
		return;
	c->used = false;
	c->gen++;
	c->next = n->free_conn;
	n->free_conn = conn;
}

void net_open_end(struct net *n, uint32_t end, struct peer_ref ref)
{
	struct end *e = net_end(n, end);
	struct node *k = &n->nodes[e->node];

	while (ref.slot >= k->n_slots) {
		uint32_t cap = k->n_slots;

		k->by_slot = net_grow(k->by_slot, cap, &cap, sizeof(*k->by_slot));
		memset(k->by_slot + k->n_slots, 0xff, (cap - k->n_slots) * sizeof(*k->by_slot));
		k->n_slots = cap;
	}
	e->older = k->by_slot[ref.slot];
	k->by_slot[ref.slot] = end;
	e->ref = ref;
	e->open = true;
}

void net_close_end(struct net *n, uint32_t end, bool tell)
{
	struct end *e = net_end(n, end);

	uint32_t *at = &n->nodes[e->node].by_slot[e->ref.slot];

	while (*at != end)
		at = &net_end(n, *at)->older;
	*at = e->older;
	net_leave_uplink(n, end);
	e->open = false;
	if (tell && net_end(n, end ^ 1)->open)
		net_transmit(n, end ^ 1,
			     (struct event){.type = EVENT_CLOSED,
					    .at_us = n->now_us + n->conns[end / 2].latency_us});
	net_settle_conn(n, end / 2);
}

uint32_t net_find_end(const struct net *n, uint32_t node, struct peer_ref ref)
{
	const struct node *k = &n->nodes[node];
	uint32_t end = ref.slot < k->n_slots ? k->by_slot[ref.slot] : NET_NONE;

	while (end != NET_NONE && net_end(n, end)->ref.gen != ref.gen)
		end = net_end(n, end)->older;
	if (end == NET_NONE)
		abort();
	return end;
}
