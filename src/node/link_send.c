/* node/link_send.c - messages and blocks to the socket.
 *
 * Blocks are pulled from the swarm only while the socket takes them, so a choke or cancel finds
 * them still in the queue. What the socket did not take is forgotten and copied again from the
 * page cache later: a slow peer holds no memory. A block that is not in the page cache is
 * fetched by a worker; the loop never waits for the disk. */
#include "node/link.h"

#include <errno.h>
#include <unistd.h>

/* Blocks for one write(), heads and payloads laid out in the node's send scratch. */
struct batch {
	uint8_t *at;
	size_t len;
	uint32_t blocks;
};

static size_t whole(const struct block_ref *b)
{
	return WIRE_PIECE_HEAD + (size_t)b->length;
}

/* Write what the socket takes. Returns bytes, 0 the socket is full, -1 closed. */
static ssize_t write_some(struct link *l, const uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = write(l->fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN) {
		l->wants_write = true;
		return 0;
	}
	link_lost(l, strerror(errno));
	return -1;
}

/* Write pending messages. Returns 1 all out, 0 the socket is full, -1 closed. */
static int flush_messages(struct link *l)
{
	while (l->out_sent < l->out.len) {
		ssize_t n = write_some(l, l->out.ptr + l->out_sent, l->out.len - l->out_sent);

		if (n <= 0)
			return (int)n;
		l->out_sent += (size_t)n;
		l->wrote_ms = loop_now_ms(l->node->loop);
	}
	l->out_sent = 0;
	if (l->out.cap > LINK_OUT_KEEP) {
		buf_fini(&l->out);
		buf_init(&l->out, LINK_OUT_MAX);
	}
	buf_clear(&l->out);
	return 1;
}

static void pull_blocks(struct link *l)
{
	while (l->n_up < LINK_SEND_BLOCKS) {
		if (!swarm_next_upload(l->t->swarm, l->ref, &l->up[l->n_up])) {
			l->uploading = false;
			return;
		}
		l->n_up++;
	}
}

static bool goes_on(const struct block_ref *a, const struct block_ref *b)
{
	return b->piece == a->piece && b->begin == a->begin + a->length;
}

/* Copy l->up[from], and up to `max` - 1 more that lie behind it in the piece, to the end of the
 * batch. Returns how many were copied, or an error of the store. */
static int add_run(struct link *l, struct batch *batch, uint32_t from, uint32_t max)
{
	struct span to[LINK_SEND_BLOCKS];
	size_t len = batch->len;
	uint32_t n = 0;
	int err;

	while (n < max && whole(&l->up[from + n]) <= NODE_SCRATCH_BYTES - len &&
	       (n == 0 || goes_on(&l->up[from + n - 1], &l->up[from + n]))) {
		const struct block_ref *b = &l->up[from + n];

		wire_put_piece_head(batch->at + len, b->piece, b->begin, b->length);
		to[n++] = (struct span){batch->at + len + WIRE_PIECE_HEAD, b->length};
		len += whole(b);
	}
	if (n == 0)
		return 0;
	err = store_read(l->t->store, l->up[from].piece, l->up[from].begin, to, n);
	if (err != OK)
		return err;
	batch->len = len;
	batch->blocks += n;
	return (int)n;
}

/* Fill the batch from l->up. Stops at a block that must be fetched from disk first; and after one
 * that is half out while messages wait, or they would wait for as long as the peer asks for more.
 * Returns 0, or an error of the store other than ERR_AGAIN. */
static int fill_batch(struct link *l, struct batch *batch)
{
	uint32_t n = l->up_sent > 0 && l->out.len > 0 ? 1 : l->n_up;
	int took = 1;

	*batch = (struct batch){.at = l->node->scratch_out};
	while (took > 0 && batch->blocks < n) {
		took = add_run(l, batch, batch->blocks, n - batch->blocks);
		/* Not all of the run is in the page cache, but its first block may be. */
		if (took == ERR_AGAIN)
			took = add_run(l, batch, batch->blocks, 1);
	}
	if (took == ERR_AGAIN && batch->blocks == 0) {
		const struct block_ref *b = &l->up[0];

		l->fetching = true;
		store_fetch(l->t->store, b->piece, b->begin, b->length,
			    (uint64_t)l->ref.gen << 32 | l->ref.slot);
	}
	return took < 0 && took != ERR_AGAIN ? took : OK;
}

/* `n` more bytes of the blocks went out. */
static void count_sent(struct link *l, size_t n)
{
	uint32_t done = 0;

	l->up_sent += (uint32_t)n;
	l->wrote_ms = loop_now_ms(l->node->loop);
	while (done < l->n_up && l->up_sent >= whole(&l->up[done])) {
		l->up_sent -= (uint32_t)whole(&l->up[done]);
		swarm_on_sent(l->t->swarm, l->ref, l->up[done].length, loop_now_ms(l->node->loop));
		done++;
	}
	l->n_up -= done;
	memmove(l->up, l->up + done, l->n_up * sizeof(l->up[0]));
}

/* The first block that is due cannot be read. When its file was changed under us, nobody shall
 * be offered the piece again. */
static void lose_piece(struct link *l, uint32_t piece, int code)
{
	struct transfer *t = l->t;

	link_lost(l, "data on disk cannot be read any more");
	if (code == ERR_MISMATCH || code == ERR_NOENT)
		transfer_piece_gone(t, piece);
}

/* One write of blocks. Returns 1 to go on, 0 to wait, -1 closed. */
static int send_batch(struct link *l)
{
	struct batch batch;
	ssize_t n;
	int err = fill_batch(l, &batch);

	if (err != OK) {
		lose_piece(l, l->up[batch.blocks].piece, err);
		return -1;
	}
	if (batch.blocks == 0)
		return 0;
	n = write_some(l, batch.at + l->up_sent, batch.len - l->up_sent);
	if (n <= 0)
		return (int)n;
	if ((size_t)n < batch.len - l->up_sent)
		l->wants_write = true;
	count_sent(l, (size_t)n);
	return l->wants_write ? 0 : 1;
}

static void send_all(struct link *l)
{
	for (int round = 0; round < LINK_WRITE_ROUNDS; round++) {
		/* A block that is half out goes first: messages may not cut into it. */
		if (l->up_sent == 0 && flush_messages(l) != 1)
			return;
		if (l->state != LINK_OPEN || l->fetching)
			return;
		if (l->uploading)
			pull_blocks(l);
		if (l->n_up == 0)
			return;
		if (send_batch(l) != 1)
			return;
	}
	l->wants_write = true; /* others first; the socket will say that it has room */
}

void link_flush(struct link *l)
{
	if (l->state == LINK_DEAD || l->state == LINK_CONNECTING)
		return;
	if (l->out.err != OK) {
		link_lost(l, "does not read what it is sent");
		return;
	}
	if (!l->wants_write)
		send_all(l);
	link_set_interest(l);
}

void link_on_fetched(struct link *l, enum err code)
{
	l->fetching = false;
	if (code != OK && l->n_up > 0)
		lose_piece(l, l->up[0].piece, code);
	else
		link_mark_dirty(l);
}
