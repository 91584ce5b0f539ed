/* dht/peer_store.h - who announced which info-hash to us, within fixed bounds.
 *
 * When all places are taken, the info-hash that is farthest from our id gives way: others look for
 * it elsewhere. So announces of invented info-hashes cannot displace those we are there for
 * (attack: 10^6 announces of distinct info-hashes, O-39), unless they are invented near our id: a
 * host that was the first to announce more than its share of them makes room itself. */
#ifndef SHOAL_DHT_PEER_STORE_H
#define SHOAL_DHT_PEER_STORE_H

#include "base/hash_map.h"
#include "dht/node_id.h"
#include "dht/origins.h"

#define PEER_STORE_HASHES_MAX 2000u
/* Of them those that one host announced first, once there is no room (attack: 2,000 next to our id
 * from one host). Of 100,000 torrents that one host seeds, a node among 20,000 is among the eight
 * nearest of 40; to fill the store takes 32 hosts. */
#define PEER_STORE_HOST_MAX 64u
/* Of one info-hash; a newcomer takes a random one's place (attack: 10,000 peers on one, O-39). */
#define PEER_STORE_PEERS_MAX 200u
/* Of them those of one /64 of IPv6; one more takes the oldest one's place (attack: one line that
 * announces itself under any number of addresses). */
#define PEER_STORE_NET_MAX 4u
/* Of all: 320 KiB. */
#define PEER_STORE_TOTAL_MAX 10000u
#define PEER_STORE_KEEP_MS (30u * 60u * 1000u)

struct peer_list;

struct peer_store {
	uint8_t self[NODE_ID_LEN];
	struct hash_map by_hash;
	struct origins origins;
	struct peer_list **lists;
	uint32_t n, cap, total;
};

void peer_store_init(struct peer_store *s, const uint8_t self[NODE_ID_LEN], struct siphash_key key);
void peer_store_fini(struct peer_store *s);

/* One place per host and info-hash, whatever its ports; on local addresses one per port.
 * Returns 0, ERR_TOO_BIG (no place for it) or ERR_NOMEM. */
int peer_store_add(struct peer_store *s, const uint8_t hash[20], const struct addr *peer,
		   uint64_t now_ms, struct rng *rng);
/* Up to `cap` of a family, a random choice when there are more. */
uint32_t peer_store_pick(const struct peer_store *s, const uint8_t hash[20], bool v6,
			 struct addr *out, uint32_t cap, struct rng *rng);
/* A random choice of info-hashes, 20 bytes each. */
uint32_t peer_store_sample(const struct peer_store *s, uint8_t *out, uint32_t cap, struct rng *rng);
void peer_store_expire(struct peer_store *s, uint64_t now_ms);

#endif
