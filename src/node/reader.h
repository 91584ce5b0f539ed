/* node/reader.h - the verified bytes of one file of a transfer, in order, as soon as they are
 * there.
 *
 * Pulled: each reader_next() is answered by one call of `data`, `end` or `failed`, never from
 * inside reader_next() itself, in a later turn of the loop. While nothing is asked for, nothing is
 * read and, once the window is full, nothing is fetched out of turn: a slow consumer costs one
 * chunk of memory at most.
 *
 * What lies from the reader's place to READER_AHEAD_BYTES further is urgent in the swarm
 * (swarm_set_urgent), together with the windows of the other readers of the transfer, nearest
 * bytes first. Bytes come from disk through the store's workers; only verified pieces are read. */
#ifndef SHOAL_NODE_READER_H
#define SHOAL_NODE_READER_H

#include "node/node.h"

/* Bytes of one `data`, at most; what one reader holds in memory. */
#define READER_CHUNK_BYTES (256u * 1024u)
/* Bytes of one `lent`, at most. They are in no memory of ours. */
#define READER_LENT_BYTES (512u * 1024u)
/* How far ahead of a reader pieces are urgent: two pieces at least, whatever they measure. */
#define READER_AHEAD_BYTES (8u << 20)
/* Readers of one process (attack: a web page that opens the same film a thousand times). */
#define READERS_MAX 1024u

struct reader;

struct reader_events {
	/* The next bytes, 1 to READER_CHUNK_BYTES of them. Borrowed for the call. */
	void (*data)(void *user, struct bytes bytes);
	/* All of the range was given. */
	void (*end)(void *user);
	/* The transfer failed, is removed, its data was changed under us, or memory ran out. No
	 * other call follows; it is also told when nothing was asked for. */
	void (*failed)(void *user, const struct err_info *why);
	/* May be NULL; else it may come instead of `data`: the next bytes, 1 to READER_LENT_BYTES
	 * of them, are in this file at this place, in the page cache. `fd` is the consumer's to
	 * close. They are as they were verified for as long as `failed` is not called, which it is
	 * also when they have been given already and the file is changed before the next is asked
	 * for: then what was not passed on of them must not be. The last bytes of the range come as
	 * `data`, so that a consumer who has it all has nothing lent. */
	void (*lent)(void *user, int fd, uint64_t at, uint32_t length);
	/* In each of the four the reader may be freed. */
};

/* Read `length` bytes of file `file` (index in the metainfo; not a pad) from `offset`; beyond the
 * end of the file is cut off (UINT64_MAX: to the end). A file that is not wanted is from now on:
 * see transfer_select(). Works while downloading, stalled, finishing, seeding, and while what is on
 * disk is being checked: then it waits. Returns 0, ERR_INVALID (no such file, offset beyond its
 * end), ERR_AGAIN (READERS_MAX) or ERR_NOMEM. */
int reader_new(struct transfer *t, uint32_t file, uint64_t offset, uint64_t length,
	       const struct reader_events *ev, void *user, struct reader **out);
/* Stops being urgent; nothing is called any more. NULL is fine. */
void reader_free(struct reader *r);

/* Ask for the next chunk. Asking again before the answer is one question. */
void reader_next(struct reader *r);

/* Bytes given so far, and bytes of the range (after cutting). */
uint64_t reader_given(const struct reader *r);
uint64_t reader_length(const struct reader *r);

#endif
