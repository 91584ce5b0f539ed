/* node/link_plan.c - bytes from the socket, payload straight to its place.
 *
 * The blocks we asked for come as 13 bytes of head and 16 KiB of payload, one after the other,
 * mostly in the order they were asked. So one readv() is laid out over
 *
 *     [rest of the block that is coming] [head][payload] [head][payload] ... [scratch]
 *
 * with each payload pointing into its slab, and one head for a whole row of payloads where the peer
 * sends blocks in runs (swarm_run_bytes()). Afterwards the heads are compared with what was
 * predicted. Where one differs (a HAVE came between, the peer serves in another order), the bytes
 * from there on are put in line again and parsed as an ordinary stream, which costs one copy. */
#include "node/link.h"

#include <errno.h>
#include <sys/uio.h>

struct forecast {
	struct block_ref block;
	/* Payload of the message that begins with this block; 0: it is inside of one. */
	uint32_t run;
	uint8_t head[WIRE_PIECE_HEAD];
	struct span dst;
};

#define PLAN_PARTS (2 + 2 * LINK_RECV_BLOCKS)

struct plan {
	struct iovec iov[PLAN_PARTS];
	int n_iov;
	size_t rest; /* bytes of iov[0] that belong to the block under way */
	struct forecast next[LINK_RECV_BLOCKS];
	uint32_t n_next;
	bool short_of_memory;
};

/* Read no more than this while slabs are out: it would only pile up. */
#define READ_WHEN_SHORT 4096u
/* Nor than this from a peer that owes us nothing: requests come in small numbers, or are a
 * flood (O-15). */
#define READ_WHEN_IDLE (32u * 1024u)

static void plan_add(struct plan *p, void *ptr, size_t len)
{
	p->iov[p->n_iov++] = (struct iovec){.iov_base = ptr, .iov_len = len};
}

/* How long will the message be that begins with next[0]? The peer joins what lies in a row, up to a
 * multiple of its longest run. */
static uint32_t forecast_run(const struct block_ref *next, uint32_t n, uint32_t most)
{
	uint32_t end = next[0].begin + next[0].length;

	for (uint32_t i = 1; i < n && next[i].piece == next[0].piece && next[i].begin == end &&
			     next[i].begin / most == next[0].begin / most;
	     i++)
		end += next[i].length;
	return end - next[0].begin;
}

/* Append a block that we expect; `rest` is what the message before it has left, and moves on.
 * False: nothing can be foretold from here on. */
static bool plan_block(struct link *l, struct plan *p, const struct block_ref *b, uint32_t run,
		       struct block_ref *rest)
{
	struct transfer *t = l->t;
	struct forecast *f = &p->next[p->n_next];
	bool inside = rest->length > 0;
	int err;

	if (inside && (b->piece != rest->piece || b->begin != rest->begin))
		return false;
	if (!link_wants_block(l, b) || link_other_receiver(l->t, l, b) != NULL)
		return false;
	err = store_recv_span(t->store, b->piece, b->begin, b->length, &f->dst);
	p->short_of_memory = err == ERR_AGAIN;
	if (err != OK)
		return false;
	f->block = *b;
	f->run = inside ? 0 : run;
	if (!inside) {
		*rest = (struct block_ref){b->piece, b->begin, run};
		plan_add(p, f->head, sizeof(f->head));
	}
	*rest = block_behind(rest, b->length);
	plan_add(p, f->dst.ptr, b->length);
	p->n_next++;
	return true;
}

/* Append the blocks we expect next, as far as there is room and nobody else is at them. */
static void plan_forecasts(struct link *l, struct plan *p)
{
	struct block_ref next[LINK_RECV_BLOCKS + SWARM_RUN_BYTES / BLOCK_BYTES], rest = l->rest;
	uint32_t n = swarm_expected(l->t->swarm, l->ref, next, sizeof(next) / sizeof(next[0]));
	uint32_t most = swarm_run_bytes(l->t->swarm, l->ref);

	for (uint32_t i = 0; i < n && p->n_next < LINK_RECV_BLOCKS; i++) {
		const struct block_ref *b = &next[i];

		/* The block under way is still among the expected ones. */
		if (l->cur.active && b->piece == l->cur.block.piece &&
		    b->begin == l->cur.block.begin)
			continue;
		if (!plan_block(l, p, b, forecast_run(b, n - i, most), &rest))
			break;
	}
}

static size_t scratch_bytes(const struct link *l, const struct plan *p)
{
	if (p->short_of_memory)
		return READ_WHEN_SHORT;
	return p->n_next > 0 || l->cur.active ? NODE_SCRATCH_BYTES : READ_WHEN_IDLE;
}

/* Lay out the scatter read. */
static void make_plan(struct link *l, struct plan *p)
{
	struct node *n = l->node;
	struct link_incoming *c = &l->cur;

	p->n_iov = 0;
	p->n_next = 0;
	p->rest = 0;
	p->short_of_memory = false;
	if (l->state == LINK_OPEN && l->in.len == 0 && l->crypt == NULL) {
		if (c->active) {
			p->rest = c->block.length - c->got;
			plan_add(p, c->place == PLACE_NOWHERE ? n->sink : c->dst.ptr + c->got,
				 p->rest);
		}
		plan_forecasts(l, p);
	}
	if (p->n_next < LINK_RECV_BLOCKS / 2)
		plan_add(p, n->scratch_in, scratch_bytes(l, p));
}

/* Copy the `left` bytes that were scattered from iovec `i` on, in line. */
static void gather(const struct plan *p, int i, size_t left, struct buf *line)
{
	for (; left > 0 && i < p->n_iov; i++) {
		size_t n = p->iov[i].iov_len < left ? p->iov[i].iov_len : left;

		(void)buf_put(line, bytes_of(p->iov[i].iov_base, n));
		left -= n;
	}
}

/* Bytes of head before the payload of `f`, if of `n` bytes that were read those are what was
 * foretold, and some payload inside of a message; else -1. */
static int head_fits(const struct forecast *f, size_t n)
{
	uint8_t want[WIRE_PIECE_HEAD];

	if (f->run == 0)
		return n > 0 ? 0 : -1;
	wire_put_piece_head(want, f->block.piece, f->block.begin, f->run);
	return n >= sizeof(want) && memcmp(want, f->head, sizeof(want)) == 0 ? (int)sizeof(want)
									     : -1;
}

static void abort_forecasts(struct link *l, const struct plan *p, uint32_t from)
{
	for (uint32_t i = from; i < p->n_next; i++) {
		const struct block_ref *b = &p->next[i].block;

		store_recv_abort(l->t->store, b->piece, b->begin, b->length);
	}
}

/* A block whose head was predicted rightly: its payload, or the first part of it, is in place. */
static void take_forecast(struct link *l, const struct forecast *f, size_t got)
{
	struct block_ref run = {f->block.piece, f->block.begin, f->run};

	l->rest = block_behind(f->run == 0 ? &l->rest : &run, f->block.length);
	l->cur = (struct link_incoming){
	    .active = true, .place = PLACE_STORE, .block = f->block, .dst = f->dst};
	link_count_payload(l, got);
}

/* What did not come as predicted: `n` bytes from iovec `i` on; forecasts from `k` on are void.
 * Their places are given back only after the bytes in them were copied, since slabs may go with
 * them. */
static void take_rest(struct link *l, const struct plan *p, int i, uint32_t k, size_t n)
{
	struct buf line;

	buf_init(&line, n);
	if (l->state == LINK_DEAD)
		n = 0;
	if (k < p->n_next)
		gather(p, i, n, &line);
	abort_forecasts(l, p, k);
	if (line.err != OK)
		link_lost(l, "out of memory");
	else if (n > 0)
		link_take(l, k < p->n_next ? buf_bytes(&line) : bytes_of(p->iov[i].iov_base, n));
	buf_fini(&line);
}

/* `n` bytes were read according to the plan. */
static void walk_plan(struct link *l, const struct plan *p, size_t n)
{
	int i = 0;
	uint32_t k = 0;

	if (p->rest > 0) {
		size_t got = n < p->rest ? n : p->rest;

		link_count_payload(l, got);
		n -= got;
		i = 1;
	}
	for (; k < p->n_next && l->state != LINK_DEAD; k++) {
		const struct forecast *f = &p->next[k];
		int head = head_fits(f, n);
		size_t got = n - (head > 0 ? (size_t)head : 0);

		/* An earlier block of this very read may have changed what is wanted. */
		if (head < 0 || !link_wants_block(l, &f->block))
			break;
		if (got > f->block.length)
			got = f->block.length;
		take_forecast(l, f, got);
		n -= (size_t)head + got;
		i += head > 0 ? 2 : 1;
	}
	take_rest(l, p, i, k, n);
}

/* As much of the plan as may be read now. Returns its bytes, and in *n_iov its parts. */
static size_t cut_plan(const struct plan *p, uint64_t most, struct iovec *iov, int *n_iov)
{
	size_t sum = 0;

	for (*n_iov = 0; *n_iov < p->n_iov && sum < most; (*n_iov)++) {
		iov[*n_iov] = p->iov[*n_iov];
		if (iov[*n_iov].iov_len > most - sum)
			iov[*n_iov].iov_len = (size_t)(most - sum);
		sum += iov[*n_iov].iov_len;
	}
	return sum;
}

void link_read(struct link *l)
{
	for (int round = 0; round < LINK_READ_ROUNDS; round++) {
		uint64_t most = throttle_allows(l, DIR_DOWN);
		struct iovec iov[PLAN_PARTS];
		struct plan p;
		ssize_t n;
		size_t asked;
		int n_iov;

		if (most == 0) {
			link_set_interest(l);
			return;
		}
		make_plan(l, &p);
		asked = cut_plan(&p, most, iov, &n_iov);
		n = stream_readv(&l->stream, iov, n_iov);
		if (n <= 0) {
			int error = errno;

			abort_forecasts(l, &p, 0);
			if (n < 0 && (error == EAGAIN || error == EINTR))
				return;
			link_lost(l, n == 0 ? "closed the connection" : strerror(error));
			return;
		}
		throttle_took(l, DIR_DOWN, (uint64_t)n);
		l->heard = true;
		if (n < LINK_SMALL_READ && l->n_up == 0)
			stream_ack_now(&l->stream);
		if (l->crypt != NULL)
			link_crypt_take(l, l->node->scratch_in, (size_t)n);
		else
			walk_plan(l, &p, (size_t)n);
		if (l->state == LINK_DEAD)
			return;
		if (l->starved || link_is_clogged(l)) {
			link_set_interest(l);
			return;
		}
		if ((size_t)n < asked)
			return;
	}
}
