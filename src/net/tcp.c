#include "net/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "net/sock.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static int listen_at(const union sock *at, socklen_t len, int *error)
{
	int one = 1, zero = 0;
	int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*error = errno;
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Only "::" can take IPv4 too, for others the option says nothing. */
	if (at->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, &at->any, len) != 0 || listen(fd, BACKLOG) != 0) {
		*error = errno;
		close(fd);
		return -1;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	struct addr at;

	return tcp_local_addr(fd, &at) == OK ? at.port : 0;
}

static int listen_all(uint16_t port, int *error)
{
	union sock at = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	int fd = listen_at(&at, sizeof(at.v6), error);

	/* A kernel without IPv6, or with it switched off. */
	if (fd < 0 && (*error == EAFNOSUPPORT || *error == EADDRNOTAVAIL)) {
		at = (union sock){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
		fd = listen_at(&at, sizeof(at.v4), error);
	}
	return fd;
}

static int listen_host(const char *host, uint16_t port, int *error)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	union sock at = {0};
	char service[8];
	int fd;

	snprintf(service, sizeof(service), "%u", port);
	*error = EINVAL;
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	memcpy(&at, found->ai_addr, found->ai_addrlen);
	fd = listen_at(&at, found->ai_addrlen, error);
	freeaddrinfo(found);
	return fd;
}

static const char *listen_reason(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "the port is taken by another program";
	case EADDRNOTAVAIL:
		return "no such address on this machine";
	case EINVAL:
		return "not a numeric address";
	default:
		return strerror(error);
	}
}

int tcp_listen(const char *host, uint16_t port, uint16_t *bound_port, struct err_info *info)
{
	int error = 0;
	int fd = host == NULL ? listen_all(port, &error) : listen_host(host, port, &error);

	if (fd < 0)
		return err_set(info, sock_err(error), "listen on %.64s port %u: %s",
			       host == NULL ? "all addresses," : host, port, listen_reason(error));
	if (bound_port != NULL)
		*bound_port = port_of(fd);
	return fd;
}

void tcp_stop_listening(int listener)
{
	(void)shutdown(listener, SHUT_RD);
}

int tcp_addr_from_sockaddr(struct addr *out, const void *sockaddr, size_t len)
{
	union sock at = {0};

	if (sockaddr == NULL || len > sizeof(at))
		return ERR_INVALID;
	memcpy(&at, sockaddr, len);
	if (len >= sizeof(at.v4) && at.any.sa_family == AF_INET)
		return addr_from_ip(out, bytes_of(&at.v4.sin_addr, 4), ntohs(at.v4.sin_port));
	if (len >= sizeof(at.v6) && at.any.sa_family == AF_INET6)
		return addr_from_ip(out, bytes_of(&at.v6.sin6_addr, 16), ntohs(at.v6.sin6_port));
	return ERR_INVALID;
}

int tcp_local_addr(int fd, struct addr *out)
{
	union sock at = {0};
	socklen_t len = sizeof(at);

	return getsockname(fd, &at.any, &len) == 0 ? tcp_addr_from_sockaddr(out, &at, len)
						   : ERR_INVALID;
}

bool tcp_addr_is_gone(const struct addr *a)
{
	struct addr any_port = *a;
	union sock at;
	socklen_t len;
	int fd;
	bool gone;

	any_port.port = 0;
	len = sock_from_addr(&at, &any_port, a->v6);
	fd = socket(at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	gone = fd >= 0 && bind(fd, &at.any, len) != 0 && errno == EADDRNOTAVAIL;
	if (fd >= 0)
		close(fd);
	return gone;
}

/* accept(2): errors of the network that wait on the new socket are given to us as ours. */
static bool was_aborted(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
	       error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET ||
	       error == EHOSTUNREACH || error == ENETUNREACH;
}

int tcp_accept(int listener, struct addr *from)
{
	union sock at;
	socklen_t len;
	int fd, rc;

	for (;;) {
		len = sizeof(at);
		fd = accept4(listener, &at.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && was_aborted(errno))
			continue;
		if (fd < 0) {
			rc = sock_err(errno);
			return rc == ERR_AGAIN || rc == ERR_TOO_BIG ? rc : ERR_IO;
		}
		if (tcp_addr_from_sockaddr(from, &at, len) == 0)
			break;
		close(fd);
	}
	tcp_tune(fd);
	return fd;
}

static int connect_error(int error)
{
	if (error == EADDRNOTAVAIL) /* none to leave from */
		return ERR_UNREACHABLE;
	switch (sock_err(error)) {
	case ERR_TIMEOUT:
		return ERR_TIMEOUT;
	case ERR_TOO_BIG:
		return ERR_TOO_BIG;
	case ERR_UNREACHABLE:
	case ERR_INVALID: /* no such family: no way there */
	case ERR_DENIED:  /* a firewall of our own */
		return ERR_UNREACHABLE;
	default:
		return ERR_IO;
	}
}

int tcp_connect(const struct addr *to)
{
	union sock at;
	socklen_t len = sock_from_addr(&at, to, to->v6);
	int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return connect_error(errno);
	tcp_tune(fd);
	if (connect(fd, &at.any, len) == 0 || errno == EINPROGRESS || errno == EINTR)
		return fd;
	error = errno;
	close(fd);
	return connect_error(error);
}

int tcp_connect_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);
	int rc;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0)
		return 0;
	rc = connect_error(error);
	return rc == ERR_TOO_BIG ? ERR_IO : rc;
}

uint32_t tcp_rtt_us(int fd)
{
	struct tcp_info ti = {0};
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
		return 0;
	return ti.tcpi_rtt;
}

void tcp_wait_for_data(int listener)
{
#ifdef TCP_DEFER_ACCEPT
	const int seconds = 1;

	(void)setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
#else
	(void)listener;
#endif
}

void tcp_tune(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void tcp_ack_now(int fd)
{
#ifdef TCP_QUICKACK
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
#else
	(void)fd;
#endif
}

void tcp_reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

uint32_t tcp_unacked_bytes(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

void tcp_close(int fd)
{
	int unsent = 0;

	/* Behind bytes that the other end does not take, a FIN would wait for minutes and the
	 * kernel hold them; a reset tells at once. With nothing unsent a FIN is as fast and
	 * loses nothing that is on its way. */
	if (ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0)
		tcp_reset_on_close(fd);
	close(fd);
}
