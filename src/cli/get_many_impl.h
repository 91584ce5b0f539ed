/* cli/get_many_impl.h - what get_many.c and get_many_handed.c share; private to them. */
#ifndef SHOAL_CLI_GET_MANY_IMPL_H
#define SHOAL_CLI_GET_MANY_IMPL_H

#include "cli/get_many.h"
#include "cli/lines.h"
#include "cli/session.h"
#include "cli/wanted.h"

struct item {
	struct many *many;
	const char *ref;
	struct transfer *t;	    /* NULL: the daemon has it, as */
	struct handed *handed;	    /* this; one of many's */
	struct wanted *linked;	    /* it is asked for what a link means; NULL: it is known */
	char *path;		    /* final name, while it may be needed */
	uint64_t alone_ms, done_ms; /* DONE: since then */
	enum {
		ITEM_WAITING,
		ITEM_ACTIVE,
		ITEM_ALONE,
		ITEM_DONE,
		ITEM_SERVED, /* and that was enough */
		ITEM_SAME,   /* another one is of the same torrent */
		ITEM_FAILED
	} state;
	uint64_t stalled_bytes; /* what was there when the disk last refused more */
	bool there_already, said_changed, stalled;
	bool unnamed;	  /* the daemon has it, and says late what a link's content is called */
	uint32_t touched; /* as in struct wanted */
	struct placed *placed; /* while it may be needed */
};

struct many {
	const struct opts *o;
	struct session session;
	struct index_client *index;
	struct lines lines;
	struct wanted_folder made;
	struct item *items;
	struct handed *handed;	/* by_daemon: as many as `items` */
	size_t n, next, patrol; /* of `items`: all; the first not begun; looked at next */
	struct item *active[GET_ACTIVE_MAX];
	uint32_t n_active;
	size_t n_alone, n_done, n_there, n_failed, n_same;
	size_t n_served; /* of n_done */
	uint64_t done_bytes;
	uint64_t alone_ms; /* since when all that are left have no holder */
	int code;	   /* of the first that failed */
	bool said_stalled, said_serving, index_is_gone;
	bool by_daemon;
	bool unanswered; /* the daemon does not say how they stand, and has them all the same */
	uint64_t down_bps, up_bps; /* of those that the daemon was asked about last */
};

/* It ended. `why` NULL: it was said already. */
void item_fail(struct item *it, const struct err_info *why);
/* How it stands. */
void item_take(struct item *it, const struct transfer_status *st, uint64_t now_ms);
/* Find what it is; false: it failed. Owns: wanted_fini(), also then. */
bool item_load(struct item *it, struct wanted *w, struct err_info *why);

/* ---- get_many_handed.c: with a daemon ---- */

/* Room for what it says. Returns 0 or ERR_NOMEM. */
int handed_begin(struct many *m, struct err_info *info);
/* Hand over the next ones, and look at some of those that are under way. */
void handed_watch(struct many *m);
/* What failed is not kept. */
void handed_undo(struct item *it);
void handed_say_detached(struct many *m);

#endif
