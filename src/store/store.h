/* store/store.h - the bytes of one torrent on disk.
 *
 * Receiving: the shell asks where a block's payload shall land, reads it there from the
 * socket, and says so. Blocks gather in slabs (store/pool.h); a full slab is hashed and
 * written by a worker while the next arrives. A slab that others wait for is written half
 * full. Verifying waits for the piece's writes.
 *
 * A download lives beside its destination as ".NAME.<8 hex of info-hash>.shoal" (file or
 * folder) with ".NAME.<8 hex>.shoal-state" (store/resume.h) next to it; the final name
 * appears by one rename after everything was verified and synced, and replaces nothing but
 * what the caller said it may (`replaces`): then old and new change places at once. A lock on the
 * unfinished file or folder keeps a second process out.
 *
 * Of a folder some files may not be wanted. They are not made; bytes of pieces that reach into them
 * lie in ".NAME.<8 hex>.shoal-rest" beside it, so that these pieces can be verified and served.
 * When all that is wanted is there, the folder gets its final name; that folder and the state file
 * stay, and tell whoever opens it again that more of it may be fetched. Then those files are hashed
 * again that the user may have worked with, as their times are others; one that is not what it
 * should be is refused (ERR_EXISTS), and new ones get their names there one by one, when they are
 * whole, and replace nothing.
 */
#ifndef SHOAL_STORE_STORE_H
#define SHOAL_STORE_STORE_H

#include "base/bitfield.h"
#include "meta/metainfo.h"
#include "store/pool.h"
#include "store/stamp.h"

/* Files of one process that stay open between uses, unless store_limit_files() says otherwise. */
#define STORE_FDS_MAX 128u
/* Without a descriptor for a file, or for the disk's other needs, a worker waits so long for one
 * before it says ERR_TOO_BIG. The loop never waits. */
#define STORE_FDS_WAIT_MS 2000u
#define STORE_FDS_RETRY_MS 20u /* between two tries */
/* A file that was changed is believed to be at rest when two looks so far apart find it alike. */
#define STORE_REST_MS 1500u

struct store;
struct verified; /* store/verified.h */

enum store_mode {
	STORE_SEED,	/* data exists at `path`; opened read-only, never written or renamed */
	STORE_DOWNLOAD, /* as above; made if missing, resumed if there */
};

struct store_params {
	enum store_mode mode;
	struct pool *pool;
	const struct metainfo *meta; /* borrowed for the store's life */
	struct bytes torrent;	     /* DOWNLOAD: the .torrent, copied into the state file */
	const char *path;	     /* the final name of the file or folder; its parent exists */
	bool preallocate;	     /* fallocate instead of sparse */
	/* SEED: files that are missing, or of another size, are as if they had gone while it was
	 * served (store_look()), as long as one is there. */
	bool partly;
	/* SEED: what was verified of it before. Files that are as they were then are believed, the
	 * rest is unsure. NULL: nothing is known. Borrowed for the call. */
	const struct verified *verified;
	/* DOWNLOAD: what is at `path` is replaced at the end, if it is this then and now; NULL:
	 * nothing may be there. */
	const struct stamp *replaces;
	/* DOWNLOAD of a folder: an enum want (meta/selection.h) for each of meta->files; NULL: all
	 * are wanted. Borrowed for the call. */
	const uint8_t *wanted;
	void *user; /* returned with each event */
};

/* What the store has to tell, in order. Pulled by the shell after pool_drain(). */
enum store_event_type {
	STORE_CHECKED,	/* progress of store_recheck(): `piece` is `good` or not; `last` at the end
			   (with `piece` UINT32_MAX when there was nothing to check); ERR_NOMEM
			   ends it, too; ERR_EXISTS with `last`: see store_is_partial() */
	STORE_FILLED,	/* answer to store_fill() */
	STORE_VERIFIED, /* answer to store_verify(): good / bad, hashes; `err` set when it could not
			   be written or read back */
	STORE_FETCHED,	/* answer to store_fetch(): that range is ready, or err */
	STORE_LEAVES,	/* answer to store_leaves() */
	STORE_READ,	/* answer to store_read(): `data`, or err */
	STORE_ROOM,	/* a slab came free after store_recv_span() said ERR_AGAIN */
	STORE_SAVED,	/* answer to store_save(): what it recorded is durable, or err */
	STORE_FINISHED, /* answer to store_finish(): at its final name, or err */
	STORE_DROPPED,	/* answer to store_drop(): its space is given back, or err */
	STORE_LOOKED,	/* answer to store_look(): `n_changed` wanted files are not what they were;
			   `err` is ERR_MISMATCH with the first of those `n_fresh` that no look
			   before found so, else with the first of all; or says why nobody could
			   look: ERR_TOO_BIG, for want of a descriptor, so look again */
};

struct store_event {
	enum store_event_type type;
	void *user;
	uint32_t piece;
	bool good, last;
	bool stored; /* CHECKED: there are bytes of the piece on disk, whatever they are */
	bool lost;   /* SAVED, FINISHED: only opening the store again helps, see there */
	uint32_t n_changed, n_fresh; /* LOOKED */
	uint32_t n_hashes;	     /* block hashes behind `hashes` (32 bytes each), 0 when none */
	const uint8_t *hashes;	     /* borrowed until the next store_next_event() */
	struct bytes data;	     /* READ: borrowed as `hashes` are */
	uint64_t token;		     /* FETCHED, LEAVES, READ: the caller's */
	struct err_info err;	     /* code OK when fine */
};

/* At most so many files (1 or more) of all stores on this pool stay open. Returns 0 or ERR_NOMEM.
 */
int store_limit_files(struct pool *p, uint32_t n);
/* How many are open now. */
uint32_t store_open_files(const struct pool *p);

/* The next event of any store on this pool; false when there is none. */
bool store_next_event(struct pool *p, struct store_event *out);

/* Open or resume.
 * Returns: 0; ERR_EXISTS when (DOWNLOAD) something is at the final name already that may not be
 *          replaced; ERR_NOENT /
 *          ERR_DENIED (also: another process has it open) / ERR_INVALID (a folder where a file
 *          should be, wrong size when seeding, two wanted files that are one where capitals and
 *          small letters are) / ERR_NOSPACE / ERR_TOO_BIG (no descriptor is left) / ERR_IO with
 *          the sentence.
 * Waits for the last jobs of a store of the same path that was closed just before; so it may
 * run other jobs' done(). store_discard() does, too. */
int store_open(const struct store_params *p, struct store **out, struct err_info *info);
/* Gives up what is in memory; jobs that are out end first, in the background. No events
 * with this `user` come afterwards. */
void store_close(struct store *s);

/* Pieces the state file vouches for (SEED: none until rechecked or trusted). */
const struct bitfield *store_have(const struct store *s);
/* SEED right after hashing: everything is as the metainfo says. */
void store_trust_all(struct store *s);
/* SEED: its files as they were when they were opened or found at rest, and what was verified of
 * them. Returns 0 or ERR_NOMEM. Owns: verified_fini(). */
int store_verified(const struct store *s, struct verified *out);
/* SEED, all of which was looked at: is something of it not what the torrent says, though its files
 * are there as they were? */
bool store_has_bad(const struct store *s);
/* Pieces that may have data on disk but are not vouched for (found with SEEK_DATA): they
 * are what a recheck must hash after a crash. 0 when there is nothing to do. */
uint32_t store_unsure(const struct store *s);
/* DOWNLOAD: files that were not found as they were left (store/resume.h), so that nothing of them
 * is vouched for, and all is unsure. How many; *info is ERR_MISMATCH with the first of them. */
uint32_t store_others(const struct store *s, struct err_info *info);
/* Hash pieces and report each as STORE_CHECKED: all of them, or the unsure ones only. Good
 * ones enter store_have(); those that could not be looked at (ERR_NOMEM, ERR_TOO_BIG) are unsure.
 */
void store_recheck(struct store *s, bool all);

/* An older or otherwise like copy of one file of the torrent. */
struct store_donor {
	uint32_t file;	 /* index in the metainfo */
	const char *rel; /* beneath `folder` of store_fill() */
};
/* DOWNLOAD, before anything was received: copy the bytes of these files, which are only read, into
 * the unfinished ones, sharing the space where the file system can. Files of which pieces are
 * vouched for are left as they are. What was copied is unsure when STORE_FILLED comes: nothing is
 * believed of it. A donor that cannot be read, or of a file that the torrent does not have, is
 * passed over. Owns: all is copied. Returns 0, or an error after which no event comes. */
int store_fill(struct store *s, const char *folder, const struct store_donor *list, uint32_t n,
	       struct err_info *info);

/* Other files are wanted now. When it has its final name already it is opened anew: what was had is
 * still had. What a file that is not wanted any more has is kept aside, a whole one stays.
 * Returns 0; ERR_INVALID for a seed, or as store_open(); ERR_AGAIN while store_finish() is under
 * way; ERR_EXISTS: a file at its final name was changed, so nothing more can be fetched beside it;
 * ERR_DENIED (locked by another), ERR_IO and the like. */
int store_select(struct store *s, const uint8_t *wanted, struct err_info *info);
/* A download that store_finish() has ended, and that no store_select() has opened anew since. */
bool store_is_finished(const struct store *s);
/* Is at `path` a folder of which not all files were wanted, of this torrent? It can be opened for
 * download; when a file in it was changed, the recheck ends with ERR_EXISTS. */
bool store_is_partial(const struct metainfo *m, const char *path);
/* The pieces that the state file of a download of this torrent to `path` vouches for; none where
 * there is no such file. Nothing is opened or locked, so that another may go on with it.
 * Returns 0 or ERR_NOMEM. Owns: `have` is new (bitfield_fini), empty after an error. */
int store_recorded(const struct metainfo *m, const char *path, struct bitfield *have);

/* ---- receiving ---------------------------------------------------------- */

/* Where the payload of one block goes; the span may be shorter than asked only when the
 * block crosses a slab (blocks are at most 16 KiB and aligned in our own requests; others
 * are refused with ERR_INVALID).
 * Returns 0; ERR_AGAIN when memory is out: wait for STORE_ROOM; ERR_INVALID (also: the block came
 *         already or is just being received); ERR_NOMEM.
 * Owns: the span is the store's, valid until store_recv_done() or store_recv_abort(). */
int store_recv_span(struct store *s, uint32_t piece, uint32_t begin, uint32_t length,
		    struct span *out);
void store_recv_done(struct store *s, uint32_t piece, uint32_t begin, uint32_t length);
/* The peer went away before the payload was whole. */
void store_recv_abort(struct store *s, uint32_t piece, uint32_t begin, uint32_t length);

/* All blocks of the piece were received: finish its writes, hash it (v2 leaves and their
 * root; v1-only SHA-1), answer STORE_VERIFIED. `want_hashes`: block hashes also when good. */
void store_verify(struct store *s, uint32_t piece, bool want_hashes);
/* Some blocks of a bad piece will come again; the others' bytes on disk stay. Not needed when
 * STORE_VERIFIED came with an error: then all blocks may come again. */
void store_reopen_piece(struct store *s, uint32_t piece);

/* ---- sending ------------------------------------------------------------ */

/* Are these bytes of a verified piece in the page cache, so that sending them will not wait for the
 * disk, nor for a descriptor? A page in 16 KiB is looked at.
 * Returns 0; ERR_AGAIN: store_fetch() them first; ERR_INVALID outside of the piece; ERR_IO or
 * ERR_MISMATCH (the file was changed: size or mtime differ from when it was opened or finished). */
int store_ready(struct store *s, uint32_t piece, uint32_t begin, uint32_t length);
/* Send them to a non-blocking socket without a copy (sendfile(2)); those of pads are zeros. What is
 * not ready is waited for.
 * Returns 0, and *sent is short of `length` when the socket is full; or, behind *sent bytes,
 * ERR_UNREACHABLE (the socket is broken), ERR_INVALID, ERR_IO or ERR_MISMATCH (the file ended). */
int store_send(struct store *s, int socket, uint32_t piece, uint32_t begin, uint32_t length,
	       uint32_t *sent);
/* The same into memory: all of `to`. Returns 0; ERR_AGAIN: store_fetch() them first; ERR_INVALID,
 * ERR_IO or ERR_MISMATCH. */
int store_copy(struct store *s, uint32_t piece, uint32_t begin, struct span to);
/* Where these bytes of verified pieces, anywhere in the piece space, lie: for whoever passes them
 * on without a copy. `fd` is a duplicate, the caller's to close; `length` may be shorter than
 * asked, as all is in one file. */
struct store_loan {
	int fd;
	uint64_t at;
	uint32_t length;
};
/* Returns 0; ERR_AGAIN: they are not in the page cache, or in no file: store_read() them; else as
 * store_ready(). */
int store_lend(struct store *s, uint64_t offset, uint32_t length, struct store_loan *out);
/* An answer follows, or ERR_NOMEM: none does. So it is with the next two. */
int store_fetch(struct store *s, uint32_t piece, uint32_t begin, uint32_t length, uint64_t token);
/* Read bytes of verified pieces, anywhere in the piece space; pads are zeros. At most
 * STORE_READ_MAX of them. */
#define STORE_READ_MAX (256u * 1024u)
int store_read(struct store *s, uint64_t offset, uint32_t length, uint64_t token);
/* Hash the 16 KiB blocks of a piece that nothing is being received of: STORE_LEAVES with this
 * token. */
int store_leaves(struct store *s, uint32_t piece, uint64_t token);

/* ---- files that somebody changes ------------------------------------------ */

/* Look at every file by its name, at its size and times, as long as nobody looks already. What was
 * changed, replaced or removed since it was verified takes its pieces out of store_have(). Once it
 * is there again in its size, and at rest, its pieces are unsure: store_recheck() tells which of
 * them are still what they were. SEED, and DOWNLOAD once it is finished: those files of it that are
 * at their final names. What is looked at when store_select() begins another download is not
 * judged. */
void store_look(struct store *s);
/* A piece could not be read as it was verified: it leaves store_have() and is unsure. */
void store_doubt(struct store *s, uint32_t piece);
/* A verified piece is not needed any more: it leaves store_have() at once, and the space of what is
 * whole blocks of the file system is given back. Nobody may be reading it. DOWNLOAD. */
void store_drop(struct store *s, uint32_t piece);
/* Call `fn` with the path of each folder that holds files of the torrent or is on the way to them,
 * from the top; `file` is the name of the only file of interest in it, or NULL: all. It may be
 * called twice for one folder. Ends early when `fn` returns false. */
void store_each_folder(const struct store *s,
		       bool (*fn)(void *user, const char *folder, const char *file), void *user);

/* ---- durability --------------------------------------------------------- */

/* Sync what was written, then record `have` (verified pieces) in the state file. One at a
 * time: a call while one is out is merged into the next.
 * When the sync itself fails, the kernel may have dropped bytes it had taken: from then on save
 * and finish give that same error until the store is closed and opened again, which hashes what
 * was not recorded. ERR_MISMATCH: all is recorded, but the folder of the final name is not where it
 * was. After any other error the call may simply be made again. */
void store_save(struct store *s, const struct bitfield *have);
/* The same, and nothing is written after it: so the state says how each file is left. What is
 * received yet comes to nothing (STORE_VERIFIED with ERR_CANCELLED). Only close it then. A store
 * that is closed without it is like one that was killed. */
void store_save_last(struct store *s, const struct bitfield *have);
/* Everything that is wanted is verified: sync, rename to the final name, remove the state file.
 * Reading goes on at the new name. ERR_EXISTS: what shall be replaced is not what it was; nothing
 * is lost, and the download is complete when it is opened again. */
void store_finish(struct store *s);
/* What is beside `path` under the unfinished name of this torrent, when something else is at
 * `path`: what a crash left of a replacement (the old folder, where the new one is verified), or
 * what there is of a download that was given up. Nothing happens when a download of it is under
 * way. */
void store_sweep(const struct metainfo *m, const char *path);
/* Remove the unfinished data and state, but nothing at the final name. Close afterwards. */
int store_discard(struct store *s, struct err_info *info);

/* Bytes this store has written and read since it was opened. */
void store_counters(const struct store *s, uint64_t *written, uint64_t *read);

/* Milliseconds in which store_recv_span() would have had to wait for memory that the disk held. */
uint64_t store_waited_ms(const struct store *s);

/* Path of the unfinished data, for messages. Borrowed. */
const char *store_part_path(const struct store *s);

#endif
