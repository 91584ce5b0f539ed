#include "net/sock.h"

#include <errno.h>

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

socklen_t sock_len(const union sock *at)
{
	return at->any.sa_family == AF_INET6 ? sizeof(at->v6) : sizeof(at->v4);
}

enum err sock_err(int error)
{
	switch (error) {
	case EAGAIN:
		return ERR_AGAIN;
	case EADDRINUSE:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case EAFNOSUPPORT:
	case EINVAL:
		return ERR_INVALID;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ECONNRESET:
		return ERR_UNREACHABLE;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return ERR_TOO_BIG;
	default:
		return ERR_IO;
	}
}
