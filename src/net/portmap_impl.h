/* net/portmap_impl.h - the three ways of asking a router; private to net/portmap*.c.
 *
 * All of them wait, and run on the thread of net/portmap.c. */
#ifndef SHOAL_NET_PORTMAP_IMPL_H
#define SHOAL_NET_PORTMAP_IMPL_H

#include <netinet/in.h>

#include "net/portmap.h"
#include "wire/pcp.h"

/* One answer is waited for so long, in all tries together. */
#define PORTMAP_ANSWER_MS 1750u
/* Time for routers to answer a search by UPnP. */
#define PORTMAP_SEARCH_MS 1500

/* Who asks, and whom. */
struct portmap_router {
	struct in_addr gateway, own; /* own: our address towards it */
	int stop_fd;		     /* readable: whoever waits shall stop */
};

/* One protocol's mapping. */
struct portmap_lease {
	bool held; /* it was given, and not given back */
	enum pcp_protocol protocol;
	uint16_t port;	      /* ours */
	struct addr external; /* what was given; before, what would be liked */
	uint32_t lifetime_s;  /* wanted, then given; 0: remove it */
	uint8_t nonce[PCP_NONCE_LEN];
};

bool portmap_stopping(const struct portmap_router *r);
/* Wait for `fd` to be readable. False: the time is over, or it shall stop. */
bool portmap_wait(const struct portmap_router *r, int fd, uint32_t ms);

/* Return 0; ERR_UNREACHABLE: nobody answers; ERR_DENIED: the router says no; ERR_INVALID: it does
 * not know the protocol; ERR_IO. `why` gets a sentence. */
int portmap_pcp(const struct portmap_router *r, struct portmap_lease *l, struct err_info *why);
int portmap_nat_pmp(const struct portmap_router *r, struct portmap_lease *l, struct err_info *why);

struct portmap_upnp;
/* Search for a router: *out is NULL when there is none. */
int portmap_upnp_find(struct portmap_upnp **out, struct err_info *why);
void portmap_upnp_free(struct portmap_upnp *u);
int portmap_upnp_ask(struct portmap_upnp *u, struct portmap_lease *l, struct err_info *why);

#endif
