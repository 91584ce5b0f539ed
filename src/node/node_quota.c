/* node/node_quota.c - how much the node may take and takes, and what is changed of that while it
 * runs. */
#include "net/descriptors.h"
#include "node/link.h"

const struct quota *node_quota(const struct node *n)
{
	return &n->quota;
}

void node_usage(const struct node *n, struct node_usage *out)
{
	*out = (struct node_usage){.peers = n->n_links + n->n_fetch_peers,
				   .open_files = store_open_files(n->pool),
				   .piece_bytes =
				       (uint64_t)pool_slabs_taken(n->pool) * POOL_SLAB_BYTES,
				   .message_bytes = n->message_bytes,
				   .fetch_bytes = n->fetch_bytes};
}

bool node_has_place(const struct node *n)
{
	return n->n_links - n->n_evicted + n->n_fetch_peers < n->quota.max_peers;
}

static struct link *find_dial(const struct node *n)
{
	struct link *l = n->links;

	while (l != NULL && l->state == LINK_OPEN)
		l = l->next;
	return l;
}

/* The one with the most peers; NULL: none has any. */
static struct transfer *find_crowded(struct node *n, uint32_t *peers)
{
	struct transfer *most = NULL;

	*peers = 0;
	for (uint32_t i = 0; i < n->n_transfers; i++) {
		struct swarm_stats st;

		swarm_traffic(n->transfers[i]->swarm, loop_now_ms(n->loop), &st);
		if (st.peers <= *peers)
			continue;
		*peers = st.peers;
		most = n->transfers[i];
	}
	return most;
}

static uint32_t count_over(const struct node *n)
{
	uint32_t taken = n->n_links + n->n_fetch_peers;

	return taken > n->quota.max_peers ? taken - n->quota.max_peers : 0;
}

/* Strangers go first, then who is being dialled, then peers of the transfers, and of the links
 * whose metadata is asked for, that have most. */
static void shed_links(struct node *n)
{
	uint32_t over;

	while ((over = count_over(n)) > 0) {
		struct link *l = n->oldest_stranger != NULL ? n->oldest_stranger : find_dial(n);
		struct transfer *t;
		uint32_t peers;

		if (l != NULL) {
			link_lost(l, "there may be fewer connections now");
			continue;
		}
		t = find_crowded(n, &peers);
		if (fetches_shed_peer(n, peers))
			continue;
		if (t == NULL)
			break;
		/* Not all of one's, while others have as many. */
		over = over < peers / 4 + 1 ? over : peers / 4 + 1;
		swarm_shed(t->swarm, peers - over, loop_now_ms(n->loop), &t->fx);
		transfer_perform(t);
	}
}

void node_set_quota(struct node *n, const struct quota *asked)
{
	struct quota q;

	quota_settle(&q, asked, descriptors_raise_limit(), n->fds_before);
	pool_limit_slabs(n->pool, quota_slabs(&q));
	n->quota = q;
	(void)store_limit_files(n->pool, q.max_open_files);
	for (uint32_t i = 0; i < n->n_transfers; i++) {
		struct transfer *t = n->transfers[i];

		swarm_set_max_peers(t->swarm, q.max_peers_per_transfer, loop_now_ms(n->loop),
				    &t->fx);
		transfer_perform(t);
	}
	shed_links(n);
	links_shed(n);
	fetches_shed(n);
	node_settle(n);
}

/* Who talks in the clear is let go, and may come back encrypted. */
void node_set_encryption(struct node *n, enum node_encryption e)
{
	n->encryption = e;
	for (struct link *l = n->links; l != NULL && e == NODE_ENCRYPT_REQUIRE; l = l->next)
		if (l->state == LINK_OPEN && !link_is_sealed(l))
			link_lost(l, "is not encrypted, which is asked for now");
	node_settle(n);
}
