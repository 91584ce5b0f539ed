/* cli/placed.h - which version of whose entry shoal has put, shared or found at a path. What it has
 * put there itself, a newer one may take the place of; anything else is somebody's own and stays.
 *
 * One small file of JSON a path, "placed/<32 hex digits of the path's hash>.json" in the home
 * folder, so that the record of one path costs the same however many others there are; while
 * something is on its way there, a second one that ends in ".coming". */
#ifndef SHOAL_CLI_PLACED_H
#define SHOAL_CLI_PLACED_H

#include "meta/entry.h"
#include "store/stamp.h"

/* A record (attack: none, it is our own; but what lies there may be something else). */
#define PLACED_BYTES_MAX 65536u

struct placed {
	char owner[ENTRY_OWNER_BYTES_MAX + 1];
	char name[ENTRY_NAME_BYTES_MAX + 1];
	uint32_t version;
	bool has_v1, has_v2;
	uint8_t hash_v1[SHA1_LEN];
	uint8_t hash_v2[SHA256_LEN];
	bool wrote;	    /* shoal itself has put it there */
	struct stamp stamp; /* of what lay there when it was remembered */
};

void placed_from_entry(struct placed *p, const struct entry *e);
bool placed_same_entry(const struct placed *a, const struct placed *b);	  /* owner and name */
bool placed_same_content(const struct placed *a, const struct placed *b); /* info-hash */

/* `path` as it is however one got there: the folder's real one, and the name in it, which need not
 * be there. NULL: the folder is gone, or ERR_NOMEM. Owns: free(). */
char *placed_real_path(const char *path, struct err_info *info);

/* This is about to be put at `path`: should it be found there after a crash, it is shoal's own. */
int placed_expect(const char *path, const struct placed *p, struct err_info *info);
/* What lies at `path` now is this: its stamp is taken. Replaces what was remembered before. With
 * p->wrote it was put there just now; without, it was found there, and is shoal's own (p->wrote
 * says so afterwards) when it was so before and nobody has touched it since, or was expected. */
int placed_remember(const char *path, struct placed *p, struct err_info *info);
/* Returns 0, or ERR_NOENT when nothing is remembered of the path, or nothing that can be read. */
int placed_find(const char *path, struct placed *out);

#endif
