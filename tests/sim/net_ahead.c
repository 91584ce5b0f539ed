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

static void fetch_peer(const struct net *n, const struct event *e)
{
	const struct peer *p = peer_of(n, e);

	for (uint32_t i = 0; is_of_all(e) && (p = swarm_next_peer(swarm_of(n, e), &i)) != NULL;)
		fetch(p, offsetof(struct peer, asker));
	if (p == NULL)
		return;
	if (e->type == EVENT_UPLINK) {
		fetch(p, sizeof(p->ref));
		fetch(&p->queue, offsetof(struct peer, offered) - offsetof(struct peer, queue));
		return;
	}
	fetch(p,
	      e->type == EVENT_BLOCK ? offsetof(struct peer, queue) : offsetof(struct peer, pipe));
	fetch(&p->queue, sizeof(p->queue));
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

static void fetch_piece(const struct net *n, const struct event *e)
{
	const struct peer *p = peer_of(n, e);
	const struct picker *k = &swarm_of(n, e)->picker;

	for (uint32_t i = 0;
	     e->type == EVENT_VERIFIED && (p = swarm_next_peer(swarm_of(n, e), &i)) != NULL;)
		fetch_bit(p, e->a);
	if (p == NULL)
		return;
	if (e->type == EVENT_UPLINK)
		fetch_requests(&p->queue);
	if (e->type == EVENT_BLOCK)
		fetch_requests(&p->asks);
	/* Of most messages `a` is a piece. */
	if ((e->type != EVENT_MESSAGE && e->type != EVENT_BLOCK) || e->a >= k->have.n)
		return;
	fetch_bit(p, e->a);
	fetch(&k->have.bits[e->a / 8], 1);
	fetch(&k->avail[e->a], 1);
	if (k->place != NULL)
		fetch(&k->place[e->a], 1);
}

static void fetch_open(const struct net *n, const struct event *e)
{
	const struct open_piece *o = NULL;

	if (e->type == EVENT_BLOCK && e->landed)
		o = picker_open(&swarm_of(n, e)->picker, e->a);
	if (o != NULL)
		fetch(o, sizeof(*o));
}

/* Which step is made for the event that comes so many after the next one. Twice as far ahead is
 * slower, as events at the end of a slot of the queue then come unseen. */
static const struct step {
	uint32_t after;
	void (*fetch)(const struct net *n, const struct event *e);
} steps[] = {
    {0, fetch_open},
    {1, fetch_piece},
    /* Of all peers, where a piece was verified: they take longer. */
    {3, fetch_peer},
    {4, fetch_slot},
    {5, fetch_swarm},
    {6, fetch_node},
    {7, fetch_conn},
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
