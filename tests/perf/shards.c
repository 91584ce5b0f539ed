/* tests/perf/shards.c - do two shards of the tracker answer twice as much as one?
 *
 * Usage: perf_shards [PEERS [SWARMS [ANNOUNCES [ROUNDS]]]]
 * Announces come out of memory, so that no generator and no socket takes part: a thread, bound to a
 * core of its own, brings each shard its own, in batches under the shard's lock, as the threads of
 * the UDP tracker do. Rounds of one shard and of both alternate; the best of each counts. By the
 * wall it shows what two idle cores do; by the processor's time, on a busy machine too, what the
 * shards cost one another in caches, memory and locks. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "announces.h"
#include "base/rng.h"
#include "node/shards.h"

#define SHARDS 2u
#define NOW 1000u
#define BATCH 64u
#define NUMWANT 50u

static uint32_t n_peers = 1000000, n_swarms = 10000, n_announces = 1000000, n_rounds = 5;

struct feeder {
	struct shards *all;
	pthread_barrier_t *start;
	uint32_t *own; /* peers in swarms of its shard */
	uint32_t n_own, shard;
	struct rng rng;
	double cpu_s, wall_s; /* of one round */
};

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The k-th of the cores this process may use. */
static void bind_to_core(unsigned k)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &all) && k-- == 0)
			CPU_SET(i, &one);
	}
	if (CPU_COUNT(&one) == 1)
		(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void bring(struct feeder *f, const uint32_t *peers, uint32_t n)
{
	struct shard_hold hold = {.all = f->all};
	struct announce a = {.numwant = NUMWANT};
	struct announce_reply reply;
	struct addr from;

	for (uint32_t i = 0; i < n; i++) {
		announce_make(peers[i], n_peers, n_swarms, &a, &from);
		tracker_announce(shards_enter(&hold, a.info_hash), &a, &from, NULL, NOW, &reply);
	}
	shards_leave(&hold);
}

static void *feed(void *arg)
{
	struct feeder *f = arg;
	uint32_t batch[BATCH];
	double cpu, wall;

	bind_to_core(f->shard);
	pthread_barrier_wait(f->start);
	cpu = cpu_s();
	wall = wall_s();
	for (uint32_t done = 0; done < n_announces; done += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++)
			batch[i] = f->own[rng_below(&f->rng, f->n_own)];
		bring(f, batch, BATCH);
	}
	f->cpu_s = cpu_s() - cpu;
	f->wall_s = wall_s() - wall;
	return NULL;
}

/* Announces a second of `n` shards at once: by the wall, and by the processor's time as if each had
 * a core. */
static void run_round(struct feeder *feeders, unsigned n, double *by_wall, double *by_cpu)
{
	pthread_barrier_t start;
	pthread_t threads[SHARDS];
	double wall = 0, cpu = 0;

	pthread_barrier_init(&start, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		feeders[i].start = &start;
		if (pthread_create(&threads[i], NULL, feed, &feeders[i]) != 0)
			exit(1);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		wall = feeders[i].wall_s > wall ? feeders[i].wall_s : wall;
		cpu += feeders[i].cpu_s / n;
	}
	pthread_barrier_destroy(&start);
	*by_wall = n * n_announces / wall > *by_wall ? n * n_announces / wall : *by_wall;
	*by_cpu = n * n_announces / cpu > *by_cpu ? n * n_announces / cpu : *by_cpu;
}

static void deal(struct feeder *feeders, struct shards *all)
{
	struct announce a = {.numwant = 0};
	struct addr from;

	for (unsigned k = 0; k < SHARDS; k++) {
		feeders[k] = (struct feeder){.all = all, .shard = k};
		feeders[k].own = malloc(n_peers * sizeof(uint32_t));
		if (feeders[k].own == NULL)
			exit(1);
		rng_seed(&feeders[k].rng, k);
	}
	for (uint32_t i = 0; i < n_peers; i++) {
		struct feeder *f;

		announce_make(i, n_peers, n_swarms, &a, &from);
		f = &feeders[shards_of(all, a.info_hash)];
		f->own[f->n_own++] = i;
	}
	for (unsigned k = 0; k < SHARDS; k++)
		bring(&feeders[k], feeders[k].own, feeders[k].n_own);
}

int main(int argc, char **argv)
{
	uint32_t *const wanted[] = {&n_peers, &n_swarms, &n_announces, &n_rounds};
	struct feeder feeders[SHARDS];
	double wall[SHARDS] = {0}, cpu[SHARDS] = {0};
	struct shards *all;

	for (int i = 1; i < argc && i <= 4; i++)
		*wanted[i - 1] = (uint32_t)strtoul(argv[i], NULL, 10);
	all = shards_new(SHARDS);
	if (all == NULL || n_swarms < 100 || n_peers < n_swarms)
		return 1;
	deal(feeders, all);
	for (uint32_t r = 0; r < n_rounds; r++) {
		run_round(feeders, 1, &wall[0], &cpu[0]);
		run_round(feeders, 2, &wall[1], &cpu[1]);
	}
	printf("%u peers, %u swarms, numwant %u\n", n_peers, n_swarms, NUMWANT);
	printf("by the wall         one shard %.0f/s, two %.0f/s: %.2f\n", wall[0], wall[1],
	       wall[1] / wall[0]);
	printf("by processor time   one shard %.0f/s, two %.0f/s: %.2f\n", cpu[0], cpu[1],
	       cpu[1] / cpu[0]);
	for (unsigned k = 0; k < SHARDS; k++)
		free(feeders[k].own);
	shards_free(all);
	return 0;
}
