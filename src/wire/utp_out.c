/* wire/utp_out.c - what goes out: cut into packets, sent as the window allows, sent again when
 * lost. */
#include <stdlib.h>

#include "wire/utp_conn_impl.h"

/* So many later ones arrived: then it is lost, not late. Source: BEP 29 "packet loss". */
#define LOST_AFTER 3u
#define RING_FIRST 16u
#define OUT_LEAST 32768u

static struct utp_slot *slot_at(const struct utp_conn *c, uint16_t seq)
{
	return &c->slots[seq & (c->n_ring - 1)];
}

void utp_out_free(struct utp_conn *c)
{
	for (; c->first != c->next; c->first++)
		free(slot_at(c, c->first)->bytes);
	free(c->slots);
	free(c->wide);
	c->slots = NULL;
	c->wide = NULL;
	c->widened = false;
	c->n_widened = UTP_WIDE_TRIES;
	c->n_ring = 0;
	c->send = c->lost_from = c->first;
	c->n_lost = c->out_bytes = c->flight_bytes = c->unsent_bytes = 0;
}

/* ---- cutting ------------------------------------------------------------------------------ */

static bool grow_ring(struct utp_conn *c)
{
	uint32_t n = c->n_ring == 0 ? RING_FIRST : c->n_ring * 2;
	struct utp_slot *slots;

	if (utp_since(c->next, c->first) < c->n_ring)
		return true;
	if (n > UTP_REORDER_MAX)
		return false;
	slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		return false;
	for (uint16_t seq = c->first; seq != c->next; seq++)
		slots[seq & (n - 1)] = *slot_at(c, seq);
	free(c->slots);
	c->slots = slots;
	c->n_ring = n;
	return true;
}

static struct utp_slot *add_slot(struct utp_conn *c, enum utp_type type, size_t room)
{
	struct utp_slot *s;

	if (!grow_ring(c))
		return NULL;
	s = slot_at(c, c->next);
	*s = (struct utp_slot){.type = (uint8_t)type, .bytes = malloc(UTP_HEAD + room)};
	if (s->bytes == NULL)
		return NULL;
	c->next++;
	return s;
}

/* Twice the window: the next one waits ready when this one is acknowledged. */
static size_t most_out(const struct utp_conn *c)
{
	size_t most = 2 * (size_t)c->window.bytes + OUT_LEAST;

	return most < UTP_OUT_MAX ? most : UTP_OUT_MAX;
}

size_t utp_conn_room(const struct utp_conn *c)
{
	uint32_t slots = UTP_REORDER_MAX - utp_since(c->next, c->first);
	size_t left = most_out(c) > c->out_bytes ? most_out(c) - c->out_bytes : 0;

	/* One is for the FIN. */
	if (c->state != UTP_OPEN || slots <= 1)
		return 0;
	return left < (slots - 1) * c->payload ? left : (slots - 1) * c->payload;
}

bool utp_conn_is_writable(const struct utp_conn *c)
{
	return utp_conn_room(c) >= most_out(c) / 4;
}

size_t utp_conn_write(struct utp_conn *c, struct bytes data)
{
	size_t room = utp_conn_room(c), done = 0;

	if (data.len > room)
		data.len = room;
	while (done < data.len) {
		struct utp_slot *s = NULL;
		size_t n = data.len - done;

		if (c->next != c->send)
			s = slot_at(c, (uint16_t)(c->next - 1));
		if (s == NULL || s->payload >= c->payload)
			s = add_slot(c, UTP_DATA, UTP_PAYLOAD_BYTES);
		if (s == NULL)
			break;
		if (n > (size_t)c->payload - s->payload)
			n = (size_t)c->payload - s->payload;
		memcpy(s->bytes + UTP_HEAD + s->payload, data.ptr + done, n);
		s->payload = (uint16_t)(s->payload + n);
		done += n;
	}
	c->out_bytes += (uint32_t)done;
	c->unsent_bytes += (uint32_t)done;
	return done;
}

int utp_out_fin(struct utp_conn *c)
{
	return add_slot(c, UTP_FIN, 0) == NULL ? ERR_NOMEM : OK;
}

/* ---- acknowledgements --------------------------------------------------------------------- */

bool utp_out_is_ack(const struct utp_conn *c, const struct utp_packet *p)
{
	uint16_t before = (uint16_t)(c->first - 1);

	return utp_since(p->ack, before) <= utp_since(c->send, c->first);
}

/* The one that was filled up, as long as it was sent in no other form. */
static bool is_wide(const struct utp_conn *c, const struct utp_slot *s)
{
	return c->widened && s == slot_at(c, c->wide_seq);
}

/* It arrived. Returns its bytes. */
static uint32_t settle(struct utp_conn *c, struct utp_slot *s, uint64_t now_us)
{
	if (s->acked)
		return 0;
	if (is_wide(c, s)) {
		c->widened = false;
		c->payload = UTP_PAYLOAD_BYTES;
	}
	s->acked = true;
	if (s->lost)
		c->n_lost--;
	else
		c->flight_bytes -= s->payload;
	s->lost = false;
	if (!s->again)
		utp_window_on_rtt(&c->window, (uint32_t)(now_us - s->sent_us));
	if (s->order > c->acked_order)
		c->acked_order = s->order;
	return s->payload;
}

static uint32_t settle_up_to(struct utp_conn *c, uint16_t ack, uint64_t now_us)
{
	uint32_t bytes = 0;

	while (c->first != (uint16_t)(ack + 1)) {
		struct utp_slot *s = slot_at(c, c->first);

		bytes += settle(c, s, now_us);
		c->out_bytes -= s->payload;
		free(s->bytes);
		s->bytes = NULL;
		if (c->lost_from == c->first)
			c->lost_from++;
		c->first++;
	}
	return bytes;
}

static uint32_t settle_sack(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	uint32_t out = utp_since(c->send, c->first), bytes = 0;

	/* The mask begins with the packet behind the next one. */
	for (uint32_t i = 0; i < p->sack.len * 8 && i + 1 < out; i++)
		if ((p->sack.ptr[i / 8] >> i % 8 & 1) != 0)
			bytes += settle(c, slot_at(c, (uint16_t)(c->first + 1 + i)), now_us);
	return bytes;
}

static void lose(struct utp_conn *c, uint16_t seq)
{
	struct utp_slot *s = slot_at(c, seq);

	s->lost = true;
	c->n_lost++;
	c->flight_bytes -= s->payload;
	if (utp_since(seq, c->first) < utp_since(c->lost_from, c->first))
		c->lost_from = seq;
	/* Once for all losses of one round trip; what was too large says nothing of queues. */
	if (s->order > c->recover_order && !is_wide(c, s)) {
		c->recover_order = c->order;
		utp_window_on_loss(&c->window);
	}
}

/* What three later ones have overtaken; of those that were sent again only what was sent after that
 * counts. */
static void find_losses(struct utp_conn *c)
{
	uint32_t arrived = 0;

	for (uint16_t seq = (uint16_t)(c->send - 1); utp_since(seq, c->first) < c->n_ring; seq--) {
		struct utp_slot *s = slot_at(c, seq);

		if (s->acked)
			arrived++;
		else if (!s->lost && arrived >= LOST_AFTER &&
			 s->order + LOST_AFTER <= c->acked_order)
			lose(c, seq);
	}
}

/* Without selective acknowledgements: the same one again and again. */
static void count_same(struct utp_conn *c, const struct utp_packet *p)
{
	struct utp_slot *s;

	if (c->first == c->send || p->payload.len > 0 || p->type != UTP_STATE)
		return;
	s = slot_at(c, c->first);
	if (++c->same_acks == LOST_AFTER && !s->lost && !s->acked)
		lose(c, c->first);
}

void utp_out_on_ack(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us)
{
	bool moved = c->first != (uint16_t)(p->ack + 1);
	uint32_t bytes = settle_up_to(c, p->ack, now_us);

	bytes += settle_sack(c, p, now_us);
	if (p->sack.len > 0 && c->first != c->send)
		find_losses(c);
	else if (!moved)
		count_same(c, p);
	if (moved)
		c->same_acks = 0;
	if (bytes > 0)
		utp_window_on_acked(&c->window, bytes, c->full, now_us);
	/* Who lives and has no room is waited for. */
	if (bytes > 0 || moved || p->window < UTP_PAYLOAD_BYTES)
		c->n_timeouts = 0;
	c->their_window = p->window;
	if (bytes == 0 && !moved)
		return;
	c->full = false;
	c->rto_us = c->first == c->send ? UINT64_MAX : now_us + c->window.rto_us;
}

void utp_out_on_timeout(struct utp_conn *c, uint64_t now_us)
{
	uint64_t wait = (uint64_t)c->window.rto_us << (c->n_timeouts < 8 ? c->n_timeouts : 8);

	c->n_timeouts_all++;
	if (++c->n_timeouts > UTP_TIMEOUTS_MAX) {
		utp_die(c, ERR_TIMEOUT);
		return;
	}
	wait *= 2;
	c->rto_us = now_us + (wait < UTP_RTO_MAX_US ? wait : UTP_RTO_MAX_US);
	c->same_acks = 0;
	c->probe = true;
	if (c->first == c->send)
		return;
	for (uint16_t seq = c->first; seq != c->send; seq++) {
		struct utp_slot *s = slot_at(c, seq);

		if (s->acked || s->lost)
			continue;
		s->lost = true;
		c->n_lost++;
		c->flight_bytes -= s->payload;
	}
	c->lost_from = c->first;
	c->recover_order = c->order;
	utp_window_on_timeout(&c->window);
}

/* ---- sending ------------------------------------------------------------------------------ */

size_t utp_out_head(struct utp_conn *c, enum utp_type type, uint16_t seq, struct bytes sack,
		    uint64_t now_us, uint8_t *out)
{
	struct utp_packet p = {
	    .type = type,
	    .id = type == UTP_SYN ? c->id : c->their_id,
	    .seq = seq,
	    .ack = c->in_ack,
	    .stamp_us = (uint32_t)now_us,
	    .delay_us = c->their_delay_us,
	    .window = utp_in_window(c),
	    .sack = sack,
	};

	c->sent_us = now_us;
	c->n_packets++;
	c->told_window = p.window;
	if (type != UTP_SYN && c->strays == NULL) {
		c->owed = 0;
		c->ack_us = UINT64_MAX;
		c->ack_now = false;
	}
	return utp_encode_head(&p, out);
}

/* One alone may always go, or nothing ever would. */
static bool fits(struct utp_conn *c, uint32_t payload)
{
	uint32_t after = c->flight_bytes + payload;

	if (c->flight_bytes == 0 && (c->their_window >= payload || c->probe))
		return true;
	if (after > c->their_window)
		return false;
	if (after <= c->window.bytes)
		return true;
	c->full = true;
	return false;
}

/* Many behind it show soon whether it arrived. */
static bool may_widen(const struct utp_conn *c, const struct utp_slot *s, uint16_t seq)
{
	return !c->widened && c->payload < UTP_PAYLOAD_BYTES && c->n_widened < UTP_WIDE_TRIES &&
	       s->payload == UTP_PAYLOAD_LEAST && !s->again &&
	       utp_since(c->next, seq) > 2 * LOST_AFTER;
}

/* With an extension behind the head, so that it is as long as the largest. Without memory it goes
 * as it is. */
static struct bytes widen(struct utp_conn *c, const struct utp_slot *s, uint16_t seq)
{
	uint8_t *out = c->wide != NULL ? c->wide : calloc(1, UTP_PACKET_BYTES);

	if (out == NULL)
		return bytes_of(s->bytes, UTP_HEAD + (size_t)s->payload);
	c->wide = out;
	c->wide_seq = seq;
	c->widened = true;
	c->n_widened++;
	memcpy(out, s->bytes, UTP_HEAD);
	utp_put_filler(out, UTP_PACKET_BYTES - UTP_HEAD - s->payload);
	memcpy(out + UTP_PACKET_BYTES - s->payload, s->bytes + UTP_HEAD, s->payload);
	return bytes_of(out, UTP_PACKET_BYTES);
}

static struct bytes send_slot(struct utp_conn *c, uint16_t seq, uint64_t now_us)
{
	struct utp_slot *s = slot_at(c, seq);

	s->order = ++c->order;
	c->flight_bytes += s->payload;
	c->probe = false;
	if (c->rto_us == UINT64_MAX)
		c->rto_us = now_us + c->window.rto_us;
	(void)utp_out_head(c, (enum utp_type)s->type, seq, bytes_of(NULL, 0), now_us, s->bytes);
	if (may_widen(c, s, seq))
		return widen(c, s, seq);
	return bytes_of(s->bytes, UTP_HEAD + (size_t)s->payload);
}

static bool resend(struct utp_conn *c, uint64_t now_us, struct bytes *out)
{
	for (; c->n_lost > 0 && c->lost_from != c->send; c->lost_from++) {
		struct utp_slot *s = slot_at(c, c->lost_from);

		if (!s->lost)
			continue;
		if (!fits(c, s->payload))
			return false;
		if (is_wide(c, s))
			c->widened = false;
		s->lost = false;
		s->again = true;
		c->n_lost--;
		c->n_resent++;
		*out = send_slot(c, c->lost_from++, now_us);
		return true;
	}
	return false;
}

static bool send_new(struct utp_conn *c, uint64_t now_us, struct bytes *out)
{
	struct utp_slot *s;

	if (c->send == c->next || c->n_lost > 0)
		return false;
	s = slot_at(c, c->send);
	if (!fits(c, s->payload)) {
		/* Their window is closed: look again after a while. */
		if (c->flight_bytes == 0 && c->rto_us == UINT64_MAX)
			c->rto_us = now_us + c->window.rto_us;
		return false;
	}
	s->sent_us = now_us;
	c->unsent_bytes -= s->payload;
	if (c->lost_from == c->send)
		c->lost_from++;
	*out = send_slot(c, c->send++, now_us);
	return true;
}

size_t utp_out_packets(struct utp_conn *c, uint64_t now_us, struct bytes *list, size_t cap)
{
	size_t n = 0;

	while (n < cap && (resend(c, now_us, &list[n]) || send_new(c, now_us, &list[n])))
		n++;
	return n;
}
