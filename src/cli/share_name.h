/* cli/share_name.h - the name of what is shared in the distributed hash table: put there while it
 * is served, and said once it is there. */
#ifndef SHOAL_CLI_SHARE_NAME_H
#define SHOAL_CLI_SHARE_NAME_H

#include "cli/dht_name.h"
#include "cli/handover.h"
#include "cli/session.h"
#include "meta/kept_entry.h"

/* Times that a name is signed anew, since the table has a newer one. */
#define SHARE_NAME_AGAIN_MAX 3u

/* Whose, and who serves it. Borrowed for the call. */
struct share_name_of {
	const struct home *home;
	const struct kept_entry *entry;
	const char *label;	     /* its name, escaped */
	struct transfer *transfer;   /* NULL: the daemon has it, as */
	const struct handed *handed; /* this */
};

/* Zeroed is a good start; so is setting `settled` and `again` back for a newer version. */
struct share_name {
	bool settled; /* it is there, or stays out */
	bool said;
	uint32_t again;
};

/* Sign it with a number above `after` (-1: any), and have it put.
 * Returns 0, or what signing or the daemon says. */
int share_name_set(const struct share_name_of *of, int64_t after, struct err_info *info);
/* Now and then: how it stands. A machine with the same key and a clock that is ahead may have put a
 * newer one: what was published just now is newer than that, and is signed anew. */
void share_name_look(struct share_name *n, const struct share_name_of *of,
		     const struct transfer_status *st, struct session *session);

#endif
