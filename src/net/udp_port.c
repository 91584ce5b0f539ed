#include "net/udp_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "net/sock.h"
#include "net/udp.h"

/* Datagrams are spread over several sockets by a word that lies there; here is one. */
#define NO_WORD 4u
#define CONTROL_BYTES 256u
/* What the kernel takes as one (UDP_MAX_SEGMENTS; an IPv4 packet less heads). */
#define SEND_ROW 64u
#define SEND_ROW_BYTES 65000u
/* News of what did not arrive, read in one turn. */
#define REFUSALS_A_TURN 64u

struct udp_row {
	uint8_t bytes[UDP_PORT_ROW_BYTES];
	alignas(size_t) uint8_t control[CONTROL_BYTES];
	union sock from;
	struct iovec at;
};

struct udp_port {
	struct loop_io *io;
	int fd;
	uint16_t number;
	bool v6;
	struct addr own; /* of the datagram that is handed over */
	bool rows_out;	 /* the kernel cuts a row into datagrams */
	bool no_way;	 /* for what was to be sent last */
	struct udp_port_user users[UDP_PORT_KINDS];
	struct mmsghdr heads[UDP_PORT_ROWS];
	struct udp_row rows[UDP_PORT_ROWS];
};

/* ---- receiving ----------------------------------------------------------------------------- */

static enum udp_port_kind kind_of(uint8_t first)
{
	if (first == 'd')
		return UDP_PORT_KRPC;
	return first == 0 ? UDP_PORT_TRACKER : UDP_PORT_UTP;
}

static void hand_over(struct udp_port *p, const struct addr *from, struct bytes in)
{
	const struct udp_port_user *u;

	if (in.len == 0)
		return;
	u = &p->users[kind_of(in.ptr[0])];
	if (u->on_datagram != NULL)
		u->on_datagram(u->user, from, in);
}

/* How long each datagram of a row is; 0: there is one alone. */
static size_t cut_of(struct msghdr *h)
{
	int size = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof(size));
	return size > 0 ? (size_t)size : 0;
}

/* Link-local ones mean something on one interface alone, which is found again by the way there. */
static void take_own(struct udp_port *p, struct msghdr *h)
{
	p->own = (struct addr){.port = 0};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		struct in6_pktinfo six;
		struct in_pktinfo four;

		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof(six));
			if (!IN6_IS_ADDR_LINKLOCAL(&six.ipi6_addr))
				(void)addr_from_ip(&p->own, bytes_of(&six.ipi6_addr, 16),
						   p->number);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof(four));
			(void)addr_from_ip(&p->own, bytes_of(&four.ipi_spec_dst, 4), p->number);
		}
	}
}

static void take_row(struct udp_port *p, unsigned i)
{
	struct msghdr *h = &p->heads[i].msg_hdr;
	size_t len = p->heads[i].msg_len, cut = cut_of(h);
	struct addr from;

	if ((h->msg_flags & MSG_TRUNC) != 0)
		return;
	sock_to_addr(&from, &p->rows[i].from);
	take_own(p, h);
	if (cut == 0)
		cut = len;
	for (size_t at = 0; at < len; at += cut)
		hand_over(p, &from,
			  bytes_of(p->rows[i].bytes + at, len - at < cut ? len - at : cut));
}

static int receive(struct udp_port *p)
{
	int n;

	for (unsigned i = 0; i < UDP_PORT_ROWS; i++) {
		p->heads[i].msg_hdr.msg_namelen = sizeof(p->rows[i].from);
		p->heads[i].msg_hdr.msg_controllen = CONTROL_BYTES;
	}
	n = recvmmsg(p->fd, p->heads, UDP_PORT_ROWS, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		take_row(p, (unsigned)i);
	return n;
}

/* Why it did not arrive, as the system has it; 0: that is not said. */
static int reason_of(struct msghdr *h)
{
	struct sock_extended_err e;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		return (int)e.ee_errno;
	}
	return 0;
}

static void tell_lost(struct udp_port *p, int reason, const struct addr *to)
{
	bool refused = reason == ECONNREFUSED;

	if (!refused && reason != EHOSTUNREACH && reason != ENETUNREACH && reason != EHOSTDOWN &&
	    reason != EACCES)
		return;
	for (unsigned k = 0; k < UDP_PORT_KINDS; k++) {
		const struct udp_port_user *u = &p->users[k];

		if (refused && u->on_refused != NULL)
			u->on_refused(u->user, to);
		else if (!refused && u->on_unreachable != NULL)
			u->on_unreachable(u->user, to);
	}
}

/* Each carries the address that was written to. */
static void take_refusals(struct udp_port *p)
{
	for (unsigned i = 0; i < REFUSALS_A_TURN; i++) {
		alignas(size_t) uint8_t control[CONTROL_BYTES];
		union sock to = {0};
		struct msghdr h = {.msg_name = &to,
				   .msg_namelen = sizeof(to),
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		struct addr a;

		if (recvmsg(p->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		sock_to_addr(&a, &to);
		tell_lost(p, reason_of(&h), &a);
	}
}

static void on_ready(void *arg, unsigned ready)
{
	struct udp_port *p = arg;

	(void)ready;
	for (unsigned round = 0; round < UDP_PORT_ROUNDS; round++) {
		int n = receive(p);

		if (n <= 0)
			take_refusals(p);
		if (n < (int)UDP_PORT_ROWS)
			break;
	}
	for (unsigned k = 0; k < UDP_PORT_KINDS; k++)
		if (p->users[k].on_idle != NULL)
			p->users[k].on_idle(p->users[k].user);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* How many of them, from the first on, go as one: all alike, but for a shorter one at the end. */
static size_t row_of(const struct bytes *list, size_t n)
{
	size_t i = 1, sum = list[0].len;

	while (i < n && i < SEND_ROW && list[i].len <= list[0].len &&
	       sum + list[i].len <= SEND_ROW_BYTES) {
		sum += list[i].len;
		if (list[i++].len < list[0].len)
			break;
	}
	return i;
}

/* Notes to the kernel that go with a row. */
struct notes {
	alignas(size_t)
	    uint8_t raw[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	size_t len;
};

static void note(struct notes *t, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(t->raw + t->len);

	*c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	memcpy(CMSG_DATA(c), data, len);
	t->len += CMSG_SPACE(len);
}

static void note_own(struct udp_port *p, struct notes *t, const struct addr *own)
{
	union sock at;

	if (own == NULL || own->port == 0)
		return;
	(void)sock_from_addr(&at, own, p->v6);
	if (p->v6)
		note(t, IPPROTO_IPV6, IPV6_PKTINFO,
		     &(struct in6_pktinfo){.ipi6_addr = at.v6.sin6_addr},
		     sizeof(struct in6_pktinfo));
	else
		note(t, IPPROTO_IP, IP_PKTINFO,
		     &(struct in_pktinfo){.ipi_spec_dst = at.v4.sin_addr},
		     sizeof(struct in_pktinfo));
}

static bool send_row(struct udp_port *p, const struct addr *own, const union sock *to,
		     socklen_t to_len, const struct bytes *list, size_t n)
{
	struct notes notes = {.len = 0};
	struct iovec iov[SEND_ROW];
	union sock at = *to;
	struct msghdr h = {.msg_name = &at, .msg_namelen = to_len, .msg_iov = iov, .msg_iovlen = n};
	uint16_t size = (uint16_t)list[0].len;

	for (size_t i = 0; i < n; i++)
		iov[i] = (struct iovec){(void *)list[i].ptr, list[i].len};
	if (n > 1)
		note(&notes, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	note_own(p, &notes, own);
	if (notes.len > 0) {
		h.msg_control = notes.raw;
		h.msg_controllen = notes.len;
	}
	/* What it says may be of another datagram, before this one: that is said once. */
	for (unsigned attempt = 0; attempt < 3; attempt++) {
		if (sendmsg(p->fd, &h, MSG_DONTWAIT) >= 0)
			return true;
		if (errno == EAGAIN || errno == ENOBUFS || errno == EINVAL || errno == EMSGSIZE)
			break;
	}
	return false;
}

const struct addr *udp_port_own(const struct udp_port *p)
{
	return &p->own;
}

size_t udp_port_send(struct udp_port *p, const struct addr *to, const struct bytes *list, size_t n)
{
	return udp_port_send_from(p, NULL, to, list, n);
}

static size_t send_rows(struct udp_port *p, const struct addr *own, const struct addr *to,
			const struct bytes *list, size_t n)
{
	size_t done = 0;
	union sock at;
	socklen_t len = sock_from_addr(&at, to, p->v6);

	while (done < n) {
		size_t row = p->rows_out ? row_of(list + done, n - done) : 1;
		bool sent = send_row(p, own, &at, len, list + done, row);

		/* A way that is narrower than a packet takes no rows. */
		for (size_t i = 0; !sent && row > 1 && i < row; i++) {
			if (errno == EAGAIN || errno == ENOBUFS ||
			    !send_row(p, own, &at, len, list + done + i, 1))
				return done + i;
			sent = i + 1 == row;
		}
		if (!sent)
			break;
		done += row;
	}
	return done;
}

size_t udp_port_send_from(struct udp_port *p, const struct addr *own, const struct addr *to,
			  const struct bytes *list, size_t n)
{
	bool spoken = !to->v6 || p->v6;
	size_t done = spoken ? send_rows(p, own, to, list, n) : 0;

	p->no_way =
	    done < n && (!spoken || (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM));
	return done;
}

bool udp_port_no_way(const struct udp_port *p)
{
	return p->no_way;
}

/* ---- life ---------------------------------------------------------------------------------- */

static bool set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static void tune(struct udp_port *p)
{
	(void)set(p->fd, IPPROTO_UDP, UDP_GRO, 1);
	p->rows_out = set(p->fd, IPPROTO_UDP, UDP_SEGMENT, 0);
	/* Routers may cut packets: nobody here looks for the largest that passes. */
	(void)set(p->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	(void)set(p->fd, IPPROTO_IP, IP_RECVERR, 1);
	if (!p->v6)
		return;
	(void)set(p->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	(void)set(p->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

static void lay_out(struct udp_port *p)
{
	for (unsigned i = 0; i < UDP_PORT_ROWS; i++) {
		struct udp_row *r = &p->rows[i];

		r->at = (struct iovec){r->bytes, sizeof(r->bytes)};
		p->heads[i].msg_hdr = (struct msghdr){.msg_name = &r->from,
						      .msg_iov = &r->at,
						      .msg_iovlen = 1,
						      .msg_control = r->control};
	}
}

int udp_port_new(struct loop *loop, const char *host, uint16_t port, struct udp_port **out,
		 struct err_info *info)
{
	struct udp_port *p = calloc(1, sizeof(*p));
	union sock at = {0};
	socklen_t len = sizeof(at);
	int n;

	if (p == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	n = udp_open(host, port, 1, NO_WORD, &p->fd, &p->number, info);
	if (n < 0) {
		free(p);
		return n;
	}
	p->v6 = getsockname(p->fd, &at.any, &len) == 0 && at.any.sa_family == AF_INET6;
	tune(p);
	lay_out(p);
	p->io = loop_io_new(loop, p->fd, on_ready, p);
	if (p->io == NULL) {
		udp_port_free(p);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	loop_io_want(p->io, LOOP_READ);
	*out = p;
	return OK;
}

void udp_port_free(struct udp_port *p)
{
	if (p == NULL)
		return;
	loop_io_free(p->io);
	close(p->fd);
	free(p);
}

uint16_t udp_port_number(const struct udp_port *p)
{
	return p->number;
}

void udp_port_serve(struct udp_port *p, enum udp_port_kind kind, const struct udp_port_user *u)
{
	p->users[kind] = u == NULL ? (struct udp_port_user){.user = NULL} : *u;
}
