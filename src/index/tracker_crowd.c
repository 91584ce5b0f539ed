#include "index/tracker_impl.h"

#include <stdlib.h>

/* A leaf with fewer is joined to its neighbour, if both then leave some room. */
#define LEAF_FEW (BUNCH_MAX / 4)
#define LEAF_JOINED_MAX (BUNCH_MAX * 3 / 4)

/* ---- order ---- */

/* IPv4: address and port. IPv6: the network; then the host, of which 48 bits of a hash must do, and
 * the port. Two with the same place would merely be in one leaf always. */
struct place place_of(const struct tracker *t, const struct addr *addr)
{
	if (!addr->v6)
		return (struct place){(uint64_t)be32(addr->ip) << 16 | addr->port, 0};
	return (struct place){be64(addr->ip),
			      siphash(t->key, bytes_of(addr->ip + 8, 8)) << 16 | addr->port};
}

static int place_cmp(struct place a, struct place b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static struct place place_at(const struct tracker *t, const struct card *b, uint32_t at)
{
	struct addr addr;

	peer_addr(b, bunch_at(b, at), &addr);
	return place_of(t, &addr);
}

uint32_t side_find(const struct side *s, struct place at)
{
	uint32_t low = 0, high = s->n;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (place_cmp(s->leaves[middle].from, at) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct spot crowd_find(const struct tracker *t, const struct card *swarm, const struct addr *addr)
{
	struct place place = place_of(t, addr);

	for (int i = 0; i < 2; i++) {
		const struct side *s = &swarm->peers.crowd->sides[i];
		uint32_t leaf, at;

		if (s->n == 0)
			continue;
		leaf = s->leaves[side_find(s, place)].card;
		at = bunch_find(card_at(t, leaf), addr);
		if (at != NONE)
			return (struct spot){leaf, at};
	}
	return NO_SPOT;
}

/* ---- leaves of a side ---- */

static int side_resize(struct side *s, uint32_t cap)
{
	struct side_leaf *leaves = realloc(s->leaves, cap * sizeof(*leaves));

	if (leaves == NULL)
		return ERR_NOMEM;
	s->leaves = leaves;
	s->cap = cap;
	return 0;
}

/* A leaf of these peers, from `from` on. Returns its number or NONE. */
static uint32_t side_add(struct tracker *t, uint32_t swarm, bool of_seeds, struct place from,
			 const uint8_t *peers, uint32_t n)
{
	struct side *s = &card_at(t, swarm)->peers.crowd->sides[of_seeds];
	uint32_t number, at = s->n == 0 ? 0 : side_find(s, from) + 1;
	struct card *b;

	if (s->n == s->cap && side_resize(s, s->cap + s->cap / 2 + 2) < 0)
		return NONE;
	number = card_new(t, CARD_LEAF);
	if (number == NONE)
		return NONE;
	b = card_at(t, number);
	b->is_v6 = card_at(t, swarm)->is_v6;
	b->of_seeds = of_seeds;
	b->as.leaf.swarm = swarm;
	if (bunch_fill(b, peers, n) < 0) {
		card_free(t, number);
		return NONE;
	}
	memcpy(b->as.leaf.from, &from, sizeof(from));
	memmove(s->leaves + at + 1, s->leaves + at, (s->n - at) * sizeof(*s->leaves));
	s->leaves[at] = (struct side_leaf){from, number};
	s->n++;
	return number;
}

/* The first leaf begins where all begins. */
static void side_drop(struct tracker *t, struct side *s, uint32_t at)
{
	uint32_t number = s->leaves[at].card;

	wheel_remove(t, number);
	bunch_fini(card_at(t, number));
	card_free(t, number);
	s->n--;
	memmove(s->leaves + at, s->leaves + at + 1, (s->n - at) * sizeof(*s->leaves));
	if (at == 0 && s->n > 0) {
		s->leaves[0].from = (struct place){0, 0};
		memset(card_at(t, s->leaves[0].card)->as.leaf.from, 0, sizeof(struct place));
	}
	if (s->cap > 16 && s->n < s->cap / 4)
		side_resize(s, s->cap / 2);
}

static int by_place(const void *a, const void *b)
{
	return place_cmp(*(const struct place *)a, *(const struct place *)b);
}

/* Where to divide a full leaf into two: in the middle, but not between equals. */
static bool find_middle(const struct tracker *t, const struct card *b, struct place *out)
{
	struct place places[BUNCH_MAX];
	uint32_t n = b->n, at;

	for (uint32_t i = 0; i < n; i++)
		places[i] = place_at(t, b, i);
	qsort(places, n, sizeof(*places), by_place);
	at = n / 2;
	while (at < n && place_cmp(places[at - 1], places[at]) == 0)
		at++;
	if (at == n)
		return false;
	*out = places[at];
	return true;
}

static int divide(struct tracker *t, uint32_t leaf)
{
	struct card *b = card_at(t, leaf);
	uint8_t right[BUNCH_MAX * sizeof(struct peer6)];
	uint32_t width = peer_width(b), n = 0, number;
	struct places gone = {{0, 0}};
	struct place middle;

	if (!find_middle(t, b, &middle))
		return ERR_NOMEM;
	for (uint32_t i = 0; i < b->n; i++) {
		if (place_cmp(place_at(t, b, i), middle) < 0)
			continue;
		memcpy(right + n++ * width, bunch_at(b, i), width);
		places_add(&gone, i);
	}
	number = side_add(t, b->as.leaf.swarm, b->of_seeds, middle, right, n);
	if (number == NONE)
		return ERR_NOMEM;
	bunch_remove(b, gone);
	wheel_sooner(t, number, wheel_due(t, b));
	return 0;
}

/* ---- peers ---- */

int crowd_add(struct tracker *t, uint32_t swarm, const uint8_t *peer, bool seed, struct spot *out)
{
	const struct card *n = card_at(t, swarm);
	struct side *s = &n->peers.crowd->sides[seed];
	struct addr addr;
	struct place place;

	peer_addr(n, peer, &addr);
	place = place_of(t, &addr);
	if (s->n == 0) {
		*out = (struct spot){side_add(t, swarm, seed, (struct place){0, 0}, peer, 1), 0};
		if (out->card == NONE)
			return ERR_NOMEM;
	} else {
		uint32_t leaf = s->leaves[side_find(s, place)].card;

		if (card_at(t, leaf)->n == BUNCH_MAX) {
			if (divide(t, leaf) < 0)
				return ERR_NOMEM;
			leaf = s->leaves[side_find(s, place)].card;
		}
		*out = (struct spot){leaf, bunch_add(card_at(t, leaf), peer, false)};
		if (out->at == NONE)
			return ERR_NOMEM;
	}
	s->n_peers++;
	return 0;
}

void crowd_remove(struct tracker *t, uint32_t leaf, struct places gone)
{
	struct card *b = card_at(t, leaf);

	bunch_remove(b, gone);
	card_at(t, b->as.leaf.swarm)->peers.crowd->sides[b->of_seeds].n_peers -=
	    places_count(&gone);
}

/* ---- begin and end ---- */

static void free_leaves(struct tracker *t, struct crowd *c)
{
	for (int i = 0; i < 2; i++) {
		while (c->sides[i].n > 0)
			side_drop(t, &c->sides[i], c->sides[i].n - 1);
		free(c->sides[i].leaves);
	}
	free(c);
}

int crowd_begin(struct tracker *t, uint32_t swarm)
{
	struct card *s = card_at(t, swarm), was = *s;
	uint32_t due = wheel_due(t, s);
	struct crowd *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	s->peers.crowd = c;
	for (int seed = 0; seed < 2; seed++) {
		uint32_t from = seed ? 0 : was.n_seeds, n = seed ? was.n_seeds : was.n - from;

		if (n == 0)
			continue;
		if (side_add(t, swarm, seed, (struct place){0, 0}, bunch_at(&was, from), n) ==
		    NONE) {
			free_leaves(t, c);
			s->peers = was.peers;
			return ERR_NOMEM;
		}
		c->sides[seed].n_peers = n;
		wheel_sooner(t, c->sides[seed].leaves[0].card, due);
	}
	wheel_remove(t, swarm);
	bunch_fini(&was);
	s->n = s->n_seeds = 0;
	s->is_crowd = true;
	return 0;
}

/* Back to one bunch, of so few. For want of memory it stays as it is. */
static bool crowd_end(struct tracker *t, uint32_t swarm)
{
	struct card *s = card_at(t, swarm), bunch = {.is_v6 = s->is_v6};
	struct crowd *c = s->peers.crowd;
	uint8_t all[CROWD_MIN * sizeof(struct peer6)];
	uint32_t width = peer_width(s), n = 0, due = UINT32_MAX;

	for (int i = 1; i >= 0; i--) {
		for (uint32_t k = 0; k < c->sides[i].n; k++) {
			const struct card *b = card_at(t, c->sides[i].leaves[k].card);

			memcpy(all + n * width, bunch_peers(b), (size_t)b->n * width);
			n += b->n;
			if (b->slot != SLOT_NONE && wheel_due(t, b) < due)
				due = wheel_due(t, b);
		}
	}
	if (bunch_fill(&bunch, all, n) < 0)
		return false;
	s->n_seeds = (uint8_t)c->sides[1].n_peers;
	free_leaves(t, c);
	s->is_crowd = false;
	s->n = bunch.n;
	s->peers = bunch.peers;
	if (n > 0)
		wheel_sooner(t, swarm, due);
	else
		table_remove(t, swarm);
	return true;
}

static void join(struct tracker *t, struct side *s, uint32_t at)
{
	struct card *left = card_at(t, s->leaves[at].card);
	const struct card *right = card_at(t, s->leaves[at + 1].card);
	uint32_t width = peer_width(left), n = (uint32_t)left->n + right->n;
	uint8_t both[LEAF_JOINED_MAX * sizeof(struct peer6)];
	struct card bunch = {.is_v6 = left->is_v6};

	if (n > LEAF_JOINED_MAX)
		return;
	memcpy(both, bunch_peers(left), (size_t)left->n * width);
	memcpy(both + (size_t)left->n * width, bunch_peers(right), (size_t)right->n * width);
	if (bunch_fill(&bunch, both, n) < 0)
		return;
	bunch_fini(left);
	left->peers = bunch.peers;
	left->n = bunch.n;
	wheel_sooner(t, s->leaves[at].card, wheel_due(t, right));
	side_drop(t, s, at + 1);
}

void crowd_settle(struct tracker *t, uint32_t leaf)
{
	const struct card *b = card_at(t, leaf);
	uint32_t swarm = b->as.leaf.swarm, at;
	struct crowd *c = card_at(t, swarm)->peers.crowd;
	struct side *s = &c->sides[b->of_seeds];
	struct place from;

	if (c->sides[0].n_peers + c->sides[1].n_peers <= CROWD_MIN && crowd_end(t, swarm))
		return;
	memcpy(&from, b->as.leaf.from, sizeof(from));
	at = side_find(s, from);
	if (b->n == 0)
		side_drop(t, s, at);
	else if (b->n < LEAF_FEW && s->n > 1)
		join(t, s, at > 0 ? at - 1 : at);
}

void crowd_fini(struct card *swarm)
{
	free(swarm->peers.crowd->sides[0].leaves);
	free(swarm->peers.crowd->sides[1].leaves);
	free(swarm->peers.crowd);
}
