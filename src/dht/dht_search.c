#include <stdlib.h>

#include "base/grow.h"
#include "dht/dht_impl.h"

/* With fewer nodes than this, a place is asked whom it knows; with more, whether it is there. */
#define NODES_FEW 16u
/* What a query may need: an announce with the longest token has 214 bytes. A put has KRPC_OUT_MAX.
 */
#define QUERY_BYTES 256u

static struct search *search_by_number(const struct dht *d, uint32_t number)
{
	for (uint32_t i = 0; i < d->n_searches; i++)
		if (d->searches[i]->number == number)
			return d->searches[i];
	return NULL;
}

static void search_free(struct search *s)
{
	free(s->side[0]);
	free(s->side[1]);
	free(s->targets);
	free(s->item);
	free(s);
}

void dht_search_free_all(struct dht *d)
{
	for (uint32_t i = 0; i < d->n_searches; i++)
		search_free(d->searches[i]);
	free(d->searches);
}

static void remove_search(struct dht *d, struct search *s)
{
	uint32_t i = 0;

	while (d->searches[i] != s)
		i++;
	d->n_searches--;
	d->n_active -= s->active && !s->ours;
	memmove(&d->searches[i], &d->searches[i + 1], (d->n_searches - i) * sizeof(d->searches[0]));
	search_free(s);
}

void dht_cancel(struct dht *d, uint32_t search)
{
	struct search *s = search_by_number(d, search);

	if (s != NULL)
		remove_search(d, s);
}

struct search *dht_search_new(struct dht *d, enum search_kind kind,
			      const uint8_t target[NODE_ID_LEN])
{
	struct search *s;
	struct search **grown;

	if (d->n_searches >= DHT_SEARCHES_MAX)
		return NULL;
	grown = grow(d->searches, d->n_searches, &d->cap_searches, 4, sizeof(struct search *));
	if (grown == NULL)
		return NULL;
	d->searches = grown;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->number = ++d->next_number == 0 ? ++d->next_number : d->next_number;
	s->kind = kind;
	s->newest = -1;
	memcpy(s->target, target, NODE_ID_LEN);
	d->searches[d->n_searches++] = s;
	return s;
}

/* ---- beginning ----------------------------------------------------------- */

/* How dense the table is: next to us, unless our neighbours are those whom liars named, and where
 * lookups ended. */
static uint32_t expected_bits(const struct dht *d, bool v6, const struct contact *next_to_us,
			      uint32_t n)
{
	uint32_t bits = lookup_bits(dht_self(d, v6), next_to_us, n);

	return bits > d->mean_bits[v6] ? bits : d->mean_bits[v6];
}

static bool begin_side(struct dht *d, struct search *s, bool v6)
{
	struct contact near[LOOKUP_ROOTS_MAX];
	uint32_t n;

	if (!d->family[v6])
		return true;
	s->side[v6] = calloc(1, sizeof(*s->side[v6]));
	if (s->side[v6] == NULL)
		return false;
	n = routes_nearest(&d->table[v6], dht_self(d, v6), false, near, LOOKUP_K);
	lookup_init(s->side[v6], s->target, dht_self(d, v6), v6, expected_bits(d, v6, near, n));
	n = routes_nearest(&d->table[v6], s->target, false, near, LOOKUP_ROOTS_MAX);
	if (n < LOOKUP_K) /* after an outage all look bad */
		n = routes_nearest(&d->table[v6], s->target, true, near, LOOKUP_ROOTS_MAX);
	for (uint32_t i = 0; i < n; i++)
		lookup_add(s->side[v6], &near[i]);
	return true;
}

/* Without memory it stays in the queue. */
static bool begin(struct dht *d, struct search *s)
{
	for (int v6 = 0; v6 <= 1; v6++) {
		if (s->side[v6] == NULL && !begin_side(d, s, v6 != 0))
			return false;
	}
	s->active = true;
	d->n_active += !s->ours;
	return true;
}

static bool is_settled(const struct search *s)
{
	return s->active && (s->side[0] == NULL || lookup_is_settled(s->side[0])) &&
	       (s->side[1] == NULL || lookup_is_settled(s->side[1]));
}

/* Are our neighbours being looked for, or somebody asked who could name us the first nodes? Whoever
 * knows hardly anybody would be led wherever those few want. */
static bool is_bootstrapping(const struct dht *d)
{
	uint32_t known = routes_count(&d->table[0]) + routes_count(&d->table[1]);

	for (uint32_t i = 0; known < NODES_FEW && i < d->n_searches; i++)
		if (d->searches[i]->ours && (known == 0 || !is_settled(d->searches[i])))
			return true;
	return known == 0 && d->n_pings > 0;
}

static void begin_some(struct dht *d)
{
	bool wait = is_bootstrapping(d);

	for (uint32_t i = 0; i < d->n_searches; i++) {
		struct search *s = d->searches[i];

		if (!s->active && (s->ours || (!wait && d->n_active < DHT_ACTIVE_MAX)) &&
		    !begin(d, s))
			return;
	}
}

static struct search *self_search(const struct dht *d)
{
	for (uint32_t i = 0; i < d->n_searches; i++) {
		struct search *s = d->searches[i];

		if (s->ours && memcmp(s->target, dht_self(d, false), NODE_ID_LEN) == 0)
			return s;
	}
	return NULL;
}

void dht_search_self(struct dht *d, const struct addr *place, struct dht_effects *fx)
{
	struct search *s = self_search(d);

	if (s == NULL) {
		s = dht_search_new(d, SEARCH_NODES, dht_self(d, false));
		if (s == NULL)
			return;
		s->ours = true;
	}
	if (!s->active && !begin(d, s))
		return;
	if (place != NULL && s->side[place->v6] != NULL)
		lookup_add_address(s->side[place->v6], place);
	dht_search_turn(d, fx);
}

void dht_add_place(struct dht *d, const struct addr *a, uint64_t now_ms, struct dht_effects *fx)
{
	struct krpc m = {.method = KRPC_PING};

	d->now_ms = now_ms;
	if (!addr_is_dialable(a) || !d->family[a->v6])
		return;
	if (routes_count(&d->table[a->v6]) < NODES_FEW)
		dht_search_self(d, a, fx);
	else if (d->n_pings < DHT_PINGS_MAX)
		(void)dht_ask(d, PENDING_PING, 0, a, NULL, &m, fx);
}

/* ---- asking -------------------------------------------------------------- */

static uint64_t ready_ms(const struct dht *d, const struct search *s)
{
	bool puts = s->kind == SEARCH_PUT && s->n_targets > 0;

	return gate_ready_ms(&d->gate, puts ? KRPC_OUT_MAX : QUERY_BYTES, d->now_ms);
}

static bool gate_is_open(const struct dht *d, const struct search *s)
{
	return ready_ms(d, s) <= d->now_ms && d->n_pending < DHT_PENDING_MAX;
}

static void fill_query(const struct dht *d, const struct search *s, struct krpc *m)
{
	static const enum krpc_method methods[] = {
	    [SEARCH_NODES] = KRPC_FIND_NODE,
	    [SEARCH_PEERS] = KRPC_GET_PEERS,
	    [SEARCH_ANNOUNCE] = KRPC_GET_PEERS,
	    [SEARCH_GET] = KRPC_GET,
	    [SEARCH_PUT] = KRPC_GET,
	};

	m->method = methods[s->kind];
	m->target = s->target;
	/* Source: BEP 32: the first nodes of one family know those of the other. */
	if (s->ours && d->family[0] && d->family[1])
		m->want = KRPC_WANT_4 | KRPC_WANT_6;
}

static void ask_some(struct dht *d, struct search *s, struct lookup *l, struct dht_effects *fx)
{
	const uint8_t *id;
	struct addr to;

	while (gate_is_open(d, s) && lookup_next(l, &to, &id)) {
		struct krpc m = {.method = KRPC_PING};

		fill_query(d, s, &m);
		if (dht_ask(d, PENDING_LOOKUP, s->number, &to, id, &m, fx))
			s->asked++;
		else
			lookup_on_failed(l, &to);
	}
}

static void ask_side(struct dht *d, struct search *s, bool v6, struct dht_effects *fx)
{
	do
		ask_some(d, s, s->side[v6], fx);
	while (lookup_is_done(s->side[v6]) && lookup_detour(s->side[v6]));
}

static bool store_on(struct dht *d, struct search *s, const struct store_target *t,
		     struct dht_effects *fx)
{
	struct krpc m = {.method = KRPC_ANNOUNCE_PEER, .token = bytes_of(t->token, t->token_len)};

	if (s->kind == SEARCH_ANNOUNCE) {
		m.target = s->target;
		m.implied_port = s->port == 0;
		m.port = m.implied_port ? 0 : addr_port_for(&t->at.addr, s->port, d->outer_port);
	} else {
		m.method = KRPC_PUT;
		m.v = bytes_of(s->item->v, s->item->v_len);
		if (s->item->is_mutable) {
			m.key = s->item->key;
			m.sig = s->item->sig;
			m.salt = bytes_of(s->item->salt, s->item->salt_len);
			m.has_seq = true;
			m.seq = s->item->seq;
			m.has_cas = s->has_cas;
			m.cas = s->cas;
		}
	}
	return dht_ask(d, PENDING_STORE, s->number, &t->at.addr, t->at.id, &m, fx);
}

static void store_some(struct dht *d, struct search *s, struct dht_effects *fx)
{
	while (s->n_targets > 0 && gate_is_open(d, s)) {
		if (!store_on(d, s, &s->targets[s->n_targets - 1], fx))
			return;
		s->n_targets--;
		s->stores_out++;
		s->asked++;
	}
}

static void collect_targets(struct search *s)
{
	const struct lookup_node *near[LOOKUP_K];

	s->storing = true;
	s->targets = calloc(2 * LOOKUP_K, sizeof(*s->targets));
	if (s->targets == NULL)
		return;
	for (int v6 = 0; v6 <= 1; v6++) {
		uint32_t n =
		    s->side[v6] == NULL ? 0 : lookup_nearest(s->side[v6], true, near, LOOKUP_K);

		for (uint32_t i = 0; i < n; i++) {
			struct store_target *t = &s->targets[s->n_targets++];

			t->at = near[i]->at;
			t->token_len = near[i]->token_len;
			memcpy(t->token, near[i]->token, sizeof(t->token));
		}
	}
}

static void learn_density(struct dht *d, const struct lookup *l)
{
	uint32_t bits = lookup_found_bits(l), *mean = &d->mean_bits[l->v6];

	if (bits > 0)
		*mean = *mean == 0 ? bits : (*mean * 7 + bits) / 8;
}

/* ---- ending -------------------------------------------------------------- */

static void put_nearest(struct dht_effects *fx, struct dht_effect *e, const struct lookup *l)
{
	const struct lookup_node *near[LOOKUP_K];
	uint32_t n = lookup_nearest(l, false, near, LOOKUP_K);
	uint8_t raw[CONTACT_V6_LEN];

	e->v6 = l->v6;
	e->hops = lookup_hops(l);
	for (uint32_t i = 0; i < n; i++)
		buf_put(&fx->data, bytes_of(raw, contact_put(raw, &near[i]->at)));
}

/* False without memory: then it is told in another turn, as whoever began it waits for that. */
static bool tell_done(const struct search *s, struct dht_effects *fx)
{
	const struct lookup *v4 = s->side[0], *v6 = s->side[1];
	struct dht_effect *e;

	if (s->ours)
		return true;
	e = dht_effects_add(fx, DHT_DONE);
	if (e == NULL)
		return false;
	e->search = s->number;
	e->stored = s->stored;
	e->asked = s->asked;
	e->answers = s->answers;
	e->fault = s->fault;
	e->seq = s->newest;
	if (v4 != NULL && (v6 == NULL || v4->answers > 0))
		put_nearest(fx, e, v4);
	else if (v6 != NULL)
		put_nearest(fx, e, v6);
	if (fx->data.err != OK) { /* the end is told in any case */
		fx->data.len = e->at;
		fx->data.err = OK;
	}
	e->len = fx->data.len - e->at;
	return true;
}

static bool lookups_are_done(const struct search *s)
{
	/* What was found by its hash cannot become any better. */
	if (s->kind == SEARCH_GET && s->found && s->newest < 0)
		return true;
	if (s->kind == SEARCH_GET && s->found && is_settled(s))
		return true;
	return (s->side[0] == NULL || lookup_is_done(s->side[0])) &&
	       (s->side[1] == NULL || lookup_is_done(s->side[1]));
}

/* True: it ended. */
static bool advance(struct dht *d, struct search *s, struct dht_effects *fx)
{
	bool stores = s->kind == SEARCH_ANNOUNCE || s->kind == SEARCH_PUT;

	if (!s->storing) {
		for (int v6 = 0; v6 <= 1; v6++)
			if (s->side[v6] != NULL)
				ask_side(d, s, v6 != 0, fx);
		if (!lookups_are_done(s))
			return false;
		if (stores && s->fault == 0)
			collect_targets(s);
	}
	store_some(d, s, fx);
	if (s->n_targets > 0 || s->stores_out > 0 || !tell_done(s, fx))
		return false;
	for (int v6 = 0; v6 <= 1; v6++)
		if (s->side[v6] != NULL)
			learn_density(d, s->side[v6]);
	remove_search(d, s);
	return true;
}

void dht_search_turn(struct dht *d, struct dht_effects *fx)
{
	uint32_t i = 0;

	begin_some(d);
	while (i < d->n_searches) {
		if (!d->searches[i]->active) {
			i++;
		} else if (advance(d, d->searches[i], fx)) {
			begin_some(d);
			i = 0;
		} else {
			i++;
		}
	}
}

uint64_t dht_search_ready_ms(const struct dht *d)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < d->n_searches && d->n_pending < DHT_PENDING_MAX; i++) {
		uint64_t at = d->searches[i]->active ? ready_ms(d, d->searches[i]) : 0;

		if (at > d->now_ms && at < first)
			first = at;
	}
	return first;
}

/* ---- answers ------------------------------------------------------------- */

static void tell_peers(const struct search *s, const struct addr *from, const struct krpc *m,
		       bool v6, struct dht_effects *fx)
{
	struct krpc_peers it = krpc_peers(m);
	uint8_t raw[KRPC_ENDPOINT_MAX];
	struct dht_effect *e = NULL;
	struct addr peer;

	while (krpc_next_peer(&it, &peer)) {
		if ((peer.v6 != 0) != v6 || !addr_is_dialable(&peer) ||
		    !addr_may_name(addr_scope(from), &peer))
			continue;
		if (e == NULL)
			e = dht_effects_add(fx, DHT_PEERS);
		if (e == NULL)
			return;
		buf_put(&fx->data, bytes_of(raw, krpc_endpoint_put(raw, &peer)));
	}
	if (e == NULL)
		return;
	e->search = s->number;
	e->v6 = v6;
	(void)dht_effects_close(fx, e);
}

static void tell_item(struct search *s, const struct krpc *m, struct dht_effects *fx)
{
	uint8_t target[NODE_ID_LEN];
	struct dht_effect *e;
	struct dht_item item;

	if (m->v.ptr == NULL || (m->key != NULL && m->has_seq && m->seq <= s->newest) ||
	    (m->key == NULL && s->found) ||
	    dht_item_read(&item, m, bytes_of(s->salt, s->salt_len)) != 0)
		return;
	dht_item_target(&item, target);
	if (memcmp(target, s->target, NODE_ID_LEN) != 0)
		return;
	s->found = true;
	if (item.is_mutable)
		s->newest = item.seq;
	if (s->item != NULL && item.is_mutable && item.seq > s->item->seq)
		s->fault = KRPC_FAULT_SEQ;
	e = dht_effects_add(fx, DHT_ITEM);
	if (e == NULL)
		return;
	e->search = s->number;
	e->is_mutable = item.is_mutable;
	e->seq = item.seq;
	memcpy(e->sig, item.sig, sizeof(e->sig));
	buf_put(&fx->data, bytes_of(item.v, item.v_len));
	(void)dht_effects_close(fx, e);
}

static void on_lookup_answer(struct search *s, const struct pending *p, const struct krpc *m,
			     struct dht_effects *fx)
{
	struct contact c = {.addr = p->to};
	bool v6 = p->to.v6 != 0;
	struct lookup *l = s->side[v6], *other = s->side[!v6];
	struct bytes crossed = v6 ? m->nodes : m->nodes6;

	s->answers++;
	memcpy(c.id, m->id, NODE_ID_LEN);
	lookup_on_answer(l, &c, v6 ? m->nodes6 : m->nodes, m->token);
	if (s->ours && other != NULL)
		lookup_add_named(other, &p->to, crossed);
	if (s->kind == SEARCH_PEERS || s->kind == SEARCH_ANNOUNCE) {
		tell_peers(s, &p->to, m, false, fx);
		tell_peers(s, &p->to, m, true, fx);
	} else if (s->kind == SEARCH_GET || s->kind == SEARCH_PUT) {
		tell_item(s, m, fx);
	}
}

void dht_search_on_answer(struct dht *d, const struct pending *p, const struct krpc *m,
			  struct dht_effects *fx)
{
	struct search *s = search_by_number(d, p->search);

	if (s == NULL || s->side[p->to.v6] == NULL)
		return;
	if (p->kind == PENDING_STORE) {
		s->stores_out--;
		if (m != NULL && m->type == KRPC_REPLY)
			s->stored++;
		else if (m != NULL && m->fault != 0)
			s->fault = m->fault;
	} else if (m == NULL || m->type != KRPC_REPLY) {
		lookup_on_failed(s->side[p->to.v6], &p->to);
	} else {
		on_lookup_answer(s, p, m, fx);
	}
}

void dht_search_on_slow(struct dht *d, const struct pending *p)
{
	struct search *s = search_by_number(d, p->search);

	if (s != NULL && p->kind == PENDING_LOOKUP && s->side[p->to.v6] != NULL)
		lookup_on_slow(s->side[p->to.v6], &p->to);
}
