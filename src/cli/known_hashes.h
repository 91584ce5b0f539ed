/* cli/known_hashes.h - what was hashed of each shared path, kept in the home folder as
 * "hashes/<32 hex digits of the path's hash>", so that a share starts again without reading it. */
#ifndef SHOAL_CLI_KNOWN_HASHES_H
#define SHOAL_CLI_KNOWN_HASHES_H

#include "store/hash_record.h"

/* Of less than so many bytes, a file counting as one block more, nothing is kept: to hash them
 * takes no longer than to write down what came of it. */
#define KNOWN_HASHES_MIN (16u << 20)

/* `path` is absolute. What cannot be read is not known: `r` is empty then. */
void known_hashes_load(const char *path, struct hash_record *r);
/* Returns 0, also when it is too little to be kept. */
int known_hashes_save(const char *path, const struct hash_record *r, struct err_info *info);

#endif
