/* tests/perf/tracker.c - what a peer costs the tracker in memory, and an announce in time.
 *
 * Usage: perf_tracker [PEERS [SWARMS [ANNOUNCES [NUMWANT]]]]
 * Times are of the processor, so that a busy machine shows less. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "announces.h"
#include "base/rng.h"
#include "index/tracker.h"

#define NOW 1000u
#define BATCH 32u
#define TICK_PARTS 10u
/* By then those have expired who were silent since all had announced. */
#define EXPIRY_S (NOW + 300 + TRACKER_STOCK_EXPIRY_S)
#define HALF_LOAD_S 10u
/* What the system takes to receive an announce over UDP and send the answer: 210,000 a second in
 * all, as bench/announce.py saw, less our own part. */
#define SYSTEM_S 4.1e-6

static uint32_t n_peers = 1000000, n_swarms = 10000, n_announces = 1000000, numwant = 50;

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

/* `memory` is what was resident before there was a tracker. */
static void fill(struct tracker *t, double memory)
{
	struct announce_reply r;
	struct announce a = {.numwant = 0};
	struct addr from;
	double begun = cpu_s(), before = begun, worst = 0;
	uint64_t swarms, peers;

	for (uint32_t i = 0; i < n_peers; i++) {
		announce_make(i, n_peers, n_swarms, &a, &from);
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

/* Returns how many in a second. */
static double announce_all(struct tracker *t, bool ahead)
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
			announce_make(rng_below(&rng, n_peers), n_peers, n_swarms, &batch[i],
				      &from[i]);
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
	return n_announces / spent;
}

/* One second's tick, as node/shards.c has it. Returns what it took, in seconds. */
static double tick(struct tracker *t, uint64_t now_s)
{
	double begun = cpu_s();

	for (unsigned part = 0; part < TICK_PARTS && tracker_tick(t, now_s); part++)
		continue;
	return cpu_s() - begun;
}

/* A server with a clock that moves by the work done, and in between to the next announce. */
struct server {
	struct tracker *t;
	struct rng rng;
	double now;
	double *waits; /* of each announce, until its batch was answered */
	uint32_t n;
};

/* The peers of even numbers go on announcing, the others are silent and expire. */
static void answer(struct server *s, const double *arrived, uint32_t n)
{
	static struct announce batch[BATCH];
	static struct addr from[BATCH];
	struct announce_reply r;
	double begun;

	for (uint32_t i = 0; i < n; i++) {
		announce_make(rng_below(&s->rng, n_peers / 2) * 2, n_peers, n_swarms, &batch[i],
			      &from[i]);
		batch[i].numwant = numwant;
	}
	begun = cpu_s();
	for (uint32_t i = 0; i < n; i++)
		tracker_announce(s->t, &batch[i], &from[i], NULL, EXPIRY_S + (uint64_t)s->now, &r);
	s->now += cpu_s() - begun + n * SYSTEM_S;
	for (uint32_t i = 0; i < n; i++)
		s->waits[s->n++] = s->now - arrived[i];
}

/* Announces come at random, about `rate` a second, and are answered in batches of those that wait.
 */
static void serve(struct server *s, double rate, uint32_t n_most)
{
	double next = 0, next_tick = 1, arrived[BATCH];

	while (s->now < HALF_LOAD_S && s->n + BATCH <= n_most) {
		uint32_t n = 0;

		s->now = s->now < next ? next : s->now;
		for (; n < BATCH && next <= s->now; n++) {
			arrived[n] = next;
			next -= log(1 - rng_below(&s->rng, 1u << 24) / (double)(1u << 24)) / rate;
		}
		answer(s, arrived, n);
		if (s->now >= next_tick)
			s->now += tick(s->t, EXPIRY_S + (uint64_t)next_tick++);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void wait_while_expiring(struct tracker *t, double rate)
{
	struct server s = {.t = t};
	uint32_t n_most = (uint32_t)(rate * HALF_LOAD_S * 1.1) + BATCH;
	uint64_t swarms, before, after;

	rng_seed(&s.rng, 6);
	s.waits = malloc(n_most * sizeof(*s.waits));
	if (s.waits == NULL)
		return;
	for (uint64_t now_s = NOW; now_s < EXPIRY_S; now_s++)
		tick(t, now_s);
	tracker_counts(t, &swarms, &before);
	serve(&s, rate, n_most);
	tracker_counts(t, &swarms, &after);
	qsort(s.waits, s.n, sizeof(*s.waits), by_size);
	printf("half load   %.0f/s and %.0f/s expire: p50 %.1f us, p99 %.0f us, slowest %.0f us\n",
	       s.n / s.now, (double)(before - after) / s.now, s.waits[s.n / 2] * 1e6,
	       s.waits[s.n / 100 * 99] * 1e6, s.waits[s.n - 1] * 1e6);
	free(s.waits);
}

static void expire(struct tracker *t)
{
	double worst = 0, all = 0;
	uint64_t swarms, peers = 1;

	for (uint32_t s = 0; peers > 0 && s < 100000; s++) {
		double spent = tick(t, EXPIRY_S + HALF_LOAD_S + s);

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
	wait_while_expiring(t, 0.5 / (1 / announce_all(t, true) + SYSTEM_S));
	expire(t);
	tracker_free(t);
	return 0;
}
