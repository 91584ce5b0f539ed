/* wire/utp_conn_impl.h - what the files of a uTP connection share among themselves. */
#ifndef SHOAL_WIRE_UTP_CONN_IMPL_H
#define SHOAL_WIRE_UTP_CONN_IMPL_H

#include "base/buf.h"
#include "wire/utp_conn.h"
#include "wire/utp_window.h"

/* Bytes in order, and before them those that were read already. */
#define UTP_IN_MAX (4 * UTP_HELD_MAX)

/* A packet to send: `bytes` has room for the head, and the payload behind it. */
struct utp_slot {
	uint8_t *bytes;
	uint16_t payload;
	uint8_t type;
	bool acked;
	bool lost;	  /* to be sent again; not in flight */
	bool again;	  /* was sent more than once */
	uint64_t order;	  /* of its last sending, among all sendings; 0 never */
	uint64_t sent_us; /* first */
};

/* What came behind a gap. */
struct utp_stray {
	uint8_t *bytes; /* NULL: nothing */
	uint16_t len;
	bool fin;
};

struct utp_conn {
	enum utp_state state;
	enum err why;
	uint16_t id, their_id;
	bool dialled;

	/* To them. A ring by sequence number: [first, send) are out, [send, next) wait. */
	struct utp_slot *slots;
	uint32_t n_ring; /* a power of two; 0 none yet */
	uint16_t first, send, next;
	uint16_t lost_from; /* none is lost before */
	uint32_t n_lost;
	uint32_t out_bytes, flight_bytes, unsent_bytes;
	uint32_t their_window;
	uint64_t order, acked_order; /* of sendings; the newest of those that arrived */
	uint64_t recover_order;	     /* the window was halved for losses up to here */
	uint32_t same_acks;
	uint16_t payload; /* the most of new ones */
	uint8_t *wide;	  /* UTP_PACKET_BYTES: one that was filled up; NULL: none was */
	uint16_t wide_seq;
	bool widened; /* it is out, in that form alone */
	uint8_t n_widened;
	bool full;  /* the window alone held packets back since the last acknowledgement */
	bool probe; /* their window is closed: one packet goes nevertheless */
	struct utp_window window;
	uint64_t rto_us; /* when; UINT64_MAX never */
	uint32_t n_timeouts, n_syns;
	uint32_t n_guesses; /* wrong, while HALF_OPEN */

	/* From them. */
	uint16_t in_ack; /* received, all of it up to here */
	bool fin;
	struct buf in; /* in order, for the reader, from `in_at` on */
	size_t in_at;
	struct utp_stray *strays; /* UTP_REORDER_MAX, while there is a gap */
	uint32_t n_strays;
	size_t held; /* charged to the budget */
	struct utp_budget *budget;
	uint32_t their_delay_us; /* of their last packet, by both clocks */
	uint32_t told_window;
	uint32_t owed; /* packets not acknowledged yet */
	bool ack_now, reset_now, syn_now;
	bool peace;	 /* nothing is left to be said, but an acknowledgement */
	uint64_t ack_us; /* when one is due; UINT64_MAX never */
	uint64_t sent_us, linger_us;

	uint64_t n_packets, n_resent, n_timeouts_all;
	uint8_t small[UTP_HEAD + 2 + UTP_SACK_MAX]; /* a packet without payload */
};

/* Distance from `b` to `a`, both on one ring of sequence numbers. */
static inline uint16_t utp_since(uint16_t a, uint16_t b)
{
	return (uint16_t)(a - b);
}

void utp_die(struct utp_conn *c, enum err why);

/* ---- utp_out.c ---- */
void utp_out_free(struct utp_conn *c);
/* Could their acknowledgement be of what was sent? */
bool utp_out_is_ack(const struct utp_conn *c, const struct utp_packet *p);
void utp_out_on_ack(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us);
void utp_out_on_timeout(struct utp_conn *c, uint64_t now_us);
/* Nothing follows. Returns 0 or ERR_NOMEM. */
int utp_out_fin(struct utp_conn *c);
/* Head of a packet with the newest of everything. */
size_t utp_out_head(struct utp_conn *c, enum utp_type type, uint16_t seq, struct bytes sack,
		    uint64_t now_us, uint8_t *out);
size_t utp_out_packets(struct utp_conn *c, uint64_t now_us, struct bytes *list, size_t cap);

/* ---- utp_in.c ---- */
void utp_in_free(struct utp_conn *c);
/* DATA or FIN. */
void utp_in_take(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us);
uint32_t utp_in_window(const struct utp_conn *c);
/* Which of those behind the gap have come. Returns bytes of `out` that say so, 0: there is none. */
size_t utp_in_sack(const struct utp_conn *c, uint8_t out[UTP_SACK_MAX]);

#endif
