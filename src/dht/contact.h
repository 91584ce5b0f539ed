/* dht/contact.h - a node's id and address, and their compact form: 26 or 38 bytes. */
#ifndef SHOAL_DHT_CONTACT_H
#define SHOAL_DHT_CONTACT_H

#include "dht/node_id.h"

#define CONTACT_V4_LEN 26u
#define CONTACT_V6_LEN 38u

struct contact {
	uint8_t id[NODE_ID_LEN];
	struct addr addr;
};

static inline size_t contact_len(bool v6)
{
	return v6 ? CONTACT_V6_LEN : CONTACT_V4_LEN;
}
/* Returns the length. */
size_t contact_put(uint8_t out[CONTACT_V6_LEN], const struct contact *c);
/* `in` is contact_len(v6) bytes. */
void contact_get(struct bytes in, struct contact *out);

/* Do both belong to one network, as far as an attacker's means go: a /24 of IPv4, a /64 of IPv6? */
bool contact_same_net(const struct addr *a, const struct addr *b);

#endif
