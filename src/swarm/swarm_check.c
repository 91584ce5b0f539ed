/* What must be true of a swarm between any two events. For tests. */
#include "swarm/swarm_parts.h"

/* It has the piece, and lets us have it. */
static bool gives_piece(const struct peer *p, uint32_t piece)
{
	bool allowed = false;

	for (uint32_t i = 0; i < p->n_allowed; i++)
		allowed |= p->allowed[i] == piece;
	return peer_has(p, piece) && (!p->am_choked || allowed);
}

static void check_peer(const struct swarm *s, const struct peer *p)
{
	uint32_t wanted = 0, n_live = 0, n_late = 0;
	const struct request *q = NULL;

	requests_check(&p->asks);
	requests_check(&p->queue);
	assert(p->queue.n <= SWARM_UPLOAD_QUEUE_MAX && (!p->is_choked || p->queue.n == 0));
	while ((q = requests_next(&p->asks, q)) != NULL) {
		const struct open_piece *o = picker_open(&s->picker, q->piece);
		const struct block *b;

		n_live += q->state == REQUEST_LIVE;
		n_late += q->state == REQUEST_LATE;
		if (q->state == REQUEST_GHOST)
			continue;
		assert(o != NULL && o->state == OPEN_FETCHING);
		b = &o->blocks[q->begin / BLOCK_BYTES];
		assert((b->flags & BLOCK_DONE) == 0);
		assert(q->state != REQUEST_LIVE || b->asked > 0);
		assert(q->state != REQUEST_LIVE || gives_piece(p, q->piece));
		assert(q->state != REQUEST_LATE || (b->flags & BLOCK_SHARED) != 0);
	}
	assert(n_live == p->n_live && n_late == p->n_late && n_live <= SWARM_REQUESTS_MAX);
	for (uint32_t i = 0; i < s->meta->n_pieces; i++)
		wanted += peer_has(p, i) && picker_lacks(&s->picker, i);
	assert(wanted == p->wanted);
	assert(p->am_interested == swarm_is_wanted(s, p));
	assert(p->has.bits == NULL || !p->has_all);
	picker_check_asker(&s->picker, &p->asker);
}

/* What the blocks say of requests agrees with what the peers have outstanding. */
static void check_asked(const struct swarm *s)
{
	uint64_t asked = 0, live = 0;
	struct peer *p;

	for (uint32_t i = 0; i < s->picker.n_open; i++) {
		const struct open_piece *o = s->picker.open[i];

		for (uint32_t b = 0; b < o->n_blocks; b++) {
			asked += o->blocks[b].asked;
			assert(o->blocks[b].asked < 2 || (o->blocks[b].flags & BLOCK_SHARED) != 0);
		}
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		live += p->n_live;
	assert(asked == live);
}

/* What is offered is being given, and who was given something is here. */
static void check_given(const struct swarm *s)
{
	uint32_t n_first = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		assert(p->n_offered <= PEER_OFFERED_MAX);
		assert(p->n_offered == 0 || !p->is_choked);
	}
	for (uint32_t i = 0; s->given_to != NULL && i < s->meta->n_pieces; i++) {
		uint32_t slot = s->given_to[i];

		assert(slot == 0 || (slot <= s->n_slots && s->slots[slot - 1].peer != NULL));
		n_first += slot != 0;
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		n_first -= p->n_first;
	assert(n_first == 0);
}

/* Nobody is asked for what is held, and asks for leaves are counted where they are. */
static void check_stale(const struct swarm *s)
{
	const struct picker *k = &s->picker;
	uint32_t n_asks = 0, waiting = 0;
	struct peer *p;

	for (uint32_t i = 0; i < k->held.n; i++)
		assert(!bitfield_has(&k->held, i) ||
		       (!bitfield_has(&k->have, i) && picker_open(k, i) == NULL));
	for (uint32_t i = 0; i < s->stale.n_asks; i++)
		waiting += s->stale.asks[i].leaves == NULL;
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL; n_asks += p->stale_asks)
		assert(p->stale_asks <= STALE_ASKS_PEER);
	assert(s->stale.n_asks <= STALE_ASKS_MAX && n_asks == waiting);
}

/* The peers with part of the pieces, piece by piece; of them near ones that give. */
static void check_avail(const struct swarm *s)
{
	uint32_t near_all = 0;
	struct peer *p;

	for (uint32_t k = 0; k < s->meta->n_pieces; k++) {
		uint32_t n = 0, near = 0;

		for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
			n += !p->has_all && peer_has(p, k);
			near += !p->has_all && peer_has(p, k) && p->is_near;
		}
		assert(n == picker_copies(&s->picker, k));
		assert(s->picker.near == NULL ? near == 0 : near == s->picker.near[k]);
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		near_all += p->has_all && p->is_near;
	assert(near_all == s->picker.near_all);
}

static bool owes_leaves(const struct swarm *s, uint32_t piece)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		if (p->leaf_piece == piece)
			return true;
	return false;
}

/* Who is waited for is here, and can bring what is waited for. */
static void check_waiting(const struct swarm *s)
{
	for (uint32_t i = 0; i < s->picker.n_open; i++) {
		const struct open_piece *o = s->picker.open[i];
		const struct peer *p = swarm_find(s, o->only);

		assert(o->state != OPEN_JUDGING || owes_leaves(s, o->piece));
		assert(o->only.slot == PICKER_NONE ||
		       (p != NULL && !p->am_choked && peer_has(p, o->piece)));
	}
}

/* Whatever only time brings about, somebody looks for. */
static void check_times(const struct swarm *s)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		assert((p->n_live == 0 && (p->am_choked || !p->am_interested)) ||
		       s->check_at_ms != UINT64_MAX);
	assert(s->n_taken + s->n_waiting == 0 || s->no_upload || s->choke_at_ms != UINT64_MAX);
	assert(s->n_peers == s->n_sources || s->idle_at_ms != UINT64_MAX);
	assert(swarm_complete(s) || s->want_at_ms != UINT64_MAX);
}

void swarm_check(const struct swarm *s)
{
	uint32_t n = 0, n_all = 0, n_partial = 0, n_taken = 0, n_waiting = 0;
	uint32_t n_sources = 0;
	uint64_t left = 0, unwanted = 0;
	struct peer *p;

	picker_check(&s->picker);
	addrbook_check(&s->book);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL; n++) {
		assert(swarm_find(s, p->ref) == p);
		n_all += p->has_all;
		n_sources += p->source;
		n_partial += p->has.bits != NULL;
		n_taken += p->is_interested && !p->is_choked;
		n_waiting += p->is_interested && p->is_choked;
		check_peer(s, p);
	}
	assert(n == s->n_peers && n_sources == s->n_sources && n - n_sources <= s->max_peers);
	assert(n_taken == s->n_taken && n_waiting == s->n_waiting);
	assert(n_all == s->picker.n_all && n_partial == s->n_partial);
	for (uint32_t i = 0; i < s->meta->n_pieces; i++) {
		if (!bitfield_has(&s->picker.have, i))
			*(picker_is_wanted(&s->picker, i) ? &left : &unwanted) +=
			    meta_fetch_bytes(s->meta, i);
	}
	assert(left == s->left_bytes && unwanted == s->unwanted_bytes);
	assert(!s->returned && !s->places && !s->redial);
	check_asked(s);
	check_given(s);
	for (uint32_t i = 0; i < s->n_haves; i++)
		assert(bitfield_has(&s->picker.have, s->haves[i]));
	assert((s->n_haves > 0) == (s->haves_at_ms != UINT64_MAX));
	assert(s->split == (s->picker.near != NULL));
	check_stale(s);
	check_avail(s);
	check_waiting(s);
	check_times(s);
}
