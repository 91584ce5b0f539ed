/* Fetches into the processor's caches what the next events are going to touch.
 *
 * A thousand nodes take far more memory than caches hold, and each event is at another node: most
 * of its time would go into waiting for one line after the other, as each tells only where the next
 * one is:
 *
 *     event -> end of a connection -> node -> swarm -> slot -> peer -> its pieces and requests
 *
 * So these steps are made ahead of time, each for another of the events to come. A step reads only
 * what the step before it has fetched, an event or two ago. That is why this file, alone here,
 * knows what is inside of a swarm: it follows pointers, and changes and decides nothing. */
#include "sim/net_impl.h"
#include "swarm/picker_impl.h"
#include "swarm/swarm_parts.h"

/* Of a node and of a swarm what nearly every event looks at. */
#define NODE_HOT offsetof(struct node, announce_us)
#define SWARM_HOT offsetof(struct swarm, haves)

static void fetch(const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PEER_LINE_BYTES)
		__builtin_prefetch((const char *)from + i);
}

static bool is_at_end(const struct event *e)
{
	return e->type <= EVENT_ANSWER;
}

/* A block whose last byte is at the receiver's line: it comes again when it has passed it. */
static bool is_landing(const struct event *e)
{
	return e->type == EVENT_BLOCK && !e->landed;
}

/* All peers are looked at. */
static bool is_of_all(const struct event *e)
{
	return e->type == EVENT_VERIFIED || e->type == EVENT_TICK;
}

static const struct node *node_of(const struct net *n, const struct event *e)
{
	return &n->nodes[is_at_end(e) ? net_end(n, e->target)->node : e->target];
}

static const struct swarm *swarm_of(const struct net *n, const struct event *e)
{
	return node_of(n, e)->swarm;
}

/* The end whose peer the event is about; NET_NONE: it is about none. */
static uint32_t end_of(const struct net *n, const struct event *e)
{
	if (is_at_end(e))
		return is_landing(e) ? NET_NONE : e->target;
	return e->type == EVENT_UPLINK ? n->nodes[e->target].ring : NET_NONE;
}

/* NULL: it is about no peer, or none any more. */
static const struct slot *slot_of(const struct net *n, const struct event *e)
{
	const struct swarm *s = swarm_of(n, e);
	uint32_t end = end_of(n, e), at = end == NET_NONE ? UINT32_MAX : net_end(n, end)->ref.slot;

	return at < s->n_slots ? &s->slots[at] : NULL;
}

static const struct peer *peer_of(const struct net *n, const struct event *e)
{
	const struct slot *slot = slot_of(n, e);

	return slot == NULL ? NULL : slot->peer;
}

/* ---- the steps ----------------------------------------------------------- */

static void fetch_conn(const struct net *n, const struct event *e)
{
	if (is_at_end(e))
		fetch(&n->conns[e->target / 2], sizeof(struct conn));
	else
		fetch(&n->nodes[e->target], NODE_HOT);
	if (e->type == EVENT_BLOCK)
		fetch(net_flow(n, e->target ^ 1), sizeof(struct flow));
}

static void fetch_node(const struct net *n, const struct event *e)
{
	if (is_at_end(e))
		fetch(node_of(n, e), NODE_HOT);
	if (e->type == EVENT_BLOCK)
		fetch(&n->nodes[net_end(n, e->target ^ 1)->node], NODE_HOT);
	if (e->type == EVENT_UPLINK && end_of(n, e) != NET_NONE) {
		fetch(net_end(n, end_of(n, e)), sizeof(struct end));
		fetch(net_flow(n, end_of(n, e)), sizeof(struct flow));
	}
}

static void fetch_swarm(const struct net *n, const struct event *e)
{
	if (!is_landing(e))
		fetch(swarm_of(n, e), SWARM_HOT);
}

static void fetch_slot(const struct net *n, const struct event *e)
{
	const struct slot *slot = slot_of(n, e);

	if (slot != NULL)
		fetch(slot, sizeof(*slot));
	if (is_of_all(e))
		fetch(swarm_of(n, e)->slots, swarm_of(n, e)->n_slots * sizeof(*slot));
}

/* How much of each peer is looked at. */
static size_t bytes_of_all(const struct swarm *s, const struct event *e)
{
	uint64_t ms = e->at_us / 1000;

	if (e->type == EVENT_TICK && (ms >= s->check_at_ms || ms >= s->choke_at_ms))
		return offsetof(struct peer, connected_ms);
	return offsetof(struct peer, asker);
}

static void fetch_peer(const struct net *n, const struct event *e)
{
	const struct swarm *s = swarm_of(n, e);
	const struct peer *p = peer_of(n, e);

	for (uint32_t i = 0; is_of_all(e) && (p = swarm_next_peer(s, &i)) != NULL;)
		fetch(p, bytes_of_all(s, e));
	if (p == NULL)
		return;
	if (e->type == EVENT_UPLINK) {
		fetch(p, sizeof(p->ref));
		fetch(&p->queue, offsetof(struct peer, offered) - offsetof(struct peer, queue));
	} else if (e->type == EVENT_BLOCK) {
		fetch(p, offsetof(struct peer, queue));
	} else {
		fetch(p, offsetof(struct peer, pipe));
	}
	if (e->type == EVENT_MESSAGE && net_event_says(e) == WIRE_REQUEST)
		fetch(&p->queue, offsetof(struct peer, offered) - offsetof(struct peer, queue));
}

static void fetch_requests(const struct requests *r)
{
	if (r->cap == 0)
		return;
	fetch(r->heads, r->cap * sizeof(r->heads[0]));
	fetch(&r->ring[r->first & (r->cap - 1)], sizeof(r->ring[0]));
	fetch(&r->ring[r->end & (r->cap - 1)], sizeof(r->ring[0]));
}

/* Whether the peer has the piece. */
static void fetch_bit(const struct peer *p, uint32_t piece)
{
	if (p->has.bits != NULL && piece < p->has.n)
		fetch(&p->has.bits[piece / 8], 1);
}

/* What a picker keeps of the piece. */
static void fetch_place(const struct picker *k, uint32_t piece)
{
	if (piece >= k->have.n)
		return;
	fetch(&k->have.bits[piece / 8], 1);
	fetch(&k->avail[piece], 1);
	if (k->place != NULL)
		fetch(&k->place[piece], 1);
}

static void fetch_piece(const struct net *n, const struct event *e)
{
	const struct swarm *s = swarm_of(n, e);
	const struct peer *p = peer_of(n, e);

	for (uint32_t i = 0; e->type == EVENT_VERIFIED && (p = swarm_next_peer(s, &i)) != NULL;)
		fetch_bit(p, e->a);
	if (p == NULL)
		return;
	if (e->type == EVENT_UPLINK ||
	    (e->type == EVENT_MESSAGE && net_event_says(e) == WIRE_REQUEST))
		fetch_requests(&p->queue);
	if (e->type == EVENT_BLOCK) {
		fetch_requests(&p->asks);
		fetch(s->picker.open, s->picker.n_open * sizeof(s->picker.open[0]));
	}
	if (e->type == EVENT_MESSAGE && net_event_says(e) == WIRE_HAVE)
		fetch_bit(p, e->a);
	/* Of most messages `a` is a piece. */
	if (e->type == EVENT_MESSAGE || e->type == EVENT_BLOCK)
		fetch_place(&s->picker, e->a);
}

/* Where the piece stands in the order of rarity: it becomes commoner. */
static void fetch_order(const struct picker *k, uint32_t piece)
{
	if (piece >= k->have.n || !picker_is_fresh(k, piece))
		return;
	fetch(&k->start[k->avail[piece]], 2 * sizeof(k->start[0]));
	if (k->place[piece] < k->n_order)
		fetch(&k->order[k->place[piece]], 1);
}

static void fetch_begun(const struct picker *k)
{
	for (uint32_t i = 0; i < k->n_open; i++)
		fetch(k->open[i], sizeof(*k->open[i]));
}

static void fetch_open(const struct net *n, const struct event *e)
{
	if (e->type == EVENT_BLOCK && !is_landing(e))
		fetch_begun(&swarm_of(n, e)->picker);
	if (e->type == EVENT_MESSAGE && net_event_says(e) == WIRE_HAVE)
		fetch_order(&swarm_of(n, e)->picker, e->a);
}

/* Which step is made for the event that comes so many after the next one. */
static const struct step {
	uint32_t after;
	void (*fetch)(const struct net *n, const struct event *e);
} steps[] = {
    {0, fetch_open},  {1, fetch_piece}, {3, fetch_peer}, {4, fetch_slot},
    {5, fetch_swarm}, {6, fetch_node},	{7, fetch_conn},
};

void net_look_ahead(const struct net *n)
{
	const struct queue *q = &n->queue;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].after < q->n_now - q->at)
			steps[i].fetch(n, &q->now[q->at + steps[i].after]);
	}
}

void net_look_ahead_at(const struct net *n, uint32_t node, const struct effect *e)
{
	uint32_t end;

	if (e->type != EFFECT_SEND)
		return;
	end = n->nodes[node].by_slot[e->peer.slot];
	if (end != NET_NONE)
		fetch(&n->conns[end / 2], sizeof(struct conn));
}
