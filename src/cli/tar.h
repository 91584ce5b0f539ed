/* cli/tar.h - the heads of a tar archive, for a folder that is written to a pipe. Pure.
 *
 * Source: POSIX.1-2001 pax interchange format. Names of up to 100 bytes and files under 8 GiB have
 * a plain ustar head; others one in front that says the rest, so that any tar reads them. */
#ifndef SHOAL_CLI_TAR_H
#define SHOAL_CLI_TAR_H

#include "base/buf.h"

#define TAR_BLOCK 512u
/* A name's heads: a path of META_PATH_BYTES_MAX and its folder's name, rounded up. */
#define TAR_HEAD_MAX (16u * TAR_BLOCK)

/* Append what stands before the bytes of a file. `path` may hold any bytes but NUL.
 * Returns 0 or the buffer's error. */
int tar_put_head(struct buf *b, const char *path, uint64_t length, bool executable);
/* Zeros that fill up the last block of a file. */
uint32_t tar_pad(uint64_t length);
/* What stands at the end. */
int tar_put_end(struct buf *b);

#endif
