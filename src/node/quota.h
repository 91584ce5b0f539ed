/* node/quota.h - how much of the system one peer may take: connections, open files, memory. Pure.
 *
 * Every descriptor has an owner in the sum, so that a crowd of peers never takes those with which
 * the disk, the trackers and the state files work:
 *
 *   limit of the process = open already + margin + files + peers */
#ifndef SHOAL_NODE_QUOTA_H
#define SHOAL_NODE_QUOTA_H

#include <stdint.h>

/* Connections to peers, those that are being made and strangers too (attack: thousands of silent
 * connects, O-11, O-22). */
#define QUOTA_PEERS_DEFAULT 4000u
#define QUOTA_PEERS_MAX 1000000u
/* Of them those that have not named a torrent yet: a quarter of all, within these. Beyond it the
 * one that has been silent for longest makes way. */
#define QUOTA_STRANGERS_MIN 4u
#define QUOTA_STRANGERS_MAX 256u
/* Files of transfers that stay open between uses. */
#define QUOTA_FILES_DEFAULT 128u
/* Descriptors for all else: trackers, state files, folders, commands that ask. */
#define QUOTA_FDS_MARGIN 64u

/* Buffers of all transfers: pieces that are coming in, messages half read or not yet sent (attack:
 * many peers that each begin a piece or a message, or take nothing of what they asked for, O-15).
 * Tables of torrents and peers are not in it. */
#define QUOTA_MEMORY_DEFAULT (128u << 20)
#define QUOTA_MEMORY_MIN (8u << 20)
/* So many sixteenths of it are for pieces. */
#define QUOTA_PIECES_PART 3u
/* And so many for what is fetched of magnet links, all of them together, as long as nothing of it
 * is proven (attack: many links, and peers that each give a large dictionary but for its end). */
#define QUOTA_FETCHES_PART 2u

/* As asked for: 0, choose. As settled: all are set. */
struct quota {
	uint32_t max_peers;
	uint32_t max_peers_per_transfer; /* at most SWARM_PEERS_MAX */
	uint32_t max_open_files;
	uint64_t max_memory_bytes;
};

/* What holds: as asked, as far as a process gives it that has `open` descriptors and may have
 * `limit` of them (0: nobody knows). Everything is at least 1, memory QUOTA_MEMORY_MIN. */
void quota_settle(struct quota *out, const struct quota *asked, uint64_t limit, uint32_t open);
uint32_t quota_strangers(const struct quota *q);
/* The parts of its memory: slabs of POOL_SLAB_BYTES, bytes of metadata, and bytes of messages. */
uint32_t quota_slabs(const struct quota *q);
uint64_t quota_fetch_bytes(const struct quota *q);
uint64_t quota_message_bytes(const struct quota *q);

#endif
