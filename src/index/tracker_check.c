#include "index/tracker_impl.h"

/* What is counted on the way. Where assertions are off nothing is read from it. */
struct sums {
	uint64_t peers, swarms, torrents, in_wheel, hosts;
	uint32_t clients[CLIENTS_MAX];
};

static void check_bunch(const struct tracker *t, uint32_t number, struct sums *sums)
{
	const struct card *b = card_at(t, number);
	uint32_t swarm = swarm_of(t, number);

	assert(b->n > 0 && b->n <= BUNCH_MAX && b->n_seeds <= b->n && !b->is_crowd);
	assert(b->slot < WHEEL_SLOTS && wheel_due(t, b) >= t->due);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct facts *f = facts_at(b, i);
		bool seed = b->kind == CARD_LEAF ? b->of_seeds : i < b->n_seeds;
		struct spot spot;
		struct addr addr;

		peer_addr(b, bunch_at(b, i), &addr);
		spot = tracker_find_peer(t, swarm, &addr);
		assert(spot.card == number && spot.at == i);
		assert(addr.v6 == b->is_v6 && tracker_host_peers(t, &addr) > 0);
		assert(seed == (facts_left(f) == 0));
		assert(facts_due(t, f) >= wheel_due(t, b) || wheel_due(t, b) == t->due);
		assert(facts_since(t, f) <= facts_seen(t, f) + TRACKER_STOCK_TICK_S);
		sums->clients[f->client]++;
		(void)seed;
		(void)spot;
	}
	sums->peers += b->n;
}

static void check_crowd(const struct tracker *t, uint32_t swarm, struct sums *sums)
{
	const struct card *s = card_at(t, swarm);

	assert(s->n == 0 && s->n_seeds == 0 && s->slot == SLOT_NONE);
	for (int i = 0; i < 2; i++) {
		const struct side *side = &s->peers.crowd->sides[i];
		uint64_t before = sums->peers;

		assert(side->n <= side->cap && (side->n == 0) == (side->n_peers == 0));
		for (uint32_t k = 0; k < side->n; k++) {
			const struct side_leaf *leaf = &side->leaves[k];
			const struct card *b = card_at(t, leaf->card);

			assert(b->kind == CARD_LEAF && b->as.leaf.swarm == swarm);
			assert(b->of_seeds == i && b->is_v6 == s->is_v6);
			assert(memcmp(b->as.leaf.from, &leaf->from, sizeof(leaf->from)) == 0);
			assert(side_find(side, leaf->from) == k);
			assert(k > 0 || (leaf->from.hi == 0 && leaf->from.lo == 0));
			check_bunch(t, leaf->card, sums);
			(void)b;
		}
		assert(sums->peers - before == side->n_peers);
		(void)before;
	}
	assert(swarm_counts(s).seeds + swarm_counts(s).leeches > 0);
}

static void check_chain(const struct tracker *t, uint32_t first, struct sums *sums)
{
	for (uint32_t at = first; at != NONE; at = card_at(t, at)->as.swarm.chain) {
		const struct card *s = card_at(t, at);
		const uint8_t *info_hash = s->as.swarm.info_hash;
		uint64_t hash = table_hash(t, info_hash);

		assert(s->kind == CARD_SWARM && table_find(t, hash, info_hash, s->is_v6) == at);
		assert(s->has_twin == (table_find(t, hash, info_hash, !s->is_v6) != NONE));
		sums->swarms++;
		sums->torrents += s->has_twin && s->is_v6 ? 0 : 1;
		if (s->is_crowd)
			check_crowd(t, at, sums);
		else
			check_bunch(t, at, sums);
		(void)hash;
	}
}

static void check_wheel(const struct tracker *t, struct sums *sums)
{
	for (uint32_t i = 0; i < WHEEL_SLOTS; i++) {
		uint32_t before = NONE;

		for (uint32_t at = t->wheel[i].first; at != NONE; at = card_at(t, at)->next) {
			assert(card_at(t, at)->slot == i && card_at(t, at)->prev == before);
			before = at;
			sums->in_wheel++;
		}
		assert(t->wheel[i].last == before);
		(void)before;
	}
}

static uint64_t count_bunches(const struct tracker *t)
{
	uint64_t n = 0, used = 0;

	for (uint32_t i = 0; i < t->n_slabs * SLAB_CARDS; i++) {
		const struct slab *s = &t->slabs[i / SLAB_CARDS];
		const struct card *b = s->memory == NULL ? NULL : card_at(t, i);

		used = i % SLAB_CARDS == 0 ? 0 : used;
		used += b != NULL && b->kind != CARD_FREE;
		n += b != NULL && b->kind != CARD_FREE && !b->is_crowd;
		assert(i % SLAB_CARDS != SLAB_CARDS - 1 || used == s->used);
	}
	return n;
}

void tracker_check(const struct tracker *t)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < t->n_chains; i++)
		check_chain(t, t->chains[i / TABLE_SEGMENT][i % TABLE_SEGMENT], &sums);
	check_wheel(t, &sums);
	for (uint32_t i = 0; i < HOST_CELLS; i++)
		sums.hosts += t->host_cells[i];
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		assert(sums.clients[i] == t->clients[i].peers);
	assert(sums.peers == t->n_peers && t->n_peers <= t->peers_max);
	assert(sums.swarms == t->n_swarms && sums.torrents == t->n_torrents);
	assert(sums.hosts == sums.peers && sums.in_wheel == count_bunches(t));
	assert(t->now <= t->real && t->now <= t->due + LAG_MAX_S);
}
