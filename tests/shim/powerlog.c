/* tests/shim/powerlog.c - writes down, in order, all that a program does to its disk.
 *
 *     LD_PRELOAD=libpowerlog.so SHOAL_POWERLOG=FILE shoal get ...
 *
 * tests/e2e/power.py reads FILE and makes of it what a disk may hold when the power goes at any
 * record: what was not synced by then is there, or not, or in part. Records are written under a
 * lock that is held across the call itself, so that their order is the order in which things
 * happened. Files are known by inode. What is not seen: bytes written through mmap (of SQLite that
 * is its -shm, which it makes anew), and stdio. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The calls of the next library in line. */
#define REAL(name) ((__typeof__(&name))real(#name))
#define NAME_BYTES_MAX 256u

/* One record; behind it come `name`, `name2` and `data`. Of the machine's own byte order. */
struct record {
	char op;       /* Write, Truncate, Create, Link, Unlink, Rename, Sync, syncfs: 'A' */
	uint8_t flags; /* of a creation: a folder; of a rename: RENAME_EXCHANGE */
	uint16_t name_len, name2_len, pad;
	uint64_t a, b;	  /* inodes: the file, or the folders; b of W and T: its time of change */
	uint64_t at, len; /* of data; the new size; the mode of what is made */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	return found;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SHOAL_POWERLOG");

	if (path != NULL)
		log_fd = REAL(open64)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Processes have a description of the log each, threads share one. */
static void enter(void)
{
	pthread_mutex_lock(&lock);
	(void)flock(log_fd, LOCK_EX);
}

static void leave(void)
{
	int error = errno;

	(void)flock(log_fd, LOCK_UN);
	pthread_mutex_unlock(&lock);
	errno = error;
}

static void put(struct record *r, const char *name, const char *name2, const void *data)
{
	struct iovec parts[4] = {{r, sizeof(*r)}};
	int error = errno;

	if (log_fd < 0)
		return;
	r->name_len = name == NULL ? 0 : (uint16_t)strlen(name);
	r->name2_len = name2 == NULL ? 0 : (uint16_t)strlen(name2);
	parts[1] = (struct iovec){(void *)name, r->name_len};
	parts[2] = (struct iovec){(void *)name2, r->name2_len};
	parts[3] = (struct iovec){(void *)data, data == NULL ? 0 : r->len};
	if (REAL(writev)(log_fd, parts, 4) < 0)
		abort();
	errno = error;
}

/* ---- where ------------------------------------------------------------------------------ */

struct place {
	uint64_t folder; /* inode */
	char name[NAME_BYTES_MAX];
	bool there;
	uint64_t inode; /* of what is there */
};

static void look(int dir, const char *path, struct place *out)
{
	const char *slash = strrchr(path, '/'), *leaf = slash == NULL ? path : slash + 1;
	char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	int error = errno;
	struct stat64 st;

	*out = (struct place){.folder = 0};
	if (folder != NULL && fstatat64(dir, folder, &st, 0) == 0)
		out->folder = st.st_ino;
	snprintf(out->name, sizeof(out->name), "%s", leaf);
	out->there = fstatat64(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	out->inode = out->there ? st.st_ino : 0;
	free(folder);
	errno = error;
}

/* A regular file's inode, else 0. */
static uint64_t file_of(int fd, struct stat64 *st)
{
	return log_fd >= 0 && fd != log_fd && fstat64(fd, st) == 0 && S_ISREG(st->st_mode)
		   ? st->st_ino
		   : 0;
}

/* In nanoseconds. */
static uint64_t changed_at(int fd)
{
	struct stat64 st;
	int error = errno;
	bool ok = fstat64(fd, &st) == 0;

	errno = error;
	return !ok ? 0 : (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

/* ---- opening and making ----------------------------------------------------------------- */

static void note_open(const struct place *p, int fd, int flags)
{
	struct stat64 st;
	uint64_t ino = fd < 0 ? 0 : file_of(fd, &st);

	if (ino == 0)
		return;
	if (!p->there)
		put(&(struct record){.op = 'C', .a = p->folder, .b = ino, .at = st.st_mode & 07777},
		    p->name, NULL, NULL);
	else if ((flags & O_TRUNC) != 0)
		put(&(struct record){.op = 'T', .a = ino, .b = changed_at(fd)}, NULL, NULL, NULL);
}

static int open_noted(int dir, const char *path, int flags, mode_t mode)
{
	struct place p;
	int fd;

	if (log_fd < 0 || (flags & (O_CREAT | O_TRUNC)) == 0)
		return REAL(openat64)(dir, path, flags, mode);
	enter();
	look(dir, path, &p);
	fd = REAL(openat64)(dir, path, flags, mode);
	note_open(&p, fd, flags);
	leave();
	return fd;
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;            \
		va_end(ap);                                                                        \
	} while (0)

int open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return open_noted(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return open_noted(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return open_noted(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return open_noted(dir, path, flags | O_LARGEFILE, mode);
}

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2 && log_fd >= 0) {
		const struct open_how *how = (const struct open_how *)a[2];
		struct place p;
		long fd;

		enter();
		look((int)a[0], (const char *)a[1], &p);
		fd = REAL(syscall)(number, a[0], a[1], a[2], a[3]);
		note_open(&p, (int)fd, (int)how->flags);
		leave();
		return fd;
	}
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	struct place p;
	int r;

	if (log_fd < 0)
		return REAL(mkdirat)(dir, path, mode);
	enter();
	r = REAL(mkdirat)(dir, path, mode);
	look(dir, path, &p);
	if (r == 0)
		put(
		    &(struct record){
			.op = 'C', .flags = 1, .a = p.folder, .b = p.inode, .at = mode & 0755},
		    p.name, NULL, NULL);
	leave();
	return r;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

/* ---- bytes -------------------------------------------------------------------------------- */

static void note_write(int fd, uint64_t ino, const void *data, uint64_t at, ssize_t n)
{
	if (ino != 0 && n > 0)
		put(
		    &(struct record){
			.op = 'W', .a = ino, .b = changed_at(fd), .at = at, .len = (uint64_t)n},
		    NULL, NULL, data);
}

ssize_t write(int fd, const void *data, size_t len)
{
	struct stat64 st;
	uint64_t ino = file_of(fd, &st), at;
	ssize_t n;

	if (ino == 0)
		return REAL(write)(fd, data, len);
	enter();
	/* Others may have written meanwhile, until the lock was ours. */
	(void)fstat64(fd, &st);
	at = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? (uint64_t)st.st_size
						  : (uint64_t)lseek64(fd, 0, SEEK_CUR);
	n = REAL(write)(fd, data, len);
	note_write(fd, ino, data, at, n);
	leave();
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	struct stat64 st;
	uint64_t ino = file_of(fd, &st);
	ssize_t n;

	if (ino == 0)
		return REAL(pwrite64)(fd, data, len, at);
	enter();
	n = REAL(pwrite64)(fd, data, len, at);
	note_write(fd, ino, data, (uint64_t)at, n);
	leave();
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

/* Logged as what the target holds after it. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
			unsigned flags)
{
	struct stat64 st;
	uint64_t ino = file_of(out, &st);
	off64_t at;
	uint8_t *copy;
	ssize_t n;

	if (ino == 0 || out_at == NULL)
		return REAL(copy_file_range)(in, in_at, out, out_at, len, flags);
	enter();
	at = *out_at;
	n = REAL(copy_file_range)(in, in_at, out, out_at, len, flags);
	copy = n > 0 ? malloc((size_t)n) : NULL;
	if (copy != NULL && pread64(out, copy, (size_t)n, at) == n)
		note_write(out, ino, copy, (uint64_t)at, n);
	free(copy);
	leave();
	return n;
}

int ftruncate64(int fd, off64_t size)
{
	struct stat64 st;
	uint64_t ino = file_of(fd, &st);
	int r;

	if (ino == 0)
		return REAL(ftruncate64)(fd, size);
	enter();
	r = REAL(ftruncate64)(fd, size);
	if (r == 0)
		put(
		    &(struct record){
			.op = 'T', .a = ino, .b = changed_at(fd), .len = (uint64_t)size},
		    NULL, NULL, NULL);
	leave();
	return r;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	struct stat64 st;
	uint64_t ino = file_of(fd, &st);
	int r;

	if (ino == 0)
		return REAL(fallocate64)(fd, mode, at, len);
	enter();
	r = REAL(fallocate64)(fd, mode, at, len);
	if (r == 0 && fstat64(fd, &st) == 0)
		put(
		    &(struct record){
			.op = 'T', .a = ino, .b = changed_at(fd), .len = (uint64_t)st.st_size},
		    NULL, NULL, NULL);
	leave();
	return r;
}

/* ---- names -------------------------------------------------------------------------------- */

static int rename_noted(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	struct place a, b;
	int r;

	if (log_fd < 0)
		return REAL(renameat2)(from_dir, from, to_dir, to, flags);
	enter();
	look(from_dir, from, &a);
	look(to_dir, to, &b);
	r = REAL(renameat2)(from_dir, from, to_dir, to, flags);
	if (r == 0)
		put(&(struct record){.op = 'R',
				     .flags = (flags & RENAME_EXCHANGE) != 0,
				     .a = a.folder,
				     .b = b.folder},
		    a.name, b.name, NULL);
	leave();
	return r;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return rename_noted(from_dir, from, to_dir, to, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return rename_noted(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
	return rename_noted(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	struct place p;
	int r;

	if (log_fd < 0)
		return REAL(linkat)(from_dir, from, to_dir, to, flags);
	enter();
	r = REAL(linkat)(from_dir, from, to_dir, to, flags);
	look(to_dir, to, &p);
	if (r == 0)
		put(&(struct record){.op = 'L', .a = p.folder, .b = p.inode}, p.name, NULL, NULL);
	leave();
	return r;
}

int unlinkat(int dir, const char *path, int flags)
{
	struct place p;
	int r;

	if (log_fd < 0)
		return REAL(unlinkat)(dir, path, flags);
	enter();
	look(dir, path, &p);
	r = REAL(unlinkat)(dir, path, flags);
	if (r == 0)
		put(&(struct record){.op = 'U', .a = p.folder}, p.name, NULL, NULL);
	leave();
	return r;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- syncs -------------------------------------------------------------------------------- */

static int sync_noted(int fd, char op, int (*sync)(int))
{
	struct stat64 st;
	int r;

	if (log_fd < 0 || fstat64(fd, &st) != 0)
		return sync(fd);
	enter();
	r = sync(fd);
	if (r == 0)
		put(&(struct record){.op = op, .a = st.st_ino}, NULL, NULL, NULL);
	leave();
	return r;
}

int fsync(int fd)
{
	return sync_noted(fd, 'S', REAL(fsync));
}

int fdatasync(int fd)
{
	return sync_noted(fd, 'S', REAL(fdatasync));
}

int syncfs(int fd)
{
	return sync_noted(fd, 'A', REAL(syncfs));
}
