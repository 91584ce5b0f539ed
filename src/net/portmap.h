/* net/portmap.h - a port of the router between us and the world, so that others can reach us.
 *
 * Asks the default gateway by PCP (RFC 6887), then NAT-PMP (RFC 6886, libnatpmp), then whatever
 * router answers to UPnP (miniupnpc), and keeps what it got until it is freed. All of that waits,
 * so it has a thread of its own. Nothing is asked without a gateway, nor when our address towards
 * it is one of the world's. */
#ifndef SHOAL_NET_PORTMAP_H
#define SHOAL_NET_PORTMAP_H

#include "base/addr.h"
#include "base/err.h"
#include "net/loop.h"

/* What is asked for. It is renewed when half of what was given is over, and removed at the end; a
 * router that forgets the removal forgets the mapping after this. */
#define PORTMAP_LEASE_S 3600u
/* After a refusal, and after the router was asked in vain. */
#define PORTMAP_RETRY_S 300u
/* A router that gives less is asked no more often than this (attack: one that has us ask all the
 * time). */
#define PORTMAP_RENEW_MIN_S 30u
/* Freeing waits so long for the mapping to be removed. */
#define PORTMAP_LEAVE_MS 1500u

enum portmap_method { PORTMAP_NONE, PORTMAP_PCP, PORTMAP_NAT_PMP, PORTMAP_UPNP };
/* "PCP", "NAT-PMP", "UPnP" */
const char *portmap_method_text(enum portmap_method m);

struct portmap_state {
	enum portmap_method method; /* NONE: there is no mapping, `why` says why */
	struct addr external; /* where the world reaches us by TCP; ip zero when the router does
			       * not say */
	uint16_t udp_port;    /* the same by UDP; 0: not */
	struct err_info why;
};

struct portmap;

struct portmap_params {
	struct loop *loop;
	uint16_t port; /* ours, for TCP */
	bool udp;      /* the same port of UDP, too */
	/* On the loop's thread, when it is another state than before. May be NULL. */
	void (*changed)(void *user, const struct portmap_state *s);
	void *user;
};

/* Returns 0, ERR_NOMEM or ERR_IO (no thread). */
int portmap_new(const struct portmap_params *p, struct portmap **out, struct err_info *info);
/* Gives the port back. */
void portmap_free(struct portmap *p);

#endif
