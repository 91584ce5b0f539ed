/* store/hashing_known.h - hashing only what was touched since it was hashed last. */
#ifndef SHOAL_STORE_HASHING_KNOWN_H
#define SHOAL_STORE_HASHING_KNOWN_H

#include "store/hash_record.h"
#include "store/hashing.h"

/* As hashing_run() with `plain`, but files that `record` knows as they lie there now are not read.
 * `record` then holds what is known for the next time; on error it is as it was. Pieces of v1 alone
 * go across files: there only a share of one file is remembered. */
int hashing_known_run(const struct hashing_params *p, struct hash_record *record,
		      struct hashing *out, struct err_info *info);

#endif
