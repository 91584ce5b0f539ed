/* base/hash_map.h - from 20 bytes, an info-hash or a SHA-1, to what they stand for. */
#ifndef SHOAL_BASE_HASH_MAP_H
#define SHOAL_BASE_HASH_MAP_H

#include "base/digest.h"
#include "base/err.h"
#include "base/siphash.h"

struct hash_map_slot {
	const uint8_t *hash; /* NULL: free */
	void *value;
};

/* Open addressing; at most three quarters are taken. Strangers choose info-hashes, so the place
 * of one depends on a secret. */
struct hash_map {
	struct siphash_key key;
	struct hash_map_slot *slots; /* `cap` of them, a power of two; NULL while empty */
	uint32_t n, cap;
};

void hash_map_init(struct hash_map *m, struct siphash_key key);
void hash_map_fini(struct hash_map *m);

/* NULL: nothing stands there. */
void *hash_map_find(const struct hash_map *m, const uint8_t hash[SHA1_LEN]);
/* What stands there already stays.
 * Returns 0, ERR_EXISTS or ERR_NOMEM.
 * Owns:   borrows `hash` until hash_map_drop(). */
int hash_map_put(struct hash_map *m, const uint8_t hash[SHA1_LEN], void *value);
/* Forget what stands there, if it is `value`. */
void hash_map_drop(struct hash_map *m, const uint8_t hash[SHA1_LEN], const void *value);

#endif
