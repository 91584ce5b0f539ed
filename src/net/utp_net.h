/* net/utp_net.h - all uTP connections of a peer on its UDP port: the loop's datagrams and time go
 * into wire/utp_conn.h, streams of bytes come out. Used through net/stream.h. */
#ifndef SHOAL_NET_UTP_NET_H
#define SHOAL_NET_UTP_NET_H

#include <sys/uio.h>

#include "net/udp_port.h"
#include "wire/utp_conn.h"

/* Connections that were asked for and not proven: the asker's address may be forged. A new one
 * pushes the oldest out, of its own host (an IPv4 address, an IPv6 /64) first (attack: a flood of
 * SYNs; each is answered with 20 bytes for 20). */
#define UTP_NET_HALF_OPEN_MAX 256u
#define UTP_NET_HALF_OPEN_HOST_MAX 8u
#define UTP_NET_CONNS_MAX 4000u
/* Of them those that were closed and wait for the other end to acknowledge. One more pushes the
 * oldest out, of its own host first; so does any connection when there is no place (attack: one
 * host that is hung up on again and again, and never acknowledges that). */
#define UTP_NET_CLOSING_MAX 256u
#define UTP_NET_CLOSING_HOST_MAX 8u
/* Bytes held for readers by all of them together (attack: UTP_HELD_MAX behind a gap on each of
 * thousands of connections). */
#define UTP_NET_HELD_MAX (64u << 20)
/* Answers a second to packets of no connection (attack: being made to shower others). */
#define UTP_NET_RESETS_A_SECOND 100u

struct utp_net;
struct utp_stream;

/* Somebody connected, and has shown that they are where they say. What it has is to be given to
 * stream_from_utp(), or utp_stream_close(). */
typedef void utp_net_accept(void *user, struct utp_stream *u, const struct addr *from);

/* Returns 0 or ERR_NOMEM. Owns: borrows `udp`, whose uTP it serves. */
int utp_net_new(struct loop *loop, struct udp_port *udp, utp_net_accept *on_accept, void *user,
		struct utp_net **out);
/* Resets what is still open. NULL is fine. Not from inside a callback of it. */
void utp_net_free(struct utp_net *n);

struct utp_net_stats {
	uint32_t conns, half_open, closing;
	uint64_t packets_in, packets_out, resent, held_bytes;
};
void utp_net_stats(const struct utp_net *n, struct utp_net_stats *out);

/* ---- streams: as sockets, with errno; `ready` as of a loop_io ---- */
/* A SYN leaves at once and again after 0.5, 1.5 and 3.5 s, whatever comes from there meanwhile: so
 * both sides of two routers may dial at once, and what each sends opens its own. Writable when
 * connected, or failed: see utp_stream_result().
 * Returns 0, ERR_TOO_BIG (too many) or ERR_NOMEM. */
int utp_stream_dial(struct utp_net *n, const struct addr *to, struct utp_stream **out);
void utp_stream_watch(struct utp_stream *u, void (*fn)(void *arg, unsigned ready), void *arg);
void utp_stream_want(struct utp_stream *u, unsigned events);
/* 0, ERR_UNREACHABLE, ERR_TIMEOUT; ERR_AGAIN: not yet. */
int utp_stream_result(const struct utp_stream *u);
ssize_t utp_stream_readv(struct utp_stream *u, const struct iovec *iov, int n);
ssize_t utp_stream_write(struct utp_stream *u, struct bytes data);
uint32_t utp_stream_unacked(const struct utp_stream *u);
uint32_t utp_stream_rtt_us(const struct utp_stream *u);
/* As tcp_close(): what was sent still arrives; behind what was not, the other end is reset. */
void utp_stream_close(struct utp_stream *u);
/* At once: the other end is reset, and nothing is kept for it. */
void utp_stream_reset(struct utp_stream *u);

#endif
