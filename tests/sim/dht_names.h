/* sim/dht_names.h - names without an index in the virtual network: owners put signed items, later
 * newer ones, and others look for them. */
#ifndef SHOAL_SIM_DHT_NAMES_H
#define SHOAL_SIM_DHT_NAMES_H

#include "sim/dht_measure.h"

struct names_outcome {
	uint32_t asked, found, newest;
	uint32_t first_p50_ms, first_p95_ms; /* until a value was there */
	uint32_t done_p50_ms, done_p95_ms;   /* until the search ended: what a command waits for */
	double messages;
};

/* [0]: asked by nodes that have been there, [1]: by newcomers, from the moment they begin. */
void names_measure(const struct measure_plan *p, struct names_outcome out[2]);

#endif
