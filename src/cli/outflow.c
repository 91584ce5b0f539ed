#include "cli/outflow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/tar.h"
#include "meta/selection.h"
#include "node/reader.h"

/* To a descriptor that may make us wait not more is written at a time than a pipe takes for certain
 * once it says that it takes something. */
#define CAREFUL_BYTES PIPE_BUF

struct outflow {
	struct transfer *t;
	const struct metainfo *meta;
	struct reader *reader;
	struct loop_timer *timer;
	struct loop_io *io; /* NULL: a file, which never makes us wait for somebody */
	int fd, own_fd;	    /* own_fd: the same opened anew, not waiting; -1: it could not be */
	struct buf pending; /* not taken yet */
	size_t sent;	    /* of it */
	uint32_t file;	    /* in the metainfo; the next one to be written */
	uint64_t window;    /* how much is fetched ahead */
	uint64_t moved;	    /* where that began when it was moved last; UINT64_MAX never */
	bool drops;	    /* what was written */
	uint64_t given;	    /* to the other side */
	uint64_t full_given, full_ms; /* how much it was when the disk was full, and since when that
				       * is all; 0: it is not */
	bool tar, ended, told;
	struct err_info how;
	void (*done)(void *user, const struct err_info *how);
	void *user;
};

static void pump(struct outflow *f);

/* ---- the other side --------------------------------------------------------- */

static void finish(struct outflow *f, const struct err_info *how)
{
	if (f->ended)
		return;
	f->ended = true;
	f->how = *how;
	reader_free(f->reader);
	f->reader = NULL;
	if (f->io != NULL)
		loop_io_want(f->io, 0);
	loop_timer_set(f->timer, 0);
}

static void say_done(void *arg)
{
	struct outflow *f = arg;

	if (!f->ended) {
		pump(f);
		return;
	}
	if (!f->told)
		f->done(f->user, &f->how);
	f->told = true;
}

static void fail_write(struct outflow *f, int error)
{
	struct err_info how;

	if (error == EPIPE)
		err_set(&how, ERR_CANCELLED, "standard output: nobody reads it any more");
	else
		err_set(&how, error == ENOSPC || error == EDQUOT ? ERR_NOSPACE : ERR_IO,
			"standard output: %s", strerror(error));
	finish(f, &how);
}

static void fail_pending(struct outflow *f)
{
	struct err_info how;

	err_set(&how, f->pending.err, "standard output: %s", err_text(f->pending.err));
	finish(f, &how);
}

/* True when all is out. */
static bool flush(struct outflow *f)
{
	bool careful = f->io != NULL && f->own_fd < 0;

	while (f->sent < f->pending.len) {
		size_t n = f->pending.len - f->sent;
		ssize_t took;

		if (careful && n > CAREFUL_BYTES)
			n = CAREFUL_BYTES;
		took = write(f->own_fd >= 0 ? f->own_fd : f->fd, f->pending.ptr + f->sent, n);
		if (took < 0 && errno != EINTR && errno != EAGAIN) {
			fail_write(f, errno);
			return false;
		}
		f->sent += took > 0 ? (size_t)took : 0;
		f->given += took > 0 ? (size_t)took : 0;
		if (f->io != NULL && (careful || (took < 0 && errno == EAGAIN))) {
			loop_io_want(f->io, LOOP_WRITE);
			return false;
		}
	}
	/* What there was no memory for is missing: nothing may come out behind it. */
	if (f->pending.err != OK) {
		fail_pending(f);
		return false;
	}
	buf_clear(&f->pending);
	f->sent = 0;
	return true;
}

static void on_writable(void *arg, unsigned ready)
{
	struct outflow *f = arg;

	(void)ready;
	if (f->ended)
		return;
	loop_io_want(f->io, 0);
	pump(f);
}

/* ---- what is fetched ------------------------------------------------------------ */

/* What is needed next lies at `at` of the piece space. */
static void move_window(struct outflow *f, uint64_t at)
{
	if (f->moved != UINT64_MAX && at - f->moved < f->window / 8)
		return;
	f->moved = at;
	transfer_set_window(f->t, at, at + f->window, f->drops);
}

/* Where that cannot be told there is enough. */
static uint64_t room_in(const char *folder)
{
	struct statvfs st;

	return statvfs(folder, &st) != 0 ? UINT64_MAX : (uint64_t)st.f_bavail * st.f_frsize;
}

/* On the disk are at most the window, the pieces that it only touches and what of it is not dropped
 * yet. */
static uint64_t window_in(uint64_t room, uint64_t piece)
{
	uint64_t most = room - room / 4;

	return most > 3 * piece ? most - 2 * piece : piece;
}

/* Whoever is not served what is dropped is better off with others from the start. */
static void plan_window(struct outflow *f, const char *folder)
{
	uint64_t need, room = room_in(folder), fits = window_in(room, f->meta->piece_length);

	(void)selection_count(f->meta, transfer_wanted(f->t), &need);
	f->moved = UINT64_MAX;
	f->window = 4ull * f->meta->piece_length;
	if (f->window < OUTFLOW_AHEAD_BYTES)
		f->window = OUTFLOW_AHEAD_BYTES;
	f->drops = room < need + OUTFLOW_SPARE_BYTES;
	if (f->drops && f->window > fits)
		f->window = fits;
	if (f->drops)
		transfer_set_upload(f->t, false);
}

/* ---- the reader --------------------------------------------------------------- */

static void on_data(void *user, struct bytes bytes)
{
	struct outflow *f = user;

	(void)buf_put(&f->pending, bytes);
	move_window(f, f->meta->files[f->file - 1].offset + reader_given(f->reader));
	pump(f);
}

static void on_end(void *user)
{
	struct outflow *f = user;
	static const uint8_t zeros[TAR_BLOCK];

	if (f->tar)
		(void)buf_put(&f->pending, bytes_of(zeros, tar_pad(reader_length(f->reader))));
	reader_free(f->reader);
	f->reader = NULL;
	pump(f);
}

static void on_failed(void *user, const struct err_info *why)
{
	finish(user, why);
}

static const struct reader_events events = {.data = on_data, .end = on_end, .failed = on_failed};

/* ---- file after file ------------------------------------------------------------ */

static bool is_chosen(const struct outflow *f, uint32_t i)
{
	const uint8_t *wanted = transfer_wanted(f->t);

	return selection_is_real(&f->meta->files[i]) && (wanted == NULL || wanted[i] != WANT_NOT);
}

static void put_head(struct outflow *f, const struct meta_file *file)
{
	char path[META_PATH_BYTES_MAX + META_NAME_BYTES_MAX + 2];

	if (f->meta->single)
		snprintf(path, sizeof(path), "%s", file->path);
	else
		snprintf(path, sizeof(path), "%s/%s", f->meta->name, file->path);
	(void)tar_put_head(&f->pending, path, file->length, (file->flags & META_FILE_EXEC) != 0);
}

/* The next chosen file; false when there is none. */
static bool next_file(struct outflow *f)
{
	struct err_info why;
	int err;

	while (f->file < f->meta->n_files && !is_chosen(f, f->file))
		f->file++;
	if (f->file == f->meta->n_files)
		return false;
	if (f->tar)
		put_head(f, &f->meta->files[f->file]);
	move_window(f, f->meta->files[f->file].offset);
	err = reader_new(f->t, f->file++, 0, UINT64_MAX, &events, f, &f->reader);
	if (err != OK) {
		err_set(&why, err, "cannot be read: %s", err_text(err));
		finish(f, &why);
	}
	return true;
}

/* Go on with whatever is next, until the other side or the reader is waited for. */
static void pump(struct outflow *f)
{
	static const struct err_info well = {.code = OK};

	while (!f->ended && flush(f)) {
		if (f->reader != NULL) {
			reader_next(f->reader);
			return;
		} else if (f->file > f->meta->n_files) {
			finish(f, &well);
		} else if (!next_file(f)) {
			f->file = f->meta->n_files + 1; /* all is said but the end */
			if (f->tar)
				(void)tar_put_end(&f->pending);
		}
	}
}

/* ---- life ------------------------------------------------------------------------- */

/* A pipe is opened anew, so that it does not wait for us alone: whoever shares it with us is not
 * to notice. */
static bool watch_fd(struct outflow *f, struct loop *loop)
{
	char path[64];
	struct stat st;

	if (fstat(f->fd, &st) != 0 || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	if (S_ISFIFO(st.st_mode))
		f->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	/* What cannot be waited for, as /dev/null, takes everything. */
	if (S_ISCHR(st.st_mode) && !isatty(f->fd))
		return true;
	f->io = loop_io_new(loop, f->own_fd >= 0 ? f->own_fd : f->fd, on_writable, f);
	return f->io != NULL;
}

int outflow_new(struct loop *loop, struct transfer *t, const char *folder, int fd,
		void (*done)(void *user, const struct err_info *how), void *user,
		struct outflow **out)
{
	struct outflow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return ERR_NOMEM;
	f->t = t;
	f->meta = transfer_meta(t);
	f->fd = fd;
	f->own_fd = -1;
	f->tar = selection_count(f->meta, transfer_wanted(t), NULL) != 1;
	f->done = done;
	f->user = user;
	plan_window(f, folder);
	buf_init(&f->pending, READER_CHUNK_BYTES + TAR_HEAD_MAX + 2 * TAR_BLOCK);
	f->timer = loop_timer_new(loop, say_done, f);
	if (f->timer == NULL || !watch_fd(f, loop)) {
		outflow_free(f);
		return ERR_NOMEM;
	}
	loop_timer_set(f->timer, 0);
	*out = f;
	return OK;
}

void outflow_free(struct outflow *f)
{
	if (f == NULL)
		return;
	reader_free(f->reader);
	loop_io_free(f->io);
	loop_timer_free(f->timer);
	if (f->own_fd >= 0)
		close(f->own_fd);
	buf_fini(&f->pending);
	free(f);
}

bool outflow_is_stuck(struct outflow *f, bool full, uint64_t now_ms)
{
	if (f->full_ms != 0 && f->given != f->full_given)
		f->full_ms = 0;
	/* A try in between does not count, unless it brought something. */
	if (!full || !f->drops || f->ended || f->sent < f->pending.len)
		return false;
	if (f->full_ms == 0) {
		f->full_given = f->given;
		f->full_ms = now_ms;
	}
	return now_ms - f->full_ms >= OUTFLOW_STUCK_MS;
}

bool outflow_drops(const struct outflow *f)
{
	return f->drops;
}
