#include "net/lan.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "net/tcp.h"

static bool to_addr(struct addr *out, const struct sockaddr *s)
{
	if (s == NULL || (s->sa_family != AF_INET && s->sa_family != AF_INET6))
		return false;
	return tcp_addr_from_sockaddr(out, s,
				      s->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							      : sizeof(struct sockaddr_in6)) == OK;
}

unsigned lan_prefix(const struct sockaddr *mask)
{
	struct addr a;
	unsigned bits = 0, max;

	if (!to_addr(&a, mask))
		return 128;
	max = a.v6 ? 128 : 32;
	while (bits < max && (a.ip[bits / 8] >> (7 - bits % 8) & 1) != 0)
		bits++;
	return bits;
}

static bool is_beside(const struct addr *a, const struct ifaddrs *i)
{
	struct addr own;

	return i->ifa_netmask != NULL && (i->ifa_flags & IFF_UP) != 0 &&
	       to_addr(&own, i->ifa_addr) && addr_in_net(a, &own, lan_prefix(i->ifa_netmask));
}

bool lan_has(const struct addr *a)
{
	enum addr_scope scope = addr_scope(a);
	struct ifaddrs *list;
	bool found = false;

	if (addr_is_loopback(a))
		return true;
	if ((scope != ADDR_PRIVATE && scope != ADDR_LINK) || getifaddrs(&list) != 0)
		return false;
	for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
		found = is_beside(a, i);
	freeifaddrs(list);
	return found;
}
