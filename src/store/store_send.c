/* store/store_send.c - bytes of verified pieces for other peers. */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/store_impl.h"

/* One read that does not wait for the disk; where the file system cannot promise that, one that
 * may. Returns bytes, or -1 with errno. */
static ssize_t read_now(int fd, void *out, size_t len, uint64_t at)
{
	struct iovec v = {.iov_base = out, .iov_len = len};
	ssize_t n;

	do
		n = preadv2(fd, &v, 1, (off_t)at, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
		return n;
	do
		n = pread(fd, out, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Returns 0, ERR_AGAIN, ERR_IO or ERR_MISMATCH (the file ended early). */
static int read_cached(int fd, uint8_t *out, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = read_now(fd, out, len, at);

		if (n < 0)
			return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
		if (n == 0)
			return ERR_MISMATCH;
		out += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

static int read_part(struct store *s, const struct part *part, uint8_t *out)
{
	struct handle *x;
	int err = file_get(s, part->file, false, &x, NULL);

	/* Verified once, now not there or not ours to read: it was changed under us. */
	if (err != OK)
		return err == ERR_NOMEM || err == ERR_IO ? ERR_IO : ERR_MISMATCH;
	err = file_changed(s, x) ? ERR_MISMATCH : read_cached(x->fd, out, part->len, part->at);
	file_put(s, x, false);
	return err;
}

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

int store_read(struct store *s, uint32_t piece, uint32_t begin, uint32_t length, uint8_t *out)
{
	struct part_walk w;
	struct part part;

	if (!range_is_sane(s, piece, begin, length))
		return ERR_INVALID;
	w = part_walk(s, space_offset(s, piece, begin), length);
	for (; part_next(&w, &part); out += part.len) {
		int err;

		if (part.file == NULL) {
			memset(out, 0, part.len);
			continue;
		}
		err = read_part(s, &part, out);
		if (err != OK)
			return err;
	}
	s->read += length;
	return OK;
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
		if (bytes_read(s, f->offset + pos, (struct span){w->scratch, n},
			       &f->task.event.e.err) != OK)
			return;
		pos += n;
	}
}

static void fetch_done(struct pool_job *job)
{
	task_end((struct task *)job);
}

void store_fetch(struct store *s, uint32_t piece, uint32_t begin, uint32_t length, uint64_t token)
{
	struct fetch *f = task_new(s, sizeof(*f), STORE_FETCHED, piece, token);

	if (f == NULL)
		return;
	if (!range_is_sane(s, piece, begin, length)) {
		err_set(&f->task.event.e.err, ERR_INVALID, "%s", err_text(ERR_INVALID));
		event_push(&f->task.event);
		return;
	}
	f->offset = space_offset(s, piece, begin);
	f->length = length;
	task_submit(&f->task, fetch_run, fetch_done);
}

/* ---- sendfile ----------------------------------------------------------- */

/* sendfile(2) would wait for pages that are not in memory; the ends of a range speak for it. */
static int range_is_cached(int fd, uint64_t at, size_t len)
{
	uint8_t probe;
	int err = read_cached(fd, &probe, 1, at);

	return err == OK ? read_cached(fd, &probe, 1, at + len - 1) : err;
}

int store_file_range(struct store *s, uint32_t piece, uint32_t begin, uint32_t length, int *fd,
		     uint64_t *offset)
{
	struct store_hub *h = s->hub;
	struct part_walk w;
	struct part part;
	struct handle *x;
	int err;

	if (h->lent != NULL)
		file_put(s, h->lent, false);
	h->lent = NULL;
	if (length == 0 || !range_is_sane(s, piece, begin, length))
		return ERR_INVALID;
	w = part_walk(s, space_offset(s, piece, begin), length);
	if (!part_next(&w, &part) || part.file == NULL || part.len < length)
		return ERR_INVALID;
	err = file_get(s, part.file, false, &x, NULL);
	if (err != OK)
		return err;
	err = file_changed(s, x) ? ERR_MISMATCH : range_is_cached(x->fd, part.at, part.len);
	if (err != OK) {
		file_put(s, x, false);
		return err;
	}
	h->lent = x;
	*fd = x->fd;
	*offset = part.at;
	s->read += length;
	return OK;
}
