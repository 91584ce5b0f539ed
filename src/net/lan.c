#include "net/lan.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

/* RFC 1918, 3927; RFC 4193, 4291. */
static bool is_private(const struct addr *a)
{
	const uint8_t *ip = a->ip;

	if (a->v6)
		return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
	return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	       (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254);
}

static bool same_net(const uint8_t *a, const uint8_t *b, const uint8_t *mask, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (((a[i] ^ b[i]) & mask[i]) != 0)
			return false;
	}
	return true;
}

static bool is_beside(const struct addr *a, const struct ifaddrs *i)
{
	if (i->ifa_addr == NULL || i->ifa_netmask == NULL || (i->ifa_flags & IFF_UP) == 0)
		return false;
	if (!a->v6 && i->ifa_addr->sa_family == AF_INET) {
		struct sockaddr_in own, mask;

		memcpy(&own, i->ifa_addr, sizeof(own));
		memcpy(&mask, i->ifa_netmask, sizeof(mask));
		return same_net(a->ip, (const uint8_t *)&own.sin_addr,
				(const uint8_t *)&mask.sin_addr, 4);
	}
	if (a->v6 && i->ifa_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 own, mask;

		memcpy(&own, i->ifa_addr, sizeof(own));
		memcpy(&mask, i->ifa_netmask, sizeof(mask));
		return same_net(a->ip, own.sin6_addr.s6_addr, mask.sin6_addr.s6_addr, 16);
	}
	return false;
}

bool lan_has(const struct addr *a)
{
	struct ifaddrs *list;
	bool found = false;

	if (addr_is_loopback(a))
		return true;
	if (!is_private(a) || getifaddrs(&list) != 0)
		return false;
	for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
		found = is_beside(a, i);
	freeifaddrs(list);
	return found;
}
