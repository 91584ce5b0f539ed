/* node/link.c - the life of a connection: made, shaken hands with, closed. */
#include "node/link.h"

#include <stdlib.h>

#include "net/tcp.h"
#include "node/dial.h"

static void link_on_ready(void *arg, unsigned ready);

/* Takes over the stream. NULL: it is closed. */
static struct link *link_new(struct node *n, struct stream *s, const struct addr *addr)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL || stream_move(&l->stream, s, n->loop, link_on_ready, l) != OK) {
		free(l);
		stream_close(s);
		return NULL;
	}
	l->node = n;
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
	link_count_host(l, true);
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

/* When all places for strangers are taken the one that has been silent for longest makes way: an
 * honest peer names its torrent in a round trip, a flood of silent ones pushes only itself out. */
static bool has_place(struct node *n, const struct addr *from)
{
	if (n->n_strangers >= quota_strangers(&n->quota))
		link_close(n->oldest_stranger, NULL);
	return link_make_room(n, from);
}

static void accepted(struct link *l)
{
	if (l == NULL)
		return;
	l->incoming = true;
	l->state = LINK_HANDSHAKE;
	stranger_link(l);
	stream_want(&l->stream, LOOP_READ);
}

void link_accept(struct node *n, int fd, const struct addr *from)
{
	if (!has_place(n, from)) {
		tcp_close(fd);
		return;
	}
	tcp_tune(fd);
	accepted(link_new(n, &(struct stream){.fd = fd}, from));
}

void link_accept_utp(struct node *n, struct utp_stream *u, const struct addr *from)
{
	if (has_place(n, from))
		accepted(link_new(n, &(struct stream){.fd = -1, .utp = u}, from));
	else
		utp_stream_reset(u);
}

/* `took`: the place that it had in the other way was another's. */
static void dial_as(struct transfer *t, struct dial d, bool took)
{
	struct node *n = t->node;
	struct link *l = NULL;
	struct stream s;
	bool takes;
	int err = link_room_for(t, &d.to, &takes) ? dial_begin(n, &d, &s) : ERR_TOO_BIG;

	if (err == OK) {
		l = link_new(n, &s, &d.to);
		err = l == NULL ? ERR_NOMEM : OK;
	}
	if (dial_is_want(err))
		swarm_on_not_dialled(t->swarm, &d.to, loop_now_ms(n->loop), &t->fx);
	else if (err != OK)
		swarm_on_dial_failed(t->swarm, &d.to, loop_now_ms(n->loop), &t->fx);
	if (l == NULL)
		return;
	l->t = t;
	l->took = took || takes;
	l->encrypt = d.encrypt;
	l->second = d.second;
	l->utp_next = d.utp_next;
	l->deadline_ms = dial_deadline_ms(n, &d);
	l->state = LINK_CONNECTING;
	stream_want(&l->stream, LOOP_WRITE);
}

void link_dial(struct transfer *t, const struct addr *to)
{
	dial_as(t, dial_first(t->node, to), false);
}

void link_dial_utp(struct transfer *t, const struct addr *to)
{
	dial_as(t, dial_utp(t->node, to), false);
}

void link_adopt(struct transfer *t, struct link_passing *g)
{
	struct node *n = t->node;
	struct link *l = NULL;

	if (transfer_takes(t, &g->from) && link_make_room(n, &g->from))
		l = link_new(n, &g->stream, &g->from);
	else
		stream_close(&g->stream);
	if (l == NULL)
		return;
	l->t = t;
	l->incoming = g->incoming;
	l->state = LINK_HANDSHAKE;
	l->handshake_sent = l->heard = true;
	(void)buf_put(&l->out, g->out);
	if (l->out.err != OK || (g->rc4 && link_crypt_resume(l, &g->reads, &g->writes) != OK)) {
		link_close(l, "out of memory");
		return;
	}
	link_resume(l, g->hello);
	if (l->state == LINK_OPEN)
		link_take(l, g->in);
	link_mark_dirty(l);
	link_count(l);
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
		(void)transfer_set_link(l->t, l->ref, NULL);
	l->state = LINK_DEAD;
	loop_timer_free(l->reply_timer);
	l->reply_timer = NULL;
	if (l->t == NULL)
		stream_drop(&l->stream);
	else
		stream_close(&l->stream);
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		n->links = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	n->n_links--;
	link_count_host(l, false);
	n->message_bytes -= l->counted;
	l->next_grave = n->grave;
	n->grave = l;
}

void link_lost(struct link *l, const char *reason)
{
	struct transfer *t = l->t;
	enum link_state was = l->state;
	struct peer_ref ref = l->ref;
	struct dial d = {.to = l->addr, .encrypt = l->encrypt, .utp = stream_is_utp(&l->stream)};
	bool dialed = !l->incoming, other_way = wants_other_way(l), took = l->took;
	bool utp_next = l->utp_next && was == LINK_CONNECTING;
	uint64_t now = loop_now_ms(l->node->loop);

	if (was == LINK_DEAD)
		return;
	link_close(l, reason);
	if (t == NULL)
		return;
	if (was == LINK_OPEN)
		swarm_on_closed(t->swarm, ref, now, &t->fx);
	else if (other_way)
		dial_as(t, (struct dial){d.to, !d.encrypt, .second = true, .utp = d.utp}, took);
	else if (utp_next && !t->leaving && swarm_is_dialing(t->swarm, &d.to))
		dial_as(t, (struct dial){d.to, d.encrypt, .utp = true}, took);
	else if (dialed && was == LINK_HANDSHAKE)
		swarm_on_hung_up(t->swarm, &d.to, now, &t->fx);
	else if (dialed)
		swarm_on_dial_failed(t->swarm, &d.to, now, &t->fx);
	transfer_perform(t);
}

void link_count(struct link *l)
{
	size_t now = l->in.cap + l->out.cap;

	if (l->state == LINK_DEAD)
		return; /* link_close() has settled it */
	l->node->message_bytes -= l->counted;
	l->node->message_bytes += now;
	l->counted = now;
}

void links_shed(struct node *n)
{
	while (n->links != NULL && n->message_bytes > quota_message_bytes(&n->quota)) {
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
	/* What we send may take seconds, and must not keep us from what is sent to us. */
	if (link_copies_blocks(l))
		most += WIRE_PIECE_HEAD + SWARM_RUN_BYTES;
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
	stream_want(&l->stream, want);
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
	int err = stream_result(&l->stream);

	if (err != OK) {
		link_lost(l, err_text(err));
		return;
	}
	if (!stream_is_utp(&l->stream))
		tcp_tune(l->stream.fd);
	l->rtt_us = stream_rtt_us(&l->stream);
	l->state = LINK_HANDSHAKE;
	l->deadline_ms = loop_now_ms(l->node->loop) + NODE_HANDSHAKE_MS;
	stream_want(&l->stream, LOOP_READ);
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
