/* node/link_send.c - messages and blocks to the socket.
 *
 * Blocks are pulled from the swarm only while the socket takes them, so a choke or cancel finds
 * them still in the queue. Payload goes from the page cache to the socket without a copy: a slow
 * peer holds no memory of ours. What is not in the page cache is fetched by a worker first; the
 * loop never waits for the disk.
 *
 * To a peer that takes it, blocks in a row go as one PIECE message (swarm_run_bytes()). */
#include "node/link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Write what the socket takes. Returns bytes, 0 the socket is full, -1 closed. */
static ssize_t write_some(struct link *l, const uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = stream_write(&l->stream, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		l->written += (uint64_t)n;
		return n;
	}
	if (errno == EAGAIN) {
		l->wants_write = true;
		return 0;
	}
	link_lost(l, strerror(errno));
	return -1;
}

uint64_t link_took_ms(struct link *l)
{
	uint64_t acked = l->written - stream_unacked(&l->stream);

	if (acked != l->acked) {
		l->acked = acked;
		l->wrote_ms = loop_now_ms(l->node->loop);
	}
	return l->wrote_ms;
}

/* Write pending messages. Returns 1 all out, 0 the socket is full, -1 closed. */
static int flush_messages(struct link *l)
{
	link_seal(l);
	while (l->out_sent < l->out.len) {
		ssize_t n = write_some(l, l->out.ptr + l->out_sent, l->out.len - l->out_sent);

		if (n <= 0)
			return (int)n;
		l->out_sent += (size_t)n;
		l->wrote_ms = loop_now_ms(l->node->loop);
	}
	l->out_sent = 0;
	link_seal_cleared(l);
	if (l->out.cap > LINK_OUT_KEEP) {
		buf_fini(&l->out);
		buf_init(&l->out, LINK_OUT_MAX);
	}
	buf_clear(&l->out);
	return 1;
}

bool link_flush_messages(struct link *l)
{
	return l->wants_write || flush_messages(l) >= 0;
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

/* How many of l->up, from the first one on, lie in a row within `most` bytes. A row ends where a
 * multiple of `most` does, which the peer counts on when it lays out its reads. */
static uint32_t row_of(const struct link *l, uint32_t most, uint32_t *bytes)
{
	const struct block_ref *first = &l->up[0];
	uint32_t n = 1, end = first->begin + first->length;

	while (n < l->n_up && l->up[n].piece == first->piece && l->up[n].begin == end &&
	       l->up[n].begin / most == first->begin / most &&
	       end + l->up[n].length - first->begin <= most)
		end += l->up[n++].length;
	*bytes = end - first->begin;
	return n;
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

/* Is the message, and what lies in a row behind it, in the page cache? Else it is fetched. False:
 * not now, or the link is closed. */
static bool make_ready(struct link *l)
{
	const struct block_ref *b = &l->up[0];
	uint32_t bytes;
	int err;

	if (l->n_ready >= l->msg_blocks)
		return true;
	l->n_ready = row_of(l, LINK_SEND_ROW, &bytes);
	err = store_ready(l->t->store, b->piece, b->begin, bytes);
	if (err != OK && l->n_ready > l->msg_blocks) {
		l->n_ready = l->msg_blocks;
		err = store_ready(l->t->store, b->piece, b->begin, l->msg_bytes);
	}
	if (err == OK)
		return true;
	l->n_ready = 0;
	if (err == ERR_AGAIN) {
		l->fetching = store_fetch(l->t->store, b->piece, b->begin, l->msg_bytes,
					  (uint64_t)l->ref.gen << 32 | l->ref.slot) == OK;
		if (!l->fetching)
			link_lost(l, "out of memory");
	} else {
		lose_piece(l, b->piece, err);
	}
	return false;
}

/* What is left of the head. Returns 1 all out, 0 the socket is full, -1 closed. */
static int send_head(struct link *l)
{
	uint8_t head[WIRE_PIECE_HEAD];
	ssize_t n;

	wire_put_piece_head(head, l->up[0].piece, l->up[0].begin, l->msg_bytes);
	do
		n = send(l->stream.fd, head + l->msg_sent, sizeof(head) - l->msg_sent, MSG_MORE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		link_lost(l, strerror(errno));
		return -1;
	}
	l->msg_sent += n > 0 ? (uint32_t)n : 0;
	l->written += n > 0 ? (uint64_t)n : 0;
	return l->msg_sent == sizeof(head);
}

/* The same for the payload. */
static int send_payload(struct link *l)
{
	const struct block_ref *b = &l->up[0];
	uint32_t at = l->msg_sent - WIRE_PIECE_HEAD, n;
	int err =
	    store_send(l->t->store, l->stream.fd, b->piece, b->begin + at, l->msg_bytes - at, &n);

	l->msg_sent += n;
	l->written += n;
	if (n > 0)
		swarm_on_sent(l->t->swarm, l->ref, n, loop_now_ms(l->node->loop));
	if (err == OK)
		return n == l->msg_bytes - at;
	if (err == ERR_UNREACHABLE)
		link_lost(l, "takes nothing any more");
	else
		lose_piece(l, b->piece, err);
	return -1;
}

/* Choose the next message. False: others are to go first. With a limit it is one block: what is
 * begun is sent whole. */
static bool begin_blocks(struct link *l)
{
	uint64_t most = throttle_allows(l, DIR_UP);
	uint32_t run = most == UINT64_MAX ? swarm_run_bytes(l->t->swarm, l->ref) : BLOCK_BYTES;

	if (most == 0)
		return false;
	l->msg_blocks = row_of(l, run, &l->msg_bytes);
	throttle_took(l, DIR_UP, l->msg_bytes);
	return true;
}

bool link_copies_blocks(const struct link *l)
{
	return stream_is_utp(&l->stream) || link_is_sealed(l);
}

/* A whole message, which waits with the others. Returns 1, 0 to fetch it anew, or -1 closed. */
static int queue_blocks(struct link *l)
{
	const struct block_ref *b = &l->up[0];
	uint8_t head[WIRE_PIECE_HEAD];
	struct span to;
	int err;

	wire_put_piece_head(head, b->piece, b->begin, l->msg_bytes);
	if (buf_put(&l->out, bytes_of(head, sizeof(head))) < 0 ||
	    buf_reserve(&l->out, l->msg_bytes, &to) < 0) {
		link_lost(l, "out of memory");
		return -1;
	}
	err = store_copy(l->t->store, b->piece, b->begin, to);
	if (err == ERR_AGAIN) {
		l->out.len -= sizeof(head);
		return 0;
	}
	if (err != OK) {
		lose_piece(l, b->piece, err);
		return -1;
	}
	buf_commit(&l->out, to.len);
	swarm_on_sent(l->t->swarm, l->ref, l->msg_bytes, loop_now_ms(l->node->loop));
	return 1;
}

/* One message of blocks. Returns 1 all out, 0 to wait, -1 closed. */
static int send_blocks(struct link *l)
{
	bool copies = link_copies_blocks(l);
	uint32_t before = l->msg_sent;
	int out = 1;

	if (l->msg_blocks == 0 && !begin_blocks(l))
		return 0;
	if (!make_ready(l))
		return l->state == LINK_DEAD ? -1 : 0;
	if (copies)
		out = queue_blocks(l);
	else if (l->msg_sent < WIRE_PIECE_HEAD)
		out = send_head(l);
	if (out == 1 && !copies)
		out = send_payload(l);
	if (out < 0)
		return -1;
	if (l->msg_sent > before)
		l->wrote_ms = loop_now_ms(l->node->loop);
	if (out == 0) {
		l->wants_write = true;
		l->n_ready = 0; /* until then the cache may have lost it */
		return 0;
	}
	l->n_up -= l->msg_blocks;
	l->n_ready -= l->msg_blocks;
	memmove(l->up, l->up + l->msg_blocks, l->n_up * sizeof(l->up[0]));
	l->msg_blocks = l->msg_sent = 0;
	l->reply_at_ms = 0;
	return 1;
}

static void on_reply_due(void *arg)
{
	struct link *l = arg;
	struct node *n = l->node;

	link_mark_dirty(l);
	node_settle(n);
}

/* node_set_reply_delay(): is the next message of blocks still held back? */
static bool is_held_back(struct link *l)
{
	struct node *n = l->node;
	uint64_t now = loop_now_ms(n->loop);

	if (n->reply_delay_ms == 0 || l->n_up == 0 || l->msg_blocks > 0)
		return false;
	if (l->reply_at_ms == 0)
		l->reply_at_ms = now + n->reply_delay_ms;
	if (now >= l->reply_at_ms)
		return false;
	if (l->reply_timer == NULL)
		l->reply_timer = loop_timer_new(n->loop, on_reply_due, l);
	if (l->reply_timer == NULL)
		return false; /* without memory it is not held back */
	loop_timer_set(l->reply_timer, l->reply_at_ms - now);
	return true;
}

static void send_all(struct link *l)
{
	uint64_t sent = 0;

	while (sent < LINK_WRITE_BYTES) {
		/* A message of blocks that is half out goes first: others may not cut into it. */
		if (l->msg_sent == 0 && flush_messages(l) != 1)
			return;
		if (l->state != LINK_OPEN || l->fetching)
			return;
		if (l->uploading)
			pull_blocks(l);
		if (l->n_up == 0 || is_held_back(l) || send_blocks(l) != 1)
			return;
		sent += l->msg_bytes;
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
	link_count(l);
	link_set_interest(l);
}

void link_on_fetched(struct link *l, enum err code)
{
	l->fetching = false;
	if (code != OK && l->n_up > 0) {
		lose_piece(l, l->up[0].piece, code);
		return;
	}
	/* Sent without another look: what the cache never keeps would be fetched for ever. */
	l->n_ready = l->msg_blocks;
	link_mark_dirty(l);
}
