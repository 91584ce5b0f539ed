/* cli/daemon_reload.h - settings that are read again while the daemon runs. */
#ifndef SHOAL_CLI_DAEMON_RELOAD_H
#define SHOAL_CLI_DAEMON_RELOAD_H

#include "cli/opts.h"

/* Do both say the same of this option? An option that there is. */
bool daemon_reload_same(const struct opts *a, const struct opts *b, const char *option);
/* ", "-separated names of what differs and cannot change before the next start; "" when there is
 * none. Returns `out`. */
#define DAEMON_RELOAD_TEXT_MAX 512u
const char *daemon_reload_later(const struct opts *now, const struct opts *next,
				const struct command *c, char out[DAEMON_RELOAD_TEXT_MAX]);

#endif
