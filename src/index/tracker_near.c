/* Those near the asker, in three circles: at its address, in its subnet, at its site. In a crowd
 * each circle is one range of places, or for a site one for each of its prefixes. */
#include "index/tracker_impl.h"

/* Leaves looked at for one range: all but the first and the last of them are full of its peers. */
#define LEAVES_MAX 6u

enum circle { HOST, SUBNET, SITE };

uint8_t near_site(const struct tracker *t, const struct addr *addr)
{
	const struct tracker_site *best = NULL;

	for (uint32_t i = 0; i < t->n_sites; i++) {
		const struct tracker_site *s = &t->sites[i];

		if ((best == NULL || s->bits > best->bits) &&
		    addr_in_net(addr, &s->prefix, s->bits))
			best = s;
	}
	return best == NULL ? 0 : best->site;
}

/* In this circle and in none within it. */
static bool is_in(const struct pick *p, const struct addr *addr, enum circle c)
{
	if (addr_same_host(addr, p->asker))
		return c == HOST;
	if (addr_in_net(addr, p->asker, addr->v6 ? 64 : 24))
		return c == SUBNET;
	return c == SITE && p->site != 0 && near_site(p->t, addr) == p->site;
}

bool near_any(const struct pick *p, const struct card *b, const uint8_t *peer)
{
	struct addr addr;

	peer_addr(b, peer, &addr);
	if (addr_in_net(&addr, p->asker, addr.v6 ? 64 : 24))
		return true;
	return p->site != 0 && near_site(p->t, &addr) == p->site;
}

static struct touched *touch(struct pick *p, uint32_t card)
{
	for (uint32_t i = 0; i < p->n_touched; i++) {
		if (p->touched[i].card == card)
			return &p->touched[i];
	}
	if (p->n_touched == TOUCHED_MAX)
		return NULL;
	p->touched[p->n_touched] = (struct touched){.card = card};
	return &p->touched[p->n_touched++];
}

/* Those of one bunch from place `base` on that are in this circle and not told of yet. */
static void pick_circle(struct pick *p, uint32_t card, uint32_t base, enum circle circle,
			uint32_t end)
{
	const struct card *b = card_at(p->t, card);
	uint32_t n = b->n - base, next = n == 0 ? 0 : rng_below(&p->t->rng, n);
	uint32_t stride = n == 0 ? 0 : pick_stride(p->t, n);
	struct touched *touched = touch(p, card);

	for (uint32_t i = 0; i < n && p->n < end && touched != NULL; i++) {
		uint32_t at = base + next;
		struct addr addr;

		next = next + stride < n ? next + stride : next + stride - n;
		if (places_has(&touched->told, at) || (card == p->self.card && at == p->self.at))
			continue;
		peer_addr(b, bunch_at(b, at), &addr);
		if (is_in(p, &addr, circle) && !facts_is_expired(p->t, facts_at(b, at)) &&
		    pick_tell(p, b, at))
			places_add(&touched->told, at);
	}
}

/* ---- bunches ---- */

static void pick_from_bunch(struct pick *p, uint32_t end)
{
	const struct card *b = card_at(p->t, p->swarm);
	uint32_t base = p->for_seed ? b->n_seeds : 0;
	uint32_t self = p->self.card != NONE && p->self.at >= base;

	/* usually there is nobody but the asker, which must be known quickly */
	if (p->site == 0 && bunch_count_subnet(b, base, p->asker) == self)
		return;
	for (enum circle c = HOST; c <= SITE; c++)
		pick_circle(p, p->swarm, base, c, end);
}

/* ---- crowds ---- */

/* The first or the last place of addresses that begin with so many bits of this one. */
static struct place edge_of(const struct tracker *t, const struct addr *addr, uint32_t bits,
			    bool last)
{
	struct addr edge = {.v6 = addr->v6, .port = last ? UINT16_MAX : 0};
	struct place place;

	for (uint32_t i = 0; i < (addr->v6 ? 16u : 4u); i++) {
		uint32_t kept = bits <= i * 8 ? 0 : bits - i * 8 >= 8 ? 8 : bits - i * 8;
		uint8_t rest = (uint8_t)(0xff >> kept);

		edge.ip[i] = (uint8_t)((addr->ip[i] & ~rest) | (last ? rest : 0));
	}
	place = place_of(t, &edge);
	if (addr->v6 && bits < 128) /* hosts of a network are in the order of a hash */
		place.lo = last ? UINT64_MAX : 0;
	return place;
}

/* Leaves of a side. */
struct range {
	uint32_t first, n;
};

/* Those where addresses lie that begin with so many bits of this one. */
static struct range range_of(const struct tracker *t, const struct side *s,
			     const struct addr *prefix, uint32_t bits)
{
	struct range r = {side_find(s, edge_of(t, prefix, bits, false)), 1};
	struct place last = edge_of(t, prefix, bits, true);
	const struct side_leaf *next = &s->leaves[r.first + 1];

	if (r.first + 1 < s->n &&
	    (next->from.hi < last.hi || (next->from.hi == last.hi && next->from.lo <= last.lo)))
		r.n = side_find(s, last) - r.first + 1;
	return r;
}

static void pick_range(struct pick *p, const struct side *s, const struct addr *prefix,
		       uint32_t bits, enum circle circle, uint32_t end)
{
	struct range r = range_of(p->t, s, prefix, bits);
	uint32_t at = rng_below(&p->t->rng, r.n);

	for (uint32_t i = 0; i < r.n && i < LEAVES_MAX && p->n < end; i++) {
		pick_circle(p, s->leaves[r.first + at].card, 0, circle, end);
		at = at + 1 == r.n ? 0 : at + 1;
	}
}

static void pick_circle_of_side(struct pick *p, const struct side *s, enum circle c, uint32_t end)
{
	const struct tracker *t = p->t;
	bool v6 = p->asker->v6;

	if (s->n == 0)
		return;
	if (c == HOST)
		pick_range(p, s, p->asker, v6 ? 128 : 32, c, end);
	if (c == SUBNET)
		pick_range(p, s, p->asker, v6 ? 64 : 24, c, end);
	for (uint32_t i = 0; c == SITE && p->site != 0 && i < t->n_sites && p->n < end; i++) {
		if (t->sites[i].site == p->site && t->sites[i].prefix.v6 == v6)
			pick_range(p, s, &t->sites[i].prefix, t->sites[i].bits, c, end);
	}
}

static bool crowd_has_near(const struct pick *p, const struct side *sides)
{
	uint32_t near = 0, self = !p->for_seed && p->self.card != NONE;

	for (int i = 0; i < (p->for_seed ? 1 : 2) && near < 2; i++) {
		struct range r = {0, 0};

		if (sides[i].n > 0)
			r = range_of(p->t, &sides[i], p->asker, p->asker->v6 ? 64 : 24);
		for (uint32_t k = 0; k < r.n && near < 2; k++)
			near += bunch_count_subnet(card_at(p->t, sides[i].leaves[r.first + k].card),
						   0, p->asker);
	}
	return near > self;
}

static void pick_from_crowd(struct pick *p, const struct side *sides, uint32_t end)
{
	if (p->site == 0 && !crowd_has_near(p, sides))
		return;
	for (enum circle c = HOST; c <= SITE; c++) {
		/* neither side crowds out the other */
		if (!p->for_seed)
			pick_circle_of_side(p, &sides[1], c, p->n + (end - p->n + 1) / 2);
		pick_circle_of_side(p, &sides[0], c, end);
		if (!p->for_seed)
			pick_circle_of_side(p, &sides[1], c, end);
	}
}

void near_pick(struct pick *p, uint32_t most)
{
	const struct card *s = card_at(p->t, p->swarm);

	p->site = p->t->n_sites == 0 ? 0 : near_site(p->t, p->asker);
	if (s->is_crowd)
		pick_from_crowd(p, s->peers.crowd->sides, most);
	else
		pick_from_bunch(p, most);
}
