#include "announces.h"

#include <time.h>

double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Scrambles, so that neighbours by number are no neighbours in memory or on the network. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void announce_make(uint32_t i, uint32_t n_peers, uint32_t n_swarms, struct announce *a,
		   struct addr *from)
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
