/* store/store_resume.c - what an unfinished download still has. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/durable.h"
#include "store/store_impl.h"

/* ---- the state file ----------------------------------------------------- */

/* A state that is damaged or another torrent's vouches for nothing. */
int resume_read(struct store *s)
{
	struct resume r;
	struct buf in;
	int err;

	buf_init(&in, STATE_BYTES_MAX);
	err = durable_read(&s->parent, s->state_rel, &in, NULL);
	if (err == OK)
		err = resume_decode(buf_bytes(&in), &r);
	if (err == OK && r.have.n == s->have.n &&
	    memcmp(r.info_hash, s->info_hash, SHA256_LEN) == 0) {
		bitfield_fini(&s->have);
		s->have = r.have;
		left_load(s, &r);
	} else if (err == OK) {
		bitfield_fini(&r.have);
	}
	buf_fini(&in);
	return err == ERR_NOMEM ? ERR_NOMEM : OK;
}

/* ---- what lies on disk -------------------------------------------------- */

/* The pieces [*first, *end) that touch [from, to) of the file. */
static void pieces_at(const struct store *s, const struct store_file *f, uint64_t from, uint64_t to,
		      uint32_t *first, uint32_t *end)
{
	if (to > f->length)
		to = f->length;
	*first = *end = 0;
	if (from >= to)
		return;
	*first = (uint32_t)((f->offset + from) / s->meta->piece_length);
	*end = (uint32_t)((f->offset + to - 1) / s->meta->piece_length) + 1;
}

/* For each of them. */
static void mark_pieces(const struct store *s, const struct store_file *f, uint64_t from,
			uint64_t to, bool (*mark)(struct bitfield *, uint32_t),
			struct bitfield *set)
{
	uint32_t first, end;

	pieces_at(s, f, from, to, &first, &end);
	for (uint32_t i = first; i < end; i++)
		mark(set, i);
}

/* Of a piece of full length that is all zeros. False: there is no memory. */
static bool hash_zeros(const struct store *s, uint8_t out[SHA256_LEN])
{
	static const uint8_t zeros[BLOCK_BYTES];
	uint32_t left = s->piece_length;
	struct digest *d;

	if (s->meta->v2) {
		sha256_of(bytes_of(zeros, sizeof(zeros)), out);
		for (uint32_t n = left / BLOCK_BYTES; n > 1; n /= 2)
			sha256_pair(out, out, out);
		return true;
	}
	d = digest_new(DIGEST_SHA1);
	if (d == NULL)
		return false;
	digest_begin(d);
	for (uint32_t len; left > 0; left -= len) {
		len = left < sizeof(zeros) ? left : sizeof(zeros);
		digest_add(d, bytes_of(zeros, len));
	}
	digest_end(d, out);
	digest_free(d);
	return true;
}

/* Is it zeros that it should be? */
static bool is_zeros(struct store *s, uint32_t piece)
{
	struct piece_shape shape;

	shape_of(s, piece, &shape);
	if (shape.real < s->piece_length)
		return false;
	s->zeros_known = s->zeros_known || hash_zeros(s, s->zeros_hash);
	return s->zeros_known &&
	       memcmp(shape.want, s->zeros_hash, shape.v2 ? SHA256_LEN : SHA1_LEN) == 0;
}

/* What is said to be had there is not believed: a look tells. False: nothing is. */
static bool doubt(struct store *s, const struct store_file *f, uint64_t from, uint64_t to)
{
	uint32_t first, end, before = s->have.count;

	pieces_at(s, f, from, to, &first, &end);
	for (uint32_t i = first; i < end; i++) {
		if (bitfield_unset(&s->have, i))
			bitfield_set(&s->unsure, i);
	}
	return s->have.count < before;
}

/* What is said to be had and lies in a hole is zeros, which are left out, or was taken away by
 * somebody who cut the file or mended the disk. Of a disk image, which may be zeros for the most
 * part, those pieces need not be hashed that are nothing else. */
static void doubt_hole(struct store *s, const struct store_file *f, uint64_t from, uint64_t to)
{
	uint64_t length = s->piece_length, end;

	if (to > f->length)
		to = f->length;
	for (; from < to; from = end) {
		uint64_t piece = (f->offset + from) / length;

		end = (piece + 1) * length - f->offset;
		if (end > to || piece * length < f->offset + from ||
		    !bitfield_has(&s->have, (uint32_t)piece) || !is_zeros(s, (uint32_t)piece))
			(void)doubt(s, f, from, end < to ? end : to);
	}
}

/* Somebody else may have written to it. To what is at its final name the user may. */
static void doubt_other(struct store *s, struct store_file *f, const struct stat *st)
{
	f->other = !left_is_ours(s, f, st) && doubt(s, f, 0, (uint64_t)st->st_size);
	s->n_others += f->other && !s->placed;
}

/* Every piece with data in the file is unsure. Files are sparse, so holes are what never came;
 * where holes cannot be told, all of the file may be data. */
static void mark_data(struct store *s, const struct store_file *f, int fd, uint64_t size)
{
	uint64_t at = 0;

	while (at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO) {
			doubt_hole(s, f, at, size);
			return;
		}
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole <= data) {
			mark_pieces(s, f, at, size, bitfield_set, &s->unsure);
			return;
		}
		doubt_hole(s, f, at, (uint64_t)data);
		mark_pieces(s, f, (uint64_t)data, (uint64_t)hole, bitfield_set, &s->unsure);
		at = (uint64_t)hole;
	}
}

/* ERR_TOO_BIG, for want of a descriptor, says nothing of the file. */
static int inspect_file(struct store *s, struct store_file *f, bool may_be_there,
			struct err_info *info)
{
	struct stat st = {.st_size = 0};
	uint64_t size = 0;
	struct store_place at;
	int fd;

	store_place_of(s, f, &at);
	fd = may_be_there || f->aside ? root_openat(at.root, at.path, O_RDONLY, 0, NULL) : -1;
	if (fd == ERR_TOO_BIG)
		return root_fail(at.root, at.path, ERR_TOO_BIG, "no descriptor is left", info);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		size = (uint64_t)st.st_size;
		f->found = true;
		doubt_other(s, f, &st);
		mark_data(s, f, fd, size);
		/* Before it is hashed: what is done to it from now on counts as a change. */
		if (s->placed && !f->aside)
			stamp_file(s, f, &st);
	}
	f->left = f->found ? st.st_mtim : (struct timespec){.tv_sec = 0};
	if (fd >= 0)
		close(fd);
	/* Missing or cut short: whatever the state says, those pieces are gone. */
	mark_pieces(s, f, size, f->length, bitfield_unset, &s->have);
	return OK;
}

/* Whoever wrote what is unsure may have been killed before it was synced: what is found good of it
 * is to be synced before it is recorded, names and all, as if we had written it. Where a piece
 * reaches into several files there need not be all of them yet. */
static void distrust_file(struct store *s, struct store_file *f)
{
	uint32_t first, end;

	pieces_at(s, f, 0, f->length, &first, &end);
	for (uint32_t i = first; f->found && i < end && !f->dirty; i++)
		f->dirty = f->fresh = bitfield_has(&s->unsure, i);
}

/* A new download of thousands of files need not look for each of them. */
static bool nothing_there(const struct store *s)
{
	int fd = s->data == &s->folder
		     ? openat(s->folder.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		     : -1;
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	bool empty = list != NULL;
	struct dirent *e;

	while (empty && (errno = 0, e = readdir(list)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	empty = empty && errno == 0;
	if (list != NULL)
		closedir(list);
	else if (fd >= 0)
		close(fd);
	return empty;
}

/* What is not believed now is not to be after a crash either, though the state that says when we
 * write is the older one until the first save. */
static int note_still(struct store *s, uint32_t recorded, struct err_info *info)
{
	if (s->have.count == recorded || bitfield_copy(&s->still, &s->have) == OK)
		return OK;
	return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

int resume_load(struct store *s, const uint8_t *wanted, struct err_info *info)
{
	bool may_be_there = !nothing_there(s), hash_all;
	uint32_t recorded;
	int err;

	if (resume_read(s) != OK)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	recorded = s->have.count;
	hash_all = s->placed && !s->timed;
	err = store_places_open(s, wanted, info);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < s->n_data && err == OK; i++)
		err = inspect_file(s, &s->files[i], may_be_there, info);
	if (err != OK)
		return err;
	/* The user may have worked with what is at its final name, and no time tells. Zeros lie in
	 * holes there, too, which mark_data() passes by. */
	for (uint32_t i = 0; hash_all && i < s->have.n; i++) {
		if (bitfield_has(&s->have, i))
			bitfield_set(&s->unsure, i);
	}
	if (hash_all)
		bitfield_clear(&s->have);
	for (uint32_t i = 0; i < s->have.n; i++) {
		if (bitfield_has(&s->have, i))
			bitfield_unset(&s->unsure, i);
	}
	for (uint32_t i = 0; i < s->n_data; i++)
		distrust_file(s, &s->files[i]);
	return note_still(s, recorded, info);
}

/* No piece of the file is recorded: else it would not have been filled. */
void resume_doubt(struct store *s, const struct store_file *f, uint64_t len)
{
	mark_pieces(s, f, 0, len, bitfield_set, &s->unsure);
}

uint32_t store_others(const struct store *s, struct err_info *info)
{
	uint32_t i = 0;

	if (s->n_others == 0)
		return 0;
	while (!s->files[i].other)
		i++;
	file_fail(s, &s->files[i], ERR_MISMATCH, "is not as this download left it", info);
	return s->n_others;
}

/* ---- preallocation ------------------------------------------------------ */

/* To reserve is no change, so it leaves no trace: what others did before still shows. Returns 0 or
 * an errno. */
static int reserve(int fd, uint64_t length)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	struct stat st;
	int error;

	if (fstat(fd, &st) == 0)
		times[1] = st.st_mtim;
	do
		error = fallocate(fd, 0, 0, (off_t)length) == 0 ? 0 : errno;
	while (error == EINTR);
	(void)futimens(fd, times);
	return error;
}

int files_preallocate(struct store *s, struct err_info *info)
{
	for (uint32_t i = 0; i < s->n_data; i++) {
		struct store_file *f = &s->files[i];
		struct handle *x;
		int error, err;

		if (!f->wanted)
			continue;
		err = file_get(s, f, true, &x, info);
		if (err != OK)
			return err;
		error = reserve(x->fd, f->length);
		file_put(s, x, true);
		if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO)
			return root_errno_at(s->data, f->path, error, info);
	}
	return OK;
}
