/* net/folder_watch.h - told when something in a folder changes (inotify(7)): one descriptor for a
 * loop, however many folders there are and however many look at each.
 *
 * It is a hint that comes soon, not the truth: programs that write through mmap(2), other machines
 * on a network file system and a lost event are not seen. Who must be certain looks for himself. */
#ifndef SHOAL_NET_FOLDER_WATCH_H
#define SHOAL_NET_FOLDER_WATCH_H

#include "base/err.h"
#include "net/loop.h"

/* Folders of one process (attack: a share of a million folders would take those watches that all
 * programs of the user have together). */
#define FOLDER_WATCH_MAX 65536u

struct folder_watcher; /* of one loop */
struct folder_watch;   /* one who looks at one folder */

enum folder_event {
	FOLDER_WRITTEN, /* a file got other bytes, and may be open still */
	FOLDER_CLOSED,	/* a file that was open for writing was closed */
	FOLDER_TOUCHED, /* times or rights of something in it changed */
	FOLDER_CAME,	/* something was made there or moved there */
	FOLDER_WENT,	/* something was removed or moved away */
	/* `name` is NULL: */
	FOLDER_MOVED,	/* the folder itself, or what it lies on */
	FOLDER_REMOVED, /* the folder itself: nothing more will be told of it */
	FOLDER_UNKNOWN, /* events were lost: anything may have happened */
};

struct folder_news {
	enum folder_event event;
	const char *name; /* in the folder; borrowed */
	bool is_folder;
};

/* Nothing is taken from the system before the first folder. Returns 0 or ERR_NOMEM. */
int folder_watcher_new(struct loop *l, struct folder_watcher **out);
/* Nobody may look any more. */
void folder_watcher_free(struct folder_watcher *w);

/* Call `fn` on the loop thread for what happens directly in the folder at `path`, which must not be
 * a link. `fn` may add and remove any.
 * Returns: 0; ERR_NOENT, ERR_DENIED, ERR_INVALID (no folder), ERR_IO; ERR_TOO_BIG when the system
 *          (fs.inotify.*) or FOLDER_WATCH_MAX allows no more; ERR_NOMEM. */
int folder_watch_add(struct folder_watcher *w, const char *path,
		     void (*fn)(void *user, const struct folder_news *news), void *user,
		     struct folder_watch **out, struct err_info *info);
void folder_watch_remove(struct folder_watch *f); /* NULL is none */

#endif
