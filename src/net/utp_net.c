#include "net/utp_net.h"

#include <stdlib.h>

#include "net/entropy.h"
#include "net/utp_net_impl.h"

/* Packets asked for at once. */
#define BATCH 64u
/* Deadlines are looked at no more often. */
#define TICK_US 5000u
/* Numbers tried before a dial gives up. */
#define TRIES 16u

/* ---- who is meant --------------------------------------------------------------------------- */

static void make_key(uint8_t out[SHA1_LEN], const struct addr *a, uint16_t id)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->v6) {
		memcpy(out, a->ip, 16);
	} else {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + sizeof(mapped), a->ip, 4);
	}
	put_be16(out + 16, a->port);
	put_be16(out + 18, id);
}

static struct utp_stream *find(const struct utp_net *n, const struct addr *a, uint16_t id)
{
	uint8_t key[SHA1_LEN];

	make_key(key, a, id);
	return hash_map_find(&n->by_key, key);
}

/* A RESET may carry the number that we send with, which is next to ours. */
static struct utp_stream *find_reset(const struct utp_net *n, const struct addr *a, uint16_t id)
{
	for (int off = -1; off <= 1; off++) {
		struct utp_stream *s = find(n, a, (uint16_t)(id + off));

		if (s != NULL && (off == 0 || utp_conn_their_id(s->conn) == id))
			return s;
	}
	return NULL;
}

/* Nobody foretells it from others. */
static uint16_t fresh(struct utp_net *n)
{
	n->counter++;
	return (uint16_t)siphash(n->secret, bytes_of(&n->counter, sizeof(n->counter)));
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void touch(struct utp_stream *s)
{
	if (s->touched)
		return;
	s->touched = true;
	s->next_touched = s->net->touched;
	s->net->touched = s;
}

static void row_add(struct utp_row *row, struct utp_stream *s)
{
	s->row = row;
	s->newer = NULL;
	s->older = row->newest;
	if (s->older != NULL)
		s->older->newer = s;
	else
		row->oldest = s;
	row->newest = s;
	row->n++;
}

static void row_drop(struct utp_stream *s)
{
	struct utp_row *row = s->row;

	if (row == NULL)
		return;
	s->row = NULL;
	if (s->older != NULL)
		s->older->newer = s->newer;
	else
		row->oldest = s->newer;
	if (s->newer != NULL)
		s->newer->older = s->older;
	else
		row->newest = s->older;
	row->n--;
}

/* The oldest of one subscriber, and how many of them there are. NULL: none. */
static struct utp_stream *oldest_of(const struct utp_row *row, const struct addr *who, uint32_t *n)
{
	struct utp_stream *oldest = NULL;

	*n = 0;
	for (struct utp_stream *s = row->newest; s != NULL; s = s->older) {
		if (!addr_same_subscriber(&s->addr, who))
			continue;
		oldest = s;
		(*n)++;
	}
	return oldest;
}

static void untouch(struct utp_stream *s)
{
	struct utp_stream **at = &s->net->touched;

	while (s->touched && *at != s)
		at = &(*at)->next_touched;
	if (s->touched)
		*at = s->next_touched;
	s->touched = false;
}

static void unpend(struct utp_stream *s)
{
	struct utp_net *n = s->net;
	struct utp_stream **at = &n->pending;

	if (!s->pending)
		return;
	while (*at != s)
		at = &(*at)->next_pending;
	*at = s->next_pending;
	if (n->pending_end == &s->next_pending)
		n->pending_end = at;
	s->pending = false;
}

static struct utp_stream *stream_new(struct utp_net *n, const struct addr *a, struct utp_conn *conn)
{
	struct utp_stream *s = calloc(1, sizeof(*s));

	if (s == NULL || conn == NULL)
		goto fail;
	s->net = n;
	s->addr = *a;
	s->conn = conn;
	make_key(s->key, a, utp_conn_id(conn));
	if (hash_map_put(&n->by_key, s->key, s) != OK)
		goto fail;
	s->next = n->all;
	if (n->all != NULL)
		n->all->prev = s;
	n->all = s;
	n->n_conns++;
	touch(s);
	return s;
fail:
	utp_conn_free(conn);
	free(s);
	return NULL;
}

static void stream_free(struct utp_stream *s)
{
	struct utp_net *n = s->net;
	struct utp_conn_stats st;

	utp_conn_stats(s->conn, &st);
	n->stats.resent += st.resent;
	untouch(s);
	unpend(s);
	row_drop(s);
	hash_map_drop(&n->by_key, s->key, s);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		n->all = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	n->n_conns--;
	utp_conn_free(s->conn);
	free(s);
}

/* ---- places --------------------------------------------------------------------------------- */

/* Of its own host the oldest one, else the oldest of all. */
static void make_half_open_room(struct utp_net *n, const struct addr *from)
{
	uint32_t of_host;
	struct utp_stream *own = oldest_of(&n->half_open, from, &of_host);

	if (of_host >= UTP_NET_HALF_OPEN_HOST_MAX)
		stream_free(own);
	else if (n->half_open.n >= UTP_NET_HALF_OPEN_MAX)
		stream_free(n->half_open.oldest);
}

/* Without a word: what the other end says next is answered with a reset. */
static void drop_closing(struct utp_net *n, const struct addr *with)
{
	uint32_t of_host;
	struct utp_stream *s = oldest_of(&n->closing, with, &of_host);

	if (s == NULL)
		s = n->closing.oldest;
	if (s != NULL)
		stream_free(s);
}

static void add_closing(struct utp_stream *s)
{
	struct utp_net *n = s->net;
	uint32_t of_host;

	(void)oldest_of(&n->closing, &s->addr, &of_host);
	if (of_host >= UTP_NET_CLOSING_HOST_MAX || n->closing.n >= UTP_NET_CLOSING_MAX)
		drop_closing(n, &s->addr);
	row_add(&n->closing, s);
}

bool utp_net_make_place(struct utp_net *n, const struct addr *with)
{
	if (n->n_conns >= UTP_NET_CONNS_MAX)
		drop_closing(n, with);
	return n->n_conns < UTP_NET_CONNS_MAX;
}

/* ---- packets out ---------------------------------------------------------------------------- */

static void flush(struct utp_stream *s)
{
	struct utp_net *n = s->net;
	struct bytes list[BATCH];
	size_t got;

	do {
		got = utp_conn_packets(s->conn, loop_clock_us(), list, BATCH);
		/* What the socket does not take is lost, and seen to be so as on the way. */
		n->stats.packets_out += udp_port_send_from(n->udp, &s->own, &s->addr, list, got);
	} while (got == BATCH);
}

static void set_timer(struct utp_net *n, uint64_t at_us)
{
	uint64_t now = loop_clock_us(), wait = at_us > now ? at_us - now : 0;

	if (wait < TICK_US)
		wait = TICK_US;
	n->timer_us = at_us;
	loop_timer_set(n->timer, (wait + 999) / 1000);
}

void utp_net_offer(struct utp_stream *s)
{
	struct utp_net *n = s->net;

	if (s->pending || s->fn == NULL || (utp_stream_ready(s) & s->want) == 0)
		return;
	s->pending = true;
	s->next_pending = NULL;
	*n->pending_end = s;
	n->pending_end = &s->next_pending;
	if (!n->running) {
		n->timer_us = 0;
		loop_timer_set(n->timer, 0);
	}
}

static void leave_half_open(struct utp_stream *s)
{
	if (s->row == &s->net->half_open && utp_conn_state(s->conn) != UTP_HALF_OPEN)
		row_drop(s);
}

void utp_net_settle(struct utp_stream *s)
{
	struct utp_net *n = s->net;
	uint64_t at;

	flush(s);
	at = utp_conn_deadline_us(s->conn);
	if (at < n->timer_us)
		set_timer(n, at);
	leave_half_open(s);
	if (s->row == NULL && utp_conn_state(s->conn) == UTP_CLOSING)
		add_closing(s);
	if (s->accepted && utp_conn_state(s->conn) == UTP_OPEN) {
		s->accepted = false;
		s->owned = true;
		n->on_accept(n->user, s, &s->addr);
		return; /* whoever has it now may have closed it */
	}
	if (utp_conn_state(s->conn) == UTP_DEAD && !s->owned) {
		stream_free(s);
		return;
	}
	utp_net_offer(s);
}

/* ---- packets in ----------------------------------------------------------------------------- */

/* Who has no connection with us learns that; 20 bytes for 20 or more. */
static void refuse(struct utp_net *n, const struct addr *to, const struct utp_packet *p)
{
	struct utp_packet reset = {.type = UTP_RESET, .id = p->id, .ack = p->seq};
	uint64_t second = loop_now_ms(n->loop) / 1000;
	uint8_t raw[UTP_HEAD];
	struct bytes out = bytes_of(raw, sizeof(raw));

	if (second != n->second_s) {
		n->second_s = second;
		n->resets = 0;
	}
	if (p->type == UTP_RESET || n->resets++ >= UTP_NET_RESETS_A_SECOND)
		return;
	(void)utp_encode_head(&reset, raw);
	n->stats.packets_out += udp_port_send(n->udp, to, &out, 1);
}

static void take_syn(struct utp_net *n, const struct addr *from, const struct utp_packet *p)
{
	uint64_t now = loop_clock_us();
	struct utp_stream *s = find(n, from, (uint16_t)(p->id + 1));

	if (s != NULL) {
		utp_conn_on_packet(s->conn, p, now);
		touch(s);
		return;
	}
	if (!addr_is_dialable(from))
		return;
	make_half_open_room(n, from);
	if (!utp_net_make_place(n, from))
		return;
	s = stream_new(n, from, utp_conn_accept(p, fresh(n), &n->budget, now));
	if (s == NULL)
		return;
	s->accepted = true;
	s->own = *udp_port_own(n->udp);
	row_add(&n->half_open, s);
}

static void on_datagram(void *user, const struct addr *from, struct bytes in)
{
	struct utp_net *n = user;
	struct utp_stream *s;
	struct utp_packet p;

	if (utp_decode(&p, in) <= 0)
		return;
	n->stats.packets_in++;
	if (p.type == UTP_SYN) {
		take_syn(n, from, &p);
		return;
	}
	s = p.type == UTP_RESET ? find_reset(n, from, p.id) : find(n, from, p.id);
	if (s == NULL) {
		refuse(n, from, &p);
		return;
	}
	utp_conn_on_packet(s->conn, &p, loop_clock_us());
	leave_half_open(s); /* a SYN right behind it pushes out nobody who is proven */
	touch(s);
}

static void on_refused(void *user, const struct addr *to)
{
	struct utp_net *n = user;

	for (struct utp_stream *s = n->all; s != NULL; s = s->next) {
		if (!addr_eq(&s->addr, to))
			continue;
		utp_conn_on_refused(s->conn);
		touch(s);
	}
}

/* Each of those who are ready now is called once. */
static void run_pending(struct utp_net *n)
{
	uint32_t left = 0;

	n->running = true;
	for (const struct utp_stream *s = n->pending; s != NULL; s = s->next_pending)
		left++;
	for (; left > 0 && n->pending != NULL; left--) {
		struct utp_stream *s = n->pending;
		unsigned ready = utp_stream_ready(s) & s->want;

		unpend(s);
		if (ready != 0)
			s->fn(s->arg, ready);
	}
	n->running = false;
	if (n->pending != NULL) {
		n->timer_us = 0;
		loop_timer_set(n->timer, 0);
	}
}

static void on_idle(void *user)
{
	struct utp_net *n = user;

	while (n->touched != NULL) {
		struct utp_stream *s = n->touched;

		untouch(s);
		utp_net_settle(s);
	}
	if (n->pending != NULL)
		run_pending(n);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct utp_net *n = arg;
	uint64_t now = loop_clock_us(), first = UINT64_MAX;

	n->timer_us = UINT64_MAX;
	for (struct utp_stream *s = n->all; s != NULL; s = s->next) {
		uint64_t at = utp_conn_deadline_us(s->conn);

		if (at <= now) {
			utp_conn_on_time(s->conn, now);
			touch(s);
		} else if (at < first) {
			first = at;
		}
	}
	if (first != UINT64_MAX)
		set_timer(n, first);
	on_idle(n);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct utp_stream *utp_net_dial(struct utp_net *n, const struct addr *to)
{
	uint64_t now = loop_clock_us();
	uint16_t id = fresh(n);

	for (unsigned i = 0; i < TRIES && find(n, to, id) != NULL; i++)
		id = fresh(n);
	if (find(n, to, id) != NULL)
		return NULL;
	return stream_new(n, to, utp_conn_dial(id, fresh(n), &n->budget, now));
}

int utp_net_new(struct loop *loop, struct udp_port *udp, utp_net_accept *on_accept, void *user,
		struct utp_net **out)
{
	struct utp_net *n = calloc(1, sizeof(*n));
	struct udp_port_user u = {
	    .on_datagram = on_datagram, .on_idle = on_idle, .on_refused = on_refused, .user = n};
	struct siphash_key key;

	if (n == NULL)
		return ERR_NOMEM;
	n->loop = loop;
	n->udp = udp;
	n->on_accept = on_accept;
	n->user = user;
	n->budget.max = UTP_NET_HELD_MAX;
	n->pending_end = &n->pending;
	n->timer_us = UINT64_MAX;
	entropy_fill(&n->secret, sizeof(n->secret));
	entropy_fill(&key, sizeof(key));
	hash_map_init(&n->by_key, key);
	n->timer = loop_timer_new(loop, on_timer, n);
	if (n->timer == NULL) {
		free(n);
		return ERR_NOMEM;
	}
	udp_port_serve(udp, UDP_PORT_UTP, &u);
	*out = n;
	return OK;
}

void utp_net_free(struct utp_net *n)
{
	if (n == NULL)
		return;
	udp_port_serve(n->udp, UDP_PORT_UTP, NULL);
	while (n->all != NULL) {
		utp_conn_close(n->all->conn, loop_clock_us());
		flush(n->all);
		stream_free(n->all);
	}
	loop_timer_free(n->timer);
	hash_map_fini(&n->by_key);
	free(n);
}

void utp_net_stats(const struct utp_net *n, struct utp_net_stats *out)
{
	*out = n->stats;
	out->conns = n->n_conns;
	out->half_open = n->half_open.n;
	out->closing = n->closing.n;
	out->held_bytes = n->budget.used;
	for (const struct utp_stream *s = n->all; s != NULL; s = s->next) {
		struct utp_conn_stats st;

		utp_conn_stats(s->conn, &st);
		out->resent += st.resent;
	}
}
