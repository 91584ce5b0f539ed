/* wire/utp.h - packets of uTP, a stream over UDP that gives way to others, as values. Pure.
 *
 *      0       4       8               16                              32
 *     | type  | ver   | extension     | connection id                 |
 *     | when it was sent, microseconds of the sender's clock          |
 *     | how long the last one took that came from there               |
 *     | room that the sender has for more, bytes                      |
 *     | sequence number               | last one received in order    |
 *     [ extension | length | bytes ]*  payload
 */
#ifndef SHOAL_WIRE_UTP_H
#define SHOAL_WIRE_UTP_H

#include "base/bytes.h"
#include "base/err.h"

#define UTP_HEAD 20u
/* Extensions of one packet that are skipped or read (attack: a chain of empty ones that costs more
 * to walk than to send). */
#define UTP_EXTENSIONS_MAX 8u
/* Bytes of a selective acknowledgement that we send: the length is one byte, a multiple of four. */
#define UTP_SACK_MAX 252u

enum utp_type { UTP_DATA, UTP_FIN, UTP_STATE, UTP_RESET, UTP_SYN };

struct utp_packet {
	enum utp_type type;
	uint16_t id, seq, ack;
	uint32_t stamp_us, delay_us, window;
	struct bytes sack; /* bit i of byte k, lowest first: ack + 2 + 8 * k + i has come */
	struct bytes payload;
};

/* Can a datagram that begins so be a packet? */
static inline bool utp_is_packet(uint8_t first)
{
	return (first & 0x0f) == 1 && first >> 4 <= UTP_SYN;
}

/* Source:  BEP 29 "header format". Other extensions than selective acknowledgement are skipped. Its
 *          mask has a multiple of four bytes there; libtorrent sends eleven.
 * Returns: > 0 bytes, all of `in`; 0 when it ends before its payload begins; ERR_PROTO.
 * Owns:    p->sack and p->payload borrow from `in`. */
int utp_decode(struct utp_packet *p, struct bytes in);
/* Head and selective acknowledgement, if p->sack has any; a payload goes behind. `out` has room for
 * UTP_HEAD + 2 + p->sack.len bytes. Returns that number, less 2 without one. */
size_t utp_encode_head(const struct utp_packet *p, uint8_t *out);
/* Behind a head without extensions: one that means nothing, of 2 to 257 bytes. */
void utp_put_filler(uint8_t *packet, size_t bytes);

#endif
