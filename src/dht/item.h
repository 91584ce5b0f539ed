/* dht/item.h - a value that the table stores for anybody, immutable or signed, and its rules.
 * Source: BEP 44. */
#ifndef SHOAL_DHT_ITEM_H
#define SHOAL_DHT_ITEM_H

#include "base/sign.h"
#include "dht/node_id.h"
#include "wire/krpc.h"

struct dht_item {
	bool is_mutable;
	uint8_t key[SIGN_KEY_LEN]; /* these four: of a mutable one */
	uint8_t sig[SIGN_LEN];
	int64_t seq;
	uint8_t salt_len, salt[KRPC_SALT_MAX];
	uint16_t v_len;
	uint8_t v[KRPC_VALUE_MAX]; /* bencoded, verbatim */
};

/* The id it is stored under: the SHA-1 of the value, or of key and salt. */
void dht_item_target(const struct dht_item *i, uint8_t out[NODE_ID_LEN]);
void dht_item_target_of(const uint8_t key[SIGN_KEY_LEN], struct bytes salt,
			uint8_t out[NODE_ID_LEN]);

/* Returns 0, or ERR_TOO_BIG (value or salt), ERR_INVALID (the value is no bencoding). */
int dht_item_immutable(struct dht_item *i, struct bytes v);
/* The same for one that its owner signs, also ERR_NOMEM. `seq` is at least 0. */
int dht_item_sign(struct dht_item *i, const uint8_t seed[SIGN_SEED_LEN], struct bytes salt,
		  int64_t seq, struct bytes v);

/* A mutable one as bytes, for those who keep it and put it anew: its owner's key is not needed for
 * that. Appends to `out`. */
#define DHT_ITEM_BYTES_MAX 1300u
int dht_item_put(const struct dht_item *i, struct buf *out);
/* The way back. The signature is checked. Returns 0, ERR_PROTO (also for a bad signature) or
 * ERR_NOMEM. */
int dht_item_take(struct bytes in, struct dht_item *i);

/* What a put carries, or what a get found for `salt`, which is not sent again. A mutable one's
 * signature is checked.
 * Returns: 0, or the fault that is answered with: KRPC_FAULT_*. */
int dht_item_read(struct dht_item *i, const struct krpc *m, struct bytes salt);

#endif
