#include "cli/share_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/siphash.h"
#include "base/text.h"
#include "meta/selection.h"
#include "store/scan.h"

/* So much longer is waited for files that are not closed. */
#define OPEN_FACTOR 4u

struct watched {
	struct share_watch *w;
	struct folder_watch *f;
	char *path;
	LIST_ENTRY(watched) all;
};

struct share_watch {
	struct share_watch_params p;
	char *path;
	const char *name; /* the only one of interest in its folder; NULL: a folder is shared */
	LIST_HEAD(, watched) folders;
	struct loop_timer *timer;
	uint64_t due_ms;		     /* when it is told; 0: not */
	uint64_t rest_ms;		     /* not before, for it is not at rest */
	uint64_t open[SHARE_WATCH_OPEN_MAX]; /* hashes of their folder and name */
	unsigned n_open;
	bool blind; /* not everything is watched */
	bool dates; /* `changed` is looked for in what is watched */
	struct timespec changed;
};

/* ---- when it is told ------------------------------------------------------------------ */

static void tell_at(struct share_watch *w, uint64_t at_ms)
{
	uint64_t now = loop_now_ms(w->p.loop);

	w->due_ms = at_ms;
	loop_timer_set(w->timer, at_ms > now ? at_ms - now : 0);
}

static void stir(struct share_watch *w)
{
	uint64_t wait = w->p.settle_ms;

	if (w->n_open > 0)
		wait *= OPEN_FACTOR;
	w->rest_ms = loop_now_ms(w->p.loop) + wait;
	tell_at(w, w->rest_ms);
}

void share_watch_again(struct share_watch *w, uint32_t ms)
{
	uint64_t at = loop_now_ms(w->p.loop) + ms;

	if (at < w->rest_ms)
		at = w->rest_ms;
	if (w->due_ms == 0 || w->due_ms > at)
		tell_at(w, at);
}

/* How long ago anything changed last. What is dated later than now, by a clock that was set back or
 * another machine's, changed just now as far as we know. */
static uint64_t rested_ms(const struct share_watch *w)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	if (w->changed.tv_sec > now.tv_sec)
		return 0;
	ms = (int64_t)(now.tv_sec - w->changed.tv_sec) * 1000 +
	     (now.tv_nsec - w->changed.tv_nsec) / 1000000;
	return ms > 0 ? (uint64_t)ms : 0;
}

void share_watch_look(struct share_watch *w)
{
	uint64_t rested = rested_ms(w), now = loop_now_ms(w->p.loop);

	if (rested < w->p.settle_ms && w->rest_ms < now + w->p.settle_ms - rested)
		w->rest_ms = now + w->p.settle_ms - rested;
	share_watch_again(w, 0);
}

static void note_change(struct share_watch *w, const struct stat *st)
{
	const struct timespec *t = &st->st_ctim;

	if (t->tv_sec > w->changed.tv_sec ||
	    (t->tv_sec == w->changed.tv_sec && t->tv_nsec > w->changed.tv_nsec))
		w->changed = *t;
}

/* ---- files that are being written -------------------------------------------------------- */

static uint64_t hash_of(const struct watched *d, const char *name)
{
	static const struct siphash_key key = {0};

	return siphash(key, bytes_str(d->path)) ^ siphash(key, bytes_str(name)) * 3;
}

static void note_open(struct share_watch *w, uint64_t hash, bool open)
{
	unsigned i = 0;

	while (i < w->n_open && w->open[i] != hash)
		i++;
	if (open && i == w->n_open && i < SHARE_WATCH_OPEN_MAX)
		w->open[w->n_open++] = hash;
	else if (!open && i < w->n_open)
		w->open[i] = w->open[--w->n_open];
}

/* ---- folders -------------------------------------------------------------------------- */

/* As scan_path() does. */
static bool is_left_out(const struct share_watch *w, const char *folder, const char *name,
			bool is_folder)
{
	const char *beneath = folder + strlen(w->path);
	char path[META_PATH_BYTES_MAX + 1];
	int n;

	if (scan_is_unfinished(bytes_str(name)))
		return true;
	n = snprintf(path, sizeof(path), "%s/%s", beneath, name);
	return n > 0 && (size_t)n < sizeof(path) &&
	       selection_excludes(w->p.exclude, path + 1, is_folder);
}

static void watch_tree(struct share_watch *w, const char *path, unsigned depth);

static void forget(struct watched *d)
{
	LIST_REMOVE(d, all);
	folder_watch_remove(d->f);
	free(d->path);
	free(d);
}

/* What lies beneath it is somewhere else now, too. */
static void forget_moved(struct watched *d)
{
	struct share_watch *w = d->w;
	char *path = d->path;
	size_t len = strlen(path);
	struct watched *next;

	d->path = NULL;
	forget(d);
	for (d = LIST_FIRST(&w->folders); d != NULL; d = next) {
		next = LIST_NEXT(d, all);
		if (strncmp(d->path, path, len) == 0 && d->path[len] == '/')
			forget(d);
	}
	free(path);
}

static void forget_all(struct share_watch *w)
{
	while (!LIST_EMPTY(&w->folders))
		forget(LIST_FIRST(&w->folders));
	w->n_open = 0;
}

static void watch_all(struct share_watch *w)
{
	struct stat st;
	char *slash;

	forget_all(w);
	w->blind = false;
	if (stat(w->path, &st) == 0)
		w->name = S_ISREG(st.st_mode) ? strrchr(w->path, '/') + 1 : NULL;
	if (w->name == NULL) {
		watch_tree(w, w->path, 0);
		return;
	}
	slash = strrchr(w->path, '/');
	*slash = '\0';
	watch_tree(w, slash == w->path ? "/" : w->path, SCAN_DEPTH_MAX);
	*slash = '/';
}

/* With what its files and folders say of when they changed. */
static void begin_watching(struct share_watch *w)
{
	struct stat st;

	w->changed = (struct timespec){0};
	w->dates = true;
	watch_all(w);
	w->dates = false;
	/* By now what happens to it is told. */
	if (stat(w->path, &st) == 0)
		note_change(w, &st);
}

/* Whatever was made or moved into a folder before it was watched was not told: `d` is new. */
static void on_folder_came(struct watched *d, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", d->path, name) > 0)
		watch_tree(d->w, path, 1);
	free(path);
}

/* One that was moved within the share was told to have come there, and is watched anew by then. */
static void on_folder_gone(struct watched *d, enum folder_event event)
{
	struct stat st;

	if (event == FOLDER_UNKNOWN)
		watch_all(d->w);
	else if (event == FOLDER_REMOVED)
		forget(d);
	else if (lstat(d->path, &st) != 0)
		forget_moved(d);
}

static void on_news(void *user, const struct folder_news *news)
{
	struct watched *d = user;
	struct share_watch *w = d->w;

	if (news->name == NULL) {
		on_folder_gone(d, news->event);
		stir(w);
		return;
	}
	if (w->name != NULL ? strcmp(news->name, w->name) != 0
			    : is_left_out(w, d->path, news->name, news->is_folder))
		return;
	if (news->event == FOLDER_WRITTEN)
		note_open(w, hash_of(d, news->name), true);
	else if (news->event == FOLDER_CLOSED || news->event == FOLDER_WENT)
		note_open(w, hash_of(d, news->name), false);
	if (news->event == FOLDER_CAME && news->is_folder && w->name == NULL)
		on_folder_came(d, news->name);
	stir(w);
}

static void say_blind(struct share_watch *w, const struct err_info *why)
{
	char line[ERR_TEXT_MAX + 100];

	if (!w->blind && w->p.say != NULL) {
		snprintf(line, sizeof(line), "%s; looks for changes every %u s instead", why->text,
			 SHARE_WATCH_POLL_MS / 1000);
		w->p.say(w->p.user, line);
	}
	w->blind = true;
	share_watch_again(w, SHARE_WATCH_POLL_MS);
}

static bool watch_one(struct share_watch *w, const char *path)
{
	struct watched *d = calloc(1, sizeof(*d));
	struct err_info why;
	int err;

	if (d != NULL)
		d->path = strdup(path);
	if (d == NULL || d->path == NULL) {
		free(d);
		w->blind = true;
		return false;
	}
	d->w = w;
	err = folder_watch_add(w->p.watcher, path, on_news, d, &d->f, &why);
	if (err == OK) {
		LIST_INSERT_HEAD(&w->folders, d, all);
		return true;
	}
	free(d->path);
	free(d);
	/* Gone or replaced meanwhile: that is told, too. */
	if (err != ERR_NOENT && err != ERR_INVALID)
		say_blind(w, &why);
	return false;
}

static bool is_folder(int parent, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(parent, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void watch_entry(struct share_watch *w, const char *path, unsigned depth, int parent,
			const struct dirent *e)
{
	bool folder = is_folder(parent, e);
	char *sub = NULL;
	struct stat st;

	if ((!folder && !w->dates) || is_left_out(w, path, e->d_name, folder))
		return;
	if (w->dates && fstatat(parent, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note_change(w, &st);
	if (folder && asprintf(&sub, "%s/%s", path, e->d_name) > 0)
		watch_tree(w, sub, depth + 1);
	free(sub);
}

/* First the folder is watched, then what is in it is looked up: nothing is missed in between. */
static void watch_tree(struct share_watch *w, const char *path, unsigned depth)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	if (!watch_one(w, path) || depth >= SCAN_DEPTH_MAX)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL && fd >= 0)
		close(fd);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			watch_entry(w, path, depth, dirfd(dir), e);
	if (dir != NULL)
		closedir(dir);
}

/* ---- life ------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct share_watch *w = arg;
	bool was_gone = LIST_EMPTY(&w->folders);

	w->due_ms = 0;
	if (was_gone)
		begin_watching(w);
	if (w->blind || LIST_EMPTY(&w->folders))
		share_watch_again(w, SHARE_WATCH_POLL_MS);
	/* It is back, and may still be being copied there. */
	if (was_gone && !LIST_EMPTY(&w->folders))
		share_watch_look(w);
	else
		w->p.rested(w->p.user);
}

int share_watch_new(const struct share_watch_params *p, struct share_watch **out)
{
	struct share_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return ERR_NOMEM;
	w->p = *p;
	LIST_INIT(&w->folders);
	w->path = strdup(p->path);
	w->timer = loop_timer_new(p->loop, on_timer, w);
	if (w->path == NULL || w->timer == NULL) {
		share_watch_free(w);
		return ERR_NOMEM;
	}
	begin_watching(w);
	*out = w;
	return OK;
}

void share_watch_free(struct share_watch *w)
{
	if (w == NULL)
		return;
	forget_all(w);
	loop_timer_free(w->timer);
	free(w->path);
	free(w);
}
