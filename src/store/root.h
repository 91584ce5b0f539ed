/* store/root.h - opening, making and removing files strictly beneath one folder.
 *
 * Whatever a torrent's paths say and whatever links lie on the disk, nothing outside the
 * root is touched: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS),
 * or, where the kernel has no openat2, a walk with O_NOFOLLOW (O-07, O-08). */
#ifndef SHOAL_STORE_ROOT_H
#define SHOAL_STORE_ROOT_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

struct root {
	int fd;	    /* O_PATH or O_DIRECTORY descriptor of the folder */
	char *path; /* as given, for messages */
};

int root_open(struct root *r, const char *path, struct err_info *info);
void root_close(struct root *r);

/* Open `rel` ('/'-joined, relative). With O_CREAT in `flags` missing folders on the way are
 * made (0777 & ~umask). Returns a descriptor >= 0 (O_CLOEXEC) or an enum err: ERR_NOENT,
 * ERR_EXISTS, ERR_DENIED (also: a link was in the way, `rel` leads out), ERR_INVALID (a folder
 * where a file should be), ERR_NOSPACE, ERR_IO. A pipe or device never makes it wait. */
int root_openat(const struct root *r, const char *rel, int flags, unsigned mode,
		struct err_info *info);
int root_mkdirs(const struct root *r, const char *rel, struct err_info *info);
int root_stat(const struct root *r, const char *rel, struct stat *st); /* never follows links */
/* The same, and the sentence. */
int root_look(const struct root *r, const char *rel, struct stat *st, struct err_info *info);
/* The same, but that nothing is there is no error. */
int root_find(const struct root *r, const char *rel, bool *there, struct stat *st,
	      struct err_info *info);

/* root_stat() of many files: the folder of one stays open for the next, so that those of one
 * folder, asked for one after the other, cost one system call each and not three. */
struct root_tour {
	const struct root *root;
	const char *folder; /* the first `folder_len` bytes of the path asked for last */
	size_t folder_len;
	int fd; /* of it; -1 */
};
void root_tour_init(struct root_tour *t, const struct root *r);
void root_tour_fini(struct root_tour *t);
/* Owns: borrows `rel` until the next call or root_tour_fini(). */
int root_tour_stat(struct root_tour *t, const char *rel, struct stat *st);

int root_unlink(const struct root *r, const char *rel, struct err_info *info);
/* An empty folder only. */
int root_rmdir(const struct root *r, const char *rel, struct err_info *info);
/* Make the names in folder `rel` ("" for the root itself) survive a power cut: fsync. */
int root_sync(const struct root *r, const char *rel, struct err_info *info);
/* rename(2): what was at `to` is replaced at once. */
int root_replace(const struct root *r, const char *from, const char *to, struct err_info *info);
/* The two change places at once (renameat2 RENAME_EXCHANGE). ERR_INVALID where the file system
 * cannot do that. */
int root_exchange(const struct root *r, const char *a, const char *b, struct err_info *info);
/* Refuses to replace: ERR_EXISTS when `to` is there (renameat2 RENAME_NOREPLACE). */
int root_rename(const struct root *r, const char *from, const char *to, struct err_info *info);
/* Remove a folder and all in it, links unfollowed. */
int root_remove_tree(const struct root *r, const char *rel, struct err_info *info);

/* errno to code and sentence: "PATH: No space left on device". */
int root_errno(struct err_info *info, const char *what, int error);
/* The same about what lies at `rel`. */
int root_errno_at(const struct root *r, const char *rel, int error, struct err_info *info);
/* "PATH: why" with a code; the path is escaped. */
int root_fail(const struct root *r, const char *rel, enum err code, const char *why,
	      struct err_info *info);

#endif
