/* store/durable.h - small files that are either the old or the new, never a third. */
#ifndef SHOAL_STORE_DURABLE_H
#define SHOAL_STORE_DURABLE_H

#include "base/buf.h"
#include "store/root.h"

/* Make the folder `path`, and those above it that are missing. Each is synced into the one that it
 * lies in: else a power cut takes it, with whatever was synced in it. */
int durable_mkdirs(const char *path, unsigned mode, struct err_info *info);
/* fsync the folders on the way from the root to `rel`. */
int durable_sync_way(const struct root *r, const char *rel, struct err_info *info);

/* Write `data` as `rel`: temp beside it, fsync, rename, fsync of the folders on the way. Safe to
 * run on a worker. Returns 0 or the error; on error the old file is untouched. */
int durable_write(const struct root *r, const char *rel, struct bytes data, unsigned mode,
		  struct err_info *info);
/* Remove `rel`, and what a crash in the middle of writing it left. 0 also when there is none. */
int durable_remove(const struct root *r, const char *rel, struct err_info *info);
/* Read a whole file into `out` (initialised; its ceiling limits the size: ERR_TOO_BIG). */
int durable_read(const struct root *r, const char *rel, struct buf *out, struct err_info *info);
/* The same for plain paths of the user's own (a .torrent named on the command line): links
 * are followed. */
int durable_read_path(const char *path, struct buf *out, struct err_info *info);
int durable_write_path(const char *path, struct bytes data, unsigned mode, struct err_info *info);
/* A new file of the user's own, with no temporary one beside it, which might be somebody's.
 * ERR_EXISTS: something is there, and stays. On other errors nothing is. */
int durable_create_path(const char *path, struct bytes data, struct err_info *info);
/* The file `temp`, which is whole and synced, is called `path` from now on, in the same folder.
 * ERR_EXISTS: something is there, and stays. */
int durable_name_path(const char *temp, const char *path, struct err_info *info);

#endif
