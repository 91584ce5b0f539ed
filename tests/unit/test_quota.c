#include "node/quota.h"

#include "store/pool.h"
#include "swarm/swarm.h"
#include "test.h"

static struct quota settled(struct quota asked, uint64_t limit, uint32_t open)
{
	struct quota q;

	quota_settle(&q, &asked, limit, open);
	return q;
}

TEST(quotas_nobody_sets_are_those_of_a_roomy_system)
{
	struct quota q = settled((struct quota){0}, 1u << 20, 20);

	CHECK_INT(q.max_peers, QUOTA_PEERS_DEFAULT);
	CHECK_INT(q.max_peers_per_transfer, SWARM_PEERS_DEFAULT);
	CHECK_INT(q.max_open_files, QUOTA_FILES_DEFAULT);
	CHECK_INT(q.max_memory_bytes, QUOTA_MEMORY_DEFAULT);
	CHECK_INT(quota_slabs(&q), POOL_SLABS_DEFAULT);
	CHECK_INT(quota_strangers(&q), QUOTA_STRANGERS_MAX);
	q = settled((struct quota){0}, 0, 0); /* the system does not tell */
	CHECK_INT(q.max_peers, QUOTA_PEERS_DEFAULT);
}

TEST(quotas_that_are_asked_for_hold_up_to_what_the_system_gives)
{
	struct quota asked = {.max_peers = 700, .max_open_files = 200}, q;

	/* 1000 = 36 open + 64 margin + 200 files + 700 peers */
	q = settled(asked, 1000, 36);
	CHECK_INT(q.max_open_files, 200);
	CHECK_INT(q.max_peers, 700);
	q = settled(asked, 999, 36);
	CHECK_INT(q.max_open_files, 200);
	CHECK_INT(q.max_peers, 699);
	asked.max_open_files = 5000;
	q = settled(asked, 1000, 36);
	CHECK_INT(q.max_open_files, 899);
	CHECK_INT(q.max_peers, 1);
	q = settled((struct quota){.max_peers = 2 * QUOTA_PEERS_MAX}, 0, 0);
	CHECK_INT(q.max_peers, QUOTA_PEERS_MAX);
}

TEST(quotas_never_add_up_to_more_than_there_is)
{
	for (uint64_t limit = 0; limit < 6000; limit++) {
		struct quota q = settled((struct quota){0}, limit, 20);
		uint64_t used = 20 + q.max_open_files + q.max_peers;

		CHECK(q.max_peers >= 1 && q.max_open_files >= 1);
		CHECK(q.max_peers_per_transfer >= 1 && q.max_peers_per_transfer <= q.max_peers);
		CHECK(quota_strangers(&q) >= 1 && quota_strangers(&q) <= q.max_peers);
		if (limit >= 26) /* two of each */
			CHECK(used + (limit - 20) / 3 <= limit || used + QUOTA_FDS_MARGIN <= limit);
	}
}

TEST(quotas_of_peers_of_one_transfer_are_within_those_of_all)
{
	struct quota q = settled((struct quota){.max_peers_per_transfer = 5000}, 0, 0);

	CHECK_INT(q.max_peers_per_transfer, SWARM_PEERS_MAX);
	q = settled((struct quota){.max_peers = 10, .max_peers_per_transfer = 11}, 0, 0);
	CHECK_INT(q.max_peers_per_transfer, 10);
}

TEST(quotas_of_memory_are_pieces_metadata_and_messages_together)
{
	for (uint64_t mib = 1; mib < 1000; mib++) {
		struct quota q = settled((struct quota){.max_memory_bytes = mib << 20}, 0, 0);

		CHECK(q.max_memory_bytes == (mib < 8 ? QUOTA_MEMORY_MIN : mib << 20));
		CHECK(quota_slabs(&q) >= 6);
		CHECK(quota_slabs(&q) * (uint64_t)POOL_SLAB_BYTES + quota_fetch_bytes(&q) +
			  quota_message_bytes(&q) ==
		      q.max_memory_bytes);
		CHECK(quota_fetch_bytes(&q) >= 1u << 20);
	}
}
