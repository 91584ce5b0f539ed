#include "sim/net.h"

#include <stdlib.h>

#include "sim/net_impl.h"

#define FAST_BPS 1000000000u
/* The clock does not start at 0, as no real one does. */
#define START_US 1000000u

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
	rng_seed(&n->rng, seed);
	return n;
}

void net_free(struct net *n)
{
	for (size_t i = 0; i < n->n_heap; i++)
		free(n->heap[i].body);
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		swarm_free(n->nodes[i].swarm);
		effects_fini(&n->nodes[i].fx);
		free(n->nodes[i].conns);
		free(n->nodes[i].marks);
	}
	free(n->heap);
	free(n->nodes);
	free(n->conns);
	free(n);
}

void net_check_always(struct net *n, bool on)
{
	n->check = on;
}

static void start_swarm(struct net *n, struct node *k, const struct bitfield *have)
{
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
	k->up_free_us = k->down_free_us = 0;
	if (bitfield_full(have) && k->done_ms == UINT64_MAX)
		k->done_ms = n->now_us / 1000;
}

uint32_t net_add(struct net *n, const struct node_spec *spec)
{
	uint32_t at = n->n_nodes;
	size_t n_blocks = net_block_index(n->meta, n->meta->n_pieces, 0);
	struct bitfield have;
	struct node *k;

	n->nodes = net_grow(n->nodes, at, &n->nodes_cap, sizeof(*n->nodes));
	k = &n->nodes[n->n_nodes++];
	*k = (struct node){.spec = *spec, .done_ms = UINT64_MAX};
	if (k->spec.up_bps == 0)
		k->spec.up_bps = FAST_BPS;
	if (k->spec.down_bps == 0)
		k->spec.down_bps = FAST_BPS;
	if (k->spec.latency_us == 0)
		k->spec.latency_us = 100;
	k->addr.ip[0] = 10;
	k->addr.ip[1] = (uint8_t)(at >> 16);
	k->addr.ip[2] = (uint8_t)(at >> 8);
	k->addr.ip[3] = (uint8_t)at;
	k->addr.port = 6881;
	rng_fill(&n->rng, k->id, sizeof(k->id));
	k->marks = calloc(n_blocks, 1);
	if (k->marks == NULL || bitfield_init(&have, n->meta->n_pieces) < 0)
		abort();
	if (spec->seed) {
		memset(k->marks, MARK_TRUE, n_blocks);
		bitfield_fill(&have);
	}
	start_swarm(n, k, &have);
	bitfield_fini(&have);
	net_perform(n, at);
	return at;
}

void net_introduce(struct net *n, uint32_t node, uint32_t other)
{
	struct node *k = &n->nodes[node];

	swarm_on_addresses(k->swarm, &n->nodes[other].addr, 1, SOURCE_TRACKER, n->now_us / 1000,
			   &k->fx);
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

	while (k->n_conns > 0) {
		uint32_t conn = k->conns[0];
		uint32_t end = n->conns[conn].node[0] == node ? 0 : 1;

		net_close_conn(n, conn, end, politely);
	}
	k->up = false;
	k->life++;
}

void net_revive(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];
	struct swarm *old = k->swarm;

	start_swarm(n, k, swarm_have(old));
	swarm_free(old);
	net_perform(n, node);
}

static bool all_done(const struct net *n)
{
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		const struct node *k = &n->nodes[i];

		if (k->up && k->spec.kind == NODE_HONEST && k->done_ms == UINT64_MAX)
			return false;
	}
	return true;
}

static bool run(struct net *n, uint64_t until_ms, bool stop_when_done)
{
	struct event e;
	uint32_t steps = 0;

	for (;;) {
		/* Not every time: it looks at all nodes. */
		if (stop_when_done && steps++ % 64 == 0 && all_done(n))
			return true;
		if (n->n_heap == 0 || n->heap[0].at_us > until_ms * 1000)
			break;
		net_take(n, &e);
		n->now_us = e.at_us;
		net_handle(n, &e);
		free(e.body);
	}
	if (n->now_us < until_ms * 1000)
		n->now_us = until_ms * 1000;
	return all_done(n);
}

bool net_run(struct net *n, uint64_t until_ms)
{
	return run(n, until_ms, true);
}

void net_run_for(struct net *n, uint64_t until_ms)
{
	run(n, until_ms, false);
}

uint64_t net_now_ms(const struct net *n)
{
	return n->now_us / 1000;
}

struct swarm *net_swarm(const struct net *n, uint32_t node)
{
	return n->nodes[node].swarm;
}

uint64_t net_done_ms(const struct net *n, uint32_t node)
{
	return n->nodes[node].done_ms;
}

bool net_is_true(const struct net *n, uint32_t node)
{
	const struct node *k = &n->nodes[node];
	const struct bitfield *have = swarm_have(k->swarm);

	for (uint32_t i = 0; i < n->meta->n_pieces; i++) {
		for (uint32_t b = 0; b < meta_piece_blocks(n->meta, i); b++) {
			if (bitfield_has(have, i) &&
			    k->marks[net_block_index(n->meta, i, b)] != MARK_TRUE)
				return false;
		}
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
