/* cli/index_shared.h - one client of an index for all jobs of the daemon that are its entries: each
 * has a loop and connections of its own, which a thousand jobs need not have a thousand times. */
#ifndef SHOAL_CLI_INDEX_SHARED_H
#define SHOAL_CLI_INDEX_SHARED_H

#include <sys/queue.h>

#include "daemon/jobs.h"

struct index_shared {
	struct index_client *client;
	unsigned users;
	LIST_ENTRY(index_shared) all;
};
LIST_HEAD(index_shared_list, index_shared);

/* The index that `j` is an entry of. Returns as job_open_index(). Owns: index_shared_close(). */
int index_shared_open(struct index_shared_list *list, const struct job *j,
		      struct index_shared **out, struct err_info *info);
/* NULL is none. */
void index_shared_close(struct index_shared *s);

#endif
