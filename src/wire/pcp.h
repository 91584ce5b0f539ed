/* wire/pcp.h - asking a router for a port of its own: requests and replies as values. Pure.
 * Source: RFC 6887 (Port Control Protocol), opcode MAP. */
#ifndef SHOAL_WIRE_PCP_H
#define SHOAL_WIRE_PCP_H

#include "base/addr.h"
#include "base/err.h"

#define PCP_PORT 5351
#define PCP_NONCE_LEN 12u
#define PCP_MAP_BYTES 60u
/* RFC 6887 7: the longest message; a longer one is none. */
#define PCP_BYTES_MAX 1100u

enum pcp_protocol { PCP_TCP = 6, PCP_UDP = 17 };

/* Result codes (RFC 6887 7.4) that matter here; the others are errors, too. */
enum pcp_result { PCP_SUCCESS = 0, PCP_UNSUPPORTED_VERSION = 1, PCP_NOT_AUTHORIZED = 2 };

struct pcp_map {
	enum pcp_protocol protocol;
	uint16_t internal_port;
	struct addr external; /* request: what would be liked, port 0 any; reply: what it is */
	uint32_t lifetime_s;  /* request: 0 removes it; reply: for so long, of an error, too */
	uint8_t nonce[PCP_NONCE_LEN];
	unsigned result; /* reply */
};

/* `client`: our address as the router sees it; its port is not told. Returns PCP_MAP_BYTES. */
size_t pcp_map_encode(const struct pcp_map *m, const struct addr *client,
		      uint8_t out[PCP_MAP_BYTES]);
/* The reply to `asked`, whose protocol, port and nonce it must have (attack: others on the link
 * reply in the router's place, not knowing the nonce). One that does not know this version
 * (NAT-PMP's reply, too) gives result PCP_UNSUPPORTED_VERSION.
 * Returns 0, or ERR_PROTO: not that. */
int pcp_map_reply_decode(struct bytes packet, const struct pcp_map *asked, struct pcp_map *out);

#endif
