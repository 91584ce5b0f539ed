/* cli/known.h - what was seen before and what it was known by: a file in the home folder with one
 * thing a line, its value (without blanks), a space, its name. */
#ifndef SHOAL_CLI_KNOWN_H
#define SHOAL_CLI_KNOWN_H

#include "base/buf.h"
#include "store/root.h"

#define KNOWN_BYTES_MAX (16u << 20)

struct known {
	const char *file; /* borrowed */
	char *dir;
	struct root root;
	int lock;
	struct buf text;
};

/* Reads the file, which need not be there, and keeps other commands out of the home until
 * known_close(), which is needed also after an error.
 * Returns 0; ERR_IO for the folder; ERR_PROTO for a file that cannot be read. */
int known_open(struct known *k, const char *file, struct err_info *info);
void known_close(struct known *k);
/* Lets other commands in; what was read stays, and nothing can be set any more. */
void known_unlock(struct known *k);

/* False: not known. Owns: *value borrows until the next known_set(). */
bool known_find(const struct known *k, const char *name, struct bytes *value);
/* One after the other; `*at` 0 to begin with. Lines without a space are skipped. */
bool known_next(const struct known *k, size_t *at, struct bytes *name, struct bytes *value);
/* Durable when it returns 0, else ERR_IO. */
int known_set(struct known *k, const char *name, const char *value, struct err_info *info);

#endif
