/* store/scan.h - finding the files of a share. */
#ifndef SHOAL_STORE_SCAN_H
#define SHOAL_STORE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define SCAN_DEPTH_MAX 64u

struct scan_file {
	char *path; /* relative to the scanned folder, or the file's own name */
	uint64_t length;
	bool executable;
};
struct scan {
	struct scan_file *files; /* regular files; unordered */
	size_t n_files;
	bool single;  /* the path named a file */
	char *name;   /* last component of the path, links resolved */
	char *parent; /* the folder to open as root: holds `name` */
	uint64_t total_bytes;
	uint32_t skipped;    /* links, sockets, devices: left out, counted */
	char *skipped_first; /* the first of them, as paths of `files` are; NULL: none */
};

/* List what a share of `path` holds. Links below `path` are not followed and counted in
 * `skipped`; `path` itself may be a link. Unfinished downloads of ours are left out, and
 * what selection_excludes() by `exclude`, with all that is beneath it.
 * Returns: 0; ERR_NOENT, ERR_DENIED, ERR_IO, ERR_NOMEM; ERR_INVALID when `path` is neither a
 *          file nor a folder, or "/"; ERR_TOO_BIG over META_FILES_MAX files, SCAN_DEPTH_MAX
 *          folders in one another or META_PATH_BYTES_MAX of a path.
 * Owns:    `out` is the caller's, free with scan_fini; nothing is kept on error. */
int scan_path(const char *path, const char *const *exclude, struct scan *out,
	      struct err_info *info);
void scan_fini(struct scan *s);

/* Is `name`, one component, that of an unfinished download of ours, or of its state? Who can have
 * such files put where downloads are vouches for bytes that nobody verified. */
bool scan_is_unfinished(struct bytes name);

#endif
