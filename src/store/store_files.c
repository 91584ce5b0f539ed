/* store/store_files.c - the piece space as files, and their open descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/selection.h"
#include "store/store_impl.h"

/* Shorter stretches are left to the kernel's own pace. */
#define WRITEBACK_MIN (256u << 10)

/* ---- the table ---------------------------------------------------------- */

/* The one file of a single-file download has its unfinished name for now. */
static const char *path_of(const struct store *s, const struct meta_file *f)
{
	if (s->data != &s->parent)
		return f->path;
	return s->part_rel != NULL ? s->part_rel : s->final_rel;
}

static void file_add(struct store *s, const struct meta_file *f, char **end)
{
	const char *path = path_of(s, f);
	size_t n = strlen(path) + 1;

	memcpy(*end, path, n);
	s->files[s->n_files++] = (struct store_file){
	    .path = *end,
	    .offset = f->offset,
	    .length = f->length,
	    .executable = (f->flags & META_FILE_EXEC) != 0,
	    .index = (uint32_t)(f - s->meta->files),
	    .wanted = true,
	};
	*end += n;
}

/* The store's own copy: smaller than the metainfo, and there as long as a worker is. */
int files_load(struct store *s, const struct metainfo *m)
{
	size_t bytes = 0, n = 0;
	char *end;

	for (uint32_t i = 0; i < m->n_files; i++) {
		if (!selection_is_real(&m->files[i]))
			continue;
		bytes += strlen(path_of(s, &m->files[i])) + 1;
		n++;
	}
	/* A torrent may list links and pads alone. */
	s->files = calloc(n > 0 ? n : 1, sizeof(*s->files));
	s->paths = malloc(bytes > 0 ? bytes : 1);
	if (s->files == NULL || s->paths == NULL)
		return ERR_NOMEM;
	end = s->paths;
	for (uint32_t i = 0; i < m->n_files; i++) {
		if (selection_is_real(&m->files[i]) && m->files[i].length > 0)
			file_add(s, &m->files[i], &end);
	}
	s->n_data = s->n_files;
	for (uint32_t i = 0; i < m->n_files; i++) {
		if (selection_is_real(&m->files[i]) && m->files[i].length == 0)
			file_add(s, &m->files[i], &end);
	}
	return OK;
}

/* ---- open descriptors --------------------------------------------------- */

static void lru_unlink(struct store_hub *h, struct handle *x)
{
	*(x->newer != NULL ? &x->newer->older : &h->recent) = x->older;
	*(x->older != NULL ? &x->older->newer : &h->stale) = x->newer;
}

static void lru_link(struct store_hub *h, struct handle *x)
{
	x->newer = NULL;
	x->older = h->recent;
	*(h->recent != NULL ? &h->recent->newer : &h->stale) = x;
	h->recent = x;
}

/* Called with the lock, and with nobody using it. */
static void handle_close(struct store_hub *h, struct handle *x)
{
	lru_unlink(h, x);
	h->n_handles--;
	if (!x->forgotten)
		x->file->handle = NULL;
	close(x->fd);
	pthread_mutex_destroy(&x->writer);
	free(x);
}

void file_forget(struct store *s, struct store_file *f)
{
	struct store_hub *h = s->hub;

	pthread_mutex_lock(&h->files_lock);
	if (f->handle != NULL) {
		f->handle->forgotten = true;
		if (f->handle->refs == 0)
			handle_close(h, f->handle);
		f->handle = NULL;
	}
	pthread_mutex_unlock(&h->files_lock);
}

/* Close what is over `most` and in nobody's hands, oldest first. Called with the lock. */
static void evict(struct store_hub *h, unsigned most)
{
	struct handle *x = h->stale;

	while (h->n_handles > most && x != NULL) {
		struct handle *newer = x->newer;

		if (x->refs == 0)
			handle_close(h, x);
		x = newer;
	}
}

int store_limit_files(struct pool *p, uint32_t n)
{
	struct store_hub *h = hub_of(p);

	if (h == NULL)
		return ERR_NOMEM;
	pthread_mutex_lock(&h->files_lock);
	h->max_handles = n;
	evict(h, n);
	pthread_mutex_unlock(&h->files_lock);
	return OK;
}

uint32_t store_open_files(const struct pool *p)
{
	struct store_hub *h = pool_shared(p);
	uint32_t n = 0;

	if (h != NULL) {
		pthread_mutex_lock(&h->files_lock);
		n = h->n_handles;
		pthread_mutex_unlock(&h->files_lock);
	}
	return n;
}

bool hub_spare(struct store_hub *h, uint64_t *since_ms)
{
	const struct timespec pause = {.tv_nsec = STORE_FDS_RETRY_MS * 1000000L};
	uint64_t now = store_clock_ms();
	bool first = *since_ms == 0;
	unsigned before;
	bool spared;

	if (first)
		*since_ms = now;
	pthread_mutex_lock(&h->files_lock);
	before = h->n_handles;
	evict(h, 0);
	spared = h->n_handles < before;
	pthread_mutex_unlock(&h->files_lock);
	if (pthread_equal(pthread_self(), h->loop))
		return first && spared;
	if (!spared)
		(void)nanosleep(&pause, NULL);
	return now - *since_ms < STORE_FDS_WAIT_MS;
}

/* A seed's folder as it is found now, which must be the one that it was. */
static int seed_folder(struct store *s, struct root *out, struct err_info *info)
{
	struct stat st;
	dev_t dev;
	ino_t ino;
	int err = root_open(out, s->data->path, info);

	if (err != OK)
		return err;
	pthread_mutex_lock(&s->hub->files_lock);
	dev = s->data_dev;
	ino = s->data_ino;
	pthread_mutex_unlock(&s->hub->files_lock);
	if (fstat(out->fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		return OK;
	root_close(out);
	return root_errno(info, s->data->path, ENOENT);
}

static int open_shared(struct store *s, const struct store_file *f, struct err_info *info)
{
	struct root folder = {.path = NULL};
	int fd, err = seed_folder(s, &folder, info);

	if (err != OK)
		return err;
	fd = root_openat(&folder, f->path, O_RDONLY, 0, info);
	root_close(&folder);
	return fd;
}

static int open_file(struct store *s, const struct store_file *f, bool make, struct err_info *info)
{
	/* What is at its final name is never written. */
	bool writable = s->mode == STORE_DOWNLOAD && !atomic_load(&s->finished) &&
			(!s->placed || f->aside || f->length == 0);
	int flags = writable ? O_RDWR : O_RDONLY;
	struct store_place at;
	struct stat st;
	int fd;

	if (make && writable)
		flags |= O_CREAT;
	store_place_of(s, f, &at);
	/* BEP 47 'x': created with it, so that the umask is honoured exactly. */
	if (s->mode == STORE_SEED)
		fd = open_shared(s, f, info);
	else
		fd = root_openat(at.root, at.path, flags, f->executable ? 0777 : 0666, info);
	/* The one file of a download may have got its final name this moment. */
	if (fd == ERR_NOENT && s->data == &s->parent && atomic_load(&s->renaming)) {
		fd = root_openat(s->data, s->final_rel, O_RDONLY, 0, info);
		/* The first answer does not count. */
		if (fd >= 0 && info != NULL)
			info->code = OK;
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return root_fail(s->data, f->path, ERR_INVALID, "not a regular file", info);
}

/* Another thread may have opened the file meanwhile: then that one serves. */
static int handle_add(struct store *s, struct store_file *f, int fd, bool make, struct handle **out,
		      struct err_info *info)
{
	struct store_hub *h = s->hub;
	struct handle *x = malloc(sizeof(*x));

	if (x == NULL) {
		close(fd);
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	}
	pthread_mutex_lock(&h->files_lock);
	f->fresh = f->fresh || make;
	if (f->handle != NULL) {
		close(fd);
		free(x);
		x = f->handle;
		x->refs++;
	} else {
		*x = (struct handle){.fd = fd, .refs = 1, .file = f};
		pthread_mutex_init(&x->writer, NULL);
		f->handle = x;
		lru_link(h, x);
		h->n_handles++;
		evict(h, h->max_handles);
	}
	pthread_mutex_unlock(&h->files_lock);
	*out = x;
	return OK;
}

int file_get(struct store *s, struct store_file *f, bool make, struct handle **out,
	     struct err_info *info)
{
	struct store_hub *h = s->hub;
	uint64_t since_ms = 0;
	struct handle *x;
	int fd;

	pthread_mutex_lock(&h->files_lock);
	x = f->handle;
	if (x != NULL) {
		x->refs++;
		if (h->recent != x) {
			lru_unlink(h, x);
			lru_link(h, x);
		}
	}
	pthread_mutex_unlock(&h->files_lock);
	*out = x;
	if (x != NULL)
		return OK;
	do {
		pthread_rwlock_rdlock(&s->places);
		fd = open_file(s, f, make, info);
		if (fd >= 0)
			fd = handle_add(s, f, fd, make, out, info);
		pthread_rwlock_unlock(&s->places);
	} while (fd == ERR_TOO_BIG && hub_spare(h, &since_ms));
	if (fd == OK && since_ms != 0 && info != NULL)
		info->code = OK; /* the first answers do not count */
	return fd;
}

void file_put(struct store *s, struct handle *x, bool wrote)
{
	struct store_hub *h = s->hub;

	pthread_mutex_lock(&h->files_lock);
	if (wrote)
		x->file->dirty = x->file->wrote = true;
	x->refs--;
	if (x->forgotten && x->refs == 0)
		handle_close(h, x);
	if (h->n_handles > h->max_handles)
		evict(h, h->max_handles);
	pthread_mutex_unlock(&h->files_lock);
}

int file_fail(const struct store *s, const struct store_file *f, enum err code, const char *why,
	      struct err_info *info)
{
	bool one = s->data == &s->parent, renamed = s->mode == STORE_DOWNLOAD && !one;
	char path[STORE_PLACE_MAX];

	snprintf(path, sizeof(path), "%s%s%s", one || renamed ? s->final_rel : "",
		 renamed ? "/" : "", one ? "" : f->path);
	return root_fail(renamed ? &s->parent : s->data, path, code, why, info);
}

bool file_changed(struct store *s, const struct handle *x)
{
	const struct store_file *f = x->file;
	struct file_stamp as;
	struct stat st;

	if (!atomic_load(&s->stamped))
		return false;
	pthread_mutex_lock(&s->hub->files_lock);
	as = f->stamp;
	pthread_mutex_unlock(&s->hub->files_lock);
	if (!as.known)
		return false;
	return as.changed || fstat(x->fd, &st) != 0 || (uint64_t)st.st_size != f->length ||
	       st.st_ino != as.ino || st.st_mtim.tv_sec != as.mtime.tv_sec ||
	       st.st_mtim.tv_nsec != as.mtime.tv_nsec;
}

void file_stamp(struct store *s, struct store_file *f, const struct file_stamp *as)
{
	pthread_mutex_lock(&s->hub->files_lock);
	f->stamp = *as;
	pthread_mutex_unlock(&s->hub->files_lock);
}

void file_unstamp(struct store *s, struct store_file *f)
{
	file_stamp(s, f, &(struct file_stamp){.known = false});
}

void stamp_file(struct store *s, struct store_file *f, const struct stat *st)
{
	file_stamp(s, f,
		   &(struct file_stamp){.known = true, .mtime = st->st_mtim, .ino = st->st_ino});
}

/* No job is out any more, so nobody holds a handle but the loop. */
void files_close(struct store *s)
{
	struct store_hub *h = s->hub;

	pthread_mutex_lock(&h->files_lock);
	for (uint32_t i = 0; i < s->n_files; i++) {
		struct handle *x = s->files[i].handle;

		if (x != NULL)
			handle_close(h, x);
	}
	pthread_mutex_unlock(&h->files_lock);
	free(s->files);
	free(s->paths);
}

/* ---- runs of bytes ------------------------------------------------------ */

struct part_walk part_walk(const struct store *s, uint64_t offset, uint64_t len)
{
	uint32_t lo = 0, hi = s->n_data;

	/* The first file that ends beyond `offset`. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s->files[mid].offset + s->files[mid].length > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (struct part_walk){.s = s, .offset = offset, .left = len, .i = lo};
}

bool part_next(struct part_walk *w, struct part *out)
{
	struct store_file *f = w->i < w->s->n_data ? &w->s->files[w->i] : NULL;
	uint64_t len = w->left;

	if (w->left == 0)
		return false;
	*out = (struct part){.file = NULL};
	if (f != NULL && f->offset > w->offset) {
		if (f->offset - w->offset < len)
			len = f->offset - w->offset;
	} else if (f != NULL) {
		out->file = f;
		out->at = w->offset - f->offset;
		if (f->length - out->at <= len) {
			len = f->length - out->at;
			w->i++;
		}
	}
	out->len = (size_t)len;
	w->offset += len;
	w->left -= len;
	return true;
}

static bool is_zeros(const uint8_t *ptr, size_t len)
{
	return len == 0 || (ptr[0] == 0 && memcmp(ptr, ptr + 1, len - 1) == 0);
}

/* Up to the end of the file. What it says of holes is not believed: there were file systems that
 * forgot what was not on disk yet. */
static bool reads_as_zeros(int fd, uint64_t at, uint64_t end)
{
	uint8_t there[BLOCK_BYTES];
	ssize_t n = 1;

	while (at < end && n > 0) {
		size_t want = end - at < sizeof(there) ? (size_t)(end - at) : sizeof(there);

		n = pread(fd, there, want, (off_t)at);
		if (n < 0 ? errno != EINTR : !is_zeros(there, (size_t)n))
			return false;
		at += n > 0 ? (uint64_t)n : 0;
		n = n < 0 ? 1 : n;
	}
	return true;
}

/* Zeros take no room where nothing was written before. What they make longer is as long then. */
static bool is_left_out(int fd, struct bytes data, uint64_t at)
{
	uint64_t end = at + data.len;
	struct stat st;
	off_t next;

	if (!is_zeros(data.ptr, data.len))
		return false;
	next = lseek(fd, (off_t)at, SEEK_DATA);
	if (next < 0 ? errno != ENXIO : (uint64_t)next < end)
		return false;
	return reads_as_zeros(fd, at, end) && fstat(fd, &st) == 0 &&
	       ((uint64_t)st.st_size >= end || ftruncate(fd, (off_t)end) == 0);
}

static int write_at(struct handle *x, struct bytes data, uint64_t at)
{
	int error = 0;

	pthread_mutex_lock(&x->writer);
	if (is_left_out(x->fd, data, at))
		data.len = 0;
	while (data.len > 0 && error == 0) {
		ssize_t n = pwrite(x->fd, data.ptr, data.len, (off_t)at);

		if (n < 0) {
			error = errno == EINTR ? 0 : errno;
			continue;
		}
		at += (uint64_t)n;
		data = bytes_sub(data, (size_t)n, data.len - (size_t)n);
	}
	pthread_mutex_unlock(&x->writer);
	return error;
}

static int write_parts(struct store *s, uint64_t offset, struct bytes data, struct err_info *info)
{
	struct part_walk w = part_walk(s, offset, data.len);
	struct part part;
	size_t pos = 0;

	for (; part_next(&w, &part); pos += part.len) {
		struct handle *x;
		int error, err;

		/* At its final name are these bytes already. */
		if (part.file == NULL || (s->placed && !part.file->aside))
			continue;
		err = file_get(s, part.file, true, &x, info);
		if (err != OK)
			return err;
		error = write_at(x, bytes_sub(data, pos, part.len), part.at);
		file_put(s, x, true);
		if (error != 0)
			return root_errno_at(s->data, part.file->path, error, info);
	}
	return OK;
}

int bytes_write(struct store *s, uint64_t offset, struct bytes data, struct err_info *info)
{
	int err = left_write_begin(s, info);

	if (err != OK)
		return err;
	err = write_parts(s, offset, data, info);
	left_write_end(s);
	return err;
}

static int read_at(struct store *s, const struct part *part, uint8_t *out, struct err_info *info)
{
	struct handle *x;
	size_t pos = 0;
	int error = 0, err = file_get(s, part->file, false, &x, info);

	if (err != OK)
		return err;
	while (pos < part->len && error == 0) {
		ssize_t n = pread(x->fd, out + pos, part->len - pos, (off_t)(part->at + pos));

		if (n == 0)
			break;
		if (n > 0)
			pos += (size_t)n;
		else if (errno != EINTR)
			error = errno;
	}
	file_put(s, x, false);
	if (error != 0)
		return root_errno_at(s->data, part->file->path, error, info);
	if (pos < part->len)
		return root_fail(s->data, part->file->path, ERR_MISMATCH,
				 "shorter than it should be", info);
	return OK;
}

int bytes_read(struct store *s, uint64_t offset, struct span out, struct err_info *info)
{
	struct part_walk w = part_walk(s, offset, out.len);
	struct part part;
	size_t pos = 0;

	for (; part_next(&w, &part); pos += part.len) {
		int err;

		if (part.file == NULL) {
			memset(out.ptr + pos, 0, part.len);
			continue;
		}
		err = read_at(s, &part, out.ptr + pos, info);
		if (err != OK)
			return err;
	}
	return OK;
}

void bytes_start_sync(struct store *s, uint64_t offset, uint64_t len)
{
	struct part_walk w = part_walk(s, offset, len);
	struct part part;

	while (part_next(&w, &part)) {
		struct handle *x;

		if (part.file == NULL || part.len < WRITEBACK_MIN ||
		    file_get(s, part.file, false, &x, NULL) != OK)
			continue;
		(void)sync_file_range(x->fd, (off_t)part.at, (off_t)part.len,
				      SYNC_FILE_RANGE_WRITE);
		file_put(s, x, false);
	}
}

void bytes_clear_pads(const struct store *s, uint64_t offset, struct span data)
{
	struct part_walk w = part_walk(s, offset, data.len);
	struct part part;
	size_t pos = 0;

	for (; part_next(&w, &part); pos += part.len) {
		if (part.file == NULL)
			memset(data.ptr + pos, 0, part.len);
	}
}
