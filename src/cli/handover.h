/* cli/handover.h - share and get with a daemon: it does the work, the command shows how it goes.
 *
 * The command asks, resolves, hashes, signs, publishes; then it hands over a transfer, and looks at
 * it now and then. Who presses Ctrl-C leaves it to the daemon. */
#ifndef SHOAL_CLI_HANDOVER_H
#define SHOAL_CLI_HANDOVER_H

#include "cli/opts.h"
#include "daemon/jobs.h"
#include "node/index_client.h"

/* Looked at with one question. */
#define HANDOVER_LOOK_MAX 64u

/* Does a daemon of this home answer, and was nothing asked for that it cannot do for this command
 * alone (a row of the table in handover.c), nor --no-daemon? */
bool handover_is_there(const struct opts *o);
/* For --detach, when it is not so: the reason. Returns its code. */
int handover_why_not(const struct opts *o, struct err_info *info);

/* May the daemon read what it is to serve: all in a folder, too? Returns 0 or ERR_DENIED, or why it
 * does not say. */
int handover_check_reads(const struct opts *o, const char *path, struct err_info *info);

/* One that was handed over, as it was when it was looked at last. */
struct handed {
	uint32_t id;
	bool existed; /* it was there before */
	char *path;   /* where it is */
	enum job_state state;
	struct transfer_status status; /* of a phase that fits; `why` from the daemon */
	bool complete, there_already;
	uint64_t found_bytes;
	uint64_t down_before; /* bytes that it had fetched before it was handed over */
	bool gone;	      /* somebody removed it, or the daemon has left */
	/* It is kept up to date (--follow, --watch): `id` is that of the newest version. */
	bool renews;
	bool shared; /* a newer version that is shared from its place may be there in its stead */
	char *of;    /* "OWNER/NAME", as the daemon shows it */
	uint32_t version; /* 0: none */
	/* private */
	struct err_kept upkeep_why; /* what is in the way of a newer one; code OK: nothing */
	bool upkeep_news;	    /* that was not told yet */
	bool moved;		    /* a newer one may have taken its place */
	bool newer;		    /* it has, which was not told yet */
};

/* Index, options of `o` and what else is the same of all are filled in here. `path` may be
 * relative; its parent exists. Returns 0, or what the daemon says; ERR_EXISTS when it has the
 * torrent already, elsewhere. Owns: handed_fini(), also after an error. */
int handover_add(struct handed *h, const struct opts *o, const struct index_client *index,
		 struct job_spec *spec, struct err_info *info);
/* Look at some again, at most HANDOVER_LOOK_MAX. Returns 0, also when they are gone, or why the
 * daemon does not say. */
int handover_look(struct handed *const *list, size_t n, struct err_info *info);
/* As it was then: nobody who is on line has it, or what is missing of it. */
bool handed_is_alone(const struct handed *h);
/* It was not to be looked at, for the reason `why`, which is said to be no end of it. */
void handover_say_left(const struct handed *h, struct err_info *why);
/* Has a newer version taken its place since this was asked last? */
bool handed_take_newer(struct handed *h);
/* What is in the way of one, and was not when this was asked last. NULL: nothing new. Borrowed
 * until the next look. */
const char *handed_take_upkeep(struct handed *h);
/* Another item: see struct job_spec. */
int handover_set_item(const struct handed *h, struct bytes item, struct err_info *info);
/* Take it out again, unless it was there before, or somebody else has asked for it since. */
void handover_undo(const struct handed *h);
void handed_fini(struct handed *h);

#endif
