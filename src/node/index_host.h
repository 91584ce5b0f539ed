/* node/index_host.h - under which names an index answers. Pure.
 *
 * Attack: DNS rebinding. Somebody's browser shows a page of http://evil.example:6969, whose name is
 * then made to lead to that somebody's own machine: to the browser the index there is the page's
 * own site, which may read what an open index has. What the page cannot change is the Host header.
 */
#ifndef SHOAL_NODE_INDEX_HOST_H
#define SHOAL_NODE_INDEX_HOST_H

#include "base/addr.h"

struct index_host {
	const char *own; /* this machine's name; may be NULL */
	const char *const
	    *named; /* those it is to answer under, ended by NULL; NULL: none was named */
};

/* May a request from `from` with this Host header be answered? Without named hosts whoever comes
 * over the network may call us anything, since nobody knows what a network calls its machines, and
 * who comes over loopback only what no stranger's name can be: an address, a name without a dot or
 * in a domain that the public DNS does not have (RFC 6761, 6762, 8375), or this machine's own. With
 * named hosts these, and the named ones, count for everybody. NULL is what only programs send.
 * Limit: a name of an index on a private address is not judged unless hosts are named. */
bool index_host_is_ours(const struct index_host *h, const char *host, const struct addr *from);

#endif
