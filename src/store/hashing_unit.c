#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "meta/merkle.h"
#include "store/hashing_impl.h"

static const uint8_t zeros[64 << 10];

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static const struct hashing_file *file_of(const struct hashing_task *t, size_t i)
{
	return &t->p->files[i];
}

static bool part_is_last(const struct hashing_task *t, const struct hashing_part *part)
{
	return part->length == file_of(t, part->file)->length - part->offset;
}

static bool part_is_whole(const struct hashing_task *t, const struct hashing_part *part)
{
	return part->offset == 0 && part_is_last(t, part);
}

/* ---- sources ------------------------------------------------------------ */

static int source_fault(const struct hashing_task *t, size_t file, struct err_info *info)
{
	char name[300];

	text_escape(name, sizeof(name), bytes_str(file_of(t, file)->path));
	return err_set(info, ERR_MISMATCH, "%s: changed while it was being read", name);
}

static int source_errno(const struct hashing_task *t, size_t file, int error, struct err_info *info)
{
	return root_errno(info, file_of(t, file)->path, error);
}

/* O_NONBLOCK: a pipe put in the file's place must not hold a worker for ever. */
static int source_open(const struct hashing_task *t, size_t file, struct hashing_source *s,
		       struct err_info *info)
{
	const struct hashing_file *f = file_of(t, file);
	struct stat st;
	int fd = root_openat(t->p->root, f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, info);

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
	return 0;
}

static int source_close(const struct hashing_task *t, struct hashing_source *s,
			struct err_info *info)
{
	struct stat st;
	int err = 0;

	if (fstat(s->fd, &st) != 0)
		err = source_errno(t, s->file, errno, info);
	else if ((uint64_t)st.st_size != file_of(t, s->file)->length ||
		 st.st_mtim.tv_sec != s->mtime.tv_sec || st.st_mtim.tv_nsec != s->mtime.tv_nsec)
		err = source_fault(t, s->file, info);
	close(s->fd);
	return err;
}

static int source_read(const struct hashing_task *t, const struct hashing_source *s,
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
	err = source_close(t, s, info);
	free(s);
	return err;
}

/* ---- cutting the piece space into units --------------------------------- */

/* Where the file after `file` begins. Without v1 nobody else counts in the piece space, and
 * files are laid out here as hybrids have them. */
static uint64_t next_at(const struct hashing_task *t, size_t file, uint64_t at)
{
	uint64_t end = at + file_of(t, file)->length;

	if (t->p->v1)
		return file + 1 < t->p->n_files ? file_of(t, file + 1)->offset : t->space_end;
	return end % t->piece == 0 ? end : end + (t->piece - end % t->piece);
}

static int check_lengths(struct hashing_task *t, struct err_info *info)
{
	uint64_t at = 0, end = 0;

	for (size_t i = 0; i < t->p->n_files; i++) {
		const struct hashing_file *f = file_of(t, i);

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
	err = source_open(t, t->cursor.file, s, info);
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
		left = file_of(t, c->file)->length;
		if (left == 0) {
			err = unit_add_part(t, u, 0, info);
			continue;
		}
		if (room == 0)
			break;
		if (c->at > c->pos)
			c->pos = c->at;
		left = min_of(left - (c->pos - c->at), min_of(end - c->pos, room));
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
		uint64_t to = min_of(at + file_of(t, i)->length, end);

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
	       file_of(t, c->file)->length == 0)
		err = unit_add_part(t, u, 0, info);
	return err;
}

/* Whole pieces while they fit; a piece too long alone is streamed by one worker, so that
 * others take other pieces, or cut if the plain stream needs its data in order. */
int unit_claim(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	struct hashing_cursor *c = &t->cursor;
	int err;

	u->n_parts = 0;
	u->bytes = 0;
	u->begin = u->end = c->pos;
	u->whole_pieces = true;
	u->streamed = u->crossing = false;
	u->phase = UNIT_CLAIMED;
	for (;;) {
		uint64_t end, bytes;
		size_t n_parts;

		err = unit_take_empty(t, u, info);
		if (err != 0)
			return err;
		if (c->pos >= t->space_end || u->n_parts == UNIT_PARTS_MAX)
			break;
		end = min_of(c->pos - c->pos % t->piece + t->piece, t->space_end);
		bytes = bytes_before(t, end, &n_parts);
		if (c->pos % t->piece == 0 && n_parts <= UNIT_PARTS_MAX - u->n_parts &&
		    bytes <= UNIT_BYTES - u->bytes) {
			err = unit_take(t, u, end, UINT64_MAX, info);
			if (err != 0)
				return err;
			if (t->p->v1 && u->end - u->begin >= UNIT_SPACE_MAX)
				break;
			continue;
		}
		if (u->end > u->begin)
			break;
		u->streamed = t->p->v1 && !t->p->plain && c->pos % t->piece == 0 &&
			      n_parts <= UNIT_PARTS_MAX - u->n_parts;
		u->whole_pieces = u->streamed;
		err = unit_take(t, u, end, u->streamed ? UINT64_MAX : UNIT_BYTES, info);
		if (err != 0)
			return err;
		break;
	}
	return u->end > u->begin || u->n_parts > 0;
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

/* ---- what stands alone -------------------------------------------------- */

static int part_read(struct hashing_task *t, const struct hashing_part *part, uint8_t *to,
		     struct err_info *info)
{
	struct span span = {to, (size_t)part->length};
	struct hashing_source own;
	int err, closed;

	if (part->source != NULL)
		return source_read(t, part->source, part->offset, span, info);
	err = source_open(t, part->file, &own, info);
	if (err != 0)
		return err;
	err = source_read(t, &own, 0, span, info);
	closed = source_close(t, &own, err == 0 ? info : NULL);
	return err == 0 ? closed : err;
}

int unit_read(struct hashing_task *t, struct hashing_unit *u, struct err_info *info)
{
	int err = 0;

	if (u->streamed)
		return 0;
	for (size_t i = 0; i < u->n_parts && err == 0; i++)
		err = part_read(t, &u->parts[i], u->data + u->parts[i].in_buffer, info);
	return err;
}

static void feed_add(struct hashing_task *t, struct hashing_feed *f, struct bytes data)
{
	while (data.len > 0) {
		uint64_t piece = f->pos / t->piece;
		uint64_t end = min_of((piece + 1) * t->piece, t->space_end);
		size_t n = (size_t)min_of(data.len, end - f->pos);

		if (f->pos % t->piece == 0)
			digest_begin(f->sha1);
		digest_add(f->sha1, bytes_sub(data, 0, n));
		data = bytes_sub(data, n, data.len - n);
		f->pos += n;
		if (f->pos == end)
			digest_end(f->sha1, t->pieces_v1 + piece * SHA1_LEN);
	}
}

static void feed_zeros_to(struct hashing_task *t, struct hashing_feed *f, uint64_t pos)
{
	while (f->pos < pos)
		feed_add(t, f, bytes_of(zeros, (size_t)min_of(sizeof(zeros), pos - f->pos)));
}

static void leaves_add(struct hashing_worker *w, uint8_t *leaves, struct bytes data)
{
	for (size_t i = 0; i < data.len; i += BLOCK_BYTES, leaves += SHA256_LEN)
		digest_once(w->sha256,
			    bytes_sub(data, i, (size_t)min_of(BLOCK_BYTES, data.len - i)), leaves);
}

static void file_root(const struct hashing_task *t, struct hashing_file *f)
{
	uint64_t n = (f->length - 1) / t->piece + 1;

	merkle_file_root(f->layer, n, (uint32_t)(t->piece / BLOCK_BYTES), f->root);
}

/* From the leaves of a part to piece hashes. */
static void part_tree(struct hashing_task *t, struct hashing_unit *u,
		      const struct hashing_part *part, uint8_t *leaves)
{
	struct hashing_file *f = &t->p->files[part->file];
	uint64_t n = merkle_leaves(part->length), blocks = t->piece / BLOCK_BYTES;
	uint8_t *to;

	if (!u->whole_pieces) {
		merkle_root(leaves, n, UNIT_BLOCKS, 0, u->node);
		return;
	}
	if (f->length <= t->piece) {
		merkle_root(leaves, n, merkle_width(n), 0, f->root);
		return;
	}
	to = f->layer + part->offset / t->piece * SHA256_LEN;
	for (uint64_t i = 0; i < n; i += blocks, to += SHA256_LEN)
		merkle_root(leaves + i * SHA256_LEN, min_of(blocks, n - i), blocks, 0, to);
	if (part_is_whole(t, part))
		file_root(t, f);
}

/* One slice at a time when streamed; else the part is a single slice in memory. */
static int part_hash(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
		     const struct hashing_part *part, struct hashing_feed *feed,
		     struct err_info *info)
{
	uint64_t done = 0;

	while (done < part->length) {
		size_t n = (size_t)min_of(UNIT_BYTES, part->length - done);
		struct span slice = {u->data + part->in_buffer, n};
		struct bytes data = {slice.ptr, slice.len};

		if (u->streamed) {
			int err = source_read(t, part->source, part->offset + done, slice, info);

			if (err != 0)
				return err;
		}
		if (t->p->v1 && u->whole_pieces)
			feed_add(t, feed, data);
		if (t->p->v2)
			leaves_add(w, w->leaves + done / BLOCK_BYTES * SHA256_LEN, data);
		done += n;
	}
	if (t->p->v2 && part->length > 0)
		part_tree(t, u, part, w->leaves);
	if (t->p->plain && part_is_whole(t, part))
		digest_once(w->sha256, bytes_of(u->data + part->in_buffer, (size_t)part->length),
			    t->p->files[part->file].sha256);
	return 0;
}

/* A whole file in a streamed piece is nobody else's: open it for the time. */
static int part_hash_own(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
			 const struct hashing_part *part, struct hashing_feed *feed,
			 struct err_info *info)
{
	struct hashing_part lent = *part;
	struct hashing_source own;
	int err, closed;

	err = source_open(t, part->file, &own, info);
	if (err != 0)
		return err;
	lent.source = &own;
	err = part_hash(t, w, u, &lent, feed, info);
	closed = source_close(t, &own, err == 0 ? info : NULL);
	return err == 0 ? closed : err;
}

int unit_hash(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
	      struct err_info *info)
{
	struct hashing_feed feed = {w->sha1, u->begin};
	bool v1 = t->p->v1 && u->whole_pieces;
	int err = 0;

	for (size_t i = 0; i < u->n_parts && err == 0; i++) {
		const struct hashing_part *part = &u->parts[i];

		if (v1)
			feed_zeros_to(t, &feed, part->at);
		if (u->streamed && part->source == NULL)
			err = part_hash_own(t, w, u, part, &feed, info);
		else
			err = part_hash(t, w, u, part, &feed, info);
	}
	if (v1 && err == 0)
		feed_zeros_to(t, &feed, u->end);
	return err;
}

/* ---- what runs on from unit to unit ------------------------------------- */

bool unit_has_step(const struct hashing_task *t, const struct hashing_unit *u, int s)
{
	switch (s) {
	case STREAM_PLAIN:
		return t->p->plain && u->crossing;
	case STREAM_SHA1:
		return t->p->v1 && !u->whole_pieces;
	default:
		return t->p->v2 && u->crossing;
	}
}

static void step_plain(struct hashing_task *t, const struct hashing_unit *u)
{
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];

		if (part_is_whole(t, part))
			continue;
		if (part->offset == 0)
			digest_begin(t->plain);
		digest_add(t->plain, bytes_of(u->data + part->in_buffer, (size_t)part->length));
		if (part_is_last(t, part))
			digest_end(t->plain, t->p->files[part->file].sha256);
	}
}

static void step_sha1(struct hashing_task *t, const struct hashing_unit *u)
{
	t->feed.pos = u->begin;
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];

		feed_zeros_to(t, &t->feed, part->at);
		feed_add(t, &t->feed, bytes_of(u->data + part->in_buffer, (size_t)part->length));
	}
	feed_zeros_to(t, &t->feed, u->end);
}

/* The tops of a long piece's units, gathered until it is whole. */
static void gather_node(struct hashing_task *t, const struct hashing_part *part,
			const uint8_t node[SHA256_LEN])
{
	struct hashing_file *f = &t->p->files[part->file];
	uint64_t end = part->offset + part->length;
	uint64_t n = part->offset % t->piece / UNIT_BYTES + 1;

	memcpy(t->gather + (n - 1) * SHA256_LEN, node, SHA256_LEN);
	if (end % t->piece != 0 && end != f->length)
		return;
	if (f->length <= t->piece)
		merkle_root(t->gather, n, merkle_width(n), UNIT_LEVEL, f->root);
	else
		merkle_root(t->gather, n, t->piece / UNIT_BYTES, UNIT_LEVEL,
			    f->layer + part->offset / t->piece * SHA256_LEN);
}

static void step_tree(struct hashing_task *t, const struct hashing_unit *u)
{
	for (size_t i = 0; i < u->n_parts; i++) {
		const struct hashing_part *part = &u->parts[i];
		struct hashing_file *f = &t->p->files[part->file];

		if (part_is_whole(t, part))
			continue;
		if (!u->whole_pieces)
			gather_node(t, part, u->node);
		if (part_is_last(t, part) && f->length > t->piece)
			file_root(t, f);
	}
}

void unit_step(struct hashing_task *t, const struct hashing_unit *u, int s)
{
	if (s == STREAM_PLAIN)
		step_plain(t, u);
	else if (s == STREAM_SHA1)
		step_sha1(t, u);
	else
		step_tree(t, u);
}
