/* cli/share_watch.h - tells when a shared file or folder was changed and has come to rest.
 *
 *     written, made, moved, removed --> nothing more for `settle_ms` --> at rest
 *
 * What is no part of the share does not count, and its folders are not watched.
 * A file that was written to and not closed since is still being written: then four times that is
 * waited. However much happens meanwhile, it is told once. Folders made later are watched, too;
 * links are not followed. Where the system allows no watching (inotify), it is told from time to
 * time, for who asks then to look whether anything changed. */
#ifndef SHOAL_CLI_SHARE_WATCH_H
#define SHOAL_CLI_SHARE_WATCH_H

#include "net/folder_watch.h"

#define SHARE_SETTLE_S 3u
/* --settle as the options have it, in milliseconds. */
static inline uint32_t share_settle_ms(uint32_t settle_s)
{
	return (settle_s == 0 ? SHARE_SETTLE_S : settle_s) * 1000u;
}
/* Files that are open for writing, as far as is known, are remembered up to so many (attack: none;
 * a build that writes a million files at once). */
#define SHARE_WATCH_OPEN_MAX 4096u
/* Without inotify, or for what it did not see, it is told so often. */
#define SHARE_WATCH_POLL_MS 15000u

struct share_watch;

struct share_watch_params {
	struct loop *loop;
	struct folder_watcher *watcher;
	const char *path; /* absolute; copied */
	uint32_t settle_ms;
	/* Of a folder: what is left out of the share, as scan_path() takes it, which may never be
	 * at rest. Borrowed; NULL: nothing. */
	const char *const *exclude;
	void (*rested)(void *user);
	/* A line for the user. May be NULL. */
	void (*say)(void *user, const char *line);
	void *user;
};

/* Begins to watch. Returns 0 or ERR_NOMEM. */
int share_watch_new(const struct share_watch_params *p, struct share_watch **out);
void share_watch_free(struct share_watch *w); /* NULL is none */
/* Before it was watched something may have happened: it is told once at the start, at once when
 * what changed last did so `settle_ms` ago (by the times of change of its files and folders), else
 * as soon as that is so. */
void share_watch_look(struct share_watch *w);
/* It could not be taken as it is (gone, changed meanwhile, no index): tell again after `ms`, or
 * when it has changed again; not before it is at rest. */
void share_watch_again(struct share_watch *w, uint32_t ms);

#endif
