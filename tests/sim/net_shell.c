/* What a node's shell does: performs effects, hands events to the swarm. */
#include <stdlib.h>

#include "meta/merkle.h"
#include "sim/net_impl.h"

#define MS 1000u

static uint64_t ms_of(const struct net *n)
{
	return n->now_us / MS;
}

static uint32_t find_conn(const struct net *n, uint32_t node, struct peer_ref ref, uint32_t *end)
{
	const struct node *k = &n->nodes[node];

	for (uint32_t i = 0; i < k->n_conns; i++) {
		const struct conn *c = &n->conns[k->conns[i]];

		*end = c->node[0] == node ? 0 : 1;
		if (c->open[*end] && c->ref[*end].slot == ref.slot && c->ref[*end].gen == ref.gen)
			return k->conns[i];
	}
	abort();
}

static uint32_t node_at(const struct net *n, const struct addr *a)
{
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		if (addr_eq(&n->nodes[i].addr, a))
			return i;
	}
	return UINT32_MAX;
}

/* ---- the wire ------------------------------------------------------------ */

/* Towards the other end of `conn`, behind everything sent before. */
static void transmit(struct net *n, uint32_t conn, uint32_t from, struct event e, uint64_t at_us)
{
	struct conn *c = &n->conns[conn];
	uint32_t to = 1 - from;

	if (at_us < c->last_us[to])
		at_us = c->last_us[to];
	c->last_us[to] = at_us;
	e.at_us = at_us;
	e.conn = conn;
	e.end = to;
	e.node = c->node[to];
	e.life = n->nodes[e.node].life;
	net_schedule(n, e);
}

static void send_message(struct net *n, uint32_t conn, uint32_t from, const struct wire_msg *m)
{
	struct event e = {.type = EVENT_MESSAGE, .msg = *m};

	if (m->body.len > 0) {
		e.body = malloc(m->body.len);
		if (e.body == NULL)
			abort();
		memcpy(e.body, m->body.ptr, m->body.len);
		e.msg.body.ptr = e.body;
	}
	transmit(n, conn, from, e, n->now_us + n->conns[conn].latency_us);
}

/* Forget one end; `tell`: the other hears of it. */
void net_close_conn(struct net *n, uint32_t conn, uint32_t end, bool tell)
{
	struct conn *c = &n->conns[conn];
	struct node *k = &n->nodes[c->node[end]];

	c->open[end] = false;
	c->waiting[end] = false;
	for (uint32_t i = 0; i < k->n_conns; i++) {
		if (k->conns[i] == conn) {
			k->conns[i] = k->conns[--k->n_conns];
			break;
		}
	}
	if (tell)
		transmit(n, conn, end, (struct event){.type = EVENT_CLOSED},
			 n->now_us + c->latency_us);
}

/* ---- sending blocks ------------------------------------------------------ */

static enum mark mark_to_send(struct net *n, struct node *k, uint32_t piece, uint32_t block)
{
	enum mark mark = k->marks[net_block_index(n->meta, piece, block)];

	k->sent++;
	if (k->spec.kind == NODE_CORRUPT && rng_below(&n->rng, k->spec.corrupt_every) == 0)
		mark = MARK_FALSE;
	return mark;
}

static void send_block(struct net *n, uint32_t conn, uint32_t from, struct block_ref b)
{
	struct conn *c = &n->conns[conn];
	struct node *k = &n->nodes[c->node[from]];
	uint64_t out_us = (uint64_t)b.length * 1000000 / k->spec.up_bps;
	uint64_t start = n->now_us > k->up_free_us ? n->now_us : k->up_free_us;
	struct event e = {.type = EVENT_BLOCK, .piece = b.piece};
	uint32_t parts = out_us > 500000 ? 8 : 1;

	e.msg = (struct wire_msg){
	    .type = WIRE_PIECE, .index = b.piece, .begin = b.begin, .length = b.length};
	e.mark = mark_to_send(n, k, b.piece, b.begin / BLOCK_BYTES);
	k->up_free_us = start + out_us;
	for (uint32_t i = 1; i < parts; i++)
		transmit(n, conn, from,
			 (struct event){.type = EVENT_PART, .piece = b.length / parts},
			 start + out_us * i / parts + c->latency_us);
	transmit(n, conn, from, e, k->up_free_us + c->latency_us);
	c->in_flight[from]++;
	n->stats.sent_blocks++;
	swarm_on_sent(k->swarm, c->ref[from], b.length, ms_of(n));
}

/* Give the uplink to the next connection that has something to send. */
static void run_uplink(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];

	if (k->uplink_busy || !k->up)
		return;
	for (uint32_t i = 0; i < k->n_conns; i++) {
		uint32_t conn = k->conns[(k->turn + i) % k->n_conns];
		struct conn *c = &n->conns[conn];
		uint32_t end = c->node[0] == node ? 0 : 1;
		struct block_ref b;

		if (!c->waiting[end] || c->in_flight[end] >= NET_WINDOW)
			continue;
		if (!swarm_next_upload(k->swarm, c->ref[end], &b)) {
			c->waiting[end] = false;
			continue;
		}
		k->turn = (k->turn + i + 1) % k->n_conns;
		send_block(n, conn, end, b);
		k->uplink_busy = true;
		net_schedule(n, (struct event){.at_us = k->up_free_us,
					       .type = EVENT_UPLINK,
					       .node = node,
					       .life = k->life});
		return;
	}
}

/* ---- effects ------------------------------------------------------------- */

static void dial(struct net *n, uint32_t node, const struct addr *a)
{
	uint32_t other = node_at(n, a);
	struct event e = {.node = node, .life = n->nodes[node].life, .addr = *a};

	if (other == UINT32_MAX || !n->nodes[other].up || n->nodes[other].spec.deaf) {
		e.type = EVENT_DIAL_FAILED;
		e.at_us = n->now_us + 1000000;
		net_schedule(n, e);
		return;
	}
	n->conns = net_grow(n->conns, n->n_conns, &n->conns_cap, sizeof(*n->conns));
	n->conns[n->n_conns] = (struct conn){.node = {node, other},
					     .latency_us = n->nodes[node].spec.latency_us +
							   n->nodes[other].spec.latency_us};
	e.type = EVENT_KNOCK;
	e.conn = n->n_conns++;
	/* TCP's three ways, then the handshake. */
	e.at_us = n->now_us + 3u * n->conns[e.conn].latency_us;
	e.node = other;
	e.life = n->nodes[other].life;
	net_schedule(n, e);
}

static void leaves_answer(struct net *n, uint32_t conn, uint32_t end, const struct wire_msg *q)
{
	struct wire_msg m = {.type = WIRE_HASHES, .hash = q->hash};
	uint32_t per_piece = n->meta->piece_length / BLOCK_BYTES;
	uint8_t *body = calloc(q->hash.length, SHA256_LEN);
	uint64_t n_leaves = merkle_leaves(n->meta->total_bytes);

	if (body == NULL)
		abort();
	if (q->hash.base != 0 || q->hash.proof != 0 ||
	    n->nodes[n->conns[conn].node[end]].spec.no_hashes) {
		m.type = WIRE_HASH_REJECT;
	} else {
		for (uint32_t i = 0; i < q->hash.length && q->hash.index + i < n_leaves; i++)
			net_block_hash((q->hash.index + i) / per_piece,
				       (q->hash.index + i) % per_piece, MARK_TRUE,
				       body + (size_t)i * SHA256_LEN);
		m.body = bytes_of(body, (size_t)q->hash.length * SHA256_LEN);
	}
	send_message(n, conn, end, &m);
	free(body);
}

static void note_ban(struct net *n, const struct addr *a)
{
	uint32_t node = node_at(n, a);

	if (node == UINT32_MAX)
		return;
	n->nodes[node].banned = true;
	if (n->nodes[node].spec.kind == NODE_CORRUPT)
		n->stats.bans++;
	else
		n->stats.honest_bans++;
}

static void perform_one(struct net *n, uint32_t node, const struct effect *e)
{
	struct node *k = &n->nodes[node];
	uint32_t end = 0, conn = 0;

	if (e->type == EFFECT_SEND || e->type == EFFECT_UPLOAD || e->type == EFFECT_CLOSE ||
	    e->type == EFFECT_SERVE_HASHES)
		conn = find_conn(n, node, e->peer, &end);
	switch (e->type) {
	case EFFECT_SEND:
		if (k->spec.kind != NODE_CHOKER || e->u.msg.type != WIRE_UNCHOKE)
			send_message(n, conn, end, &e->u.msg);
		break;
	case EFFECT_UPLOAD:
		n->conns[conn].waiting[end] = k->spec.kind != NODE_MUTE;
		run_uplink(n, node);
		break;
	case EFFECT_CLOSE:
		net_close_conn(n, conn, end, true);
		break;
	case EFFECT_BAN:
		note_ban(n, &e->u.addr);
		break;
	case EFFECT_DIAL:
		dial(n, node, &e->u.addr);
		break;
	case EFFECT_VERIFY:
		net_schedule(n, (struct event){.at_us = n->now_us + NET_VERIFY_US,
					       .type = EVENT_VERIFIED,
					       .node = node,
					       .life = k->life,
					       .piece = e->u.piece});
		break;
	case EFFECT_SERVE_HASHES:
		leaves_answer(n, conn, end, &e->u.msg);
		break;
	case EFFECT_COMPLETE:
		k->done_ms = ms_of(n);
		break;
	default:
		break;
	}
}

static void schedule_tick(struct net *n, uint32_t node)
{
	struct node *k = &n->nodes[node];
	uint64_t ms = swarm_deadline_ms(k->swarm), at;

	if (ms == UINT64_MAX)
		return;
	at = ms * MS > n->now_us ? ms * MS : n->now_us;
	if (at >= k->tick_us)
		return;
	k->tick_us = at;
	net_schedule(
	    n, (struct event){.at_us = at, .type = EVENT_TICK, .node = node, .life = k->life});
}

void net_perform(struct net *n, uint32_t node)
{
	struct effects fx = n->nodes[node].fx;

	if (fx.failed)
		abort();
	/* Nothing below calls the swarm but for uploads, which append nothing. */
	for (size_t i = 0; i < fx.n; i++)
		perform_one(n, node, &fx.list[i]);
	effects_clear(&n->nodes[node].fx);
	schedule_tick(n, node);
	if (n->check)
		swarm_check(n->nodes[node].swarm);
}

/* ---- events -------------------------------------------------------------- */

static struct peer_ref connect_end(struct net *n, uint32_t conn, uint32_t end)
{
	struct conn *c = &n->conns[conn];
	struct node *k = &n->nodes[c->node[end]], *o = &n->nodes[c->node[1 - end]];
	struct peer_hello h = {.addr = o->addr,
			       .incoming = end == 1,
			       .fast = !k->spec.no_fast && !o->spec.no_fast,
			       .extended = true,
			       .v2 = n->meta->v2,
			       .rtt_us = 2 * c->latency_us};
	const char *why = NULL;

	if (h.incoming)
		h.addr.port = (uint16_t)(20000 + conn % 40000);
	memcpy(h.peer_id, o->id, sizeof(h.peer_id));
	c->ref[end] = swarm_on_connected(k->swarm, &h, ms_of(n), &why, &k->fx);
	c->open[end] = c->ref[end].slot != UINT32_MAX;
	if (c->open[end]) {
		k->conns = net_grow(k->conns, k->n_conns, &k->conns_cap, sizeof(*k->conns));
		k->conns[k->n_conns++] = conn;
	}
	return c->ref[end];
}

static void on_knock(struct net *n, struct event *e)
{
	struct conn *c = &n->conns[e->conn];
	struct node *from = &n->nodes[c->node[0]];
	struct event answer = {.type = EVENT_ANSWER,
			       .node = c->node[0],
			       .life = from->life,
			       .conn = e->conn,
			       .addr = n->nodes[e->node].addr,
			       .at_us = n->now_us + c->latency_us};

	if (!from->up)
		return;
	/* Scheduled first, so that it comes before the opening messages. */
	net_schedule(n, answer);
	connect_end(n, e->conn, 1);
	net_perform(n, e->node);
}

static void on_answer(struct net *n, struct event *e)
{
	struct conn *c = &n->conns[e->conn];
	struct node *k = &n->nodes[e->node];

	if (!c->open[1]) {
		swarm_on_dial_failed(k->swarm, &e->addr, ms_of(n), &k->fx);
		net_perform(n, e->node);
		return;
	}
	connect_end(n, e->conn, 0);
	net_perform(n, e->node);
	if (!c->open[0])
		transmit(n, e->conn, 0, (struct event){.type = EVENT_CLOSED},
			 n->now_us + n->conns[e->conn].latency_us);
}

static void on_block(struct net *n, struct event *e)
{
	struct conn *c = &n->conns[e->conn];
	struct node *k = &n->nodes[e->node];
	struct block_ref b = {e->msg.index, e->msg.begin, e->msg.length};
	struct peer_ref ref = c->ref[e->end];
	enum block_answer answer = swarm_judge_block(k->swarm, ref, b.piece, b.begin, b.length);

	c->in_flight[1 - e->end]--;
	if (answer == BLOCK_UNASKED) {
		n->stats.unasked++;
		swarm_on_malformed(k->swarm, ref, ms_of(n), &k->fx);
	} else {
		if (answer == BLOCK_WANTED)
			k->marks[net_block_index(n->meta, b.piece, b.begin / BLOCK_BYTES)] =
			    (uint8_t)e->mark;
		swarm_on_block(k->swarm, ref, b, ms_of(n), &k->fx);
	}
	net_perform(n, e->node);
	if (n->nodes[c->node[1 - e->end]].up)
		run_uplink(n, n->conns[e->conn].node[1 - e->end]);
}

static void on_message(struct net *n, struct event *e)
{
	struct node *k = &n->nodes[e->node];
	struct peer_ref ref = n->conns[e->conn].ref[e->end];

	if (k->spec.kind == NODE_REJECTER && e->msg.type == WIRE_REQUEST) {
		e->msg.type = WIRE_REJECT;
		send_message(n, e->conn, e->end, &e->msg);
		return;
	}
	swarm_on_message(k->swarm, ref, &e->msg, ms_of(n), &k->fx);
	net_perform(n, e->node);
}

static void on_verified(struct net *n, struct event *e)
{
	struct node *k = &n->nodes[e->node];
	uint32_t n_blocks = meta_piece_blocks(n->meta, e->piece);
	uint8_t *hashes = malloc((size_t)n_blocks * SHA256_LEN);
	enum piece_state state = PIECE_GOOD;

	if (hashes == NULL)
		abort();
	for (uint32_t b = 0; b < n_blocks; b++) {
		enum mark mark = k->marks[net_block_index(n->meta, e->piece, b)];

		if (mark != MARK_TRUE)
			state = PIECE_BAD;
		net_block_hash(e->piece, b, mark, hashes + (size_t)b * SHA256_LEN);
	}
	swarm_on_piece(k->swarm, e->piece, state, hashes, ms_of(n), &k->fx);
	free(hashes);
	net_perform(n, e->node);
}

static void on_closed(struct net *n, struct event *e)
{
	struct node *k = &n->nodes[e->node];
	struct peer_ref ref = n->conns[e->conn].ref[e->end];

	net_close_conn(n, e->conn, e->end, false);
	swarm_on_closed(k->swarm, ref, ms_of(n), &k->fx);
	net_perform(n, e->node);
}

/* Blocks queue at the receiver's downlink, and what came behind them on the same connection with
 * them. True: not yet. */
static bool must_land(struct net *n, struct event *e)
{
	struct conn *c = &n->conns[e->conn];
	struct node *k = &n->nodes[e->node];

	if (e->landed)
		return false;
	e->landed = true;
	if (e->type == EVENT_BLOCK) {
		uint64_t start = n->now_us > k->down_free_us ? n->now_us : k->down_free_us;

		k->down_free_us = start + (uint64_t)e->msg.length * 1000000 / k->spec.down_bps;
		c->land_us[e->end] = k->down_free_us;
	}
	if (c->land_us[e->end] <= n->now_us)
		return false;
	e->at_us = c->land_us[e->end];
	net_schedule(n, *e);
	e->body = NULL;
	return true;
}

/* Does the event still find whom it is meant for? */
static bool is_alive(const struct net *n, const struct event *e)
{
	const struct node *k = &n->nodes[e->node];

	if (!k->up || k->life != e->life)
		return false;
	switch (e->type) {
	case EVENT_MESSAGE:
	case EVENT_BLOCK:
	case EVENT_PART:
	case EVENT_CLOSED:
		return n->conns[e->conn].open[e->end];
	default:
		return true;
	}
}

void net_handle(struct net *n, struct event *e)
{
	struct node *k = &n->nodes[e->node];

	n->stats.events++;
	if (!is_alive(n, e)) {
		if (e->type == EVENT_BLOCK)
			n->conns[e->conn].in_flight[1 - e->end]--;
		return;
	}
	if ((e->type == EVENT_MESSAGE || e->type == EVENT_BLOCK || e->type == EVENT_CLOSED) &&
	    must_land(n, e))
		return;
	switch (e->type) {
	case EVENT_TICK:
		if (k->tick_us == e->at_us) {
			k->tick_us = UINT64_MAX;
			swarm_on_tick(k->swarm, ms_of(n), &k->fx);
			net_perform(n, e->node);
		}
		break;
	case EVENT_MESSAGE:
		on_message(n, e);
		break;
	case EVENT_BLOCK:
		on_block(n, e);
		break;
	case EVENT_PART:
		swarm_on_progress(k->swarm, n->conns[e->conn].ref[e->end], e->piece, ms_of(n));
		break;
	case EVENT_UPLINK:
		k->uplink_busy = false;
		run_uplink(n, e->node);
		break;
	case EVENT_KNOCK:
		on_knock(n, e);
		break;
	case EVENT_ANSWER:
		on_answer(n, e);
		break;
	case EVENT_DIAL_FAILED:
		swarm_on_dial_failed(k->swarm, &e->addr, ms_of(n), &k->fx);
		net_perform(n, e->node);
		break;
	case EVENT_CLOSED:
		on_closed(n, e);
		break;
	case EVENT_VERIFIED:
		on_verified(n, e);
		break;
	}
}
