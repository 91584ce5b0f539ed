/* cli/check.h - hash what is on disk against a torrent, on all cores, changing nothing. */
#ifndef SHOAL_CLI_CHECK_H
#define SHOAL_CLI_CHECK_H

#include "meta/metainfo.h"
#include "store/root.h"

enum check_state {
	CHECK_GOOD,
	CHECK_BAD,	  /* the bytes are others */
	CHECK_MISSING,	  /* a file of it is not there, or ends too early */
	CHECK_UNREADABLE, /* the disk or the permissions said no */
};

struct check_params {
	const struct metainfo *meta;
	const struct root *root; /* the torrent's folder, or that of its single file */
	const char *single_name; /* a single file's name on disk; NULL otherwise */
	/* Called now and then; may be NULL. */
	void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
	void *user;
};

struct check {
	uint8_t *pieces;	 /* enum check_state of each */
	uint32_t count[4];	 /* pieces in each state */
	uint8_t *files;		 /* enum check_state of each: missing when it is not there or ends
				    early, else the worst of its pieces */
	bool *longer;		 /* the file on disk has more bytes than it should */
	struct err_info trouble; /* the first reason for CHECK_UNREADABLE; code OK: none */
};

/* A hybrid's pieces are good when both their SHA-1 and their SHA-256 tree are. Empty files must
 * be there too.
 * Returns 0 whatever the data is like; ERR_NOMEM or ERR_IO when it could not be looked at.
 * Owns:   *out is the caller's: check_fini().
 * Limit:  v1 pieces that are hashed together are in memory, 32 MiB of them at most; of all others
 *         the block hashes, one piece a worker. */
int check_run(const struct check_params *p, struct check *out, struct err_info *info);
void check_fini(struct check *c);
/* All as it should be? */
bool check_all_good(const struct check *c, const struct metainfo *m);

#endif
