#include "index/tracker_impl.h"

/* ---- hosts ---- */

/* Whoever has one IPv6 address has the 2^64 beside it as well: those are one host. */
static void host_cells(const struct tracker *t, const struct addr *addr, uint32_t at[HOST_ROWS])
{
	uint8_t flat[9];
	uint64_t h;

	flat[0] = addr->v6;
	memcpy(flat + 1, addr->ip, 8);
	h = siphash(t->key, bytes_of(flat, sizeof(flat)));
	at[0] = (uint32_t)h % HOST_CELLS;
	at[1] = HOST_CELLS + (uint32_t)(h >> 32) % HOST_CELLS;
}

uint32_t tracker_host_peers(const struct tracker *t, const struct addr *addr)
{
	uint32_t at[HOST_ROWS];

	host_cells(t, addr, at);
	return t->host_cells[at[0]] < t->host_cells[at[1]] ? t->host_cells[at[0]]
							   : t->host_cells[at[1]];
}

static void host_count(struct tracker *t, const struct addr *addr, int by)
{
	uint32_t at[HOST_ROWS];

	host_cells(t, addr, at);
	for (unsigned i = 0; i < HOST_ROWS; i++)
		t->host_cells[at[i]] += (uint32_t)by;
}

/* ---- questions ---- */

uint32_t swarm_of(const struct tracker *t, uint32_t card)
{
	return card_at(t, card)->kind == CARD_LEAF ? card_at(t, card)->as.leaf.swarm : card;
}

struct counts swarm_counts(const struct card *swarm)
{
	if (!swarm->is_crowd)
		return (struct counts){swarm->n - (uint32_t)swarm->n_seeds, swarm->n_seeds};
	return (struct counts){swarm->peers.crowd->sides[0].n_peers,
			       swarm->peers.crowd->sides[1].n_peers};
}

struct spot tracker_find_peer(const struct tracker *t, uint32_t swarm, const struct addr *addr)
{
	const struct card *s = card_at(t, swarm);
	uint32_t at;

	if (s->is_crowd)
		return crowd_find(t, s, addr);
	bunch_prefetch(s);
	at = bunch_find(s, addr);
	return at == NONE ? NO_SPOT : (struct spot){swarm, at};
}

/* ---- changes ---- */

union peer {
	struct peer4 v4;
	struct peer6 v6;
	uint8_t bytes[sizeof(struct peer6)];
};

static union peer peer_of(const struct addr *addr, struct facts f)
{
	union peer p = {.v6 = {.facts = f}};

	if (addr->v6)
		memcpy(p.v6.ip, addr->ip, sizeof(p.v6.ip));
	else
		p.v4 = (struct peer4){be32(addr->ip), f};
	return p;
}

/* Put it into its swarm. Returns 0 or ERR_NOMEM. */
static int insert(struct tracker *t, uint32_t swarm, const union peer *p, bool seed,
		  struct spot *out)
{
	struct card *s = card_at(t, swarm);

	if (!s->is_crowd && s->n == BUNCH_MAX && crowd_begin(t, swarm) < 0)
		return ERR_NOMEM;
	if (s->is_crowd)
		return crowd_add(t, swarm, p->bytes, seed, out);
	*out = (struct spot){swarm, bunch_add(s, p->bytes, seed)};
	return out->at == NONE ? ERR_NOMEM : 0;
}

int tracker_add_peer(struct tracker *t, const struct announce *a, const struct addr *addr,
		     struct spot *out)
{
	uint64_t hash = table_hash(t, a->info_hash);
	uint32_t swarm = table_find(t, hash, a->info_hash, addr->v6);
	bool is_new = swarm == NONE;
	union peer p;
	struct facts f;

	if (is_new)
		swarm = table_add(t, hash, a->info_hash, addr->v6);
	if (swarm == NONE)
		return ERR_NOMEM;
	f = facts_new(t, a, addr->port);
	p = peer_of(addr, f);
	if (insert(t, swarm, &p, a->left == 0, out) < 0) {
		facts_forget(t, &f);
		if (is_new)
			table_remove(t, swarm);
		return ERR_NOMEM;
	}
	host_count(t, addr, 1);
	t->n_peers++;
	wheel_sooner(t, out->card, facts_due(t, &f));
	return 0;
}

/* From one side of its swarm to the other. */
static int change_side(struct tracker *t, struct spot *spot, bool seed)
{
	struct card *b = card_at(t, spot->card);
	uint32_t swarm = swarm_of(t, spot->card);
	struct places gone = {{0, 0}};
	struct spot to;
	struct addr addr;

	if (b->kind == CARD_SWARM) {
		spot->at = bunch_set_seed(b, spot->at, seed);
		return 0;
	}
	peer_addr(b, bunch_at(b, spot->at), &addr);
	if (crowd_add(t, swarm, bunch_at(b, spot->at), seed, &to) < 0)
		return ERR_NOMEM;
	wheel_sooner(t, to.card, facts_due(t, facts_at(card_at(t, to.card), to.at)));
	places_add(&gone, spot->at);
	crowd_remove(t, spot->card, gone);
	crowd_settle(t, spot->card);
	*spot = tracker_find_peer(t, swarm, &addr);
	return 0;
}

int tracker_touch_peer(struct tracker *t, struct spot *spot, const struct announce *a)
{
	const struct card *b = card_at(t, spot->card);
	bool seed = a->left == 0, was_seed = card_is_seed(b, spot->at);
	bool same = facts_same_program(t, facts_at(b, spot->at), a);

	if (seed != was_seed && change_side(t, spot, seed) < 0)
		return ERR_NOMEM;
	if (same && seed && !was_seed && a->event == EVENT_COMPLETED)
		card_at(t, swarm_of(t, spot->card))->as.swarm.downloaded++;
	b = card_at(t, spot->card);
	facts_touch(t, facts_at(b, spot->at), a);
	wheel_sooner(t, spot->card, facts_due(t, facts_at(b, spot->at)));
	return 0;
}

void tracker_remove_peers(struct tracker *t, uint32_t card, struct places gone)
{
	struct card *b = card_at(t, card);
	struct addr addr;

	for (uint32_t i = 0; i < b->n; i++) {
		if (!places_has(&gone, i))
			continue;
		peer_addr(b, bunch_at(b, i), &addr);
		host_count(t, &addr, -1);
		facts_forget(t, facts_at(b, i));
		t->n_peers--;
	}
	if (b->kind == CARD_LEAF) {
		crowd_remove(t, card, gone);
		crowd_settle(t, card);
		return;
	}
	bunch_remove(b, gone);
	if (b->n == 0) {
		wheel_remove(t, card);
		table_remove(t, card);
	}
}

void tracker_remove_peer(struct tracker *t, struct spot spot)
{
	struct places gone = {{0, 0}};

	places_add(&gone, spot.at);
	tracker_remove_peers(t, spot.card, gone);
}
