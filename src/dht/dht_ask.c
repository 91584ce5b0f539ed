#include <stdlib.h>

#include "dht/dht_impl.h"

static struct pending *take_slot(struct dht *d)
{
	uint32_t first = d->cap_pending, cap = first == 0 ? 8 : first * 2;
	struct pending *grown;

	for (uint32_t i = 0; i < first; i++)
		if (d->pending[i].kind == PENDING_FREE)
			return &d->pending[i];
	if (first == DHT_PENDING_MAX)
		return NULL;
	grown = realloc(d->pending, cap * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	memset(grown + first, 0, (cap - first) * sizeof(*grown));
	d->pending = grown;
	d->cap_pending = cap;
	return &grown[first];
}

static void free_slot(struct dht *d, struct pending *p)
{
	d->n_pings -= p->kind == PENDING_PING;
	d->n_pending--;
	p->kind = PENDING_FREE;
}

/* Made with the secret: whoever we ask sees the numbers, and must not foretell those that others
 * are asked with, or he answers in their place. */
static uint32_t transaction(struct dht *d, uint32_t slot)
{
	uint8_t count[8];

	put_be64(count, ++d->asked);
	return (uint32_t)siphash(d->secret, bytes_of(count, sizeof(count))) << 8 | slot;
}

bool dht_ask(struct dht *d, enum pending_kind kind, uint32_t search, const struct addr *to,
	     const uint8_t *id, struct krpc *m, struct dht_effects *fx)
{
	struct pending *p = take_slot(d);
	uint8_t tid[TID_LEN];
	struct dht_effect *e;
	uint32_t number;

	if (p == NULL)
		return false;
	number = transaction(d, (uint32_t)(p - d->pending));
	put_be32(tid, number);
	m->type = KRPC_QUERY;
	m->id = dht_self(d, to->v6);
	m->tid = bytes_of(tid, sizeof(tid));
	m->read_only = d->read_only;
	e = dht_effects_add(fx, DHT_SEND);
	if (e == NULL)
		return false;
	e->to = *to;
	(void)krpc_encode(m, &fx->data);
	if (!dht_effects_close(fx, e))
		return false;
	if (!gate_asks(&d->gate, e->len, d->now_ms)) {
		fx->data.len = e->at;
		fx->n--;
		return false;
	}
	d->sent_bytes += e->len;
	*p = (struct pending){.kind = kind,
			      .tid = number,
			      .search = search,
			      .to = *to,
			      .sent_ms = d->now_ms,
			      .knows_id = id != NULL};
	if (id != NULL)
		memcpy(p->id, id, NODE_ID_LEN);
	d->n_pending++;
	d->n_pings += kind == PENDING_PING;
	return true;
}

bool dht_ping(struct dht *d, const struct contact *c, struct dht_effects *fx)
{
	struct krpc m = {.method = KRPC_PING};

	for (uint32_t i = 0; i < d->cap_pending; i++)
		if (d->pending[i].kind != PENDING_FREE && addr_eq(&d->pending[i].to, &c->addr))
			return true;
	return d->n_pings < DHT_PINGS_MAX && dht_ask(d, PENDING_PING, 0, &c->addr, c->id, &m, fx);
}

/* The question that this answers: same transaction, same address and port. */
static struct pending *find_pending(struct dht *d, const struct addr *from, struct bytes tid)
{
	struct pending *p;

	if (tid.len != TID_LEN || tid.ptr[TID_LEN - 1] >= d->cap_pending)
		return NULL;
	p = &d->pending[tid.ptr[TID_LEN - 1]];
	if (p->kind == PENDING_FREE || p->tid != be32(tid.ptr) || !addr_eq(&p->to, from))
		return NULL;
	return p;
}

/* The slot is free before the search hears of it, which may ask others. */
static void settle(struct dht *d, struct pending *p, const struct krpc *m, struct dht_effects *fx)
{
	struct pending was = *p;

	free_slot(d, p);
	if (was.search != 0)
		dht_search_on_answer(d, &was, m, fx);
}

void dht_on_reply(struct dht *d, const struct addr *from, const struct krpc *m,
		  struct dht_effects *fx)
{
	struct pending *p = find_pending(d, from, m->tid);
	struct contact c = {.addr = *from};

	if (p == NULL)
		return;
	if (m->type == KRPC_ERROR) {
		settle(d, p, m, fx);
		return;
	}
	memcpy(c.id, m->id, NODE_ID_LEN);
	/* Somebody else lives there now, or pretends to. */
	if (p->knows_id && memcmp(p->id, c.id, NODE_ID_LEN) != 0) {
		routes_on_silence(&d->table[from->v6], from);
		settle(d, p, NULL, fx);
		return;
	}
	dht_vote(d, from, m->seen_as);
	if (node_id_fits(c.id, from))
		routes_on_answer(&d->table[from->v6], &c, d->now_ms);
	settle(d, p, m, fx);
}

void dht_expire_pending(struct dht *d, struct dht_effects *fx)
{
	/* Anew for each, since what a search does may move them. */
	for (uint32_t i = 0; i < d->cap_pending; i++) {
		struct pending *p = &d->pending[i];

		if (p->kind == PENDING_FREE)
			continue;
		if (d->now_ms - p->sent_ms >= DHT_TIMEOUT_MS) {
			routes_on_silence(&d->table[p->to.v6], &p->to);
			settle(d, p, NULL, fx);
		} else if (!p->slow && d->now_ms - p->sent_ms >= DHT_SLOW_MS) {
			p->slow = true;
			dht_search_on_slow(d, p);
		}
	}
}

uint64_t dht_pending_deadline(const struct dht *d)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 0; i < d->cap_pending; i++) {
		const struct pending *p = &d->pending[i];
		uint64_t due = p->sent_ms + (p->slow ? DHT_TIMEOUT_MS : DHT_SLOW_MS);

		if (p->kind != PENDING_FREE && due < at)
			at = due;
	}
	return at;
}
