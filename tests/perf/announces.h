/* tests/perf/announces.h - announces of many made-up peers, the same in every run. */
#ifndef SHOAL_PERF_ANNOUNCES_H
#define SHOAL_PERF_ANNOUNCES_H

#include "wire/announce.h"

/* The announce of peer `i` of so many, spread over the swarms at random; every fourth is a seed. */
void announce_make(uint32_t i, uint32_t n_peers, uint32_t n_swarms, struct announce *a,
		   struct addr *from);

/* Of the processor, spent by this thread, so that a busy machine shows less. */
double cpu_s(void);

#endif
