/* store/store_send.c - bytes of verified pieces for other peers. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/store_impl.h"

/* A page in each of so many bytes is looked at: what the kernel reads, it reads in longer runs. */
#define PROBE_BYTES 16384u

/* ---- one file after the other -------------------------------------------- */

/* Does [begin, begin + length) lie inside the piece? */
static bool range_is_sane(const struct store *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	uint32_t bytes;

	if (piece >= s->meta->n_pieces)
		return false;
	bytes = meta_request_bytes(s->meta, piece);
	return begin <= bytes && length <= bytes - begin;
}

static uint64_t space_offset(const struct store *s, uint32_t piece, uint32_t begin)
{
	return (uint64_t)piece * s->meta->piece_length + begin;
}

/* Verified once, now not there or not ours to read: it was changed under us. Without a descriptor a
 * worker waits for one (store_fetch()), the loop does not. */
static int part_get(struct store *s, const struct part *part, struct handle **x)
{
	int err = file_get(s, part->file, false, x, NULL);

	if (err == OK)
		return OK;
	if (err == ERR_TOO_BIG)
		return ERR_AGAIN;
	return err == ERR_NOMEM || err == ERR_IO ? ERR_IO : ERR_MISMATCH;
}

/* `each` is called for the parts of these bytes, with an open file, or NULL for a pad, until it
 * returns what is not OK. */
static int each_part(struct store *s, uint32_t piece, uint32_t begin, uint32_t length,
		     int (*each)(struct store *s, struct handle *x, const struct part *part,
				 void *arg),
		     void *arg)
{
	struct part_walk w;
	struct part part;
	int err = OK;

	if (!range_is_sane(s, piece, begin, length))
		return ERR_INVALID;
	w = part_walk(s, space_offset(s, piece, begin), length);
	while (err == OK && part_next(&w, &part)) {
		struct handle *x = NULL;

		if (part.file != NULL)
			err = part_get(s, &part, &x);
		if (err == OK)
			err = each(s, x, &part, arg);
		if (x != NULL)
			file_put(s, x, false);
	}
	return err;
}

/* ---- is it in memory? ---------------------------------------------------- */

/* One byte, without waiting for the disk; where the file system cannot promise that, nothing is
 * read and it counts as there. Returns OK, ERR_AGAIN, ERR_IO or ERR_MISMATCH (the file ended). */
static int probe(struct handle *x, uint64_t at)
{
	uint8_t byte;
	struct iovec v = {&byte, 1};

	while (!x->may_wait) {
		ssize_t n = preadv2(x->fd, &v, 1, (off_t)at, RWF_NOWAIT);

		if (n >= 0)
			return n == 0 ? ERR_MISMATCH : OK;
		if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
			x->may_wait = true;
		else if (errno != EINTR)
			return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
	}
	return OK;
}

static int probe_part(struct handle *x, const struct part *part)
{
	uint64_t last = part->at + part->len - 1;
	int err = OK;

	for (uint64_t at = part->at; at < last && err == OK; at += PROBE_BYTES)
		err = probe(x, at);
	return err == OK ? probe(x, last) : err;
}

static int part_ready(struct store *s, struct handle *x, const struct part *part, void *arg)
{
	(void)arg;
	if (x == NULL)
		return OK;
	return file_changed(s, x) ? ERR_MISMATCH : probe_part(x, part);
}

int store_ready(struct store *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	return each_part(s, piece, begin, length, part_ready, NULL);
}

int store_lend(struct store *s, uint64_t offset, uint32_t length, struct store_loan *out)
{
	struct part_walk w = part_walk(s, offset, length);
	struct part part;
	struct handle *x;
	int err;

	if (!part_next(&w, &part) || part.file == NULL)
		return ERR_AGAIN;
	err = part_get(s, &part, &x);
	if (err != OK)
		return err;
	err = part_ready(s, x, &part, NULL);
	*out = (struct store_loan){-1, part.at, (uint32_t)part.len};
	if (err == OK)
		out->fd = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
	file_put(s, x, false);
	if (err == OK && out->fd < 0)
		return ERR_AGAIN;
	if (err == OK)
		s->read += part.len;
	return err;
}

/* ---- out ----------------------------------------------------------------- */

/* What became of one attempt to move bytes into the socket. */
static int moved(ssize_t n, size_t *done)
{
	if (n >= 0) {
		*done += (size_t)n;
		return OK;
	}
	if (errno == EAGAIN || errno == EINTR)
		return errno == EAGAIN ? ERR_AGAIN : OK;
	return errno == EIO ? ERR_IO : ERR_UNREACHABLE;
}

/* For files that the kernel cannot send by itself. */
static ssize_t copy_out(int socket, int fd, off_t at, size_t len)
{
	uint8_t block[BLOCK_BYTES];
	ssize_t n = pread(fd, block, len < sizeof(block) ? len : sizeof(block), at);

	return n <= 0 ? n : write(socket, block, (size_t)n);
}

/* Returns OK, ERR_AGAIN (the socket is full), or what is wrong; *done counts. */
static int send_file(int socket, struct handle *x, const struct part *part, size_t *done)
{
	int err = OK;

	while (*done < part->len && err == OK) {
		off_t at = (off_t)(part->at + *done);
		off_t next = at;
		size_t left = part->len - *done;
		ssize_t n = x->no_sendfile ? copy_out(socket, x->fd, at, left)
					   : sendfile(socket, x->fd, &next, left);

		if (n == 0)
			return ERR_MISMATCH;
		if (n < 0 && errno == EINVAL && !x->no_sendfile)
			x->no_sendfile = true;
		else
			err = moved(n, done);
	}
	return err;
}

/* A pad. */
static int send_zeros(int socket, size_t len, size_t *done)
{
	static const uint8_t zeros[4096];
	int err = OK;

	while (*done < len && err == OK) {
		size_t left = len - *done;

		err =
		    moved(write(socket, zeros, left < sizeof(zeros) ? left : sizeof(zeros)), done);
	}
	return err;
}

struct outlet {
	int socket;
	uint32_t sent;
};

static int send_part(struct store *s, struct handle *x, const struct part *part, void *arg)
{
	struct outlet *out = arg;
	size_t done = 0;
	int err = x == NULL ? send_zeros(out->socket, part->len, &done)
			    : send_file(out->socket, x, part, &done);

	(void)s;
	out->sent += (uint32_t)done;
	return err;
}

int store_send(struct store *s, int socket, uint32_t piece, uint32_t begin, uint32_t length,
	       uint32_t *sent)
{
	struct outlet out = {.socket = socket};
	int err = each_part(s, piece, begin, length, send_part, &out);

	*sent = out.sent;
	s->read += out.sent;
	return err == ERR_AGAIN ? OK : err;
}

static int read_part(struct store *s, const struct part *part, uint8_t *to)
{
	struct handle *x;
	size_t done = 0;
	int err = part_get(s, part, &x);

	if (err != OK)
		return err;
	while (done < part->len && err == OK) {
		ssize_t n = pread(x->fd, to + done, part->len - done, (off_t)(part->at + done));

		if (n == 0)
			err = ERR_MISMATCH;
		else if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = ERR_IO;
	}
	file_put(s, x, false);
	return err;
}

int store_copy(struct store *s, uint32_t piece, uint32_t begin, struct span to)
{
	uint32_t length = (uint32_t)to.len;
	struct part_walk w;
	struct part part;
	size_t done = 0;
	int err = OK;

	if (!range_is_sane(s, piece, begin, length))
		return ERR_INVALID;
	w = part_walk(s, space_offset(s, piece, begin), length);
	while (err == OK && part_next(&w, &part)) {
		if (part.file == NULL)
			memset(to.ptr + done, 0, part.len);
		else
			err = read_part(s, &part, to.ptr + done);
		done += part.len;
	}
	s->read += done;
	return err;
}

/* ---- fetch -------------------------------------------------------------- */

struct fetch {
	struct task task;
	uint64_t offset;
	uint32_t length;
};

static void fetch_run(struct pool_job *job, struct pool_worker *w)
{
	struct fetch *f = (struct fetch *)job;
	struct store *s = f->task.s;
	uint32_t pos = 0;

	while (pos < f->length && !atomic_load(&s->cancel)) {
		uint32_t n = f->length - pos;

		if (n > POOL_SCRATCH_BYTES)
			n = POOL_SCRATCH_BYTES;
		if (bytes_read(s, f->offset + pos, (struct span){w->scratch, n}, &f->task.e.err) !=
		    OK)
			return;
		pos += n;
	}
}

static void fetch_done(struct pool_job *job)
{
	task_end((struct task *)job);
}

int store_fetch(struct store *s, uint32_t piece, uint32_t begin, uint32_t length, uint64_t token)
{
	struct fetch *f = task_try(s, sizeof(*f), STORE_FETCHED, piece, token);

	if (f == NULL)
		return ERR_NOMEM;
	if (!range_is_sane(s, piece, begin, length)) {
		err_set(&f->task.e.err, ERR_INVALID, "%s", err_text(ERR_INVALID));
		event_push(&f->task.event);
		return OK;
	}
	f->offset = space_offset(s, piece, begin);
	f->length = length;
	task_submit(&f->task, fetch_run, fetch_done);
	return OK;
}

/* ---- drop --------------------------------------------------------------- */

struct drop {
	struct task task;
	uint64_t offset;
	uint32_t length;
};

static int punch(struct store *s, const struct part *part, struct err_info *info)
{
	struct handle *x;
	int error = 0, err = file_get(s, part->file, false, &x, info);

	if (err != OK)
		return err;
	/* Its time is another now, as after a write. */
	if (fallocate(x->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)part->at,
		      (off_t)part->len) != 0)
		error = errno;
	file_put(s, x, true);
	return error == 0 ? OK : root_errno_at(s->data, part->file->path, error, info);
}

static void drop_run(struct pool_job *job, struct pool_worker *w)
{
	struct drop *d = (struct drop *)job;
	struct store *s = d->task.s;
	struct part_walk walk = part_walk(s, d->offset, d->length);
	struct part part;
	int err = left_write_begin(s, &d->task.e.err);
	bool began = err == OK;

	(void)w;
	while (err == OK && !atomic_load(&s->cancel) && part_next(&walk, &part))
		if (part.file != NULL)
			err = punch(s, &part, &d->task.e.err);
	if (began)
		left_write_end(s);
}

void store_drop(struct store *s, uint32_t piece)
{
	struct drop *d;

	if (s->mode != STORE_DOWNLOAD || piece >= s->have.n || !bitfield_unset(&s->have, piece))
		return;
	d = task_new(s, sizeof(*d), STORE_DROPPED, piece, 0);
	if (d == NULL)
		return;
	d->offset = space_offset(s, piece, 0);
	d->length = meta_piece_bytes(s->meta, piece);
	task_submit(&d->task, drop_run, fetch_done);
}

/* ---- read --------------------------------------------------------------- */

struct read_job {
	struct task task;
	uint64_t offset;
	struct span to; /* the event's `hashes` */
};

/* A file that was changed since it was opened, or finished, holds other bytes than were verified.
 * Looked at once they are read: what is changed meanwhile counts, too. */
static int check_unchanged(struct store *s, const struct read_job *r, struct err_info *info)
{
	struct part_walk w = part_walk(s, r->offset, r->to.len);
	struct part part;

	while (atomic_load(&s->stamped) && part_next(&w, &part)) {
		struct handle *x;
		bool changed;
		int err;

		if (part.file == NULL)
			continue;
		err = file_get(s, part.file, false, &x, info);
		if (err != OK)
			return err;
		changed = file_changed(s, x);
		file_put(s, x, false);
		if (changed)
			return file_fail(s, part.file, ERR_MISMATCH, "was changed by somebody else",
					 info);
	}
	return OK;
}

static void read_run(struct pool_job *job, struct pool_worker *w)
{
	struct read_job *r = (struct read_job *)job;
	struct store *s = r->task.s;
	struct err_info *info = &r->task.e.err;

	(void)w;
	if (!atomic_load(&s->cancel) && bytes_read(s, r->offset, r->to, info) == OK)
		(void)check_unchanged(s, r, info);
}

static void read_done(struct pool_job *job)
{
	struct read_job *r = (struct read_job *)job;

	r->task.e.data = bytes_of(r->to.ptr, r->to.len);
	r->task.s->read += r->to.len;
	task_end(&r->task);
}

int store_read(struct store *s, uint64_t offset, uint32_t length, uint64_t token)
{
	struct read_job *r = task_try(s, sizeof(*r), STORE_READ, 0, token);

	assert(length > 0 && length <= STORE_READ_MAX);
	if (r == NULL)
		return ERR_NOMEM;
	r->offset = offset;
	r->to = (struct span){malloc(length), length};
	if (r->to.ptr == NULL) {
		free(r);
		return ERR_NOMEM;
	}
	r->task.hashes = r->to.ptr;
	task_submit(&r->task, read_run, read_done);
	return OK;
}
