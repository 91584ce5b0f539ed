/* Verdicts on whole pieces, and what follows for whom. */
#include "swarm/swarm_parts.h"

/* Guilty ones banned for one piece. */
#define GUILTY_MAX 64u
/* Pieces that are all pad are verified so many at a time: a torrent of a few KB may be made of
 * them, and each keeps its blocks and a worker busy meanwhile. */
#define PADS_MAX 16u
/* When a piece was asked of one peer alone for this long, or will take it longer, another may be
 * the better choice. */
#define RESERVED_MS 4000u

void swarm_verify(struct turn *t, struct open_piece *o)
{
	struct effect *e = effects_add(t->fx, EFFECT_VERIFY, (struct peer_ref){SWARM_NO_SLOT, 0});

	picker_freeze(&t->s->picker, o, OPEN_VERIFYING);
	if (e != NULL)
		e->u.piece = o->piece;
}

static bool is_pad(const struct swarm *s, uint32_t piece)
{
	return s->meta->pads && meta_fetch_bytes(s->meta, piece) == 0;
}

static void begin_pad(struct turn *t, uint32_t piece)
{
	struct swarm *s = t->s;
	struct open_piece *o = picker_open(&s->picker, piece);

	if (o == NULL)
		o = picker_begin(&s->picker, piece, t->now_ms);
	if (o == NULL || o->state == OPEN_VERIFYING)
		return;
	swarm_verify(t, o);
	s->n_pads++;
}

static void end_pad(struct swarm *s, enum piece_state state)
{
	if (s->n_pads > 0)
		s->n_pads--;
	/* No peer can mend it: the torrent is wrong, and its other ones need not be looked at. */
	if (state == PIECE_BAD)
		s->pads_at = s->meta->n_pieces;
	s->pads_due = s->pads_at < s->meta->n_pieces;
}

void swarm_begin_pads(struct turn *t)
{
	struct swarm *s = t->s;

	while (s->pads_at < s->meta->n_pieces && s->n_pads < PADS_MAX) {
		uint32_t piece = s->pads_at++;

		if (!bitfield_has(&s->picker.have, piece) && is_pad(s, piece))
			begin_pad(t, piece);
	}
	s->pads_due = false;
}

void swarm_rewind_pads(struct swarm *s)
{
	bool none = s->paused || !s->meta->pads || swarm_complete(s);

	s->pads_at = none ? s->meta->n_pieces : 0;
	s->n_pads = 0;
	s->pads_due = !none;
}

/* ---- bad ----------------------------------------------------------------- */

static void ban_all(struct turn *t, const struct sender *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		swarm_ban(t, &list[i], "sent data that is not what the torrent says");
}

static void settle_blame(struct turn *t, uint32_t piece, const uint8_t *truth)
{
	struct sender guilty[GUILTY_MAX];
	uint32_t n;

	while (blame_settle(&t->s->blame, piece, truth, guilty, GUILTY_MAX, &n))
		ban_all(t, guilty, n);
}

void swarm_judge(struct turn *t, struct open_piece *o, const uint8_t *truth)
{
	struct swarm *s = t->s;
	const struct blame_record *r = blame_newest(&s->blame, o->piece);
	uint32_t piece = o->piece, n_bad = 0;

	if (r == NULL) {
		picker_again(&s->picker, o, t->now_ms);
		s->returned = true;
		return;
	}
	for (uint32_t b = 0; b < o->n_blocks; b++) {
		if (!blame_differs(r, b, truth))
			continue;
		picker_block_again(&s->picker, o, b);
		s->wasted_bytes += meta_block_bytes(s->meta, piece, b);
		n_bad++;
	}
	/* Each block is right and yet the whole is not: nobody sent that, it was not read
	 * back as it came, or a hybrid torrent contradicts itself. */
	if (n_bad == 0)
		picker_again(&s->picker, o, t->now_ms);
	else
		picker_thaw(&s->picker, o, t->now_ms);
	s->returned = true;
	settle_blame(t, piece, truth);
}

static bool is_suspect(const struct blame_record *r, const struct peer *p)
{
	for (uint32_t i = 0; r != NULL && i < r->n_senders; i++) {
		if (peer_ref_eq(r->senders[i].ref, p->ref))
			return true;
	}
	return false;
}

/* One peer to fetch a bad piece from: rather one that had no part in it, rather a fast one.
 * With no one at hand anybody may send, and another failure is sorted out again. */
static void reserve_piece(struct turn *t, struct open_piece *o)
{
	const struct blame_record *r = blame_newest(&t->s->blame, o->piece);
	struct peer_ref best = {PICKER_NONE, 0};
	bool best_suspect = true;
	uint64_t best_eta = UINT64_MAX;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		bool suspect = is_suspect(r, p);
		uint64_t eta = peer_eta_ms(p, p->n_live, t->now_ms);

		if (p->am_choked || p->snubbed || !peer_has(p, o->piece) ||
		    t->now_ms < p->hold_until_ms)
			continue;
		if (best.slot == PICKER_NONE || (best_suspect && !suspect) ||
		    (best_suspect == suspect && eta < best_eta)) {
			best = p->ref;
			best_suspect = suspect;
			best_eta = eta;
		}
	}
	picker_reserve_for(&t->s->picker, o, best);
	t->s->returned = true;
}

void swarm_check_reserved(struct turn *t)
{
	struct picker *k = &t->s->picker;

	for (uint32_t i = 0; k->n_reserved > 0 && i < k->n_open; i++) {
		struct open_piece *o = k->open[i];
		const struct peer *p = swarm_find(t->s, o->only);

		if (p == NULL || t->now_ms - o->opened_ms <= RESERVED_MS)
			continue;
		/* It is not asked, for whatever reason. */
		if (p->n_live == 0 && o->n_free > 0)
			picker_reserve_for(k, o, (struct peer_ref){PICKER_NONE, 0});
		else if (peer_eta_ms(p, p->n_live + o->n_free, t->now_ms) > RESERVED_MS)
			reserve_piece(t, o);
	}
}

void swarm_unreserve(struct turn *t, const struct peer *p)
{
	struct picker *k = &t->s->picker;

	for (uint32_t i = 0; k->n_reserved > 0 && i < k->n_open; i++) {
		struct open_piece *o = k->open[i];

		if (peer_ref_eq(o->only, p->ref))
			reserve_piece(t, o);
	}
}

/* One sender, and nothing that lay on disk: it alone can be the cause. Several: the piece again,
 * from one. */
void swarm_refetch(struct turn *t, struct open_piece *o)
{
	struct swarm *s = t->s;
	struct sender only = {0};
	bool alone = o->n_senders == 1 && o->n_kept == 0;

	if (alone)
		only = o->senders[0];
	s->wasted_bytes += meta_fetch_bytes(s->meta, o->piece);
	picker_again(&s->picker, o, t->now_ms);
	reserve_piece(t, o);
	if (alone)
		ban_all(t, &only, 1);
}

/* v2 pieces of one block: the piece's hash is the block's. */
static bool judge_single(struct turn *t, struct open_piece *o)
{
	uint8_t truth[SHA256_LEN];
	const uint8_t *hash = meta_piece_hash_v2(t->s->meta, o->piece);

	if (!t->s->meta->v2 || hash == NULL || o->n_blocks != 1)
		return false;
	if (t->s->meta->piece_length > BLOCK_BYTES &&
	    meta_piece_file(t->s->meta, o->piece)->n_pieces > 1)
		return false; /* the hash covers zero leaves beyond the end as well */
	memcpy(truth, hash, sizeof(truth));
	swarm_judge(t, o, truth);
	return true;
}

static void on_bad(struct turn *t, struct open_piece *o, const uint8_t *block_hashes)
{
	struct swarm *s = t->s;

	if (o->n_senders == 0) {
		/* All pad: asking anybody for it changes nothing. What lay on disk is another now.
		 */
		if (o->n_kept == 0)
			picker_freeze(&s->picker, o, OPEN_DEAD);
		else
			picker_again(&s->picker, o, t->now_ms);
		s->returned = true;
		return;
	}
	if (block_hashes == NULL || blame_keep(&s->blame, o, block_hashes) < 0) {
		swarm_refetch(t, o);
		return;
	}
	if (judge_single(t, o))
		return;
	picker_freeze(&s->picker, o, OPEN_JUDGING);
	o->n_leaf_asks = 0;
	if (!s->meta->v2 || !swarm_ask_leaves(t, o))
		swarm_refetch(t, o);
}

/* ---- good ---------------------------------------------------------------- */

/* A seed wants to know how far what it gave has spread, and so does one that does not say it is
 * one: it tells of a piece, wants nothing, and tells of the next when it hears that this one has
 * come. Source: BEP 16. Ours do not do that. */
static bool wants_to_hear(const struct peer *p, uint32_t piece)
{
	return !peer_has(p, piece) || p->has_all || (!p->is_interested && !p->shoal);
}

/* Those from number `from` on. */
static void tell(struct turn *t, bool seeds, uint32_t from)
{
	struct swarm *s = t->s;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->has_all != seeds)
			continue;
		for (uint32_t k = from; k < s->n_haves; k++) {
			if (wants_to_hear(p, s->haves[k]))
				swarm_send(
				    t, p,
				    &(struct wire_msg){.type = WIRE_HAVE, .index = s->haves[k]});
		}
	}
}

void swarm_tell_haves(struct turn *t)
{
	struct swarm *s = t->s;
	bool now = swarm_complete(s) || s->n_haves == SWARM_HAVES_MAX;
	bool seeds = s->n_haves > 0 && (now || t->now_ms - s->seeds_ms >= SWARM_HAVES_SEEDS_MS);

	/* With the word to seeds the list begins anew: nobody may be owed anything of it. */
	if (s->n_told < s->n_haves && (seeds || t->now_ms - s->haves_ms >= SWARM_HAVES_MS)) {
		tell(t, false, s->n_told);
		s->n_told = s->n_haves;
		s->haves_ms = t->now_ms;
	}
	if (seeds) {
		tell(t, true, 0);
		s->n_told = s->n_haves = 0;
		s->seeds_ms = t->now_ms;
	}
	s->haves_at_ms = s->n_haves == 0 ? UINT64_MAX : s->seeds_ms + SWARM_HAVES_SEEDS_MS;
	if (s->n_told < s->n_haves && s->haves_ms + SWARM_HAVES_MS < s->haves_at_ms)
		s->haves_at_ms = s->haves_ms + SWARM_HAVES_MS;
}

/* Nobody who was not told of it yet will be. */
static void untell(struct swarm *s, uint32_t piece)
{
	uint32_t i = 0;

	while (i < s->n_haves && s->haves[i] != piece)
		i++;
	if (i == s->n_haves)
		return;
	s->n_haves--;
	s->n_told -= i < s->n_told;
	memmove(s->haves + i, s->haves + i + 1, (s->n_haves - i) * sizeof(s->haves[0]));
	if (s->n_haves == 0)
		s->haves_at_ms = UINT64_MAX;
}

/* What a missing piece counts as. */
static uint64_t *left_of(struct swarm *s, uint32_t piece)
{
	return picker_is_wanted(&s->picker, piece) ? &s->left_bytes : &s->unwanted_bytes;
}

static void on_good(struct turn *t, uint32_t piece, const uint8_t *block_hashes)
{
	struct swarm *s = t->s;
	bool wanted = picker_is_wanted(&s->picker, piece);
	struct peer *p;

	picker_good(&s->picker, piece);
	*left_of(s, piece) -= meta_fetch_bytes(s->meta, piece);
	for (uint32_t i = 0; wanted && (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!peer_has(p, piece))
			continue;
		p->wanted--;
		swarm_update_interest(t, p);
	}
	s->haves[s->n_haves++] = piece;
	swarm_tell_haves(t);
	if (block_hashes != NULL)
		settle_blame(t, piece, block_hashes);
	blame_forget(&s->blame, piece);
	/* A piece that is not wanted any more may have been with the shell. */
	if (!swarm_complete(s) || !wanted)
		return;
	effects_add(t->fx, EFFECT_COMPLETE, (struct peer_ref){SWARM_NO_SLOT, 0});
	swarm_drop_useless(t);
	swarm_tell_upload_only(t);
}

void swarm_on_piece(struct swarm *s, uint32_t piece, enum piece_state state,
		    const uint8_t *block_hashes, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct open_piece *o = picker_open(&s->picker, piece);

	if (o == NULL || o->state != OPEN_VERIFYING)
		return;
	if (is_pad(s, piece))
		end_pad(s, state);
	if (state == PIECE_GOOD) {
		on_good(&t, piece, block_hashes);
	} else if (state == PIECE_BAD) {
		on_bad(&t, o, block_hashes);
	} else {
		picker_again(&s->picker, o, now_ms);
		/* All pad: there is nothing to fetch. Looked at again after a pause. */
		if (o->n_free == 0)
			picker_freeze(&s->picker, o, OPEN_DEAD);
		s->returned = true;
	}
	swarm_settle(&t);
}

bool swarm_wants_hashes(const struct swarm *s, uint32_t piece)
{
	return blame_has(&s->blame, piece);
}

/* It believes that we have the piece, or may do so, and nothing will change that: it cannot be told
 * of lost pieces, or has not said yet that it can. Who has it asks nobody. Sources hear nothing. */
static bool is_misled(const struct peer *p, uint32_t piece)
{
	bool was_heard = !p->extended || p->run_bytes != 0;

	return !p->source && p->donthave_id == 0 && (!peer_has(p, piece) || !was_heard);
}

/* What the others are to hear of it: that the piece is gone; and, when nothing was lacking before,
 * that we want something again (BEP 21). Both lie in one buffer, which the messages borrow. */
static void say_gone(struct turn *t, uint32_t piece, bool was_complete)
{
	struct swarm *s = t->s;
	struct bytes gone, wants;
	struct peer *p;

	buf_clear(&s->scratch);
	if (buf_put_be32(&s->scratch, piece) < 0 ||
	    (was_complete && !swarm_complete(s) && swarm_put_upload_only(s) < 0)) {
		buf_clear(&s->scratch);
		t->fx->failed = true;
	}
	gone = bytes_sub(buf_bytes(&s->scratch), 0, s->scratch.len < 4 ? 0 : 4);
	wants = bytes_sub(buf_bytes(&s->scratch), gone.len, s->scratch.len - gone.len);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (peer_has(p, piece) && picker_is_wanted(&s->picker, piece))
			p->wanted++;
		swarm_withdraw_piece(t, p, piece, gone);
		if (is_misled(p, piece)) {
			swarm_drop(t, p, "was told of a piece that is gone");
			continue;
		}
		if (p->extended && wants.len > 0)
			swarm_send(t, p, &(struct wire_msg){.type = WIRE_EXTENDED, .body = wants});
		swarm_update_interest(t, p);
	}
}

void swarm_on_piece_gone(struct swarm *s, uint32_t piece, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	bool was_complete = swarm_complete(s);

	if (piece >= s->meta->n_pieces || !bitfield_has(&s->picker.have, piece))
		return;
	if (picker_lose(&s->picker, piece) < 0) {
		fx->failed = true;
		return;
	}
	untell(s, piece);
	*left_of(s, piece) += meta_fetch_bytes(s->meta, piece);
	if (was_complete && !swarm_complete(s))
		swarm_want_again(&t);
	say_gone(&t, piece, was_complete);
	s->returned = s->redial = true;
	swarm_settle(&t);
}

/* What was asked for since may still come, and is of no use any more. */
void swarm_on_piece_back(struct swarm *s, uint32_t piece, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	const struct open_piece *o;

	if (piece >= s->meta->n_pieces || bitfield_has(&s->picker.have, piece))
		return;
	o = picker_open(&s->picker, piece);
	if (o != NULL && o->n_senders > 0)
		return;
	swarm_cancel_piece(&t, piece);
	on_good(&t, piece, NULL);
	swarm_settle(&t);
}
