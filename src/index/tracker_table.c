/* Linear hashing: there are as many chains as swarms, more or less. With every new swarm one chain
 * is divided into two, with every one gone the last is joined to its other half. Source: Litwin,
 * "Linear hashing: a new tool for file and table addressing", 1980. */
#include "index/tracker_impl.h"

#include <stdlib.h>

#include "base/grow.h"

uint64_t table_hash(const struct tracker *t, const uint8_t info_hash[20])
{
	return siphash(t->key, bytes_of(info_hash, 20));
}

static uint32_t *chain_at(const struct tracker *t, uint32_t chain)
{
	return &t->chains[chain / TABLE_SEGMENT][chain % TABLE_SEGMENT];
}

/* All ones, as many as it takes to count n chains. */
static uint32_t mask_for(uint32_t n)
{
	return n <= 1 ? 0 : UINT32_MAX >> __builtin_clz(n - 1);
}

/* There are chains: a caller's duty. */
static uint32_t *chain_of(const struct tracker *t, uint64_t hash)
{
	uint32_t mask = mask_for(t->n_chains), chain = (uint32_t)hash & mask;

	return chain_at(t, chain < t->n_chains ? chain : chain & mask >> 1);
}

uint32_t table_find(const struct tracker *t, uint64_t hash, const uint8_t info_hash[20], bool v6)
{
	uint32_t at;

	if (t->n_chains == 0)
		return NONE;
	at = *chain_of(t, hash);
	while (at != NONE) {
		const struct card *s = card_at(t, at);

		if (s->is_v6 == v6 && memcmp(s->as.swarm.info_hash, info_hash, 20) == 0)
			return at;
		at = s->as.swarm.chain;
	}
	return NONE;
}

#define PREFETCH_MAX 64u

void tracker_prefetch(const struct tracker *t, const uint8_t (*info_hashes)[20], size_t n)
{
	const uint32_t *chains[PREFETCH_MAX];

	if (t->n_chains == 0)
		return;
	if (n > PREFETCH_MAX)
		n = PREFETCH_MAX;
	for (size_t i = 0; i < n; i++) {
		chains[i] = chain_of(t, table_hash(t, info_hashes[i]));
		__builtin_prefetch(chains[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (*chains[i] != NONE)
			__builtin_prefetch(card_at(t, *chains[i]));
	}
	for (size_t i = 0; i < n; i++) {
		const struct card *s = *chains[i] == NONE ? NULL : card_at(t, *chains[i]);

		if (s != NULL && !s->is_crowd)
			bunch_prefetch(s);
	}
}

/* A chain that is divided goes into two by one more bit of the hash. */
static void divide(struct tracker *t, uint32_t from, uint32_t to)
{
	uint32_t at = *chain_at(t, from), next, *tail[2] = {chain_at(t, from), chain_at(t, to)};
	uint32_t mask = mask_for(to + 1);

	for (; at != NONE; at = next) {
		struct card *s = card_at(t, at);
		bool moves = ((uint32_t)table_hash(t, s->as.swarm.info_hash) & mask) == to;

		next = s->as.swarm.chain;
		*tail[moves] = at;
		tail[moves] = &s->as.swarm.chain;
	}
	*tail[0] = *tail[1] = NONE;
}

static int more_segments(struct tracker *t)
{
	uint32_t **more;

	if (t->n_chains < t->n_segments * TABLE_SEGMENT)
		return 0;
	more = grow(t->chains, t->n_segments, &t->chains_cap, 16, sizeof(*more));
	if (more == NULL)
		return ERR_NOMEM;
	t->chains = more;
	t->chains[t->n_segments] = malloc(TABLE_SEGMENT * sizeof(uint32_t));
	if (t->chains[t->n_segments] == NULL)
		return ERR_NOMEM;
	t->n_segments++;
	return 0;
}

/* For want of memory chains merely become longer, but the first one must be there. */
static int divide_next(struct tracker *t)
{
	uint32_t to = t->n_chains;

	if (t->n_swarms < t->n_chains)
		return 0;
	if (more_segments(t) < 0)
		return t->n_chains == 0 ? ERR_NOMEM : 0;
	*chain_at(t, to) = NONE;
	t->n_chains++;
	if (to > 0)
		divide(t, to & mask_for(to + 1) >> 1, to);
	return 0;
}

static void shrink(struct tracker *t)
{
	uint32_t last = t->n_chains - 1, *end;

	if (last == 0 || t->n_swarms >= last)
		return;
	end = chain_at(t, last & mask_for(t->n_chains) >> 1);
	while (*end != NONE)
		end = &card_at(t, *end)->as.swarm.chain;
	*end = *chain_at(t, last);
	t->n_chains--;
	if (t->n_chains + 2 * TABLE_SEGMENT <= t->n_segments * TABLE_SEGMENT)
		free(t->chains[--t->n_segments]);
}

uint32_t table_add(struct tracker *t, uint64_t hash, const uint8_t info_hash[20], bool v6)
{
	uint32_t twin = table_find(t, hash, info_hash, !v6), number;
	struct card *s;

	if (divide_next(t) < 0)
		return NONE;
	number = card_new(t, CARD_SWARM);
	if (number == NONE)
		return NONE;
	s = card_at(t, number);
	memcpy(s->as.swarm.info_hash, info_hash, 20);
	s->is_v6 = v6;
	s->as.swarm.chain = *chain_of(t, hash);
	*chain_of(t, hash) = number;
	t->n_swarms++;
	if (twin == NONE) {
		t->n_torrents++;
	} else {
		s->has_twin = true;
		card_at(t, twin)->has_twin = true;
	}
	return number;
}

/* How often it was completed is not forgotten as long as the torrent has a peer. */
static void part_twins(struct tracker *t, const struct card *s, uint64_t hash)
{
	struct card *twin;

	if (!s->has_twin) {
		t->n_torrents--;
		return;
	}
	twin = card_at(t, table_find(t, hash, s->as.swarm.info_hash, !s->is_v6));
	twin->has_twin = false;
	twin->as.swarm.downloaded += s->as.swarm.downloaded;
}

void table_remove(struct tracker *t, uint32_t swarm)
{
	struct card *s = card_at(t, swarm);
	uint64_t hash = table_hash(t, s->as.swarm.info_hash);
	uint32_t *link = chain_of(t, hash);

	part_twins(t, s, hash);
	while (*link != swarm)
		link = &card_at(t, *link)->as.swarm.chain;
	*link = s->as.swarm.chain;
	card_free(t, swarm);
	t->n_swarms--;
	shrink(t);
}

void table_fini(struct tracker *t)
{
	for (uint32_t i = 0; i < t->n_segments; i++)
		free(t->chains[i]);
	free(t->chains);
}
