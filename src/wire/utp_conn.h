/* wire/utp_conn.h - one uTP connection: packets and time go in; packets, bytes and states come out.
 * Pure; whoever holds the socket and the clock asks for what comes out after each call.
 *
 * Source: BEP 29, and where it is silent or says what nobody does: the STATE that answers a SYN
 *         takes no sequence number, so the first DATA behind it has the number that it shows.
 * Units:  `now_us` is monotonic, and the stamp of packets. */
#ifndef SHOAL_WIRE_UTP_CONN_H
#define SHOAL_WIRE_UTP_CONN_H

#include "wire/utp.h"

/* The largest packet: with an IPv6 head 1,448 bytes, which passes through Ethernet, PPPoE and most
 * tunnels. Packets may be cut on their way (no DF); where the parts are not let through either, a
 * connection goes on with what every path must carry: with an IPv6 head 1,280 bytes. */
#define UTP_PACKET_BYTES 1400u
#define UTP_PAYLOAD_BYTES (UTP_PACKET_BYTES - UTP_HEAD)
#define UTP_PACKET_LEAST 1232u
#define UTP_PAYLOAD_LEAST (UTP_PACKET_LEAST - UTP_HEAD)
/* It begins with those, and fills one up to the largest, with an extension that nobody knows and
 * everybody skips: when that arrives all are as large from then on, when it is lost it is sent
 * again as it was. So many are tried. */
#define UTP_WIDE_TRIES 3u
/* Bytes that a connection holds for those who have not read them, in order or not (attack: data
 * behind a gap that never closes). What is beyond that is dropped; it is the window we advertise.
 */
#define UTP_HELD_MAX (1u << 20)
/* Packets behind a gap; and packets in flight. A power of two. */
#define UTP_REORDER_MAX 1024u
/* Bytes taken from the writer that are not acknowledged. */
#define UTP_OUT_MAX (1u << 20)
/* The queueing delay that a connection aims at. */
#define UTP_TARGET_US 100000u
/* Times out without any answer: a SYN after 0.5, 1, 2 and 4 s, data after about a minute. */
#define UTP_SYN_US 500000u
#define UTP_SYNS_MAX 4u
#define UTP_RTO_MIN_US 500000u
#define UTP_RTO_FIRST_US 1000000u
#define UTP_RTO_MAX_US 30000000u
#define UTP_TIMEOUTS_MAX 7u
/* A silent connection says something so often, which keeps the way through routers open. */
#define UTP_KEEPALIVE_US 29000000u
/* An acknowledgement waits so long for data to go with it, or for a second packet. */
#define UTP_ACK_DELAY_US 20000u
/* Wrong acknowledgements from somebody who is not proven (attack: to forge an address, and guess
 * the 16 bits that were sent there). */
#define UTP_GUESSES_MAX 4u
/* After the local end closed: for the other one to acknowledge. */
#define UTP_LINGER_US 10000000u

enum utp_state {
	UTP_CONNECTING, /* our SYN is not answered */
	UTP_HALF_OPEN,	/* theirs is; whether they are where they say is not known */
	UTP_OPEN,
	UTP_CLOSING, /* utp_conn_close(): what was written is being acknowledged */
	UTP_DEAD,    /* see utp_conn_why(); nothing comes any more but packets to send */
};

/* Payload held for readers by many connections together. */
struct utp_budget {
	size_t used, max;
};

struct utp_conn;

/* `id` is what packets to us shall have, and our SYN has; it is free for this address. `seq`:
 * random. NULL: out of memory. Owns: borrows `budget`. */
struct utp_conn *utp_conn_dial(uint16_t id, uint16_t seq, struct utp_budget *budget,
			       uint64_t now_us);
/* `syn` came from somebody. Packets of theirs will have the number syn->id + 1. */
struct utp_conn *utp_conn_accept(const struct utp_packet *syn, uint16_t seq,
				 struct utp_budget *budget, uint64_t now_us);
void utp_conn_free(struct utp_conn *c);

/* ---- in ---- */
/* A packet with our number (a RESET may have theirs) from the other end. */
void utp_conn_on_packet(struct utp_conn *c, const struct utp_packet *p, uint64_t now_us);
/* The other host, or somebody in its name, said that nobody listens there. It is believed of those
 * who have not answered something else either. */
void utp_conn_on_refused(struct utp_conn *c);
void utp_conn_on_time(struct utp_conn *c, uint64_t now_us);
/* Returns how much was taken: what there is room for. */
size_t utp_conn_write(struct utp_conn *c, struct bytes data);
/* Take bytes in their order. Returns how many. */
size_t utp_conn_read(struct utp_conn *c, struct span to);
/* Nothing more is read or written; what was written still arrives, unless some of it was not even
 * sent: then the other end is reset. */
void utp_conn_close(struct utp_conn *c, uint64_t now_us);
/* The same at once: who was connected is reset, and what was written may not arrive. */
void utp_conn_reset(struct utp_conn *c);

/* ---- out ---- */
/* Packets to send now, at most `cap`.
 * Returns: their number; call again while it is `cap`.
 * Owns:    they borrow from `c` until any other call but the questions below. */
size_t utp_conn_packets(struct utp_conn *c, uint64_t now_us, struct bytes *list, size_t cap);
/* When utp_conn_on_time() is due; UINT64_MAX never. */
uint64_t utp_conn_deadline_us(const struct utp_conn *c);
enum utp_state utp_conn_state(const struct utp_conn *c);
/* Of a DEAD one: OK after a close, ERR_TIMEOUT, ERR_UNREACHABLE (reset, refused), ERR_NOMEM. */
enum err utp_conn_why(const struct utp_conn *c);
size_t utp_conn_readable(const struct utp_conn *c);
/* The other end closed, and everything was read. */
bool utp_conn_at_end(const struct utp_conn *c);
/* Bytes that utp_conn_write() would take: of what would only wait, no more than is sent soon. */
size_t utp_conn_room(const struct utp_conn *c);
/* There is room for more than a little. */
bool utp_conn_is_writable(const struct utp_conn *c);
/* Bytes written and not acknowledged. */
size_t utp_conn_unacked(const struct utp_conn *c);
uint16_t utp_conn_id(const struct utp_conn *c);
uint16_t utp_conn_their_id(const struct utp_conn *c);

struct utp_conn_stats {
	uint32_t rtt_us, window_bytes, delay_us; /* `delay_us`: of queues on the way to them */
	uint64_t packets, resent, timeouts;
};
void utp_conn_stats(const struct utp_conn *c, struct utp_conn_stats *out);

#endif
