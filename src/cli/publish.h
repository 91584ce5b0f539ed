/* cli/publish.h - a path becomes an entry of the index: hashed, named, signed, published. */
#ifndef SHOAL_CLI_PUBLISH_H
#define SHOAL_CLI_PUBLISH_H

#include "cli/build.h"
#include "cli/home.h"
#include "meta/entry.h"
#include "node/index_client.h"
#include "store/stamp.h"

/* What is the same of all that one command publishes. While a thread publishes, these are its. */
struct publisher {
	const struct opts *o; /* name, description, tags, notes; what build.h takes from it */
	const struct home *home;
	struct index_client *index;
};

struct publication {
	struct entry entry;
	struct build build;
	char label[ENTRY_NAME_BYTES_MAX * 2]; /* the entry's name, for people */
	bool stamped;			      /* `before`: */
	struct stamp before;		      /* of build.data_path, taken before it was hashed */
	bool same;			      /* as the version before: nothing was published */
	bool asked;		/* the index was: an error is its own, or of the way to it */
	struct err_info unkept; /* code OK; or why what was hashed is not remembered */
};

/* `path` is absolute. What `record` and the home know of it is not hashed again, unless o->rehash;
 * `record` holds what is known now. `before`: what it was published as the last time; NULL: this is
 * the first. `aside` as in build.h.
 * Returns 0, or the error with its sentence. Owns: publication_fini(), also after an error. */
int publish_path(const struct publisher *p, const char *path, const struct entry *before,
		 struct hash_record *record, struct build_aside *aside, struct publication *out,
		 struct err_info *info);
void publication_fini(struct publication *p);

#endif
