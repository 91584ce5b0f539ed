/* store/resume.h - the state file of an unfinished download, as bytes.
 *
 * What it vouches for is believed at a start without being hashed. So it remembers, too, when each
 * file was changed last, to the nanosecond, and who starts looks whether each is as it was left:
 *
 *     a run that ended      its time is another: its pieces are hashed, none is believed.
 *     one that was cut off  The same for a file all of whose pieces are recorded, for nothing of
 *                           ours writes to it any more. Another may have been written by us since:
 *                           its recorded pieces, which were synced, are believed if it was changed
 *                           no earlier than remembered, and no later than we may have written.
 *
 * For that a run says in the state that it writes, and when it said so: before its first write, and
 * anew before any that comes RESUME_OPEN_S / 2 later. What it did not believe at its own start it
 * takes out of the state then. So after kill -9 or a power cut nobody waits for hundreds of
 * gigabytes to be hashed again.
 *
 * Of a part of a folder, which has its final name before all of it is there, the same holds.
 *
 * What is believed all the same: what somebody writes into a file that is not whole while a run
 * goes on, or within RESUME_OPEN_S of when one that was cut off said last that it writes; what
 * somebody does who sets the time back; and a state without times, as older versions wrote them.
 * Inodes are not remembered: those of FAT and of many file systems in user space or on the network
 * do not last, and a download that was copied to another disk, times and all, is what it was. */
#ifndef SHOAL_STORE_RESUME_H
#define SHOAL_STORE_RESUME_H

#include <time.h>

#include "base/bitfield.h"
#include "base/buf.h"
#include "base/digest.h"

/* All integers big-endian and of fixed width; SHA-256 of everything before it at the end.
 *
 *   "SHOALRES" | version u32 | flags u32 (1: placed, 2: timed) | info-hash 32 (v2, or v1 and 12
 *   zeros) | pieces u32 | piece bitfield | length of .torrent u32 | the .torrent
 *   | if timed: open u64 | files u32 | seconds i64, nanoseconds u32 of each | sha256 32 */
#define RESUME_VERSION 1u
#define RESUME_TIME_BYTES 12u
/* A run that writes has said so less than this long ago. */
#define RESUME_OPEN_S 60u

struct resume {
	uint8_t info_hash[SHA256_LEN];
	struct bitfield have; /* pieces whose bytes were synced before this was written */
	bool placed;	      /* the folder has its final name, though not all of it was wanted */
	struct bytes torrent; /* the metainfo, so that a download goes on without an index */
	bool timed;	      /* the two below are there */
	uint64_t open_s;      /* Unix time at which the run said last that it writes; 0: it ended */
	/* When each file that has bytes was changed last, in the order of the piece space, pads
	 * left out; RESUME_TIME_BYTES each, zeros: it was not there. */
	struct bytes times;
};

int resume_encode(const struct resume *r, struct buf *out);
/* Returns 0, ERR_PROTO (damaged, cut short, other version: start from hashing) or ERR_NOMEM.
 * Owns: r->have is new (bitfield_fini), r->torrent and r->times borrow `in`. */
int resume_decode(struct bytes in, struct resume *r);
/* Change when the run said last that it writes in a state that was read, and vouch no longer for
 * pieces that are not in `still` (NULL: for all that it did). Returns as resume_decode(), and
 * ERR_NOENT for one without times. */
int resume_set_open(struct buf *state, uint64_t open_s, const struct bitfield *still);

void resume_put_time(struct buf *out, const struct timespec *t);
/* Of the file with number `i` in `times`, which has that many. */
struct timespec resume_time(struct bytes times, uint32_t i);

#endif
