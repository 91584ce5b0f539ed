#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/grow.h"
#include "base/text.h"
#include "meta/metainfo.h"
#include "meta/selection.h"
#include "store/root.h"

struct walk {
	struct scan *scan;
	const char *const *exclude;
	uint32_t cap;
	struct buf path; /* of the folder or file at hand, beneath the scanned folder */
	struct err_info *info;
};

/* Where the walk is, as a path that a person can look at. */
static const char *place(struct walk *w, char out[PATH_MAX])
{
	const struct scan *s = w->scan;
	const char *rel = s->single ? NULL : buf_cstr(&w->path);
	bool inside = rel != NULL && *rel != '\0';

	snprintf(out, PATH_MAX, "%s/%s%s%s", strcmp(s->parent, "/") == 0 ? "" : s->parent, s->name,
		 inside ? "/" : "", inside ? rel : "");
	return out;
}

static int fault(struct walk *w, enum err code, const char *why)
{
	char path[PATH_MAX], name[300];

	place(w, path);
	return err_set(w->info, code, "%s: %s", text_escape(name, sizeof(name), bytes_str(path)),
		       why);
}

static int fault_errno(struct walk *w, int error)
{
	char path[PATH_MAX];

	return root_errno(w->info, place(w, path), error);
}

static int add_file(struct walk *w, const struct stat *st)
{
	struct scan *s = w->scan;
	const char *path = buf_cstr(&w->path);
	char *copy = path == NULL ? NULL : strdup(path);
	struct scan_file *grown = grow(s->files, s->n_files, &w->cap, 16, sizeof(*grown));

	if (grown != NULL)
		s->files = grown;
	if (copy == NULL || grown == NULL) {
		free(copy);
		return fault(w, ERR_NOMEM, "out of memory");
	}
	s->files[s->n_files++] = (struct scan_file){.path = copy,
						    .length = (uint64_t)st->st_size,
						    .executable = (st->st_mode & S_IXUSR) != 0};
	s->total_bytes += (uint64_t)st->st_size;
	return 0;
}

static bool ends_with(struct bytes s, const char *end, struct bytes *head)
{
	size_t n = strlen(end);

	if (s.len < n || memcmp(s.ptr + s.len - n, end, n) != 0)
		return false;
	*head = bytes_sub(s, 0, s.len - n);
	return true;
}

/* ".NAME.<8 hex digits>.shoal" and what lies beside it, as store/store.h names them; and the state
 * file while it is being written (store/durable.h). */
bool scan_is_unfinished(struct bytes name)
{
	static const char *const ends[] = {".shoal", ".shoal-state", ".shoal-state.tmp",
					   ".shoal-rest"};
	struct bytes head = bytes_of(NULL, 0);
	size_t k = 0;

	while (k < sizeof(ends) / sizeof(ends[0]) && !ends_with(name, ends[k], &head))
		k++;
	if (head.len < 11 || head.ptr[0] != '.' || head.ptr[head.len - 9] != '.')
		return false;
	for (size_t i = head.len - 8; i < head.len; i++)
		if (strchr("0123456789abcdef", head.ptr[i]) == NULL || head.ptr[i] == 0)
			return false;
	return true;
}

static int walk_folder(struct walk *w, int fd, unsigned depth);

/* Without a race between looking and entering: the descriptor decides what it is. */
static int walk_subfolder(struct walk *w, int parent, const char *name, unsigned depth)
{
	int fd;

	if (depth == SCAN_DEPTH_MAX)
		return fault(w, ERR_TOO_BIG, "too many folders in one another");
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0; /* gone or replaced since it was listed */
	if (fd < 0)
		return fault_errno(w, errno);
	return walk_folder(w, fd, depth + 1);
}

static int skip(struct walk *w, const char *path)
{
	struct scan *s = w->scan;

	if (s->skipped++ > 0)
		return 0;
	s->skipped_first = strdup(path);
	return s->skipped_first == NULL ? fault(w, ERR_NOMEM, "out of memory") : 0;
}

static int walk_entry(struct walk *w, int parent, const char *name, unsigned depth)
{
	const char *path = buf_cstr(&w->path);
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : fault_errno(w, errno);
	if (path == NULL)
		return fault(w, ERR_NOMEM, "out of memory");
	if (selection_excludes(w->exclude, path, S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return walk_subfolder(w, parent, name, depth);
	if (!S_ISREG(st.st_mode))
		return skip(w, path);
	if (w->scan->n_files == META_FILES_MAX)
		return fault(w, ERR_TOO_BIG, "more files than one torrent can hold");
	return add_file(w, &st);
}

/* For the path of something in the folder at hand, which is named in its stead. */
static int no_room(struct walk *w, enum err code, size_t folder_len)
{
	buf_clear(&w->path);
	w->path.len = folder_len;
	return fault(w, code,
		     code == ERR_NOMEM ? "out of memory"
				       : "the path of what is in it is too long for a torrent");
}

static int walk_name(struct walk *w, int parent, const char *name, unsigned depth)
{
	size_t before = w->path.len;
	int err;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    scan_is_unfinished(bytes_str(name)))
		return 0;
	if (before > 0)
		buf_put_u8(&w->path, '/');
	err = buf_put_str(&w->path, name);
	if (err == 0)
		err = walk_entry(w, parent, name, depth);
	else
		err = no_room(w, err, before);
	w->path.len = before;
	return err;
}

/* Takes over `fd`. */
static int walk_folder(struct walk *w, int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	int err = 0;

	if (dir == NULL) {
		err = fault_errno(w, errno);
		close(fd);
		return err;
	}
	while (err == 0) {
		struct dirent *d;

		errno = 0;
		d = readdir(dir);
		if (d == NULL) {
			err = errno == 0 ? 0 : fault_errno(w, errno);
			break;
		}
		err = walk_name(w, dirfd(dir), d->d_name, depth);
	}
	closedir(dir);
	return err;
}

/* Name and parent of the thing itself: links resolved, "." and ".." gone. */
static int split_path(struct scan *s, const char *path, struct err_info *info)
{
	char *real = realpath(path, NULL);
	char *slash;
	int err = 0;

	if (real == NULL)
		return root_errno(info, path, errno);
	slash = strrchr(real, '/');
	if (slash == NULL || slash[1] == '\0') {
		err = err_set(info, ERR_INVALID, "/: the whole system cannot be shared");
	} else {
		s->name = strdup(slash + 1);
		s->parent = slash == real ? strdup("/") : strndup(real, (size_t)(slash - real));
		if (s->name == NULL || s->parent == NULL)
			err = err_set(info, ERR_NOMEM, "out of memory");
	}
	free(real);
	return err;
}

static int scan_any(struct walk *w, const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) != 0)
		return root_errno(w->info, path, errno);
	if (S_ISREG(st.st_mode)) {
		w->scan->single = true;
		if (buf_put_str(&w->path, w->scan->name) != 0)
			return fault(w, ERR_NOMEM, "out of memory");
		return add_file(w, &st);
	}
	if (!S_ISDIR(st.st_mode)) {
		char name[300];

		text_escape(name, sizeof(name), bytes_str(path));
		return err_set(w->info, ERR_INVALID, "%s: is neither a file nor a folder", name);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return root_errno(w->info, path, errno);
	return walk_folder(w, fd, 0);
}

int scan_path(const char *path, const char *const *exclude, struct scan *out, struct err_info *info)
{
	struct walk w = {.scan = out, .exclude = exclude, .info = info};
	int err;

	*out = (struct scan){0};
	buf_init(&w.path, META_PATH_BYTES_MAX);
	err = split_path(out, path, info);
	if (err == 0)
		err = scan_any(&w, path);
	buf_fini(&w.path);
	if (err != 0)
		scan_fini(out);
	return err;
}

void scan_fini(struct scan *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		free(s->files[i].path);
	free(s->files);
	free(s->name);
	free(s->parent);
	free(s->skipped_first);
	*s = (struct scan){0};
}
