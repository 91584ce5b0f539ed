/* net/inherited.h - sockets that the service manager made for us, so that who asks us starts us.
 *
 * Source: sd_listen_fds(3): LISTEN_FDS descriptors from 3 on are for the process LISTEN_PID. We
 * tell them apart by what they are, so they need no names. */
#ifndef SHOAL_NET_INHERITED_H
#define SHOAL_NET_INHERITED_H

#include "base/err.h"

#define INHERITED_MAX 8u

enum inherited_kind {
	INHERITED_LOCAL, /* listens in the file system */
	INHERITED_TCP,	 /* listens at an address */
};

struct inherited {
	struct {
		int fd; /* -1: claimed */
		enum inherited_kind kind;
	} list[INHERITED_MAX];
	unsigned n;
};

/* How many descriptors are for the process `own`, by the values of the two variables (NULL: unset).
 * Pure. Returns 0, ERR_INVALID (no such number of descriptors) or ERR_TOO_BIG. */
int inherited_count(const char *listen_pid, const char *listen_fds, long own, unsigned *n);

/* Take them over, and the variables away, so that nobody that we start thinks they are his. Before
 * any other descriptor is opened or closed. None is fine, too.
 * Returns 0; ERR_INVALID, with the descriptor, for what is no listening stream; ERR_TOO_BIG.
 * Owns: what is not claimed is closed by inherited_fini(), also after an error. */
int inherited_take(struct inherited *in, struct err_info *info);
/* The first of the kind that nobody has claimed, non-blocking and not passed on; it is the
 * caller's. 0: there is none. */
int inherited_claim(struct inherited *in, enum inherited_kind kind);
void inherited_fini(struct inherited *in);

#endif
