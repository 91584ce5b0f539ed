/* cli/sharing.h - `share`, in parts: cmd_share.c runs it, share_serve.c serves what was published,
 * share_tell.c says how it goes, share_newer.c goes on with newer versions (--watch). */
#ifndef SHOAL_CLI_SHARING_H
#define SHOAL_CLI_SHARING_H

#include "cli/handover.h"
#include "cli/publish.h"
#include "cli/renewer.h"
#include "cli/session.h"
#include "cli/share_batch.h"
#include "cli/share_name.h"

/* So many changed files of a share are named; the user knows by then. */
#define SHARE_SAID_MAX 8u

/* One PATH of the command line. */
struct share {
	char *path;		       /* absolute, so that messages and the store agree */
	bool spooled;		       /* it was standard input */
	struct kept_entry *entry;      /* once it is published */
	struct transfer *transfer;     /* NULL: the daemon has it, as `handed`; or --watch, and */
				       /* it was changed before it was served: renewed at once */
	struct handed *handed;	       /* one of sharing's */
	bool heard;		       /* a tracker answered, or did not */
	uint64_t waits_since_ms;       /* the daemon does not serve it; 0: it does */
	uint64_t said[SHARE_SAID_MAX]; /* hashes of what was said of changed files */
	unsigned n_said;
	struct share_name name;
	uint64_t up_bytes;
	char *label;		   /* and its name, for people */
	struct hash_record record; /* --watch; the thread's while it works on this one */
};

struct sharing {
	const struct opts *o;
	struct home home;
	struct index_client *index;
	struct publisher publisher;
	struct session session;
	struct share *shares;
	struct handed *handed;	/* by_daemon: as many as `shares` */
	size_t n_paths, n;	/* all; those that are served, the first ones */
	size_t n_failed;	/* neither published nor served */
	int code;		/* of the first that failed */
	size_t patrol, unheard; /* looked at next: of all, and of those that are not `heard` */
	size_t n_heard;
	uint64_t look_at_ms;
	uint64_t up_bytes;
	bool announced;	 /* said "serving" already */
	bool owner_kept; /* --as is remembered */
	struct share_batch *batch;
	struct renewer *renewer;  /* --watch */
	struct publication newer; /* its thread's, while that runs */
	bool by_daemon;
};

/* ---- share_serve.c ---- */
/* It is this one from now on. Returns 0 or ERR_NOMEM: it is what it was. */
int share_set_entry(struct share *s, const struct entry *e, struct err_info *info);
/* What was published is served from now on, here or by the daemon. Returns 0, or what is in the way
 * of that. */
int share_use(struct sharing *sh, struct share *s, struct publication *p, struct err_info *info);
/* Here, as s->entry. Takes pub->build.meta. */
int share_serve(struct sharing *sh, struct share *s, struct publication *pub,
		struct err_info *info);
/* So that a later `get` to this place can say which version is there, and use its bytes. */
void share_remember(struct sharing *sh, const struct share *s, const struct publication *pub);
/* Whose its name in the hash table is. Borrows from both. */
struct share_name_of share_whose(const struct sharing *sh, const struct share *s);

/* ---- share_tell.c ---- */
/* It can be found. */
void share_tell_one(struct sharing *sh, const struct share *s);
/* They all can. */
void share_tell_serving(const struct sharing *sh);
/* A newer version of it is served. Told in place of the older one where that was not told yet. */
void share_tell_newer(struct sharing *sh, const struct share *s);
/* The line of progress. */
void share_draw(struct sharing *sh);
/* What was read from standard input is a file by now, which the user must know of. */
void share_tell_spooled(const struct sharing *sh);
#define SHARE_TEXT_NOTHING "stopped before anything was shared"
/* Ctrl-C is how serving ends. Returns the exit code. */
int share_tell_interrupted(struct sharing *sh);

/* ---- share_newer.c ---- */
/* All are served: publish them anew when they change. Returns 0 or ERR_NOMEM. */
int share_newer_begin(struct sharing *sh, struct err_info *info);
/* The daemon does it: what has changed. */
void share_newer_look(struct sharing *sh, struct share *s);

#endif
