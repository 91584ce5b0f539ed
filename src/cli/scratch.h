/* cli/scratch.h - a folder for data that nobody asked to keep. */
#ifndef SHOAL_CLI_SCRATCH_H
#define SHOAL_CLI_SCRATCH_H

#include "base/err.h"

/* A new folder, 0700, in TMPDIR or else in the folder "scratch" of the home.
 * Owns: *out is the caller's (free). */
int scratch_make(char **out, struct err_info *info);
/* The same in the folder `in`, which is made if it is missing. */
int scratch_make_in(const char *in, char **out, struct err_info *info);
/* The same in the folder `name` of the home. */
int scratch_make_at_home(const char *name, char **out, struct err_info *info);
/* Remove it with all that is in it. NULL is fine. */
void scratch_remove(const char *path);

#endif
