#include "node/shards.h"

#include <pthread.h>
#include <stdlib.h>

#include "net/entropy.h"

struct shard {
	pthread_mutex_t lock;
	struct tracker *tracker;
};

struct shards {
	unsigned n;
	struct shard list[];
};

static struct tracker *make_tracker(unsigned of)
{
	struct tracker_params p = {.peers_max = TRACKER_PEERS_MAX / of};

	entropy_fill(&p.key, sizeof(p.key));
	entropy_fill(&p.seed, sizeof(p.seed));
	return tracker_new(&p);
}

struct shards *shards_new(unsigned n)
{
	struct shards *s = calloc(1, sizeof(*s) + n * sizeof(s->list[0]));

	assert(n > 0);
	if (s == NULL)
		return NULL;
	while (s->n < n) {
		struct shard *one = &s->list[s->n];

		one->tracker = make_tracker(n);
		if (one->tracker == NULL) {
			shards_free(s);
			return NULL;
		}
		pthread_mutex_init(&one->lock, NULL);
		s->n++;
	}
	return s;
}

void shards_free(struct shards *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		tracker_free(s->list[i].tracker);
		pthread_mutex_destroy(&s->list[i].lock);
	}
	free(s);
}

unsigned shards_count(const struct shards *s)
{
	return s->n;
}

unsigned shards_of(const struct shards *s, const uint8_t info_hash[20])
{
	return be32(info_hash) % s->n;
}

struct tracker *shards_enter_at(struct shard_hold *h, unsigned i)
{
	struct shard *wanted = &h->all->list[i];

	if (h->held != wanted) {
		shards_leave(h);
		pthread_mutex_lock(&wanted->lock);
		h->held = wanted;
	}
	return wanted->tracker;
}

struct tracker *shards_enter(struct shard_hold *h, const uint8_t info_hash[20])
{
	return shards_enter_at(h, shards_of(h->all, info_hash));
}

void shards_leave(struct shard_hold *h)
{
	if (h->held != NULL)
		pthread_mutex_unlock(&h->held->lock);
	h->held = NULL;
}

void shards_set_sites(struct shards *s, const struct tracker_site *sites, uint32_t n)
{
	struct shard_hold hold = {.all = s};

	for (unsigned i = 0; i < s->n; i++)
		tracker_set_sites(shards_enter_at(&hold, i), sites, n);
	shards_leave(&hold);
}

void shards_tick(struct shards *s, uint64_t now_s)
{
	struct shard_hold hold = {.all = s};

	for (unsigned i = 0; i < s->n; i++) {
		bool more = true;

		for (unsigned part = 0; part < SHARDS_TICK_PARTS && more; part++) {
			more = tracker_tick(shards_enter_at(&hold, i), now_s);
			shards_leave(&hold);
		}
	}
}

void shards_totals(struct shards *s, uint64_t *swarms, uint64_t *peers)
{
	struct shard_hold hold = {.all = s};
	uint64_t some_swarms, some_peers;

	*swarms = *peers = 0;
	for (unsigned i = 0; i < s->n; i++) {
		tracker_counts(shards_enter_at(&hold, i), &some_swarms, &some_peers);
		*swarms += some_swarms;
		*peers += some_peers;
	}
	shards_leave(&hold);
}
