/* Whom to tell of: first some that are near the asker, the rest drawn from the others.
 *
 * - From a bunch: from a random place on by a random stride, which visits each place once.
 * - From a side of a few leaves: the same, as if they were one bunch.
 * - From a side of many: over its leaves by a random stride. A leaf is taken with a chance that is
 *   in proportion to how many it has, and then always a few in a row, from a random one on, so
 *   that everybody is told of equally often. When all leaves have been visited, the next few.
 * - From several (seeds and leeches of a crowd, both address families): of each in proportion.
 *
 * So no two alike, and no more looked at than a few times what is told. */
#include "index/tracker_impl.h"

#define LEAVES_FEW 32u
#define ROW 4u
#define POOLS_MAX 4u
/* Leaves looked at for one reply, when many peers may not be told (loopback). */
#define PICK_STEPS_MAX 1000u
/* The same for those far away, where many are near. */
#define FAR_STEPS_MAX 200u
/* Leaves whose memory is asked for at a time. */
#define AHEAD 16u

uint32_t pick_stride(struct tracker *t, uint32_t n)
{
	static const uint32_t primes[16] = {2147483647, 2147483629, 2147483587, 2147483579,
					    2147483563, 2147483549, 2147483543, 2147483497,
					    2147483489, 2147483477, 2147483423, 2147483399,
					    2147483353, 2147483323, 2147483269, 2147483249};

	return primes[rng_next(&t->rng) >> 60] % n;
}

/* A peer on loopback is told of as the host under whose address we were reached. */
static void tell_of_loopback(struct pick *p, struct addr *peer)
{
	uint16_t port = peer->port;

	if (!p->asker_is_loopback) {
		if (p->here == NULL || addr_is_loopback(p->here))
			return;
		*peer = *p->here;
		peer->port = port;
	}
	p->n += !addr_eq(peer, p->asker);
}

static inline void tell(struct pick *p, const struct card *b, const uint8_t *peer, bool complete)
{
	struct addr *out = &p->t->picks[p->n].addr;

	p->t->picks[p->n].complete = complete;
	peer_addr(b, peer, out);
	if (b->is_v6 ? addr_is_loopback(out) : out->ip[0] == 127)
		tell_of_loopback(p, out);
	else
		p->n++;
}

bool pick_tell(struct pick *p, const struct card *b, uint32_t at)
{
	uint32_t before = p->n;

	tell(p, b, bunch_at(b, at), card_is_seed(b, at));
	return p->n > before;
}

static const struct touched *touched_of(const struct pick *p, uint32_t card)
{
	for (uint32_t i = 0; i < p->n_touched; i++) {
		if (p->touched[i].card == card)
			return &p->touched[i];
	}
	return NULL;
}

static bool is_told(const struct touched *touched, uint32_t at)
{
	return touched != NULL && places_has(&touched->told, at);
}

/* ---- pools ---- */

/* Peers of which a share of the reply is drawn: places of a bunch, or a side of a crowd; and how
 * far the walk over them has come. */
struct pool {
	uint32_t swarm, base, n;
	const struct side *side; /* NULL: a bunch, from `base` on */
	bool of_seeds;		 /* the side */
	uint32_t rest;		 /* those not told of yet */
	uint32_t steps, at, stride;
	uint32_t row; /* where rows begin in a leaf, of 2^32 */
};

/* In the first turn those far away, in the second the others. */
static bool has_turn(const struct pick *p, const struct card *b, const uint8_t *peer, int turn)
{
	return !p->far_first || near_any(p, b, peer) == (turn == 1);
}

static void pick_from_bunch(struct pick *p, struct pool *pool, uint32_t end, int turn)
{
	const struct card *b = card_at(p->t, pool->swarm);
	const struct touched *touched = touched_of(p, pool->swarm);
	uint32_t self = p->self.card == pool->swarm ? p->self.at : NONE;
	const uint8_t *peers = bunch_peers(b) + (size_t)pool->base * peer_width(b);
	uint32_t width = peer_width(b), at = pool->at;

	for (; pool->steps < pool->n && p->n < end; pool->steps++) {
		uint32_t place = pool->base + at;
		const uint8_t *peer = peers + (size_t)at * width;

		if (place != self && !is_told(touched, place) && has_turn(p, b, peer, turn))
			tell(p, b, peer, place < b->n_seeds);
		at += pool->stride;
		at = at >= pool->n ? at - pool->n : at;
	}
	pool->at = at;
}

static void tell_unless(struct pick *p, struct spot spot, int turn)
{
	const struct card *b = card_at(p->t, spot.card);
	const uint8_t *peer = bunch_at(b, spot.at);

	if ((p->self.card != spot.card || p->self.at != spot.at) &&
	    !is_told(touched_of(p, spot.card), spot.at) && has_turn(p, b, peer, turn) &&
	    !facts_is_expired(p->t, facts_at(b, spot.at)))
		tell(p, b, peer, card_is_seed(b, spot.at));
}

/* The at-th of a side, its leaves being one after the other; and its memory asked for. */
static struct spot spot_of(const struct pick *p, const struct side *s,
			   const uint32_t starts[LEAVES_FEW + 1], uint32_t at)
{
	uint32_t leaf = 0, number;

	while (starts[leaf + 1] <= at)
		leaf++;
	number = s->leaves[leaf].card;
	at -= starts[leaf];
	__builtin_prefetch(bunch_at(card_at(p->t, number), at));
	return (struct spot){number, at};
}

static uint32_t stride_on(uint32_t at, uint32_t stride, uint32_t n)
{
	return at >= n - stride ? at - (n - stride) : at + stride;
}

static void pick_from_few(struct pick *p, struct pool *pool, uint32_t end, int turn)
{
	const struct side *s = pool->side;
	uint32_t starts[LEAVES_FEW + 1] = {0}, n = pool->n, asked = 0;
	struct spot ahead[AHEAD];

	for (uint32_t i = 0; i < s->n; i++)
		starts[i + 1] = starts[i] + card_at(p->t, s->leaves[i].card)->n;
	for (; pool->steps < n && pool->steps < PICK_STEPS_MAX && p->n < end; pool->steps++) {
		uint32_t at = pool->at;

		for (uint32_t k = 0; k < AHEAD && asked % AHEAD == 0; k++) {
			ahead[k] = spot_of(p, s, starts, at);
			at = stride_on(at, pool->stride, n);
		}
		tell_unless(p, ahead[asked++ % AHEAD], turn);
		pool->at = stride_on(pool->at, pool->stride, n);
	}
}

static uint32_t row_place(const struct pool *pool, uint32_t n, uint32_t i)
{
	uint32_t round = pool->steps / pool->side->n;
	uint32_t at = round * ROW + i + (uint32_t)((uint64_t)pool->row * n >> 32);

	return at >= n ? at - n : at;
}

static bool has_row(const struct pool *pool, uint32_t n)
{
	return (pool->steps / pool->side->n + 1) * ROW <= n;
}

/* Memory of the leaves that come next, all at once: waiting for it is most of the work. */
static void ask_ahead(const struct pick *p, const struct pool *pool)
{
	const struct side *s = pool->side;
	uint32_t at = pool->at;

	for (uint32_t i = 0; i < AHEAD; i++, at = stride_on(at, pool->stride, s->n))
		__builtin_prefetch(card_at(p->t, s->leaves[at].card));
	at = pool->at;
	for (uint32_t i = 0; i < AHEAD; i++, at = stride_on(at, pool->stride, s->n)) {
		const struct card *b = card_at(p->t, s->leaves[at].card);

		if (has_row(pool, b->n))
			__builtin_prefetch(bunch_at(b, row_place(pool, b->n, 0)));
	}
}

static void pick_row(struct pick *p, const struct pool *pool, uint32_t end, int turn)
{
	uint32_t leaf = pool->side->leaves[pool->at].card, n = card_at(p->t, leaf)->n;

	if (rng_below(&p->t->rng, BUNCH_MAX) >= n || !has_row(pool, n))
		return;
	for (uint32_t i = 0; i < ROW && p->n < end; i++)
		tell_unless(p, (struct spot){leaf, row_place(pool, n, i)}, turn);
}

static void pick_from_many(struct pick *p, struct pool *pool, uint32_t end, int turn)
{
	uint32_t most = p->far_first && turn == 0 ? FAR_STEPS_MAX : PICK_STEPS_MAX;

	for (; pool->steps < most && p->n < end; pool->steps++) {
		if (pool->steps % AHEAD == 0)
			ask_ahead(p, pool);
		pick_row(p, pool, end, turn);
		pool->at = stride_on(pool->at, pool->stride, pool->side->n);
	}
}

static bool is_in_pool(const struct pick *p, const struct pool *pool, struct spot spot)
{
	const struct card *b = card_at(p->t, spot.card);

	if (pool->side == NULL)
		return spot.card == pool->swarm && spot.at >= pool->base;
	return b->kind == CARD_LEAF && b->as.leaf.swarm == pool->swarm &&
	       b->of_seeds == pool->of_seeds;
}

static void count_rest(const struct pick *p, struct pool *pool)
{
	pool->rest = pool->n - (p->self.card != NONE && is_in_pool(p, pool, p->self));
	for (uint32_t i = 0; i < p->n_touched; i++) {
		if (is_in_pool(p, pool, (struct spot){p->touched[i].card, NONE}))
			pool->rest -= places_count(&p->touched[i].told);
	}
}

/* A seed is not told of seeds. */
static uint32_t add_pools(const struct pick *p, uint32_t swarm, struct pool *pools, uint32_t n)
{
	const struct card *s = swarm == NONE ? NULL : card_at(p->t, swarm);

	if (s == NULL)
		return n;
	if (!s->is_crowd) {
		uint32_t base = p->for_seed ? s->n_seeds : 0;

		pools[n] = (struct pool){.swarm = swarm, .base = base, .n = s->n - base};
		return n + (pools[n].n > 0);
	}
	for (int i = 0; i < (p->for_seed ? 1 : 2); i++) {
		const struct side *side = &s->peers.crowd->sides[i];

		pools[n] = (struct pool){
		    .swarm = swarm, .n = side->n_peers, .side = side, .of_seeds = i == 1};
		n += side->n_peers > 0;
	}
	return n;
}

static void pick_from_pool(struct pick *p, struct pool *pool, uint32_t most, int turn)
{
	if (pool->side == NULL)
		pick_from_bunch(p, pool, p->n + most, turn);
	else if (pool->side->n <= LEAVES_FEW)
		pick_from_few(p, pool, p->n + most, turn);
	else
		pick_from_many(p, pool, p->n + most, turn);
}

static void begin_walk(struct tracker *t, struct pool *pool)
{
	bool many = pool->side != NULL && pool->side->n > LEAVES_FEW;
	uint32_t n = many ? pool->side->n : pool->n;

	pool->steps = 0;
	pool->at = rng_below(&t->rng, n);
	pool->stride = pick_stride(t, n);
	pool->row = (uint32_t)rng_next(&t->rng);
}

/* Of each pool its part of what is still wanted, rounded by chance; then, where one had less, of
 * the others what they have. */
static void pick_from_pools(struct pick *p, struct pool *pools, uint32_t n, int turn)
{
	uint64_t rest = 0;

	for (uint32_t i = 0; i < n; i++) {
		begin_walk(p->t, &pools[i]);
		count_rest(p, &pools[i]);
		rest += pools[i].rest;
	}
	for (uint32_t i = 0; i < n && p->n < p->want; i++) {
		uint64_t part = (uint64_t)(p->want - p->n) * pools[i].rest;

		if (part == 0)
			continue;
		if (rest > pools[i].rest)
			part = (part + rng_below(&p->t->rng, (uint32_t)rest)) / rest;
		else
			part = p->want - p->n;
		rest -= pools[i].rest;
		pick_from_pool(p, &pools[i], (uint32_t)part, turn);
	}
	for (uint32_t i = 0; i < n && p->n < p->want; i++)
		pick_from_pool(p, &pools[i], p->want - p->n, turn);
}

/* Who is told of no seeds, since it has all itself. aria2 says that nothing is left also while it
 * has a magnet link alone and asks what that stands for; it would meet nobody who could tell. */
static bool is_for_seed(const struct announce *a)
{
	bool may_be_asking = memcmp(a->peer_id, "A2-", 3) == 0 && a->downloaded == 0 &&
			     a->uploaded == 0 && a->event != EVENT_COMPLETED;

	return a->left == 0 && !may_be_asking;
}

uint32_t tracker_pick(struct tracker *t, const struct announce *a, uint32_t swarm, uint32_t twin,
		      struct spot self, const struct addr *asker, const struct addr *here)
{
	struct pick p = {.t = t, .asker = asker, .here = here, .for_seed = is_for_seed(a)};
	struct pool pools[POOLS_MAX];
	uint32_t n, all = 0;

	p.want = a->numwant < ANNOUNCE_PEERS_MAX ? a->numwant : ANNOUNCE_PEERS_MAX;
	if (p.want == 0)
		return 0;
	p.asker_is_loopback = addr_is_loopback(asker);
	p.swarm = swarm;
	p.self = self;
	n = add_pools(&p, twin, pools, add_pools(&p, swarm, pools, 0));
	for (uint32_t i = 0; i < n; i++)
		all += pools[i].n;
	if (all > p.want && swarm != NONE)
		near_pick(&p, p.want - (p.want + 3) / 4);
	p.far_first = p.n > 0;
	for (int turn = 0; turn < (p.far_first ? 2 : 1) && p.n < p.want; turn++)
		pick_from_pools(&p, pools, n, turn);
	return p.n;
}
