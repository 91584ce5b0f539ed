#include "net/mcast.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/lan.h"
#include "net/sock.h"

#define CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo))

/* One family's socket. */
struct half {
	struct mcast *m;
	int fd; /* -1: none */
	struct loop_io *io;
	union sock group;
};

/* One of our own addresses. */
struct own {
	struct addr addr;
	unsigned interface, prefix; /* leading bits that its network shares */
	uint32_t scope;		    /* of a link-local one */
};

struct mcast {
	struct mcast_params p;
	struct half halves[2]; /* [v6] */
	struct own own[MCAST_ADDRESSES_MAX];
	unsigned n_own;
};

/* ---- addresses ---------------------------------------------------------------- */

static void to_sock(union sock *out, const struct addr *a, unsigned interface)
{
	(void)sock_from_addr(out, a, a->v6);
	if (a->v6 && IN6_IS_ADDR_LINKLOCAL(&out->v6.sin6_addr))
		out->v6.sin6_scope_id = interface;
}

/* What we say to ourselves comes by the loopback, whatever interface it was sent by. */
static bool is_on_link(const struct mcast *m, unsigned interface, const struct addr *a)
{
	for (unsigned i = 0; i < m->n_own; i++)
		if ((m->own[i].interface == interface &&
		     addr_in_net(a, &m->own[i].addr, m->own[i].prefix)) ||
		    addr_same_host(&m->own[i].addr, a))
			return true;
	return false;
}

static bool is_usable(const struct ifaddrs *i)
{
	unsigned need = IFF_UP | IFF_MULTICAST;

	return i->ifa_addr != NULL && (i->ifa_flags & need) == need &&
	       (i->ifa_flags & IFF_LOOPBACK) == 0 &&
	       (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
}

static void learn_own(struct mcast *m)
{
	struct ifaddrs *list, *i;

	m->n_own = 0;
	if (getifaddrs(&list) != 0)
		return;
	for (i = list; i != NULL && m->n_own < MCAST_ADDRESSES_MAX; i = i->ifa_next) {
		struct own *own = &m->own[m->n_own];

		if (!is_usable(i))
			continue;
		*own = (struct own){.interface = if_nametoindex(i->ifa_name),
				    .prefix = lan_prefix(i->ifa_netmask)};
		sock_to_addr(&own->addr, (const union sock *)i->ifa_addr);
		own->addr.port = 0;
		if (own->interface != 0)
			m->n_own++;
	}
	freeifaddrs(list);
}

/* ---- joining ------------------------------------------------------------------- */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Joined already is as good as joined. */
static void join(struct half *h, unsigned interface)
{
	if (h->group.any.sa_family == AF_INET6) {
		struct ipv6_mreq r = {.ipv6mr_multiaddr = h->group.v6.sin6_addr,
				      .ipv6mr_interface = interface};

		(void)setsockopt(h->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof(r));
	} else {
		struct ip_mreqn r = {.imr_multiaddr = h->group.v4.sin_addr,
				     .imr_ifindex = (int)interface};

		(void)setsockopt(h->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(r));
	}
}

void mcast_refresh(struct mcast *m)
{
	learn_own(m);
	for (unsigned i = 0; m->p.member && i < m->n_own; i++) {
		struct half *h = &m->halves[m->own[i].addr.v6];

		if (h->fd >= 0)
			join(h, m->own[i].interface);
	}
}

/* ---- receiving ------------------------------------------------------------------ */

static unsigned interface_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return (unsigned)info.ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return info.ipi6_ifindex;
		}
	}
	return 0;
}

/* False: nothing waits any more. */
static bool receive_one(struct half *h)
{
	uint8_t data[MCAST_DATAGRAM_MAX];
	alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
	union sock sender;
	struct iovec at = {data, sizeof(data)};
	struct msghdr msg = {.msg_name = &sender,
			     .msg_namelen = sizeof(sender),
			     .msg_iov = &at,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct mcast_from from;
	ssize_t n = recvmsg(h->fd, &msg, 0);

	if (n < 0)
		return errno == EINTR;
	if ((msg.msg_flags & MSG_TRUNC) != 0)
		return true;
	sock_to_addr(&from.addr, &sender);
	from.interface = interface_of(&msg);
	from.on_link = is_on_link(h->m, from.interface, &from.addr);
	h->m->p.on_datagram(h->m->p.user, &from, bytes_of(data, (size_t)n));
	return true;
}

static void on_ready(void *arg, unsigned ready)
{
	struct half *h = arg;

	(void)ready;
	for (unsigned i = 0; i < MCAST_TURN_MAX && receive_one(h); i++)
		;
}

/* ---- sending --------------------------------------------------------------------- */

/* By the interface, whatever the routes say. */
static int send_by(const struct half *h, unsigned interface, union sock *to, struct bytes data)
{
	alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES] = {0};
	struct iovec at = {(void *)(uintptr_t)data.ptr, data.len};
	struct msghdr msg = {.msg_name = to,
			     .msg_namelen = sock_len(to),
			     .msg_iov = &at,
			     .msg_iovlen = 1,
			     .msg_control = control};
	bool v6 = to->any.sa_family == AF_INET6;
	struct in_pktinfo v4_by = {.ipi_ifindex = (int)interface};
	struct in6_pktinfo v6_by = {.ipi6_ifindex = interface};
	size_t len = v6 ? sizeof(v6_by) : sizeof(v4_by);
	struct cmsghdr *c;

	msg.msg_controllen = CMSG_SPACE(len);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), v6 ? (void *)&v6_by : (void *)&v4_by, len);
	return sendmsg(h->fd, &msg, MSG_NOSIGNAL) < 0 ? ERR_IO : 0;
}

/* Was an earlier address of the list on the same interface, in the same family? */
static bool is_repeated(const struct mcast *m, unsigned at)
{
	for (unsigned i = 0; i < at; i++)
		if (m->own[i].interface == m->own[at].interface &&
		    m->own[i].addr.v6 == m->own[at].addr.v6)
			return true;
	return false;
}

unsigned mcast_send_on(struct mcast *m, unsigned interface, struct bytes data)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_own; i++) {
		struct half *h = &m->halves[m->own[i].addr.v6];
		union sock to = h->group;

		if (h->fd < 0 || (interface != 0 && m->own[i].interface != interface) ||
		    is_repeated(m, i))
			continue;
		if (to.any.sa_family == AF_INET6)
			to.v6.sin6_scope_id = m->own[i].interface;
		n += send_by(h, m->own[i].interface, &to, data) == 0;
	}
	return n;
}

unsigned mcast_send(struct mcast *m, struct bytes data)
{
	return mcast_send_on(m, 0, data);
}

int mcast_reply(struct mcast *m, const struct mcast_from *to, struct bytes data)
{
	struct half *h = &m->halves[to->addr.v6];
	union sock at;

	to_sock(&at, &to->addr, to->interface);
	return h->fd < 0 ? ERR_IO : send_by(h, to->interface, &at, data);
}

unsigned mcast_interfaces(const struct mcast *m, unsigned *out, unsigned cap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_own && n < cap; i++) {
		unsigned seen = 0;

		while (seen < n && out[seen] != m->own[i].interface)
			seen++;
		if (seen == n)
			out[n++] = m->own[i].interface;
	}
	return n;
}

unsigned mcast_addresses(const struct mcast *m, unsigned interface, struct addr *out, unsigned cap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_own && n < cap; i++)
		if (interface == 0 || m->own[i].interface == interface)
			out[n++] = m->own[i].addr;
	return n;
}

/* ---- making and freeing ------------------------------------------------------------ */

static int refuse(struct err_info *info, const char *group, uint16_t port)
{
	enum err code = errno == EADDRINUSE		    ? ERR_EXISTS
			: errno == EACCES || errno == EPERM ? ERR_DENIED
							    : ERR_IO;

	return err_set(info, code, "multicast group %s, port %u: %s", group, port, err_text(code));
}

static int set_up(int fd, const struct mcast_params *p, bool v6)
{
	int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;

	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
	    set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0 ||
	    set_int(fd, level, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1) != 0 ||
	    set_int(fd, level, v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, p->hops) != 0 ||
	    set_int(fd, level, v6 ? IPV6_UNICAST_HOPS : IP_TTL, p->hops) != 0 ||
	    set_int(fd, level, v6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL, 0) != 0)
		return -1;
	return v6 ? set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
}

/* Returns 0, or -1 with errno. */
static int open_half(struct half *h, const struct mcast_params *p, const char *group)
{
	bool v6 = h->group.any.sa_family == AF_INET6;
	union sock at = {.any = {.sa_family = h->group.any.sa_family}};
	uint16_t port = htons(p->member ? p->port : 0);

	if (inet_pton(h->group.any.sa_family, group,
		      v6 ? (void *)&h->group.v6.sin6_addr : (void *)&h->group.v4.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	*(v6 ? &h->group.v6.sin6_port : &h->group.v4.sin_port) = htons(p->port);
	*(v6 ? &at.v6.sin6_port : &at.v4.sin_port) = port;
	h->fd = socket(at.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->fd < 0)
		return v6 && errno == EAFNOSUPPORT ? 0 : -1;
	if (set_up(h->fd, p, v6) != 0 || bind(h->fd, &at.any, sock_len(&at)) != 0)
		return -1;
	h->io = loop_io_new(p->loop, h->fd, on_ready, h);
	if (h->io == NULL) {
		errno = ENOMEM;
		return -1;
	}
	loop_io_want(h->io, LOOP_READ);
	return 0;
}

int mcast_new(const struct mcast_params *p, struct mcast **out, struct err_info *info)
{
	const char *groups[2] = {p->group_v4, p->group_v6};
	struct mcast *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (m == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	m->p = *p;
	for (int v6 = 0; v6 < 2; v6++) {
		m->halves[v6] = (struct half){.m = m, .fd = -1};
		m->halves[v6].group.any.sa_family = v6 ? AF_INET6 : AF_INET;
	}
	for (int v6 = 0; v6 < 2; v6++) {
		if (groups[v6] != NULL && open_half(&m->halves[v6], p, groups[v6]) != 0) {
			int rc = refuse(info, groups[v6], p->port);

			mcast_free(m);
			return rc;
		}
	}
	mcast_refresh(m);
	*out = m;
	return 0;
}

void mcast_free(struct mcast *m)
{
	if (m == NULL)
		return;
	for (int v6 = 0; v6 < 2; v6++) {
		loop_io_free(m->halves[v6].io);
		if (m->halves[v6].fd >= 0)
			close(m->halves[v6].fd);
	}
	free(m);
}
