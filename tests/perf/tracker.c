/* tests/perf/tracker.c - what a peer costs the tracker in memory, and an announce in time.
 *
 * Usage: perf_tracker [PEERS [SWARMS [ANNOUNCES [NUMWANT]]]]
 * Times are of the processor, so that a busy machine shows less. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "index/tracker.h"

#define NOW 1000u
#define BATCH 32u

static uint32_t n_peers = 1000000, n_swarms = 10000, n_announces = 1000000, numwant = 50;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Without what is of files: code that runs for the first time is not the tracker's memory. */
static double resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all = 0, resident = 0, of_files = 0;

	if (f == NULL || fscanf(f, "%ld %ld %ld", &all, &resident, &of_files) != 3)
		resident = of_files = 0;
	if (f != NULL)
		fclose(f);
	return (double)(resident - of_files) * (double)sysconf(_SC_PAGESIZE);
}

/* Scrambles, so that neighbours by number are no neighbours in memory or on the network. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The announce of peer `i`: every fourth is a seed. */
static void make(uint32_t i, struct announce *a, struct addr *from)
{
	uint64_t swarm = mix(n_swarms == n_peers ? i : mix(i) % n_swarms);
	uint64_t h = mix(i + ((uint64_t)1 << 40));

	for (unsigned k = 0; k < 20; k++)
		a->info_hash[k] = (uint8_t)(mix(swarm + k / 8) >> 8 * (k % 8));
	memcpy(a->peer_id, i % 3 == 0 ? "-TR3000-" : "-qB4250-", 8);
	put_be32(a->peer_id + 8, i);
	a->port = (uint16_t)(1024 + h % 60000);
	a->left = h >> 20 & 3 ? 1 + (h >> 30) : 0;
	*from = (struct addr){.port = a->port};
	put_be32(from->ip, 0x01000000 + (uint32_t)(h % 0x7d000000));
}

/* `memory` is what was resident before there was a tracker. */
static void fill(struct tracker *t, double memory)
{
	struct announce_reply r;
	struct announce a = {.numwant = 0};
	struct addr from;
	double begun = cpu_s(), before = begun, worst = 0;
	uint64_t swarms, peers;

	for (uint32_t i = 0; i < n_peers; i++) {
		make(i, &a, &from);
		if (tracker_announce(t, &a, &from, NULL, NOW + i / 10000, &r) < 0 || r.failed)
			printf("refused: %s\n", r.failure);
		worst = cpu_s() - before > worst ? cpu_s() - before : worst;
		before = cpu_s();
	}
	tracker_counts(t, &swarms, &peers);
	memory = resident_bytes() - memory;
	printf("newcomers   %.0f/s, slowest %.0f us\n", n_peers / (cpu_s() - begun), worst * 1e6);
	printf("memory      %.1f MiB: %.1f bytes a peer, %.1f a swarm\n", memory / 1048576,
	       memory / (double)peers, memory / (double)swarms);
}

static void announce_all(struct tracker *t, bool ahead)
{
	static struct announce batch[BATCH];
	static struct addr from[BATCH];
	uint8_t hashes[BATCH][20];
	struct announce_reply r;
	struct rng rng;
	double spent = 0, begun;
	uint64_t told = 0;

	rng_seed(&rng, 5);
	for (uint32_t done = 0; done < n_announces; done += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++) {
			make(rng_below(&rng, n_peers), &batch[i], &from[i]);
			batch[i].numwant = numwant;
			memcpy(hashes[i], batch[i].info_hash, 20);
		}
		begun = cpu_s();
		if (ahead)
			tracker_prefetch(t, hashes, BATCH);
		for (uint32_t i = 0; i < BATCH; i++) {
			tracker_announce(t, &batch[i], &from[i], NULL, NOW + 300, &r);
			told += r.n_peers;
		}
		spent += cpu_s() - begun;
	}
	printf("announces   %.0f/s%s, %.1f peers told\n", n_announces / spent,
	       ahead ? " with memory asked for ahead" : "", (double)told / n_announces);
}

static void expire(struct tracker *t)
{
	double worst = 0, all = 0;
	uint64_t swarms, peers = 1;

	for (uint32_t s = 0; peers > 0 && s < 100000; s++) {
		double begun = cpu_s(), spent;

		tracker_tick(t, NOW + 300 + s);
		spent = cpu_s() - begun;
		worst = spent > worst ? spent : worst;
		all += spent;
		tracker_counts(t, &swarms, &peers);
	}
	printf("expiry      %.0f ms in all, slowest tick %.0f us\n", all * 1e3, worst * 1e6);
}

int main(int argc, char **argv)
{
	struct tracker_params p = {.seed = 1, .key = {2, 3}};
	double memory = resident_bytes();
	struct tracker *t = tracker_new(&p);
	uint32_t *const wanted[] = {&n_peers, &n_swarms, &n_announces, &numwant};

	for (int i = 1; i < argc && i <= 4; i++)
		*wanted[i - 1] = (uint32_t)strtoul(argv[i], NULL, 10);
	if (t == NULL || n_peers == 0 || n_swarms == 0)
		return 1;
	printf("%u peers, %u swarms, numwant %u\n", n_peers, n_swarms, numwant);
	fill(t, memory);
	announce_all(t, false);
	announce_all(t, true);
	expire(t);
	tracker_free(t);
	return 0;
}
