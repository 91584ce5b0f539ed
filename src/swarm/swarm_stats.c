/* Looking in: numbers for people, invariants for tests. */
#include "swarm/swarm_parts.h"

/* Least copies of any piece and how many pieces have more; of missing ones least alone. */
static void count_copies(const struct swarm *s, struct swarm_stats *out)
{
	const struct picker *k = &s->picker;
	uint32_t least = UINT32_MAX, above = 0, rarest = UINT32_MAX;

	for (uint32_t i = 0; i < s->meta->n_pieces; i++) {
		if (k->avail[i] < least) {
			least = k->avail[i];
			above = i;
		} else if (k->avail[i] > least) {
			above++;
		}
		if (k->avail[i] == 0 && k->n_all == 0) {
			out->sole += bitfield_has(&k->have, i);
			out->nowhere += picker_lacks(k, i);
		}
		if (picker_lacks(k, i) && k->avail[i] < rarest)
			rarest = k->avail[i];
	}
	if (s->meta->n_pieces == 0)
		least = 0;
	else
		out->distributed_milli = (uint32_t)((uint64_t)above * 1000 / s->meta->n_pieces);
	out->distributed_milli += (least + k->n_all) * 1000;
	out->rarest = rarest == UINT32_MAX ? 0 : rarest + k->n_all;
	out->can_complete = swarm_complete(s) || out->rarest > 0;
}

void swarm_stats(const struct swarm *s, uint64_t now_ms, struct swarm_stats *out)
{
	struct peer *p;

	*out = (struct swarm_stats){.down_bytes = s->down_bytes,
				    .up_bytes = s->up_bytes,
				    .wasted_bytes = s->wasted_bytes,
				    .kept_bytes = s->kept_bytes,
				    .down_bps = rate_shown_bps(&s->down, now_ms),
				    .up_bps = rate_shown_bps(&s->up, now_ms),
				    .left_bytes = s->left_bytes,
				    .missing_bytes = s->left_bytes + s->unwanted_bytes,
				    .pieces = s->meta->n_pieces,
				    .have = s->picker.have.count,
				    .peers = s->n_peers - s->n_sources,
				    .seeds = s->picker.n_all,
				    .dialing = s->book.n_dialing,
				    .addresses = s->book.n};
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		out->unchoked_by += !p->source && p->am_interested && !p->am_choked;
		out->seeds -= p->source && p->has_all;
		out->sources += p->source && p->rejects == 0;
		out->source_bytes += p->source ? p->down_bytes : 0;
	}
	count_copies(s, out);
}

uint32_t swarm_peers(const struct swarm *s, uint64_t now_ms, struct swarm_peer *out, uint32_t cap)
{
	struct peer *p;
	uint32_t n = 0;

	for (uint32_t i = 0; n < cap && (p = swarm_next_peer(s, &i)) != NULL;) {
		struct swarm_peer *o = &out[n];

		if (p->source)
			continue;
		n++;
		*o = (struct swarm_peer){.ref = p->ref,
					 .addr = p->addr,
					 .incoming = p->incoming,
					 .utp = p->utp,
					 .shoal = p->shoal,
					 .have = peer_have_count(p, s->meta->n_pieces),
					 .am_choked = p->am_choked,
					 .am_interested = p->am_interested,
					 .is_choked = p->is_choked,
					 .is_interested = p->is_interested,
					 .snubbed = p->snubbed,
					 .down_bps = rate_shown_bps(&p->down, now_ms),
					 .up_bps = rate_shown_bps(&p->up, now_ms),
					 .down_bytes = p->down_bytes,
					 .up_bytes = p->up_bytes,
					 .rtt_us = p->rtt_us,
					 .queue = p->n_live};
		memcpy(o->client, p->client, sizeof(o->client));
	}
	return s->n_peers - s->n_sources;
}

/* ---- invariants ---------------------------------------------------------- */

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
		assert(q->state != REQUEST_LATE || (b->flags & BLOCK_SHARED) != 0);
	}
	assert(n_live == p->n_live && n_late == p->n_late && n_live <= SWARM_REQUESTS_MAX);
	for (uint32_t i = 0; i < s->meta->n_pieces; i++)
		wanted += peer_has(p, i) && picker_lacks(&s->picker, i);
	assert(wanted == p->wanted);
	assert(p->am_interested == swarm_is_wanted(s, p));
	assert(p->has.bits == NULL || !p->has_all);
}

/* What the blocks say of requests agrees with what the peers have outstanding. */
static void check_asked(const struct swarm *s)
{
	uint64_t asked = 0, live = 0;
	struct peer *p;

	for (uint32_t i = 0; i < s->picker.n_open; i++) {
		const struct open_piece *o = s->picker.open[i];

		for (uint32_t b = 0; b < o->n_blocks; b++)
			asked += o->blocks[b].asked;
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		live += p->n_live;
	assert(asked == live);
}

/* What is offered is being given, and who was given something is here. */
static void check_given(const struct swarm *s)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		assert(p->n_offered <= PEER_OFFERED_MAX);
		assert(p->n_offered == 0 || !p->is_choked);
	}
	for (uint32_t i = 0; s->given_to != NULL && i < s->meta->n_pieces; i++) {
		uint32_t slot = s->given_to[i];

		assert(slot == 0 || (slot <= s->n_slots && s->slots[slot - 1].peer != NULL));
	}
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
}
