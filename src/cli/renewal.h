/* cli/renewal.h - bringing what is at a destination up to date: may it be replaced, and which of
 * its bytes can be used again?
 *
 *   at the destination                  then
 *   nothing                             a plain download; with --reuse, from that copy's bytes
 *   a version of the same entry that    the new one is built beside it from its bytes, and takes
 *   shoal has put there, untouched      its place
 *   anything, with --replace            the same
 *   anything else                       it is left alone */
#ifndef SHOAL_CLI_RENEWAL_H
#define SHOAL_CLI_RENEWAL_H

#include "cli/opts.h"
#include "cli/placed.h"
#include "node/index_client.h"
#include "node/node.h"

struct renewal {
	bool replaces; /* `old` may be replaced */
	struct stamp old;
	/* It was this version of the entry, but has been changed since or was never shoal's; 0 no.
	 */
	uint32_t touched;
	char *donor_folder;
	struct store_donor *donors;
	uint32_t n_donors;
	char *rel; /* the donors' paths that are not the metainfo's own */
	struct metainfo *old_meta;
};

struct renewal_ask {
	const struct metainfo *meta; /* of what is wanted; borrowed until renewal_fini() */
	const char *path;	     /* the destination */
	const struct placed *wanted; /* NULL: no entry of an index */
	struct bytes old_torrent;    /* of the version that is there; empty: not known, */
	struct index_client *index;  /* who is asked for it; NULL: nobody */
};

/* Looks at the destination and at --reuse and --replace of `o`.
 * Returns 0; ERR_NOENT, ERR_INVALID when --reuse names nothing that can be used; ERR_NOMEM.
 * Owns: renewal_fini(), also after an error. */
int renewal_plan(struct renewal *r, const struct opts *o, const struct renewal_ask *ask,
		 struct err_info *info);
void renewal_fini(struct renewal *r);

#endif
