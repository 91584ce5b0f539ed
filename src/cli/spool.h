/* cli/spool.h - standard input as a file, so that it can be shared. */
#ifndef SHOAL_CLI_SPOOL_H
#define SHOAL_CLI_SPOOL_H

#include "base/err.h"

/* Read standard input to its end into DIR/XXXXXX/NAME; `dir` NULL: the folder "spool" of the home.
 * `name` is a file name. On error nothing is left, nor when a
 * signal ends us meanwhile. Owns: *out, the file's path, is the caller's
 * (free). */
int spool_stdin(const char *name, const char *dir, char **out, struct err_info *info);

#endif
