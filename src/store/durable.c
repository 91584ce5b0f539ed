#include "store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"

#define TEMP_SUFFIX ".tmp"
#define TEMP_TRIES 32
#define READ_STEP (64u << 10)

/* ---- folders ------------------------------------------------------------ */

static int make_one(const char *path, unsigned mode, struct err_info *info)
{
	const char *slash = strrchr(path, '/');
	struct root above;
	char *name;
	int err;

	if (mkdir(path, (mode_t)mode) != 0)
		return errno == EEXIST ? OK : root_errno(info, path, errno);
	name = slash == NULL || slash == path ? strdup(slash == NULL ? "." : "/")
					      : strndup(path, (size_t)(slash - path));
	if (name == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	/* What may not be listed cannot be synced, only hoped for. */
	err = root_open(&above, name, NULL);
	free(name);
	if (err != OK)
		return OK;
	err = root_sync(&above, "", info);
	root_close(&above);
	return err;
}

int durable_mkdirs(const char *path, unsigned mode, struct err_info *info)
{
	char *part = strdup(path);
	size_t len = strlen(path);
	int err = OK;

	if (part == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	for (size_t i = 1; i <= len && err == OK; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		err = make_one(part, mode, info);
		part[i] = i < len ? '/' : '\0';
	}
	free(part);
	return err;
}

int durable_sync_way(const struct root *r, const char *rel, struct err_info *info)
{
	char *folder = strdup(rel), *slash;
	int err = OK;

	if (folder == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	while (err == OK && (slash = strrchr(folder, '/')) != NULL) {
		*slash = '\0';
		err = root_sync(r, folder, info);
	}
	free(folder);
	return err == OK ? root_sync(r, "", info) : err;
}

/* ---- files -------------------------------------------------------------- */

/* Returns 0 or an errno. */
static int write_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.ptr, data.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		data = bytes_sub(data, (size_t)n, data.len - (size_t)n);
	}
	return 0;
}

/* Is `fd` still what `rel` names? And, unless we made it, a file of ours alone? A stranger who made
 * it beforehand in a shared folder could go on writing to it. */
static int check_temp(const struct root *r, const char *rel, int fd, bool made, unsigned mode,
		      struct err_info *info)
{
	struct stat st, named;

	if (fstat(fd, &st) != 0)
		return root_errno_at(r, rel, errno, info);
	if (root_stat(r, rel, &named) != OK || named.st_ino != st.st_ino ||
	    named.st_dev != st.st_dev)
		return ERR_AGAIN;
	if (!made && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)) {
		if (root_unlink(r, rel, NULL) == OK)
			return ERR_AGAIN;
		return root_fail(r, rel, ERR_DENIED, "somebody else's file is there", info);
	}
	if ((st.st_mode & 07777 & ~mode) != 0 && fchmod(fd, (mode_t)mode) != 0)
		return root_errno_at(r, rel, errno, info);
	return OK;
}

/* Open the temporary file with a lock on it. Its name is always the same, so that a crash leaves
 * one at most; the lock keeps two writers of one file apart. ERR_AGAIN: another writer took it
 * away meanwhile. */
static int open_temp(const struct root *r, const char *rel, unsigned mode, struct err_info *info)
{
	struct err_info why; /* a first answer that does not count must not reach the caller */
	int fd = root_openat(r, rel, O_RDWR | O_CREAT | O_EXCL, mode, &why), err;
	bool made = fd >= 0;

	if (fd == ERR_EXISTS) {
		fd = root_openat(r, rel, O_RDWR, 0, &why);
		if (fd == ERR_NOENT)
			return ERR_AGAIN;
	}
	if (fd < 0)
		return err_set(info, why.code, "%s", why.text);
	/* Without locks (some network file systems) writers of one file are on their own. */
	while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
		continue;
	err = check_temp(r, rel, fd, made, mode, info);
	if (err == OK && ftruncate(fd, 0) != 0)
		err = root_errno_at(r, rel, errno, info);
	if (err == OK)
		return fd;
	close(fd);
	return err;
}

static int fill_and_rename(const struct root *r, int fd, const char *temp, const char *rel,
			   struct bytes data, struct err_info *info)
{
	int error = write_all(fd, data);

	if (error == 0 && fsync(fd) != 0)
		error = errno;
	if (error == 0)
		return root_replace(r, temp, rel, info);
	return root_errno_at(r, rel, error, info);
}

static char *temp_of(const char *rel)
{
	size_t cap = strlen(rel) + sizeof(TEMP_SUFFIX);
	char *temp = malloc(cap);

	if (temp != NULL)
		snprintf(temp, cap, "%s" TEMP_SUFFIX, rel);
	return temp;
}

static int write_as(const struct root *r, const char *temp, const char *rel, struct bytes data,
		    unsigned mode, struct err_info *info)
{
	int fd = ERR_AGAIN, err;

	for (int i = 0; i < TEMP_TRIES && fd == ERR_AGAIN; i++)
		fd = open_temp(r, temp, mode, info);
	if (fd == ERR_AGAIN)
		return root_fail(r, rel, ERR_IO, "others keep replacing it", info);
	if (fd < 0)
		return fd;
	err = fill_and_rename(r, fd, temp, rel, data, info);
	if (err != OK)
		(void)root_unlink(r, temp, NULL);
	close(fd);
	return err;
}

int durable_write(const struct root *r, const char *rel, struct bytes data, unsigned mode,
		  struct err_info *info)
{
	char *temp = temp_of(rel);
	int err;

	if (temp == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = write_as(r, temp, rel, data, mode, info);
	if (err == OK)
		err = durable_sync_way(r, rel, info);
	free(temp);
	return err;
}

int durable_remove(const struct root *r, const char *rel, struct err_info *info)
{
	char *temp = temp_of(rel);
	struct err_info why;
	int err;

	if (temp == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = root_unlink(r, temp, &why);
	free(temp);
	if (err == OK || err == ERR_NOENT)
		err = root_unlink(r, rel, &why);
	if (err == OK || err == ERR_NOENT)
		return OK;
	if (info != NULL)
		*info = why;
	return err;
}

static int too_big(const char *what, size_t most, struct err_info *info)
{
	char safe[256], size[32];

	return err_set(info, ERR_TOO_BIG, "%s: larger than %s",
		       text_escape(safe, sizeof(safe), bytes_str(what)),
		       text_size(size, sizeof(size), most));
}

static int read_all(int fd, const char *what, struct buf *out, struct err_info *info)
{
	for (;;) {
		struct span room;
		size_t step = out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
		char over;
		ssize_t n;

		/* Full to the brim: one byte more would be too many. */
		if (step == 0)
			room = (struct span){(uint8_t *)&over, 1};
		else if (buf_reserve(out, step, &room) != OK)
			return err_set(info, out->err, "%s", err_text(out->err));
		do
			n = read(fd, room.ptr, room.len);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return root_errno(info, what, errno);
		if (n == 0)
			return OK;
		if (step == 0)
			return too_big(what, out->max, info);
		buf_commit(out, (size_t)n);
	}
}

int durable_read(const struct root *r, const char *rel, struct buf *out, struct err_info *info)
{
	struct stat st;
	int fd = root_openat(r, rel, O_RDONLY, 0, info), err;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		err = root_errno_at(r, rel, errno, info);
	else if (!S_ISREG(st.st_mode))
		err = root_fail(r, rel, ERR_INVALID, "not a file", info);
	else
		err = read_all(fd, rel, out, info);
	close(fd);
	return err;
}

/* Pipes and devices are fine here: the user named them. */
int durable_read_path(const char *path, struct buf *out, struct err_info *info)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), err;

	if (fd < 0)
		return root_errno(info, path, errno);
	err = read_all(fd, path, out, info);
	close(fd);
	return err;
}

/* A pipe or device is written to, not replaced. */
static int write_device(const char *path, struct bytes data, struct err_info *info)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), error;

	if (fd < 0)
		return root_errno(info, path, errno);
	error = write_all(fd, data);
	close(fd);
	return error == 0 ? OK : root_errno(info, path, error);
}

/* Cuts `path`, whose last part is `leaf` then. */
static int open_folder_of(char *path, struct root *r, const char **leaf, struct err_info *info)
{
	char *slash = strrchr(path, '/');

	*leaf = slash == NULL ? path : slash + 1;
	if (slash != NULL)
		*slash = '\0';
	return root_open(r, slash == NULL ? "." : slash == path ? "/" : path, info);
}

static int sync_folder_of(const char *path, struct err_info *info)
{
	char *copy = strdup(path);
	const char *leaf;
	struct root r;
	int err;

	if (copy == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = open_folder_of(copy, &r, &leaf, info);
	free(copy);
	if (err != OK)
		return err;
	err = root_sync(&r, "", info);
	root_close(&r);
	return err;
}

int durable_name_path(const char *temp, const char *path, struct err_info *info)
{
	const char *slash = strrchr(temp, '/'), *leaf;
	char *copy = strdup(path);
	struct root r;
	int err;

	if (copy == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = open_folder_of(copy, &r, &leaf, info);
	if (err == OK) {
		err = root_rename(&r, slash == NULL ? temp : slash + 1, leaf, info);
		if (err == OK)
			err = root_sync(&r, "", info);
		root_close(&r);
	}
	free(copy);
	return err;
}

int durable_create_path(const char *path, struct bytes data, struct err_info *info)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), error;

	if (fd < 0)
		return root_errno(info, path, errno);
	error = write_all(fd, data);
	if (error == 0 && fsync(fd) != 0)
		error = errno;
	close(fd);
	if (error == 0)
		return sync_folder_of(path, info);
	(void)unlink(path);
	return root_errno(info, path, error);
}

int durable_write_path(const char *path, struct bytes data, unsigned mode, struct err_info *info)
{
	struct stat st;
	struct root r;
	const char *leaf;
	char *target = NULL;
	int err;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return root_errno(info, path, EISDIR);
		if (!S_ISREG(st.st_mode))
			return write_device(path, data, info);
		target = realpath(path, NULL); /* the file behind a link, not the link */
	} else {
		target = strdup(path);
	}
	if (target == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = open_folder_of(target, &r, &leaf, info);
	if (err == OK) {
		err = durable_write(&r, leaf, data, mode, info);
		root_close(&r);
	}
	free(target);
	return err;
}
