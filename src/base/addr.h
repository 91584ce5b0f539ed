/* base/addr.h - an IP address and port as a value, without sockets. */
#ifndef SHOAL_BASE_ADDR_H
#define SHOAL_BASE_ADDR_H

#include "base/bytes.h"
#include "base/err.h"

/* Compared and hashed as bytes: unused bytes of ip are zero. An IPv4-mapped IPv6
 * address is always stored as IPv4, so one host has one form (D-34). */
struct addr {
	uint8_t ip[16];
	uint16_t port;
	uint8_t v6; /* 0: ip[0..3] is IPv4; 1: all sixteen are IPv6 */
	uint8_t zero;
};
/* Over which of them? */
enum addr_family { ADDR_ANY, ADDR_V4, ADDR_V6 };

/* From 4 or 16 raw bytes in network order; other lengths are ERR_INVALID. */
int addr_from_ip(struct addr *out, struct bytes ip, uint16_t port);

bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_same_host(const struct addr *a, const struct addr *b);
/* Do both belong to one subscriber, to whom limits and bans apply? Whoever has one public address
 * of IPv6 has the 2^64 beside it as well; any other address stands for itself. */
bool addr_same_subscriber(const struct addr *a, const struct addr *b);
/* Who that is, as an address that is equal for all of them; its port is 0. */
struct addr addr_subscriber(const struct addr *a);
/* Is it in the network of `net`, of which so many leading bits are the same for all? */
bool addr_in_net(const struct addr *a, const struct addr *net, uint32_t bits);
/* A network: the leading bits that are the same for all in it. */
struct addr_net {
	struct addr net;
	uint8_t bits;
};
/* "10.1.0.0/16", "2001:db8::/32"; an address alone is one host. Returns 0 or ERR_INVALID. */
int addr_net_parse(struct bytes text, struct addr_net *out);
/* Do both belong to one provider, as far as can be told: a /16 of IPv4, a /32 of IPv6? */
bool addr_same_range(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);
/* How near to us an address is, public ones first; what can be reached from everywhere is no secret
 * door of this network or this machine. Addresses that carry an IPv4 one (RFC 6052, 6to4) are what
 * that is. */
enum addr_scope {
	ADDR_PUBLIC,
	ADDR_PRIVATE, /* RFC 1918, 6598, 4193 */
	ADDR_LINK,    /* link-local */
	ADDR_LOOPBACK /* also those that are no host's: unspecified, multicast, broadcast */
};
enum addr_scope addr_scope(const struct addr *a);
/* Is it beyond a router that translates addresses, if we are behind one? IPv6 needs none. */
bool addr_is_beyond_nat(const struct addr *a);
/* Where we are reached by it: at `port`, beyond such a router at `outer`, unless that is 0. */
uint16_t addr_port_for(const struct addr *a, uint16_t port, uint16_t outer);
/* May somebody so near to us name it as a place to connect to, and be told of it? Not what is
 * nearer still (attack: a stranger has us knock at our router, at this machine, at a cloud's
 * metadata service, or draws a map of our network). */
bool addr_may_name(enum addr_scope who, const struct addr *named);
/* May we dial it? Refuses port 0, unspecified, multicast, broadcast. */
bool addr_is_dialable(const struct addr *a);

#define ADDR_TEXT_MAX 56
/* "192.0.2.1:6881", "[2001:db8::1]:6881". Returns `out`. */
const char *addr_text(char out[ADDR_TEXT_MAX], const struct addr *a);
/* Host alone. */
const char *addr_host_text(char out[ADDR_TEXT_MAX], const struct addr *a);
/* Numeric forms of addr_text; a missing port is `default_port`. */
int addr_parse(struct bytes text, uint16_t default_port, struct addr *out);

#endif
