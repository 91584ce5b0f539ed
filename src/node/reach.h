/* node/reach.h - where others reach this peer: the port that the router gave us, for those beyond
 * it. */
#ifndef SHOAL_NODE_REACH_H
#define SHOAL_NODE_REACH_H

#include "net/portmap.h"

/* Whoever is gone by then never needed it. */
#define REACH_AFTER_MS 3000u

struct reach;

struct reach_params {
	struct loop *loop;
	uint16_t port; /* ours */
	/* A line about what changed. May be NULL. */
	void (*log)(void *user, const char *line);
	void *user;
};

/* Ask the router for a port, soon, and keep it. Returns 0 or ERR_NOMEM. */
int reach_new(const struct reach_params *p, struct reach **out);
/* Gives it back. NULL is fine. */
void reach_free(struct reach *r);
/* The port is also that of a UDP socket, which shall be reached, too. Before the router is asked.
 */
void reach_use_udp(struct reach *r);

/* The port to tell a tracker, over IPv4 if its name may stand for both: ours when it is on our side
 * of the router, as far as its URL shows: a numeric private address, "localhost", a name of the
 * link or without a dot. */
uint16_t reach_port(const struct reach *r, const char *url);
/* The same of two ports, ours and that of the router (0: as ours), for one that is connected to: at
 * `at`, which says more than a name; port 0: that is not known. */
uint16_t reach_port_at(const char *url, const struct addr *at, uint16_t port, uint16_t outer);
/* That of the router, if it is another one than ours; else 0. For those of whom
 * addr_is_beyond_nat() is true. */
uint16_t reach_outer_port(const struct reach *r);
/* The same of UDP. */
uint16_t reach_outer_udp_port(const struct reach *r);
bool reach_is_near(const char *url);
/* How near may be whom the user's own index names, which is so near itself (addr_may_name())? It
 * may have a public address and know of peers in a network that is ours, too. */
enum addr_scope reach_of_index(enum addr_scope at);
/* NULL before the first answer. Owns: borrows until the next turn of the loop. */
const struct portmap_state *reach_state(const struct reach *r);

#endif
