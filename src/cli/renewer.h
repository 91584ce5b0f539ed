/* cli/renewer.h - watched shares are made anew when they have changed and come to rest: one after
 * the other, on a thread of its own, while the loop serves what was; what fails is tried again
 * later. */
#ifndef SHOAL_CLI_RENEWER_H
#define SHOAL_CLI_RENEWER_H

#include <stdatomic.h>

#include "cli/share_watch.h"

/* After a failure it is tried again after so long, and twice that, up to the most. */
#define RENEWER_AGAIN_MS 2000u
#define RENEWER_AGAIN_MAX_MS 60000u

struct renewer;

struct renewer_params {
	struct loop *loop;
	struct folder_watcher *watcher;
	/* On the thread: make it anew. Ends soon once *stop is true. */
	int (*make)(void *user, void *item, const atomic_bool *stop, struct err_info *why);
	/* On the loop, when that went well: use what was made. */
	int (*use)(void *user, void *item, struct err_info *why);
	/* On the loop, each time that it could not be made or used, before it is said. May be NULL.
	 */
	void (*failed)(void *user, void *item);
	/* On the loop, about what went wrong, once for each reason, and about what is not watched.
	 */
	void (*say)(void *user, void *item, const char *text);
	/* On the loop: one that was taken out is used by nobody any more. May be NULL. */
	void (*gone)(void *user, void *item);
	void *user;
};

int renewer_new(const struct renewer_params *p, struct renewer **out);
/* Waits for the thread. NULL is none. */
void renewer_free(struct renewer *r);
/* Watch `path` (absolute), which is at rest when nothing happened for `settle_ms`, and look at it
 * once at the start, as soon as it is at rest. `exclude`: see struct share_watch_params. Owns:
 * `item` and `exclude` are the caller's, until the end or gone(). Returns 0 or ERR_NOMEM. */
int renewer_add(struct renewer *r, const char *path, uint32_t settle_ms, const char *const *exclude,
		void *item);
/* What is being made of it is given up soon; gone() follows, at once or then. */
void renewer_remove(struct renewer *r, void *item);
/* What may have been in the way is over, such as that no index was there: what failed is tried
 * again now. */
void renewer_hurry(struct renewer *r);

#endif
