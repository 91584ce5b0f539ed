#include "wire/utp_conn.h"

#include <stdlib.h>

#include "wire/utp_conn_impl.h"

static struct utp_conn *conn_new(uint16_t id, uint16_t their_id, uint16_t seq,
				 struct utp_budget *budget, uint64_t now_us)
{
	struct utp_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->id = id;
	c->their_id = their_id;
	c->first = c->send = c->next = c->lost_from = seq;
	c->budget = budget;
	c->rto_us = c->ack_us = c->linger_us = UINT64_MAX;
	c->sent_us = now_us;
	buf_init(&c->in, UTP_IN_MAX);
	utp_window_init(&c->window, UTP_PAYLOAD_BYTES, UTP_OUT_MAX);
	c->payload = UTP_PAYLOAD_LEAST;
	return c;
}

struct utp_conn *utp_conn_dial(uint16_t id, uint16_t seq, struct utp_budget *budget,
			       uint64_t now_us)
{
	struct utp_conn *c = conn_new(id, (uint16_t)(id + 1), (uint16_t)(seq + 1), budget, now_us);

	if (c == NULL)
		return NULL;
	c->dialled = true;
	c->state = UTP_CONNECTING;
	c->syn_now = true;
	return c;
}

struct utp_conn *utp_conn_accept(const struct utp_packet *syn, uint16_t seq,
				 struct utp_budget *budget, uint64_t now_us)
{
	struct utp_conn *c = conn_new((uint16_t)(syn->id + 1), syn->id, seq, budget, now_us);

	if (c == NULL)
		return NULL;
	c->state = UTP_HALF_OPEN;
	c->in_ack = syn->seq;
	c->their_delay_us = (uint32_t)now_us - syn->stamp_us;
	c->ack_now = true;
	c->linger_us = now_us + UTP_LINGER_US;
	return c;
}

void utp_conn_free(struct utp_conn *c)
{
	if (c == NULL)
		return;
	utp_out_free(c);
	utp_in_free(c);
	free(c);
}

/* What was received may still be read. */
void utp_die(struct utp_conn *c, enum err why)
{
	c->state = UTP_DEAD;
	c->why = why;
	c->rto_us = c->ack_us = c->linger_us = UINT64_MAX;
	c->ack_now = c->syn_now = false;
	utp_out_free(c);
}

static void reset(struct utp_conn *c, enum err why)
{
	utp_die(c, why);
	c->reset_now = true;
}

/* ---- in ---------------------------------------------------------------------------------- */

/* Returns whether the packet goes on to an open connection. */
static bool take_answer(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	if (p->ack != (uint16_t)(c->first - 1) || p->type == UTP_SYN)
		return false;
	c->state = UTP_OPEN;
	c->in_ack = (uint16_t)(p->seq - 1);
	c->rto_us = UINT64_MAX;
	c->their_window = p->window;
	if (c->n_syns == 1)
		utp_window_on_rtt(&c->window, (uint32_t)(now_us - c->sent_us));
	return true;
}

/* Overtaken by another packet, which acknowledged more. */
static bool is_late(const struct utp_conn *c, const struct utp_packet *p)
{
	return c->state != UTP_HALF_OPEN &&
	       utp_since((uint16_t)(c->first - 1), p->ack) < UTP_REORDER_MAX;
}

static void take_open(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	bool is_ack = utp_out_is_ack(c, p);

	/* Of another connection, or of somebody who guesses. */
	if (!is_ack && !is_late(c, p)) {
		if (c->state == UTP_HALF_OPEN && ++c->n_guesses >= UTP_GUESSES_MAX)
			utp_die(c, ERR_TIMEOUT);
		return;
	}
	if (c->state == UTP_HALF_OPEN) {
		c->state = UTP_OPEN;
		c->linger_us = UINT64_MAX;
	}
	c->their_delay_us = (uint32_t)now_us - p->stamp_us;
	if (p->delay_us != 0)
		utp_window_on_delay(&c->window, p->delay_us, now_us);
	if (is_ack)
		utp_out_on_ack(c, p, now_us);
	if (p->type == UTP_DATA || p->type == UTP_FIN)
		utp_in_take(c, p, now_us);
	if (c->state == UTP_CLOSING && c->first == c->next && c->fin)
		c->peace = true;
}

void utp_conn_on_packet(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	if (c->state == UTP_DEAD)
		return;
	if (p->type == UTP_RESET) {
		utp_die(c, ERR_UNREACHABLE);
		return;
	}
	if (p->type == UTP_SYN) {
		/* Our answer was lost. */
		if (c->state == UTP_HALF_OPEN && p->seq == c->in_ack)
			c->ack_now = true;
		return;
	}
	if (c->state != UTP_CONNECTING || take_answer(c, p, now_us))
		take_open(c, p, now_us);
}

void utp_conn_on_refused(struct utp_conn *c)
{
	if (c->state == UTP_CONNECTING || c->n_timeouts > 0)
		utp_die(c, ERR_UNREACHABLE);
}

void utp_conn_on_time(struct utp_conn *c, uint64_t now_us)
{
	if (now_us >= c->linger_us) {
		/* Who never proved an address gets nothing more, nor who has got everything. */
		if (c->state == UTP_CLOSING && c->first != c->next)
			reset(c, ERR_TIMEOUT);
		else
			utp_die(c, c->state == UTP_CLOSING ? OK : ERR_TIMEOUT);
		return;
	}
	if (now_us >= c->ack_us)
		c->ack_now = true;
	if (c->state == UTP_CONNECTING && now_us >= c->rto_us) {
		if (c->n_syns >= UTP_SYNS_MAX)
			utp_die(c, ERR_TIMEOUT);
		else
			c->syn_now = true;
	} else if (now_us >= c->rto_us) {
		utp_out_on_timeout(c, now_us);
	}
	if (c->state == UTP_OPEN && now_us >= c->sent_us + UTP_KEEPALIVE_US)
		c->ack_now = true;
}

void utp_conn_close(struct utp_conn *c, uint64_t now_us)
{
	if (c->state == UTP_CLOSING || c->state == UTP_DEAD)
		return;
	utp_in_free(c);
	if (c->state != UTP_OPEN)
		utp_die(c, OK);
	else if (c->send != c->next || utp_out_fin(c) != OK)
		reset(c, OK);
	else
		c->state = UTP_CLOSING;
	if (c->state == UTP_CLOSING)
		c->linger_us = now_us + UTP_LINGER_US;
}

void utp_conn_reset(struct utp_conn *c)
{
	if (c->state == UTP_DEAD)
		return;
	utp_in_free(c);
	if (c->state == UTP_OPEN || c->state == UTP_CLOSING)
		reset(c, OK);
	else
		utp_die(c, OK);
}

/* ---- out --------------------------------------------------------------------------------- */

static struct bytes small_packet(struct utp_conn *c, enum utp_type type, uint16_t seq,
				 uint64_t now_us)
{
	uint8_t mask[UTP_SACK_MAX];
	size_t len = type == UTP_STATE ? utp_in_sack(c, mask) : 0;

	len = utp_out_head(c, type, seq, bytes_of(mask, len), now_us, c->small);
	return bytes_of(c->small, len);
}

static struct bytes syn(struct utp_conn *c, uint64_t now_us)
{
	c->syn_now = false;
	c->rto_us = now_us + ((uint64_t)UTP_SYN_US << c->n_syns);
	c->n_syns++;
	return small_packet(c, UTP_SYN, (uint16_t)(c->first - 1), now_us);
}

static bool owes_answer(const struct utp_conn *c)
{
	return c->state != UTP_CONNECTING && (c->ack_now || c->owed >= 2);
}

size_t utp_conn_packets(struct utp_conn *c, uint64_t now_us, struct bytes *list, size_t cap)
{
	size_t n = 0;

	if (cap == 0)
		return 0;
	if (c->reset_now) {
		c->reset_now = false;
		list[n++] = small_packet(c, UTP_RESET, c->send, now_us);
		return n;
	}
	if (c->syn_now)
		list[n++] = syn(c, now_us);
	if (c->state == UTP_OPEN || c->state == UTP_CLOSING)
		n += utp_out_packets(c, now_us, list + n, cap - n);
	if (n < cap && c->state != UTP_DEAD && owes_answer(c)) {
		list[n++] = small_packet(c, UTP_STATE, c->send, now_us);
		c->owed = 0;
		c->ack_us = UINT64_MAX;
		c->ack_now = false;
	}
	/* Both ends have said all, and the last acknowledgement of ours is out. */
	if (c->peace && n < cap)
		utp_die(c, OK);
	return n;
}

uint64_t utp_conn_deadline_us(const struct utp_conn *c)
{
	uint64_t at = c->rto_us;

	if (c->state == UTP_DEAD)
		return UINT64_MAX;
	if (c->ack_us < at)
		at = c->ack_us;
	if (c->linger_us < at)
		at = c->linger_us;
	if (c->state == UTP_OPEN && c->sent_us + UTP_KEEPALIVE_US < at)
		at = c->sent_us + UTP_KEEPALIVE_US;
	return at;
}

enum utp_state utp_conn_state(const struct utp_conn *c)
{
	return c->state;
}

enum err utp_conn_why(const struct utp_conn *c)
{
	return c->why;
}

size_t utp_conn_unacked(const struct utp_conn *c)
{
	return c->out_bytes;
}

uint16_t utp_conn_id(const struct utp_conn *c)
{
	return c->id;
}

uint16_t utp_conn_their_id(const struct utp_conn *c)
{
	return c->their_id;
}

void utp_conn_stats(const struct utp_conn *c, struct utp_conn_stats *out)
{
	*out = (struct utp_conn_stats){
	    .rtt_us = c->window.rtt_us,
	    .window_bytes = c->window.bytes,
	    .delay_us = c->window.delay_us,
	    .packets = c->n_packets,
	    .resent = c->n_resent,
	    .timeouts = c->n_timeouts_all,
	};
}
