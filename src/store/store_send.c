/* store/store_send.c - bytes of verified pieces for other peers. */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/store_impl.h"

/* Where the next bytes go. */
struct cursor {
	const struct span *out;
	size_t at; /* in *out */
};

/* The next `len` bytes' places, as far as they fit into `v`. */
static int cursor_iov(struct cursor c, size_t len, struct iovec v[STORE_READ_SPANS])
{
	int n = 0;

	while (len > 0 && n < (int)STORE_READ_SPANS) {
		size_t part = c.out->len - c.at < len ? c.out->len - c.at : len;

		v[n++] = (struct iovec){c.out->ptr + c.at, part};
		len -= part;
		c = (struct cursor){c.out + 1, 0};
	}
	return n;
}

static void cursor_move(struct cursor *c, size_t n)
{
	while (n > 0 && n >= c->out->len - c->at) {
		n -= c->out->len - c->at;
		*c = (struct cursor){c->out + 1, 0};
	}
	c->at += n;
}

/* One read that does not wait for the disk; where the file system cannot promise that, one that
 * may. Returns bytes, or -1 with errno. */
static ssize_t read_now(struct handle *x, const struct iovec *v, int n_v, uint64_t at)
{
	ssize_t n;

	for (;;) {
		n = preadv2(x->fd, v, n_v, (off_t)at, x->may_wait ? 0 : RWF_NOWAIT);
		if (n >= 0)
			return n;
		if (!x->may_wait && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
			x->may_wait = true;
		else if (errno != EINTR)
			return -1;
	}
}

/* Returns 0, ERR_AGAIN, ERR_IO or ERR_MISMATCH (the file ended early). */
static int read_cached(struct handle *x, struct cursor *c, size_t len, uint64_t at)
{
	struct iovec v[STORE_READ_SPANS];

	while (len > 0) {
		ssize_t n = read_now(x, v, cursor_iov(*c, len, v), at);

		if (n < 0)
			return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
		if (n == 0)
			return ERR_MISMATCH;
		cursor_move(c, (size_t)n);
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

static int read_part(struct store *s, const struct part *part, struct cursor *c)
{
	struct handle *x;
	int err = file_get(s, part->file, false, &x, NULL);

	/* Verified once, now not there or not ours to read: it was changed under us. */
	if (err != OK)
		return err == ERR_NOMEM || err == ERR_IO ? ERR_IO : ERR_MISMATCH;
	err = file_changed(s, x) ? ERR_MISMATCH : read_cached(x, c, part->len, part->at);
	file_put(s, x, false);
	return err;
}

/* A pad. */
static void put_zeros(struct cursor *c, size_t len)
{
	struct iovec v[STORE_READ_SPANS];

	while (len > 0) {
		int n = cursor_iov(*c, len, v);

		for (int i = 0; i < n; i++) {
			memset(v[i].iov_base, 0, v[i].iov_len);
			cursor_move(c, v[i].iov_len);
			len -= v[i].iov_len;
		}
	}
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

int store_read(struct store *s, uint32_t piece, uint32_t begin, const struct span *out, uint32_t n)
{
	struct cursor c = {out, 0};
	uint64_t length = 0;
	struct part_walk w;
	struct part part;

	for (uint32_t i = 0; i < n; i++)
		length += out[i].len;
	if (length > UINT32_MAX || !range_is_sane(s, piece, begin, (uint32_t)length))
		return ERR_INVALID;
	w = part_walk(s, space_offset(s, piece, begin), length);
	while (part_next(&w, &part)) {
		int err;

		if (part.file == NULL) {
			put_zeros(&c, part.len);
			continue;
		}
		err = read_part(s, &part, &c);
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
