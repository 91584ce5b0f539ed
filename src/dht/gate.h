/* dht/gate.h - how much we may send: token buckets for all and for each asker.
 *
 * Replies and queries of our own share one rate. Replies leave a part of it alone, so that a flood
 * of strangers' questions cannot stop our own lookups (O-39, G-17). */
#ifndef SHOAL_DHT_GATE_H
#define SHOAL_DHT_GATE_H

#include "base/addr.h"
#include "base/siphash.h"

#define GATE_RATE_BPS 8000u
/* The rate of so long may go out at once. */
#define GATE_BURST_MS 1000u
/* Of the burst, what replies leave alone: one half. */
#define GATE_RESERVE 2u
/* Queries of one asker (an IPv4 address, an IPv6 /64) that are answered: so many a second, so many
 * at once (attack: one forged address to which we send everything). */
#define GATE_ASKER_PER_S 20u
#define GATE_ASKER_BURST 60u
/* Askers told apart; more of them share places (attack: many addresses; what it costs us is fixed).
 */
#define GATE_ASKERS 256u

struct gate_asker {
	uint32_t at_ms; /* wraps */
	uint32_t debt;	/* thousandths of a packet that are to be paid off by waiting */
};

struct gate {
	struct siphash_key key;
	uint64_t rate_bps;
	uint64_t level, at_ms; /* thousandths of a byte */
	struct gate_asker askers[GATE_ASKERS];
};

void gate_init(struct gate *g, struct siphash_key key, uint32_t rate_bps, uint64_t now_ms);
/* May a query from there be looked at? Asked once for each. */
bool gate_hears(struct gate *g, const struct addr *from, uint64_t now_ms);
/* May a reply of so many bytes leave? Then it counts as sent. */
bool gate_replies(struct gate *g, size_t len, uint64_t now_ms);
/* The same for a query of our own. */
bool gate_asks(struct gate *g, size_t len, uint64_t now_ms);
/* When gate_asks() of so many bytes, which a burst must hold, is worth another try. */
uint64_t gate_ready_ms(const struct gate *g, size_t len, uint64_t now_ms);

#endif
