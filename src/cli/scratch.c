#include "cli/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/home.h"
#include "store/root.h"

int scratch_make_in(const char *in, char **out, struct err_info *info)
{
	if (mkdir(in, 0700) != 0 && errno != EEXIST)
		return root_errno(info, in, errno);
	if (asprintf(out, "%s/XXXXXX", in) < 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (mkdtemp(*out) != NULL)
		return OK;
	free(*out);
	*out = NULL;
	return root_errno(info, in, errno);
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

int scratch_make(char **out, struct err_info *info)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp != NULL && tmp[0] != '\0')
		return scratch_make_in(tmp, out, info);
	return scratch_make_at_home("scratch", out, info);
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
