/* store/stamp.h - what lies at a path, as one small value: is it still what it was?
 *
 * A file's size and time of change, and those of every file beneath a folder with their names:
 * no data is read. Who changes a file and sets its time back is not found out. */
#ifndef SHOAL_STORE_STAMP_H
#define SHOAL_STORE_STAMP_H

#include <stdbool.h>
#include <time.h>

#include "base/digest.h"
#include "base/err.h"

/* Files and folders beneath one that is stamped (attack: a folder that never ends). */
#define STAMP_ENTRIES_MAX 1000000u

struct stamp {
	uint8_t sum[SHA256_LEN];
};

/* Links are not followed; they, and pipes and the like, count by their names.
 * Returns 0; ERR_NOENT; ERR_INVALID (a link, or neither file nor folder); ERR_TOO_BIG; ERR_NOMEM;
 * ERR_DENIED, ERR_IO when something beneath cannot be looked at. */
int stamp_take(const char *path, struct stamp *out, struct err_info *info);
bool stamp_eq(const struct stamp *a, const struct stamp *b);

/* A time of change as one number, to see whether it is the same: far from our days it wraps. */
static inline int64_t stamp_ns(const struct timespec *t)
{
	return (int64_t)((uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec);
}

#endif
