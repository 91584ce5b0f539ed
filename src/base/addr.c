#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/text.h"

/* RFC 6052: all of IPv4, behind one prefix of IPv6. */
static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int addr_from_ip(struct addr *out, struct bytes ip, uint16_t port)
{
	if (ip.len != 4 && ip.len != 16)
		return ERR_INVALID;
	*out = (struct addr){.port = port};
	if (ip.len == 16 && memcmp(ip.ptr, mapped_prefix, sizeof(mapped_prefix)) == 0)
		ip = bytes_sub(ip, sizeof(mapped_prefix), 4);
	memcpy(out->ip, ip.ptr, ip.len);
	out->v6 = ip.len == 16;
	return 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_same_host(a, b);
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	return a->v6 == b->v6 && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool addr_in_net(const struct addr *a, const struct addr *net, uint32_t bits)
{
	uint32_t most = a->v6 ? 128 : 32, whole, rest;

	bits = bits < most ? bits : most;
	whole = bits / 8;
	rest = bits % 8;
	if (a->v6 != net->v6 || memcmp(a->ip, net->ip, whole) != 0)
		return false;
	return rest == 0 || (a->ip[whole] ^ net->ip[whole]) >> (8 - rest) == 0;
}

bool addr_same_range(const struct addr *a, const struct addr *b)
{
	return addr_in_net(a, b, a->v6 ? 32 : 16);
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->v6 ? memcmp(a->ip, one, sizeof(one)) == 0 : a->ip[0] == 127;
}

static enum addr_scope scope_v4(uint32_t ip)
{
	static const struct {
		uint32_t net, mask;
		enum addr_scope scope;
	} nets[] = {
	    {0x00000000, 0xff000000, ADDR_LOOPBACK}, /* 0/8: this host */
	    {0x7f000000, 0xff000000, ADDR_LOOPBACK}, /* 127/8 */
	    {0xe0000000, 0xe0000000, ADDR_LOOPBACK}, /* 224/3: multicast, reserved, broadcast */
	    {0xa9fe0000, 0xffff0000, ADDR_LINK},     /* 169.254/16 */
	    {0x0a000000, 0xff000000, ADDR_PRIVATE},  /* 10/8 */
	    {0xac100000, 0xfff00000, ADDR_PRIVATE},  /* 172.16/12 */
	    {0xc0a80000, 0xffff0000, ADDR_PRIVATE},  /* 192.168/16 */
	    {0x64400000, 0xffc00000, ADDR_PRIVATE},  /* 100.64/10: behind a provider's NAT */
	    {0xc6120000, 0xfffe0000, ADDR_PRIVATE},  /* 198.18/15: for benchmarks */
	};

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		if ((ip & nets[i].mask) == nets[i].net)
			return nets[i].scope;
	return ADDR_PUBLIC;
}

enum addr_scope addr_scope(const struct addr *a)
{
	static const uint8_t zero[12];

	if (!a->v6)
		return scope_v4(be32(a->ip));
	if (a->ip[0] == 0xff || memcmp(a->ip, zero, sizeof(zero)) == 0)
		return ADDR_LOOPBACK; /* ::, ::1, and the old form of IPv4 in IPv6 */
	if (memcmp(a->ip, nat64, sizeof(nat64)) == 0)
		return scope_v4(be32(a->ip + 12));
	if (a->ip[0] == 0x20 && a->ip[1] == 0x02)
		return scope_v4(be32(a->ip + 2));
	if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80)
		return ADDR_LINK;
	if ((a->ip[0] & 0xfe) == 0xfc || (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0xc0))
		return ADDR_PRIVATE;
	return ADDR_PUBLIC;
}

bool addr_is_beyond_nat(const struct addr *a)
{
	return !a->v6 && addr_scope(a) == ADDR_PUBLIC;
}

uint16_t addr_port_for(const struct addr *a, uint16_t port, uint16_t outer)
{
	return outer != 0 && addr_is_beyond_nat(a) ? outer : port;
}

bool addr_may_name(enum addr_scope who, const struct addr *named)
{
	return addr_scope(named) <= who;
}

bool addr_is_dialable(const struct addr *a)
{
	static const uint8_t none[16];

	if (a->port == 0)
		return false;
	if (a->v6)
		return a->ip[0] != 0xff && memcmp(a->ip, none, sizeof(none)) != 0;
	/* RFC 1122 3.2.1.3: all of 0/8 means "this host"; 224/4 is multicast. */
	return a->ip[0] != 0 && (a->ip[0] & 0xf0) != 0xe0 && be32(a->ip) != 0xffffffff;
}

struct addr addr_subscriber(const struct addr *a)
{
	struct addr s = *a;

	s.port = 0;
	if (a->v6 && addr_scope(a) == ADDR_PUBLIC && memcmp(a->ip, nat64, sizeof(nat64)) != 0)
		memset(s.ip + 8, 0, 8);
	return s;
}

bool addr_same_subscriber(const struct addr *a, const struct addr *b)
{
	struct addr sa, sb;

	if (!a->v6 || !b->v6)
		return addr_same_host(a, b);
	sa = addr_subscriber(a);
	sb = addr_subscriber(b);
	return addr_same_host(&sa, &sb);
}

const char *addr_host_text(char out[ADDR_TEXT_MAX], const struct addr *a)
{
	if (inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->ip, out, ADDR_TEXT_MAX) == NULL)
		out[0] = '\0';
	return out;
}

const char *addr_text(char out[ADDR_TEXT_MAX], const struct addr *a)
{
	char host[INET6_ADDRSTRLEN];

	if (inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->ip, host, sizeof(host)) == NULL)
		host[0] = '\0';
	snprintf(out, ADDR_TEXT_MAX, a->v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)a->port);
	return out;
}

static int parse_host(struct bytes host, int family, struct addr *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	/* inet_pton would stop at a NUL and overlook what follows it. */
	if (host.len == 0 || host.len >= sizeof(text) || memchr(host.ptr, 0, host.len) != NULL)
		return ERR_INVALID;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	if (inet_pton(family, text, ip) != 1)
		return ERR_INVALID;
	return addr_from_ip(out, bytes_of(ip, family == AF_INET6 ? 16 : 4), 0);
}

/* Split `text` into host and what follows it ("" or ":port"). More than one
 * colon outside brackets can only be an IPv6 host without a port. */
static int split(struct bytes text, struct bytes *host, struct bytes *tail, int *family)
{
	const uint8_t *end;
	size_t at;

	*family = AF_INET6;
	*tail = bytes_of(NULL, 0);
	*host = text;
	if (text.len == 0)
		return ERR_INVALID;
	if (text.ptr[0] == '[') {
		end = memchr(text.ptr, ']', text.len);
		if (end == NULL)
			return ERR_INVALID;
		at = (size_t)(end - text.ptr);
		*host = bytes_sub(text, 1, at - 1);
		*tail = bytes_sub(text, at + 1, text.len - at - 1);
		return 0;
	}
	end = memchr(text.ptr, ':', text.len);
	at = end == NULL ? text.len : (size_t)(end - text.ptr);
	if (end != NULL && memchr(end + 1, ':', text.len - at - 1) != NULL)
		return 0;
	*family = AF_INET;
	*host = bytes_sub(text, 0, at);
	*tail = bytes_sub(text, at, text.len - at);
	return 0;
}

int addr_parse(struct bytes text, uint16_t default_port, struct addr *out)
{
	struct bytes host, tail;
	uint64_t port = default_port;
	struct addr a;
	int family;

	if (split(text, &host, &tail, &family) != 0 || parse_host(host, family, &a) != 0)
		return ERR_INVALID;
	if (tail.len > 0) {
		if (tail.ptr[0] != ':')
			return ERR_INVALID;
		if (text_parse_u64(bytes_sub(tail, 1, tail.len - 1), UINT16_MAX, &port) != 0)
			return ERR_INVALID;
	}
	a.port = (uint16_t)port;
	*out = a;
	return 0;
}

int addr_net_parse(struct bytes text, struct addr_net *out)
{
	const uint8_t *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
	size_t at = slash == NULL ? text.len : (size_t)(slash - text.ptr);
	struct addr net;
	uint64_t bits;

	if (addr_parse(bytes_sub(text, 0, at), 0, &net) != 0 || net.port != 0)
		return ERR_INVALID;
	bits = net.v6 ? 128 : 32;
	if (slash != NULL &&
	    text_parse_u64(bytes_sub(text, at + 1, text.len - at - 1), bits, &bits) != 0)
		return ERR_INVALID;
	*out = (struct addr_net){net, (uint8_t)bits};
	return 0;
}
