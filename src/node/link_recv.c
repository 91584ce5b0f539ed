/* node/link_recv.c - the stream of a peer to messages, and the payload in it to its place. How it
 * is read is link_plan.c's. */
#include "node/link.h"

#include <stdlib.h>

static uint64_t now_ms(const struct link *l)
{
	return loop_now_ms(l->node->loop);
}

void link_recv_drop(struct link *l)
{
	struct link_incoming *c = &l->cur;

	if (c->active && c->place == PLACE_STORE)
		store_recv_abort(l->t->store, c->block.piece, c->block.begin, c->block.length);
	free(c->spill);
	*c = (struct link_incoming){.active = false};
}

struct link *link_other_receiver(const struct transfer *t, const struct link *l,
				 const struct block_ref *b)
{
	for (uint32_t i = 0; i < t->n_slots; i++) {
		struct link *o = t->by_slot[i];

		if (o != NULL && o != l && o->cur.active && o->cur.place == PLACE_STORE &&
		    o->cur.block.piece == b->piece && o->cur.block.begin == b->begin)
			return o;
	}
	return NULL;
}

bool link_wants_block(const struct link *l, const struct block_ref *b)
{
	return swarm_judge_block(l->t->swarm, l->ref, b->piece, b->begin, b->length) ==
	       BLOCK_WANTED;
}

/* A block that came twice at once was put aside, and is the first to be whole: it takes the
 * place of the other one, and what that still brings is dropped. */
int link_place_block(struct transfer *t, const struct block_ref *b, const uint8_t *data)
{
	struct link *o = link_other_receiver(t, NULL, b);
	struct span dst;
	int err = OK;

	if (o != NULL) {
		dst = o->cur.dst;
		o->cur.place = PLACE_NOWHERE;
	} else {
		err = store_recv_span(t->store, b->piece, b->begin, b->length, &dst);
	}
	if (err != OK)
		return err;
	memcpy(dst.ptr, data, b->length);
	store_recv_done(t->store, b->piece, b->begin, b->length);
	return OK;
}

/* Have the payload in its place if it is wanted still; what was not wanted when it began may be so
 * again. False when a wanted block is not in its place: then it must not be counted as had. */
static bool settle_place(struct link *l)
{
	struct link_incoming *c = &l->cur;
	bool wanted = link_wants_block(l, &c->block);

	if (c->place == PLACE_STORE && wanted)
		store_recv_done(l->t->store, c->block.piece, c->block.begin, c->block.length);
	else if (c->place == PLACE_STORE)
		store_recv_abort(l->t->store, c->block.piece, c->block.begin, c->block.length);
	else if (wanted)
		return c->place == PLACE_SPILL && link_place_block(l->t, &c->block, c->spill) == OK;
	return true;
}

/* All payload of the current block has come. */
static void finish_block(struct link *l)
{
	struct link_incoming *c = &l->cur;
	struct transfer *t = l->t;
	bool settled;

	c->active = false;
	settled = settle_place(l);
	free(c->spill);
	c->spill = NULL;
	if (!settled) {
		link_lost(l, "a block that has no place any more");
		return;
	}
	swarm_on_block(t->swarm, l->ref, c->block, now_ms(l), &t->fx);
	transfer_perform(t);
}

void link_count_payload(struct link *l, size_t n)
{
	struct link_incoming *c = &l->cur;

	c->got += (uint32_t)n;
	if (c->got == c->block.length)
		finish_block(l);
	else
		swarm_on_progress(l->t->swarm, l->ref, (uint32_t)n, now_ms(l));
}

/* Find where the payload of a wanted block goes. */
static int place_block(struct link *l, const struct block_ref *b)
{
	struct link_incoming *c = &l->cur;
	int err;

	*c = (struct link_incoming){.place = PLACE_STORE, .block = *b};
	if (link_other_receiver(l->t, l, b) != NULL) {
		/* Two may not write to one place, and the other one may stall for ever. */
		c->place = PLACE_SPILL;
		c->spill = malloc(b->length);
		c->dst = (struct span){c->spill, b->length};
		err = c->spill == NULL ? ERR_NOMEM : OK;
	} else {
		err = store_recv_span(l->t->store, b->piece, b->begin, b->length, &c->dst);
	}
	if (err != OK && err != ERR_AGAIN) {
		link_lost(l, err == ERR_NOMEM ? "out of memory" : "a block that has no place");
		return ERR_PROTO;
	}
	c->active = err == OK;
	return err;
}

/* The payload of a block is next in the stream. Returns 0, ERR_AGAIN without memory for it, or
 * ERR_PROTO when the link was closed. */
static int begin_block(struct link *l, const struct block_ref *b)
{
	struct transfer *t = l->t;
	struct link_incoming *c = &l->cur;
	int err;

	switch (swarm_judge_block(t->swarm, l->ref, b->piece, b->begin, b->length)) {
	case BLOCK_UNASKED:
		swarm_on_malformed(t->swarm, l->ref, now_ms(l), &t->fx);
		transfer_perform(t);
		link_close(l, "sent a block that was not asked for");
		return ERR_PROTO;
	case BLOCK_USELESS:
		*c = (struct link_incoming){.active = true, .place = PLACE_NOWHERE, .block = *b};
		break;
	case BLOCK_WANTED:
		err = place_block(l, b);
		if (err != OK)
			return err;
		break;
	}
	return OK;
}

/* The first of the bytes [b->begin, b->begin + b->length) of a PIECE message that make a block. */
static struct block_ref first_block(const struct link *l, const struct block_ref *b)
{
	struct block_ref first = *b;

	if (b->length > BLOCK_BYTES && swarm_run_bytes(l->t->swarm, l->ref) > BLOCK_BYTES)
		first.length = BLOCK_BYTES;
	return first;
}

/* Payload of a PIECE message is next in the stream: that of `b`, and of others in a row behind it.
 * Returns as begin_block(). */
static int begin_run(struct link *l, struct block_ref b)
{
	struct block_ref first = first_block(l, &b);
	int err = begin_block(l, &first);

	if (err == OK)
		l->rest = block_behind(&b, first.length);
	return err;
}

static size_t take_payload(struct link *l, struct bytes in)
{
	struct link_incoming *c = &l->cur;
	size_t n = c->block.length - c->got;

	if (n > in.len)
		n = in.len;
	if (n > 0 && c->place != PLACE_NOWHERE)
		memcpy(c->dst.ptr + c->got, in.ptr, n);
	link_count_payload(l, n);
	return n;
}

/* A message for the swarm. A request for blocks in a row is as many requests to it. */
static void hear(struct link *l, struct wire_msg *m)
{
	struct transfer *t = l->t;
	struct block_ref row = {m->index, m->begin, m->length};

	if (m->type == WIRE_PORT && l->node->dht != NULL && !t->meta->private)
		node_dht_on_port(l->node->dht, &l->dht_told, &l->addr, m->port);
	if (m->type == WIRE_REQUEST && row.length <= SWARM_RUN_BYTES) {
		struct block_ref first = first_block(l, &row);

		for (; first.length < row.length; first = first_block(l, &row)) {
			m->begin = first.begin;
			m->length = first.length;
			swarm_on_message(t->swarm, l->ref, m, now_ms(l), &t->fx);
			row = block_behind(&row, first.length);
		}
		m->begin = row.begin;
		m->length = row.length;
	}
	swarm_on_message(t->swarm, l->ref, m, now_ms(l), &t->fx);
	transfer_perform(t);
}

/* One step through a stream. Returns bytes consumed, 0 when more is needed, ERR_AGAIN when memory
 * is, ERR_PROTO when the link is closed. */
static int take_message(struct link *l, struct bytes in)
{
	struct transfer *t = l->t;
	struct wire_msg m;
	int n = wire_piece_head(&m, in);

	if (n == 1) {
		int err = begin_run(l, (struct block_ref){m.index, m.begin, m.length});

		return err == OK ? (int)WIRE_PIECE_HEAD : err;
	}
	if (n == 0)
		return 0;
	n = wire_decode(&m, in);
	if (n < 0) {
		swarm_on_malformed(t->swarm, l->ref, now_ms(l), &t->fx);
		transfer_perform(t);
		link_close(l, "sent a malformed message");
		return ERR_PROTO;
	}
	if (n > 0)
		hear(l, &m);
	return l->state == LINK_DEAD ? ERR_PROTO : n;
}

/* Parse as far as it goes. Returns bytes consumed; the link may be closed, or starved. */
static size_t take_stream(struct link *l, struct bytes in)
{
	size_t used = 0;

	while (used < in.len && l->state != LINK_DEAD) {
		struct bytes rest = bytes_sub(in, used, in.len - used);
		int n;

		if (l->state == LINK_HANDSHAKE) {
			size_t took = link_take_handshake(l, rest);

			if (took == 0)
				break;
			used += took;
			continue;
		}
		if (l->cur.active) {
			used += take_payload(l, rest);
			continue;
		}
		if (l->rest.length > 0) {
			n = begin_run(l, l->rest);
			if (n == OK)
				continue;
		} else {
			n = take_message(l, rest);
		}
		if (n == ERR_AGAIN)
			l->starved = true;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	return used;
}

/* Idle connections own no buffer. */
static void drop_empty_in(struct link *l)
{
	if (l->in.len > 0 || l->in.cap == 0)
		return;
	buf_fini(&l->in);
	buf_init(&l->in, LINK_IN_MAX);
}

void link_take(struct link *l, struct bytes in)
{
	size_t used = l->in.len > 0 ? 0 : take_stream(l, in);

	if (l->state == LINK_DEAD)
		return;
	if (l->in.len > 0) {
		if (buf_put(&l->in, in) == OK)
			buf_consume(&l->in, take_stream(l, buf_bytes(&l->in)));
	} else if (used < in.len) {
		(void)buf_put(&l->in, bytes_sub(in, used, in.len - used));
	}
	if (l->state == LINK_DEAD)
		return;
	if (l->in.err != OK)
		link_lost(l, "out of memory");
	else
		drop_empty_in(l);
}

void link_unstarve(struct link *l)
{
	size_t used;

	if (!l->starved || l->state == LINK_DEAD)
		return;
	l->starved = false;
	used = take_stream(l, buf_bytes(&l->in));
	if (l->state == LINK_DEAD)
		return;
	buf_consume(&l->in, used);
	drop_empty_in(l);
	link_set_interest(l);
}
