/* Keeping each peer that lets us download busy, and not waiting for those that are not. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* Ghosts kept for one peer; older ones are forgotten. */
#define GHOSTS_MAX 1500u
/* A peer that was silent for too long is asked again after this. */
#define SNUB_HOLD_MS 10000u
/* After this long it has forgotten what it was asked. */
#define SNUB_FORGET_MS 60000u
/* First pause after a reject; doubles with each. */
#define REJECT_HOLD_MS 100u
#define REJECT_HOLD_MAX_MS 60000u
/* Requests outstanding at a seed that is spared: half a MiB, which no link but one at memory speed
 * notices. There, with one seed and four getters on two cores, a seed asked without this limit
 * sends 1.52 copies before all are complete, since it alone has nothing else to do and answers
 * first; with it 1.2, and the last is done 5 % sooner. */
#define SPARED_DEPTH 32u
/* Peers that are put in order before free blocks are dealt out. */
#define DEAL_MAX 64u

static void drop_old_ghosts(struct peer *p)
{
	uint32_t n = p->asks.n - p->n_live - p->n_late;
	struct request *q = requests_next(&p->asks, NULL);

	if (n < GHOSTS_MAX)
		return;
	n /= 2;
	while (q != NULL && n > 0) {
		struct request *next = requests_next(&p->asks, q);

		if (q->state == REQUEST_GHOST) {
			requests_remove(&p->asks, q);
			n--;
		}
		q = next;
	}
}

bool swarm_ask(struct turn *t, struct peer *p, uint32_t piece, uint32_t block)
{
	uint32_t begin = block * BLOCK_BYTES, length = meta_block_bytes(t->s->meta, piece, block);
	struct request *q = requests_find(&p->asks, piece, begin);
	uint32_t extra = 0;

	if (p->n_live == 0)
		p->progress_ms = t->now_ms;
	if (q != NULL && q->state == REQUEST_LATE) {
		/* It still has our request. */
		q->state = REQUEST_LIVE;
		q->asked_ms = t->now_ms;
		p->n_late--;
		p->n_live++;
		return true;
	}
	if (q != NULL) {
		assert(q->state == REQUEST_GHOST);
		extra = q->extra + 1;
		requests_remove(&p->asks, q);
	}
	drop_old_ghosts(p);
	q = requests_add(&p->asks, piece, begin, length, t->now_ms);
	if (q == NULL) {
		picker_unask(&t->s->picker, piece, block, false);
		return false;
	}
	q->extra = extra;
	p->n_live++;
	swarm_send(t, p,
		   &(struct wire_msg){
		       .type = WIRE_REQUEST, .index = piece, .begin = begin, .length = length});
	return true;
}

static uint32_t depth_of(const struct turn *t, const struct peer *p)
{
	bool spared = t->s->spare_seeds && p->has_all;

	if (p->source)
		return swarm_source_depth(p, t->now_ms);
	return pipeline_depth(&p->pipe, p->reqq, spared ? SPARED_DEPTH : SWARM_REQUESTS_MAX);
}

static bool may_ask(const struct turn *t, const struct peer *p)
{
	if (t->s->paused || !p->am_interested || t->now_ms < p->hold_until_ms)
		return false;
	/* What a silent peer owes us it will be reminded of by nothing. */
	if (p->snubbed && p->n_late + p->n_live > 0)
		return false;
	return !p->am_choked || p->n_allowed > 0;
}

/* BEP 6: pieces it gives although it chokes us. */
static bool pick_allowed(struct turn *t, struct peer *p, uint32_t *piece, uint32_t *block)
{
	for (uint32_t i = 0; i < p->n_allowed; i++) {
		uint32_t a = p->allowed[i];

		if (peer_has(p, a) && picker_lacks(&t->s->picker, a) &&
		    picker_pick_in(&t->s->picker, &p->asker, a, t->now_ms, block)) {
			*piece = a;
			return true;
		}
	}
	return false;
}

static bool pick(struct turn *t, struct peer *p, uint32_t *piece, uint32_t *block)
{
	if (p->am_choked)
		return pick_allowed(t, p, piece, block);
	if (p->source)
		return swarm_pick_for_source(t, p, piece, block);
	return picker_pick(&t->s->picker, &p->asker, t->now_ms, piece, block);
}

void swarm_refill(struct turn *t, struct peer *p)
{
	uint32_t depth, piece, block;
	bool lacking = false; /* memory: nothing else would have it looked at again */

	if (!may_ask(t, p))
		return;
	depth = depth_of(t, p);
	while (p->n_live < depth) {
		if (!pick(t, p, &piece, &block)) {
			if (!p->am_choked)
				swarm_endgame(t, p, depth);
			break;
		}
		lacking = !swarm_ask(t, p, piece, block);
		if (lacking)
			break;
	}
	if (p->n_live > 0 || lacking)
		swarm_check_soon(t);
}

struct deal {
	struct peer *peer;
	uint64_t eta_ms;
};

static int by_eta(const void *a, const void *b)
{
	const struct deal *x = a, *y = b;

	return x->eta_ms < y->eta_ms ? -1 : x->eta_ms > y->eta_ms;
}

/* The fastest and nearest first: what is left to ask for may be little. */
void swarm_refill_all(struct turn *t)
{
	struct deal deals[DEAL_MAX];
	uint32_t n = 0, i = 0;
	struct peer *p;

	t->s->returned = false;
	do {
		n = 0;
		while (n < DEAL_MAX && (p = swarm_next_peer(t->s, &i)) != NULL) {
			if (may_ask(t, p) && p->n_live < depth_of(t, p))
				deals[n++] = (struct deal){p, peer_eta_ms(p, p->n_live, t->now_ms)};
		}
		qsort(deals, n, sizeof(deals[0]), by_eta);
		for (uint32_t k = 0; k < n; k++)
			swarm_refill(t, deals[k].peer);
	} while (n == DEAL_MAX);
}

/* ---- giving up ----------------------------------------------------------- */

static void give_up(struct turn *t, struct peer *p, struct request *q, enum request_state as)
{
	assert(q->state == REQUEST_LIVE && as != REQUEST_LIVE);
	picker_unask(&t->s->picker, q->piece, q->begin / BLOCK_BYTES, as == REQUEST_LATE);
	q->state = as;
	p->n_live--;
	if (as == REQUEST_LATE)
		p->n_late++;
	t->s->returned = true;
}

static bool is_late_anywhere(const struct swarm *s, uint32_t piece)
{
	uint32_t n = meta_piece_blocks(s->meta, piece);
	const struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		for (uint32_t b = 0; p->n_late > 0 && b < n; b++) {
			const struct request *q = requests_find(&p->asks, piece, b * BLOCK_BYTES);

			if (q != NULL && q->state == REQUEST_LATE)
				return true;
		}
	}
	return false;
}

/* Somebody who took it back was asked for it in vain. If nothing of it came, and nothing will, it
 * is as if it had not been begun: else one peer had us begin all there are. */
static void give_back(struct turn *t, uint32_t piece)
{
	struct picker *k = &t->s->picker;
	struct peer *p;

	if (!picker_is_untouched(k, piece) || is_late_anywhere(t->s, piece))
		return;
	picker_give_back(k, piece);
	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		if (peer_has(p, piece))
			picker_on_have(k, &p->asker, piece);
}

/* Nothing is expected of it any more. */
static void end_late(struct turn *t, struct peer *p, struct request *q)
{
	q->state = REQUEST_GHOST;
	p->n_late--;
	if (!peer_has(p, q->piece))
		give_back(t, q->piece);
}

void swarm_release(struct turn *t, struct peer *p, enum request_state as)
{
	struct request *q = NULL;

	while ((q = requests_next(&p->asks, q)) != NULL) {
		if (q->state == REQUEST_LIVE)
			give_up(t, p, q, as);
		if (q->state == REQUEST_LATE && as == REQUEST_GHOST)
			end_late(t, p, q);
	}
	picker_leave(&t->s->picker, &p->asker);
}

void swarm_say_cancel(struct turn *t, struct peer *p, const struct request *q)
{
	swarm_send(
	    t, p,
	    &(struct wire_msg){
		.type = WIRE_CANCEL, .index = q->piece, .begin = q->begin, .length = q->length});
}

static void cancel(struct turn *t, struct peer *p, struct request *q)
{
	swarm_say_cancel(t, p, q);
	if (q->state == REQUEST_LIVE) {
		give_up(t, p, q, REQUEST_GHOST);
		return;
	}
	q->state = REQUEST_GHOST;
	p->n_late--;
}

void swarm_cancel_piece(struct turn *t, uint32_t piece)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		struct request *q = NULL;

		while ((q = requests_next(&p->asks, q)) != NULL) {
			if (q->piece == piece && q->state != REQUEST_GHOST)
				cancel(t, p, q);
		}
	}
}

/* As when it chokes us: with the fast extension it still answers each. */
void swarm_give_up_piece(struct turn *t, struct peer *p, uint32_t piece)
{
	uint32_t n = meta_piece_blocks(t->s->meta, piece);

	for (uint32_t b = 0; b < n && p->n_live + p->n_late > 0; b++) {
		struct request *q = requests_find(&p->asks, piece, b * BLOCK_BYTES);

		if (q != NULL && q->state == REQUEST_LIVE)
			give_up(t, p, q, p->fast ? REQUEST_LATE : REQUEST_GHOST);
		if (q != NULL && q->state == REQUEST_LATE && !p->fast)
			end_late(t, p, q);
	}
	give_back(t, piece);
}

void swarm_cancel_all(struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		struct request *q = NULL;

		while ((q = requests_next(&p->asks, q)) != NULL) {
			if (q->state != REQUEST_GHOST)
				swarm_say_cancel(t, p, q);
		}
		swarm_release(t, p, REQUEST_GHOST);
	}
	t->s->returned = false;
}

/* With the fast extension each request is still answered, by a reject if not by the block;
 * without it the requests are forgotten, but blocks may be on their way. */
void swarm_on_choke(struct turn *t, struct peer *p)
{
	if (p->am_choked)
		return;
	p->am_choked = true;
	swarm_release(t, p, p->fast ? REQUEST_LATE : REQUEST_GHOST);
	pipeline_on_choke(&p->pipe);
	swarm_unreserve(t, p);
}

/* What it was asked before it choked us it has rejected by now, or will not come back to. */
static void drop_late(struct turn *t, struct peer *p)
{
	struct request *q = NULL;

	while (p->n_late > 0 && (q = requests_next(&p->asks, q)) != NULL) {
		if (q->state == REQUEST_LATE)
			end_late(t, p, q);
	}
}

void swarm_on_unchoke(struct turn *t, struct peer *p)
{
	if (!p->am_choked)
		return;
	drop_late(t, p);
	p->am_choked = false;
	p->hold_until_ms = 0;
	p->snubbed = false;
	p->progress_ms = t->now_ms;
	swarm_refill(t, p);
	swarm_check_soon(t);
}

/* What was asked before the first reject is rejected for the same reason, and counts no more. */
static void hold_back(struct turn *t, struct peer *p)
{
	uint64_t hold = REJECT_HOLD_MS;

	if (t->now_ms < p->hold_until_ms)
		return;
	for (uint32_t i = 0; i < p->rejects && hold < REJECT_HOLD_MAX_MS; i++)
		hold *= 2;
	p->rejects++;
	p->hold_until_ms = t->now_ms + hold;
}

void swarm_on_reject(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	struct request *q = requests_find(&p->asks, m->index, m->begin);

	if (!p->fast || q == NULL || q->length != m->length) {
		swarm_breach(t, p, "rejected what it was not asked for");
		return;
	}
	if (q->extra > 0) {
		/* It answers the one that was cancelled. */
		q->extra--;
		return;
	}
	if (q->state == REQUEST_LATE)
		end_late(t, p, q);
	if (q->state == REQUEST_LIVE) {
		give_up(t, p, q, REQUEST_GHOST);
		hold_back(t, p);
		swarm_unreserve(t, p);
	}
	requests_remove(&p->asks, q);
}

/* ---- stalls -------------------------------------------------------------- */

static void snub(struct turn *t, struct peer *p)
{
	p->snubbed = true;
	p->hold_until_ms = t->now_ms + SNUB_HOLD_MS;
	swarm_release(t, p, REQUEST_LATE);
	pipeline_on_stall(&p->pipe);
	swarm_unreserve(t, p);
}

static void forget_late(struct turn *t, struct peer *p)
{
	swarm_release(t, p, REQUEST_GHOST);
	p->progress_ms = t->now_ms;
}

/* A slow peer may be busy with one block and not come to the others. */
static void give_up_old(struct turn *t, struct peer *p)
{
	struct request *q = NULL;

	while ((q = requests_next(&p->asks, q)) != NULL) {
		if (t->now_ms - q->asked_ms < SWARM_REQUEST_TIMEOUT_MAX_MS)
			break;
		if (q->state == REQUEST_LIVE)
			give_up(t, p, q, REQUEST_LATE);
	}
}

/* Do those who are not complete bring as much as the seeds? Then these are spared. */
static void weigh_seeds(struct turn *t)
{
	struct swarm *s = t->s;
	uint64_t seeds = 0, others = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		if (!p->source)
			*(p->has_all ? &seeds : &others) += rate_bps(&p->down, t->now_ms);
	s->spare_seeds = others > 0 && others >= seeds;
}

static bool is_anyone_to_ask(const struct swarm *s)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if ((p->am_interested && !p->am_choked) || p->n_live > 0 ||
		    p->leaf_piece != PICKER_NONE)
			return true;
	}
	return false;
}

void swarm_check_requests(struct turn *t)
{
	struct swarm *s = t->s;
	struct peer *p;
	bool more;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		struct peer_ref ref = p->ref;

		if (p->leaf_piece != PICKER_NONE && t->now_ms >= p->leaf_until_ms) {
			/* What follows may be a ban, of this one too. */
			swarm_leaves_failed(t, p);
			if (swarm_find(s, ref) == NULL)
				continue;
		}
		if (p->n_live > 0 && t->now_ms - p->progress_ms >= peer_patience_ms(p))
			snub(t, p);
		else if (p->snubbed && t->now_ms - p->progress_ms >= SNUB_FORGET_MS)
			forget_late(t, p);
		else if (p->n_live > 0)
			give_up_old(t, p);
	}
	weigh_seeds(t);
	swarm_hurry(t);
	swarm_check_reserved(t);
	swarm_sort_near(t);
	/* Who waits for near ones to get something must not wait for ever. */
	more = is_anyone_to_ask(s) || (s->split && !swarm_complete(s));
	more |= swarm_check_stale(t);
	/* Also those with nothing to do: whom they may help in the end changes with time. */
	s->returned = more;
	s->check_at_ms = more ? t->now_ms + SWARM_CHECK_MS : UINT64_MAX;
}
