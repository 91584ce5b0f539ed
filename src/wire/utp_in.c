/* wire/utp_in.c - what comes in: put in order, and held for the reader. */
#include <stdlib.h>

#include "wire/utp_conn_impl.h"

/* What a packet behind a gap costs besides its payload. */
#define STRAY_COST 64u
#define RING_COST (UTP_REORDER_MAX * sizeof(struct utp_stray))
/* A reader who took everything leaves no more than this. */
#define IN_KEEP 4096u

/* Room behind gaps ends sooner than room for what is in order, or nothing could close them. */
static bool charge(struct utp_conn *c, size_t n, bool stray)
{
	size_t own = UTP_HELD_MAX, all = c->budget->max;

	if (stray) {
		own -= UTP_HELD_MAX / 8;
		all /= 2;
	}
	if (c->budget->used > all || n > all - c->budget->used || c->held > own ||
	    n > own - c->held)
		return false;
	c->budget->used += n;
	c->held += n;
	return true;
}

static void refund(struct utp_conn *c, size_t n)
{
	c->budget->used -= n;
	c->held -= n;
}

static struct utp_stray *stray_at(const struct utp_conn *c, uint16_t seq)
{
	return &c->strays[seq % UTP_REORDER_MAX];
}

static void drop_strays(struct utp_conn *c)
{
	if (c->strays == NULL)
		return;
	for (uint32_t i = 0; c->n_strays > 0 && i < UTP_REORDER_MAX; i++) {
		struct utp_stray *s = &c->strays[i];

		if (s->bytes == NULL)
			continue;
		refund(c, s->len + STRAY_COST);
		free(s->bytes);
		c->n_strays--;
	}
	free(c->strays);
	c->strays = NULL;
	refund(c, RING_COST);
}

void utp_in_free(struct utp_conn *c)
{
	drop_strays(c);
	refund(c, c->in.len - c->in_at);
	buf_fini(&c->in);
	c->in_at = 0;
}

uint32_t utp_in_window(const struct utp_conn *c)
{
	size_t left = c->budget->used < c->budget->max ? c->budget->max - c->budget->used : 0;
	size_t own = c->held < UTP_HELD_MAX ? UTP_HELD_MAX - c->held : 0;

	return (uint32_t)(own < left ? own : left);
}

/* The next in order. False: no room, as if it had never come. After a close nobody reads. */
static bool append(struct utp_conn *c, struct bytes data, bool fin)
{
	if (c->state != UTP_CLOSING && data.len > 0) {
		if (!charge(c, data.len, false))
			return false;
		if (c->in_at > c->in.len / 2) {
			buf_consume(&c->in, c->in_at);
			c->in_at = 0;
		}
		if (buf_put(&c->in, data) != OK) {
			refund(c, data.len);
			utp_die(c, ERR_NOMEM);
			return false;
		}
	}
	c->in_ack++;
	c->fin = fin;
	return true;
}

/* What now is in order. */
static void close_gap(struct utp_conn *c)
{
	while (c->n_strays > 0 && !c->fin) {
		struct utp_stray *s = stray_at(c, (uint16_t)(c->in_ack + 1));
		struct utp_stray had = *s;

		if (had.bytes == NULL)
			return;
		*s = (struct utp_stray){.bytes = NULL};
		c->n_strays--;
		refund(c, had.len + STRAY_COST);
		if (!append(c, bytes_of(had.bytes, had.len), had.fin)) {
			free(had.bytes);
			return;
		}
		free(had.bytes);
	}
	drop_strays(c);
}

static bool make_ring(struct utp_conn *c)
{
	if (c->strays != NULL)
		return true;
	if (!charge(c, RING_COST, true))
		return false;
	c->strays = calloc(UTP_REORDER_MAX, sizeof(*c->strays));
	if (c->strays == NULL)
		refund(c, RING_COST);
	return c->strays != NULL;
}

/* Without memory it is as if it had been lost on its way. */
static void keep_stray(struct utp_conn *c, const struct utp_packet *p)
{
	struct utp_stray *s;
	size_t len = p->payload.len;

	if (len > UINT16_MAX || !make_ring(c))
		return;
	s = stray_at(c, p->seq);
	if (s->bytes != NULL || !charge(c, len + STRAY_COST, true))
		return;
	s->bytes = malloc(len > 0 ? len : 1);
	if (s->bytes == NULL) {
		refund(c, len + STRAY_COST);
		return;
	}
	if (len > 0)
		memcpy(s->bytes, p->payload.ptr, len);
	s->len = (uint16_t)len;
	s->fin = p->type == UTP_FIN;
	c->n_strays++;
}

void utp_in_take(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	uint16_t ahead = utp_since(p->seq, (uint16_t)(c->in_ack + 1));

	if (c->fin || ahead >= UTP_REORDER_MAX) { /* had already, or nonsense */
		c->ack_now = true;
		return;
	}
	if (ahead > 0) {
		keep_stray(c, p);
		c->ack_now = true;
		return;
	}
	if (c->strays != NULL || p->type == UTP_FIN)
		c->ack_now = true;
	if (append(c, p->payload, p->type == UTP_FIN))
		close_gap(c);
	if (c->owed++ == 0)
		c->ack_us = now_us + UTP_ACK_DELAY_US;
}

size_t utp_in_sack(const struct utp_conn *c, uint8_t out[UTP_SACK_MAX])
{
	size_t len = 0;
	uint32_t seen = 0;

	if (c->n_strays == 0)
		return 0;
	memset(out, 0, UTP_SACK_MAX);
	for (uint32_t i = 0; i < UTP_SACK_MAX * 8 && seen < c->n_strays; i++) {
		if (stray_at(c, (uint16_t)(c->in_ack + 2 + i))->bytes == NULL)
			continue;
		seen++;
		out[i / 8] |= (uint8_t)(1u << i % 8);
		len = i / 32 * 4 + 4;
	}
	return len;
}

size_t utp_conn_readable(const struct utp_conn *c)
{
	return c->in.len - c->in_at;
}

bool utp_conn_at_end(const struct utp_conn *c)
{
	return c->fin && utp_conn_readable(c) == 0;
}

size_t utp_conn_read(struct utp_conn *c, struct span to)
{
	size_t n = utp_conn_readable(c);

	if (n > to.len)
		n = to.len;
	if (n == 0)
		return 0;
	memcpy(to.ptr, c->in.ptr + c->in_at, n);
	c->in_at += n;
	refund(c, n);
	if (c->in_at == c->in.len) {
		c->in_at = 0;
		buf_clear(&c->in);
		if (c->in.cap > IN_KEEP) {
			buf_fini(&c->in);
			buf_init(&c->in, UTP_IN_MAX);
		}
	}
	/* They wait for room, and would not learn of it. */
	if (c->told_window < UTP_HELD_MAX / 2 && utp_in_window(c) >= UTP_HELD_MAX / 2)
		c->ack_now = true;
	return n;
}
