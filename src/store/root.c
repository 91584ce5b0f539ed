#include "store/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

#define RACE_TRIES 16

/* The folder that holds the last component of a path. */
struct place {
	int fd;
	bool owned; /* else it is the root's own descriptor */
	const char *leaf;
};

static enum err code_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR: /* beneath a file there is nothing */
		return ERR_NOENT;
	case EEXIST:
	case ENOTEMPTY:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
	case ELOOP:
	case EXDEV:
		return ERR_DENIED;
	case ETXTBSY:
		return ERR_AGAIN;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NOSPACE;
	case ENOMEM:
		return ERR_NOMEM;
	case EMFILE:
	case ENFILE:
		return ERR_TOO_BIG;
	case EISDIR:
	case EINVAL:
	case ENAMETOOLONG:
		return ERR_INVALID;
	default:
		return ERR_IO;
	}
}

int root_errno(struct err_info *info, const char *what, int error)
{
	char safe[ERR_TEXT_MAX - 64], reason[64];

	if (info == NULL)
		return code_of(error);
	text_escape(safe, sizeof(safe), bytes_str(what));
	return err_set(info, code_of(error), "%s: %s", safe[0] == '\0' ? "''" : safe,
		       strerror_r(error, reason, sizeof(reason)));
}

int root_fail(const struct root *r, const char *rel, enum err code, const char *why,
	      struct err_info *info)
{
	char what[PATH_MAX], safe[ERR_TEXT_MAX - 64];

	if (info == NULL)
		return code;
	snprintf(what, sizeof(what), "%s/%s", r->path, rel);
	text_escape(safe, sizeof(safe), bytes_str(what));
	return err_set(info, code, "%s: %s", safe, why);
}

int root_errno_at(const struct root *r, const char *rel, int error, struct err_info *info)
{
	char reason[64];

	if (error == ELOOP || error == EXDEV || error == ENOTDIR)
		return root_fail(r, rel, ERR_DENIED, "a link or a file stands in the way", info);
	return root_fail(r, rel, code_of(error), strerror_r(error, reason, sizeof(reason)), info);
}

int root_open(struct root *r, const char *path, struct err_info *info)
{
	const int flags = O_DIRECTORY | O_CLOEXEC;
	int error;

	r->path = strdup(path);
	if (r->path == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	r->fd = open(path, O_RDONLY | flags);
	/* A folder that may be passed through but not listed serves us too. */
	if (r->fd < 0 && errno == EACCES)
		r->fd = open(path, O_PATH | flags);
	if (r->fd >= 0)
		return OK;
	error = errno;
	free(r->path);
	r->path = NULL;
	return root_errno(info, path, error);
}

void root_close(struct root *r)
{
	if (r->path == NULL)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	r->path = NULL;
	r->fd = -1;
}

/* Every component is a plain name. What leads out is refused here already, so that the walk
 * below need not rely on the kernel for it. */
static bool is_beneath(const char *rel)
{
	const char *p = rel;

	for (;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

/* openat2, or -1 with errno. */
static int open_beneath(int dir, const char *rel, int flags, unsigned mode)
{
	struct open_how how = {
	    .flags = (unsigned)(flags | O_CLOEXEC),
	    .mode = (flags & O_CREAT) != 0 ? mode & 07777 : 0,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	/* EAGAIN: something on the way was renamed meanwhile. */
	for (int i = 0; i < RACE_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, rel, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

/* May the walk do what openat2 could not? No openat2 (EPERM: some sandboxes say it that way), a
 * path over PATH_MAX, or an unlucky race. */
static bool walk_helps(int error)
{
	return error == ENOSYS || error == EPERM || error == ENAMETOOLONG || error == EAGAIN;
}

/* Open the folder `name` in `dir`, made first if wanted. -1 with errno. */
static int step_into(int dir, const char *name, bool make)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(dir, name, 0777) != 0 && errno != EEXIST)
		return -1;
	return openat(dir, name, flags);
}

/* Open the folder named by the first `len` bytes of `rel`, component by component. */
static int walk(int root, const char *rel, size_t len, bool make)
{
	char name[NAME_MAX + 1];
	int dir = root;

	while (len > 0) {
		size_t n = strcspn(rel, "/");
		int next, error;

		if (n > NAME_MAX) {
			next = -1;
			errno = ENAMETOOLONG;
		} else {
			memcpy(name, rel, n);
			name[n] = '\0';
			next = step_into(dir, name, make);
		}
		error = errno;
		if (dir != root)
			close(dir);
		errno = error;
		if (next < 0)
			return -1;
		dir = next;
		n = n < len ? n + 1 : n;
		rel += n;
		len -= n;
	}
	return dir;
}

static int open_folder(int root, const char *rel, size_t len, bool make)
{
	char prefix[PATH_MAX];
	int fd;

	if (len < sizeof(prefix)) {
		memcpy(prefix, rel, len);
		prefix[len] = '\0';
		fd = open_beneath(root, prefix, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0 || !(walk_helps(errno) || (make && errno == ENOENT)))
			return fd;
	}
	return walk(root, rel, len, make);
}

/* Returns 0 or an errno. */
static int place_open(const struct root *r, const char *rel, bool make, struct place *at)
{
	const char *slash = strrchr(rel, '/');

	*at = (struct place){.fd = r->fd, .leaf = rel};
	if (!is_beneath(rel))
		return EXDEV;
	if (slash == NULL)
		return 0;
	at->leaf = slash + 1;
	at->fd = open_folder(r->fd, rel, (size_t)(slash - rel), make);
	at->owned = at->fd >= 0;
	return at->owned ? 0 : errno;
}

static void place_close(struct place *at)
{
	if (at->owned)
		close(at->fd);
}

int root_openat(const struct root *r, const char *rel, int flags, unsigned mode,
		struct err_info *info)
{
	struct place at;
	int fd, error;

	if (!is_beneath(rel))
		return root_errno_at(r, rel, EXDEV, info);
	/* O_LARGEFILE: a 32-bit kernel refuses files over 2 GiB without it, and libc, which sees to
	 * that, has no openat2. */
	if ((flags & (O_PATH | O_DIRECTORY)) == 0)
		flags |= O_NONBLOCK | O_NOCTTY | O_LARGEFILE;
	fd = open_beneath(r->fd, rel, flags, mode);
	if (fd >= 0)
		return fd;
	error = errno;
	if (!walk_helps(error) && !(error == ENOENT && (flags & O_CREAT) != 0))
		return root_errno_at(r, rel, error, info);
	error = place_open(r, rel, (flags & O_CREAT) != 0, &at);
	if (error == 0) {
		fd = openat(at.fd, at.leaf, flags | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
		error = errno;
		place_close(&at);
	}
	return fd >= 0 ? fd : root_errno_at(r, rel, error, info);
}

int root_mkdirs(const struct root *r, const char *rel, struct err_info *info)
{
	int fd;

	if (!is_beneath(rel))
		return root_errno_at(r, rel, EXDEV, info);
	fd = open_folder(r->fd, rel, strlen(rel), true);
	if (fd < 0)
		return root_errno_at(r, rel, errno, info);
	close(fd);
	return OK;
}

int root_stat(const struct root *r, const char *rel, struct stat *st)
{
	return root_look(r, rel, st, NULL);
}

int root_look(const struct root *r, const char *rel, struct stat *st, struct err_info *info)
{
	struct place at;
	int error = place_open(r, rel, false, &at);

	if (error == 0 && fstatat(at.fd, at.leaf, st, AT_SYMLINK_NOFOLLOW) != 0)
		error = errno;
	place_close(&at);
	return error == 0 ? OK : root_errno_at(r, rel, error, info);
}

int root_find(const struct root *r, const char *rel, bool *there, struct stat *st,
	      struct err_info *info)
{
	struct err_info why;
	int err = root_look(r, rel, st, &why);

	*there = err == OK;
	if (err == OK || err == ERR_NOENT)
		return OK;
	return err_set(info, (enum err)err, "%s", why.text);
}

void root_tour_init(struct root_tour *t, const struct root *r)
{
	*t = (struct root_tour){.root = r, .fd = -1};
}

void root_tour_fini(struct root_tour *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

int root_tour_stat(struct root_tour *t, const char *rel, struct stat *st)
{
	const char *slash = strrchr(rel, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - rel);

	if (slash == NULL || !is_beneath(rel))
		return root_stat(t->root, rel, st);
	if (t->fd < 0 || len != t->folder_len || memcmp(rel, t->folder, len) != 0) {
		root_tour_fini(t);
		t->fd = open_folder(t->root->fd, rel, len, false);
		t->folder = rel;
		t->folder_len = len;
	}
	if (t->fd < 0 || fstatat(t->fd, slash + 1, st, AT_SYMLINK_NOFOLLOW) != 0)
		return root_errno_at(t->root, rel, errno, NULL);
	return OK;
}

static int unlink_with(const struct root *r, const char *rel, int flags, struct err_info *info)
{
	struct place at;
	int error = place_open(r, rel, false, &at);

	if (error == 0 && unlinkat(at.fd, at.leaf, flags) != 0)
		error = errno;
	place_close(&at);
	return error == 0 ? OK : root_errno_at(r, rel, error, info);
}

int root_unlink(const struct root *r, const char *rel, struct err_info *info)
{
	return unlink_with(r, rel, 0, info);
}

int root_rmdir(const struct root *r, const char *rel, struct err_info *info)
{
	return unlink_with(r, rel, AT_REMOVEDIR, info);
}

int root_sync(const struct root *r, const char *rel, struct err_info *info)
{
	int fd, error = 0;

	if (rel[0] == '\0')
		fd = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		fd = root_openat(r, rel, O_RDONLY | O_DIRECTORY, 0, info);
	if (fd < 0 && rel[0] != '\0')
		return fd;
	/* EACCES: a folder we may write to but not list cannot be synced, only hoped for. */
	if (fd < 0)
		return errno == EACCES ? OK : root_errno_at(r, rel, errno, info);
	/* EINVAL: a file system without it (some network and user-space ones). */
	if (fsync(fd) != 0 && errno != EINVAL)
		error = errno;
	close(fd);
	return error == 0 ? OK : root_errno_at(r, rel, error, info);
}

/* For file systems without RENAME_NOREPLACE. A folder that appears at `to` in between makes
 * rename(2) fail unless it is empty; a file is linked to its new name, which never replaces. */
static int rename_careful(const struct place *from, const struct place *to)
{
	struct stat st;

	if (fstatat(to->fd, to->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return EEXIST;
	if (fstatat(from->fd, from->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno;
	if (!S_ISDIR(st.st_mode)) {
		if (linkat(from->fd, from->leaf, to->fd, to->leaf, 0) == 0)
			return unlinkat(from->fd, from->leaf, 0) == 0 ? 0 : errno;
		if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
			return errno;
	}
	return renameat(from->fd, from->leaf, to->fd, to->leaf) == 0 ? 0 : errno;
}

enum manner { REPLACE, KEEP, EXCHANGE };

static int rename_at(const struct place *from, const struct place *to, enum manner how)
{
	if (how == REPLACE)
		return renameat(from->fd, from->leaf, to->fd, to->leaf) == 0 ? 0 : errno;
	if (how == EXCHANGE)
		return renameat2(from->fd, from->leaf, to->fd, to->leaf, RENAME_EXCHANGE) == 0
			   ? 0
			   : errno;
	if (renameat2(from->fd, from->leaf, to->fd, to->leaf, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	return rename_careful(from, to);
}

static int move(const struct root *r, const char *from, const char *to, enum manner how,
		struct err_info *info)
{
	struct place a, b = {.owned = false};
	const char *wrong = from;
	int error = place_open(r, from, false, &a);

	if (error == 0) {
		error = place_open(r, to, false, &b);
		if (error == 0)
			error = rename_at(&a, &b, how);
		if (error == EEXIST || error == ENOTEMPTY || b.fd < 0)
			wrong = to;
	}
	place_close(&a);
	place_close(&b);
	return error == 0 ? OK : root_errno_at(r, wrong, error, info);
}

int root_rename(const struct root *r, const char *from, const char *to, struct err_info *info)
{
	return move(r, from, to, KEEP, info);
}

int root_replace(const struct root *r, const char *from, const char *to, struct err_info *info)
{
	return move(r, from, to, REPLACE, info);
}

int root_exchange(const struct root *r, const char *a, const char *b, struct err_info *info)
{
	return move(r, a, b, EXCHANGE, info);
}
