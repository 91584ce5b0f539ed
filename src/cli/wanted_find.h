/* cli/wanted_find.h - what a reference of `get` means: a file, a link, an index's entry, or what
 * the owner of a key has signed in the distributed hash table. Of cli/wanted.h alone. */
#ifndef SHOAL_CLI_WANTED_FIND_H
#define SHOAL_CLI_WANTED_FIND_H

#include "cli/wanted.h"

/* The bytes of the torrent in w->torrent; none when only peers can have them. *e: the index's
 * entry, when w->from_index. Returns and arguments as of wanted_load(). */
int wanted_find(struct wanted *w, const struct opts *o, const char *ref, bool nested,
		struct index_client **index, struct entry *e, struct err_info *info);

/* An entry is what is wanted, if its owner is the one that we know: `w` remembers which it is.
 * Returns as wanted_load(). */
int wanted_accept(struct wanted *w, const struct opts *o, const struct entry *e,
		  struct err_info *info);

#endif
