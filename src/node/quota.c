#include "node/quota.h"

#include "store/pool.h"
#include "swarm/swarm.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t asked_or(uint64_t asked, uint64_t otherwise)
{
	return asked == 0 ? otherwise : asked;
}

/* Where there is little each gets a third. Files come before peers: without them peers are of no
 * use. */
static void share_out(struct quota *out, const struct quota *asked, uint64_t left)
{
	uint64_t margin = least(QUOTA_FDS_MARGIN, left / 3);
	uint64_t files = least(QUOTA_FILES_DEFAULT, left / 3);

	left -= margin;
	files = most(1, least(asked_or(asked->max_open_files, files), left > 1 ? left - 1 : 1));
	left -= least(left, files);
	out->max_open_files = (uint32_t)files;
	out->max_peers = (uint32_t)most(1, least(asked_or(asked->max_peers, QUOTA_PEERS_DEFAULT),
						 least(left, QUOTA_PEERS_MAX)));
}

void quota_settle(struct quota *out, const struct quota *asked, uint64_t limit, uint32_t open)
{
	uint64_t left = limit == 0 ? UINT32_MAX : limit > open ? limit - open : 0;

	share_out(out, asked, left);
	out->max_peers_per_transfer = (uint32_t)least(
	    least(asked_or(asked->max_peers_per_transfer, SWARM_PEERS_DEFAULT), SWARM_PEERS_MAX),
	    out->max_peers);
	out->max_memory_bytes =
	    most(QUOTA_MEMORY_MIN, asked_or(asked->max_memory_bytes, QUOTA_MEMORY_DEFAULT));
}

uint32_t quota_strangers(const struct quota *q)
{
	uint32_t n = q->max_peers / 4;

	if (n < QUOTA_STRANGERS_MIN)
		n = QUOTA_STRANGERS_MIN;
	n = (uint32_t)least(n, QUOTA_STRANGERS_MAX);
	return (uint32_t)least(n, q->max_peers);
}

uint32_t quota_slabs(const struct quota *q)
{
	return (uint32_t)least(q->max_memory_bytes / 16 * QUOTA_PIECES_PART / POOL_SLAB_BYTES,
			       UINT32_MAX / POOL_SLAB_BYTES);
}

uint64_t quota_fetch_bytes(const struct quota *q)
{
	return q->max_memory_bytes / 16 * QUOTA_FETCHES_PART;
}

uint64_t quota_message_bytes(const struct quota *q)
{
	return q->max_memory_bytes - (uint64_t)quota_slabs(q) * POOL_SLAB_BYTES -
	       quota_fetch_bytes(q);
}
