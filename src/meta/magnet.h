/* meta/magnet.h - magnet links as values. */
#ifndef SHOAL_META_MAGNET_H
#define SHOAL_META_MAGNET_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/sign.h"
#include "meta/metainfo.h"
#include "meta/name_item.h"

/* Attack: links with tens of thousands of parameters (CVE-2010-1853, O-10). What
 * passes a limit is dropped and counted in `dropped`, so the caller can say so. */
#define MAGNET_BYTES_MAX (64u << 10)
#define MAGNET_TRACKERS_MAX 100u
#define MAGNET_PEERS_MAX 100u
#define MAGNET_RANGES_MAX 1000u
#define MAGNET_WEBSEEDS_MAX META_WEBSEEDS_MAX
#define MAGNET_NAME_MAX 255u

struct magnet_range {
	uint32_t first, last; /* file indexes, both included */
};

struct magnet {
	bool has_v1, has_v2; /* neither: it has a key */
	uint8_t hash_v1[SHA1_LEN];
	uint8_t hash_v2[SHA256_LEN];
	bool has_key;	 /* xs=urn:btpk, s: a name that its owner signs (BEP 46) */
	bool key_is_bad; /* one of these was dropped, so neither counts */
	uint8_t key[SIGN_KEY_LEN];
	uint8_t salt_len, salt[NAME_ITEM_SALT_MAX];
	char name[MAGNET_NAME_MAX + 1]; /* dn, "" when absent */
	char **trackers;		/* tr */
	uint32_t n_trackers;
	struct addr *peers; /* x.pe, numeric addresses only */
	uint32_t n_peers;
	char **webseeds; /* ws */
	uint32_t n_webseeds;
	struct magnet_range *only; /* so, BEP 53 */
	uint32_t n_only;
	bool asks_only;	  /* it has a so= that is not empty */
	uint32_t dropped; /* parameters, and parts of so=, left out for a limit or form */
};

/* Source:  BEP 9 "magnet URI format", BEP 46 (xs, s), BEP 52 (btmh 1220...), BEP 53 (so).
 * Returns: 0; ERR_PROTO not a magnet link, neither hash nor key in it, a bad one, two different
 *          ones of a kind, or a so= of which nothing can be used: what it asks for is not all.
 *          A bad key or salt is dropped where there is a hash. ERR_TOO_BIG; ERR_NOMEM.
 *          `out` is set in any case, and owns something after 0 alone. */
int magnet_parse(struct bytes uri, struct magnet *out);
/* Why, in a few words, when that returned `err`. */
const char *magnet_fault_text(const struct magnet *m, int err);
/* "2 parts of the link cannot be used"; "" when nothing was dropped. */
#define MAGNET_DROPPED_TEXT_MAX 64
const char *magnet_dropped_text(const struct magnet *m, char out[MAGNET_DROPPED_TEXT_MAX]);
/* The same from an info-hash alone: 40 hexadecimal digits or 32 of base32 are v1's, 64 hexadecimal
 * ones v2's. Returns 0 or ERR_PROTO. */
int magnet_from_hash(struct bytes text, struct magnet *out);
void magnet_fini(struct magnet *m);

/* The link `uri`, which magnet_parse() takes, as if it had chosen what `more` does besides; where
 * that chooses nothing, all is chosen. Appends to `out`. Returns 0; ERR_TOO_BIG, ERR_NOMEM as
 * buf_put(). */
int magnet_put_wider(struct bytes uri, const struct magnet *more, struct buf *out);

/* The link for a torrent: hashes, dn, its trackers and webseeds, xl. Appends to `out`. */
int magnet_put(const struct metainfo *m, struct buf *out);
/* The same as far as an entry knows it. */
int magnet_put_entry(const struct entry *e, struct buf *out);
/* The link for whatever the owner of this key publishes under a name. Appends to `out`. */
int magnet_put_key(const uint8_t key[SIGN_KEY_LEN], struct bytes name, struct buf *out);

#endif
