/* sim/dht_measure.h - what measurements of the virtual network of DHT nodes have in common: it
 * grows, loses nodes, and is run until searches have ended. */
#ifndef SHOAL_SIM_DHT_MEASURE_H
#define SHOAL_SIM_DHT_MEASURE_H

#include "sim/dht_net.h"

/* Nodes that a newcomer knows of: from its settings, a torrent, peers. */
#define MEASURE_PLACES 5u

struct measure_plan {
	uint64_t seed;
	uint32_t nodes, lookups, churn_percent, liar_percent;
};

struct dnet *measure_grow(const struct measure_plan *p);
/* A part dies without a word, as many new ones join. */
void measure_churn(struct dnet *n, const struct measure_plan *p);
/* Until they have ended, or five minutes. */
void measure_run(struct dnet *n, const struct dnet_search *s, uint32_t count);
/* The percentile of a list, which is sorted. 0 of none. */
uint32_t measure_percent(uint32_t *list, uint32_t n, uint32_t percent);

#endif
