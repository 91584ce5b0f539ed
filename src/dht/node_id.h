/* dht/node_id.h - the 160 bits of a node: distance, and which address may have which.
 * Source: BEP 5 (distance is XOR), BEP 42 (ids that are bound to addresses). */
#ifndef SHOAL_DHT_NODE_ID_H
#define SHOAL_DHT_NODE_ID_H

#include "base/addr.h"
#include "base/rng.h"

#define NODE_ID_LEN 20u
#define NODE_ID_BITS 160u

/* Which of a and b is nearer to the target? <0: a; 0: they are the same; >0: b. */
int node_id_nearer(const uint8_t target[NODE_ID_LEN], const uint8_t a[NODE_ID_LEN],
		   const uint8_t b[NODE_ID_LEN]);
/* Leading bits that both have: 0..NODE_ID_BITS. */
unsigned node_id_common(const uint8_t a[NODE_ID_LEN], const uint8_t b[NODE_ID_LEN]);
/* A random one that has the first `bits` bits of `id` in common with it, and not the next. */
void node_id_beside(uint8_t out[NODE_ID_LEN], const uint8_t id[NODE_ID_LEN], unsigned bits,
		    struct rng *rng);

/* An id that a node at this address may have; `last` becomes its last byte. */
void node_id_for(uint8_t out[NODE_ID_LEN], const struct addr *a, uint8_t last, struct rng *rng);
/* May a node there have it? Local addresses may have any (attack: choosing ids near a target,
 * O-38). */
bool node_id_fits(const uint8_t id[NODE_ID_LEN], const struct addr *a);

/* Source: BEP 42, "local network address": here all that are not reached from everywhere, those of
 * IPv6 and of carriers' NATs included. */
bool node_id_is_local(const struct addr *a);

#endif
