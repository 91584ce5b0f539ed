/* cli/own_home.h - the home of this peer is not shared along with what is around it: whoever has
 * its key owns its names, and whoever has the daemon's token its user's files. */
#ifndef SHOAL_CLI_OWN_HOME_H
#define SHOAL_CLI_OWN_HOME_H

#include "store/scan.h"

/* Takes what lies in the home out of `s`, a folder around it; *left_out: how many files. What lies
 * in a folder of the home, such as spool/, is shared as anything else is.
 * Returns 0; ERR_DENIED: `s` is the home itself, or a secret in it; ERR_NOMEM. */
int own_home_leave_out(struct scan *s, uint32_t *left_out, struct err_info *info);

#endif
