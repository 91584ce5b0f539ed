/* store/store_name.c - the final name: given once, at once, and to nobody's loss.
 *
 * The state file goes before old and new change places: else, after a crash in between, it would
 * vouch for the old bytes under the unfinished name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/durable.h"
#include "store/scan.h"
#include "store/store_impl.h"

/* Is what lies at `rel` what may be replaced? */
static int check_old(const struct store *s, const char *rel, struct err_info *info)
{
	char *path = NULL;
	struct stamp now;
	int err;

	if (asprintf(&path, "%s/%s", s->parent.path, rel) < 0)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	err = stamp_take(path, &now, info);
	free(path);
	if (err != OK && err != ERR_INVALID)
		return err;
	if (err == OK && stamp_eq(&now, &s->old))
		return OK;
	return root_fail(&s->parent, s->final_rel, ERR_EXISTS,
			 "was changed meanwhile, and is not replaced", info);
}

int name_check(struct store *s, struct err_info *info)
{
	struct stat st;
	bool there;
	int err = root_find(&s->parent, s->final_rel, &there, &st, info);

	if (err != OK || !there)
		return err;
	if (s->replaces)
		return check_old(s, s->final_rel, info);
	/* We may have been killed between the rename and this. */
	if (root_stat(&s->parent, s->part_rel, &st) == ERR_NOENT)
		(void)durable_remove(&s->parent, s->state_rel, NULL);
	return root_fail(&s->parent, s->final_rel, ERR_EXISTS, "exists already", info);
}

/* Is what lies at the unfinished name still what we have open? */
static bool part_is_ours(const struct store *s)
{
	struct stat named, open_st;
	int fd = s->lock_fd >= 0 ? s->lock_fd : s->data->fd;

	return root_stat(&s->parent, s->part_rel, &named) == OK && fstat(fd, &open_st) == 0 &&
	       named.st_ino == open_st.st_ino && named.st_dev == open_st.st_dev;
}

/* A disk that was unmounted lazily, or a folder that was moved, is still there for who has it open;
 * but nobody finds there what was asked for here. */
static bool parent_is_there(const struct store *s)
{
	struct stat named, open_st;

	return stat(s->parent.path, &named) == 0 && fstat(s->parent.fd, &open_st) == 0 &&
	       named.st_ino == open_st.st_ino && named.st_dev == open_st.st_dev;
}

static int say_taken_away(const struct store *s, struct err_info *info)
{
	return root_fail(&s->parent, s->part_rel, ERR_MISMATCH,
			 "its folder was moved or taken away meanwhile", info);
}

int name_look(const struct store *s, struct err_info *info)
{
	struct stat st;

	/* A disk of the network that cannot be asked now may be there again at the end. */
	if (parent_is_there(s) ||
	    (stat(s->parent.path, &st) != 0 && errno != ENOENT && errno != ENOTDIR))
		return OK;
	return say_taken_away(s, info);
}

int name_remove(const struct root *r, const char *rel)
{
	struct stat st;

	if (root_stat(r, rel, &st) != OK)
		return OK;
	return S_ISDIR(st.st_mode) ? root_remove_tree(r, rel, NULL) : root_unlink(r, rel, NULL);
}

/* ---- what a crash left of a replacement ----------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The paths of the torrent's files, sorted. NULL without memory. */
static const char **sorted_paths(const struct store *s)
{
	const char **out = calloc((size_t)s->n_files + 1, sizeof(*out));

	for (uint32_t i = 0; out != NULL && i < s->n_files; i++)
		out[i] = s->files[i].path;
	if (out != NULL && s->n_files > 0)
		qsort(out, s->n_files, sizeof(*out), by_text);
	return out;
}

/* Is a file there that the torrent does not have? */
static bool has_strange_file(const struct store *s)
{
	struct scan there;
	const char **known;
	bool found = false;

	if (scan_path(s->part_path, NULL, &there, NULL) != OK)
		return false;
	known = sorted_paths(s);
	for (size_t i = 0; known != NULL && i < there.n_files && !found; i++)
		found = bsearch(&there.files[i].path, known, s->n_files, sizeof(*known), by_text) ==
			NULL;
	free(known);
	scan_fini(&there);
	return found;
}

void name_sweep(struct store *s)
{
	struct stat st;

	if (s->data != &s->folder || root_stat(&s->parent, s->part_rel, &st) != OK ||
	    !S_ISDIR(st.st_mode) || root_stat(&s->parent, s->state_rel, &st) != ERR_NOENT)
		return;
	if (has_strange_file(s))
		(void)name_remove(&s->parent, s->part_rel);
}

/* ---- the final name -------------------------------------------------------- */

/* Who was kept out of the old one is kept out of the new one. */
static void keep_mode(const struct store *s, const struct stat *old)
{
	int fd = s->lock_fd >= 0 ? s->lock_fd : s->data->fd;
	struct stat st;

	mode_t mode;

	if (fstat(fd, &st) != 0 || (st.st_mode & S_IFMT) != (old->st_mode & S_IFMT))
		return;
	mode = st.st_mode & old->st_mode & 0777;
	/* Programs may become such, for those who may read them. */
	if (S_ISREG(st.st_mode))
		mode = (mode & 0666) | (st.st_mode & 0111 & (mode & 0444) >> 2);
	(void)fchmod(fd, mode);
}

/* Until they change places somebody may still write into the old one; behind that nobody finds it
 * by its name, and what was changed goes back. */
static int exchange_old(struct store *s, struct err_info *info)
{
	int err = root_exchange(&s->parent, s->part_rel, s->final_rel, info);

	if (err == ERR_INVALID)
		return root_fail(&s->parent, s->final_rel, ERR_IO,
				 "cannot be replaced at once on this file system; move it away and "
				 "run the same command again",
				 info);
	if (err != OK)
		return err;
	err = check_old(s, s->part_rel, info);
	if (err != OK)
		(void)root_exchange(&s->parent, s->part_rel, s->final_rel, NULL);
	return err;
}

/* One file takes the place of another by rename(2) alone, where every file system can. */
static int replace_old(struct store *s, const struct stat *old, struct err_info *info)
{
	int err = check_old(s, s->final_rel, info);

	if (err != OK)
		return err;
	keep_mode(s, old);
	if (s->lock_fd >= 0 && S_ISREG(old->st_mode))
		return root_replace(&s->parent, s->part_rel, s->final_rel, info);
	err = durable_remove(&s->parent, s->state_rel, info);
	if (err == OK)
		err = root_sync(&s->parent, "", info);
	return err == OK ? exchange_old(s, info) : err;
}

int name_give(struct store *s, bool partial, struct err_info *info)
{
	struct stat old;
	bool there = s->replaces && root_stat(&s->parent, s->final_rel, &old) == OK;
	int err;

	if (!parent_is_there(s))
		return say_taken_away(s, info);
	if (!part_is_ours(s))
		return root_fail(&s->parent, s->part_rel, ERR_MISMATCH,
				 "was moved or replaced by somebody else", info);
	atomic_store(&s->renaming, true);
	err = there ? replace_old(s, &old, info)
		    : root_rename(&s->parent, s->part_rel, s->final_rel, info);
	if (err != OK) {
		atomic_store(&s->renaming, false);
		return err;
	}
	atomic_store(&s->finished, true);
	err = root_sync(&s->parent, "", info);
	if (!partial)
		(void)durable_remove(&s->parent, s->state_rel, NULL);
	if (there && err == OK)
		(void)name_remove(&s->parent, s->part_rel);
	return err;
}
