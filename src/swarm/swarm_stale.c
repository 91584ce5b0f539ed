/* Pieces that we lack, of which other bytes lie on disk: an older version's, mostly. A change of
 * 16 KiB makes a piece of megabytes another one, though all the rest of it is there.
 *
 * The leaf hashes of a v2 piece, 32 bytes for each 16 KiB, tell which blocks are right already. So
 * stale pieces are held back from being fetched until a peer gave their leaves (BEP 52 hash
 * request, base layer 0), which are proven against the piece layer, and the shell hashed what is on
 * disk. Blocks that are alike count as received, from nobody; a piece is still verified as a whole.
 *
 *     held --ask a peer--> leaves proven --READ_HASHES--> compared: begun, some blocks there
 *      |                        |                              or nothing alike: released
 *      +-- nobody gives them ---+-- a reject, silence: held, and asked of another
 *          for too long: all are released
 *
 * Where nobody who is connected gives hashes there is nothing to wait for: pieces are released row
 * by row, as they are fetched, so that one who gives them may still come for the rest.
 *
 * Waiting has to be cheaper than fetching. Peers that let us download and stand idle use up
 * patience; each piece that was told earns some. Who gives hashes one by one and slowly is then not
 * waited for (attack: a download held up by a peer that drips hashes). */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* Idle time that is spent on waiting for hashes, at most at one time; what each piece earns. */
#define STALE_PATIENCE_MS 5000u
#define STALE_EARNED_MS 100u
/* Released at one time where nobody gives hashes: what a fast line brings until it is looked again.
 */
#define STALE_ROW_BYTES (16u << 20)
/* A peer that rejects, since it answers only so much a second, is asked again after this long, then
 * twice as long; one that did so this often in a row, or was silent, is not asked for leaves for a
 * minute (LEAVES_REFUSED_MS). */
#define STALE_REJECT_MS 250u
#define STALE_REJECTS_MAX 4u

static int hold(struct swarm *s, const struct bitfield *pieces)
{
	assert(s->stale.asks == NULL);
	s->stale.asks = calloc(STALE_ASKS_MAX, sizeof(*s->stale.asks));
	return s->stale.asks == NULL ? ERR_NOMEM : picker_hold(&s->picker, pieces);
}

int swarm_set_stale(struct swarm *s, const struct bitfield *pieces)
{
	struct bitfield use;
	int rc;

	assert(s->n_peers == 0);
	if (!s->meta->v2 || pieces->count == 0)
		return 0;
	rc = bitfield_copy(&use, pieces);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < use.n; i++) {
		if (bitfield_has(&use, i) &&
		    (bitfield_has(&s->picker.have, i) || meta_piece_file(s->meta, i) == NULL ||
		     swarm_leaves_of(s, i).length < 2))
			bitfield_unset(&use, i);
	}
	rc = use.count == 0 ? 0 : hold(s, &use);
	bitfield_fini(&use);
	s->stale.patience_ms = STALE_PATIENCE_MS;
	s->stale.version = 1;
	/* Of many who renew the same, each begins elsewhere, and has something for the others. */
	s->stale.next = rng_below(&s->rng, pieces->n);
	return rc;
}

/* ---- what is asked of whom ------------------------------------------------ */

static struct stale_ask *find_ask(struct swarm *s, uint32_t piece)
{
	for (uint32_t i = 0; i < s->stale.n_asks; i++) {
		if (s->stale.asks[i].piece == piece)
			return &s->stale.asks[i];
	}
	return NULL;
}

/* What `p` is asked for by these very words; NULL: nothing. */
static struct stale_ask *find_answered(struct swarm *s, const struct peer *p,
				       const struct wire_msg *m)
{
	for (uint32_t i = 0; i < s->stale.n_asks; i++) {
		struct stale_ask *a = &s->stale.asks[i];

		if (a->leaves == NULL && swarm_find(s, a->peer) == p &&
		    swarm_is_of_leaves(s, a->piece, m))
			return a;
	}
	return NULL;
}

static void stop_waiting(struct swarm *s, const struct stale_ask *a)
{
	struct peer *p = a->leaves != NULL ? NULL : swarm_find(s, a->peer);

	if (p != NULL)
		p->stale_asks--;
}

static void remove_ask(struct swarm *s, struct stale_ask *a)
{
	stop_waiting(s, a);
	if (picker_is_held(&s->picker, a->piece))
		swarm_renew_stale(s);
	free(a->leaves);
	*a = s->stale.asks[--s->stale.n_asks];
}

void swarm_forget_stale(struct swarm *s, const struct peer *p)
{
	if (p->stale_asks > 0)
		swarm_renew_stale(s);
	for (uint32_t i = s->stale.n_asks; p->stale_asks > 0 && i > 0; i--) {
		struct stale_ask *a = &s->stale.asks[i - 1];

		if (a->leaves == NULL && a->peer.slot == p->ref.slot)
			*a = s->stale.asks[--s->stale.n_asks];
	}
}

static void refuses(struct turn *t, struct peer *p)
{
	p->leaf_refused_ms = t->now_ms == 0 ? 1 : t->now_ms;
	p->stale_rejects = 0;
}

/* ---- asking --------------------------------------------------------------- */

static bool may_tell(const struct turn *t, const struct peer *p)
{
	return p->stale_asks < STALE_ASKS_PEER && p->stale_dry != t->s->stale.version &&
	       t->now_ms >= p->stale_hold_ms && swarm_gives_leaves(t, p);
}

static bool is_due(struct swarm *s, const struct peer *p, uint32_t piece)
{
	return picker_is_held(&s->picker, piece) && picker_is_wanted(&s->picker, piece) &&
	       peer_has(p, piece) && find_ask(s, piece) == NULL;
}

/* A piece to ask the peer about: urgent ones first, then the next in a row. */
static uint32_t next_due(struct swarm *s, const struct peer *p)
{
	const struct picker *k = &s->picker;
	uint32_t first = k->sequential ? 0 : s->stale.next;

	for (uint32_t i = 0; i < k->n_urgent; i++) {
		if (is_due(s, p, k->urgent[i].piece))
			return k->urgent[i].piece;
	}
	for (uint32_t i = picker_next_held(k, first); i < k->held.n;
	     i = picker_next_held(k, i + 1)) {
		if (is_due(s, p, i))
			return i;
	}
	for (uint32_t i = picker_next_held(k, 0); i < first; i = picker_next_held(k, i + 1)) {
		if (is_due(s, p, i))
			return i;
	}
	return PICKER_NONE;
}

static void ask(struct turn *t, struct peer *p, uint32_t piece)
{
	struct swarm *s = t->s;
	struct wire_msg m = {.type = WIRE_HASH_REQUEST, .hash = swarm_leaves_of(s, piece)};

	s->stale.asks[s->stale.n_asks++] = (struct stale_ask){
	    .piece = piece, .peer = p->ref, .until_ms = t->now_ms + SWARM_LEAVES_MS};
	s->stale.next = piece + 1;
	p->stale_asks++;
	swarm_send(t, p, &m);
}

/* Everybody in turn gets one more, so that all are asked for about as many. What is begun and not
 * whole is bounded, as for all pieces. */
void swarm_ask_stale(struct turn *t)
{
	struct swarm *s = t->s;
	bool asked = true;
	struct peer *p;

	if (s->paused)
		return;
	while (asked) {
		asked = false;
		for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
			uint32_t piece;

			if (s->stale.n_asks == STALE_ASKS_MAX ||
			    s->picker.fetch_bytes >= PICKER_FETCH_BYTES)
				break;
			if (!may_tell(t, p))
				continue;
			piece = next_due(s, p);
			if (piece == PICKER_NONE) {
				p->stale_dry = s->stale.version;
				continue;
			}
			ask(t, p, piece);
			asked = true;
		}
	}
	if (s->n_peers > 0)
		swarm_check_soon(t);
}

/* ---- answers -------------------------------------------------------------- */

void swarm_on_stale_hashes(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	struct swarm *s = t->s;
	struct stale_ask *a = find_answered(s, p, m);
	struct effect *e;
	uint8_t *leaves;
	int err;

	/* Late answers, and hashes we have no use for. */
	if (a == NULL)
		return;
	err = swarm_prove_leaves(s, a->piece, m, &leaves);
	if (err == ERR_NOMEM)
		remove_ask(s, a);
	else if (err != OK)
		swarm_breach(t, p, "sent hashes that do not belong to the torrent");
	if (err != OK)
		return;
	stop_waiting(s, a);
	p->stale_rejects = 0;
	a->leaves = leaves;
	a->n_leaves = m->hash.length;
	e = effects_add(t->fx, EFFECT_READ_HASHES, p->ref);
	if (e != NULL)
		e->u.piece = a->piece;
}

void swarm_on_stale_reject(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	struct stale_ask *a = find_answered(t->s, p, m);

	if (a == NULL)
		return;
	remove_ask(t->s, a);
	/* What was asked before the first reject is rejected for the same reason. */
	if (t->now_ms < p->stale_hold_ms)
		return;
	p->stale_hold_ms = t->now_ms + (STALE_REJECT_MS << p->stale_rejects);
	if (++p->stale_rejects == STALE_REJECTS_MAX)
		refuses(t, p);
}

/* The first block at or after `b` that is on disk as it should be; UINT32_MAX: none. */
static uint32_t next_alike(const struct swarm *s, const struct stale_ask *a, const uint8_t *hashes,
			   uint32_t b)
{
	uint32_t n = meta_piece_blocks(s->meta, a->piece);

	for (; b < n && b < a->n_leaves; b++) {
		size_t off = (size_t)b * SHA256_LEN;

		if (memcmp(hashes + off, a->leaves + off, SHA256_LEN) == 0)
			return b;
	}
	return UINT32_MAX;
}

static void take_piece(struct turn *t, const struct stale_ask *a, const uint8_t *hashes)
{
	struct swarm *s = t->s;
	uint32_t b = hashes == NULL ? UINT32_MAX : next_alike(s, a, hashes, 0);
	struct open_piece *o =
	    b == UINT32_MAX ? NULL : picker_begin(&s->picker, a->piece, t->now_ms);

	if (o == NULL) {
		picker_release(&s->picker, a->piece);
		return;
	}
	for (; b != UINT32_MAX; b = next_alike(s, a, hashes, b + 1)) {
		if (picker_keep(&s->picker, o, b))
			s->kept_bytes += meta_block_bytes(s->meta, a->piece, b);
	}
	if (o->n_done == o->n_blocks)
		swarm_verify(t, o);
}

void swarm_on_disk_hashes(struct swarm *s, uint32_t piece, const uint8_t *hashes, uint64_t now_ms,
			  struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct stale_ask *a = find_ask(s, piece);

	if (a == NULL || a->leaves == NULL)
		return;
	/* Else it is not wanted any more, and asked about again when it is. */
	if (picker_is_held(&s->picker, piece) && picker_is_wanted(&s->picker, piece))
		take_piece(&t, a, hashes);
	remove_ask(s, a);
	s->stale.patience_ms += STALE_EARNED_MS;
	if (s->stale.patience_ms > STALE_PATIENCE_MS)
		s->stale.patience_ms = STALE_PATIENCE_MS;
	s->returned = true;
	swarm_settle(&t);
}

/* ---- waiting --------------------------------------------------------------- */

static void release_all(struct turn *t)
{
	struct picker *k = &t->s->picker;

	while (t->s->stale.n_asks > 0)
		remove_ask(t->s, &t->s->stale.asks[0]);
	for (uint32_t i = 0; i < k->held.n; i++) {
		if (bitfield_has(&k->held, i))
			picker_release(k, i);
	}
}

static void release_row(struct picker *k)
{
	uint64_t bytes = 0;

	for (uint32_t i = picker_next_held(k, 0); i < k->held.n && bytes < STALE_ROW_BYTES;
	     i = picker_next_held(k, i + 1)) {
		bytes += meta_request_bytes(k->meta, i);
		picker_release(k, i);
	}
}

static bool gives_anyone_leaves(const struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (swarm_gives_leaves(t, p))
			return true;
	}
	return false;
}

/* Somebody lets us download and has nothing to do. */
static bool is_anyone_idle(const struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (p->am_interested && !p->am_choked && !p->snubbed && p->n_live == 0 &&
		    t->now_ms >= p->hold_until_ms)
			return true;
	}
	return false;
}

static void drop_late(struct turn *t)
{
	struct swarm *s = t->s;

	for (uint32_t i = s->stale.n_asks; i > 0; i--) {
		struct stale_ask *a = &s->stale.asks[i - 1];
		struct peer *p = swarm_find(s, a->peer);

		if (t->now_ms < a->until_ms)
			continue;
		if (a->leaves == NULL && p != NULL)
			refuses(t, p);
		remove_ask(s, a);
	}
}

bool swarm_check_stale(struct turn *t)
{
	struct stale *w = &t->s->stale;
	uint64_t waited = t->now_ms - w->looked_ms;

	w->looked_ms = t->now_ms;
	if (t->s->picker.held.count == 0)
		return false;
	drop_late(t);
	/* What lies longer back was no waiting. */
	if (waited > 2 * SWARM_CHECK_MS)
		waited = SWARM_CHECK_MS;
	if (!t->s->paused && is_anyone_idle(t)) {
		if (!gives_anyone_leaves(t)) {
			release_row(&t->s->picker);
			return true;
		}
		if (waited >= w->patience_ms)
			release_all(t);
		w->patience_ms -= waited < w->patience_ms ? (uint32_t)waited : w->patience_ms;
	}
	return t->s->n_peers > 0;
}
