#include "sim/dht_net.h"

#include <stdio.h>
#include <stdlib.h>

#define SEARCHES_OPEN_MAX 4096u
/* Fake ids are the nearest of so many tries: as many as a liar may compute for each question. */
#define LIAR_TRIES 64u

struct vnode {
	struct dht *dht;
	struct addr addr;
	enum dnet_kind kind;
	bool alive;
	uint64_t wake_ms;
};

struct vevent {
	uint64_t at_ms, order;
	uint32_t node; /* a timer's */
	struct addr from, to;
	size_t len;
	uint8_t *bytes; /* NULL: a timer */
};

struct dnet {
	struct dnet_params p;
	struct rng rng;
	uint64_t now_ms, order;
	struct vnode *nodes;
	uint32_t n, cap;
	uint32_t *by_ip, by_ip_cap; /* node + 1 */
	struct vevent *heap;
	size_t n_heap, cap_heap;
	struct dht_effects fx;
	struct dnet_search *open[SEARCHES_OPEN_MAX];
	uint32_t n_open;
	uint32_t *liars, n_liars;
	struct dnet_totals totals;
};

static void *must(void *p)
{
	if (p == NULL) {
		fprintf(stderr, "out of memory\n");
		exit(3);
	}
	return p;
}

/* ---- the queue ----------------------------------------------------------- */

static bool is_before(const struct vevent *a, const struct vevent *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void push(struct dnet *n, struct vevent e)
{
	size_t i = n->n_heap++;

	if (n->n_heap > n->cap_heap) {
		n->cap_heap = n->cap_heap == 0 ? 1024 : n->cap_heap * 2;
		n->heap = must(realloc(n->heap, n->cap_heap * sizeof(*n->heap)));
	}
	e.order = n->order++;
	for (; i > 0 && is_before(&e, &n->heap[(i - 1) / 2]); i = (i - 1) / 2)
		n->heap[i] = n->heap[(i - 1) / 2];
	n->heap[i] = e;
}

static struct vevent pop(struct dnet *n)
{
	struct vevent first = n->heap[0], last = n->heap[--n->n_heap];
	size_t i = 0;

	for (;;) {
		size_t k = 2 * i + 1;

		if (k >= n->n_heap)
			break;
		k += k + 1 < n->n_heap && is_before(&n->heap[k + 1], &n->heap[k]);
		if (is_before(&last, &n->heap[k]))
			break;
		n->heap[i] = n->heap[k];
		i = k;
	}
	n->heap[i] = last;
	return first;
}

/* ---- addresses ----------------------------------------------------------- */

static uint32_t place_of(const struct dnet *n, const struct addr *a)
{
	uint32_t h = be32(a->ip) * 2654435761u;

	while (n->by_ip[h & (n->by_ip_cap - 1)] != 0 &&
	       !addr_eq(&n->nodes[n->by_ip[h & (n->by_ip_cap - 1)] - 1].addr, a))
		h++;
	return h & (n->by_ip_cap - 1);
}

static struct vnode *find_node(struct dnet *n, const struct addr *a)
{
	uint32_t at = n->by_ip[place_of(n, a)];

	return at == 0 ? NULL : &n->nodes[at - 1];
}

static struct addr random_addr(struct rng *rng)
{
	struct addr a = {.port = 6881};

	do
		rng_fill(rng, a.ip, 4);
	while (!addr_is_dialable(&a) || node_id_is_local(&a));
	return a;
}

/* ---- effects ------------------------------------------------------------- */

static void send_packet(struct dnet *n, const struct addr *from, const struct addr *to,
			struct bytes data)
{
	struct vevent e = {.from = *from, .to = *to, .len = data.len};

	n->totals.packets++;
	n->totals.bytes += data.len;
	if (rng_below(&n->rng, 1000) < n->p.loss_permille) {
		n->totals.dropped++;
		return;
	}
	e.at_ms = n->now_ms + n->p.delay_min_ms +
		  rng_below(&n->rng, n->p.delay_max_ms - n->p.delay_min_ms + 1);
	e.bytes = must(malloc(data.len));
	memcpy(e.bytes, data.ptr, data.len);
	push(n, e);
}

static struct dnet_search *open_search(struct dnet *n, uint32_t node, uint32_t number)
{
	for (uint32_t i = 0; i < n->n_open; i++)
		if (n->open[i]->node == node && n->open[i]->number == number)
			return n->open[i];
	return NULL;
}

static void close_search(struct dnet *n, const struct dnet_search *s)
{
	for (uint32_t i = 0; i < n->n_open; i++) {
		if (n->open[i] == s) {
			n->open[i] = n->open[--n->n_open];
			return;
		}
	}
}

static void found(struct dnet *n, struct dnet_search *s)
{
	if (!s->found)
		s->found_ms = n->now_ms;
	s->found = true;
}

static void take_result(struct dnet *n, struct dnet_search *s, const struct dht_effect *e)
{
	struct addr peer;

	if (e->type == DHT_PEERS) {
		for (size_t i = 0; dht_effect_peer(&n->fx, e, i, &peer); i++) {
			s->peers++;
			if (addr_eq(&peer, &s->wanted))
				found(n, s);
		}
	} else if (e->type == DHT_ITEM) {
		s->seq = e->seq;
		found(n, s);
	} else {
		s->done = true;
		s->done_ms = n->now_ms;
		s->asked = e->asked;
		s->answers = e->answers;
		s->stored = e->stored;
		s->hops = e->hops;
		while (s->n_near < 8 && dht_effect_node(&n->fx, e, s->n_near, &s->near[s->n_near]))
			s->n_near++;
		close_search(n, s);
	}
}

static void perform(struct dnet *n, uint32_t node)
{
	for (size_t i = 0; i < n->fx.n; i++) {
		const struct dht_effect *e = &n->fx.list[i];

		if (e->type == DHT_SEND) {
			send_packet(n, &n->nodes[node].addr, &e->to, dht_effect_bytes(&n->fx, e));
		} else {
			struct dnet_search *s = open_search(n, node, e->search);

			if (s != NULL)
				take_result(n, s, e);
		}
	}
	dht_effects_clear(&n->fx);
}

static void settle(struct dnet *n, uint32_t node)
{
	struct vnode *v = &n->nodes[node];
	uint64_t wake;

	perform(n, node);
	wake = dht_deadline_ms(v->dht);
	if (wake < n->now_ms)
		wake = n->now_ms;
	if (wake < v->wake_ms) {
		v->wake_ms = wake;
		push(n, (struct vevent){.at_ms = wake, .node = node});
	}
}

/* ---- liars --------------------------------------------------------------- */

static void nearest_fake(struct dnet *n, const uint8_t *target, struct contact *out)
{
	for (uint32_t i = 0; i < LIAR_TRIES; i++) {
		struct contact c = {.addr = random_addr(&n->rng)};

		node_id_for(c.id, &c.addr, target[19], &n->rng);
		if (i == 0 || node_id_nearer(target, c.id, out->id) < 0)
			*out = c;
	}
}

static void nearest_fellow(struct dnet *n, const uint8_t *target, enum dnet_kind kind,
			   struct contact *out)
{
	for (uint32_t i = 0; i < LIAR_TRIES; i++) {
		const struct vnode *v = &n->nodes[n->liars[rng_below(&n->rng, n->n_liars)]];
		struct contact c = {.addr = v->addr};

		memcpy(c.id, dht_id(v->dht, false), sizeof(c.id));
		if (i == 0 || (v->kind == kind && node_id_nearer(target, c.id, out->id) < 0))
			*out = c;
	}
}

/* True: the liar spoke in the node's stead. */
static bool lie(struct dnet *n, uint32_t node, const struct addr *asker, struct bytes in)
{
	struct vnode *v = &n->nodes[node];
	uint8_t nodes[8 * CONTACT_V4_LEN];
	struct krpc q, r = {.type = KRPC_REPLY};
	size_t len = 0;
	struct buf b;

	if (v->kind == DNET_HONEST || krpc_decode(in, &q) != 0 || q.type != KRPC_QUERY ||
	    q.method == KRPC_PING)
		return false;
	for (int i = 0; q.target != NULL && i < 8; i++) {
		struct contact c;

		if (v->kind == DNET_LIAR && i % 2 == 0)
			nearest_fake(n, q.target, &c);
		else
			nearest_fellow(n, q.target, v->kind, &c);
		len += contact_put(nodes + len, &c);
	}
	r.tid = q.tid;
	r.id = dht_id(v->dht, false);
	r.nodes = bytes_of(nodes, len);
	r.token = bytes_str("believe!");
	buf_init(&b, KRPC_OUT_MAX);
	(void)krpc_encode(&r, &b);
	send_packet(n, &v->addr, asker, buf_bytes(&b));
	buf_fini(&b);
	return true;
}

/* ---- events -------------------------------------------------------------- */

static void deliver(struct dnet *n, const struct vevent *e)
{
	struct vnode *v = find_node(n, &e->to);
	struct bytes in = bytes_of(e->bytes, e->len);

	if (v == NULL || !v->alive || lie(n, (uint32_t)(v - n->nodes), &e->from, in))
		return;
	dht_on_packet(v->dht, &e->from, in, n->now_ms, &n->fx);
	settle(n, (uint32_t)(v - n->nodes));
}

static void wake(struct dnet *n, uint32_t node, uint64_t at_ms)
{
	struct vnode *v = &n->nodes[node];

	if (!v->alive || v->wake_ms != at_ms)
		return;
	v->wake_ms = UINT64_MAX;
	dht_on_tick(v->dht, n->now_ms, &n->fx);
	settle(n, node);
}

void dnet_run_until(struct dnet *n, uint64_t ms)
{
	while (n->n_heap > 0 && n->heap[0].at_ms <= ms) {
		struct vevent e = pop(n);

		n->now_ms = e.at_ms;
		if (e.bytes == NULL)
			wake(n, e.node, e.at_ms);
		else
			deliver(n, &e);
		free(e.bytes);
	}
	n->now_ms = ms;
}

/* ---- life ---------------------------------------------------------------- */

struct dnet *dnet_new(const struct dnet_params *p)
{
	struct dnet *n = must(calloc(1, sizeof(*n)));

	n->p = *p;
	n->now_ms = 1;
	rng_seed(&n->rng, p->seed);
	dht_effects_init(&n->fx);
	n->by_ip_cap = 1u << 17;
	n->by_ip = must(calloc(n->by_ip_cap, sizeof(*n->by_ip)));
	return n;
}

void dnet_free(struct dnet *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		dht_free(n->nodes[i].dht);
	for (size_t i = 0; i < n->n_heap; i++)
		free(n->heap[i].bytes);
	dht_effects_fini(&n->fx);
	free(n->nodes);
	free(n->by_ip);
	free(n->heap);
	free(n->liars);
	free(n);
}

static void introduce(struct dnet *n, uint32_t node, uint32_t n_places)
{
	for (uint32_t i = 0; i < n_places && node > 0; i++) {
		uint32_t other = rng_below(&n->rng, node);

		for (uint32_t tries = 0; tries < 100 && !n->nodes[other].alive; tries++)
			other = rng_below(&n->rng, node);
		dht_add_place(n->nodes[node].dht, &n->nodes[other].addr, n->now_ms, &n->fx);
	}
	settle(n, node);
}

uint32_t dnet_add(struct dnet *n, enum dnet_kind kind, const struct addr *at, const uint8_t *id,
		  uint32_t n_places)
{
	uint8_t own[NODE_ID_LEN];
	struct dht_params p = {.seed = rng_next(&n->rng), .v4 = true, .id = own};
	struct vnode *v;

	if (n->n == n->cap) {
		n->cap = n->cap == 0 ? 64 : n->cap * 2;
		n->nodes = must(realloc(n->nodes, n->cap * sizeof(*n->nodes)));
	}
	v = &n->nodes[n->n];
	*v = (struct vnode){.kind = kind, .alive = true, .wake_ms = UINT64_MAX};
	do
		v->addr = at != NULL ? *at : random_addr(&n->rng);
	while (find_node(n, &v->addr) != NULL);
	p.secret = (struct siphash_key){rng_next(&n->rng), rng_next(&n->rng)};
	if (id != NULL)
		memcpy(own, id, sizeof(own));
	else
		node_id_for(own, &v->addr, (uint8_t)rng_below(&n->rng, 256), &n->rng);
	v->dht = must(dht_new(&p, n->now_ms));
	n->by_ip[place_of(n, &v->addr)] = ++n->n;
	if (kind != DNET_HONEST) {
		n->liars = must(realloc(n->liars, (n->n_liars + 1) * sizeof(*n->liars)));
		n->liars[n->n_liars++] = n->n - 1;
	}
	introduce(n, n->n - 1, n_places);
	return n->n - 1;
}

void dnet_kill(struct dnet *n, uint32_t node)
{
	n->nodes[node].alive = false;
}

bool dnet_is_alive(const struct dnet *n, uint32_t node)
{
	return n->nodes[node].alive;
}

enum dnet_kind dnet_kind_of(const struct dnet *n, uint32_t node)
{
	return n->nodes[node].kind;
}

uint32_t dnet_pick(struct dnet *n)
{
	uint32_t i;

	do
		i = rng_below(&n->rng, n->n);
	while (!n->nodes[i].alive || n->nodes[i].kind != DNET_HONEST);
	return i;
}

struct dht *dnet_dht(struct dnet *n, uint32_t node)
{
	return n->nodes[node].dht;
}

const struct addr *dnet_addr(const struct dnet *n, uint32_t node)
{
	return &n->nodes[node].addr;
}

uint32_t dnet_count(const struct dnet *n)
{
	return n->n;
}

uint64_t dnet_now(const struct dnet *n)
{
	return n->now_ms;
}

struct rng *dnet_rng(struct dnet *n)
{
	return &n->rng;
}

void dnet_start(struct dnet *n, struct dnet_search *s, const uint8_t target[20], uint16_t port)
{
	struct dht *d = n->nodes[s->node].dht;

	s->begun_ms = n->now_ms;
	n->open[n->n_open++] = s;
	assert(n->n_open < SEARCHES_OPEN_MAX);
	if (s->kind == DNET_FIND)
		s->number = dht_find(d, target, n->now_ms, &n->fx);
	else if (s->kind == DNET_GET_PEERS)
		s->number = dht_get_peers(d, target, n->now_ms, &n->fx);
	else if (s->kind == DNET_ANNOUNCE)
		s->number = dht_announce(d, target, port, n->now_ms, &n->fx);
	else if (s->kind == DNET_GET)
		s->number = dht_get_mutable(d, s->key, bytes_of(NULL, 0), n->now_ms, &n->fx);
	else
		s->number = dht_put(d, s->item, NULL, n->now_ms, &n->fx);
	assert(s->number != 0);
	settle(n, s->node);
}

void dnet_totals(const struct dnet *n, struct dnet_totals *out)
{
	*out = n->totals;
	for (uint32_t i = 0; i < n->n; i++) {
		struct dht_stats s;
		uint64_t bps;

		dht_stats(n->nodes[i].dht, n->now_ms, &s);
		bps = s.sent_bytes * 1000 / (n->now_ms + 1);
		if (bps > out->longest_bps)
			out->longest_bps = bps;
	}
}
