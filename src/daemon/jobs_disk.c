/* daemon/jobs_disk.c - what is kept of jobs, and the removal of their data. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "store/durable.h"

#define RECORD ".job"
#define TORRENT ".torrent"
#define VERIFIED ".verified"
#define TOTALS "totals"
#define REL_BYTES 32u

static void rel_of(char rel[REL_BYTES], uint32_t id, const char *suffix)
{
	snprintf(rel, REL_BYTES, "%u%s", id, suffix);
}

static bool is_kept(const struct jobs *js)
{
	return js->folder.fd >= 0;
}

/* ---- one ---------------------------------------------------------------------- */

int job_save(struct job *j, struct err_info *info)
{
	char rel[REL_BYTES];
	struct buf b;
	int err;

	if (!is_kept(j->js))
		return OK;
	rel_of(rel, j->rec.id, RECORD);
	buf_init(&b, JOB_RECORD_BYTES_MAX);
	err = job_record_encode(&j->rec, &b);
	if (err == OK)
		err = durable_write(&j->js->folder, rel, buf_bytes(&b), 0600, info);
	else
		err_set(info, (enum err)err, "its record: %s", err_text((enum err)err));
	buf_fini(&b);
	return err;
}

int job_save_torrent(struct job *j, struct bytes torrent, struct err_info *info)
{
	char rel[REL_BYTES];

	if (!is_kept(j->js)) {
		if (buf_put(&j->torrent, torrent) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		return OK;
	}
	rel_of(rel, j->rec.id, TORRENT);
	return durable_write(&j->js->folder, rel, torrent, 0600, info);
}

int job_torrent(const struct job *j, struct buf *out, struct err_info *info)
{
	char rel[REL_BYTES];

	if (!is_kept(j->js)) {
		if (buf_put(out, buf_bytes(&j->torrent)) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		return OK;
	}
	rel_of(rel, j->rec.id, TORRENT);
	return durable_read(&j->js->folder, rel, out, info);
}

/* The record first: without it there is no job. */
int job_forget(struct job *j, struct err_info *info)
{
	char rel[REL_BYTES];
	int err;

	if (!is_kept(j->js))
		return OK;
	rel_of(rel, j->rec.id, RECORD);
	err = durable_remove(&j->js->folder, rel, info);
	if (err != OK)
		return err;
	(void)root_sync(&j->js->folder, "", NULL);
	rel_of(rel, j->rec.id, TORRENT);
	(void)durable_remove(&j->js->folder, rel, NULL);
	job_forget_verified(j);
	return OK;
}

/* ---- what was verified ---------------------------------------------------------- */

bool job_load_verified(const struct job *j, struct verified *out)
{
	char rel[REL_BYTES];
	struct buf in;
	bool ok;

	if (!is_kept(j->js))
		return false;
	rel_of(rel, j->rec.id, VERIFIED);
	buf_init(&in, VERIFIED_BYTES_MAX);
	ok = durable_read(&j->js->folder, rel, &in, NULL) == OK &&
	     verified_decode(buf_bytes(&in), out) == OK;
	buf_fini(&in);
	return ok;
}

bool job_has_verified(const struct job *j)
{
	char rel[REL_BYTES];
	struct stat st;

	rel_of(rel, j->rec.id, VERIFIED);
	return is_kept(j->js) && root_stat(&j->js->folder, rel, &st) == OK;
}

void job_save_verified(struct job *j, const struct verified *v)
{
	char rel[REL_BYTES];
	struct err_info why = {.code = OK};
	struct buf b;

	if (!is_kept(j->js))
		return;
	rel_of(rel, j->rec.id, VERIFIED);
	buf_init(&b, VERIFIED_BYTES_MAX);
	if (verified_encode(v, &b) != OK)
		err_set(&why, ERR_NOMEM, "out of memory");
	else
		(void)durable_write(&j->js->folder, rel, buf_bytes(&b), 0600, &why);
	if (why.code != OK)
		jobs_say(j->js, "what was verified of number %u is not recorded: %s", j->rec.id,
			 why.text);
	buf_fini(&b);
}

void job_forget_verified(struct job *j)
{
	char rel[REL_BYTES];

	rel_of(rel, j->rec.id, VERIFIED);
	if (job_has_verified(j))
		(void)durable_remove(&j->js->folder, rel, NULL);
}

/* ---- totals -------------------------------------------------------------------- */

void jobs_save_totals(struct jobs *js)
{
	struct job_total *list = calloc(js->n + 1, sizeof(*list));
	struct err_info why;
	struct buf b;
	int err;

	js->totals_ms = loop_now_ms(js->p.loop);
	js->totals_changed = false;
	if (list == NULL || !is_kept(js)) {
		free(list);
		return;
	}
	for (size_t i = 0; i < js->n; i++)
		list[i] = job_total_now(js->list[i]);
	buf_init(&b, JOB_TOTALS_BYTES_MAX);
	err = job_totals_encode(list, js->n, &b);
	if (err == OK)
		err = durable_write(&js->folder, TOTALS, buf_bytes(&b), 0600, &why);
	else
		err_set(&why, (enum err)err, "%s", err_text((enum err)err));
	if (err != OK)
		jobs_say(js, "how much was sent and fetched is not recorded: %s", why.text);
	buf_fini(&b);
	free(list);
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct job_total *)a)->id, y = ((const struct job_total *)b)->id;

	return x < y ? -1 : x > y;
}

static void load_totals(struct jobs *js)
{
	struct job_total *list = NULL;
	struct err_info why;
	size_t n = 0;
	struct buf in;
	int err;

	buf_init(&in, JOB_TOTALS_BYTES_MAX);
	err = durable_read(&js->folder, TOTALS, &in, &why);
	if (err == OK)
		err = job_totals_decode(buf_bytes(&in), &list, &n);
	if (err != OK && err != ERR_NOENT)
		jobs_say(js,
			 "what was sent and fetched so far is not known: the file '%s' is damaged",
			 TOTALS);
	buf_fini(&in);
	if (n > 0)
		qsort(list, n, sizeof(*list), by_id);
	for (size_t i = 0; i < js->n && n > 0; i++) {
		struct job_total key = {.id = js->list[i]->rec.id};
		const struct job_total *t = bsearch(&key, list, n, sizeof(*list), by_id);

		if (t != NULL)
			js->list[i]->before = *t;
	}
	free(list);
}

/* ---- all ------------------------------------------------------------------------- */

/* The number in "NUMBER.job"; 0: it is another file. */
static uint32_t number_of(const char *file, const char *suffix)
{
	size_t n = strlen(file), end = strlen(suffix);
	uint64_t id;

	if (n <= end || strcmp(file + n - end, suffix) != 0 ||
	    text_parse_u64(bytes_of(file, n - end), UINT32_MAX, &id) != OK)
		return 0;
	return (uint32_t)id;
}

static int load_one(struct jobs *js, const char *file, uint32_t id)
{
	struct job *j = calloc(1, sizeof(*j));
	struct err_info why;
	struct buf in;
	int err;

	if (j == NULL)
		return ERR_NOMEM;
	j->js = js;
	buf_init(&j->torrent, META_BYTES_MAX);
	buf_init(&in, JOB_RECORD_BYTES_MAX);
	err = durable_read(&js->folder, file, &in, &why);
	if (err == OK) {
		err = job_record_decode(buf_bytes(&in), &j->rec);
		if (err == OK && j->rec.id != id)
			err = ERR_PROTO;
		if (err != OK)
			(void)root_fail(&js->folder, file, err, "is damaged", &why);
	}
	buf_fini(&in);
	if (err == OK)
		err = jobs_enlist(js, j);
	if (err == OK) {
		j->before.done = !j->rec.complete	 ? 0
				 : j->rec.wanted == NULL ? j->rec.total_bytes
							 : j->rec.wanted_bytes;
		j->state = job_state_now(j);
		return OK;
	}
	job_free(j);
	if (err == ERR_NOMEM)
		return err;
	/* It is left where it is: a person may want to look at it. */
	if (id > js->last_id)
		js->last_id = id;
	jobs_say(js, "transfer number %u is left out: %s", id, why.text);
	return OK;
}

static int by_age(const void *a, const void *b)
{
	const struct job *const *x = a, *const *y = b;

	return (*x)->rec.id < (*y)->rec.id ? -1 : (*x)->rec.id > (*y)->rec.id;
}

/* What a crash left of one that was being added or removed. */
static void sweep(struct jobs *js, DIR *dir)
{
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)) != NULL) {
		uint32_t torrent = number_of(e->d_name, TORRENT);
		uint32_t id = torrent != 0 ? torrent : number_of(e->d_name, VERIFIED);
		char rel[REL_BYTES];
		struct stat st;

		if (id == 0)
			continue;
		rel_of(rel, id, RECORD);
		if (root_stat(&js->folder, rel, &st) == ERR_NOENT)
			(void)durable_remove(&js->folder, e->d_name, NULL);
	}
}

/* Those whose removal was interrupted are removed now. */
static int go_on_removing(struct jobs *js, struct err_info *info)
{
	struct err_info why;

	for (size_t i = js->n; i-- > 0;)
		if (js->list[i]->rec.erase && jobs_remove(js, js->list[i], true, &why) != OK)
			return err_set(info, ERR_NOMEM, "%s", why.text);
	return OK;
}

int jobs_load(struct jobs *js, struct err_info *info)
{
	DIR *dir = opendir(js->p.folder);
	struct dirent *e;
	int err = OK;

	if (dir == NULL)
		return root_errno(info, js->p.folder, errno);
	while (err == OK && (e = readdir(dir)) != NULL) {
		uint32_t id = number_of(e->d_name, RECORD);

		if (id != 0)
			err = load_one(js, e->d_name, id);
	}
	if (err == OK)
		sweep(js, dir);
	(void)closedir(dir);
	if (err != OK)
		return err_set(info, (enum err)err, "out of memory");
	if (js->n > 0)
		qsort(js->list, js->n, sizeof(struct job *), by_age);
	load_totals(js);
	return go_on_removing(js, info);
}

/* ---- removing data ------------------------------------------------------------------ */

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
