#include "net/udp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "net/sock.h"

/* For the moments in which a thread does not run: 4 MiB are some 5,000 small datagrams. The kernel
 * grants no more than net.core.rmem_max. */
#define SOCKET_BUFFER_BYTES (4 << 20)
#define CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo))

/* Not a power of two long: equal parts of neighbours would crowd the same lines of the cache. */
struct place {
	uint8_t in[UDP_IN_MAX];
	uint8_t out[UDP_OUT_MAX];
	alignas(size_t) uint8_t control[CONTROL_BYTES];
	union sock from;
	struct iovec in_at, out_at;
	struct udp_datagram about;
};

struct udp_batch {
	int fd;
	unsigned n;
	struct addr bound; /* the wildcard, when each datagram tells its own */
	bool is_wild, is_v6;
	struct mmsghdr in[UDP_BATCH], out[UDP_BATCH];
	struct place places[UDP_BATCH];
};

/* ---- opening ------------------------------------------------------------- */

static int set_on(int fd, int level, int name)
{
	int one = 1;

	return setsockopt(fd, level, name, &one, sizeof(one));
}

static bool is_wild(const union sock *at)
{
	if (at->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&at->v6.sin6_addr);
	return at->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* With each datagram, to which of our addresses it was sent. */
static int want_notes(int fd, bool v6)
{
	return v6 ? set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) : set_on(fd, IPPROTO_IP, IP_PKTINFO);
}

/* Answers are small enough for any path: none is ever cut up, and nobody who forges "too big" makes
 * us try. The kernel is also spared to number them. */
static void never_fragment(int fd, bool v6)
{
	int v4_how = IP_PMTUDISC_PROBE, v6_how = IPV6_PMTUDISC_PROBE;

	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4_how, sizeof(v4_how));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6_how, sizeof(v6_how));
}

/* Returns a descriptor or -1 with errno. */
static int open_at(const union sock *at, bool shared)
{
	int zero = 0, size = SOCKET_BUFFER_BYTES, error;
	bool v6 = at->any.sa_family == AF_INET6;
	int fd = socket(at->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	never_fragment(fd, v6);
	if ((!shared || set_on(fd, SOL_SOCKET, SO_REUSEPORT) == 0) &&
	    (!is_wild(at) || want_notes(fd, v6) == 0) &&
	    bind(fd, &at->any, v6 ? sizeof(at->v6) : sizeof(at->v4)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int find_host(const char *host, uint16_t port, union sock *out)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0 || found->ai_addrlen > sizeof(*out)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

/* Alone on its port: SO_REUSEPORT would share it with any program of this user that does the same.
 * `at` becomes what it is bound to. */
static int open_first(const char *host, uint16_t port, union sock *at)
{
	socklen_t len = sizeof(*at);
	int fd;

	*at = (union sock){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	if (host != NULL && find_host(host, port, at) != 0)
		return -1;
	fd = open_at(at, false);
	/* A kernel without IPv6, or with it switched off. */
	if (fd < 0 && host == NULL && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		*at = (union sock){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
		fd = open_at(at, false);
	}
	if (fd >= 0)
		getsockname(fd, &at->any, &len);
	return fd;
}

/* The kernel runs this on the payload of each datagram; the answer is the number of a socket. */
static int steer(int fd, unsigned n, unsigned word_at)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, word_at + 4, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, word_at, 3, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word_at),
	    BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word_at - 4),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Numbers are given in the order of binding. */
static bool open_group(const union sock *at, unsigned n, unsigned word_at, int *fds)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = open_at(at, true);
		if (fds[i] < 0) {
			close_all(fds, i);
			return false;
		}
	}
	if (steer(fds[0], n, word_at) == 0)
		return true;
	close_all(fds, n);
	return false;
}

static uint16_t port_of(const union sock *at)
{
	return ntohs(at->any.sa_family == AF_INET6 ? at->v6.sin6_port : at->v4.sin_port);
}

int udp_open(const char *host, uint16_t port, unsigned n, unsigned word_at, int *fds,
	     uint16_t *bound_port, struct err_info *info)
{
	union sock at;
	int fd = open_first(host, port, &at);

	assert(n > 0 && n <= UDP_SOCKETS_MAX && word_at >= 4);
	if (fd >= 0 && n > 1) {
		close(fd);
		if (!open_group(&at, n, word_at, fds)) {
			fd = open_at(&at, false);
			n = 1;
		}
	}
	if (fd < 0)
		return err_set(info, sock_err(errno), "UDP on %.64s port %u: %s",
			       host == NULL ? "all addresses," : host, port,
			       errno == EADDRINUSE ? "taken by another program" : strerror(errno));
	if (n == 1)
		fds[0] = fd;
	*bound_port = port_of(&at);
	return (int)n;
}

/* ---- receiving ----------------------------------------------------------- */

static void lay_out(struct udp_batch *b)
{
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		struct place *p = &b->places[i];

		p->in_at = (struct iovec){p->in, sizeof(p->in)};
		p->about.out = p->out;
		b->in[i].msg_hdr = (struct msghdr){
		    .msg_name = &p->from,
		    .msg_iov = &p->in_at,
		    .msg_iovlen = 1,
		    .msg_control = b->is_wild ? p->control : NULL,
		};
	}
}

struct udp_batch *udp_batch_new(int fd)
{
	struct udp_batch *b = calloc(1, sizeof(*b));
	union sock at = {0};
	socklen_t len = sizeof(at);

	if (b == NULL)
		return NULL;
	b->fd = fd;
	if (getsockname(fd, &at.any, &len) == 0)
		sock_to_addr(&b->bound, &at);
	b->is_wild = is_wild(&at);
	b->is_v6 = at.any.sa_family == AF_INET6;
	lay_out(b);
	return b;
}

void udp_batch_free(struct udp_batch *b)
{
	free(b);
}

/* To which of our addresses it was sent; and the note, which goes back with the answer as it is,
 * then says which one to leave from. The way there is looked up: only link-local addresses mean
 * something on one interface alone. */
static void take_note(struct msghdr *h, struct addr *to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *note = (void *)CMSG_DATA(c);

			addr_from_ip(to, bytes_of(&note->ipi6_addr, 16), to->port);
			if (!IN6_IS_ADDR_LINKLOCAL(&note->ipi6_addr))
				note->ipi6_ifindex = 0;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *note = (void *)CMSG_DATA(c);

			addr_from_ip(to, bytes_of(&note->ipi_spec_dst, 4), to->port);
			note->ipi_ifindex = 0;
		}
	}
}

static void take_in(struct udp_batch *b, unsigned i)
{
	struct msghdr *h = &b->in[i].msg_hdr;
	struct place *p = &b->places[i];
	struct udp_datagram *d = &p->about;

	sock_to_addr(&d->from, &p->from);
	d->v6 = d->from.v6 != 0;
	d->to = b->bound;
	if (b->is_wild)
		take_note(h, &d->to);
	/* What was cut short is none of ours: it looks empty. */
	d->in = bytes_of(p->in, (h->msg_flags & MSG_TRUNC) != 0 ? 0 : b->in[i].msg_len);
	d->out_len = 0;
}

int udp_receive(struct udp_batch *b)
{
	int n;

	for (unsigned i = 0; i < UDP_BATCH; i++) {
		b->in[i].msg_hdr.msg_namelen = sizeof(b->places[i].from);
		b->in[i].msg_hdr.msg_controllen = b->is_wild ? CONTROL_BYTES : 0;
	}
	b->n = 0;
	n = recvmmsg(b->fd, b->in, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : ERR_IO;
	b->n = (unsigned)n;
	for (unsigned i = 0; i < b->n; i++)
		take_in(b, i);
	return n;
}

struct udp_datagram *udp_at(struct udp_batch *b, unsigned i)
{
	assert(i < b->n);
	return &b->places[i].about;
}

/* ---- sending ------------------------------------------------------------- */

static unsigned gather(struct udp_batch *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct place *p = &b->places[i];

		if (p->about.out_len == 0)
			continue;
		assert(p->about.out_len <= UDP_OUT_MAX);
		p->out_at = (struct iovec){p->out, p->about.out_len};
		b->out[n].msg_hdr = b->in[i].msg_hdr;
		b->out[n].msg_hdr.msg_iov = &p->out_at;
		b->out[n].msg_hdr.msg_flags = 0;
		n++;
	}
	return n;
}

unsigned udp_answer(struct udp_batch *b)
{
	unsigned n = gather(b), at = 0, dropped = 0;

	while (at < n) {
		int sent = sendmmsg(b->fd, b->out + at, n - at, MSG_DONTWAIT);

		if (sent > 0) {
			at += (unsigned)sent;
		} else if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			return dropped + n - at;
		} else if (errno != EINTR) {
			dropped++; /* this one cannot be sent (its port is 0, no way there) */
			at++;
		}
	}
	return dropped;
}
