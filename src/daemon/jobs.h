/* daemon/jobs.h - what a long-lived peer works on: a set of transfers that outlives its process.
 *
 *     commands, API --> add, pause, remove ... --> records on disk
 *                                             `-> transfers in the node --> events to watchers
 *
 * A job is a transfer with a number, a title and what the user wants of it. It holds no keys and
 * resolves no names: whoever adds it has done that. While it is paused or waits for its turn it
 * has no transfer in the node and costs some hundred bytes; what it has on disk stays known.
 *
 * Of a magnet link whose torrent nobody here has it asks peers first (node/metadata_fetch.h).
 *
 * Persistence: in `folder`, "ID.torrent" and "ID.job" (daemon/job_record.h) a job, and "totals" for
 * all, each replaced as store/durable.h does. A job is there from the moment its record is; what
 * has no record is cleared away at the next start. A damaged record costs that job alone. */
#ifndef SHOAL_DAEMON_JOBS_H
#define SHOAL_DAEMON_JOBS_H

#include "base/seed_limit.h"
#include "meta/selection.h"
#include "node/index_client.h"
#include "node/node.h"
#include "store/stamp.h"

/* Jobs of one peer (attack: none, they are the user's; a script that adds for ever). */
#define JOBS_MAX 50000u
/* Downloads at a time when nothing else is said; the others are queued. */
#define JOBS_ACTIVE_DEFAULT 5u
/* Strings of one job's lists: trackers, webseeds, further titles. */
#define JOBS_LIST_MAX 64u
#define JOBS_TITLE_MAX 1024u
/* What transfer_set_item() takes is no longer. */
#define JOBS_ITEM_BYTES_MAX 1300u
/* Patterns that choose files (meta/selection.h has the attack). */
#define JOBS_PATTERNS_MAX SELECTION_PATTERNS_MAX
/* What says how a job is kept up to date: an entry with its notes, and lists of addresses. */
#define JOBS_UPKEEP_BYTES_MAX (256u << 10)
/* Links whose torrent is asked for at one time; the others wait (attack: a list of thousands of
 * links that nobody has, each with connections of its own). */
#define JOBS_ASKING_MAX 64u
/* A download that has got nothing for so long makes room for the next. */
#define JOBS_IDLE_MS 30000u
/* The same where its tracker has answered, and nobody is there. */
#define JOBS_ALONE_MS 6000u
/* What was sent and fetched is recorded this often. */
#define JOBS_TOTALS_MS 60000u
/* What is shared and was not there when it was to begin is looked for so often. */
#define JOBS_AGAIN_MS 30000u

struct jobs;
struct job;

enum job_state {
	JOB_QUEUED,   /* waits for its turn */
	JOB_METADATA, /* peers are asked what its link stands for */
	JOB_CHECKING,
	JOB_DOWNLOADING,
	JOB_FINISHING,
	JOB_SEEDING, /* `why` set: a file was changed since, what is left is served */
	JOB_PAUSED,
	JOB_STALLED, /* the disk said no: `why` tells; tried again by itself */
	JOB_FAILED,  /* `why` tells; jobs_resume() or jobs_recheck() tries again */
	JOB_DONE,    /* complete, and not to be served */
};
/* "queued", "checking", ... as commands and API say it. */
const char *job_state_word(enum job_state s);

/* What to add. All is copied. Zeroed is a good start. */
struct job_spec {
	struct bytes torrent; /* the .torrent; empty: only this is known of it: */
	const char *magnet;   /* magnet link or info-hash, which may choose files (BEP 53), too */
	const char *path;     /* absolute: data to seed, or the final name */
	bool into; /* download: its final name is in this folder, called what it is called */
	const char *title; /* "OWNER/NAME@VERSION"; NULL: the torrent's name */
	bool seed;	   /* the data is there */
	/* Seed: it was as the torrent says when it had this stamp; NULL, or no longer: it is hashed
	 * first. */
	const struct stamp *stamp;
	bool paused;			 /* is not begun */
	bool no_seed;			 /* is not served once it is complete: JOB_DONE */
	struct seed_limit seed_limit;	 /* is served no more then: the same */
	const char *index, *token, *pin; /* node_use_index(); NULL: none */
	bool preallocate;
	int32_t priority;	     /* among those that are queued the highest begins first */
	uint64_t down_bps, up_bps;   /* limits; 0: none */
	const char *const *trackers; /* before those of the torrent; NULL-ended, or NULL */
	const char *const *webseeds; /* as in transfer_params, and how near they may be */
	enum addr_scope webseeds_nearest;
	struct bytes item;	  /* see transfer_set_item(); empty: none */
	const struct addr *peers; /* dialed from the start; not remembered */
	size_t n_peers;
	/* Download, see struct transfer_params; donors are not remembered: what was copied is. */
	const struct stamp *replaces;
	const char *donor_folder;
	const struct store_donor *donors;
	uint32_t n_donors;
	/* Of a folder only these files, as selection_by_globs() takes them; NULL-ended, or NULL. */
	const char *const *only;
	enum swarm_order order;
	const char *owner, *entry; /* the index's entry that it is; NULL: none, or unknown */
	uint32_t version;
	/* Newer versions take its place: a download follows its entry (cli/daemon_follow.h), a seed
	 * is watched on disk (cli/daemon_watch.h). JSON that says how, of which the jobs know
	 * nothing more; NULL: no. Needs an entry. */
	const char *follow, *watch;
	const char *const *rules; /* jobs_add_newer()'s, as struct job_record has them */
};

struct job_view {
	uint32_t id;			 /* 1 and up, never used again by the same process */
	const char *title, *path, *name; /* borrowed until the job is changed; not escaped */
	char *const *also; /* jobs_add_title(); NULL-ended, or NULL: no further ones */
	bool has_v1, has_v2;
	uint8_t hash_v1[SHA1_LEN], hash_v2[SHA256_LEN];
	enum job_state state;
	struct err_info why; /* code OK: nothing to say */
	bool seed;	     /* was shared from here, not fetched */
	bool complete, no_seed;
	struct seed_limit seed_limit;
	bool there_already;   /* download: the final name was taken, by the same content */
	bool replaced;	      /* download: takes the place of an older version */
	uint64_t found_bytes; /* download: that were there when it began */
	int32_t priority;
	uint64_t limit_down_bps, limit_up_bps; /* 0: none */
	int64_t added_at, completed_at;	       /* Unix seconds; 0: not yet */
	uint64_t total_bytes, done_bytes;
	uint32_t files, wanted_files;		  /* real ones; 0: not known */
	uint64_t wanted_bytes, wanted_done_bytes; /* as in struct transfer_status */
	uint64_t checked_bytes, to_check_bytes;	  /* CHECKING; METADATA: of the torrent */
	const char *owner, *entry;		  /* of an index; NULL: it is none */
	uint32_t version;
	const char *follow, *watch;    /* as in struct job_spec */
	uint32_t upkeep_asked;	       /* another number each time that this was asked for anew */
	uint32_t asked_again;	       /* jobs_ask_again(), so often in this process */
	struct err_info upkeep_why;    /* what is in the way of a newer version; code OK: nothing */
	uint64_t down_total, up_total; /* bytes over all runs */
	uint64_t down_bps, up_bps, wasted_bytes;
	uint32_t peers, seeds, dialing;
	uint32_t trying;      /* dials to addresses that never were dialled before */
	uint32_t web_servers; /* that have it, and have not refused */
	bool can_complete;    /* those who are connected have all that is missing */
	uint32_t tracker_ok, tracker_failed;
	struct err_info tracker_error;
	uint32_t item_nodes; /* as in struct transfer_status */
	bool item_is_old;
	int64_t item_newest;
};

enum job_event {
	JOB_ADDED,
	JOB_STATE,    /* the state is another one, or why */
	JOB_PROGRESS, /* numbers have changed; at most once a second a job */
	JOB_CHANGED,  /* title, priority, limits, how it is kept up to date */
	JOB_COMPLETE, /* what is wanted is there, verified, at its final name; again when more was
		       */
	JOB_FAIL,     /* it has failed */
	JOB_REMOVED,  /* the last one; the job is freed after it */
};
/* "added", "state", "progress", "changed", "complete", "failed", "removed" */
const char *job_event_word(enum job_event e);

struct jobs_params {
	struct loop *loop;
	struct node *node;
	const char *folder; /* where they are kept, exists; NULL: they end with the process */
	/* Its folders are made for one job each, and go with its data. NULL: there are none.
	 * Borrowed. */
	const char *own_folders;
	uint32_t max_active; /* downloads at a time; 0: JOBS_ACTIVE_DEFAULT */
	bool queue_seeds;    /* seeds wait for a turn, too */
	/* What a person should know: a damaged record, data that has changed. Escaped. May be NULL.
	 */
	void (*say)(void *user, const char *line);
	void *user;
};

/* Loads what is kept and begins with it. What cannot be read is said and left out.
 * Returns 0; ERR_NOMEM; ERR_IO, ERR_DENIED when the folder cannot be read. */
int jobs_new(const struct jobs_params *p, struct jobs **out, struct err_info *info);
/* Records what is to be recorded; the transfers stay in the node, which is left (node_leave) or
 * freed afterwards. NULL is fine. */
void jobs_free(struct jobs *js);

/* Who asks may be allowed more than we are: hashed by them, it could not be served by us. Returns
 * 0, also when it is not there; ERR_DENIED when `path` may not be opened. */
int jobs_check_readable(const char *path, struct err_info *info);

/* Durable when it returns. Does not begin with it before the next turn of the loop. An item is
 * taken for a torrent that is there already, too.
 * Returns 0; ERR_EXISTS, with the job in *out, for a torrent that is there already; ERR_PROTO (no
 * usable .torrent or link), ERR_INVALID (path, lists, item), ERR_NOENT (none of its files is
 * chosen), ERR_TOO_BIG (JOBS_MAX), or what the disk says. */
int jobs_add(struct jobs *js, const struct job_spec *s, struct job **out, struct err_info *info);

/* A newer version of what `old` is: what `s` leaves out of trackers, webseeds, index, order, limits
 * and so on is as of `old`; so is how it is kept up to date, which `old` is no longer. What is
 * shared goes from `old` to it at once; of a download `old` is served until the newer one is
 * complete, but goes at once with its data when it is unfinished. The same content, of `old` or of
 * an older version at the same place, only gets the new title and version: *out is that job. If
 * somebody has added this version by hand meanwhile, at the same place, *out is his.
 * Returns as jobs_add(). */
int jobs_add_newer(struct jobs *js, struct job *old, const struct job_spec *s, struct job **out,
		   struct err_info *info);
/* What is in the way of a newer version, for whoever asks; not remembered. `why` code OK: nothing.
 */
void jobs_set_upkeep_why(struct job *j, const struct err_info *why);
/* What is shared and has changed since it was verified is hashed when it begins. While it is held
 * it is not, and waits: whoever holds it hashes it anyway, to find out whether there is a newer
 * version of it. He releases it: `same` is its stamp from before it was hashed and turned out to be
 * what it was, so that it need not be hashed once more; NULL: it begins as it would have. Harmless
 * when it is not held. */
void jobs_hold(struct job *j);
void jobs_release(struct job *j, const struct stamp *same);
/* The index that it is an entry of. ERR_INVALID: it has none. Owns: the caller's. */
int job_open_index(const struct job *j, struct index_client **out, struct err_info *info);

/* By number, info-hash (either, hex), title, or torrent's name; else, if it is no number, by a
 * beginning of info-hash (4 digits or more) or title that is one job's alone.
 * Returns 0; ERR_NOENT; ERR_AMBIGUOUS with the candidates' numbers in the sentence; after both
 * *out is NULL. */
int jobs_find(struct jobs *js, const char *ref, struct job **out, struct err_info *info);
/* For what cannot be undone: a number is nothing but one, and hash, title and name are whole. A job
 * that jobs_find() would find is named in the sentence of ERR_NOENT. */
int jobs_find_to_remove(struct jobs *js, const char *ref, struct job **out, struct err_info *info);
struct job *jobs_by_id(struct jobs *js, uint32_t id);
struct job *jobs_by_hash(struct jobs *js, const uint8_t hash[SHA1_LEN]); /* meta_swarm_hash() */
/* One after the other, oldest first; NULL at the end. `*at` 0 to begin with; nothing may be added
 * or removed meanwhile. */
struct job *jobs_next(struct jobs *js, size_t *at);
/* Where that begins with those numbered above `id`. */
size_t jobs_above(const struct jobs *js, uint32_t id);
size_t jobs_count(const struct jobs *js);
/* How many are in each state. */
void jobs_count_states(const struct jobs *js, size_t n[JOB_DONE + 1]);

void job_view(const struct job *j, struct job_view *out);
/* NULL while it has none: queued, paused, failed to begin, done. Ask anew in each turn. */
struct transfer *job_transfer(const struct job *j);
/* The .torrent as it was added. Appends to `out`. */
int job_torrent(const struct job *j, struct buf *out, struct err_info *info);

/* All return 0, or what the disk says of the record; what was asked for is done all the same. */

/* Peers are let go, trackers hear "stopped", what there is is kept. */
int jobs_pause(struct jobs *js, struct job *j, struct err_info *info);
/* Goes on without hashing, unless its files have changed meanwhile. */
int jobs_resume(struct jobs *js, struct job *j, struct err_info *info);
/* Hashes all of it, and goes on if it was paused. What does not match is fetched again as long as
 * it is not complete; later, and in what is shared, it is a failure. */
int jobs_recheck(struct jobs *js, struct job *j, struct err_info *info);
int jobs_set_priority(struct jobs *js, struct job *j, int32_t priority, struct err_info *info);
int jobs_set_limits(struct jobs *js, struct job *j, uint64_t down_bps, uint64_t up_bps,
		    struct err_info *info);
int jobs_set_item(struct jobs *js, struct job *j, struct bytes item, struct err_info *info);
/* Files of a download that match `globs`, as in struct job_spec, are wanted so much from now on;
 * one that was complete goes on if there is more to fetch. Of a job that follows, newer versions go
 * by it, too; if all of it is there already, they alone. ERR_NOENT: no file matches, or none
 * would be left; ERR_INVALID: it is shared from here, all of it is there and does not follow, or
 * its files are not known yet; ERR_TOO_BIG: with all that was said before it is more than
 * JOBS_UPKEEP_BYTES_MAX. */
int jobs_set_files(struct jobs *js, struct job *j, const char *const *globs, enum want want,
		   struct err_info *info);
/* Is what it has at its place as it was when it was verified? Looks at the disk, hashes nothing.
 * Returns 0, also of what is not complete or being checked; ERR_NOENT: nothing is there;
 * ERR_MISMATCH: it may be something else; ERR_NOMEM. */
int jobs_look(const struct job *j);
/* It is all there, and nothing of it left out? */
bool jobs_has_all(const struct job *j);
/* It was asked for once more: what `s` wants is wanted besides, and it goes on if it was paused or
 * had failed. What was fetched and is not there any more is fetched anew, what was changed is
 * hashed, or replaced if `s` says so. Limits of `s`, and how long it is served if it says, hold
 * from now on; so does what jobs_tell_anew() takes, and it is fetched from the peers and webseeds
 * of `s`, too; if `s` wants newer versions, they are had as `s` says. */
int jobs_ask_again(struct jobs *js, struct job *j, const struct job_spec *s, struct err_info *info);
/* The same of what is shared from another place, too: it is served from where it is. */
int jobs_share_again(struct jobs *js, struct job *j, const struct job_spec *s,
		     struct err_info *info);
/* Index, token, pin and trackers of `s`, if it has any, are its own from now on, and used at once.
 * Trackers that it had are asked after them, but those of an index, or with a token, that others
 * have taken the place of. */
int jobs_tell_anew(struct jobs *js, struct job *j, const struct job_spec *s, struct err_info *info);
int jobs_set_title(struct jobs *js, struct job *j, const char *title, struct err_info *info);
/* It is shared under this name, too. Of more than JOBS_LIST_MAX the oldest is forgotten. */
int jobs_add_title(struct jobs *js, struct job *j, const char *title, struct err_info *info);
/* `name`, OWNER/NAME or OWNER/NAME@VERSION, is published no more. False: what is shared here is not
 * called so. *last: it has no other name, and keeps this one; else it has the newest of the others,
 * and is not watched any more if it was watched for the one that is gone. */
bool jobs_drop_title(struct jobs *js, struct job *j, const char *name, bool *last);
/* `data`: its files go, too: those that the torrent names, of a part those that were fetched, and
 * folders that are empty then, nothing else; and what is unfinished. What another job has at the
 * same place, in a folder around it or beneath it, stays. The job is gone at once; its files within
 * seconds. Returns 0, or why it would be there again after a restart: then it stays. */
int jobs_remove(struct jobs *js, struct job *j, bool data, struct err_info *info);
/* The number of another job because of which all or some of its files would stay; 0: they would go.
 * Looks at the disk. */
uint32_t jobs_data_kept_by(const struct job *j);

/* Of all jobs together. */
void jobs_set_active(struct jobs *js, uint32_t max_active);
uint32_t jobs_active(const struct jobs *js);
void jobs_set_queue_seeds(struct jobs *js, bool on); /* as in jobs_params */

/* Whoever wants to know. A watcher may be taken out in its own call. */
struct jobs_watcher {
	void (*event)(void *user, struct job *j, enum job_event e);
	void *user;
	struct jobs_watcher *next; /* private */
};
void jobs_watch(struct jobs *js, struct jobs_watcher *w);
void jobs_unwatch(struct jobs *js, struct jobs_watcher *w);

#endif
