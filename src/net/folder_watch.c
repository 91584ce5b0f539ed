#include "net/folder_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/text.h"

#define EVENTS                                                                                     \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_DELETE |            \
	 IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)
/* Read at once; the longest event is a name of 255 bytes. */
#define EVENT_BYTES 16384u

struct folder_watch {
	struct folder_watcher *w;
	struct folder *folder; /* NULL: the system forgot it */
	void (*fn)(void *user, const struct folder_news *news);
	void *user;
	LIST_ENTRY(folder_watch) in_folder, in_all;
};

/* What the system watches. */
struct folder {
	int wd;
	LIST_HEAD(, folder_watch) watches;
};

struct folder_watcher {
	struct loop *loop;
	struct loop_io *io;
	int fd;			 /* -1 before the first */
	struct folder **folders; /* by wd, which the system counts upwards */
	size_t n;
	uint32_t cap;
	LIST_HEAD(, folder_watch) all;
	struct folder_watch *next; /* whose turn it is after the one that is being told */
	bool telling_all;	   /* of `all`, not of one folder */
};

int folder_watcher_new(struct loop *l, struct folder_watcher **out)
{
	struct folder_watcher *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return ERR_NOMEM;
	w->loop = l;
	w->fd = -1;
	LIST_INIT(&w->all);
	*out = w;
	return OK;
}

void folder_watcher_free(struct folder_watcher *w)
{
	if (w == NULL)
		return;
	loop_io_free(w->io);
	if (w->fd >= 0)
		close(w->fd);
	free(w->folders);
	free(w);
}

/* ---- the table -------------------------------------------------------------------- */

/* The first whose number is not below `wd`. */
static size_t place_of(const struct folder_watcher *w, int wd)
{
	size_t lo = 0, hi = w->n;

	if (w->n > 0 && w->folders[w->n - 1]->wd < wd)
		return w->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->folders[mid]->wd < wd)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct folder *folder_by(const struct folder_watcher *w, int wd)
{
	size_t at = place_of(w, wd);

	return at < w->n && w->folders[at]->wd == wd ? w->folders[at] : NULL;
}

static struct folder *folder_add(struct folder_watcher *w, int wd)
{
	struct folder *f = folder_by(w, wd);
	size_t at;
	struct folder **grown;

	if (f != NULL)
		return f;
	grown = grow(w->folders, w->n, &w->cap, 16, sizeof(struct folder *));
	if (grown == NULL)
		return NULL;
	w->folders = grown;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->wd = wd;
	LIST_INIT(&f->watches);
	at = place_of(w, wd);
	memmove(w->folders + at + 1, w->folders + at, (w->n - at) * sizeof(struct folder *));
	w->folders[at] = f;
	w->n++;
	return f;
}

static void folder_drop(struct folder_watcher *w, struct folder *f)
{
	size_t at = place_of(w, f->wd);

	memmove(w->folders + at, w->folders + at + 1, (w->n - at - 1) * sizeof(struct folder *));
	w->n--;
	free(f);
}

/* ---- events ------------------------------------------------------------------------ */

/* Those who are told may add and remove any, themselves too. */
static void tell_folder(struct folder_watcher *w, const struct folder *folder,
			const struct folder_news *news)
{
	struct folder_watch *f = LIST_FIRST(&folder->watches);

	for (; f != NULL; f = w->next) {
		w->next = LIST_NEXT(f, in_folder);
		f->fn(f->user, news);
	}
}

static void tell_all(struct folder_watcher *w)
{
	static const struct folder_news news = {.event = FOLDER_UNKNOWN};
	struct folder_watch *f = LIST_FIRST(&w->all);

	w->telling_all = true;
	for (; f != NULL; f = w->next) {
		w->next = LIST_NEXT(f, in_all);
		f->fn(f->user, &news);
	}
	w->telling_all = false;
}

/* It was removed, or its file system is gone. */
static void forget(struct folder_watcher *w, struct folder *folder)
{
	struct folder_watch *f;

	while ((f = LIST_FIRST(&folder->watches)) != NULL) {
		LIST_REMOVE(f, in_folder);
		f->folder = NULL;
	}
	folder_drop(w, folder);
}

static enum folder_event event_of(uint32_t mask)
{
	if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0)
		return FOLDER_CAME;
	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		return FOLDER_WENT;
	if ((mask & IN_CLOSE_WRITE) != 0)
		return FOLDER_CLOSED;
	if ((mask & IN_MODIFY) != 0)
		return FOLDER_WRITTEN;
	return FOLDER_TOUCHED;
}

static void take(struct folder_watcher *w, const struct inotify_event *e)
{
	struct folder *folder = folder_by(w, e->wd);
	struct folder_news news = {.event = event_of(e->mask),
				   .name = e->len > 0 ? e->name : NULL,
				   .is_folder = (e->mask & IN_ISDIR) != 0};

	if ((e->mask & IN_Q_OVERFLOW) != 0) {
		tell_all(w);
		return;
	}
	if (folder == NULL)
		return;
	if ((e->mask & IN_IGNORED) != 0) {
		forget(w, folder);
		return;
	}
	if ((e->mask & (IN_DELETE_SELF | IN_UNMOUNT)) != 0)
		news = (struct folder_news){.event = FOLDER_REMOVED};
	else if ((e->mask & IN_MOVE_SELF) != 0)
		news = (struct folder_news){.event = FOLDER_MOVED};
	else if (news.name == NULL)
		return; /* the folder's own times */
	tell_folder(w, folder, &news);
}

static void on_ready(void *arg, unsigned ready)
{
	struct folder_watcher *w = arg;
	union {
		struct inotify_event first; /* for its alignment */
		uint8_t bytes[EVENT_BYTES];
	} in;
	ssize_t n = read(w->fd, in.bytes, sizeof(in.bytes));
	size_t at = 0;

	(void)ready;
	while (n > 0 && at < (size_t)n) {
		const struct inotify_event *e = (const void *)(in.bytes + at);

		at += sizeof(*e) + e->len;
		take(w, e);
	}
}

/* ---- who looks --------------------------------------------------------------------- */

static int no_more(struct err_info *info, const char *what)
{
	return err_set(info, ERR_TOO_BIG, "no more folders can be watched (%s)", what);
}

static int begin(struct folder_watcher *w, struct err_info *info)
{
	if (w->fd >= 0)
		return OK;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return errno == EMFILE ? no_more(info, "fs.inotify.max_user_instances")
				       : err_set(info, ERR_IO, "inotify: %s", strerror(errno));
	w->io = loop_io_new(w->loop, w->fd, on_ready, w);
	if (w->io == NULL) {
		close(w->fd);
		w->fd = -1;
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	loop_io_want(w->io, LOOP_READ);
	return OK;
}

static int refused(const char *path, int error, struct err_info *info)
{
	char safe[256];
	enum err code = error == ENOENT			     ? ERR_NOENT
			: error == EACCES		     ? ERR_DENIED
			: error == ENOTDIR || error == ELOOP ? ERR_INVALID
							     : ERR_IO;

	if (error == ENOSPC)
		return no_more(info, "fs.inotify.max_user_watches");
	return err_set(info, code, "%s: cannot be watched: %s",
		       text_escape(safe, sizeof(safe), bytes_str(path)), strerror(error));
}

int folder_watch_add(struct folder_watcher *w, const char *path,
		     void (*fn)(void *user, const struct folder_news *news), void *user,
		     struct folder_watch **out, struct err_info *info)
{
	struct folder_watch *f;
	int wd, err = begin(w, info);

	if (err != OK)
		return err;
	if (w->n >= FOLDER_WATCH_MAX)
		return no_more(info, "of this program");
	wd = inotify_add_watch(w->fd, path, EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW);
	if (wd < 0)
		return refused(path, errno, info);
	f = calloc(1, sizeof(*f));
	if (f != NULL)
		f->folder = folder_add(w, wd);
	if (f == NULL || f->folder == NULL) {
		if (folder_by(w, wd) == NULL)
			(void)inotify_rm_watch(w->fd, wd);
		free(f);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	f->w = w;
	f->fn = fn;
	f->user = user;
	LIST_INSERT_HEAD(&f->folder->watches, f, in_folder);
	LIST_INSERT_HEAD(&w->all, f, in_all);
	*out = f;
	return OK;
}

void folder_watch_remove(struct folder_watch *f)
{
	struct folder_watcher *w;
	struct folder *folder;

	if (f == NULL)
		return;
	w = f->w;
	folder = f->folder;
	/* In whichever of the two lists it is walked. */
	if (w->next == f)
		w->next = w->telling_all ? LIST_NEXT(f, in_all) : LIST_NEXT(f, in_folder);
	LIST_REMOVE(f, in_all);
	if (folder != NULL) {
		LIST_REMOVE(f, in_folder);
		if (LIST_EMPTY(&folder->watches)) {
			(void)inotify_rm_watch(w->fd, folder->wd);
			folder_drop(w, folder);
		}
	}
	free(f);
}
