/* cli/outflow.h - what a transfer fetches, written to standard output in order, as it comes.
 *
 * One file as it is; several, which a folder has, as a tar archive (cli/tar.h). In memory is one
 * chunk of a reader (node/reader.h) and what of it the other side has not taken yet. On disk is
 * what was written, for other peers, and a window beyond it; where there is no room for all of it,
 * the window alone. */
#ifndef SHOAL_CLI_OUTFLOW_H
#define SHOAL_CLI_OUTFLOW_H

#include "net/loop.h"
#include "node/node.h"

/* So much is fetched ahead of a slow reader: four pieces at least, whatever they measure; less
 * where the disk has no room for it. */
#define OUTFLOW_AHEAD_BYTES (32u << 20)
/* Room that is left to others on the disk, or the window alone is kept. */
#define OUTFLOW_SPARE_BYTES (64u << 20)
/* A disk that is full for so long, with nothing on it that could be dropped, stays so. */
#define OUTFLOW_STUCK_MS 12000u

struct outflow;

/* Begin to write the wanted files of `t`, which lie in `folder`, to descriptor `fd`, which is not
 * closed. `done` is told
 * once: OK; ERR_CANCELLED when nobody reads any more (EPIPE); what the transfer or the descriptor
 * says. The outflow may not be freed in it. Returns 0, ERR_NOMEM, or as reader_new(). */
int outflow_new(struct loop *loop, struct transfer *t, const char *folder, int fd,
		void (*done)(void *user, const struct err_info *how), void *user,
		struct outflow **out);
/* Before the loop and the transfer. NULL is fine. */
void outflow_free(struct outflow *f);
/* The disk is `full`, as the transfer says now: has the other side got all that is there, so that
 * no room will come of it? Asked a few times a second. */
bool outflow_is_stuck(struct outflow *f, bool full, uint64_t now_ms);
/* What was written is dropped, and nobody is served. */
bool outflow_drops(const struct outflow *f);

#endif
