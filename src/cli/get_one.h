/* cli/get_one.h - `get` of one thing, in parts: cmd_get.c runs it, get_tell.c says how it goes,
 * get_follow.c goes on with newer versions. */
#ifndef SHOAL_CLI_GET_ONE_H
#define SHOAL_CLI_GET_ONE_H

#include "cli/outflow.h"
#include "cli/session.h"
#include "cli/wanted.h"
#include "daemon/hooks.h"
#include "node/index_fetch.h"
#include "node/index_watch.h"

/* What a link stands for is not known yet. */
#define GET_ASKING "asking what it is"

struct get {
	const struct opts *o;
	struct session session;
	struct index_client *index; /* NULL when the .torrent came from a file */
	struct wanted wanted;
	struct wanted_folder made;
	struct transfer *transfer; /* NULL: the daemon has it, as */
	struct handed handed;
	bool by_daemon, is_handed;
	bool unanswered; /* the daemon does not say how it stands, and has it all the same */
	uint64_t start_ms, alone_ms; /* since when nobody is there, 0: somebody is */
	uint64_t done_ms;	     /* since when it is complete; 0: it is not */
	uint64_t alone_bytes;	     /* what had come when that was said */
	uint64_t stalled_bytes;	     /* what was there when the disk last refused more */
	bool said_alone, said_stalled, said_changed, said_others;
	bool checked; /* what was on disk is known: */
	uint64_t found_bytes;
	struct transfer_status last;

	struct hook_runner *runner; /* NULL: no command */
	struct hooks *hooks;	    /* NULL: none */
	bool ends;		    /* once they have run */

	struct outflow *flow; /* -o -: what is fetched goes there; else NULL */

	/* --follow */
	struct index_watch *watch;
	struct index_fetch *fetch; /* of a newer version; NULL: none is under way */
	uint32_t newest;	   /* version that the index has */
	struct transfer *old;	   /* the version before, served until the new one is complete */
	struct get_leftover *leftovers;
	uint32_t n_replaced;
	bool said_silent;
	char said_newer[ERR_TEXT_MAX]; /* why a newer version could not be begun */
};

/* As node.h has it; `user` is the get. */
void get_on_phase(void *user, struct transfer *t, enum transfer_phase phase);

/* ---- get_tell.c ---- */
void get_tell(struct get *g, uint64_t now);
/* It ends with this. */
void get_fail(struct get *g, const struct err_info *why);
/* Nobody tells what the link stands for. */
void get_give_up_link(struct get *g, const struct err_info *tracker);
void get_print_done(const struct get *g);
/* -d: the daemon has it. */
void get_print_left(const struct get *g);
/* After Ctrl-C. */
void get_say_detached(struct get *g);
void get_say_interrupted(struct get *g);

/* ---- get_follow.c ---- */
/* Ask the index from now on. Returns 0 or ERR_NOMEM. */
int get_follow_start(struct get *g, struct err_info *info);
/* Begin what is newer, end what is replaced. */
void get_follow(struct get *g);
/* Once the node is gone: remove what there is of versions that were given up. */
void get_follow_end(struct get *g);
/* Can it be followed? ERR_INVALID: what is fetched has no versions. */
int get_follow_check(const struct get *g, struct err_info *info);
/* The daemon does it: what has changed. */
void get_follow_daemon(struct get *g);

#endif
