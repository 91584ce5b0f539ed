#include "dht/dht_impl.h"

/* When a question wants nodes of both families it gets some of each, so that the answer is no more
 * than three times as long as the question (G-17). */
#define BOTH_V4 4u
#define BOTH_V6 3u
/* Beside a value that is longer, fewer nodes: the datagram stays below KRPC_OUT_MAX. */
#define LONG_VALUE 700u
#define NODES_BESIDE_LONG 4u

/* What replies point into. */
struct reply {
	struct krpc m;
	uint8_t ip[KRPC_ENDPOINT_MAX];
	uint8_t token[TOKEN_LEN];
	uint8_t nodes[LOOKUP_K * CONTACT_V4_LEN], nodes6[LOOKUP_K * CONTACT_V6_LEN];
	uint8_t samples[DHT_SAMPLES_MAX * 20];
	struct addr peers[DHT_VALUES_MAX];
};

static void send_message(struct dht *d, const struct addr *to, const struct krpc *m,
			 struct dht_effects *fx)
{
	struct dht_effect *e = dht_effects_add(fx, DHT_SEND);

	if (e == NULL)
		return;
	e->to = *to;
	(void)krpc_encode(m, &fx->data);
	if (!dht_effects_close(fx, e))
		return;
	if (e->len > KRPC_OUT_MAX || !gate_replies(&d->gate, e->len, d->now_ms)) {
		fx->data.len = e->at;
		fx->n--;
		d->kept_back++;
		return;
	}
	d->sent_bytes += e->len;
}

void dht_send_fault(struct dht *d, const struct addr *to, struct bytes tid, int64_t fault,
		    struct dht_effects *fx)
{
	static const struct {
		int64_t code;
		const char *text;
	} texts[] = {
	    {KRPC_FAULT_SERVER, "no room"},
	    {KRPC_FAULT_PROTOCOL, "invalid arguments"},
	    {KRPC_FAULT_METHOD, "unknown method"},
	    {KRPC_FAULT_VALUE_SIZE, "value too big"},
	    {KRPC_FAULT_SIGNATURE, "invalid signature"},
	    {KRPC_FAULT_SALT_SIZE, "salt too big"},
	    {KRPC_FAULT_CAS, "cas mismatch"},
	    {KRPC_FAULT_SEQ, "sequence number too low"},
	};
	struct krpc m = {.type = KRPC_ERROR, .tid = tid, .fault = fault};

	m.fault_text = bytes_str("error");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == fault)
			m.fault_text = bytes_str(texts[i].text);
	send_message(d, to, &m, fx);
}

/* ---- parts of replies ---------------------------------------------------- */

/* At most `cap`, of those that `from` may hear of. */
static struct bytes put_nodes(const struct dht *d, bool v6, const struct addr *from,
			      const uint8_t *target, uint32_t cap, uint8_t *out)
{
	struct contact near[2 * LOOKUP_K];
	uint32_t n = routes_nearest(&d->table[v6], target, false, near, 2 * LOOKUP_K);
	size_t len = 0;

	for (uint32_t i = 0; i < n && cap > 0; i++) {
		if (!addr_may_name(addr_scope(from), &near[i].addr))
			continue;
		len += contact_put(out + len, &near[i]);
		cap--;
	}
	return bytes_of(out, len);
}

static void add_nodes(const struct dht *d, const struct addr *from, const struct krpc *q,
		      uint32_t most, struct reply *r)
{
	unsigned want = q->want != 0 ? q->want : from->v6 ? KRPC_WANT_6 : KRPC_WANT_4;
	bool both = want == (KRPC_WANT_4 | KRPC_WANT_6);

	if (want & KRPC_WANT_4)
		r->m.nodes = put_nodes(d, false, from, q->target, both ? BOTH_V4 : most, r->nodes);
	if (want & KRPC_WANT_6)
		r->m.nodes6 = put_nodes(d, true, from, q->target, both ? BOTH_V6 : most, r->nodes6);
}

static void add_token(const struct dht *d, const struct addr *from, struct reply *r)
{
	token_make(r->token, d->secret, from, d->now_ms);
	r->m.token = bytes_of(r->token, sizeof(r->token));
}

static size_t keep_nameable(const struct addr *from, struct addr *peers, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (addr_may_name(addr_scope(from), &peers[i]))
			peers[kept++] = peers[i];
	return kept;
}

static void answer_get_peers(struct dht *d, const struct addr *from, const struct krpc *q,
			     struct reply *r)
{
	add_nodes(d, from, q, LOOKUP_K, r);
	add_token(d, from, r);
	r->m.n_peers =
	    peer_store_pick(&d->peers, q->target, from->v6 != 0, r->peers, DHT_VALUES_MAX, &d->rng);
	r->m.n_peers = keep_nameable(from, r->peers, r->m.n_peers);
	/* Three times as long as those of IPv4. */
	if (from->v6 && r->m.n_peers > DHT_VALUES_MAX / 3)
		r->m.n_peers = DHT_VALUES_MAX / 3;
	r->m.peers = r->peers;
}

static void answer_get(struct dht *d, const struct addr *from, const struct krpc *q,
		       struct reply *r)
{
	const struct dht_item *i = item_store_find(&d->items, q->target);
	bool has_it = i != NULL && q->has_seq && i->is_mutable && i->seq <= q->seq;

	add_nodes(d, from, q,
		  i != NULL && !has_it && i->v_len > LONG_VALUE ? NODES_BESIDE_LONG : LOOKUP_K, r);
	add_token(d, from, r);
	if (i == NULL)
		return;
	r->m.has_seq = i->is_mutable;
	r->m.seq = i->seq;
	if (has_it)
		return;
	r->m.v = bytes_of(i->v, i->v_len);
	if (i->is_mutable) {
		r->m.key = i->key;
		r->m.sig = i->sig;
	}
}

static void answer_sample(struct dht *d, const struct addr *from, const struct krpc *q,
			  struct reply *r)
{
	uint32_t n = peer_store_sample(&d->peers, r->samples, DHT_SAMPLES_MAX, &d->rng);

	add_nodes(d, from, q, LOOKUP_K, r);
	r->m.samples = bytes_of(r->samples, (size_t)n * 20);
	r->m.interval = MAINTAIN_MS / 1000;
	r->m.num = d->peers.n;
}

/* ---- what others want kept ----------------------------------------------- */

static int64_t take_announce(struct dht *d, const struct addr *from, const struct krpc *q)
{
	struct addr peer = *from;

	if (!token_is_good(q->token, d->secret, from, d->now_ms))
		return KRPC_FAULT_PROTOCOL;
	if (!q->implied_port)
		peer.port = q->port;
	if (peer_store_add(&d->peers, q->target, &peer, d->now_ms, &d->rng) != 0)
		return KRPC_FAULT_SERVER;
	return 0;
}

static int64_t take_put(struct dht *d, const struct addr *from, const struct krpc *q)
{
	struct dht_item item;
	int fault;

	if (!token_is_good(q->token, d->secret, from, d->now_ms))
		return KRPC_FAULT_PROTOCOL;
	fault = dht_item_read(&item, q, q->salt);
	if (fault != 0)
		return fault;
	return item_store_put(&d->items, &item, q->has_cas ? &q->cas : NULL, from, d->now_ms);
}

/* ---- the query ----------------------------------------------------------- */

/* A stranger becomes ours only by answering. */
static void meet(struct dht *d, const struct addr *from, const struct krpc *q,
		 struct dht_effects *fx)
{
	struct contact c = {.addr = *from};
	struct routes *t = &d->table[from->v6];

	memcpy(c.id, q->id, NODE_ID_LEN);
	if (routes_on_query(t, &c, d->now_ms) || q->read_only)
		return;
	if (node_id_fits(c.id, from) && routes_wants(t, &c))
		(void)dht_ping(d, &c, fx);
}

/* Returns 0 or the fault. */
static int64_t fill(struct dht *d, const struct addr *from, const struct krpc *q, struct reply *r)
{
	switch (q->method) {
	case KRPC_PING:
		return 0;
	case KRPC_GET_PEERS:
		answer_get_peers(d, from, q, r);
		return 0;
	case KRPC_GET:
		answer_get(d, from, q, r);
		return 0;
	case KRPC_SAMPLE:
		answer_sample(d, from, q, r);
		return 0;
	case KRPC_ANNOUNCE_PEER:
		return take_announce(d, from, q);
	case KRPC_PUT:
		return take_put(d, from, q);
	case KRPC_UNKNOWN:
		/* Source: what all do with methods of later times that look for something. */
		if (q->target == NULL)
			return KRPC_FAULT_METHOD;
		break;
	case KRPC_FIND_NODE:
		break;
	}
	add_nodes(d, from, q, LOOKUP_K, r);
	return 0;
}

void dht_on_query(struct dht *d, const struct addr *from, const struct krpc *q,
		  struct dht_effects *fx)
{
	struct reply r = {.m = {.type = KRPC_REPLY, .tid = q->tid}};
	int64_t fault;

	if (memcmp(q->id, dht_self(d, from->v6), NODE_ID_LEN) == 0)
		return;
	d->queries++;
	fault = fill(d, from, q, &r);
	if (fault != 0) {
		dht_send_fault(d, from, q->tid, fault, fx);
		return;
	}
	r.m.id = dht_self(d, from->v6);
	r.m.seen_as = bytes_of(r.ip, krpc_endpoint_put(r.ip, from));
	send_message(d, from, &r.m, fx);
	meet(d, from, q, fx);
}
