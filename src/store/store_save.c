/* store/store_save.c - what was verified survives a power cut. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/durable.h"
#include "store/store_impl.h"

struct save {
	struct task task;
	struct bitfield have;
	bool partial, placed; /* not all files are wanted; those that are have their final names */
	bool last;	      /* nothing is written after it */
	bool goes;	      /* the state, with the end of all: it needs no times any more */
	bool lost;	      /* the sync failed */
};

/* ---- sync --------------------------------------------------------------- */

struct dirty {
	struct store_file *file;
	bool fresh, wrote;
};

/* Take the list of files that are to be synced. From now on a write counts for the next sync. */
static int take_dirty(struct store *s, const struct save *v, struct dirty **out, uint32_t *n,
		      struct err_info *info)
{
	struct store_hub *h = s->hub;
	uint32_t count = 0;

	pthread_mutex_lock(&h->files_lock);
	for (uint32_t i = 0; i < s->n_files; i++)
		count += s->files[i].dirty;
	*out = calloc((size_t)count + 1, sizeof(**out));
	*n = 0;
	for (uint32_t i = 0; *out != NULL && i < s->n_files; i++) {
		struct store_file *f = &s->files[i];

		if (!f->dirty)
			continue;
		(*out)[(*n)++] = (struct dirty){f, f->fresh, f->wrote};
		f->dirty = f->fresh = false;
		f->wrote = f->wrote && v->goes; /* no time is taken */
	}
	pthread_mutex_unlock(&h->files_lock);
	return *out != NULL ? OK : err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

static void put_back(struct store *s, const struct dirty *list, uint32_t n)
{
	pthread_mutex_lock(&s->hub->files_lock);
	for (uint32_t i = 0; i < n; i++) {
		list[i].file->dirty = true;
		list[i].file->fresh = list[i].file->fresh || list[i].fresh;
		list[i].file->wrote = list[i].file->wrote || list[i].wrote;
	}
	pthread_mutex_unlock(&s->hub->files_lock);
}

/* A new file's name. */
static int sync_folders(struct store *s, const struct store_file *f, struct err_info *info)
{
	struct store_place at;

	pthread_rwlock_rdlock(&s->places);
	store_place_of(s, f, &at);
	pthread_rwlock_unlock(&s->places);
	return durable_sync_way(at.root, at.path, info);
}

static int sync_file(struct store *s, const struct dirty *d, bool *lost, struct err_info *info)
{
	struct handle *x;
	int error = 0, err = file_get(s, d->file, false, &x, info);

	if (err != OK)
		return err;
	if (fdatasync(x->fd) != 0) {
		error = errno;
		*lost = true;
		/* The kernel takes pages it failed to write for clean. Out with them, so that
		 * whoever reads the file again sees what the disk has. */
		(void)posix_fadvise(x->fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	file_put(s, x, false);
	if (error != 0)
		return root_errno_at(s->data, d->file->path, error, info);
	return d->fresh ? sync_folders(s, d->file, info) : OK;
}

static int sync_list(struct store *s, const struct dirty *list, uint32_t n, bool *lost,
		     struct err_info *info)
{
	int err = OK;

	if (n > STORE_SYNC_FILES && syncfs(s->data->fd) == 0)
		return OK;
	if (n > STORE_SYNC_FILES) {
		*lost = true;
		return root_errno_at(s->data, "", errno, info);
	}
	for (uint32_t i = 0; i < n && err == OK; i++)
		err = sync_file(s, &list[i], lost, info);
	return err;
}

/* What nobody of ours writes to any more is looked at once it is synced, for file systems that say
 * only then when it was changed. What is synced though we did not write to it may be another's by
 * now. */
static void take_times(struct store *s, const struct save *v, const struct dirty *list, uint32_t n,
		       bool synced)
{
	for (uint32_t i = 0; i < n && !v->goes; i++) {
		bool still = v->last || v->task.e.type == STORE_FINISHED ||
			     file_is_whole(s, &v->have, list[i].file);

		if (list[i].wrote && still == synced)
			left_take(s, list[i].file);
	}
}

/* v->lost: the kernel may have dropped bytes that were written. */
static int sync_data(struct store *s, struct save *v, struct err_info *info)
{
	struct dirty *list;
	uint32_t n;
	int err = take_dirty(s, v, &list, &n, info);

	if (err != OK)
		return err;
	take_times(s, v, list, n, false);
	err = sync_list(s, list, n, &v->lost, info);
	if (err == OK)
		take_times(s, v, list, n, true);
	else
		put_back(s, list, n);
	free(list);
	return err;
}

/* ---- state file --------------------------------------------------------- */

/* With the lock. `open_s`: we go on to write; 0: it ends. */
static int write_state(struct store *s, const struct bitfield *have, bool placed, int64_t open_s,
		       struct err_info *info)
{
	struct resume r = {.have = *have,
			   .placed = placed,
			   .torrent = buf_bytes(&s->torrent),
			   .timed = true,
			   .open_s = (uint64_t)open_s};
	struct buf times, out;
	int err = left_put(s, &times);

	memcpy(r.info_hash, s->info_hash, SHA256_LEN);
	r.times = buf_bytes(&times);
	buf_init(&out, SIZE_MAX);
	if (err == OK)
		err = resume_encode(&r, &out);
	if (err == OK)
		err = durable_write(&s->parent, s->state_rel, buf_bytes(&out), 0666, info);
	else
		err_set(info, err, "%s", err_text(err));
	if (err == OK) {
		bitfield_fini(&s->still);
		atomic_store(&s->said_open_s, open_s);
	}
	buf_fini(&times);
	buf_fini(&out);
	return err;
}

static void save_run(struct pool_job *job, struct pool_worker *w)
{
	struct save *v = (struct save *)job;
	struct store *s = v->task.s;
	struct err_info *info = &v->task.e.err;
	int err;

	(void)w;
	/* Once it has its final name, a state file would only be a leftover. */
	if (atomic_load(&s->finished) || atomic_load(&s->cancel))
		return;
	if (v->last)
		left_seal(s);
	err = sync_data(s, v, info);
	if (err != OK)
		return;
	pthread_mutex_lock(&s->state_lock);
	err = write_state(s, &v->have, v->placed, v->last ? 0 : left_clock_s(), info);
	pthread_mutex_unlock(&s->state_lock);
	/* What is fetched for a name that nobody will find it under is fetched in vain. */
	if (err == OK && !v->placed)
		name_look(s, info);
}

/* ---- the end ------------------------------------------------------------ */

static int cut_to_length(struct store *s, struct store_file *f, struct err_info *info)
{
	struct handle *x;
	int error = 0, err = file_get(s, f, true, &x, info);

	if (err != OK)
		return err;
	if (ftruncate(x->fd, (off_t)f->length) != 0)
		error = errno;
	file_put(s, x, true);
	return error == 0 ? OK : root_errno_at(s->data, f->path, error, info);
}

/* Empty files have had no reason to be made so far; another program may have lengthened one. */
static int complete_file(struct store *s, struct root_tour *tour, struct store_file *f,
			 struct err_info *info)
{
	struct store_place at;
	struct stat st;
	int err;

	if (!f->wanted) {
		/* Whole, it was left where it is. */
		if (!f->aside && !s->placed && f->length > 0 &&
		    root_tour_stat(tour, f->path, &st) == OK && S_ISREG(st.st_mode) &&
		    (uint64_t)st.st_size == f->length)
			stamp_file(s, f, &st);
		return OK;
	}
	store_place_of(s, f, &at);
	/* At its final name: it was whole, and is the user's to change. */
	if (s->placed && !f->aside && f->length > 0)
		return OK;
	err = f->aside ? root_stat(at.root, at.path, &st) : root_tour_stat(tour, f->path, &st);

	if (err == ERR_NOENT && f->length == 0) {
		err = cut_to_length(s, f, info);
		if (err == OK)
			err = root_tour_stat(tour, f->path, &st);
		if (err != OK)
			return err;
	}
	if (err != OK)
		return root_fail(s->data, f->path, err, err_text(err), info);
	if (s->placed && !f->aside)
		return OK;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < f->length)
		return root_fail(s->data, f->path, ERR_MISMATCH, "was changed by somebody else",
				 info);
	if ((uint64_t)st.st_size > f->length) {
		err = cut_to_length(s, f, info);
		if (err != OK || (f->aside ? root_stat(at.root, at.path, &st)
					   : root_tour_stat(tour, f->path, &st)) != OK)
			return err;
	}
	stamp_file(s, f, &st);
	return OK;
}

static int complete_files(struct store *s, struct err_info *info)
{
	struct root_tour tour;
	int err = OK;

	root_tour_init(&tour, s->data);
	for (uint32_t i = 0; i < s->n_files && err == OK; i++)
		err = complete_file(s, &tour, &s->files[i], info);
	root_tour_fini(&tour);
	return err;
}

/* What is at its final name though more may come is told by the state file, before and, since old
 * and new change places without it, after. */
static int give_names(struct store *s, const struct save *v, struct err_info *info)
{
	int err = OK;

	if (v->partial && !s->replaces)
		err = write_state(s, &v->have, true, 0, info);
	if (err == OK && !v->placed)
		err = name_give(s, v->partial, info);
	if (err == OK && v->partial && s->replaces)
		err = write_state(s, &v->have, true, 0, info);
	if (err != OK || v->partial)
		return err;
	if (v->placed)
		err = durable_remove(&s->parent, s->state_rel, info);
	store_rest_remove(s);
	atomic_store(&s->finished, true);
	return err;
}

static int finish(struct store *s, struct save *v, struct err_info *info)
{
	int err = complete_files(s, info);

	if (err == OK)
		err = sync_data(s, v, info);
	if (err == OK && v->placed)
		err = store_places_give(s, info);
	if (err == OK && v->placed)
		err = sync_data(s, v, info);
	if (err != OK)
		return err;
	/* A state that goes is not to be written anew by who writes to a file yet. */
	pthread_mutex_lock(&s->state_lock);
	err = give_names(s, v, info);
	pthread_mutex_unlock(&s->state_lock);
	return err;
}

/* It has its name, but that there is more of it may not have been written yet. */
static void tell_part(struct store *s, const struct save *v, struct err_info *info)
{
	pthread_mutex_lock(&s->state_lock);
	if (v->partial)
		write_state(s, &v->have, true, 0, info);
	pthread_mutex_unlock(&s->state_lock);
}

static bool has_written(struct store *s, const struct store_file *f)
{
	bool wrote;

	pthread_mutex_lock(&s->hub->files_lock);
	wrote = f->wrote;
	pthread_mutex_unlock(&s->hub->files_lock);
	return wrote;
}

static void finish_run(struct pool_job *job, struct pool_worker *w)
{
	struct save *v = (struct save *)job;
	struct store *s = v->task.s;

	(void)w;
	if (atomic_load(&s->cancel))
		return;
	if (atomic_load(&s->finished)) {
		tell_part(s, v, &v->task.e.err);
		return;
	}
	if (finish(s, v, &v->task.e.err) == OK)
		return;
	/* It stays after all, for the next save to write. */
	for (uint32_t i = 0; v->goes && i < s->n_data; i++)
		if (has_written(s, &s->files[i]))
			left_take(s, &s->files[i]);
}

/* ---- on the loop -------------------------------------------------------- */

static void save_next(struct store *s);

/* After a failed sync nobody knows which bytes the disk lacks, and asking again would be
 * answered "all is well". Only a reopened store, which hashes them again, may go on. */
static void remember_failure(struct store *s, const struct save *v)
{
	if (v->lost && s->sync_err.code == OK)
		err_keep(&s->sync_err, &v->task.e.err);
}

static void unlock(struct store *s)
{
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	else
		(void)flock(s->data->fd, LOCK_UN);
	s->lock_fd = -1;
}

static void save_done(struct pool_job *job)
{
	struct save *v = (struct save *)job;
	struct store *s = v->task.s;

	s->saving = s->finishing = false;
	remember_failure(s, v);
	v->task.e.lost = s->sync_err.code != OK;
	bitfield_fini(&v->have);
	if (v->task.e.type == STORE_FINISHED && v->task.e.err.code == OK &&
	    s->mode == STORE_DOWNLOAD) {
		atomic_store(&s->stamped, true);
		s->placed = s->data == &s->folder;
		atomic_store(&s->finished, true);
		unlock(s);
	}
	if (!s->closed)
		save_next(s);
	task_end(&v->task);
}

/* Start what is wanted, unless something is out. */
static void save_next(struct store *s)
{
	enum store_event_type type = s->save_next ? STORE_SAVED : STORE_FINISHED;
	struct save *v;

	if (s->saving || (!s->save_next && !s->finish_next))
		return;
	v = task_new(s, sizeof(*v), type, 0, 0);
	if (s->save_next && v != NULL)
		v->have = s->save_have;
	else if (s->save_next)
		bitfield_fini(&s->save_have);
	else if (v != NULL && bitfield_copy(&v->have, &s->have) != OK)
		err_set(&v->task.e.err, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	*(s->save_next ? &s->save_next : &s->finish_next) = false;
	if (v != NULL)
		v->last = s->save_last && type == STORE_SAVED;
	if (v == NULL) {
		/* Its event says so; the other one need not wait for a call that may never come. */
		save_next(s);
		return;
	}
	s->saving = true;
	s->finishing = type == STORE_FINISHED;
	v->placed = s->placed;
	v->partial = s->mode == STORE_DOWNLOAD && store_leaves_out(s);
	v->goes = s->finishing && !v->partial;
	if (s->sync_err.code != OK)
		err_kept_get(&s->sync_err, &v->task.e.err);
	if (s->mode == STORE_DOWNLOAD && v->task.e.err.code == OK) {
		task_submit(&v->task, type == STORE_SAVED ? save_run : finish_run, save_done);
		return;
	}
	s->jobs++;
	save_done(&v->task.job);
}

void store_save(struct store *s, const struct bitfield *have)
{
	struct bitfield copy;

	if (bitfield_copy(&copy, have) != OK) {
		struct task *t = task_new(s, sizeof(*t), STORE_SAVED, 0, 0);

		if (t != NULL) {
			err_set(&t->e.err, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
			event_push(&t->event);
		}
		return;
	}
	if (s->save_next)
		bitfield_fini(&s->save_have);
	s->save_have = copy;
	s->save_next = true;
	save_next(s);
}

void store_save_last(struct store *s, const struct bitfield *have)
{
	s->save_last = true;
	store_save(s, have);
}

void store_finish(struct store *s)
{
	s->finish_next = true;
	save_next(s);
}
