/* daemon/jobs_impl.h - what jobs*.c share; private to them.
 *
 *     asked for (record)      node                    what is shown
 *     paused                  nothing                 PAUSED
 *     not paused              nothing, no turn yet    QUEUED
 *                             a transfer              its phase
 *                             a metadata fetch        METADATA
 *                             nothing, is held        CHECKING
 *     complete, no_seed       nothing                 DONE
 *
 * jobs_run.c brings the middle column in line with the left one, in turns of the loop of its own:
 * whatever is called from a callback of the node or of a watcher only says that this is due. */
#ifndef SHOAL_DAEMON_JOBS_IMPL_H
#define SHOAL_DAEMON_JOBS_IMPL_H

#include "daemon/job_record.h"
#include "daemon/jobs.h"
#include "node/metadata_fetch.h"
#include "store/root.h"
#include "store/verified.h"

/* Of less than so many bytes it is not kept what was verified of which file: to hash them takes no
 * longer than to write that down. */
#define JOBS_VERIFIED_MIN (16u << 20)

struct job {
	struct jobs *js;
	struct job_record rec;
	struct buf torrent; /* of one that is not kept on disk */
	struct transfer *t;
	struct metadata_fetch *fetch; /* what its link stands for, until its transfer begins; NULL:
				       * not asked */
	struct transfer *leaving;     /* was taken out, but has the files open yet; NULL: none */
	bool removed; /* out of the list; goes when its files are closed and, with ERASE, gone */
	bool recheck; /* hash all when it begins */
	bool failed;
	bool due; /* in the list of those to be attended to */
	bool there_already;
	bool measured;	  /* found_bytes is known */
	bool idle;	  /* does not count among the active */
	bool unrecorded;  /* what is verified of its files */
	bool held, waits; /* jobs_hold(); it had its turn, but had to be hashed */
	uint32_t upkeep_asked, asked_again;
	uint64_t asked; /* its link: of all askings of the jobs this was the last one; 0: never */
	enum job_state state; /* as was told last */
	struct err_kept why, upkeep_why;
	struct job_total before; /* of transfers that are no more; `done`: known last */
	uint64_t found_bytes, idle_since_ms, got_bytes;
	struct job_total told; /* in the last JOB_PROGRESS */
	uint64_t told_checked, told_bps;
	struct stamp began; /* what there was when hashing began */
	bool has_began;
	struct job *next_due;
	/* for its first transfer alone */
	struct addr *peers;
	size_t n_peers;
	char *donor_folder;
	struct store_donor *donors;
	uint32_t n_donors;
};

struct jobs {
	struct jobs_params p;
	struct root folder; /* fd -1: nothing is kept */
	struct job **list;
	size_t n;
	uint32_t cap;
	uint32_t last_id;
	uint32_t max_active;
	struct job **going; /* removed, but not gone */
	size_t n_going, cap_going;
	struct job *due;
	struct loop_timer *turn, *second;
	struct jobs_watcher *watchers;
	size_t patrol;
	bool totals_changed;
	uint64_t totals_ms;
	uint64_t asks; /* of links, since the start */
};

void jobs_say(struct jobs *js, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void jobs_emit(struct job *j, enum job_event e);
void job_free(struct job *j);
/* At the end of the list. */
int jobs_enlist(struct jobs *js, struct job *j);

/* ---- jobs_add.c ---- */
/* Into a folder goes nothing whose name begins with a dot: who made the torrent chose that. Returns
 * 0, or `code` with its sentence. */
int job_check_name(const struct job *j, const struct metainfo *m, enum err code,
		   struct err_info *info);
/* Those of `s`; it has none yet. Returns 0 or ERR_NOMEM: it may have some of them. */
int job_copy_donors(struct job *j, const struct job_spec *s);
void job_drop_donors(struct job *j);
/* What the record says of the torrent: hashes, name, sizes. Returns 0 or ERR_NOMEM. */
int job_fill_from_meta(struct job *j, const struct metainfo *m);
/* Which files: by `only`, or by what the link says. Returns 0, or the error with its sentence. */
int job_choose_files(struct job *j, const struct metainfo *m, const char *const *only,
		     const char *magnet, struct err_info *info);

/* A magnet link or an info-hash. Owns: magnet_fini(). */
int job_read_link(const char *text, struct magnet *m, struct err_info *info);
/* Either hash, NULL: it has none of that kind. */
struct job_hashes {
	const uint8_t *v1, *v2;
};
/* The job of this content, `but` left out (may be NULL); NULL: there is none. */
struct job *jobs_find_content(struct jobs *js, const struct job_hashes *h, const struct job *but);

/* What `s` says of that, which is not nothing. Not recorded yet. Returns 0 or ERR_NOMEM. */
int job_fill_upkeep(struct job *j, const struct job_spec *s);
int job_copy_text(const char *text, char **out); /* NULL stays NULL. Returns 0 or ERR_NOMEM */

/* ---- jobs_newer.c ---- */
/* The entry and title that `s` says, if any. Returns 0 or ERR_NOMEM. */
int job_set_entry(struct job *j, const struct job_spec *s);
/* Older versions of the same entry at the same place are no more. */
void jobs_drop_older(struct jobs *js, const struct job *j);
/* What is shared goes once files of it are others and a newer version is shared from their place:
 * it could not be served again. */
void job_drop_if_outdated(struct job *j);
/* It may be so for older versions than `j`, which was added just now. */
void jobs_touch_older(struct jobs *js, const struct job *j);
/* After a start: the newer one of two is the one that is kept up to date. */
void jobs_settle_newer(struct jobs *js);

/* ---- jobs_titles.c ---- */
/* What is shared is to be called `title` first: what it is called now becomes a further title.
 * Returns 0 or ERR_NOMEM. */
int job_lead_with(struct job *j, const char *title);

/* ---- jobs_rules.c ---- */
/* Its rules and one more: files that match `globs` are wanted so much in newer versions, too.
 * Returns 0, or the error with its sentence: ERR_TOO_BIG, ERR_NOMEM. Owns: job_list_free(). */
int job_rules_with(const struct job *j, const char *const *globs, enum want want, char ***out,
		   struct err_info *info);
/* Of its files those are wanted that its rules say. Not recorded yet. Returns 0; ERR_NOENT: none is
 * left; or another error, with its sentence. */
int job_apply_rules(struct job *j, const struct metainfo *m, struct err_info *info);

/* ---- jobs_select.c ---- */
/* How much one of its files is wanted. */
enum want job_want_of(const struct job *j, const struct metainfo *m, uint32_t file);
/* How much each file is wanted now, m->n_files bytes. NULL without memory. Owns: the caller's. */
uint8_t *job_copy_wanted(const struct job *j, const struct metainfo *m);
/* Those that `chosen` has, NULL: all, get `want` in `files`. */
void job_set_wanted(const struct metainfo *m, const uint8_t *chosen, enum want want,
		    uint8_t *files);
/* These are wanted now, `files` NULL: all; taken over, also on error. Not recorded yet. */
int job_take_files(struct job *j, const struct metainfo *m, uint8_t *files, struct err_info *info);

/* Its torrent, from its transfer or else from disk: *own (NULL: none) is the caller's. Returns 0,
 * or the error with its sentence. */
int job_meta(const struct job *j, const struct metainfo **out, struct metainfo **own,
	     struct err_info *info);
/* All is there: which files came first does not matter any more. */
void job_forget_order(struct job *j);

/* ---- jobs_link.c ---- */
bool job_is_link(const struct job *j); /* its torrent is not known yet */
/* Ask peers for it. Returns 0, or the error with its sentence. */
int job_ask(struct job *j, struct err_info *info);
/* Is it there? Returns 0: the job has a torrent now, and may begin with those who were asked;
 * ERR_AGAIN: not yet; or why it will not be. */
int job_take_answer(struct job *j, struct err_info *info);

/* ---- jobs_queue.c ---- */
/* It is not begun, and could be. */
bool job_wants_turn(const struct job *j);
/* So many of its kind run at a time, and the others wait. */
bool job_is_queued_kind(const struct jobs *js, const struct job *j);
/* How many of those run that count. */
uint32_t jobs_running(const struct jobs *js);
/* NULL: none waits that may begin. */
struct job *jobs_next_of_queue(const struct jobs *js);
/* All places to ask for links are taken, and one waits that is not less urgent than this one, which
 * nobody answers and was asked for longest: to be stopped, and asked for again when it is its turn.
 * NULL: there is none. */
struct job *jobs_link_to_leave(const struct jobs *js);

/* ---- jobs_run.c ---- */
/* What is changed is recorded, and looked at in the next turn. */
int job_changed(struct job *j, struct err_info *info);
void jobs_turn(void *arg); /* the timer's */
/* What is changed is recorded; if it cannot be, that is said. */
void job_save_or_say(struct job *j);
/* Look at it in the next turn. */
void job_touch(struct job *j);
/* The node has a session with its index from now on; if it cannot, that is said. */
void job_use_index(struct job *j);
/* Peers and webseeds of `s`: it is fetched from them, too. Returns 0, ERR_NOMEM, ERR_TOO_BIG or
 * what the disk says. */
int job_take_sources(struct job *j, const struct job_spec *s, struct err_info *info);
/* Take its transfer, if any, out of the node. */
void job_stop(struct job *j);
enum job_state job_state_now(const struct job *j);
/* All of it is had, and it is not to be served. */
bool job_is_done(const struct job *j);
/* Sent, fetched, had: of all its transfers. */
struct job_total job_total_now(const struct job *j);
/* The same, as `st` says of the transfer that it has. */
struct job_total job_total_with(const struct job *j, const struct transfer_status *st);

/* ---- jobs_second.c ---- */
void jobs_second(void *arg); /* the timer's */

/* ---- jobs_disk.c ---- */
int jobs_load(struct jobs *js, struct err_info *info);
int job_save(struct job *j, struct err_info *info);
int job_save_torrent(struct job *j, struct bytes torrent, struct err_info *info);
/* Record, torrent and what was verified. Returns 0, or why the record stays, and all with it. */
int job_forget(struct job *j, struct err_info *info);
/* What was verified of its files when they were hashed. False: nothing is known. Owns:
 * verified_fini(). */
bool job_load_verified(const struct job *j, struct verified *out);
bool job_has_verified(const struct job *j);
/* If it cannot be recorded, that is said. */
void job_save_verified(struct job *j, const struct verified *v);
void job_forget_verified(struct job *j);
void jobs_save_totals(struct jobs *js);

/* ---- jobs_erase.c ---- */
/* The data of one that is removed, or what is unfinished of it. */
void job_erase(struct job *j);

/* ---- jobs_spared.c ---- */
struct spared;
/* Which of its files are other jobs' besides, whose places lie within its own or around it. Returns
 * 0; or why that is not known, with its sentence. Owns: spared_free(); it borrows from those jobs.
 */
int spared_new(const struct job *j, struct spared **out, struct err_info *info);
void spared_free(struct spared *s); /* NULL is fine */
/* Whose else the file is, by its path in the torrent, or "" where the torrent is that file. NULL:
 * nobody's. */
const struct job *spared_for(const struct spared *s, const char *name);

#endif
