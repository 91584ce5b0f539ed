/* store/store_fill.c - bytes of older copies, before anything is fetched.
 *
 * What was copied is only where hashing looks: after a crash in the middle the files have data
 * that nobody vouches for, like after any crash. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_impl.h"

/* So much is copied between two looks whether to go on. */
#define FILL_STEP_BYTES (16u << 20)

struct fill_item {
	struct store_file *to;
	const char *rel; /* in `paths` */
	uint64_t filled; /* holes included, which are zeros like any */
};

struct fill {
	struct task task;
	struct root folder;
	struct fill_item *items;
	uint32_t n;
	char *paths;
	uint64_t copied;
};

/* ---- on a worker -------------------------------------------------------- */

/* Returns bytes copied, 0 at the end, or -1 with errno. */
static ssize_t copy_some(int from, int to, off_t at, size_t len, struct pool_worker *w)
{
	off_t in = at, out = at;
	ssize_t n = copy_file_range(from, &in, to, &out, len, 0);

	if (n > 0 || (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)))
		return n;
	/* Across file systems, on old kernels, and where it lies about the end of a file. */
	n = pread(from, w->scratch, len < POOL_SCRATCH_BYTES ? len : POOL_SCRATCH_BYTES, at);
	return n <= 0 ? n : pwrite(to, w->scratch, (size_t)n, at);
}

/* False: no use to go on with this file. */
static bool copy_run(struct fill *f, int from, int to, uint64_t at, uint64_t end,
		     struct pool_worker *w)
{
	while (at < end && !atomic_load(&f->task.s->cancel)) {
		uint64_t left = end - at;
		ssize_t n = copy_some(from, to, (off_t)at,
				      left < FILL_STEP_BYTES ? (size_t)left : FILL_STEP_BYTES, w);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (uint64_t)n;
		f->copied += (uint64_t)n;
	}
	return at >= end;
}

/* Holes stay holes: disk images are mostly that. */
static bool copy_data(struct fill *f, int from, int to, uint64_t size, struct pool_worker *w)
{
	struct stat st;
	bool ok = true;

	for (uint64_t at = 0, end; at < size && ok; at = end) {
		off_t data = lseek(from, (off_t)at, SEEK_DATA), hole;

		end = size;
		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole > data && (uint64_t)hole < size)
			end = (uint64_t)hole;
		ok = copy_run(f, from, to, hole > data ? (uint64_t)data : at, end, w);
	}
	return ok && fstat(to, &st) == 0 &&
	       ((uint64_t)st.st_size >= size || ftruncate(to, (off_t)size) == 0);
}

/* Returns how much of the file was filled. */
static uint64_t copy_file(struct fill *f, int from, struct handle *x, struct pool_worker *w)
{
	uint64_t size = x->file->length;
	struct stat st;
	bool ok;

	if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	if ((uint64_t)st.st_size < size)
		size = (uint64_t)st.st_size;
	pthread_mutex_lock(&x->writer);
	/* FICLONE takes the whole file; what is beyond the new length is cut off at the end. */
	ok = ioctl(x->fd, FICLONE, from) == 0 || copy_data(f, from, x->fd, size, w);
	pthread_mutex_unlock(&x->writer);
	return ok ? size : 0;
}

static void fill_run(struct pool_job *job, struct pool_worker *w)
{
	struct fill *f = (struct fill *)job;
	struct store *s = f->task.s;

	for (uint32_t i = 0; i < f->n && !atomic_load(&s->cancel); i++) {
		int from = root_openat(&f->folder, f->items[i].rel, O_RDONLY, 0, NULL);
		struct handle *x;

		if (from < 0)
			continue;
		if (file_get(s, f->items[i].to, true, &x, NULL) == OK) {
			f->items[i].filled = copy_file(f, from, x, w);
			file_put(s, x, true);
		}
		close(from);
	}
}

/* ---- on the loop -------------------------------------------------------- */

static void fill_free_parts(struct fill *f)
{
	root_close(&f->folder);
	free(f->items);
	free(f->paths);
}

static void fill_done(struct pool_job *job)
{
	struct fill *f = (struct fill *)job;
	struct store *s = f->task.s;

	s->written += f->copied;
	for (uint32_t i = 0; i < f->n && !s->closed; i++)
		resume_doubt(s, f->items[i].to, f->items[i].filled);
	fill_free_parts(f);
	task_end(&f->task);
}

static bool is_vouched(const struct store *s, const struct meta_file *m)
{
	for (uint32_t i = 0; i < m->n_pieces; i++) {
		if (bitfield_has(&s->have, m->first_piece + i))
			return true;
	}
	return false;
}

/* Where the bytes of file `i` of the metainfo are to go; NULL: nowhere, as it is no file that has
 * data on disk, is not wanted, or has something already, be it in doubt. */
static struct store_file *place_of(const struct store *s, uint32_t i)
{
	const struct meta_file *m = i < s->meta->n_files ? &s->meta->files[i] : NULL;
	struct part_walk w;
	struct part part;

	if (m == NULL || m->length == 0)
		return NULL;
	w = part_walk(s, m->offset, 1);
	if (!part_next(&w, &part) || part.file == NULL || part.file->offset != m->offset)
		return NULL;
	if (!part.file->wanted || part.file->other || is_vouched(s, m))
		return NULL;
	return part.file;
}

static int take_list(struct fill *f, const struct store *s, const struct store_donor *list,
		     uint32_t n)
{
	size_t bytes = 0;
	char *end;

	for (uint32_t i = 0; i < n; i++)
		bytes += strlen(list[i].rel) + 1;
	f->items = calloc((size_t)n + 1, sizeof(*f->items));
	f->paths = malloc(bytes + 1);
	if (f->items == NULL || f->paths == NULL)
		return ERR_NOMEM;
	end = f->paths;
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(list[i].rel) + 1;
		struct store_file *to = place_of(s, list[i].file);

		if (to == NULL)
			continue;
		memcpy(end, list[i].rel, len);
		f->items[f->n++] = (struct fill_item){.to = to, .rel = end};
		end += len;
	}
	return OK;
}

int store_fill(struct store *s, const char *folder, const struct store_donor *list, uint32_t n,
	       struct err_info *info)
{
	struct fill *f = calloc(1, sizeof(*f));
	int err = f == NULL ? ERR_NOMEM : root_open(&f->folder, folder, info);

	if (f == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	if (err == OK && take_list(f, s, list, n) != OK)
		err = err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	if (err != OK) {
		fill_free_parts(f);
		free(f);
		return err;
	}
	f->task.s = s;
	f->task.event = (struct event){.s = s, .task = &f->task};
	f->task.e = (struct store_event){.type = STORE_FILLED};
	task_submit(&f->task, fill_run, fill_done);
	return OK;
}
