/* meta/name_item.h - a published name as a value of the distributed hash table: what stands under
 * its owner's key, signed by it, so that whoever has the key finds it without any index.
 *
 * Source:  BEP 46: a dictionary whose "ih" names the swarm. Ours has more in it:
 *
 *     bytes  files  ih  ih2  name  owner  published  sha256  version
 *
 * "ih" are the 20 bytes that the swarm goes by in handshakes and in the table: of v1, or the first
 * ones of v2 where there is no v1. "ih2" is the whole of v2. "published" are Unix seconds. */
#ifndef SHOAL_META_NAME_ITEM_H
#define SHOAL_META_NAME_ITEM_H

#include "meta/entry.h"

/* Source: BEP 44. */
#define NAME_ITEM_SALT_MAX 64u
/* What we make; the longest name and owner fit. */
#define NAME_ITEM_VALUE_MAX 700u

/* Under what a name stands: itself, or its SHA-256 when it is too long for that. Returns the bytes
 * in `out`. */
size_t name_item_salt(struct bytes name, uint8_t out[NAME_ITEM_SALT_MAX]);

/* The value. Appends to `out`. */
int name_item_put(const struct entry *e, struct buf *out);

/* What was found for `salt`. Others may have put it, with "ih" alone: what is not there, or is not
 * as it may be, stays zero; key and signature always do. A name that is not in it is the salt, if
 * that can be one.
 * Returns: 0; ERR_PROTO no such value; ERR_MISMATCH it stands for another name. */
int name_item_read(struct bytes value, struct bytes salt, struct entry *out);

#endif
