#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cli/out.h"
#include "cli/placed.h"
#include "cli/shell.h"

static bool is_shared(const struct shell *sh, const char *path)
{
	char *real = realpath(path, NULL);
	bool shared = false;

	for (size_t i = 0; i < sh->n_jobs && real != NULL && !shared; i++)
		shared = sh->jobs[i]->path != NULL && strcmp(sh->jobs[i]->path, real) == 0;
	free(real);
	return shared;
}

static void put_row(struct shell *sh, struct out_table *t, const char *path, const char *name,
		    const struct stat *st)
{
	char size[32], ref[ENTRY_REF_MAX] = "";
	struct placed p;
	bool known = placed_find(path, &p) == OK;

	if (known)
		entry_ref_text(ref, p.owner, p.name, p.version);
	out_row(t);
	out_cell(t, name);
	out_cell(t, S_ISDIR(st->st_mode) ? "folder"
					 : text_size(size, sizeof(size), (uint64_t)st->st_size));
	out_cell(t, is_shared(sh, path) ? "served" : known ? "known" : "-");
	out_cell(t, ref);
}

void shell_local(struct shell *sh, int argc, char **argv)
{
	static const char *const columns[] = {"NAME", "SIZE", "STATE", "PUBLISHED AS"};
	static const bool right[] = {false, true, false, false};
	const char *dir = argc > 1 ? argv[1] : ".";
	struct out_table *t;
	struct dirent **list = NULL;
	int n = scandir(dir, &list, NULL, alphasort);
	char safe[256];

	if (n < 0) {
		fprintf(stderr, "local: %s: cannot be read\n",
			text_escape(safe, sizeof(safe), bytes_str(dir)));
		shell_note(sh, EXIT_NOT_FOUND);
		return;
	}
	t = out_table_new(columns, 4, right);
	for (int i = 0; i < n; i++) {
		char *path = NULL;
		struct stat st;

		if (list[i]->d_name[0] != '.' &&
		    asprintf(&path, "%s/%s", dir, list[i]->d_name) >= 0 && stat(path, &st) == 0)
			put_row(sh, t, path, list[i]->d_name, &st);
		free(path);
		free(list[i]);
	}
	free(list);
	out_table_print(t);
}
