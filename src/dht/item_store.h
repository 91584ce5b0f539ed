/* dht/item_store.h - values that we keep for others, within fixed bounds.
 *
 * As with announces, what is farthest from our id gives way when all places are taken, and a host
 * that has more than its share of them makes room itself. */
#ifndef SHOAL_DHT_ITEM_STORE_H
#define SHOAL_DHT_ITEM_STORE_H

#include "base/hash_map.h"
#include "dht/item.h"
#include "dht/origins.h"

/* About 1.3 KiB each (attack: storage for anybody without end, O-39). */
#define ITEM_STORE_MAX 700u
/* Of them those that one host put first, once there is no room (attack: 700 from one host whose
 * targets are next to our id, found by trying). To fill the store takes 22 hosts. */
#define ITEM_STORE_HOST_MAX 32u
/* Source: BEP 44, "Expiration". */
#define ITEM_STORE_KEEP_MS (2u * 60u * 60u * 1000u)

struct stored_item;

struct item_store {
	uint8_t self[NODE_ID_LEN];
	struct hash_map by_target;
	struct origins origins;
	struct stored_item **list;
	uint32_t n, cap;
};

void item_store_init(struct item_store *s, const uint8_t self[NODE_ID_LEN], struct siphash_key key);
void item_store_fini(struct item_store *s);

/* An item that dht_item_read() accepted, from this address. `cas`: NULL or the sequence number it
 * must replace. Returns: 0, or the fault to answer with: KRPC_FAULT_SEQ when a newer one is there
 * or another value under the same number, KRPC_FAULT_CAS, KRPC_FAULT_SERVER (no place). */
int item_store_put(struct item_store *s, const struct dht_item *i, const int64_t *cas,
		   const struct addr *from, uint64_t now_ms);
const struct dht_item *item_store_find(const struct item_store *s,
				       const uint8_t target[NODE_ID_LEN]);
void item_store_expire(struct item_store *s, uint64_t now_ms);

#endif
