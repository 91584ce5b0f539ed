#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/opts_value.h"
#include "cli/out.h"
#include "cli/torrent_print.h"
#include "meta/create.h"
#include "node/torrent_file.h"
#include "store/durable.h"

static bool to_stdout(const struct opts *o)
{
	return o->out != NULL && strcmp(o->out, "-") == 0;
}

static int refuse_existing(const char *path, struct err_info *info)
{
	char safe[400];

	return err_set(info, ERR_EXISTS, "%s: is there already; it is not replaced",
		       text_escape(safe, sizeof(safe), bytes_str(path)));
}

/* Said before an hour of hashing, not after. */
static int check_free(const char *path, struct err_info *info)
{
	struct stat st;

	return lstat(path, &st) == 0 ? refuse_existing(path, info) : 0;
}

static int write_file(const char *path, struct bytes torrent, struct err_info *info)
{
	int err = durable_create_path(path, torrent, info);

	return err == ERR_EXISTS ? refuse_existing(path, info) : err;
}

static void print_created(const struct opts *o, const struct build *b, const char *path)
{
	char safe[512];
	json_t *j;

	if (b->meta->total_bytes == 0 && !o->quiet)
		fprintf(stderr, "%s: " BUILD_NO_DATA "\n",
			text_escape(safe, sizeof(safe), bytes_str(b->meta->name)));
	if (b->of_home > 0 && !o->quiet)
		fputs(BUILD_OF_HOME "\n", stderr);
	if (o->json) {
		j = torrent_json(b->meta, false);
		json_object_set_new(j, "file", torrent_text(path));
		json_object_set_new(j, "skipped", json_integer(b->skipped));
		out_json(j);
		json_decref(j);
		return;
	}
	if (b->skipped > 0 && !o->quiet)
		fprintf(stderr, "%u links and special files left out, as %s\n", b->skipped,
			text_escape(safe, sizeof(safe), bytes_str(b->skipped_first)));
	out_field("torrent", path);
	torrent_print(b->meta, 0);
}

/* "NAME.torrent" in the current folder, when -o does not say. */
static char *choose_path(const struct opts *o, const char *arg)
{
	char *path = NULL, *plain;
	const char *name = o->name;
	size_t len;

	if (o->out != NULL)
		return strdup(o->out);
	plain = realpath(arg, NULL);
	if (name == NULL && plain != NULL)
		name = strrchr(plain, '/') + 1;
	len = name == NULL ? 0 : strlen(name);
	if (len == 0 || strchr(name, '/') != NULL)
		name = "unnamed";
	if (asprintf(&path, "%s.torrent", name) < 0)
		path = NULL;
	free(plain);
	return path;
}

static int create(const struct opts *o, const char *path, struct err_info *info)
{
	struct build b;
	int rc = to_stdout(o) ? 0 : check_free(path, info);

	if (rc == 0)
		rc = build_torrent(o, o->args[0], NULL, false, &b, info);
	if (rc != 0)
		return rc;
	if (to_stdout(o)) {
		fwrite(b.torrent.ptr, 1, b.torrent.len, stdout);
	} else {
		rc = write_file(path, buf_bytes(&b.torrent), info);
		if (rc == 0)
			print_created(o, &b, path);
	}
	build_fini(&b);
	return rc;
}

int cmd_create(const struct opts *o)
{
	struct err_info info = {.code = OK};
	char *path = choose_path(o, o->args[0]);
	int rc;

	/* Said before an hour of hashing, too. */
	if (o->name != NULL && !create_name_is_fit(o->name))
		rc = opts_refuse_value(&info, "--name", o->name, "not what a file can be called");
	else if (to_stdout(o) && isatty(STDOUT_FILENO))
		rc =
		    err_set(&info, ERR_INVALID, "a .torrent is no text: not written to a terminal");
	else if (path == NULL)
		rc = err_set(&info, ERR_NOMEM, "out of memory");
	else
		rc = create(o, path, &info);
	free(path);
	return rc == 0 ? EXIT_OK : opts_fail(o, "create", &info);
}
