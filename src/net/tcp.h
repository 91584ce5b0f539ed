/* net/tcp.h - TCP sockets, made and set the way peers need them. All non-blocking. */
#ifndef SHOAL_NET_TCP_H
#define SHOAL_NET_TCP_H

#include "base/addr.h"
#include "base/err.h"

/* Listen on `port` on all interfaces, IPv6 and IPv4 with one socket where the system can
 * (0: any free port), or on `host` alone ("127.0.0.1", "::1", NULL for all).
 * Returns the descriptor or ERR_EXISTS (port taken), ERR_DENIED, ERR_INVALID, ERR_IO. */
int tcp_listen(const char *host, uint16_t port, uint16_t *bound_port, struct err_info *info);

/* Whoever connects is refused from now on. */
void tcp_stop_listening(int listener);
/* Returns a descriptor, ERR_AGAIN when nobody waits, ERR_TOO_BIG when descriptors or memory are
 * out (EMFILE: the caller pauses accepting), or ERR_IO. */
int tcp_accept(int listener, struct addr *from);

/* Begin connecting; writable when done, then ask tcp_connect_result(). */
int tcp_connect(const struct addr *to);
/* 0, ERR_UNREACHABLE (refused, no route), ERR_TIMEOUT or ERR_IO. */
int tcp_connect_result(int fd);

/* Connections to this listener are shown by tcp_accept() and others when they have brought a first
 * byte, or after about a second. Where the system cannot, at once. */
void tcp_wait_for_data(int listener);

/* The kernel's smoothed round trip in microseconds, 0 unknown. */
uint32_t tcp_rtt_us(int fd);
/* No delay for small messages; buffers left to the kernel's own tuning. */
void tcp_tune(int fd);
/* What was read is acknowledged now. A peer whose kernel holds back its small messages until the
 * ones before are acknowledged (Nagle's way; aria2 and rtorrent leave it so) would send the next
 * one 40 ms later. Holds for now, not for what comes. */
void tcp_ack_now(int fd);
/* Close so that the peer learns at once and nothing lingers. */
void tcp_close(int fd);
/* Whoever closes it sends a reset and leaves nothing behind in the kernel. */
void tcp_reset_on_close(int fd);
/* Bytes that were written and that the other end has not acknowledged. */
uint32_t tcp_unacked_bytes(int fd);

/* The address at which a socket is bound. Returns 0 or ERR_INVALID. */
int tcp_local_addr(int fd, struct addr *out);
/* Has this machine that address no longer, so that nothing comes through who is bound to it? */
bool tcp_addr_is_gone(const struct addr *a);
int tcp_addr_from_sockaddr(struct addr *out, const void *sockaddr, size_t len);

#endif
