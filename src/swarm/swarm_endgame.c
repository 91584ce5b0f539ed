/* When every piece is begun and every missing block is asked for, a peer with nothing to do is
 * asked for blocks that others would bring much later. The waste is bounded: two peers a block, and
 * only where the second is expected to need less than half the time. Blocks come off the end of the
 * slow peer's queue, which it would get to last; what it was asked in vain is cancelled. */
#include "swarm/swarm_parts.h"

/* The slow one must be later by more than this, or the cancel comes too late anyway. */
#define ENDGAME_GAIN_MS 40u
/* Requests of one slow peer looked at in one go. */
#define ENDGAME_LOOK 256u
/* A fruitless look round is not repeated sooner. */
#define ENDGAME_PAUSE_MS 50u
/* Of those with requests of their own: they will come round again by themselves. */
#define ENDGAME_IDLE 2u

bool swarm_is_worthwhile(uint64_t theirs_ms, uint64_t ours_ms)
{
	return theirs_ms / 2 > ours_ms && theirs_ms - ours_ms > ENDGAME_GAIN_MS;
}

bool swarm_may_help(struct turn *t, const struct peer *p, const struct peer *slow,
		    const struct request *q)
{
	const struct open_piece *o;

	if (q->state != REQUEST_LIVE || (p->far && !slow->far) || !peer_has(p, q->piece))
		return false;
	o = picker_open(&t->s->picker, q->piece);
	if (o->only.slot != PICKER_NONE && swarm_find(t->s, o->only) != p)
		return false;
	return o->blocks[q->begin / BLOCK_BYTES].asked == 1 &&
	       requests_find(&p->asks, q->piece, q->begin) == NULL;
}

/* Relieve `slow` of what it would bring last. */
static void help(struct turn *t, struct peer *p, const struct peer *slow, uint32_t depth)
{
	uint32_t ahead = slow->n_live, looked = 0;
	const struct request *q = NULL;

	while ((q = requests_prev(&slow->asks, q)) != NULL && p->n_live < depth) {
		if (q->state == REQUEST_LIVE)
			ahead--;
		if (looked++ == ENDGAME_LOOK ||
		    !swarm_is_worthwhile(peer_eta_ms(slow, ahead, t->now_ms),
					 peer_eta_ms(p, p->n_live, t->now_ms)))
			return;
		if (!swarm_may_help(t, p, slow, q) ||
		    !picker_ask_again(&t->s->picker, q->piece, q->begin / BLOCK_BYTES))
			continue;
		if (!swarm_ask(t, p, q->piece, q->begin / BLOCK_BYTES))
			return;
	}
}

void swarm_endgame(struct turn *t, struct peer *p, uint32_t depth)
{
	uint32_t before = p->n_live;
	struct peer *slow;

	if (!picker_all_begun(&t->s->picker) || p->snubbed || p->n_live >= ENDGAME_IDLE ||
	    t->now_ms < p->endgame_ms)
		return;
	for (uint32_t i = 0; (slow = swarm_next_peer(t->s, &i)) != NULL && p->n_live < depth;) {
		if (slow != p && slow->n_live > 0)
			help(t, p, slow, depth);
	}
	if (p->n_live == before)
		p->endgame_ms = t->now_ms + ENDGAME_PAUSE_MS;
}

void swarm_cancel_others(struct turn *t, const struct peer *from, uint32_t piece, uint32_t begin)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		struct request *q;

		if (p == from || (q = requests_find(&p->asks, piece, begin)) == NULL ||
		    q->state == REQUEST_GHOST)
			continue;
		if (q->state == REQUEST_LIVE)
			p->n_live--;
		else
			p->n_late--;
		q->state = REQUEST_GHOST;
		swarm_say_cancel(t, p, q);
		t->s->returned = true;
	}
}
