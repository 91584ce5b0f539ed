/* What a node's shell does: performs effects, hands events to the swarm. */
#include <stdlib.h>

#include "meta/merkle.h"
#include "sim/net_impl.h"

#define MS 1000u
/* Until a dial is given up: nobody answers; it is refused. */
#define DIAL_SILENT_US 10000000u
#define DIAL_REFUSED_US 1000000u
/* See net_ahead.c. */
#define EFFECTS_AHEAD 4u

static uint64_t ms_of(const struct net *n)
{
	return n->now_us / MS;
}

/* ---- effects ------------------------------------------------------------- */

static void dial(struct net *n, uint32_t node, const struct addr *a)
{
	uint32_t other = net_node_at(n, a), conn;
	struct event e = {.type = EVENT_KNOCK};

	if (other == NET_NONE)
		abort();
	if (!n->nodes[other].up || n->nodes[other].spec.deaf || n->nodes[other].spec.hidden) {
		bool silent = n->nodes[other].silent || n->nodes[other].spec.hidden;

		net_schedule(n, (struct event){.type = EVENT_DIAL_FAILED,
					       .target = node,
					       .life = n->nodes[node].life,
					       .a = other,
					       .at_us = n->now_us + (silent ? DIAL_SILENT_US
									    : DIAL_REFUSED_US)});
		return;
	}
	conn = net_conn_new(n, node, other);
	e.target = conn * 2 + 1;
	e.life = n->conns[conn].gen;
	/* TCP's three ways, then the handshake. */
	e.at_us = n->now_us + 3u * (uint64_t)n->conns[conn].latency_us;
	net_schedule(n, e);
}

static void leaves_answer(struct net *n, uint32_t end, const struct wire_msg *q)
{
	struct wire_msg m = {.type = WIRE_HASHES, .hash = q->hash};
	uint32_t per_piece = n->meta->piece_length / BLOCK_BYTES;
	uint8_t *body = calloc(q->hash.length, SHA256_LEN);
	uint64_t n_leaves = merkle_leaves(n->meta->total_bytes);

	if (body == NULL)
		abort();
	if (q->hash.base != 0 || q->hash.proof != 0 ||
	    n->nodes[net_end(n, end)->node].spec.no_hashes) {
		m.type = WIRE_HASH_REJECT;
	} else {
		for (uint32_t i = 0; i < q->hash.length && q->hash.index + i < n_leaves; i++)
			net_block_hash((q->hash.index + i) / per_piece,
				       (q->hash.index + i) % per_piece, MARK_TRUE,
				       body + (size_t)i * SHA256_LEN);
		m.body = bytes_of(body, (size_t)q->hash.length * SHA256_LEN);
	}
	net_send_message(n, end, &m);
	free(body);
}

static void note_ban(struct net *n, const struct addr *a)
{
	uint32_t node = net_node_at(n, a);

	if (node == NET_NONE)
		return;
	n->nodes[node].banned = true;
	/* A rejecter rejects also where it must not. */
	if (n->nodes[node].kind == NODE_CORRUPT || n->nodes[node].kind == NODE_REJECTER)
		n->stats.bans++;
	else
		n->stats.honest_bans++;
}

static void upload(struct net *n, uint32_t node, uint32_t end)
{
	if (n->nodes[node].kind == NODE_MUTE)
		return;
	net_want_uplink(n, end);
	net_run_uplink(n, node);
}

static void verify(struct net *n, uint32_t node, uint32_t piece)
{
	net_schedule(n, (struct event){.at_us = n->now_us + NET_VERIFY_US,
				       .type = EVENT_VERIFIED,
				       .target = node,
				       .life = n->nodes[node].life,
				       .a = piece});
}

static void perform_one(struct net *n, uint32_t node, const struct effect *e)
{
	struct node *k = &n->nodes[node];

	switch (e->type) {
	case EFFECT_SEND:
		if (k->kind != NODE_CHOKER || e->u.msg.type != WIRE_UNCHOKE)
			net_send_message(n, net_find_end(n, node, e->peer), &e->u.msg);
		break;
	case EFFECT_UPLOAD:
		upload(n, node, net_find_end(n, node, e->peer));
		break;
	case EFFECT_CLOSE:
		net_close_end(n, net_find_end(n, node, e->peer), true);
		break;
	case EFFECT_BAN:
		note_ban(n, &e->u.addr);
		break;
	case EFFECT_DIAL:
		dial(n, node, &e->u.addr);
		break;
	case EFFECT_VERIFY:
		verify(n, node, e->u.piece);
		break;
	case EFFECT_SERVE_HASHES:
		leaves_answer(n, net_find_end(n, node, e->peer), &e->u.msg);
		break;
	case EFFECT_FETCH:	 /* nobody here is a source, */
	case EFFECT_READ_HASHES: /* nor has an older version */
	case EFFECT_PUNCH:	 /* nor behind a router */
	case EFFECT_SEEN_AS:	 /* all have the address that they know */
		break;
	case EFFECT_WANT_PEERS:
		net_on_want_peers(n, node);
		break;
	case EFFECT_COMPLETE:
		k->done_ms = ms_of(n);
		net_count(n, k);
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
	    n, (struct event){.at_us = at, .type = EVENT_TICK, .target = node, .life = k->life});
}

void net_perform(struct net *n, uint32_t node)
{
	if (n->fx.failed)
		abort();
	/* Nothing below calls the swarm but for uploads, which append nothing. */
	for (size_t i = 0; i < n->fx.n; i++) {
		if (i + EFFECTS_AHEAD < n->fx.n)
			net_look_ahead_at(n, node, &n->fx.list[i + EFFECTS_AHEAD]);
		perform_one(n, node, &n->fx.list[i]);
	}
	effects_clear(&n->fx);
	schedule_tick(n, node);
	if (n->check)
		swarm_check(n->nodes[node].swarm);
}

/* ---- connecting ---------------------------------------------------------- */

static void connect_end(struct net *n, uint32_t end)
{
	struct conn *c = &n->conns[end / 2];
	struct node *k = &n->nodes[net_end(n, end)->node];
	struct node *o = &n->nodes[net_end(n, end ^ 1)->node];
	struct peer_hello h = {.addr = o->addr,
			       .incoming = end % 2 == 1,
			       .fast = !k->spec.no_fast && !o->spec.no_fast,
			       .extended = true,
			       .v2 = n->meta->v2,
			       .rtt_us = 2 * c->latency_us};
	const char *why = NULL;
	struct peer_ref ref;

	if (h.incoming)
		h.addr.port = (uint16_t)(20000 + end / 2 % 40000);
	memcpy(h.peer_id, o->id, sizeof(h.peer_id));
	ref = swarm_on_connected(k->swarm, &h, ms_of(n), &why, &n->fx);
	if (ref.slot != UINT32_MAX)
		net_open_end(n, end, ref);
}

static bool is_there(const struct net *n, const struct end *e)
{
	return n->nodes[e->node].up && n->nodes[e->node].life == e->life;
}

static void on_knock(struct net *n, const struct event *e)
{
	struct conn *c = &n->conns[e->target / 2];
	struct event answer = {.type = EVENT_ANSWER,
			       .target = e->target ^ 1,
			       .life = c->gen,
			       .at_us = n->now_us + c->latency_us};

	if (!is_there(n, &c->end[0])) {
		c->dialing = false;
		net_settle_conn(n, e->target / 2);
		return;
	}
	if (!is_there(n, &c->end[1])) {
		answer.at_us = n->now_us + DIAL_SILENT_US;
		net_schedule(n, answer);
		return;
	}
	/* Scheduled first, so that it comes before the opening messages. */
	net_schedule(n, answer);
	connect_end(n, e->target);
	net_perform(n, c->end[1].node);
}

/* The dialler hears what became of it. */
static void on_answer(struct net *n, const struct event *e)
{
	struct conn *c = &n->conns[e->target / 2];
	uint32_t node = c->end[0].node, other = c->end[1].node;

	c->dialing = false;
	if (is_there(n, &c->end[0])) {
		if (c->end[1].open)
			connect_end(n, e->target);
		else
			swarm_on_dial_failed(n->nodes[node].swarm, &n->nodes[other].addr, ms_of(n),
					     &n->fx);
		net_perform(n, node);
	}
	c = &n->conns[e->target / 2];
	if (!c->end[0].open && c->end[1].open)
		net_transmit(
		    n, e->target ^ 1,
		    (struct event){.type = EVENT_CLOSED, .at_us = n->now_us + c->latency_us});
	net_settle_conn(n, e->target / 2);
}

static void on_dial_failed(struct net *n, const struct event *e)
{
	swarm_on_dial_failed(n->nodes[e->target].swarm, &n->nodes[e->a].addr, ms_of(n), &n->fx);
	net_perform(n, e->target);
}

/* ---- at a connection's end ----------------------------------------------- */

static void on_block(struct net *n, const struct event *e)
{
	struct end *t = net_end(n, e->target);
	struct node *k = &n->nodes[t->node];
	struct block_ref b = net_event_block(e);
	uint32_t node = t->node;

	switch (swarm_judge_block(k->swarm, t->ref, b.piece, b.begin, b.length)) {
	case BLOCK_UNASKED:
		n->stats.unasked++;
		swarm_on_malformed(k->swarm, t->ref, ms_of(n), &n->fx);
		break;
	case BLOCK_WANTED:
		k->marks[net_block_index(n->meta, b.piece, b.begin / BLOCK_BYTES)] =
		    (uint8_t)net_event_mark(e);
		swarm_on_block(k->swarm, t->ref, b, ms_of(n), &n->fx);
		break;
	case BLOCK_USELESS:
		swarm_on_block(k->swarm, t->ref, b, ms_of(n), &n->fx);
		break;
	}
	net_perform(n, node);
}

void net_give(struct net *n, uint32_t node, struct peer_ref source)
{
	struct node *k = &n->nodes[node];
	struct block_ref b;

	if (swarm_expected(k->swarm, source, &b, 1) == 0)
		return;
	k->marks[net_block_index(n->meta, b.piece, b.begin / BLOCK_BYTES)] = MARK_TRUE;
	swarm_on_block(k->swarm, source, b, ms_of(n), &n->fx);
	net_perform(n, node);
}

static void on_message(struct net *n, const struct event *e)
{
	struct end *t = net_end(n, e->target);
	struct node *k = &n->nodes[t->node];
	struct wire_msg m;

	net_open_message(n, e, &m);
	k->down_debt += net_wire_bytes(&m) + NET_HEAD_BYTES;
	if (k->kind == NODE_REJECTER && m.type == WIRE_REQUEST) {
		m.type = WIRE_REJECT;
		net_send_message(n, e->target, &m);
		return;
	}
	swarm_on_message(k->swarm, t->ref, &m, ms_of(n), &n->fx);
	net_perform(n, t->node);
}

static void on_closed(struct net *n, const struct event *e)
{
	struct end *t = net_end(n, e->target);
	uint32_t node = t->node;
	struct peer_ref ref = t->ref;

	net_close_end(n, e->target, false);
	swarm_on_closed(n->nodes[node].swarm, ref, ms_of(n), &n->fx);
	net_perform(n, node);
}

/* Nobody takes it. A node that fell silent acknowledges nothing, so the sender's window stays shut;
 * one that is back knows nothing of the connection and says so. */
static void turn_down(struct net *n, const struct event *e)
{
	const struct conn *c = &n->conns[e->target / 2];
	const struct end *t = net_end(n, e->target);
	const struct node *k = &n->nodes[t->node];

	if (e->type == EVENT_PARCEL)
		net_drop_parcel(n, e);
	if (c->gen != e->life || !k->up)
		return;
	if (k->life != t->life && net_end(n, e->target ^ 1)->open)
		net_transmit(
		    n, e->target ^ 1,
		    (struct event){.type = EVENT_CLOSED, .at_us = n->now_us + c->latency_us});
	else if (e->type == EVENT_BLOCK)
		net_block_gone(n, e->target ^ 1);
}

/* What is sent to it stays on its way for ever. */
static bool reads_nothing(const struct net *n, const struct event *e)
{
	const struct node *k = &n->nodes[net_end(n, e->target)->node];

	return k->kind == NODE_GLUTTON && e->type != EVENT_CLOSED &&
	       k->read_blocks >= k->spec.stall_after;
}

static void handle_at_end(struct net *n, struct event *e)
{
	const struct conn *c = &n->conns[e->target / 2];
	struct end *t = net_end(n, e->target);
	bool there = c->gen == e->life && t->open;

	if (e->type == EVENT_LOOK) {
		if (there)
			net_on_look(n, e);
		return;
	}
	if (!there) {
		turn_down(n, e);
		return;
	}
	if (reads_nothing(n, e)) {
		if (e->type == EVENT_PARCEL)
			net_drop_parcel(n, e);
		return;
	}
	if (e->type == EVENT_PART) {
		net_block_moved(n, e->target ^ 1);
		swarm_on_progress(n->nodes[t->node].swarm, t->ref, e->a, ms_of(n));
		return;
	}
	if (net_must_land(n, e))
		return;
	if (e->type == EVENT_BLOCK) {
		n->nodes[t->node].read_blocks++;
		net_block_gone(n, e->target ^ 1);
		on_block(n, e);
	} else if (e->type == EVENT_CLOSED) {
		on_closed(n, e);
	} else {
		on_message(n, e);
		if (e->type == EVENT_PARCEL)
			net_drop_parcel(n, e);
	}
}

/* ---- at a node ----------------------------------------------------------- */

static void on_tick(struct net *n, const struct event *e)
{
	struct node *k = &n->nodes[e->target];

	if (k->tick_us != e->at_us)
		return;
	k->tick_us = UINT64_MAX;
	swarm_on_tick(k->swarm, ms_of(n), &n->fx);
	net_perform(n, e->target);
}

static void hash_blocks(const struct net *n, const struct node *k, uint32_t piece, uint8_t *out)
{
	for (uint32_t b = 0; b < meta_piece_blocks(n->meta, piece); b++)
		net_block_hash(piece, b, (enum mark)k->marks[net_block_index(n->meta, piece, b)],
			       out + (size_t)b * SHA256_LEN);
}

static void on_verified(struct net *n, const struct event *e)
{
	struct node *k = &n->nodes[e->target];
	uint32_t n_blocks = meta_piece_blocks(n->meta, e->a);
	enum piece_state state = PIECE_GOOD;
	uint8_t *hashes = NULL;

	for (uint32_t b = 0; b < n_blocks; b++) {
		if (k->marks[net_block_index(n->meta, e->a, b)] != MARK_TRUE)
			state = PIECE_BAD;
	}
	if (k->spec.lost_every != 0 && rng_below(&n->rng, k->spec.lost_every) == 0)
		state = PIECE_LOST;
	if (state == PIECE_BAD || swarm_wants_hashes(k->swarm, e->a)) {
		hashes = malloc((size_t)n_blocks * SHA256_LEN);
		if (hashes == NULL)
			abort();
		hash_blocks(n, k, e->a, hashes);
	}
	swarm_on_piece(k->swarm, e->a, state, hashes, ms_of(n), &n->fx);
	free(hashes);
	net_perform(n, e->target);
}

static void handle_at_node(struct net *n, const struct event *e)
{
	struct node *k = &n->nodes[e->target];

	if (e->type == EVENT_GONE) {
		net_on_gone(n, e);
		return;
	}
	if (!k->up || k->life != e->life)
		return;
	switch ((enum event_type)e->type) {
	case EVENT_TICK:
		on_tick(n, e);
		break;
	case EVENT_UPLINK:
		k->uplink_busy = false;
		net_run_uplink(n, e->target);
		break;
	case EVENT_DIAL_FAILED:
		on_dial_failed(n, e);
		break;
	case EVENT_VERIFIED:
		on_verified(n, e);
		break;
	case EVENT_ANNOUNCE:
		net_on_announce(n, e);
		break;
	case EVENT_PEERS:
		net_on_peers(n, e);
		break;
	default:
		break;
	}
}

static void note_event(struct net *n, const struct event *e)
{
	uint64_t h = n->trace;

	h = (h ^ e->at_us) * 0x9e3779b97f4a7c15u;
	h = (h ^ (h >> 29) ^ ((uint64_t)e->target << 8 | e->type)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 32) ^ ((uint64_t)e->a << 32 | e->b)) * 0x94d049bb133111ebu;
	n->trace = h ^ (h >> 31);
	n->stats.events++;
}

void net_handle(struct net *n, struct event *e)
{
	note_event(n, e);
	if (e->type == EVENT_KNOCK || e->type == EVENT_ANSWER) {
		/* Of connections that cannot end before they are answered. */
		if (e->type == EVENT_KNOCK)
			on_knock(n, e);
		else
			on_answer(n, e);
	} else if (e->type <= EVENT_CLOSED) {
		handle_at_end(n, e);
	} else {
		handle_at_node(n, e);
	}
}
