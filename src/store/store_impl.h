/* store/store_impl.h - what the files of the store share. Private to src/store.
 *
 *   store.c         open, resume, close, discard
 *   store_event.c   what all stores of one pool share: events, jobs that are out
 *   store_files.c   where each file lies in the piece space; open descriptors
 *   store_resume.c  what an unfinished download still has
 *   store_left.c    whether somebody else wrote to it since
 *   store_recv.c    spans, slabs and writes
 *   store_check.c   verify, recheck, leaves
 *   store_send.c    reading for upload
 *   store_save.c    sync, state file
 *   store_name.c    the final name, and what may be there already
 *   store_fill.c    bytes of older copies
 *   store_place.c   files that are wanted, and those that are not
 *   store_look.c    files that somebody changes
 *
 * Threads: the loop thread owns every struct here. A worker looks only at its own job, at the
 * parts of `struct store` marked "constant", and at open files under hub->files_lock. It never
 * looks into the metainfo, which may be gone before the last job of a closed store ends. */
#ifndef SHOAL_STORE_STORE_IMPL_H
#define SHOAL_STORE_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "meta/selection.h"
#include "store/resume.h"
#include "store/root.h"
#include "store/store.h"

/* Buffers of one block, dealt out only when every slab is held by a peer that stalls in the
 * middle of a block. Attack: peers who each send the first byte of a block and fall silent. */
#define STORE_SPARES_MAX 256u
/* Pieces of a recheck that are with the workers at one time. */
#define STORE_CHECKS_OUT 8u
#define STORE_CHECKS_OUT_MAX 32u /* of pieces that are hashed together */
/* What waits to be refused for want of memory; beyond it something goes unsaid. */
#define STORE_UNSAID_MAX 256u
/* More changed files than this are synced with one syncfs(2) instead of one fdatasync(2) each. */
#define STORE_SYNC_FILES 32u

/* ---- events and jobs (store_event.c) ------------------------------------ */

/* What waits to be told. Of a task, all that it says; what lives in the store says only that there
 * is room, or, for what it names, no memory. */
struct event {
	struct event *next;
	struct store *s;
	struct task *task; /* freed with the event; NULL: it lives in the store */
	bool queued;
	enum store_event_type type;
	uint32_t piece;
	uint64_t token;
};

/* One per pool. */
struct store_hub {
	struct pool *pool;
	struct store *stores; /* downloads, the newest first */
	struct event *head, **tail;
	struct event *current; /* lent by store_next_event() */

	/* Without memory each store has one event at a time to say so; the others wait here, the
	 * oldest first. */
	struct unsaid {
		struct store *s;
		enum store_event_type type;
		uint32_t piece;
		uint64_t token;
	} unsaid[STORE_UNSAID_MAX];
	unsigned n_unsaid;

	struct slab *oldest, *newest; /* slabs that still take spans */
	unsigned slabs_out;	      /* with workers */
	unsigned spares;
	struct digest_many_widths sha1; /* `most` 0: not known yet */
	unsigned checking;		/* pieces in memory that are about to be verified */

	pthread_mutex_t files_lock;
	struct handle *recent, *stale; /* both ends of the LRU; under files_lock */
	unsigned n_handles;	       /* under files_lock */
	unsigned max_handles;	       /* under files_lock */
	pthread_t loop;		       /* constant: the thread that never waits */
};

/* The pool's hub, made at first use; NULL without memory. */
struct store_hub *hub_of(struct pool *p);

/* A job whose end is an event. Put first in a larger struct that was malloced. */
struct task {
	struct pool_job job;
	struct store *s;
	struct event event;
	struct store_event e;
	uint8_t *hashes; /* of `e`; freed with the event */
};

/* Zeroed, with the event's type, piece and token filled in. NULL without memory: then the event
 * was queued already, with ERR_NOMEM. */
void *task_new(struct store *s, size_t size, enum store_event_type type, uint32_t piece,
	       uint64_t token);
/* The same, but then nothing was queued: of what strangers may ask for without end, none of it may
 * wait for an answer that nobody remembers to give. */
void *task_try(struct store *s, size_t size, enum store_event_type type, uint32_t piece,
	       uint64_t token);
/* The event that there was no memory for, with ERR_NOMEM. */
void task_nomem(struct store *s, enum store_event_type type, uint32_t piece, uint64_t token);
void task_submit(struct task *t, void (*run)(struct pool_job *, struct pool_worker *),
		 void (*done)(struct pool_job *));
/* The end of every done(): queue the event (which takes the task), or drop both when the store
 * was closed meanwhile. */
void task_end(struct task *t);

/* For jobs that are no task. */
void store_job_out(struct store *s, struct pool_job *job);
void store_job_in(struct store *s);

void event_push(struct event *ev);
void events_forget(struct store *s);
uint64_t store_clock_ms(void);
/* STORE_ROOM shall be told. */
void store_wait_room(struct store *s);
/* A slab or spare may be had again: tell the stores that wait. */
void hub_tell_room(struct store_hub *h);

/* ---- files (store_files.c) ---------------------------------------------- */

/* A file as it was when it was verified. */
struct file_stamp {
	struct timespec mtime;
	ino_t ino;
	bool known;   /* it was taken: of what is not whole at its final name there is none */
	bool changed; /* it is not that any more */
};

struct store_file {
	const char *path; /* beneath s->data */
	uint64_t offset, length;
	struct file_stamp stamp; /* under files_lock; the loop thread, which alone writes it while
				    anybody looks, reads it without */
	struct handle *handle;	 /* under files_lock, as the three flags below */
	bool dirty;		 /* is to be synced */
	bool fresh;		 /* and its name may be new as well */
	bool wrote;		 /* it was us who changed it, since `left` was taken */
	/* DOWNLOAD: when it was changed last, as it was found and then at each save that came
	 * behind a write of ours; zeros: it was not there. The job's that saves, once jobs are
	 * out. */
	struct timespec left;
	bool whole; /* DOWNLOAD: the state that was read vouches for all of it */
	bool other; /* DOWNLOAD: it was not found as that state says it was left */
	bool found; /* there was something of it when the download was opened */
	bool executable;
	uint32_t index;	    /* in the metainfo */
	atomic_bool wanted; /* else only edges of pieces reach into it */
	atomic_bool aside;  /* lies in the rest folder; changed under `places` */
};

/* An open file, shared by reference: eviction cannot close it under a worker. */
struct handle {
	int fd;
	unsigned refs;
	/* The kernel lets one writer into a file; the others spin, on a core that hashing or the
	 * other side of the connection could use. Here they sleep. */
	pthread_mutex_t writer;
	/* The loop thread's: the file system has no RWF_NOWAIT; none of what sendfile needs. */
	bool may_wait, no_sendfile;
	bool forgotten; /* the file has another by now, or none: under files_lock */
	struct store_file *file;
	struct handle *newer, *older;
};

/* A stretch of the piece space within one file, or (file NULL) within a pad or gap. */
struct part {
	struct store_file *file;
	uint64_t at; /* in the file */
	size_t len;
};
struct part_walk {
	const struct store *s;
	uint64_t offset, left;
	uint32_t i;
};

int files_load(struct store *s, const struct metainfo *m);
void files_close(struct store *s);

/* Descriptors are out: spare those of files that nobody reads right now. A worker may be made to
 * wait, for others may take what was spared. `*since_ms` is 0 before the first try. False: to try
 * again would be in vain. */
bool hub_spare(struct store_hub *h, uint64_t *since_ms);
/* `make`: create it, and its folders. Drop with file_put(). */
int file_get(struct store *s, struct store_file *f, bool make, struct handle **out,
	     struct err_info *info);
void file_put(struct store *s, struct handle *h, bool wrote);
/* Has the file changed since it was verified? Any thread. */
bool file_changed(struct store *s, const struct handle *h);
/* What lies at its name now has nothing to do with what is open. */
void file_forget(struct store *s, struct store_file *f);
/* root_fail() by the final name: a download's folder is open under the one it had before. */
int file_fail(const struct store *s, const struct store_file *f, enum err code, const char *why,
	      struct err_info *info);
void file_stamp(struct store *s, struct store_file *f, const struct file_stamp *as);
/* As verified and found so. */
void stamp_file(struct store *s, struct store_file *f, const struct stat *st);
/* It may be written, so nothing that happens to it is a change. */
void file_unstamp(struct store *s, struct store_file *f);

struct part_walk part_walk(const struct store *s, uint64_t offset, uint64_t len);
bool part_next(struct part_walk *w, struct part *out);

/* Whole runs of the piece space; pads read as zeros and are not written. Any thread. */
int bytes_write(struct store *s, uint64_t offset, struct bytes data, struct err_info *info);
int bytes_read(struct store *s, uint64_t offset, struct span out, struct err_info *info);
/* Have the disk begin with what was written, so that the sync at the end is short. */
void bytes_start_sync(struct store *s, uint64_t offset, uint64_t len);
/* Put zeros where `data`, bytes of the piece space at `offset`, lies in pads. */
void bytes_clear_pads(const struct store *s, uint64_t offset, struct span data);

/* ---- pieces (store_recv.c, store_check.c) ------------------------------- */

/* All a worker needs to know about a piece. */
struct piece_shape {
	uint64_t offset;      /* in the piece space */
	uint32_t bytes;	      /* on the wire */
	uint32_t real;	      /* bytes that block hashes cover: v2 ends with the file */
	uint32_t blocks;      /* on the wire */
	uint32_t tree_blocks; /* piece length in blocks */
	bool v2;
	bool whole_file;	  /* v2: the file is not longer than a piece */
	uint8_t want[SHA256_LEN]; /* v2: of the piece layer; v1: the first 20 bytes */
};

void shape_of(const struct store *s, uint32_t piece, struct piece_shape *out);
static inline uint32_t shape_runs(const struct piece_shape *p)
{
	return (p->blocks + POOL_SLAB_BLOCKS - 1) / POOL_SLAB_BLOCKS;
}
/* SHA-256 of each block of [from, to), whose bytes on the wire are at `data`; zeros when it is
 * all pad. `out` takes SHA256_LEN bytes a block. */
void shape_hash_blocks(const struct piece_shape *p, uint32_t from, uint32_t to, const uint8_t *data,
		       struct digest_many *many, uint8_t *out);

/* A run of up to POOL_SLAB_BLOCKS blocks that is being received or written. A mask's bit i
 * is block i of the run.
 *
 *   span -> busy -> recv_done -> got -> job -> out -> written
 *                \ recv_abort -> nothing
 *
 * A closed one gives out no spans; it goes when nobody is busy in it and all got is written. */
struct slab {
	struct pool_job job;
	struct store *s;
	struct piece *piece;
	uint32_t run;
	uint8_t *mem;
	bool lent;  /* `mem` is part of the piece's */
	bool spare; /* `mem` is one malloced block: block `first` of the run */
	uint32_t first;
	bool closed;
	uint16_t busy, got, out;
	struct slab *next_in_piece, *older, *newer;
	struct slab *next_in_chain;

	/* the job's */
	uint64_t offset; /* of the run, in the piece space */
	uint32_t run_bytes;
	struct digest *sha1; /* v1-only and in order: goes on with the first `sha1_blocks` */
	uint32_t sha1_first, sha1_blocks;
	uint64_t written;
	struct err_info err;
	uint8_t leaves[POOL_SLAB_BLOCKS][SHA256_LEN];
};

/* A piece that is being received. Per run: which blocks came since it was (re)opened, which are
 * being read from a socket, which lie on disk with their hash in `leaves` (v2). */
struct piece {
	uint32_t index, runs;
	struct piece_shape shape;
	uint16_t *got, *busy, *known;
	struct slab **open; /* per run: the slab that takes spans */
	struct slab *slabs;
	uint8_t *leaves;
	unsigned jobs; /* slabs with workers or in the chain */
	bool verify_wanted, verifying, want_hashes;
	bool settled; /* verified good; waits for readers that stalled */
	struct err_info err;

	/* v1-only. SHA-1 takes blocks in order, so slabs that continue it form a chain; one that
	 * comes out of order is written only, and hashing stops before it until the verify. */
	struct digest *sha1;
	uint32_t sha1_next, sha1_planned; /* first block not hashed, not even in the chain */
	bool sha1_busy;
	struct slab *chain, **chain_tail;

	/* piece_memory() of a v1 piece, kept until it is verified. Then there is no chain. Once
	 * `split`, slabs are taken for themselves. */
	uint8_t *mem;
	uint32_t mem_blocks; /* came into it */
	bool split, checking;
	struct check *parked; /* hashed, and waits for the last write */
};

/* How many whole pieces like this one in memory are hashed quickest together, of those that fit
 * there; 1: it need not be there. */
unsigned pieces_together(struct store *s, const struct piece_shape *shape);
/* Slabs in one piece for all of it, to be given back; NULL when it need not be there, or when a
 * quarter of all slabs would not be left to others. */
uint8_t *piece_memory(struct store *s, const struct piece_shape *shape);
/* Is so much left that piece_memory() will most likely find it? */
bool piece_has_memory(struct store *s, const struct piece_shape *shape);
void piece_free(struct store *s, struct piece *p);
/* No more of it in memory as a whole; what comes from now on must not meet what a worker may still
 * be writing. */
void piece_leave_memory(struct store *s, struct piece *p);
/* It is not about to be verified in memory any more. */
void piece_checked(struct store *s, struct piece *p);
/* Forget what was received; its bytes stay on disk. */
void piece_reset(struct store *s, struct piece *p);
void slabs_drop(struct store *s);
/* No slab of it is out any more: is it to be verified, or was it meanwhile? */
void piece_written(struct store *s, struct piece *p);
/* The store closes. */
void verify_forget(struct store *s, struct piece *p);
/* The state of piece `index`, made if need be; NULL without memory. */
struct piece *piece_at(struct store *s, uint32_t index);
void piece_flush(struct piece *p);

/* ---- the store ---------------------------------------------------------- */

struct store {
	struct store_hub *hub;
	struct store *next;
	const struct metainfo *meta; /* not from a worker, nor once closed */
	void *user;
	bool closed;
	size_t jobs;
	struct event room, nomem;
	bool wants_room;
	uint64_t room_from_ms, waited_ms; /* since when; all of the time before */

	/* constant after store_open() */
	enum store_mode mode;
	struct root parent; /* folder of the final name */
	struct root folder; /* the data folder of a multi-file torrent */
	struct root *data;  /* of the two, that which file paths start from */
	uint32_t piece_length;
	char *final_rel, *part_rel, *state_rel, *rest_rel; /* beneath `parent`; DOWNLOAD */
	char *part_path;
	bool replaces; /* DOWNLOAD: something with the stamp `old` may be at the final name */
	struct stamp old;
	struct store_file *files; /* `n_data` non-empty ones by offset, then the empty ones */
	uint32_t n_files, n_data;
	char *paths;
	struct buf torrent;
	uint8_t info_hash[SHA256_LEN];
	atomic_bool cancel;   /* jobs that have not begun shall do nothing */
	atomic_bool renaming; /* the final name may be there already */
	atomic_bool finished; /* at its final name */

	/* For reading while a file is opened, for writing while one changes its place. Before
	 * hub->files_lock. */
	pthread_rwlock_t places;
	atomic_bool placed; /* DOWNLOAD of a folder: what is whole has its final name */
	dev_t data_dev;	    /* SEED: which folder `data` is, as it is opened anew with each file; */
	ino_t data_ino;	    /* both under files_lock */
	atomic_bool stamped; /* files are as they were verified: SEED, and DOWNLOAD once finished */
	bool looking;	     /* a store_look() is out */
	struct file_seen *seen; /* of `files`, as the last look found those that were changed */

	int lock_fd; /* DOWNLOAD, one file: holds the lock; -1 */
	struct bitfield have, unsure;
	bool zeros_known;
	uint8_t zeros_hash[SHA256_LEN]; /* of a whole piece; v1: the first 20 bytes */
	struct piece **pieces;
	uint64_t written, read;

	/* For reading while bytes of files are changed, for writing to wait until nobody does.
	 * Before state_lock and `places`. */
	pthread_rwlock_t writing;
	atomic_bool sealed;	    /* nothing is written any more */
	pthread_mutex_t state_lock; /* over the state file, once jobs are out */
	atomic_llong said_open_s;   /* Unix time at which it said last that we write; 0: never */
	/* Under state_lock: of what the state on disk vouches for, what is believed; no bits: all
	 * of it. */
	struct bitfield still;
	bool timed; /* the state that was read has times, and said this last: */
	uint64_t open_s;
	uint32_t n_others; /* files that are `other` and had something; placed: none is counted */

	struct bitfield todo; /* recheck: not handed out yet */
	uint32_t todo_from, checks_out;

	bool saving;	/* a save or finish is out */
	bool finishing; /* of the two, a finish */
	bool save_next, finish_next;
	bool save_last; /* the save that is next, or out, is the last one */
	struct bitfield save_have;
	struct err_kept sync_err; /* sticks */
};

/* What the part file and the state file say (store_resume.c). */
int resume_load(struct store *s, const uint8_t *wanted, struct err_info *info);
int files_preallocate(struct store *s, struct err_info *info);
/* Read the state file, if it is there and of this torrent. Returns OK or ERR_NOMEM. */
int resume_read(struct store *s);
/* The first `len` bytes of a file of which no piece is vouched for are unsure. */
void resume_doubt(struct store *s, const struct store_file *f, uint64_t len);

/* ---- looking (store_look.c, store_verified.c) ---------------------------- */

/* Does it reach into a file that is not what it was? */
bool piece_has_changed_file(const struct store *s, uint32_t piece);
/* A seed whose files were looked at: what of it is had yet, and what is unsure. */
void store_believe(struct store *s, const struct verified *v);

/* ---- as they were left (store_left.c); store/resume.h has the rules --------- */

#define STATE_BYTES_MAX                                                                            \
	(META_BYTES_MAX + META_PIECES_MAX / 8 + META_FILES_MAX * RESUME_TIME_BYTES + 4096u)

/* From the state that was read, whose `have` is the store's by now. */
void left_load(struct store *s, const struct resume *r);
/* Is the file as it was left, or as we may have made it since? */
bool left_is_ours(const struct store *s, const struct store_file *f, const struct stat *st);
/* Around each change of a file's bytes: the state says that we write, before it is so. Returns 0;
 * ERR_CANCELLED when nothing is written any more, ERR_NOSPACE, ERR_IO or ERR_NOMEM when it could
 * not be said: then nothing may be written, and there is no end. */
int left_write_begin(struct store *s, struct err_info *info);
void left_write_end(struct store *s);
/* From now on nothing is written. Waits for those who are about it. */
void left_seal(struct store *s);
/* Look when the file was changed last. */
void left_take(struct store *s, struct store_file *f);
/* All of them, for the state. Returns 0 or ERR_NOMEM. */
int left_put(const struct store *s, struct buf *out);
int64_t left_clock_s(void);

/* ---- places (store_place.c) ----------------------------------------------- */

#define STORE_PLACE_MAX (META_PATH_BYTES_MAX + META_NAME_BYTES_MAX + 32u)

/* Where a file is opened. `path` may point into `text`. */
struct store_place {
	const struct root *root;
	const char *path;
	char text[STORE_PLACE_MAX];
};
/* With the lock. */
void store_place_of(const struct store *s, const struct store_file *f, struct store_place *out);
/* Does the state file say that the final name is that of an unfinished download? Returns 0, or an
 * error when that cannot be found out now: a state that could not be read vouches for nothing, but
 * is no leftover either. */
int store_was_placed(const struct store *s, bool *placed, struct err_info *info);
/* Is every piece of it in `have`? Empty files are made at the end: they never are. */
bool file_is_whole(const struct store *s, const struct bitfield *have, const struct store_file *f);
/* Each file goes where it shall be; the state was read. */
int store_places_open(struct store *s, const uint8_t *wanted, struct err_info *info);
/* Would two of the wanted files be one here, as capitals and small letters are not told apart? Each
 * would write over the other, though every piece was good when it came. OK, ERR_INVALID, ERR_NOMEM.
 */
int store_places_alike(const struct store *s, const uint8_t *wanted, struct err_info *info);
/* All is hashed. Is what is at its final name what it should be? OK or ERR_EXISTS. */
int store_places_check(const struct store *s, struct err_info *info);
/* Is there a file that is not wanted? */
bool store_leaves_out(const struct store *s);
/* Placed: the wanted ones are whole and synced. On a worker. */
int store_places_give(struct store *s, struct err_info *info);
void store_rest_remove(struct store *s);
/* Take the lock that keeps a second process out (store.c). */
int store_lock(struct store *s, struct err_info *info);

/* ---- the final name (store_name.c) --------------------------------------- */

/* Returns OK when the final name is free, or taken by what may be replaced. */
int name_check(struct store *s, struct err_info *info);
/* Is its folder still where it was asked for? Returns 0 or ERR_MISMATCH. On a worker. */
int name_look(const struct store *s, struct err_info *info);
/* All is synced. On a worker. `partial`: the state file stays. */
int name_give(struct store *s, bool partial, struct err_info *info);
/* After a crash right behind it the older version has the unfinished name, and no state. Its files
 * that are none of the torrent's would come along: away with it. */
void name_sweep(struct store *s);
/* Remove what lies at `rel`, if anything does. */
int name_remove(const struct root *r, const char *rel);

#endif
