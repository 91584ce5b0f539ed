/* cli/share_batch.h - publishes one path after the other on a thread of its own, small ones several
 * at a time, while the loop serves those that are published. */
#ifndef SHOAL_CLI_SHARE_BATCH_H
#define SHOAL_CLI_SHARE_BATCH_H

#include "cli/publish.h"
#include "net/loop.h"

struct share_batch;

/* One to publish. */
struct share_item {
	const char *path;	    /* absolute */
	struct hash_record *record; /* the thread's until it is used */
};

struct share_batch_params {
	struct loop *loop;
	struct publisher publisher; /* the thread's while it runs */
	size_t n;
	/* On either thread: which one is number i? */
	struct share_item (*item)(void *user, size_t i);
	/* On the loop, in their order: it is on the index. Those that `failed` are left out. */
	int (*use)(void *user, size_t i, struct publication *p, struct err_info *info);
	/* On the loop: this one is not published, or not used, and the others go on. */
	void (*failed)(void *user, const struct err_info *why);
	/* On the loop, once: all were tried, or what is in the way of all the others as well. Not
	 * after share_batch_stop(). */
	void (*ended)(void *user, const struct err_info *why);
	void *user;
};

/* Begins at once. Returns 0; ERR_NOMEM; ERR_IO. */
int share_batch_new(const struct share_batch_params *p, struct share_batch **out,
		    struct err_info *info);
/* The one that is being published is given up, soon; no more are. NULL is fine. */
void share_batch_stop(struct share_batch *b);
/* What is being hashed, and how much of it; false: nothing is. */
bool share_batch_progress(const struct share_batch *b, uint64_t *done, uint64_t *total);
/* Waits for the thread. NULL is fine. Not from inside `use` and `ended`. */
void share_batch_free(struct share_batch *b);

#endif
