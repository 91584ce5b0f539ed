/* net/mcast.h - a UDP socket in a multicast group on every interface of the machine. */
#ifndef SHOAL_NET_MCAST_H
#define SHOAL_NET_MCAST_H

#include "base/addr.h"
#include "base/err.h"
#include "net/loop.h"

/* Longer datagrams are dropped; a group on a link never needs more than its packet. */
#define MCAST_DATAGRAM_MAX 1500u
/* Addresses of our own that are remembered, over all interfaces; further ones are not used. */
#define MCAST_ADDRESSES_MAX 128u
/* Datagrams taken in one turn of the loop (attack: a flood on the link starves the transfers). */
#define MCAST_TURN_MAX 64u

struct mcast;

/* Where a datagram came from, and by which interface. */
struct mcast_from {
	struct addr addr;
	unsigned interface; /* its index, as in if_nametoindex(3) */
	bool on_link;	    /* the sender's address is of a network that the interface is in */
};

struct mcast_params {
	struct loop *loop;
	const char *group_v4, *group_v6; /* numeric; NULL: not that family */
	uint16_t port;			 /* of the group */
	/* Take what is sent to the group. Without it the socket has a port of its own and gets
	 * replies alone. */
	bool member;
	uint8_t hops; /* 1: never beyond the link; mDNS wants 255 */
	/* `data` is valid for the call. May not free the mcast. */
	void (*on_datagram)(void *user, const struct mcast_from *from, struct bytes data);
	void *user;
};

/* Interfaces are those that are up, can multicast and are not the loopback. Others may use the same
 * port of the machine, too. Returns 0 (also when there is no interface yet), ERR_NOMEM, ERR_DENIED,
 * ERR_EXISTS (somebody has the port for himself) or ERR_IO. */
int mcast_new(const struct mcast_params *p, struct mcast **out, struct err_info *info);
void mcast_free(struct mcast *m);

/* Join where an interface came up since. */
void mcast_refresh(struct mcast *m);
/* To the group, on each interface and in each family. Returns in how many ways it went out. */
unsigned mcast_send(struct mcast *m, struct bytes data);
/* One interface alone. */
unsigned mcast_send_on(struct mcast *m, unsigned interface, struct bytes data);
/* To the sender alone, by the interface that he is at. Returns 0 or ERR_IO. */
int mcast_reply(struct mcast *m, const struct mcast_from *to, struct bytes data);
/* The interfaces that it goes out by; returns how many of `cap` were filled. */
unsigned mcast_interfaces(const struct mcast *m, unsigned *out, unsigned cap);
/* Our addresses on an interface, with port 0; returns how many of `cap` were filled. 0 for
 * `interface`: on all of them. */
unsigned mcast_addresses(const struct mcast *m, unsigned interface, struct addr *out, unsigned cap);

#endif
