#include "sim/dht_measure.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t measure_percent(uint32_t *list, uint32_t n, uint32_t percent)
{
	if (n == 0)
		return 0;
	qsort(list, n, sizeof(*list), by_value);
	return list[(uint64_t)(n - 1) * percent / 100];
}

/* It grows within ten minutes and is left alone until every bucket was looked after once. */
#define GROW_MS 600000u
#define SETTLED_MS 2000000u

struct dnet *measure_grow(const struct measure_plan *p)
{
	struct dnet_params np = {
	    .seed = p->seed, .loss_permille = 10, .delay_min_ms = 10, .delay_max_ms = 150};
	struct dnet *n = dnet_new(&np);

	for (uint32_t i = 0; i < p->nodes; i++) {
		/* The first ones, where all others begin, are honest. */
		bool lies = i >= 10 && rng_below(dnet_rng(n), 100) < p->liar_percent;

		dnet_add(n, lies ? DNET_LIAR : DNET_HONEST, NULL, NULL, MEASURE_PLACES);
		dnet_run_until(n, (uint64_t)GROW_MS * (i + 1) / p->nodes);
	}
	dnet_run_until(n, SETTLED_MS);
	return n;
}

void measure_churn(struct dnet *n, const struct measure_plan *p)
{
	uint32_t leave = p->nodes * p->churn_percent / 100;

	for (uint32_t i = 0; i < leave; i++)
		dnet_kill(n, dnet_pick(n));
	for (uint32_t i = 0; i < leave; i++)
		dnet_add(n, DNET_HONEST, NULL, NULL, MEASURE_PLACES);
}

void measure_run(struct dnet *n, const struct dnet_search *s, uint32_t count)
{
	uint64_t end = dnet_now(n) + 300000;

	for (uint32_t i = 0; i < count; i++)
		while (!s[i].done && dnet_now(n) < end)
			dnet_run_until(n, dnet_now(n) + 100);
}
