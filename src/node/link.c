/* node/link.c - the life of a connection: made, shaken hands with, closed. */
#include "node/link.h"

#include <stdlib.h>

#include "net/tcp.h"

static void link_on_ready(void *arg, unsigned ready);

static struct link *link_new(struct node *n, int fd, const struct addr *addr)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->io = loop_io_new(n->loop, fd, link_on_ready, l);
	if (l->io == NULL) {
		free(l);
		return NULL;
	}
	l->node = n;
	l->fd = fd;
	l->addr = *addr;
	l->ref.slot = UINT32_MAX;
	l->wrote_ms = loop_now_ms(n->loop);
	l->deadline_ms = l->wrote_ms + NODE_HANDSHAKE_MS;
	buf_init(&l->in, LINK_IN_MAX);
	buf_init(&l->out, LINK_OUT_MAX);
	l->next = n->links;
	if (n->links != NULL)
		n->links->prev = l;
	n->links = l;
	n->n_links++;
	return l;
}

static void stranger_link(struct link *l)
{
	struct node *n = l->node;

	l->older = n->newest_stranger;
	if (l->older != NULL)
		l->older->newer = l;
	else
		n->oldest_stranger = l;
	n->newest_stranger = l;
	n->n_strangers++;
}

void link_stranger_gone(struct link *l)
{
	struct node *n = l->node;

	if (l->older != NULL)
		l->older->newer = l->newer;
	else
		n->oldest_stranger = l->newer;
	if (l->newer != NULL)
		l->newer->older = l->older;
	else
		n->newest_stranger = l->older;
	l->older = l->newer = NULL;
	n->n_strangers--;
}

/* Room for one more? A stranger makes way for it; who named a torrent does not. */
static bool make_room(struct node *n)
{
	if (n->n_links >= n->quota.max_peers && n->oldest_stranger != NULL)
		link_close(n->oldest_stranger, NULL);
	return n->n_links < n->quota.max_peers;
}

/* When all places for strangers are taken the one that has been silent for longest makes way: an
 * honest peer names its torrent in a round trip, a flood of silent ones pushes only itself out. */
void link_accept(struct node *n, int fd, const struct addr *from)
{
	struct link *l;

	if (n->n_strangers >= quota_strangers(&n->quota))
		link_close(n->oldest_stranger, NULL);
	if (!make_room(n)) {
		tcp_close(fd);
		return;
	}
	tcp_tune(fd);
	l = link_new(n, fd, from);
	if (l == NULL) {
		tcp_close(fd);
		return;
	}
	l->incoming = true;
	l->state = LINK_HANDSHAKE;
	stranger_link(l);
	loop_io_want(l->io, LOOP_READ);
}

static void dial_as(struct transfer *t, const struct addr *to, bool encrypt, bool second)
{
	struct node *n = t->node;
	struct link *l = NULL;
	int fd = -1;

	if (make_room(n))
		fd = tcp_connect(to);
	if (fd >= 0)
		l = link_new(n, fd, to);
	if (l == NULL) {
		if (fd >= 0)
			tcp_close(fd);
		swarm_on_dial_failed(t->swarm, to, loop_now_ms(n->loop), &t->fx);
		return;
	}
	l->t = t;
	l->encrypt = encrypt;
	l->second = second;
	l->state = LINK_CONNECTING;
	loop_io_want(l->io, LOOP_WRITE);
}

void link_dial(struct transfer *t, const struct addr *to)
{
	dial_as(t, to, t->node->encryption != NODE_ENCRYPT_ACCEPT, false);
}

/* Who closes without a word may want it encrypted, or know no encryption. */
static bool wants_other_way(const struct link *l)
{
	return l->t != NULL && !l->incoming && l->state == LINK_HANDSHAKE && !l->heard &&
	       !l->second && !l->t->leaving && l->node->encryption != NODE_ENCRYPT_REQUIRE;
}

void link_close(struct link *l, const char *reason)
{
	struct node *n = l->node;
	char text[ADDR_TEXT_MAX];

	if (l->state == LINK_DEAD)
		return;
	if (reason != NULL)
		node_log(n, "%s: %s", addr_text(text, &l->addr), reason);
	link_recv_drop(l);
	throttle_drop(l);
	if (l->t == NULL)
		link_stranger_gone(l);
	else if (transfer_link(l->t, l->ref) == l)
		transfer_set_link(l->t, l->ref, NULL);
	l->state = LINK_DEAD;
	loop_io_free(l->io);
	l->io = NULL;
	if (l->reply_timer != NULL)
		loop_timer_free(l->reply_timer);
	l->reply_timer = NULL;
	tcp_close(l->fd);
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		n->links = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	n->n_links--;
	n->message_bytes -= l->counted;
	l->next_grave = n->grave;
	n->grave = l;
}

void link_lost(struct link *l, const char *reason)
{
	struct transfer *t = l->t;
	enum link_state was = l->state;
	struct peer_ref ref = l->ref;
	struct addr addr = l->addr;
	bool dialed = !l->incoming, other_way = wants_other_way(l), encrypt = !l->encrypt;
	uint64_t now = loop_now_ms(l->node->loop);

	if (was == LINK_DEAD)
		return;
	link_close(l, reason);
	if (t == NULL)
		return;
	if (was == LINK_OPEN)
		swarm_on_closed(t->swarm, ref, now, &t->fx);
	else if (other_way)
		dial_as(t, &addr, encrypt, true);
	else if (dialed)
		swarm_on_dial_failed(t->swarm, &addr, now, &t->fx);
	transfer_perform(t);
}

void link_count(struct link *l)
{
	size_t now = l->in.cap + l->out.cap;

	if (l->state == LINK_DEAD)
		return; /* link_close() has settled it */
	l->node->message_bytes += now - l->counted;
	l->counted = now;
}

void links_shed(struct node *n)
{
	while (n->message_bytes > quota_message_bytes(&n->quota)) {
		struct link *most = n->links;

		for (struct link *l = n->links; l != NULL; l = l->next)
			if (l->counted > most->counted)
				most = l;
		link_lost(most, "holds more than its share of our memory");
	}
}

void link_mark_dirty(struct link *l)
{
	if (l->in_dirty || l->state == LINK_DEAD)
		return;
	l->in_dirty = true;
	l->next_dirty = l->node->dirty;
	l->node->dirty = l;
}

bool link_is_clogged(const struct link *l)
{
	size_t most = LINK_OUT_PAUSE;

	if (l->t != NULL)
		most += l->t->meta->n_pieces / 8;
	return l->out.len - l->out_sent > most;
}

void link_set_interest(struct link *l)
{
	unsigned want = 0;

	if (l->state == LINK_DEAD)
		return;
	if (!l->starved && !link_is_clogged(l) && !l->throttle.waits[DIR_DOWN])
		want |= LOOP_READ;
	if (l->wants_write)
		want |= LOOP_WRITE;
	loop_io_want(l->io, want);
}

/* Where a REQUEST has its length, and where it ends. */
#define REQUEST_LENGTH_AT 13u
#define REQUEST_BYTES 17u

/* The request before goes on with this one, and waits still: then it asks for both. */
static bool join_request(struct link *l, const struct wire_msg *m)
{
	uint32_t most = swarm_run_bytes(l->t->swarm, l->ref), begin, length;
	uint8_t *last;

	if (most == BLOCK_BYTES || l->out.len != l->last_message + REQUEST_BYTES ||
	    l->out_sent > l->last_message || link_sealed_bytes(l) > l->last_message ||
	    m->type != WIRE_REQUEST)
		return false;
	last = l->out.ptr + l->last_message;
	begin = be32(last + 9);
	length = be32(last + REQUEST_LENGTH_AT);
	if (be32(last) != REQUEST_BYTES - 4 || last[4] != WIRE_REQUEST ||
	    be32(last + 5) != m->index || begin + length != m->begin ||
	    begin / most != m->begin / most)
		return false;
	put_be32(last + REQUEST_LENGTH_AT, length + m->length);
	return true;
}

void link_send(struct link *l, const struct wire_msg *m)
{
	if (l->state != LINK_OPEN)
		return;
	if (!join_request(l, m)) {
		l->last_message = l->out.len;
		/* An overflow is noticed by link_flush(), which may close; here nobody expects it.
		 */
		(void)wire_encode(&l->out, m);
	}
	link_mark_dirty(l);
}

static void on_connected(struct link *l)
{
	int err = tcp_connect_result(l->fd);

	if (err != OK) {
		link_lost(l, err_text(err));
		return;
	}
	tcp_tune(l->fd);
	l->rtt_us = tcp_rtt_us(l->fd);
	l->state = LINK_HANDSHAKE;
	loop_io_want(l->io, LOOP_READ);
	if (!l->encrypt)
		link_send_handshake(l, meta_swarm_hash(l->t->meta));
	else if (link_crypt_dial(l) != OK)
		link_lost(l, "out of memory");
}

static void link_on_ready(void *arg, unsigned ready)
{
	struct link *l = arg;
	struct node *n = l->node;

	if (l->state == LINK_CONNECTING)
		on_connected(l);
	else if ((ready & LOOP_READ) != 0)
		link_read(l);
	if (l->state != LINK_DEAD && (ready & LOOP_WRITE) != 0) {
		l->wants_write = false;
		link_mark_dirty(l);
	}
	link_count(l);
	node_settle(n);
}
