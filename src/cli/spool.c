#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/scratch.h"
#include "store/root.h"

#define STEP_BYTES (256u * 1024u)

static int write_all(int fd, const uint8_t *data, size_t n)
{
	while (n > 0) {
		ssize_t took = write(fd, data, n);

		if (took < 0 && errno != EINTR)
			return errno;
		data += took > 0 ? took : 0;
		n -= took > 0 ? (size_t)took : 0;
	}
	return 0;
}

static int copy_in(int fd, const char *path, struct err_info *info)
{
	uint8_t *step = malloc(STEP_BYTES);
	int error = step == NULL ? ENOMEM : 0;
	ssize_t n = 1;

	while (error == 0 && n != 0) {
		n = read(STDIN_FILENO, step, STEP_BYTES);
		if (n < 0 && errno != EINTR) {
			error = errno;
			free(step);
			return root_errno(info, "standard input", error);
		}
		if (n > 0)
			error = write_all(fd, step, (size_t)n);
	}
	free(step);
	return error == 0 ? OK : root_errno(info, path, error);
}

static int fill(const char *folder, const char *name, char **out, struct err_info *info)
{
	int fd, err;

	if (asprintf(out, "%s/%s", folder, name) < 0) {
		*out = NULL;
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	fd = open(*out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return root_errno(info, *out, errno);
	err = copy_in(fd, *out, info);
	if (close(fd) != 0 && err == OK)
		err = root_errno(info, *out, errno);
	return err;
}

int spool_stdin(const char *name, const char *dir, char **out, struct err_info *info)
{
	char *folder;
	int err = dir != NULL ? scratch_make_in(dir, &folder, info)
			      : scratch_make_at_home("spool", &folder, info);

	if (err != OK)
		return err;
	err = fill(folder, name, out, info);
	if (err != OK) {
		scratch_remove(folder);
		free(*out);
		*out = NULL;
	}
	free(folder);
	return err;
}
