#include "base/digest.h"
#include "dht/dht_impl.h"

/* Saved:  magic 8 | id (IPv4) 20 | id (IPv6) 20 | n 2 | n * 26 | n 2 | n * 38 | SHA-1 of all that
 * 20 */
static const uint8_t magic[8] = {'s', 'h', 'o', 'a', 'l', 'D', 'H', '1'};
#define SAVED_HEAD (sizeof(magic) + 2 * NODE_ID_LEN)
#define SAVED_NODES_MAX 400u

/* ---- our address and id -------------------------------------------------- */

/* Other ids have other neighbours, and those we know lie elsewhere among our buckets. */
static void become(struct dht *d, bool v6, const struct addr *seen)
{
	struct routes old = d->table[v6];
	uint8_t id[NODE_ID_LEN], last;
	const struct routes_node *n;

	rng_fill(&d->rng, &last, 1);
	node_id_for(id, seen, last, &d->rng);
	routes_init(&d->table[v6], id);
	for (uint32_t i = 0; (n = routes_at(&old, i)) != NULL; i++)
		routes_on_answer(&d->table[v6], &n->at, n->answered_ms);
	routes_fini(&old);
	if (!v6 || !d->family[0]) {
		memcpy(d->peers.self, id, NODE_ID_LEN);
		memcpy(d->items.self, id, NODE_ID_LEN);
	}
}

void dht_vote(struct dht *d, const struct addr *voter, struct bytes seen_as)
{
	struct votes *v = &d->votes[voter->v6];
	struct addr seen;

	if (seen_as.ptr == NULL || krpc_endpoint_get(seen_as, &seen) != 0 ||
	    !addr_votes_add(&v->votes, voter, &seen) ||
	    !addr_votes_agree(&v->votes, &seen, DHT_VOTES_NEEDED))
		return;
	v->is_known = true;
	v->address = seen;
	if (!node_id_fits(dht_self(d, voter->v6), &seen))
		become(d, voter->v6 != 0, &seen);
}

/* ---- from one run to the next -------------------------------------------- */

static void put_saved(const struct routes *t, struct buf *out)
{
	uint32_t n = routes_count(t);
	uint8_t raw[CONTACT_V6_LEN];

	n = n > SAVED_NODES_MAX ? SAVED_NODES_MAX : n;
	buf_put_be16(out, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++)
		buf_put(out, bytes_of(raw, contact_put(raw, &routes_at(t, i)->at)));
}

int dht_save(const struct dht *d, struct buf *out)
{
	size_t before = out->len;
	uint8_t sum[SHA1_LEN];

	buf_put(out, bytes_of(magic, sizeof(magic)));
	buf_put(out, bytes_of(dht_self(d, false), NODE_ID_LEN));
	buf_put(out, bytes_of(dht_self(d, true), NODE_ID_LEN));
	put_saved(&d->table[0], out);
	put_saved(&d->table[1], out);
	if (out->err != OK)
		return out->err;
	sha1_of(bytes_sub(buf_bytes(out), before, out->len - before), sum);
	return buf_put(out, bytes_of(sum, sizeof(sum)));
}

/* The compact nodes at the front of *rest, which then begins behind them. */
static bool take_nodes(struct bytes *rest, bool v6, struct bytes *nodes)
{
	size_t len;

	if (rest->len < 2)
		return false;
	len = be16(rest->ptr) * contact_len(v6);
	if (rest->len - 2 < len)
		return false;
	*nodes = bytes_sub(*rest, 2, len);
	*rest = bytes_sub(*rest, 2 + len, rest->len - 2 - len);
	return true;
}

static void add_places(struct dht *d, struct bytes nodes, bool v6, struct dht_effects *fx)
{
	size_t len = contact_len(v6);
	struct contact c;

	for (; nodes.len > 0; nodes = bytes_sub(nodes, len, nodes.len - len)) {
		contact_get(bytes_sub(nodes, 0, len), &c);
		dht_add_place(d, &c.addr, d->now_ms, fx);
	}
}

int dht_load(struct dht *d, struct bytes saved, uint64_t now_ms, struct dht_effects *fx)
{
	struct bytes rest, nodes[2];
	uint8_t sum[SHA1_LEN];

	d->now_ms = now_ms;
	if (saved.len < SAVED_HEAD + sizeof(sum) || saved.len > DHT_SAVED_MAX ||
	    memcmp(saved.ptr, magic, sizeof(magic)) != 0)
		return ERR_PROTO;
	sha1_of(bytes_sub(saved, 0, saved.len - sizeof(sum)), sum);
	if (memcmp(sum, saved.ptr + saved.len - sizeof(sum), sizeof(sum)) != 0)
		return ERR_PROTO;
	rest = bytes_sub(saved, SAVED_HEAD, saved.len - SAVED_HEAD - sizeof(sum));
	if (!take_nodes(&rest, false, &nodes[0]) || !take_nodes(&rest, true, &nodes[1]) ||
	    rest.len != 0)
		return ERR_PROTO;
	memcpy(d->table[0].self, saved.ptr + sizeof(magic), NODE_ID_LEN);
	memcpy(d->table[1].self, saved.ptr + sizeof(magic) + NODE_ID_LEN, NODE_ID_LEN);
	add_places(d, nodes[0], false, fx);
	add_places(d, nodes[1], true, fx);
	return 0;
}
