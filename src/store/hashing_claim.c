/* store/hashing_claim.c - opening the files and cutting the piece space into units. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "store/hashing_impl.h"
#include "store/store.h"

/* ---- sources ------------------------------------------------------------ */

static int source_fault(const struct hashing_task *t, size_t file, struct err_info *info)
{
	char name[300];

	text_escape(name, sizeof(name), bytes_str(hashing_file_of(t, file)->path));
	return err_set(info, ERR_MISMATCH, "%s: changed while it was being read", name);
}

static int source_errno(const struct hashing_task *t, size_t file, int error, struct err_info *info)
{
	return root_errno(info, hashing_file_of(t, file)->path, error);
}

/* O_NONBLOCK: a pipe put in the file's place must not hold a worker for ever. Where descriptors are
 * out some come back as other files are read. */
static int open_patiently(const struct hashing_task *t, const char *path, struct err_info *info)
{
	const struct timespec pause = {.tv_nsec = STORE_FDS_RETRY_MS * 1000000L};
	int fd = root_openat(t->p->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, info);

	for (unsigned ms = 0; fd == ERR_TOO_BIG && ms < STORE_FDS_WAIT_MS;
	     ms += STORE_FDS_RETRY_MS) {
		(void)nanosleep(&pause, NULL);
		fd = root_openat(t->p->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, info);
		if (fd >= 0 && info != NULL)
			info->code = OK; /* the first answers do not count */
	}
	return fd;
}

int hashing_source_open(const struct hashing_task *t, size_t file, struct hashing_source *s,
			struct err_info *info)
{
	const struct hashing_file *f = hashing_file_of(t, file);
	struct stat st;
	int fd = open_patiently(t, f->path, info);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0) {
		int error = errno;

		close(fd);
		return source_errno(t, file, error, info);
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->length) {
		close(fd);
		return source_fault(t, file, info);
	}
	*s = (struct hashing_source){.fd = fd, .file = file, .users = 1, .mtime = st.st_mtim};
	t->p->files[file].seen = (struct hashing_seen){st.st_mtim, st.st_ino};
	return 0;
}

int hashing_source_close(const struct hashing_task *t, struct hashing_source *s,
			 struct err_info *info)
{
	struct stat st;
	int err = 0;

	if (fstat(s->fd, &st) != 0)
		err = source_errno(t, s->file, errno, info);
	else if ((uint64_t)st.st_size != hashing_file_of(t, s->file)->length ||
		 st.st_mtim.tv_sec != s->mtime.tv_sec || st.st_mtim.tv_nsec != s->mtime.tv_nsec)
		err = source_fault(t, s->file, info);
	close(s->fd);
	return err;
}

int hashing_source_read(const struct hashing_task *t, const struct hashing_source *s,
			uint64_t offset, struct span to, struct err_info *info)
{
	size_t got = 0;

	while (got < to.len) {
		ssize_t n = pread(s->fd, to.ptr + got, to.len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return source_errno(t, s->file, errno, info);
		if (n == 0)
			return source_fault(t, s->file, info);
		got += (size_t)n;
	}
	return 0;
}

static int source_give(const struct hashing_task *t, struct hashing_source *s,
		       struct err_info *info)
{
	int err;

	if (--s->users > 0)
		return 0;
	err = hashing_source_close(t, s, info);
	free(s);
	return err;
}

/* ---- cutting the piece space into units --------------------------------- */

/* Where the file after `file` begins. Without v1 nobody else counts in the piece space, and
 * files are laid out here as hybrids have them. */
static uint64_t next_at(const struct hashing_task *t, size_t file, uint64_t at)
{
	uint64_t end = at + hashing_file_of(t, file)->length;

	if (t->p->v1)
		return file + 1 < t->p->n_files ? hashing_file_of(t, file + 1)->offset
						: t->space_end;
	return end % t->piece == 0 ? end : end + (t->piece - end % t->piece);
}

static int check_lengths(struct hashing_task *t, struct err_info *info)
{
	uint64_t at = 0, end = 0;

	for (size_t i = 0; i < t->p->n_files; i++) {
		const struct hashing_file *f = hashing_file_of(t, i);

		if (t->p->v1)
			at = f->offset;
		if (at < end || f->length > INT64_MAX - t->piece ||
		    at > INT64_MAX - t->piece - f->length)
			return err_set(info, ERR_INVALID, "the files overlap or are too large");
		if (t->p->v1 && t->p->v2 && f->length > 0 && at % t->piece != 0)
			return err_set(info, ERR_INVALID, "a file does not begin at a piece");
		end = at + f->length;
		t->total_bytes += f->length;
		if (!t->p->v1)
			at = next_at(t, i, at);
	}
	t->space_end = t->p->v1 ? t->p->space_bytes : end;
	if (end > t->space_end || t->space_end > INT64_MAX)
		return err_set(info, ERR_INVALID, "the files end beyond the piece space");
	return 0;
}

int hashing_task_check(struct hashing_task *t, struct err_info *info)
{
	const struct hashing_params *p = t->p;
	bool power = (p->piece_length & (p->piece_length - 1)) == 0;

	t->piece = p->v1 || p->v2 ? p->piece_length : UNIT_BYTES;
	if (t->piece == 0 || t->piece > META_PIECE_LENGTH_MAX)
		return err_set(info, ERR_INVALID, "the piece length is out of range");
	if (p->v2 && (!power || p->piece_length < META_PIECE_LENGTH_MIN))
		return err_set(info, ERR_INVALID, "the piece length is no power of two");
	return check_lengths(t, info);
}

static int cursor_pass_file(struct hashing_task *t, struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	struct hashing_source *s = c->source;

	c->at = next_at(t, c->file, c->at);
	c->file++;
	c->source = NULL;
	return s == NULL ? 0 : source_give(t, s, info);
}

static int cursor_open_file(struct hashing_task *t, struct err_info *info)
{
	struct hashing_source *s;
	int err;

	if (t->cursor.source != NULL)
		return 0;
	s = malloc(sizeof(*s));
	if (s == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = hashing_source_open(t, t->cursor.file, s, info);
	if (err != 0) {
		free(s);
		return err;
	}
	(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	t->cursor.source = s;
	return 0;
}

/* Put the next `length` bytes of the cursor's file into the unit. */
static int unit_add_part(struct hashing_task *t, struct hashing_unit *u, uint64_t length,
			 struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	struct hashing_part *part = &u->parts[u->n_parts];
	int err;

	*part = (struct hashing_part){.file = c->file,
				      .offset = c->pos > c->at ? c->pos - c->at : 0,
				      .at = c->pos,
				      .length = length,
				      .in_buffer = u->streamed ? 0 : (size_t)u->bytes};
	if (!part_is_whole(t, part)) {
		err = cursor_open_file(t, info);
		if (err != 0)
			return err;
		part->source = c->source;
		c->source->users++;
		u->crossing = true;
	}
	u->n_parts++;
	u->bytes += length;
	c->pos += length;
	return part_is_last(t, part) ? cursor_pass_file(t, info) : 0;
}

/* Take what lies before `end`, at most `room` bytes of it. */
static int unit_take(struct hashing_task *t, struct hashing_unit *u, uint64_t end, uint64_t room,
		     struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	int err = 0;

	while (err == 0 && c->pos < end) {
		uint64_t left;

		if (c->file == t->p->n_files || c->at >= end) {
			c->pos = end; /* nothing but pad */
			break;
		}
		if (u->n_parts == UNIT_PARTS_MAX)
			break;
		left = hashing_file_of(t, c->file)->length;
		if (left == 0) {
			err = unit_add_part(t, u, 0, info);
			continue;
		}
		if (room == 0)
			break;
		if (c->at > c->pos)
			c->pos = c->at;
		left = hashing_min(left - (c->pos - c->at), hashing_min(end - c->pos, room));
		room -= left;
		err = unit_add_part(t, u, left, info);
	}
	u->end = c->pos;
	return err;
}

/* Bytes of files and number of parts between the cursor and `end`; stops counting beyond
 * what fits in a unit. */
static uint64_t bytes_before(const struct hashing_task *t, uint64_t end, size_t *n_parts)
{
	const struct hashing_cursor *c = &t->cursor;
	uint64_t at = c->at, bytes = 0;

	*n_parts = 0;
	for (size_t i = c->file; i < t->p->n_files && at < end && *n_parts <= UNIT_PARTS_MAX; i++) {
		uint64_t from = at > c->pos ? at : c->pos;
		uint64_t to = hashing_min(at + hashing_file_of(t, i)->length, end);

		bytes += to > from ? to - from : 0;
		++*n_parts;
		at = next_at(t, i, at);
	}
	return bytes;
}

/* Empty files at the cursor: at the very end no piece would ever reach them. */
static int unit_take_empty(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	int err = 0;

	while (err == 0 && u->n_parts < UNIT_PARTS_MAX && c->file < t->p->n_files &&
	       hashing_file_of(t, c->file)->length == 0)
		err = unit_add_part(t, u, 0, info);
	return err;
}

/* Take the next piece, if it fits, or what fits of it. Returns 1 when there may be room for
 * another, 0 when the unit is complete, or an enum err.
 * A piece too long even alone is streamed by one worker, so that others take other pieces,
 * or cut if the plain stream needs its data in order. */
static int unit_take_piece(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	uint64_t end = hashing_min(c->pos - c->pos % t->piece + t->piece, t->space_end);
	size_t n_parts;
	uint64_t bytes = bytes_before(t, end, &n_parts);
	bool fits = c->pos % t->piece == 0 && n_parts <= UNIT_PARTS_MAX - u->n_parts;
	int err;

	if (fits && bytes <= t->unit_bytes - u->bytes) {
		err = unit_take(t, u, end, UINT64_MAX, info);
		if (err != 0)
			return err;
		return !t->p->v1 || u->end - u->begin - u->bytes < UNIT_PADS_MAX;
	}
	if (u->end > u->begin)
		return 0;
	u->streamed = fits && t->p->v1 && !t->p->plain;
	u->whole_pieces = u->streamed;
	return unit_take(t, u, end, u->streamed ? UINT64_MAX : UNIT_BYTES, info);
}

int unit_claim(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	const struct hashing_cursor *c = &t->cursor;
	int more = 1;

	u->n_parts = 0;
	u->bytes = 0;
	u->begin = u->end = c->pos;
	u->whole_pieces = true;
	u->streamed = u->crossing = false;
	u->phase = UNIT_CLAIMED;
	while (more > 0) {
		int err = unit_take_empty(t, u, info);

		if (err != 0)
			return err;
		if (c->pos >= t->space_end || u->n_parts == UNIT_PARTS_MAX)
			break;
		more = unit_take_piece(t, u, info);
	}
	return more < 0 ? more : u->end > u->begin || u->n_parts > 0;
}

int unit_release(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	int err = 0;

	for (size_t i = 0; i < u->n_parts; i++) {
		struct hashing_source *s = u->parts[i].source;
		int one = s == NULL ? 0 : source_give(t, s, info);

		u->parts[i].source = NULL;
		err = err == 0 ? one : err;
	}
	return err;
}

void unit_drop(struct hashing_task *t, struct hashing_unit *u)
{
	(void)unit_release(t, u, NULL);
	u->n_parts = 0;
}

void hashing_task_drop(struct hashing_task *t)
{
	if (t->cursor.source != NULL)
		(void)source_give(t, t->cursor.source, NULL);
	t->cursor.source = NULL;
}
