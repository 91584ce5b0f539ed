/* A virtual index: it knows who is on line, and answers with random peers. */
#include <stdlib.h>

#include "sim/net_impl.h"

/* A question and its answer, together. */
#define ANSWER_US 40000u
#define INTERVAL_MS 30000u
#define INTERVAL_MIN_US 5000000u
/* Who fell silent is forgotten after this long. */
#define SILENT_US 10000000u
#define ANSWER_MAX 200u

static uint32_t bucket_of(const struct net *n, uint32_t node)
{
	return n->index.spec.prefer_near ? n->nodes[node].spec.site : 0;
}

void net_set_index(struct net *n, const struct index_spec *spec)
{
	n->index.on = spec != NULL;
	if (spec == NULL)
		return;
	n->index.spec = *spec;
	if (spec->interval_ms == 0)
		n->index.spec.interval_ms = INTERVAL_MS;
	if (spec->peers_max > ANSWER_MAX)
		n->index.spec.peers_max = ANSWER_MAX;
}

void net_index_fini(struct net *n)
{
	for (uint32_t i = 0; i < NET_SITES_MAX; i++)
		free(n->index.list[i]);
}

static void announce_at(struct net *n, uint32_t node, uint64_t at_us)
{
	struct node *k = &n->nodes[node];

	if (k->announce_us <= at_us)
		return;
	k->announce_us = at_us;
	net_schedule(n,
		     (struct event){
			 .type = EVENT_ANNOUNCE, .target = node, .life = k->life, .at_us = at_us});
}

void net_index_join(struct net *n, uint32_t node)
{
	n->nodes[node].announce_us = UINT64_MAX;
	if (n->index.on)
		announce_at(n, node, n->now_us);
}

static void put(struct net *n, uint32_t node)
{
	struct index *x = &n->index;
	uint32_t b = bucket_of(n, node);

	if (n->nodes[node].registered != 0)
		return;
	x->list[b] = net_grow(x->list[b], x->n[b], &x->cap[b], sizeof(*x->list[b]));
	x->list[b][x->n[b]++] = node;
	n->nodes[node].registered = x->n[b];
}

static void take_out(struct net *n, uint32_t node)
{
	struct index *x = &n->index;
	uint32_t b = bucket_of(n, node), at = n->nodes[node].registered, last;

	if (at == 0)
		return;
	last = x->list[b][--x->n[b]];
	x->list[b][at - 1] = last;
	n->nodes[last].registered = at;
	n->nodes[node].registered = 0;
}

void net_index_leave(struct net *n, uint32_t node, bool politely)
{
	struct node *k = &n->nodes[node];

	if (politely)
		take_out(n, node);
	else
		net_schedule(n, (struct event){.type = EVENT_GONE,
					       .target = node,
					       .life = k->life,
					       .at_us = n->now_us + SILENT_US});
}

void net_on_gone(struct net *n, const struct event *e)
{
	struct node *k = &n->nodes[e->target];

	if (!k->up && k->life == e->life)
		take_out(n, e->target);
}

void net_on_want_peers(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];
	uint64_t at = k->announced_us + INTERVAL_MIN_US;

	if (n->index.on)
		announce_at(n, node, at > n->now_us ? at : n->now_us);
}

void net_on_announce(struct net *n, const struct event *e)
{
	struct node *k = &n->nodes[e->target];

	if (k->announce_us != e->at_us)
		return;
	k->announce_us = UINT64_MAX;
	k->announced_us = n->now_us;
	put(n, e->target);
	announce_at(n, e->target, n->now_us + (uint64_t)n->index.spec.interval_ms * 1000);
	net_schedule(n, (struct event){.type = EVENT_PEERS,
				       .target = e->target,
				       .life = k->life,
				       .at_us = n->now_us + ANSWER_US});
}

/* ---- answers ------------------------------------------------------------- */

struct draw {
	uint32_t nodes[ANSWER_MAX];
	uint32_t n;
	uint32_t taken[NET_SITES_MAX]; /* the first ones of each list were drawn */
};

static bool is_drawable(uint32_t bucket, uint32_t home, bool near, bool far)
{
	return bucket == home ? near : far;
}

/* Those not drawn yet. */
static uint32_t count_left(const struct index *x, const struct draw *d, uint32_t home, bool near,
			   bool far)
{
	uint32_t left = 0;

	for (uint32_t b = 0; b < NET_SITES_MAX; b++) {
		if (is_drawable(b, home, near, far))
			left += x->n[b] - d->taken[b];
	}
	return left;
}

/* Swap the drawn one into the drawn part of its list. */
static uint32_t draw_at(struct net *n, struct draw *d, uint32_t bucket, uint32_t at)
{
	uint32_t *list = n->index.list[bucket], to = d->taken[bucket]++, node = list[at];

	list[at] = list[to];
	list[to] = node;
	n->nodes[list[at]].registered = at + 1;
	n->nodes[node].registered = to + 1;
	return node;
}

static uint32_t draw_one(struct net *n, struct draw *d, uint32_t home, bool near, bool far,
			 uint32_t left)
{
	uint32_t r = rng_below(&n->rng, left);

	for (uint32_t b = 0;; b++) {
		if (!is_drawable(b, home, near, far))
			continue;
		if (r < n->index.n[b] - d->taken[b])
			return draw_at(n, d, b, d->taken[b] + r);
		r -= n->index.n[b] - d->taken[b];
	}
}

/* Until there are `up_to`. Complete nodes are not told of each other. */
static void draw(struct net *n, struct draw *d, uint32_t asker, uint32_t up_to, bool near, bool far)
{
	bool done = n->nodes[asker].done_ms != UINT64_MAX;
	uint32_t home = bucket_of(n, asker), left;

	while (d->n < up_to && (left = count_left(&n->index, d, home, near, far)) > 0) {
		uint32_t node = draw_one(n, d, home, near, far, left);

		if (node != asker && !(done && n->nodes[node].done_ms != UINT64_MAX))
			d->nodes[d->n++] = node;
	}
}

/* The complete ones first, when it says so. Returns how many these are. */
static uint32_t put_in_order(const struct net *n, const struct draw *d, struct addr *out)
{
	uint32_t at = 0, first = 0;

	for (int turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < d->n; i++) {
			const struct node *k = &n->nodes[d->nodes[i]];
			bool told = n->index.spec.says_complete && k->done_ms != UINT64_MAX;

			if (told == (turn == 0))
				out[at++] = k->addr;
		}
		first = turn == 0 ? at : first;
	}
	return first;
}

void net_on_peers(struct net *n, const struct event *e)
{
	const struct index_spec *spec = &n->index.spec;
	struct node *k = &n->nodes[e->target];
	struct addr list[ANSWER_MAX];
	struct draw d = {.n = 0};
	uint32_t complete;

	if (spec->prefer_near) {
		draw(n, &d, e->target, spec->far_min, false, true);
		draw(n, &d, e->target, spec->peers_max, true, false);
	}
	draw(n, &d, e->target, spec->peers_max, true, true);
	if (d.n == 0)
		return;
	complete = put_in_order(n, &d, list);
	swarm_on_holders(k->swarm, list, d.n, complete, SOURCE_TRACKER, n->now_us / 1000, &n->fx);
	net_perform(n, e->target);
}
