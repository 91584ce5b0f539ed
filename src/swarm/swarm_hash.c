/* BEP 52 hash messages: what others ask of us, and the leaves we ask for to find who sent a bad
 * block. */
#include <stdlib.h>

#include "meta/merkle.h"
#include "swarm/swarm_parts.h"

/* Node hashes computed a second for those who ask (attack: small requests whose proofs cost a
 * walk over the whole piece layer). Whoever comes too late is rejected and may ask again. */
#define HASHES_A_SECOND 400000u
/* And besides for those who have asked nothing in that second (attack: one who asks for all). */
#define HASHES_FOR_OTHERS 100000u
/* A leaf costs as much as so many nodes, and a disk read. */
#define LEAF_COST 25u
/* A peer that gave no leaves when asked is not asked again for this long. */
#define LEAVES_REFUSED_MS 60000u
/* Peers that are asked for the leaves of a bad piece, one after the other (attack: many who are
 * silent about them, by which the piece would never be fetched again). */
#define LEAVES_ASKS_MAX 4u

/* ---- answering ----------------------------------------------------------- */

/* A file's tree, from the piece layer up. */
struct upper {
	const struct meta_file *file;
	uint32_t layer;	 /* height of the piece layer above the leaves */
	uint32_t height; /* of the root */
};

static void answer_reject(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	swarm_send(t, p, &(struct wire_msg){.type = WIRE_HASH_REJECT, .hash = m->hash});
}

static bool spend(struct turn *t, struct peer *p, uint64_t cost)
{
	struct swarm *s = t->s;
	uint64_t second = t->now_ms / 1000, most = HASHES_A_SECOND;

	if (s->hash_second != second) {
		s->hash_second = second;
		s->hash_spent = 0;
	}
	if (p->hash_second != second + 1)
		most += HASHES_FOR_OTHERS;
	/* The first of a second is answered whatever it costs. */
	if (s->hash_spent > 0 && s->hash_spent + cost > most)
		return false;
	p->hash_second = second + 1;
	s->hash_spent += cost;
	return true;
}

/* How many uncle hashes follow: those of layers that the run itself covers are left out. */
static uint32_t n_uncles(const struct wire_hash_req *q)
{
	uint32_t covered = merkle_height(q->length) - 1;

	return q->proof > covered ? q->proof - covered : 0;
}

/* What the uncles above the piece layer take. */
static uint64_t uncles_cost(const struct turn *t, const struct wire_hash_req *q,
			    const struct upper *u)
{
	uint32_t level = q->base + merkle_height(q->length);
	uint64_t cost = 0;

	for (uint32_t end = level + n_uncles(q); level < end; level++)
		cost += level < u->layer ? 0 : meta_upper_cost(t->s->meta, u->file, level);
	return cost;
}

/* What it takes to answer. Below the piece layer a whole piece is read and hashed (attack: two
 * leaves of 16 MiB each time). */
static uint64_t cost_of(const struct turn *t, const struct wire_hash_req *q, const struct upper *u)
{
	uint64_t asked = (uint64_t)q->length << q->base, piece = (uint64_t)1 << u->layer;
	uint64_t above = uncles_cost(t, q, u);

	if (q->base >= u->layer)
		return above + q->length * meta_upper_cost(t->s->meta, u->file, q->base);
	if (u->file->length < t->s->meta->piece_length)
		piece = merkle_leaves(u->file->length);
	return above + (asked > piece ? asked : piece) * LEAF_COST;
}

static void answer_upper(struct turn *t, struct peer *p, const struct wire_msg *m,
			 const struct upper *u)
{
	const struct wire_hash_req *q = &m->hash;
	const struct metainfo *meta = t->s->meta;
	uint64_t index = q->index / q->length;
	uint32_t level = q->base + merkle_height(q->length);
	struct span out;

	buf_clear(&t->s->scratch);
	if (buf_reserve(&t->s->scratch, (q->length + n_uncles(q)) * SHA256_LEN, &out) < 0) {
		answer_reject(t, p, m);
		return;
	}
	for (uint32_t i = 0; i < q->length; i++)
		meta_upper_node(meta, u->file, q->base, (uint64_t)q->index + i,
				out.ptr + i * SHA256_LEN);
	for (uint32_t i = 0; i < n_uncles(q); i++, index >>= 1)
		meta_upper_node(meta, u->file, level + i, index ^ 1,
				out.ptr + (q->length + i) * SHA256_LEN);
	buf_commit(&t->s->scratch, out.len);
	swarm_send(
	    t, p,
	    &(struct wire_msg){.type = WIRE_HASHES, .hash = *q, .body = buf_bytes(&t->s->scratch)});
}

/* Below the piece layer only the data tells: the shell reads it. */
static void answer_lower(struct turn *t, struct peer *p, const struct wire_msg *m,
			 const struct upper *u)
{
	uint64_t first = ((uint64_t)m->hash.index << m->hash.base) >> u->layer;
	uint64_t n = (((uint64_t)m->hash.length << m->hash.base) - 1) >> u->layer;
	struct effect *e;

	for (uint64_t i = first; i <= first + n && i < u->file->n_pieces; i++) {
		if (!bitfield_has(&t->s->picker.have, u->file->first_piece + (uint32_t)i)) {
			answer_reject(t, p, m);
			return;
		}
	}
	e = effects_add(t->fx, EFFECT_SERVE_HASHES, p->ref);
	if (e != NULL)
		e->u.msg = *m;
}

/* Source: BEP 52 "hash request": index a multiple of length, length a power of two of at least
 * two, no proof layer above the root's children. */
static bool is_askable(const struct wire_hash_req *q, const struct upper *u)
{
	uint64_t width;

	if (q->base >= u->height || q->length < 2 || q->length > WIRE_HASHES_MAX ||
	    (q->length & (q->length - 1)) != 0 || q->index % q->length != 0)
		return false;
	width = (uint64_t)1 << (u->height - q->base);
	if (q->length > width || q->index > width - q->length)
		return false;
	return q->proof < u->height - q->base && n_uncles(q) <= WIRE_PROOF_MAX;
}

void swarm_on_hash_request(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	const struct wire_hash_req *q = &m->hash;
	struct upper u = {.file = t->s->meta->v2 ? meta_file_by_root(t->s->meta, q->root) : NULL};

	if (u.file == NULL || u.file->length == 0) {
		answer_reject(t, p, m);
		return;
	}
	u.layer = merkle_height(t->s->meta->piece_length / BLOCK_BYTES);
	u.height = merkle_height(merkle_width(merkle_leaves(u.file->length)));
	if (!is_askable(q, &u) || !spend(t, p, cost_of(t, q, &u))) {
		answer_reject(t, p, m);
		return;
	}
	if (q->base < u.layer)
		answer_lower(t, p, m, &u);
	else
		answer_upper(t, p, m, &u);
}

/* ---- asking -------------------------------------------------------------- */

/* The leaves of one piece; a file shorter than a piece has a narrower tree. */
struct wire_hash_req swarm_leaves_of(const struct swarm *s, uint32_t piece)
{
	const struct meta_file *f = meta_piece_file(s->meta, piece);
	uint32_t width = s->meta->piece_length / BLOCK_BYTES;
	struct wire_hash_req q = {0};

	if (f->n_pieces == 1)
		width = (uint32_t)merkle_width(merkle_leaves(f->length));
	memcpy(q.root, f->root, sizeof(q.root));
	q.length = width;
	q.index = (piece - f->first_piece) * width;
	return q;
}

bool swarm_gives_leaves(const struct turn *t, const struct peer *p)
{
	return p->v2 &&
	       (p->leaf_refused_ms == 0 || t->now_ms - p->leaf_refused_ms > LEAVES_REFUSED_MS);
}

static bool may_give_leaves(const struct turn *t, const struct peer *p, uint32_t piece)
{
	return p->leaf_piece == PICKER_NONE && peer_has(p, piece) && swarm_gives_leaves(t, p);
}

static bool sent_some(const struct open_piece *o, const struct peer *p)
{
	for (uint32_t i = 0; i < o->n_senders; i++) {
		if (peer_ref_eq(o->senders[i].ref, p->ref))
			return true;
	}
	return false;
}

/* The one to ask for leaves next, or NULL. What it answers is proven, so a suspect may be asked
 * too, but after the others; and of these first who never failed to answer. */
static struct peer *whom_to_ask(const struct turn *t, const struct open_piece *o)
{
	struct peer *p, *best = NULL;
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint32_t doubts = (sent_some(o, p) ? 2u : 0u) + (p->leaf_refused_ms != 0);

		if (doubts >= least || !may_give_leaves(t, p, o->piece))
			continue;
		least = doubts;
		best = p;
	}
	return best;
}

bool swarm_ask_leaves(struct turn *t, struct open_piece *o)
{
	struct wire_msg m = {.type = WIRE_HASH_REQUEST};
	struct peer *best;

	if (o->n_leaf_asks == LEAVES_ASKS_MAX || meta_piece_file(t->s->meta, o->piece) == NULL)
		return false;
	m.hash = swarm_leaves_of(t->s, o->piece);
	if (m.hash.length < 2)
		return false;
	best = whom_to_ask(t, o);
	if (best == NULL)
		return false;
	o->n_leaf_asks++;
	best->leaf_piece = o->piece;
	best->leaf_until_ms = t->now_ms + SWARM_LEAVES_MS;
	swarm_send(t, best, &m);
	if (t->s->check_at_ms > best->leaf_until_ms)
		t->s->check_at_ms = best->leaf_until_ms;
	return true;
}

/* Somebody else, or without hashes. */
void swarm_leaves_failed(struct turn *t, struct peer *p)
{
	struct open_piece *o;
	uint32_t piece = p->leaf_piece;

	p->leaf_piece = PICKER_NONE;
	p->leaf_refused_ms = t->now_ms == 0 ? 1 : t->now_ms;
	o = piece == PICKER_NONE ? NULL : picker_open(&t->s->picker, piece);
	if (o != NULL && o->state == OPEN_JUDGING && !swarm_ask_leaves(t, o))
		swarm_refetch(t, o);
}

bool swarm_is_of_leaves(const struct swarm *s, uint32_t piece, const struct wire_msg *m)
{
	struct wire_hash_req q = swarm_leaves_of(s, piece);

	return memcmp(q.root, m->hash.root, sizeof(q.root)) == 0 && q.base == m->hash.base &&
	       q.index == m->hash.index && q.length == m->hash.length;
}

static bool is_answer(const struct turn *t, const struct peer *p, const struct wire_msg *m)
{
	return p->leaf_piece != PICKER_NONE && swarm_is_of_leaves(t->s, p->leaf_piece, m);
}

int swarm_prove_leaves(const struct swarm *s, uint32_t piece, const struct wire_msg *m,
		       uint8_t **out)
{
	const uint8_t *want = meta_piece_hash_v2(s->meta, piece);
	size_t need = (size_t)m->hash.length * SHA256_LEN;
	uint8_t got[SHA256_LEN], *copy;

	if (m->body.len < need || want == NULL)
		return ERR_PROTO;
	copy = malloc(need);
	if (copy == NULL)
		return ERR_NOMEM;
	memcpy(copy, m->body.ptr, need);
	merkle_root(copy, m->hash.length, m->hash.length, 0, got);
	memcpy(copy, m->body.ptr, need); /* it was used up */
	if (memcmp(got, want, sizeof(got)) != 0) {
		free(copy);
		return ERR_PROTO;
	}
	*out = copy;
	return OK;
}

void swarm_on_hashes(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	uint32_t piece = p->leaf_piece;
	struct open_piece *o;
	uint8_t *leaves;
	int err;

	if (!is_answer(t, p, m)) {
		swarm_on_stale_hashes(t, p, m);
		return;
	}
	err = swarm_prove_leaves(t->s, piece, m, &leaves);
	if (err == ERR_NOMEM)
		swarm_leaves_failed(t, p);
	else if (err != OK)
		swarm_breach(t, p, "sent hashes that do not belong to the torrent");
	if (err != OK)
		return;
	p->leaf_piece = PICKER_NONE;
	p->leaf_refused_ms = 0;
	o = picker_open(&t->s->picker, piece);
	if (o != NULL && o->state == OPEN_JUDGING)
		swarm_judge(t, o, leaves);
	free(leaves);
}

void swarm_on_hash_reject(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	if (is_answer(t, p, m))
		swarm_leaves_failed(t, p);
	else
		swarm_on_stale_reject(t, p, m);
}
