#include "cli/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/home.h"
#include "store/root.h"

/* `in` is there. */
static int make_beneath(const char *in, char **out, struct err_info *info)
{
	if (asprintf(out, "%s/XXXXXX", in) < 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (mkdtemp(*out) != NULL)
		return OK;
	free(*out);
	*out = NULL;
	return root_errno(info, in, errno);
}

int scratch_make_in(const char *in, char **out, struct err_info *info)
{
	if (mkdir(in, 0700) != 0 && errno != EEXIST)
		return root_errno(info, in, errno);
	return make_beneath(in, out, info);
}

int scratch_make_at_home(const char *name, char **out, struct err_info *info)
{
	char *home, *in;
	int err;

	*out = NULL;
	err = home_make_dir(&home, info);
	if (err != OK)
		return err;
	if (asprintf(&in, "%s/%s", home, name) < 0)
		in = NULL;
	free(home);
	err =
	    in == NULL ? err_set(info, ERR_NOMEM, "out of memory") : scratch_make_in(in, out, info);
	free(in);
	return err;
}

/* -1: somebody else does, or nobody can here. */
static int hold_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool is_abandoned(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    time(NULL) - st.st_mtime < SCRATCH_ABANDONED_S)
		return false;
	fd = hold_folder(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* `made` lies beside what is looked at. */
static void sweep(const char *made)
{
	char *in = strndup(made, (size_t)(strrchr(made, '/') - made)), *path;
	DIR *d = in == NULL ? NULL : opendir(in);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || asprintf(&path, "%s/%s", in, e->d_name) < 0)
			continue;
		if (is_abandoned(path))
			scratch_remove(path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	free(in);
}

int scratch_make(char **out, int *hold, struct err_info *info)
{
	const char *tmp = getenv("TMPDIR");
	bool at_home = tmp == NULL || tmp[0] == '\0';
	int err =
	    at_home ? scratch_make_at_home("scratch", out, info) : make_beneath(tmp, out, info);

	*hold = err == OK ? hold_folder(*out) : -1;
	if (err == OK && at_home)
		sweep(*out);
	return err;
}

void scratch_remove(const char *path)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	struct root r;
	char *parent;

	if (slash == NULL)
		return;
	parent = strndup(path, (size_t)(slash - path));
	if (parent != NULL && root_open(&r, parent[0] == '\0' ? "/" : parent, NULL) == OK) {
		(void)root_remove_tree(&r, slash + 1, NULL);
		root_close(&r);
	}
	free(parent);
}
