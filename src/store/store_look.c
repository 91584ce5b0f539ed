/* store/store_look.c - files that somebody changes while they are shared.
 *
 *     as verified --> changed --> found twice alike, in its size --> unsure --> as verified
 *
 * Nothing is read here: sizes, times and inodes say what is in doubt, and the recheck what is true.
 */
#include <stdlib.h>

#include "store/store_impl.h"

/* A file as one look found it. */
struct file_seen {
	bool there;
	uint64_t size, at_ms;
	struct timespec mtime;
	ino_t ino;
};

struct look {
	struct task task;
	struct file_seen *found; /* one for each of s->files */
	dev_t dev;
	ino_t ino;
	bool folder_known;
	int err; /* ERR_TOO_BIG: who finds no descriptor finds no file either; nothing was seen */
};

/* ---- on a worker ----------------------------------------------------------------- */

static int see(struct root_tour *tour, const char *path, struct file_seen *out)
{
	struct stat st;
	int err = root_tour_stat(tour, path, &st);

	*out = (struct file_seen){.there = false};
	if (err == OK && S_ISREG(st.st_mode))
		*out = (struct file_seen){.there = true,
					  .size = (uint64_t)st.st_size,
					  .mtime = st.st_mtim,
					  .ino = st.st_ino};
	return err == ERR_TOO_BIG ? err : OK;
}

/* The folder at the seed's path, be it another by now: its files tell. */
static int open_folder(struct look *l, struct root *out)
{
	struct stat st;
	int err = root_open(out, l->task.s->data->path, NULL);

	if (err != OK)
		return err;
	l->folder_known = fstat(out->fd, &st) == 0;
	if (l->folder_known) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return OK;
}

static void look_run(struct pool_job *job, struct pool_worker *w)
{
	struct look *l = (struct look *)job;
	struct store *s = l->task.s;
	bool seed = s->mode == STORE_SEED, one = s->data == &s->parent;
	struct root folder = {.path = NULL};
	struct root_tour tour;

	(void)w;
	if (atomic_load(&s->cancel))
		return;
	if (seed) {
		int err = open_folder(l, &folder);

		l->err = err == ERR_TOO_BIG ? err : OK;
		if (err != OK)
			return;
	}
	root_tour_init(&tour, seed ? &folder : s->data);
	for (uint32_t i = 0; i < s->n_files && l->err == OK; i++)
		l->err = see(&tour, one ? s->final_rel : s->files[i].path, &l->found[i]);
	root_tour_fini(&tour);
	if (seed)
		root_close(&folder);
}

/* ---- what follows ------------------------------------------------------------------ */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_as_verified(const struct store_file *f, const struct file_seen *now)
{
	return now->there && now->size == f->length && now->ino == f->stamp.ino &&
	       same_time(&now->mtime, &f->stamp.mtime);
}

/* Is it found again as it was a while ago, and in its size? */
static bool is_at_rest(const struct store_file *f, const struct file_seen *before,
		       const struct file_seen *now)
{
	return now->there && now->size == f->length && before->there && before->size == now->size &&
	       before->ino == now->ino && same_time(&before->mtime, &now->mtime);
}

bool piece_has_changed_file(const struct store *s, uint32_t piece)
{
	uint64_t length = s->meta->piece_length;
	struct part_walk w = part_walk(s, piece * length, meta_piece_bytes(s->meta, piece));
	struct part part;

	while (part_next(&w, &part))
		if (part.file != NULL && part.file->stamp.changed)
			return true;
	return false;
}

/* Its pieces are not had; whether they may be had again is for a recheck to say. */
static void doubt_file(struct store *s, const struct store_file *f)
{
	uint32_t length = s->meta->piece_length, from, to;

	if (f->length == 0)
		return;
	from = (uint32_t)(f->offset / length);
	to = (uint32_t)((f->offset + f->length - 1) / length);
	for (uint32_t i = from; i <= to; i++) {
		if (piece_has_changed_file(s, i)) {
			bitfield_unset(&s->have, i);
			bitfield_unset(&s->unsure, i);
		} else if (!bitfield_has(&s->have, i)) {
			bitfield_set(&s->unsure, i);
		}
	}
}

static void complain(const struct store *s, const struct store_file *f, const struct file_seen *now,
		     struct err_info *info)
{
	const char *why = !now->there		   ? "was removed or moved away"
			  : now->size != f->length ? "has another size than the torrent says"
						   : "was changed since it was verified";

	file_fail(s, f, ERR_MISMATCH, why, info);
}

static void judge(struct store *s, struct store_file *f, struct file_seen *now,
		  struct store_event *e)
{
	struct file_seen *before = &s->seen[f - s->files];
	uint64_t rested = e->token - before->at_ms;
	bool fresh = !f->stamp.changed;

	if (!f->stamp.known || (!f->stamp.changed && is_as_verified(f, now)))
		return;
	now->at_ms = e->token;
	if (!f->stamp.changed) {
		file_stamp(s, f, &(struct file_stamp){.known = true, .changed = true});
		*before = *now;
		file_forget(s, f);
		doubt_file(s, f);
	} else if (!is_at_rest(f, before, now)) {
		*before = *now;
	} else if (rested >= STORE_REST_MS) {
		file_stamp(
		    s, f,
		    &(struct file_stamp){.known = true, .mtime = now->mtime, .ino = now->ino});
		file_forget(s, f);
		doubt_file(s, f);
		return;
	}
	/* Its pieces are lost all the same, but nobody misses them. */
	if (!f->wanted)
		return;
	e->n_changed++;
	e->n_fresh += fresh;
	if (e->n_changed == 1 || (fresh && e->n_fresh == 1))
		complain(s, f, now, &e->err);
}

static void judge_all(struct store *s, struct look *l)
{
	if (l->folder_known) {
		pthread_mutex_lock(&s->hub->files_lock);
		s->data_dev = l->dev;
		s->data_ino = l->ino;
		pthread_mutex_unlock(&s->hub->files_lock);
	}
	for (uint32_t i = 0; i < s->n_files; i++)
		judge(s, &s->files[i], &l->found[i], &l->task.e);
}

static void look_done(struct pool_job *job)
{
	struct look *l = (struct look *)job;
	struct store *s = l->task.s;

	l->task.e.token = store_clock_ms();
	s->looking = false;
	if (l->err != OK)
		err_set(&l->task.e.err, (enum err)l->err, "no descriptor is left to look");
	else if (!s->closed && atomic_load(&s->stamped))
		judge_all(s, l);
	free(l->found);
	task_end(&l->task);
}

void store_look(struct store *s)
{
	struct look *l;

	if (!atomic_load(&s->stamped) || s->looking)
		return;
	l = task_new(s, sizeof(*l), STORE_LOOKED, 0, 0);
	if (l == NULL)
		return;
	if (s->seen == NULL)
		s->seen = calloc((size_t)s->n_files + 1, sizeof(*s->seen));
	l->found = calloc((size_t)s->n_files + 1, sizeof(*l->found));
	if (s->seen == NULL || l->found == NULL) {
		free(l->found);
		err_set(&l->task.e.err, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
		event_push(&l->task.event);
		return;
	}
	s->looking = true;
	task_submit(&l->task, look_run, look_done);
}

void store_doubt(struct store *s, uint32_t piece)
{
	if (piece >= s->have.n || !bitfield_unset(&s->have, piece))
		return;
	if (!piece_has_changed_file(s, piece))
		bitfield_set(&s->unsure, piece);
}

/* ---- folders --------------------------------------------------------------------- */

struct folder_tour {
	bool (*fn)(void *user, const char *folder, const char *file);
	void *user;
	struct buf path; /* of the data, and then what is beneath it */
	size_t top;
};

/* The folders on the way to `rel` that are not on the way to `last`, which came before. */
static bool tell_new_folders(struct folder_tour *t, const char *rel, const char *last)
{
	const char *slash = rel;
	size_t same = 0;

	while (rel[same] != '\0' && rel[same] == last[same])
		same++;
	while ((slash = strchr(slash, '/')) != NULL) {
		size_t len = (size_t)(slash++ - rel);

		if (len < same)
			continue;
		t->path.len = t->top;
		buf_put_u8(&t->path, '/');
		buf_put(&t->path, bytes_of(rel, len));
		if (buf_put_u8(&t->path, 0) != OK ||
		    !t->fn(t->user, (const char *)t->path.ptr, NULL))
			return false;
	}
	return true;
}

/* Of the data as a whole: where a seed lies, or where a download was put. */
static int put_data_path(const struct store *s, struct buf *out)
{
	buf_put_str(out, s->data->path);
	if (s->mode == STORE_DOWNLOAD && s->data == &s->folder) {
		out->len = 0;
		buf_put_str(out, s->parent.path);
		buf_put_u8(out, '/');
		buf_put_str(out, s->final_rel);
	}
	return out->err;
}

void store_each_folder(const struct store *s,
		       bool (*fn)(void *user, const char *folder, const char *file), void *user)
{
	struct folder_tour t = {.fn = fn, .user = user};
	const char *last = "";
	bool more;

	buf_init(&t.path, 2 * META_PATH_BYTES_MAX);
	more = put_data_path(s, &t.path) == OK;
	t.top = t.path.len;
	more = more && buf_put_u8(&t.path, 0) == OK &&
	       fn(user, (const char *)t.path.ptr, s->data == &s->parent ? s->final_rel : NULL);
	for (uint32_t i = 0; s->data == &s->folder && i < s->n_files && more; i++) {
		more = tell_new_folders(&t, s->files[i].path, last);
		last = s->files[i].path;
	}
	buf_fini(&t.path);
}
