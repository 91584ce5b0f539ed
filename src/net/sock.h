/* net/sock.h - addresses as the kernel has them. */
#ifndef SHOAL_NET_SOCK_H
#define SHOAL_NET_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/err.h"

union sock {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

void sock_to_addr(struct addr *out, const union sock *at);
/* A socket of IPv6 reaches IPv4 by mapped addresses. Returns the length. */
socklen_t sock_from_addr(union sock *out, const struct addr *a, bool v6_socket);
socklen_t sock_len(const union sock *at);

/* What errno says of opening, connecting or accepting, as an enum err; ERR_IO: anything else, an
 * address that this machine has not (yet), too. */
enum err sock_err(int error);

#endif
