#include "sim/dht_names.h"

#include <stdlib.h>

#define OWNERS 100u
#define ASKED_MAX 1000u

static void sign(struct dht_item *list, uint32_t i, int64_t seq)
{
	uint8_t seed[SIGN_SEED_LEN] = {(uint8_t)i, (uint8_t)(i >> 8), 1};

	if (dht_item_sign(&list[i], seed, bytes_of(NULL, 0), seq, bytes_str("i1e")) != 0)
		exit(3);
}

/* Each from some node. */
static void put_all(struct dnet *n, const struct dht_item *items)
{
	static struct dnet_search s[OWNERS];
	uint8_t none[20] = {0};

	for (uint32_t i = 0; i < OWNERS; i++) {
		s[i] =
		    (struct dnet_search){.kind = DNET_PUT, .node = dnet_pick(n), .item = &items[i]};
		dnet_start(n, &s[i], none, 0);
		dnet_run_until(n, dnet_now(n) + 100);
	}
	measure_run(n, s, OWNERS);
}

static void get_all(struct dnet *n, const struct dht_item *items, uint32_t count, bool newcomers,
		    struct names_outcome *o)
{
	static struct dnet_search s[ASKED_MAX];
	static uint32_t first[ASKED_MAX], done[ASKED_MAX];
	uint8_t none[20] = {0};

	for (uint32_t i = 0; i < count; i++) {
		s[i] = (struct dnet_search){.kind = DNET_GET};
		s[i].node =
		    newcomers ? dnet_add(n, DNET_HONEST, NULL, NULL, MEASURE_PLACES) : dnet_pick(n);
		memcpy(s[i].key, items[i % OWNERS].key, SIGN_KEY_LEN);
		dnet_start(n, &s[i], none, 0);
		dnet_run_until(n, dnet_now(n) + 100);
	}
	measure_run(n, s, count);
	*o = (struct names_outcome){.asked = count};
	for (uint32_t i = 0; i < count; i++) {
		o->messages += s[i].asked;
		o->newest += s[i].found && s[i].seq == items[i % OWNERS].seq;
		if (s[i].found)
			first[o->found++] = (uint32_t)(s[i].found_ms - s[i].begun_ms);
		done[i] = (uint32_t)(s[i].done_ms - s[i].begun_ms);
	}
	o->messages /= count;
	o->first_p50_ms = measure_percent(first, o->found, 50);
	o->first_p95_ms = measure_percent(first, o->found, 95);
	o->done_p50_ms = measure_percent(done, count, 50);
	o->done_p95_ms = measure_percent(done, count, 95);
}

void names_measure(const struct measure_plan *p, struct names_outcome out[2])
{
	static struct dht_item items[OWNERS];
	struct dnet *n = measure_grow(p);

	for (int64_t seq = 1; seq <= 2; seq++) {
		for (uint32_t i = 0; i < OWNERS; i++)
			sign(items, i, seq);
		put_all(n, items);
	}
	measure_churn(n, p);
	get_all(n, items, p->lookups, false, &out[0]);
	get_all(n, items, p->lookups, true, &out[1]);
	dnet_free(n);
}
