/* net/resolve.h - the addresses of a host name, without waiting for them. */
#ifndef SHOAL_NET_RESOLVE_H
#define SHOAL_NET_RESOLVE_H

#include "base/addr.h"
#include "net/loop.h"

/* Addresses of one name that are told (attack: a name server that answers with thousands). */
#define RESOLVE_ADDRS_MAX 16u
/* Names that are being looked up at once; more are refused. */
#define RESOLVE_ASKS_MAX 32u
/* A host's name, with its NUL. */
#define RESOLVE_HOST_MAX 256u

struct resolver;

/* "HOST:PORT" in two. ERR_INVALID when one of them is missing, or cannot be that. */
int resolve_split(struct bytes text, char host[RESOLVE_HOST_MAX], uint16_t *port);

/* Nothing is sent, opened or read before the first name. NULL: out of memory. */
struct resolver *resolver_new(struct loop *l);
/* Those that were asked for and did not answer hear nothing. */
void resolver_free(struct resolver *r);

/* `found` is called from the loop, or at once for a numeric address, with n = 0 when there are
 * none. It may not free the resolver. Returns 0, ERR_TOO_BIG or ERR_NOMEM: then it is not called.
 */
int resolver_ask(struct resolver *r, const char *host, uint16_t port,
		 void (*found)(void *user, const struct addr *list, size_t n), void *user);

#endif
