/* node/lan_teller.h - telling the local network that there is an index here.
 * Source: RFC 6762 (multicast DNS), RFC 6763 (service discovery).
 *
 * No daemon of the system is needed, and one that is there is not disturbed: both take what is sent
 * to the group. The instance's name ends in digits of the index's id, so that no two indexes have
 * the same: names are therefore not probed for (RFC 6762 8.1). */
#ifndef SHOAL_NODE_LAN_TELLER_H
#define SHOAL_NODE_LAN_TELLER_H

#include "net/mcast.h"
#include "node/lan_find.h"

/* Replies to single askers in a second (attack: a neighbour that has us fill the link). Whoever is
 * not on one of our links gets none. */
#define LAN_REPLIES_PER_S 50u
/* An answer to the whole link is not repeated within this (RFC 6762 6). */
#define LAN_ANSWER_MS 1000u
/* How often interfaces are looked for. */
#define LAN_REFRESH_MS 15000u

struct lan_teller;

struct lan_offer {
	const char *host; /* this machine's name; what DNS does not allow in it is left out */
	const char *id;	  /* LAN_ID_LEN hex digits */
	const char *pin;  /* NULL: plain HTTP */
	const struct addr *only; /* it listens there alone; NULL: on every address */
	uint16_t port;
};

/* Says hello, and then answers. Nothing in `o` is kept. Returns 0; ERR_INVALID for a loopback
 * address, which nobody else can reach; errors of mcast_new(). */
int lan_teller_new(struct loop *l, const struct lan_offer *o, struct lan_teller **out,
		   struct err_info *info);
/* Says goodbye. */
void lan_teller_free(struct lan_teller *t);

#endif
