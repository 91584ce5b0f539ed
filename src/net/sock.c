#include "net/sock.h"

void sock_to_addr(struct addr *out, const union sock *at)
{
	if (at->any.sa_family == AF_INET6)
		addr_from_ip(out, bytes_of(&at->v6.sin6_addr, 16), ntohs(at->v6.sin6_port));
	else
		addr_from_ip(out, bytes_of(&at->v4.sin_addr, 4), ntohs(at->v4.sin_port));
}

socklen_t sock_from_addr(union sock *out, const struct addr *a, bool v6_socket)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!v6_socket) {
		*out = (union sock){.v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)}};
		memcpy(&out->v4.sin_addr, a->ip, 4);
		return sizeof(out->v4);
	}
	*out = (union sock){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)}};
	if (a->v6) {
		memcpy(&out->v6.sin6_addr, a->ip, 16);
	} else {
		memcpy(&out->v6.sin6_addr, mapped, sizeof(mapped));
		memcpy((uint8_t *)&out->v6.sin6_addr + sizeof(mapped), a->ip, 4);
	}
	return sizeof(out->v6);
}
