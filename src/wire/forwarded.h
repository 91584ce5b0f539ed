/* wire/forwarded.h - who asks, when a proxy passes it on: X-Forwarded-For; and below which path of
 * its own it has us: X-Forwarded-Prefix. Pure.
 *
 *   X-Forwarded-For: 203.0.113.9, 10.0.0.2       each proxy adds, behind what is there, whom it
 *                                                was asked by
 *
 * Several lines of it are one list. What stands there is believed as far as it was written by a
 * proxy that the operator trusts: the last address by the one that the connection comes from, the
 * one before if the last is itself a trusted proxy, and so on.
 * Attack: whoever is asked by a stranger may be told any address, which would give that one's
 * place in a swarm, its limits and its line in the log to others. */
#ifndef SHOAL_WIRE_FORWARDED_H
#define SHOAL_WIRE_FORWARDED_H

#include <stdbool.h>

#include "base/addr.h"

/* Networks of proxies (attack: none, they are the operator's). */
#define FORWARDED_PROXIES_MAX 16u
/* Addresses of one header that are looked at, from its end (attack: 16 KiB of commas). */
#define FORWARDED_HOPS_MAX 16u

/* A path that is believed (attack: announce URLs of 16 KiB). */
#define FORWARDED_PREFIX_MAX 200u

struct proxies {
	struct addr_net list[FORWARDED_PROXIES_MAX];
	uint32_t n;
};

/* "10.0.0.2" or "10.0.0.0/24". Returns 0, ERR_INVALID, or ERR_TOO_BIG past FORWARDED_PROXIES_MAX.
 */
int proxies_add(struct proxies *p, struct bytes text);
bool proxies_have(const struct proxies *p, const struct addr *a);
/* `from`, where a connection comes from, becomes who asks by this header, or stays what it is as
 * far as nothing there can be believed or read. Its port is the socket's still. */
void proxies_look_behind(const struct proxies *p, struct bytes header, struct addr *from);
/* "/shoal/" as "/shoal", out of letters, digits, and "/-._~"; nothing where `header` is no such
 * path. Borrows from it. */
struct bytes forwarded_prefix(struct bytes header);

#endif
