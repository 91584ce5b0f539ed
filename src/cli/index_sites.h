/* cli/index_sites.h - labels of sites: which addresses are near to one another. */
#ifndef SHOAL_CLI_INDEX_SITES_H
#define SHOAL_CLI_INDEX_SITES_H

#include "base/err.h"
#include "index/tracker.h"

/* Of one label, its final NUL included. */
#define INDEX_SITE_LABEL_MAX 64u

struct index_sites {
	struct tracker_site list[TRACKER_SITES_MAX];
	uint32_t n;
	char labels[TRACKER_SITES_MAX][INDEX_SITE_LABEL_MAX]; /* site number i + 1 */
	uint32_t n_labels;
};

/* From "PREFIX/BITS=LABEL" as given on the command line (NULL-ended, or NULL) and as lines of
 * `file` (NULL: none). A prefix alone is one host. ERR_INVALID, ERR_TOO_BIG past
 * TRACKER_SITES_MAX, or what reading the file said. */
int index_sites_load(struct index_sites *s, const char *const *given, const char *file,
		     struct err_info *info);

#endif
