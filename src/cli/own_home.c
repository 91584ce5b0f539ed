#include "cli/own_home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/home.h"

/* Links resolved; NULL: there is none yet. */
static char *real_home(void)
{
	char *dir = home_dir(), *real = dir == NULL ? NULL : realpath(dir, NULL);

	free(dir);
	return real;
}

static uint32_t leave_out(struct scan *s, const char *home)
{
	size_t n = 0;
	uint32_t left_out = 0;

	for (size_t i = 0; i < s->n_files; i++) {
		if (text_beneath(s->files[i].path, home) == NULL) {
			s->files[n++] = s->files[i];
			continue;
		}
		s->total_bytes -= s->files[i].length;
		free(s->files[i].path);
		left_out++;
	}
	s->n_files = n;
	return left_out;
}

/* Files at its top are its own; nothing else is put there. */
static bool is_secret(const struct scan *s, const char *path, const char *home)
{
	const char *inside = text_beneath(path, home);

	return inside != NULL && (*inside == '\0' || (s->single && strchr(inside, '/') == NULL));
}

int own_home_leave_out(struct scan *s, uint32_t *left_out, struct err_info *info)
{
	char *home = real_home(), *path = NULL, safe[300];
	const char *beneath;
	int err = OK;

	*left_out = 0;
	if (home == NULL)
		return OK;
	if (asprintf(&path, "%s/%s", strcmp(s->parent, "/") == 0 ? "" : s->parent, s->name) < 0) {
		free(home);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	beneath = s->single ? NULL : text_beneath(home, path);
	if (is_secret(s, path, home))
		err = err_set(info, ERR_DENIED, "%s: is of this peer's home, which has its key",
			      text_escape(safe, sizeof(safe), bytes_str(path)));
	else if (beneath != NULL)
		*left_out = leave_out(s, beneath);
	free(path);
	free(home);
	return err;
}
