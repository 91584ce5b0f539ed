/* cli/scratch.h - a folder for data that nobody asked to keep. */
#ifndef SHOAL_CLI_SCRATCH_H
#define SHOAL_CLI_SCRATCH_H

#include "base/err.h"

/* Who is alive holds a lock on its folder, so that what others who were killed have left is found.
 * Before one without a lock is taken away it is so old: this one may have been made this moment. */
#define SCRATCH_ABANDONED_S 60

/* A new folder, 0700, in TMPDIR or else in the folder "scratch" of the home, from where what was
 * abandoned is removed first.
 * Owns: *out is the caller's (free), and so is *hold, a descriptor to close at the end; -1: none.
 */
int scratch_make(char **out, int *hold, struct err_info *info);
/* One that stays, in the folder `in`, which is made if it is missing. */
int scratch_make_in(const char *in, char **out, struct err_info *info);
/* The same in the folder `name` of the home. */
int scratch_make_at_home(const char *name, char **out, struct err_info *info);
/* Remove it with all that is in it. NULL is fine. */
void scratch_remove(const char *path);

#endif
