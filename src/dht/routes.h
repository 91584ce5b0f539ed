/* dht/routes.h - the nodes we know, in buckets by how much of our id they share.
 *
 * Only nodes that answered a query of ours get in: nobody is believed about himself, and nobody
 * about others (O-37). A bucket holds 8; who comes later waits as a spare, so that a bucket heals
 * without a lookup when a node fails, which BEP 5 has no place for. Only the bucket that our own id
 * falls into is split. A node is
 *     good          answered within 15 minutes, or ever and was heard of within 15 minutes
 *     questionable  silent for longer: asked before a spare takes its place
 *     bad           left ROUTES_FAILS_BAD queries in a row unanswered: gives way to any other */
#ifndef SHOAL_DHT_ROUTES_H
#define SHOAL_DHT_ROUTES_H

#include "dht/contact.h"

#define ROUTES_BUCKET 8u
#define ROUTES_SPARES 8u
#define ROUTES_GOOD_MS (15u * 60u * 1000u)
#define ROUTES_REFRESH_MS (15u * 60u * 1000u)
#define ROUTES_FAILS_BAD 2u
/* One node of an IPv4 address or an IPv6 /64 in the whole table, one of a /24 in a bucket with its
 * spares (attack: a thousand ids from one network, O-38). Local addresses are told apart by their
 * port. */

struct routes_node {
	struct contact at;
	uint64_t answered_ms, heard_ms;
	uint8_t fails;
};

struct routes_bucket {
	struct routes_node live[ROUTES_BUCKET], spare[ROUTES_SPARES]; /* spares: oldest first */
	uint8_t n_live, n_spare;
	uint64_t changed_ms;
};

struct routes {
	uint8_t self[NODE_ID_LEN];
	struct routes_bucket **buckets; /* [i] shares i bits with us, the last one i or more */
	uint32_t n;
};

void routes_init(struct routes *t, const uint8_t self[NODE_ID_LEN]);
void routes_fini(struct routes *t);

/* It answered a query that we sent to its address. Without memory it is not kept. */
void routes_on_answer(struct routes *t, const struct contact *c, uint64_t now_ms);
/* It asked us something. False: it is not one of ours, which changes nothing. */
bool routes_on_query(struct routes *t, const struct contact *c, uint64_t now_ms);
/* A query to this address got no answer. */
void routes_on_silence(struct routes *t, const struct addr *a);
/* If it answered: would there be a place, or a spare's? */
bool routes_wants(const struct routes *t, const struct contact *c);

/* The nearest to `target`, nearest first. `all`: bad ones too. Returns how many of `cap`. */
uint32_t routes_nearest(const struct routes *t, const uint8_t target[NODE_ID_LEN], bool all,
			struct contact *out, uint32_t cap);
/* A questionable node of a bucket in which a spare waits: to be asked. */
bool routes_doubtful(const struct routes *t, uint64_t now_ms, struct contact *out);
/* A bucket without news for ROUTES_REFRESH_MS: an id in it to look for. It counts as renewed. */
bool routes_refresh(struct routes *t, uint64_t now_ms, struct rng *rng, uint8_t out[NODE_ID_LEN]);
/* The i-th live node, or NULL at the end. */
const struct routes_node *routes_at(const struct routes *t, uint32_t i);
uint32_t routes_count(const struct routes *t);
bool routes_is_good(const struct routes_node *n, uint64_t now_ms);
/* Assert what the head of this file promises; for tests. */
void routes_check(const struct routes *t);

#endif
