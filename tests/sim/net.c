#include "sim/net.h"

#include <stdlib.h>

#include "sim/net_impl.h"

#define FAST_BPS 1000000000u
/* The clock does not start at 0, as no real one does. */
#define START_US 1000000u
#define NODES_MAX 65536u

void *net_grow(void *list, uint32_t n, uint32_t *cap, size_t each)
{
	if (n < *cap)
		return list;
	*cap = *cap == 0 ? 8 : *cap * 2;
	list = realloc(list, *cap * each);
	if (list == NULL)
		abort();
	return list;
}

struct net *net_new(const struct metainfo *meta, uint64_t seed)
{
	struct net *n = calloc(1, sizeof(*n));

	if (n == NULL)
		abort();
	n->meta = meta;
	n->now_us = START_US;
	n->free_conn = n->free_parcel = NET_NONE;
	net_queue_init(&n->queue);
	rng_seed(&n->rng, seed);
	return n;
}

void net_free(struct net *n)
{
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		swarm_free(n->nodes[i].swarm);
		free(n->nodes[i].by_slot);
		free(n->nodes[i].marks);
	}
	for (uint32_t i = 0; i < n->n_parcels; i++)
		free(n->parcels[i].body);
	net_queue_fini(&n->queue);
	net_index_fini(n);
	effects_fini(&n->fx);
	free(n->nodes);
	free(n->conns);
	free(n->flows);
	free(n->parcels);
	free(n);
}

void net_check_always(struct net *n, bool on)
{
	n->check = on;
}

void net_set_link(struct net *n, uint32_t site, uint32_t other, uint32_t latency_us, uint64_t bps)
{
	n->links[site][other] = (struct link){.bps = bps, .latency_us = latency_us};
	n->links[other][site] = n->links[site][other];
}

void net_count(struct net *n, struct node *k)
{
	bool counted = k->up && k->kind == NODE_HONEST && k->done_ms == UINT64_MAX;

	if (counted != k->counted)
		n->n_waiting += counted ? 1 : UINT32_MAX;
	k->counted = counted;
}

/* Ten, the site, two bytes of number. */
static void set_addr(struct node *k, uint32_t at)
{
	k->addr.ip[0] = 10;
	k->addr.ip[1] = (uint8_t)k->spec.site;
	k->addr.ip[2] = (uint8_t)(at >> 8);
	k->addr.ip[3] = (uint8_t)at;
	k->addr.port = 6881;
}

uint32_t net_node_at(const struct net *n, const struct addr *a)
{
	uint32_t at = (uint32_t)a->ip[2] << 8 | a->ip[3];

	return at < n->n_nodes && addr_same_host(&n->nodes[at].addr, a) ? at : NET_NONE;
}

static void start_swarm(struct net *n, uint32_t node, const struct bitfield *have)
{
	struct node *k = &n->nodes[node];
	struct swarm_params p = {.meta = n->meta,
				 .seed = rng_next(&n->rng),
				 .port = k->addr.port,
				 .max_peers = k->spec.max_peers,
				 .upload_slots = k->spec.upload_slots};

	memcpy(p.client, "sim", 4);
	memcpy(p.peer_id, k->id, sizeof(p.peer_id));
	k->swarm = swarm_new(&p);
	if (k->swarm == NULL || swarm_set_have(k->swarm, have) < 0)
		abort();
	k->up = true;
	k->tick_us = UINT64_MAX;
	k->uplink_busy = false;
	k->ring = NET_NONE;
	k->up_free_us = k->down_free_us = k->up_debt = k->down_debt = 0;
	if (bitfield_full(have) && k->done_ms == UINT64_MAX)
		k->done_ms = n->now_us / 1000;
	net_count(n, k);
	net_index_join(n, node);
	net_perform(n, node);
}

static void fill_defaults(struct node_spec *s)
{
	if (s->up_bps == 0)
		s->up_bps = FAST_BPS;
	if (s->down_bps == 0)
		s->down_bps = FAST_BPS;
	if (s->latency_us == 0)
		s->latency_us = 100;
}

uint32_t net_add(struct net *n, const struct node_spec *spec)
{
	uint32_t at = n->n_nodes;
	size_t n_blocks = net_block_index(n->meta, n->meta->n_pieces, 0);
	struct bitfield have;
	struct node *k;

	if (at >= NODES_MAX || spec->site >= NET_SITES_MAX)
		abort();
	n->nodes = net_grow(n->nodes, at, &n->nodes_cap, sizeof(*n->nodes));
	k = &n->nodes[n->n_nodes++];
	*k = (struct node){
	    .kind = spec->kind, .spec = *spec, .came_ms = n->now_us / 1000, .done_ms = UINT64_MAX};
	fill_defaults(&k->spec);
	set_addr(k, at);
	rng_fill(&n->rng, k->id, sizeof(k->id));
	k->marks = calloc(n_blocks, 1);
	if (k->marks == NULL || bitfield_init(&have, n->meta->n_pieces) < 0)
		abort();
	if (spec->seed) {
		memset(k->marks, MARK_TRUE, n_blocks);
		bitfield_fill(&have);
	}
	start_swarm(n, at, &have);
	bitfield_fini(&have);
	return at;
}

void net_introduce(struct net *n, uint32_t node, uint32_t other)
{
	swarm_on_addresses(n->nodes[node].swarm, &n->nodes[other].addr, 1, SOURCE_TRACKER,
			   n->now_us / 1000, &n->fx);
	net_perform(n, node);
}

void net_introduce_all(struct net *n, uint32_t node)
{
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		if (i != node)
			net_introduce(n, node, i);
	}
}

void net_kill(struct net *n, uint32_t node, bool politely)
{
	struct node *k = &n->nodes[node];

	for (uint32_t i = 0; i < k->n_slots; i++) {
		while (k->by_slot[i] != NET_NONE)
			net_close_end(n, k->by_slot[i], politely);
	}
	k->up = false;
	k->silent = !politely;
	k->life++;
	net_count(n, k);
	net_index_leave(n, node, politely);
}

void net_revive(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];
	struct swarm *old = k->swarm;

	net_node_bytes(n, node, &k->old_down, &k->old_wasted);
	start_swarm(n, node, swarm_have(old));
	swarm_free(old);
}

static bool run(struct net *n, uint64_t until_ms, bool stop_when_done)
{
	struct event e;

	while (!stop_when_done || n->n_waiting > 0) {
		if (!net_take(n, until_ms * 1000, &e))
			break;
		n->now_us = e.at_us;
		net_handle(n, &e);
		if (n->now_us >= n->truth_us)
			net_check_truth(n);
	}
	if ((!stop_when_done || n->n_waiting > 0) && n->now_us < until_ms * 1000)
		n->now_us = until_ms * 1000;
	net_check_truth(n);
	return n->n_waiting == 0;
}

bool net_run(struct net *n, uint64_t until_ms)
{
	return run(n, until_ms, true);
}

void net_run_for(struct net *n, uint64_t until_ms)
{
	run(n, until_ms, false);
}

void net_set_wanted(struct net *n, uint32_t node, const uint8_t *pieces)
{
	swarm_set_wanted(n->nodes[node].swarm, pieces, n->now_us / 1000, &n->fx);
	net_perform(n, node);
}

void net_set_order(struct net *n, uint32_t node, enum swarm_order order)
{
	swarm_set_order(n->nodes[node].swarm, order, n->now_us / 1000, &n->fx);
	net_perform(n, node);
}

void net_set_urgent(struct net *n, uint32_t node, const struct piece_run *runs, uint32_t n_runs)
{
	swarm_set_urgent(n->nodes[node].swarm, runs, n_runs, n->now_us / 1000, &n->fx);
	net_perform(n, node);
}

struct effects *net_effects(struct net *n)
{
	return &n->fx;
}

uint64_t net_now_ms(const struct net *n)
{
	return n->now_us / 1000;
}

struct swarm *net_swarm(const struct net *n, uint32_t node)
{
	return n->nodes[node].swarm;
}

uint32_t net_nodes(const struct net *n)
{
	return n->n_nodes;
}

bool net_is_up(const struct net *n, uint32_t node)
{
	return n->nodes[node].up;
}

uint64_t net_came_ms(const struct net *n, uint32_t node)
{
	return n->nodes[node].came_ms;
}

uint64_t net_sent_bytes(const struct net *n, uint32_t node)
{
	return n->nodes[node].sent_bytes;
}

uint32_t net_far_conns(const struct net *n, uint32_t node)
{
	const struct node *k = &n->nodes[node];
	uint32_t far = 0;

	for (uint32_t i = 0; i < k->n_slots; i++) {
		uint32_t end = k->by_slot[i];

		far += end != NET_NONE &&
		       n->nodes[net_end(n, end ^ 1)->node].spec.site != k->spec.site;
	}
	return far;
}

void net_node_bytes(const struct net *n, uint32_t node, uint64_t *down, uint64_t *wasted)
{
	const struct node *k = &n->nodes[node];
	struct swarm_stats st;

	swarm_stats(k->swarm, n->now_us / 1000, &st);
	*down = k->old_down + st.down_bytes;
	*wasted = k->old_wasted + st.wasted_bytes;
}

uint64_t net_trace_hash(const struct net *n)
{
	return n->trace;
}

uint64_t net_done_ms(const struct net *n, uint32_t node)
{
	return n->nodes[node].done_ms;
}

bool net_piece_is_true(const struct net *n, uint32_t node, uint32_t piece)
{
	const struct node *k = &n->nodes[node];

	for (uint32_t b = 0; b < meta_piece_blocks(n->meta, piece); b++) {
		if (k->marks[net_block_index(n->meta, piece, b)] != MARK_TRUE)
			return false;
	}
	return true;
}

bool net_is_true(const struct net *n, uint32_t node)
{
	const struct bitfield *have = swarm_have(n->nodes[node].swarm);

	for (uint32_t i = 0; i < n->meta->n_pieces; i++) {
		if (bitfield_has(have, i) && !net_piece_is_true(n, node, i))
			return false;
	}
	return true;
}

void net_stats(const struct net *n, struct net_stats *out)
{
	*out = n->stats;
}

bool net_is_banned(const struct net *n, uint32_t node)
{
	return n->nodes[node].banned;
}
