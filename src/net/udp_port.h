/* net/udp_port.h - the UDP socket of a peer, beside its TCP port of the same number, which the
 * distributed hash table, uTP and questions to trackers share: who gets a datagram is told by its
 * first byte ('d': a dictionary, so KRPC; 0: the action of a tracker's reply, wire/udp_tracker.h;
 * else wire/utp.h, where it is none of these). */
#ifndef SHOAL_NET_UDP_PORT_H
#define SHOAL_NET_UDP_PORT_H

#include "base/addr.h"
#include "net/loop.h"

/* Turns of receiving before others have theirs (attack: a flood of datagrams, O-39). */
#define UDP_PORT_ROUNDS 4u
/* The kernel may hand over, and take, datagrams of one sender in a row as one of so many bytes. */
#define UDP_PORT_ROW_BYTES 65536u
/* Of those, read with one call. */
#define UDP_PORT_ROWS 8u

struct udp_port;

enum udp_port_kind { UDP_PORT_KRPC, UDP_PORT_TRACKER, UDP_PORT_UTP, UDP_PORT_KINDS };

struct udp_port_user {
	void (*on_datagram)(void *user, const struct addr *from, struct bytes in);
	/* All that waited was handed over; answers may go. May be NULL. */
	void (*on_idle)(void *user);
	/* A host says that nobody listens at this address. May be NULL. */
	void (*on_refused)(void *user, const struct addr *to);
	/* Somebody on the way says that there is none to this address, which may pass. May be NULL.
	 */
	void (*on_unreachable)(void *user, const struct addr *to);
	void *user;
};

/* `host` NULL: all addresses. Returns 0, ERR_EXISTS (taken), ERR_DENIED, ERR_INVALID, ERR_IO,
 * ERR_NOMEM. */
int udp_port_new(struct loop *loop, const char *host, uint16_t port, struct udp_port **out,
		 struct err_info *info);
/* Not from inside a callback of it. NULL is fine. */
void udp_port_free(struct udp_port *p);
uint16_t udp_port_number(const struct udp_port *p);
/* `u` is copied; NULL: nobody any more. */
void udp_port_serve(struct udp_port *p, enum udp_port_kind kind, const struct udp_port_user *u);

/* At which of our own addresses it came, inside on_datagram(); port 0: not known. */
const struct addr *udp_port_own(const struct udp_port *p);
/* The same as udp_port_send(), but from that address of ours: the other side knows no other. NULL
 * or port 0: whichever leads there. */
size_t udp_port_send_from(struct udp_port *p, const struct addr *own, const struct addr *to,
			  const struct bytes *list, size_t n);
/* Never wait. Returns how many went out: those behind were dropped, since the socket is full or
 * there is no way there. */
size_t udp_port_send(struct udp_port *p, const struct addr *to, const struct bytes *list, size_t n);
/* Of what was to be sent last something did not go out, and not for want of room: this machine
 * knows no way there, or may not take it. */
bool udp_port_no_way(const struct udp_port *p);

#endif
