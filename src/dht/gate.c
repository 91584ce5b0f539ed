#include "dht/gate.h"

#include "dht/node_id.h"

#define MILLI 1000u

static uint64_t burst(const struct gate *g)
{
	return g->rate_bps * GATE_BURST_MS;
}

void gate_init(struct gate *g, struct siphash_key key, uint32_t rate_bps, uint64_t now_ms)
{
	*g = (struct gate){.key = key, .rate_bps = rate_bps, .at_ms = now_ms};
	g->level = burst(g);
}

static void refill(struct gate *g, uint64_t now_ms)
{
	uint64_t past_ms = now_ms - g->at_ms, full = burst(g);

	g->at_ms = now_ms;
	if (past_ms >= GATE_BURST_MS || g->level + past_ms * g->rate_bps > full)
		g->level = full;
	else
		g->level += past_ms * g->rate_bps;
}

static struct gate_asker *asker_of(struct gate *g, const struct addr *from)
{
	/* A NAT's port changes; programs on one machine differ in nothing else. */
	struct addr who = node_id_is_local(from) ? *from : addr_subscriber(from);

	return &g->askers[siphash(g->key, bytes_of(&who, sizeof(who))) % GATE_ASKERS];
}

bool gate_hears(struct gate *g, const struct addr *from, uint64_t now_ms)
{
	const uint32_t full = GATE_ASKER_BURST * MILLI;
	struct gate_asker *a = asker_of(g, from);
	uint32_t past_ms = (uint32_t)now_ms - a->at_ms;
	uint32_t paid = past_ms > full / GATE_ASKER_PER_S ? full : past_ms * GATE_ASKER_PER_S;

	a->at_ms = (uint32_t)now_ms;
	a->debt = a->debt > paid ? a->debt - paid : 0;
	if (a->debt + MILLI > full)
		return false;
	a->debt += MILLI;
	return true;
}

bool gate_replies(struct gate *g, size_t len, uint64_t now_ms)
{
	uint64_t cost = (uint64_t)len * MILLI;

	refill(g, now_ms);
	if (g->level < cost || g->level - cost < burst(g) / GATE_RESERVE)
		return false;
	g->level -= cost;
	return true;
}

bool gate_asks(struct gate *g, size_t len, uint64_t now_ms)
{
	uint64_t cost = (uint64_t)len * MILLI;

	refill(g, now_ms);
	if (g->level < cost)
		return false;
	g->level -= cost;
	return true;
}

uint64_t gate_ready_ms(const struct gate *g, size_t len, uint64_t now_ms)
{
	uint64_t need = (uint64_t)len * MILLI;

	if (g->level >= need)
		return now_ms;
	return g->at_ms + (need - g->level) / g->rate_bps + 1;
}
