/* node/fetch_memory.c - what is kept for all metadata fetches together: copies of dictionaries that
 * are not proven, and messages of peers.
 *
 * A copy counts with what came of it, not with what was claimed. When all is more than the quota's
 * part for it the largest of them goes, a copy or a connection, so that links which mean little are
 * not held up by those that seem to mean much. The copy that was begun first stays for as long as
 * copies may take: so one after the other comes to its end, however many there are. */
#include "node/metadata_fetch_impl.h"

/* A copy, or the buffers of a peer. */
struct kept {
	struct metadata_fetch *f;
	bool is_copy;
	uint32_t number;
	uint64_t bytes;
};

static uint64_t peer_bytes(const struct fetch_peer *p)
{
	return p == NULL ? 0 : p->in.cap + p->out.cap + p->kept.cap;
}

static uint64_t count(const struct metadata_fetch *f)
{
	struct metadata_copy c;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
		bytes += metadata_copy(f->metadata, i, &c) ? c.bytes : 0;
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		bytes += peer_bytes(f->peers[i]);
	return bytes;
}

static void recount(struct metadata_fetch *f)
{
	f->node->fetch_bytes -= f->counted_bytes;
	f->counted_bytes = count(f);
	f->node->fetch_bytes += f->counted_bytes;
}

/* When the copy was begun that stays. */
static uint64_t find_first(const struct node *n, uint64_t now_ms)
{
	uint64_t first_ms = UINT64_MAX;
	struct metadata_copy c;

	for (struct metadata_fetch *f = n->fetches; f != NULL; f = f->next)
		for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
			if (metadata_copy(f->metadata, i, &c) && c.begun_ms < first_ms &&
			    now_ms - c.begun_ms < METADATA_COPY_MS)
				first_ms = c.begun_ms;
	return first_ms;
}

static void keep_larger(struct kept *most, const struct kept *k)
{
	if (k->bytes > most->bytes)
		*most = *k;
}

/* The largest of all but the copy that stays; one of those begun at the same time does. */
static struct kept find_largest(const struct node *n, uint64_t first_ms)
{
	struct kept most = {.bytes = 0};
	struct metadata_copy c;
	bool stays = false;

	for (struct metadata_fetch *f = n->fetches; f != NULL; f = f->next) {
		for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
			if (!metadata_copy(f->metadata, i, &c))
				continue;
			if (c.begun_ms == first_ms && !stays)
				stays = true;
			else
				keep_larger(&most, &(struct kept){f, true, i, c.bytes});
		}
		for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
			keep_larger(&most, &(struct kept){f, false, i, peer_bytes(f->peers[i])});
	}
	return most;
}

void fetches_shed(struct node *n)
{
	while (n->fetch_bytes > quota_fetch_bytes(&n->quota)) {
		uint64_t now_ms = loop_now_ms(n->loop);
		struct kept most = find_largest(n, find_first(n, now_ms));

		if (most.bytes == 0)
			return;
		if (most.is_copy)
			metadata_give_up(most.f->metadata, most.number, now_ms);
		else
			fetch_peer_close(most.f->peers[most.number],
					 "holds more than its share of our memory", false);
		recount(most.f);
	}
}

void fetch_count(struct metadata_fetch *f)
{
	recount(f);
	fetches_shed(f->node);
}
