#include "dht/dht.h"

#include <stdlib.h>

#include "dht/dht_impl.h"

/* A burst of it holds the longest datagram twice, so that none waits for ever. */
#define RATE_LEAST_BPS 4000u

struct dht *dht_new(const struct dht_params *p, uint64_t now_ms)
{
	struct dht *d = calloc(1, sizeof(*d));
	uint32_t rate = p->rate_bps == 0 ? GATE_RATE_BPS : p->rate_bps;
	uint8_t id[NODE_ID_LEN];

	if (d == NULL)
		return NULL;
	rng_seed(&d->rng, p->seed);
	rng_fill(&d->rng, id, sizeof(id));
	if (p->id != NULL)
		memcpy(id, p->id, sizeof(id));
	d->secret = p->secret;
	d->read_only = p->read_only;
	d->family[0] = p->v4;
	d->family[1] = p->v6;
	routes_init(&d->table[0], id);
	routes_init(&d->table[1], id);
	gate_init(&d->gate, p->secret, rate < RATE_LEAST_BPS ? RATE_LEAST_BPS : rate, now_ms);
	peer_store_init(&d->peers, id, p->secret);
	item_store_init(&d->items, id, p->secret);
	d->now_ms = now_ms;
	/* Nodes that were started together do not keep house together. */
	d->maintain_ms = now_ms + MAINTAIN_MS / 2 + rng_below(&d->rng, MAINTAIN_MS);
	d->self_ms = now_ms + SELF_FIRST_MS;
	return d;
}

void dht_free(struct dht *d)
{
	if (d == NULL)
		return;
	dht_search_free_all(d);
	free(d->pending);
	routes_fini(&d->table[0]);
	routes_fini(&d->table[1]);
	peer_store_fini(&d->peers);
	item_store_fini(&d->items);
	free(d);
}

const uint8_t *dht_id(const struct dht *d, bool v6)
{
	return dht_self(d, v6);
}

/* ---- events -------------------------------------------------------------- */

void dht_on_packet(struct dht *d, const struct addr *from, struct bytes packet, uint64_t now_ms,
		   struct dht_effects *fx)
{
	struct krpc m;
	int err;

	d->now_ms = now_ms;
	d->received_bytes += packet.len;
	if (!d->family[from->v6] || !addr_is_dialable(from))
		return;
	err = krpc_decode(packet, &m);
	if (err != 0 && m.tid.ptr == NULL)
		return;
	if (m.type == KRPC_QUERY) {
		if (d->read_only)
			return;
		if (!gate_hears(&d->gate, from, now_ms))
			d->kept_back++;
		else if (err != 0)
			dht_send_fault(d, from, m.tid, m.fault, fx);
		else
			dht_on_query(d, from, &m, fx);
		return;
	}
	dht_on_reply(d, from, &m, fx);
	dht_search_turn(d, fx);
}

uint64_t dht_deadline_ms(const struct dht *d)
{
	uint64_t at = dht_pending_deadline(d), open;

	if (d->maintain_ms < at)
		at = d->maintain_ms;
	open = dht_search_ready_ms(d);
	return open < at ? open : at;
}

/* A search of ours for each bucket that is due, one after the other. */
static void refresh(struct dht *d)
{
	uint8_t target[NODE_ID_LEN];

	for (uint32_t i = 0; i < d->n_searches; i++)
		if (d->searches[i]->ours)
			return;
	for (int v6 = 0; v6 <= 1; v6++) {
		struct search *s;

		if (!routes_refresh(&d->table[v6], d->now_ms, &d->rng, target))
			continue;
		s = dht_search_new(d, SEARCH_NODES, target);
		if (s != NULL)
			s->ours = true;
		return;
	}
}

static void maintain(struct dht *d, struct dht_effects *fx)
{
	struct contact doubtful;

	d->maintain_ms = d->now_ms + MAINTAIN_MS;
	peer_store_expire(&d->peers, d->now_ms);
	item_store_expire(&d->items, d->now_ms);
	for (int v6 = 0; v6 <= 1; v6++)
		if (routes_doubtful(&d->table[v6], d->now_ms, &doubtful))
			(void)dht_ping(d, &doubtful, fx);
	if (d->now_ms >= d->self_ms) {
		d->self_ms = d->now_ms + SELF_AGAIN_MS;
		dht_search_self(d, NULL, fx);
	}
	refresh(d);
}

void dht_on_tick(struct dht *d, uint64_t now_ms, struct dht_effects *fx)
{
	d->now_ms = now_ms;
	dht_expire_pending(d, fx);
	if (now_ms >= d->maintain_ms)
		maintain(d, fx);
	dht_search_turn(d, fx);
}

/* ---- searches ------------------------------------------------------------ */

static uint32_t start(struct dht *d, struct search *s, struct dht_effects *fx)
{
	uint32_t number = s->number;

	dht_search_turn(d, fx);
	return number;
}

static uint32_t start_kind(struct dht *d, enum search_kind kind, const uint8_t *target,
			   uint64_t now_ms, struct dht_effects *fx)
{
	struct search *s = dht_search_new(d, kind, target);

	d->now_ms = now_ms;
	return s == NULL ? 0 : start(d, s, fx);
}

uint32_t dht_find(struct dht *d, const uint8_t target[NODE_ID_LEN], uint64_t now_ms,
		  struct dht_effects *fx)
{
	return start_kind(d, SEARCH_NODES, target, now_ms, fx);
}

uint32_t dht_get_peers(struct dht *d, const uint8_t hash[20], uint64_t now_ms,
		       struct dht_effects *fx)
{
	return start_kind(d, SEARCH_PEERS, hash, now_ms, fx);
}

uint32_t dht_announce(struct dht *d, const uint8_t hash[20], uint16_t port, uint64_t now_ms,
		      struct dht_effects *fx)
{
	struct search *s = dht_search_new(d, SEARCH_ANNOUNCE, hash);

	d->now_ms = now_ms;
	if (s == NULL)
		return 0;
	s->port = port;
	return start(d, s, fx);
}

void dht_set_outer_port(struct dht *d, uint16_t port)
{
	d->outer_port = port;
}

uint32_t dht_get(struct dht *d, const uint8_t target[NODE_ID_LEN], uint64_t now_ms,
		 struct dht_effects *fx)
{
	return start_kind(d, SEARCH_GET, target, now_ms, fx);
}

static void set_salt(struct search *s, struct bytes salt)
{
	if (salt.len > 0)
		memcpy(s->salt, salt.ptr, salt.len);
	s->salt_len = (uint8_t)salt.len;
}

uint32_t dht_get_mutable(struct dht *d, const uint8_t key[SIGN_KEY_LEN], struct bytes salt,
			 uint64_t now_ms, struct dht_effects *fx)
{
	uint8_t target[NODE_ID_LEN];
	struct search *s;

	dht_item_target_of(key, salt, target);
	s = dht_search_new(d, SEARCH_GET, target);
	d->now_ms = now_ms;
	if (s == NULL)
		return 0;
	set_salt(s, salt);
	return start(d, s, fx);
}

uint32_t dht_put(struct dht *d, const struct dht_item *i, const int64_t *cas, uint64_t now_ms,
		 struct dht_effects *fx)
{
	uint8_t target[NODE_ID_LEN];
	struct search *s;

	dht_item_target(i, target);
	s = dht_search_new(d, SEARCH_PUT, target);
	d->now_ms = now_ms;
	if (s == NULL)
		return 0;
	s->item = malloc(sizeof(*s->item));
	if (s->item == NULL) {
		dht_cancel(d, s->number);
		return 0;
	}
	*s->item = *i;
	set_salt(s, bytes_of(i->salt, i->salt_len));
	s->has_cas = cas != NULL;
	s->cas = cas == NULL ? 0 : *cas;
	return start(d, s, fx);
}

/* ---- looking in ---------------------------------------------------------- */

void dht_stats(const struct dht *d, uint64_t now_ms, struct dht_stats *out)
{
	*out = (struct dht_stats){
	    .hashes = d->peers.n,
	    .peers = d->peers.total,
	    .items = d->items.n,
	    .searches = d->n_searches,
	    .pending = d->n_pending,
	    .sent_bytes = d->sent_bytes,
	    .received_bytes = d->received_bytes,
	    .queries = d->queries,
	    .replies_kept_back = d->kept_back,
	};
	for (int v6 = 0; v6 <= 1; v6++) {
		const struct routes_node *n;

		out->nodes[v6] = routes_count(&d->table[v6]);
		out->buckets[v6] = d->table[v6].n;
		out->knows_address[v6] = dht_address(d, v6 != 0, &out->address[v6]);
		for (uint32_t i = 0; (n = routes_at(&d->table[v6], i)) != NULL; i++)
			out->good[v6] += routes_is_good(n, now_ms);
	}
}

bool dht_address(const struct dht *d, bool v6, struct addr *out)
{
	*out = d->votes[v6].address;
	return d->votes[v6].is_known;
}

void dht_check(const struct dht *d)
{
	uint32_t pending = 0, pings = 0, active = 0;

	routes_check(&d->table[0]);
	routes_check(&d->table[1]);
	for (uint32_t i = 0; i < d->cap_pending; i++) {
		pending += d->pending[i].kind != PENDING_FREE;
		pings += d->pending[i].kind == PENDING_PING;
	}
	for (uint32_t i = 0; i < d->n_searches; i++)
		active += d->searches[i]->active && !d->searches[i]->ours;
	assert(pending == d->n_pending && pings == d->n_pings && active == d->n_active);
	assert(d->n_active <= DHT_ACTIVE_MAX && d->cap_pending <= DHT_PENDING_MAX);
	assert(d->peers.n <= PEER_STORE_HASHES_MAX && d->items.n <= ITEM_STORE_MAX);
	assert(d->peers.total <= PEER_STORE_TOTAL_MAX + PEER_STORE_PEERS_MAX);
}
