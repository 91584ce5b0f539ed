/* node/index_watch.h - asks an index again and again, from the loop of a running peer, which
 * version of an entry is the newest. Never waits, and outlives the index's restarts. */
#ifndef SHOAL_NODE_INDEX_WATCH_H
#define SHOAL_NODE_INDEX_WATCH_H

#include "base/rng.h"
#include "net/loop.h"
#include "node/index_client.h"

/* How often, when nothing else is said; spread by a quarter, so that those who wait for one entry
 * do not all ask together. */
#define INDEX_WATCH_EVERY_S 10u
#define INDEX_WATCH_EVERY_MAX_S (30u * 24 * 3600)
/* An answer: one entry (attack: an index that never ends). */
#define INDEX_WATCH_BYTES_MAX (1u << 20)

struct index_watch;

struct index_watch_params {
	struct loop *loop;
	const struct index_client *index; /* borrowed */
	const char *owner, *name;	  /* copied */
	uint32_t every_s;		  /* 0: INDEX_WATCH_EVERY_S; at most so long as above */
	/* Each answer: the newest version there is, 0 when there is none; `why` set (code not OK)
	 * when none came. May free the watch. */
	void (*answer)(void *user, uint32_t version, const struct err_info *why);
	void *user;
};

/* From one answer to the next question. */
uint32_t index_watch_pause_ms(uint32_t every_s, struct rng *rng);
/* The first question is asked after the first pause. Returns 0 or ERR_NOMEM. */
int index_watch_new(const struct index_watch_params *p, struct index_watch **out);
void index_watch_free(struct index_watch *w);

#endif
