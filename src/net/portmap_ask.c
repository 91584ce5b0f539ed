#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <natpmp.h>

#include "net/portmap_impl.h"

/* RFC 6887 8.1.1 begins with 3 s, for networks we are not on; a router of ours answers at once. */
#define FIRST_TRY_MS 250u

bool portmap_wait(const struct portmap_router *r, int fd, uint32_t ms)
{
	struct pollfd list[2] = {{.fd = r->stop_fd, .events = POLLIN},
				 {.fd = fd, .events = POLLIN}};

	while (poll(list, fd < 0 ? 1 : 2, (int)ms) < 0)
		if (errno != EINTR)
			return false;
	return list[0].revents == 0 && list[1].revents != 0;
}

bool portmap_stopping(const struct portmap_router *r)
{
	struct pollfd p = {.fd = r->stop_fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static int nobody(const char *protocol, struct err_info *why)
{
	return err_set(why, ERR_UNREACHABLE, "the router does not answer by %s", protocol);
}

/* ---- PCP --------------------------------------------------------------------- */

static int open_pcp(const struct portmap_router *r)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PCP_PORT)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	at.sin_addr = r->gateway;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Until the reply to `ask` comes. False: not within `ms`. */
static bool hear(const struct portmap_router *r, int fd, uint32_t ms, const struct pcp_map *ask,
		 struct pcp_map *reply)
{
	uint8_t in[PCP_BYTES_MAX + 1];

	while (portmap_wait(r, fd, ms)) {
		ssize_t n = recv(fd, in, sizeof(in), 0);

		/* Refused: nothing listens there, now. */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0 && pcp_map_reply_decode(bytes_of(in, (size_t)n), ask, reply) == 0)
			return true;
	}
	return false;
}

int portmap_pcp(const struct portmap_router *r, struct portmap_lease *l, struct err_info *why)
{
	struct pcp_map ask = {.protocol = l->protocol,
			      .internal_port = l->port,
			      .external = l->external,
			      .lifetime_s = l->lifetime_s};
	struct pcp_map reply;
	struct addr own;
	uint8_t out[PCP_MAP_BYTES];
	size_t len;
	bool heard = false;
	int fd = open_pcp(r);

	if (fd < 0)
		return nobody("PCP", why);
	memcpy(ask.nonce, l->nonce, sizeof(ask.nonce));
	(void)addr_from_ip(&own, bytes_of(&r->own, 4), 0);
	len = pcp_map_encode(&ask, &own, out);
	for (uint32_t ms = FIRST_TRY_MS, all = 0; !heard && all < PORTMAP_ANSWER_MS;
	     all += ms, ms *= 2) {
		if (portmap_stopping(r) && l->lifetime_s > 0)
			break;
		(void)send(fd, out, len, MSG_NOSIGNAL);
		/* A removal is said, and not waited for. */
		if (l->lifetime_s == 0)
			break;
		heard = hear(r, fd, ms, &ask, &reply);
	}
	close(fd);
	if (l->lifetime_s == 0)
		return 0;
	if (!heard)
		return nobody("PCP", why);
	if (reply.result == PCP_UNSUPPORTED_VERSION)
		return err_set(why, ERR_INVALID, "the router does not know PCP");
	if (reply.result != PCP_SUCCESS || reply.external.port == 0)
		return err_set(why, ERR_DENIED, "the router gives no port (PCP result %u)",
			       reply.result);
	l->external = reply.external;
	l->lifetime_s = reply.lifetime_s;
	return 0;
}

/* ---- NAT-PMP -------------------------------------------------------------------- */

/* The library doubles its pauses nine times, a minute in all: we stop asking before. */
static int nat_pmp_reply(const struct portmap_router *r, natpmp_t *n, natpmpresp_t *reply)
{
	uint32_t waited = 0;

	for (;;) {
		struct timeval left;
		uint32_t ms;
		int rc = readnatpmpresponseorretry(n, reply);

		if (rc != NATPMP_TRYAGAIN)
			return rc;
		if (waited >= PORTMAP_ANSWER_MS || portmap_stopping(r) ||
		    getnatpmprequesttimeout(n, &left) != 0)
			return NATPMP_ERR_NOGATEWAYSUPPORT;
		ms = left.tv_sec < 0 ? 0 : (uint32_t)(left.tv_sec * 1000 + left.tv_usec / 1000) + 1;
		if (ms > PORTMAP_ANSWER_MS - waited)
			ms = PORTMAP_ANSWER_MS - waited;
		(void)portmap_wait(r, n->s, ms);
		waited += ms + 1;
	}
}

static int ask_nat_pmp(const struct portmap_router *r, natpmp_t *n, struct portmap_lease *l)
{
	int protocol = l->protocol == PCP_UDP ? NATPMP_PROTOCOL_UDP : NATPMP_PROTOCOL_TCP;
	uint16_t liked = l->lifetime_s == 0 ? 0 : l->external.port;
	natpmpresp_t reply;
	int rc = sendnewportmappingrequest(n, protocol, l->port, liked, l->lifetime_s);

	/* A removal is said, and not waited for. */
	if (rc >= 0 && l->lifetime_s == 0)
		return 0;
	rc = rc < 0 ? rc : nat_pmp_reply(r, n, &reply);
	if (rc != 0)
		return rc;
	if (reply.pnu.newportmapping.mappedpublicport == 0)
		return NATPMP_ERR_OUTOFRESOURCES;
	l->external.port = reply.pnu.newportmapping.mappedpublicport;
	l->lifetime_s = reply.pnu.newportmapping.lifetime;
	if (sendpublicaddressrequest(n) >= 0 && nat_pmp_reply(r, n, &reply) == 0)
		(void)addr_from_ip(&l->external, bytes_of(&reply.pnu.publicaddress.addr, 4),
				   l->external.port);
	return 0;
}

int portmap_nat_pmp(const struct portmap_router *r, struct portmap_lease *l, struct err_info *why)
{
	natpmp_t n;
	int rc = initnatpmp(&n, 1, r->gateway.s_addr);

	if (rc == 0) {
		rc = ask_nat_pmp(r, &n, l);
		closenatpmp(&n);
	}
	switch (rc) {
	case 0:
		return 0;
	case NATPMP_ERR_NOTAUTHORIZED:
	case NATPMP_ERR_OUTOFRESOURCES:
	case NATPMP_ERR_NETWORKFAILURE:
		return err_set(why, ERR_DENIED, "the router gives no port (NAT-PMP result %d)", rc);
	default:
		return nobody("NAT-PMP", why);
	}
}
