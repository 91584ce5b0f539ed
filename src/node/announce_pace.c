#include "node/announce_pace.h"

static uint64_t clamp_ms(uint32_t s)
{
	if (s < ANNOUNCE_INTERVAL_MIN_S)
		s = ANNOUNCE_INTERVAL_MIN_S;
	if (s > ANNOUNCE_INTERVAL_MAX_S)
		s = ANNOUNCE_INTERVAL_MAX_S;
	return (uint64_t)s * 1000;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* BEP 15 has no word for it: only an event may be said before the interval is over. */
static uint64_t least_ms(const struct announce_reply *r, bool udp)
{
	if (r->min_interval_s > 0)
		return clamp_ms(r->min_interval_s);
	return clamp_ms(udp || r->interval_s < ANNOUNCE_SOON_S ? r->interval_s : ANNOUNCE_SOON_S);
}

void announce_pace_take(struct announce_pace *p, const struct announce_reply *r, bool udp,
			bool first)
{
	struct announce_pace said = {clamp_ms(r->interval_s), least_ms(r, udp)};

	said.interval_ms = longer(said.interval_ms, said.least_ms);
	if (!first) {
		said.interval_ms = longer(said.interval_ms, p->interval_ms);
		said.least_ms = longer(said.least_ms, p->least_ms);
	}
	*p = said;
}

/* Up to a tenth later, so that peers that came together do not stay together. */
uint64_t announce_pace_next_ms(const struct announce_pace *p, struct rng *rng)
{
	return p->interval_ms + rng_below(rng, (uint32_t)(p->interval_ms / 10) + 1);
}
