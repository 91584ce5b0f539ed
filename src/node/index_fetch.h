/* node/index_fetch.h - one entry of one owner and its .torrent, asked of an index from the loop of
 * a running peer; never waits. What the owner did not sign is not believed; whether it is the owner
 * that we know is for who asks to say. */
#ifndef SHOAL_NODE_INDEX_FETCH_H
#define SHOAL_NODE_INDEX_FETCH_H

#include "meta/metainfo.h"
#include "net/loop.h"
#include "node/index_client.h"

struct index_fetch;

struct index_fetch_params {
	struct loop *loop;
	const struct index_client *index; /* borrowed until the end */
	struct entry_ref ref;		  /* with an owner; version 0: the newest */
	/* The end, once, from a later turn of the loop; frees the fetch when it returns. `why` code
	 * OK: the entry, and its .torrent, which has the entry's hashes. Else ERR_NOENT,
	 * ERR_UNREACHABLE, ERR_PROTO (not signed, not an index), ERR_MISMATCH (another content than
	 * was signed), ERR_NOMEM. `from`: how near to us the index is that answered. */
	void (*done)(void *user, const struct err_info *why, const struct entry *e,
		     struct bytes torrent, enum addr_scope from);
	void *user;
};

/* Returns 0 or ERR_NOMEM. */
int index_fetch_new(const struct index_fetch_params *p, struct index_fetch **out);
/* Is this what the owner signed? */
bool index_fetch_is_content(const struct entry *e, const struct metainfo *m);
/* Before its end: nothing is called. NULL is fine. */
void index_fetch_free(struct index_fetch *f);

#endif
