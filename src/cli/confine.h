/* cli/confine.h - which files each command may touch once it is in its sandbox (sys/sandbox.h).
 *
 *   index   writes its data and its log; reads certificates and sites, which SIGHUP reads again
 *   get     writes where it downloads to, and its home; reads the .torrent files it was given;
 *           removes empty folders where it has made the one that it downloads to
 *   share   reads what it shares; writes its home, and the spool
 *   daemon  writes anywhere but where the system is, for it is told of new places at any time; with
 *           --beneath in these folders and its home alone
 *
 * Each is called once, while there is one thread and before anybody else was talked to. What the
 * kernel lacks is said with -v. With --no-sandbox nothing happens. */
#ifndef SHOAL_CLI_CONFINE_H
#define SHOAL_CLI_CONFINE_H

#include <stddef.h>

#include "cli/opts.h"

struct wanted_folder;

/* `data` is its folder, which is there; `port` the one it will listen on. */
void confine_index(const struct opts *o, const char *data, unsigned port);
/* `refs`: what is fetched, some of which may be .torrent files. Of `made` what stays empty can be
 * removed. */
void confine_get(const struct opts *o, const char *const *refs, size_t n,
		 const struct wanted_folder *made);
void confine_share(const struct opts *o);
void confine_daemon(const struct opts *o);

#endif
