/* Blocks that come in. */
#include "swarm/swarm_parts.h"

enum block_answer swarm_judge_block(const struct swarm *s, struct peer_ref ref, uint32_t piece,
				    uint32_t begin, uint32_t length)
{
	const struct peer *p = swarm_find(s, ref);
	const struct request *q = p == NULL ? NULL : requests_find(&p->asks, piece, begin);

	if (q == NULL || q->length != length)
		return BLOCK_UNASKED;
	return q->state == REQUEST_GHOST ? BLOCK_USELESS : BLOCK_WANTED;
}

uint32_t swarm_expected(const struct swarm *s, struct peer_ref ref, struct block_ref *out,
			uint32_t cap)
{
	const struct peer *p = swarm_find(s, ref);
	const struct request *q = NULL;
	uint32_t n = 0;

	if (p == NULL)
		return 0;
	while (n < cap && (q = requests_next(&p->asks, q)) != NULL) {
		if (q->state != REQUEST_GHOST)
			out[n++] = (struct block_ref){q->piece, q->begin, q->length};
	}
	return n;
}

static void count_down(struct swarm *s, struct peer *p, uint32_t bytes, uint64_t now_ms)
{
	rate_add(&p->down, bytes, now_ms);
	rate_add(&s->down, bytes, now_ms);
	p->down_bytes += bytes;
	p->asker.tried = true;
	s->down_bytes += bytes;
	p->heard_ms = now_ms;
	p->progress_ms = p->gave_ms = now_ms;
}

void swarm_on_progress(struct swarm *s, struct peer_ref ref, uint32_t bytes, uint64_t now_ms)
{
	struct peer *p = swarm_find(s, ref);

	if (p == NULL)
		return;
	count_down(s, p, bytes, now_ms);
	p->partial += bytes;
}

/* The rest of a block, some of which swarm_on_progress() counted before. */
static void count_block(struct turn *t, struct peer *p, uint32_t length)
{
	uint32_t counted = p->partial < length ? p->partial : length;

	p->partial = 0;
	count_down(t->s, p, length - counted, t->now_ms);
	pipeline_on_block(&p->pipe, length, rate_bps(&p->down, t->now_ms), p->rtt_us, t->now_ms);
	p->snubbed = false;
	p->rejects = 0;
	p->hold_until_ms = 0;
}

static void store_block(struct turn *t, struct peer *p, struct block_ref b)
{
	struct swarm *s = t->s;
	struct sender from = {p->ref, p->listen.port != 0 ? p->listen : p->addr};
	struct open_piece *o;

	if (picker_receive(&s->picker, b.piece, b.begin / BLOCK_BYTES, &from))
		swarm_cancel_others(t, p, b.piece, b.begin);
	o = picker_open(&s->picker, b.piece);
	if (o->n_done == o->n_blocks)
		swarm_verify(t, o);
}

/* Its answer has come. */
static void request_done(struct peer *p, struct request *q)
{
	if (q->state == REQUEST_LIVE)
		p->n_live--;
	if (q->state == REQUEST_LATE)
		p->n_late--;
	if (q->extra == 0) {
		requests_remove(&p->asks, q);
	} else {
		q->extra--;
		q->state = REQUEST_GHOST;
	}
}

void swarm_on_block(struct swarm *s, struct peer_ref ref, struct block_ref b, uint64_t now_ms,
		    struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = swarm_find(s, ref);
	struct request *q = p == NULL ? NULL : requests_find(&p->asks, b.piece, b.begin);
	enum request_state was;

	if (q == NULL || q->length != b.length)
		return;
	was = q->state;
	count_block(&t, p, b.length);
	peer_note_answer(p, now_ms - q->asked_ms);
	request_done(p, q);
	if (was == REQUEST_GHOST)
		s->wasted_bytes += b.length;
	else
		store_block(&t, p, b);
	swarm_refill(&t, p);
	swarm_settle(&t);
}
