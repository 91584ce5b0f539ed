/* Blocks: who may send next, how long lines take, how much is on its way. */
#include "sim/net_impl.h"

/* What takes longer than this tells the receiver of its progress meanwhile. */
#define PART_US 500000u
#define PARTS 8u

#define BLOCK_BITS 13u
#define LENGTH_BITS 14u

struct block_ref net_event_block(const struct event *e)
{
	uint32_t begin = (e->b & ((1u << BLOCK_BITS) - 1)) * BLOCK_BYTES;
	uint32_t length = e->b >> BLOCK_BITS & ((1u << LENGTH_BITS) - 1);

	return (struct block_ref){e->a, begin, length == 0 ? BLOCK_BYTES : length};
}

enum mark net_event_mark(const struct event *e)
{
	return (enum mark)(e->b >> (BLOCK_BITS + LENGTH_BITS));
}

/* ---- the ring of those who want to send ---------------------------------- */

static void ring_add(struct net *n, uint32_t end)
{
	struct flow *e = net_flow(n, end), *at;
	struct node *k = &n->nodes[net_end(n, end)->node];

	if (k->ring == NET_NONE) {
		e->next = e->prev = end;
		k->ring = end;
		return;
	}
	/* Last, seen from the one whose turn it is. */
	at = net_flow(n, k->ring);
	e->next = k->ring;
	e->prev = at->prev;
	net_flow(n, at->prev)->next = end;
	at->prev = end;
}

static void ring_remove(struct net *n, uint32_t end)
{
	const struct flow *e = net_flow(n, end);
	struct node *k = &n->nodes[net_end(n, end)->node];

	if (k->ring == end)
		k->ring = e->next == end ? NET_NONE : e->next;
	net_flow(n, e->prev)->next = e->next;
	net_flow(n, e->next)->prev = e->prev;
}

void net_want_uplink(struct net *n, uint32_t end)
{
	struct end *e = net_end(n, end);

	if (e->waiting)
		return;
	e->waiting = true;
	e->blocked = false;
	ring_add(n, end);
}

void net_leave_uplink(struct net *n, uint32_t end)
{
	struct end *e = net_end(n, end);

	if (e->waiting && !e->blocked)
		ring_remove(n, end);
	e->waiting = e->blocked = false;
}

/* ---- windows ------------------------------------------------------------- */

/* What TCP does: double each round trip, from the first congestion on one more each. */
static void adapt_window(struct net *n, uint32_t from, uint64_t queue_us)
{
	const struct conn *c = &n->conns[from / 2];
	struct flow *e = net_flow(n, from);

	if (queue_us > NET_QUEUE_US) {
		if (n->now_us < e->cut_us)
			return;
		e->window = e->window * 7 / 10 > 1 ? e->window * 7 / 10 : 1;
		e->threshold = e->window;
		e->cut_us = n->now_us + 2u * (uint64_t)c->latency_us + queue_us;
		return;
	}
	if (e->window >= e->window_max || e->in_flight + 1 < e->window)
		return;
	if (e->window < e->threshold || ++e->grown >= e->window) {
		e->grown = 0;
		e->window++;
	}
}

static void tell_stalled(struct net *n, uint32_t from, bool stalled)
{
	const struct end *e = net_end(n, from);
	struct flow *f = net_flow(n, from);

	if (f->stalled == stalled)
		return;
	f->stalled = stalled;
	swarm_on_stalled(n->nodes[e->node].swarm, e->ref, stalled, n->now_us / 1000, &n->fx);
	net_perform(n, e->node);
}

static void look_at(struct net *n, uint32_t from, uint64_t at_us)
{
	net_schedule(n, (struct event){.type = EVENT_LOOK,
				       .target = from,
				       .life = n->conns[from / 2].gen,
				       .at_us = at_us});
}

void net_on_look(struct net *n, const struct event *e)
{
	struct flow *f = net_flow(n, e->target);
	bool stalled = f->in_flight > 0 && n->now_us - f->moved_us >= NET_STALL_US;

	f->watched = f->in_flight > 0;
	if (f->watched)
		look_at(n, e->target, (stalled ? n->now_us : f->moved_us) + NET_STALL_US);
	if (stalled)
		tell_stalled(n, e->target, true);
}

void net_block_moved(struct net *n, uint32_t from)
{
	const struct end *e = net_end(n, from);

	net_flow(n, from)->moved_us = n->now_us;
	if (e->open)
		swarm_on_taken(n->nodes[e->node].swarm, e->ref, n->now_us / 1000);
}

void net_block_gone(struct net *n, uint32_t from)
{
	struct end *e = net_end(n, from);

	net_flow(n, from)->in_flight--;
	net_block_moved(n, from);
	if (e->blocked) {
		e->blocked = false;
		ring_add(n, from);
		net_run_uplink(n, e->node);
	}
	if (net_end(n, from)->open)
		tell_stalled(n, from, false);
}

/* ---- lines --------------------------------------------------------------- */

/* How long bytes occupy a line. Messages that passed while it carried no blocks cost nothing. */
static uint64_t line_us(uint64_t bps, uint64_t *debt, uint64_t idle_us, uint32_t bytes)
{
	uint64_t idle_bytes = *debt == 0 ? 0 : idle_us * bps / 1000000;
	uint64_t owed = *debt > idle_bytes ? *debt - idle_bytes : 0;

	*debt = 0;
	return (bytes + owed) * 1000000 / bps;
}

static uint64_t bytes_us(uint64_t bytes, uint64_t bps)
{
	return bps == 0 ? 0 : bytes * 1000000 / bps;
}

/* The receiver hears of bytes of a block between now and `until_us`. */
static void send_parts(struct net *n, uint32_t to, uint32_t length, uint64_t until_us)
{
	if (until_us - n->now_us < PART_US)
		return;
	for (uint32_t i = 1; i < PARTS; i++)
		net_schedule(
		    n, (struct event){.type = EVENT_PART,
				      .target = to,
				      .life = n->conns[to / 2].gen,
				      .a = length / (2 * PARTS),
				      .at_us = n->now_us + (until_us - n->now_us) * i / PARTS});
}

uint64_t net_land_block(struct net *n, const struct event *e)
{
	const struct end *t = net_end(n, e->target), *f = net_end(n, e->target ^ 1);
	const struct node *sender = &n->nodes[f->node];
	struct node *k = &n->nodes[t->node];
	uint32_t length = net_event_block(e).length;
	uint64_t bps = n->links[sender->spec.site][k->spec.site].bps, span, first, idle, land;

	if (bps == 0 || sender->spec.up_bps < bps)
		bps = sender->spec.up_bps;
	span = bytes_us(length, bps);
	first = n->now_us > span ? n->now_us - span : 0;
	idle = first > k->down_free_us ? first - k->down_free_us : 0;
	if (first < k->down_free_us)
		first = k->down_free_us;
	k->down_free_us = first + line_us(k->spec.down_bps, &k->down_debt, idle, length);
	land = k->down_free_us > n->now_us ? k->down_free_us : n->now_us;
	adapt_window(n, e->target ^ 1, land - n->now_us);
	send_parts(n, e->target, length, land);
	return land;
}

/* Through the link between two sites, whose first byte comes at `first_us`. */
static uint64_t cross(struct net *n, uint32_t from, uint32_t length, uint64_t first_us,
		      uint64_t last_us)
{
	uint32_t a = n->nodes[net_end(n, from)->node].spec.site;
	uint32_t b = n->nodes[net_end(n, from ^ 1)->node].spec.site;
	struct link *l = &n->links[a][b];
	uint64_t out;

	if (a == b)
		return last_us;
	n->stats.cross_bytes += length;
	if (l->bps == 0)
		return last_us;
	l->free_us = (first_us > l->free_us ? first_us : l->free_us) + bytes_us(length, l->bps);
	out = l->free_us > last_us ? l->free_us : last_us;
	adapt_window(n, from, out - last_us);
	return out;
}

static enum mark mark_to_send(struct net *n, const struct node *k, struct block_ref b)
{
	enum mark mark =
	    (enum mark)k->marks[net_block_index(n->meta, b.piece, b.begin / BLOCK_BYTES)];

	if (k->kind == NODE_CORRUPT && rng_below(&n->rng, k->spec.corrupt_every) == 0)
		mark = MARK_FALSE;
	return mark;
}

static void send_block(struct net *n, uint32_t from, struct block_ref b)
{
	const struct conn *c = &n->conns[from / 2];
	const struct end *e = net_end(n, from);
	struct flow *f = net_flow(n, from);
	struct node *k = &n->nodes[e->node];
	uint64_t start = n->now_us > k->up_free_us ? n->now_us : k->up_free_us;
	uint64_t arrives;
	struct event ev = {.type = EVENT_BLOCK, .a = b.piece};

	ev.b = b.begin / BLOCK_BYTES | b.length % BLOCK_BYTES << BLOCK_BITS |
	       (uint32_t)mark_to_send(n, k, b) << (BLOCK_BITS + LENGTH_BITS);
	k->up_free_us =
	    start + line_us(k->spec.up_bps, &k->up_debt, start - k->up_free_us, b.length);
	arrives = cross(n, from, b.length, start, k->up_free_us) + c->latency_us;
	if (arrives < f->paced_us + c->pace_us)
		arrives = f->paced_us + c->pace_us;
	f->paced_us = arrives;
	if (f->in_flight++ == 0)
		f->moved_us = n->now_us;
	if (!f->watched)
		look_at(n, from, n->now_us + NET_STALL_US);
	f->watched = true;
	send_parts(n, from ^ 1, b.length, arrives);
	ev.at_us = arrives;
	net_transmit(n, from ^ 1, ev);
	k->sent_bytes += b.length;
	k->sent_blocks++;
	n->stats.sent_blocks++;
	swarm_on_sent(k->swarm, e->ref, b.length, n->now_us / 1000);
}

void net_run_uplink(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];

	if (!k->up)
		return;
	while (!k->uplink_busy && k->ring != NET_NONE) {
		uint32_t end = k->ring;
		struct end *e = net_end(n, end);
		const struct flow *f = net_flow(n, end);
		struct block_ref b;

		if (f->in_flight >= f->window) {
			ring_remove(n, end);
			e->blocked = true;
			continue;
		}
		if ((k->kind == NODE_STALLER && k->sent_blocks >= k->spec.stall_after) ||
		    !swarm_next_upload(k->swarm, e->ref, &b)) {
			net_leave_uplink(n, end);
			continue;
		}
		k->ring = f->next;
		send_block(n, end, b);
		k->uplink_busy = true;
		net_schedule(n, (struct event){.at_us = k->up_free_us,
					       .type = EVENT_UPLINK,
					       .target = node,
					       .life = k->life});
	}
}
