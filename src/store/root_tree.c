/* store/root_tree.c - removing a folder and all in it. */
#include "store/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* Trees may be deeper than we have descriptors or stack, so nothing descends: a folder inside a
 * folder is moved up into the top, under a name of ours, and taken apart when its turn comes. */
struct removal {
	int top;
	unsigned moved;
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Takes `fd`. Returns 0 or an errno. */
static int list_open(int fd, DIR **out)
{
	int error;

	if (fd < 0)
		return errno;
	*out = fdopendir(fd);
	if (*out != NULL)
		return 0;
	error = errno;
	close(fd);
	return error;
}

static int move_up(struct removal *r, int dir, const char *name)
{
	char fresh[32];
	int error;

	do {
		snprintf(fresh, sizeof(fresh), ".gone-%u", r->moved++);
		if (renameat2(dir, name, r->top, fresh, RENAME_NOREPLACE) == 0)
			return 0;
		error = errno;
		/* Without that call an empty folder may be replaced, which is as good as gone. */
		if (error == EINVAL || error == ENOSYS)
			error = renameat(dir, name, r->top, fresh) == 0 ? 0 : errno;
	} while (error == EEXIST || error == ENOTEMPTY || error == ENOTDIR);
	return error;
}

/* Remove what is no folder, and folders that are empty. Others stay, or go to the top. */
static int clear_folder(struct removal *r, DIR *list, bool is_top)
{
	int dir = dirfd(list);
	struct dirent *e;
	int error = 0;

	while (error == 0 && (errno = 0, e = readdir(list)) != NULL) {
		if (is_dots(e->d_name) || unlinkat(dir, e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return errno == ENOENT ? 0 : errno;
		if (unlinkat(dir, e->d_name, AT_REMOVEDIR) == 0 || is_top)
			continue;
		error = move_up(r, dir, e->d_name);
	}
	return error != 0 ? error : errno;
}

static int clear_child(struct removal *r, const char *name)
{
	DIR *list;
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int error = list_open(openat(r->top, name, flags), &list);

	if (error != 0)
		return error;
	error = clear_folder(r, list, false);
	closedir(list);
	if (error == 0 && unlinkat(r->top, name, AT_REMOVEDIR) != 0)
		error = errno == ENOENT || errno == ENOTEMPTY ? 0 : errno;
	return error;
}

/* One pass over the top. *left tells whether folders were there. */
static int clear_top(struct removal *r, DIR *list, bool *left)
{
	struct dirent *e;
	int error = clear_folder(r, list, true);

	*left = false;
	rewinddir(list);
	while (error == 0 && (errno = 0, e = readdir(list)) != NULL) {
		if (is_dots(e->d_name))
			continue;
		*left = true;
		error = clear_child(r, e->d_name);
	}
	return error != 0 ? error : errno;
}

/* Passes without end would need somebody who makes folders as fast as we remove them. */
#define PASSES_MAX 100000

int root_remove_tree(const struct root *r, const char *rel, struct err_info *info)
{
	struct removal job = {0};
	bool left = true;
	DIR *list;
	int fd = root_openat(r, rel, O_RDONLY | O_DIRECTORY, 0, info), error;

	if (fd < 0)
		return fd;
	error = list_open(fd, &list);
	if (error != 0)
		return root_errno_at(r, rel, error, info);
	job.top = fd;
	for (int i = 0; i < PASSES_MAX && left && error == 0; i++) {
		rewinddir(list);
		error = clear_top(&job, list, &left);
	}
	closedir(list);
	return error == 0 ? root_rmdir(r, rel, info) : root_errno_at(r, rel, error, info);
}
