/* daemon/jobs_erase.c - the data of a job that is removed, and of it what is not another's. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"

/* The folders above `rel` that are empty now. */
static void remove_folders(const struct root *r, const char *rel)
{
	char *path = strdup(rel), *slash;

	while (path != NULL && (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		if (root_rmdir(r, path, NULL) != OK)
			break;
	}
	free(path);
}

/* Of a part only what was fetched has its final name: what else is called like one of its files is
 * somebody's. Of what is not wanted any more the whole ones are there: `have` is on record. */
static bool is_ours(const struct job *j, const struct metainfo *m, uint32_t i, const struct root *r,
		    const struct bitfield *have)
{
	const struct meta_file *f = &m->files[i];
	struct stat st;

	if ((f->flags & META_FILE_PAD) != 0)
		return false;
	if (j->rec.complete && job_want_of(j, m, i) != WANT_NOT)
		return true;
	return f->length > 0 && meta_file_done(m, f, have) == f->length &&
	       root_stat(r, f->path, &st) == OK && (uint64_t)st.st_size == f->length;
}

static void say_not_removed(const struct job *j, const char *why)
{
	jobs_say(j->js, "data of number %u is not removed: %s", j->rec.id, why);
}

static void say_stays(const struct job *j, const char *path, const struct job *whose)
{
	char safe[300];

	jobs_say(j->js, "data of number %u is not removed: %s is what number %u has there",
		 j->rec.id, text_escape(safe, sizeof(safe), bytes_str(path)), whose->rec.id);
}

static void remove_files(struct job *j, const struct metainfo *m, const struct root *r,
			 const struct bitfield *have, const struct spared *spared)
{
	struct err_info why = {.code = OK};
	const struct job *whose, *said = NULL;
	char safe[300];

	for (uint32_t i = 0; i < m->n_files; i++) {
		if (!is_ours(j, m, i, r, have))
			continue;
		whose = spared_for(spared, m->files[i].path);
		if (whose != NULL && whose != said)
			jobs_say(j->js, "not removed: what number %u has, too, as %s",
				 whose->rec.id,
				 text_escape(safe, sizeof(safe), bytes_str(m->files[i].path)));
		if (whose != NULL)
			said = whose;
		else if (root_unlink(r, m->files[i].path, &why) == OK)
			remove_folders(r, m->files[i].path);
		else if (why.code != ERR_NOENT)
			jobs_say(j->js, "not removed: %s", why.text);
	}
}

static void remove_tree(struct job *j, const struct metainfo *m, const struct spared *spared)
{
	struct bitfield have;
	struct root r;

	if (root_open(&r, j->rec.path, NULL) != OK)
		return;
	if (store_recorded(m, j->rec.path, &have) != OK) {
		say_not_removed(j, err_text(ERR_NOMEM));
	} else {
		remove_files(j, m, &r, &have, spared);
		bitfield_fini(&have);
	}
	root_close(&r);
	(void)rmdir(j->rec.path);
}

static void remove_single(const struct job *j)
{
	char safe[300], reason[64];

	if (unlink(j->rec.path) != 0 && errno != ENOENT)
		jobs_say(j->js, "not removed: %s: %s",
			 text_escape(safe, sizeof(safe), bytes_str(j->rec.path)),
			 strerror_r(errno, reason, sizeof(reason)));
}

static void remove_complete(struct job *j, const struct metainfo *m)
{
	const struct job *whose;
	struct spared *spared;
	struct err_info why;

	if (spared_new(j, &spared, &why) != OK) {
		say_not_removed(j, why.text);
		return;
	}
	whose = m->single ? spared_for(spared, "") : NULL;
	if (whose != NULL)
		say_stays(j, j->rec.path, whose);
	else if (m->single)
		remove_single(j);
	else
		remove_tree(j, m, spared);
	spared_free(spared);
}

/* What was shared or fetched anew to the same place is not what `j` had there; nor is it where it
 * was changed since. */
static const struct job *whose_now(const struct job *j)
{
	for (size_t i = 0; i < j->js->n; i++) {
		const struct job *other = j->js->list[i];
		int look;

		if (other == j || !other->rec.complete || strcmp(other->rec.path, j->rec.path) != 0)
			continue;
		look = jobs_look(other);
		if (look == OK ||
		    (look != ERR_NOENT && other->rec.id > j->rec.id && jobs_look(j) != OK))
			return other;
	}
	return NULL;
}

/* Whose else some file of it is. */
static const struct job *who_has_some(const struct job *j)
{
	const struct job *whose = NULL;
	const struct metainfo *m;
	struct metainfo *own;
	struct spared *spared;

	if (job_meta(j, &m, &own, NULL) != OK)
		return NULL;
	if (spared_new(j, &spared, NULL) == OK) {
		for (uint32_t i = 0; i < m->n_files && whose == NULL; i++)
			whose = spared_for(spared, m->single ? "" : m->files[i].path);
		spared_free(spared);
	}
	meta_free(own);
	return whose;
}

uint32_t jobs_data_kept_by(const struct job *j)
{
	const struct job *other;

	if (!j->rec.complete && j->rec.wanted == NULL)
		return 0; /* nothing has its final name yet */
	other = whose_now(j);
	if (other == NULL)
		other = who_has_some(j);
	return other == NULL ? 0 : other->rec.id;
}

/* It is complete, or a part of it is. */
static void remove_finished(struct job *j, const struct metainfo *m)
{
	const struct job *other = whose_now(j);

	if (other == NULL)
		remove_complete(j, m);
	else
		say_stays(j, j->rec.path, other);
}

/* That in which the file or folder lies, if it was made for this job alone and is empty now. */
static void remove_own_folder(const struct job *j)
{
	const char *own = j->js->p.own_folders, *slash = strrchr(j->rec.path, '/');
	size_t n = own == NULL ? 0 : strlen(own);
	char *folder;

	if (n == 0 || strncmp(j->rec.path, own, n) != 0 || j->rec.path[n] != '/' ||
	    slash == j->rec.path + n)
		return;
	folder = strndup(j->rec.path, (size_t)(slash - j->rec.path));
	if (folder != NULL)
		(void)rmdir(folder);
	free(folder);
}

void job_erase(struct job *j)
{
	struct metainfo *m = NULL;
	struct err_info why = {.code = OK};
	struct buf torrent;
	int err;

	if (job_is_link(j)) { /* there is nothing yet */
		(void)job_forget(j, NULL);
		return;
	}
	buf_init(&torrent, META_BYTES_MAX);
	err = job_torrent(j, &torrent, &why);
	if (err == OK && meta_parse(buf_bytes(&torrent), &m) != META_OK)
		err = err_set(&why, ERR_PROTO, "its .torrent is damaged");
	/* A part has its final name, and beside it what is kept of files that are not wanted. */
	if (err == OK && (j->rec.complete || store_is_partial(m, j->rec.path)))
		remove_finished(j, m);
	if (err == OK && (!j->rec.complete || j->rec.wanted != NULL))
		err = node_discard(j->js->p.node, m, buf_bytes(&torrent), j->rec.path, &why);
	/* Something else has the final name, and is not ours; what is unfinished beside it is. */
	if (err == ERR_EXISTS)
		store_sweep(m, j->rec.path);
	if (err != OK && err != ERR_EXISTS && err != ERR_NOENT)
		jobs_say(j->js, "data of number %u is not removed: %s", j->rec.id, why.text);
	remove_own_folder(j);
	(void)job_forget(j, NULL);
	meta_free(m);
	buf_fini(&torrent);
}
