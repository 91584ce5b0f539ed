/* cli/index_admin.h - what an index's admin does on its catalogue, also while it runs:
 * `shoal index backup` and `shoal index token`. */
#ifndef SHOAL_CLI_INDEX_ADMIN_H
#define SHOAL_CLI_INDEX_ADMIN_H

#include "cli/opts.h"

/* o->args say what; `data` is the index's folder. Prints what was done. */
int index_admin(const struct opts *o, const char *data, struct err_info *info);

#endif
