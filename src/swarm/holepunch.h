/* swarm/holepunch.h - BEP 55: whom a common peer may bring us together with, and how often.
 *
 * Two peers that nobody can dial both send to each other over uTP at the same time, so that each
 * one's router lets the other's packets in. A common peer tells both when. What it says is a
 * stranger's word about where to send packets: this is what keeps it from making us one of many
 * who flood somebody, or knock at doors of our own network. */
#ifndef SHOAL_SWARM_HOLEPUNCH_H
#define SHOAL_SWARM_HOLEPUNCH_H

#include "base/addr.h"
#include "swarm/effects.h"

/* Addresses of one torrent that are remembered as tried (attack: an introducer that names
 * thousands), and of them those that nobody was asked for, so that such names leave room. */
#define HOLEPUNCH_ATTEMPTS_MAX 64u
#define HOLEPUNCH_UNASKED_MAX 48u
/* A host is dialled no sooner than this after the last time (attack: many introducers name one
 * victim), whatever the port, but for those of one router: HOLEPUNCH_PORTS_MAX. Of IPv6 these are
 * so many addresses and ports of a /64. */
#define HOLEPUNCH_AGAIN_MS (2u * 60u * 1000u)
#define HOLEPUNCH_PORTS_MAX 4u
/* How long an introducer may take, and how many are asked for one address. */
#define HOLEPUNCH_WAIT_MS 5000u
#define HOLEPUNCH_ASKS_MAX 3u
/* What one introducer may have us dial unasked: so many at once, and one more each so often. */
#define HOLEPUNCH_HEED_BURST 8u
#define HOLEPUNCH_HEED_MS 10000u
/* As introducer (attack: making us pester our peers): of one peer, and of all together. */
#define HOLEPUNCH_RELAY_BURST 16u
#define HOLEPUNCH_RELAY_MS 2000u
#define HOLEPUNCH_RELAY_ALL_BURST 64u
#define HOLEPUNCH_RELAY_ALL_MS 100u

/* Something that may be done so often: one of it each `every_ms`, and `burst` after silence. */
struct allowance {
	uint64_t paid_ms; /* up to when the time is spent */
};
/* False: not now, and nothing was spent. */
bool allowance_take(struct allowance *a, uint32_t burst, uint32_t every_ms, uint64_t now_ms);

/* May packets go there because a stranger says so? Not to this machine, a link, many at once
 * (multicast) or nobody. A private address may be one of a network that we are in: whoever dials
 * it must know (net/lan.h). */
bool holepunch_may_dial(const struct addr *a);
/* Can an introducer bring these two together, each by how it sees the other? */
bool holepunch_may_pair(const struct addr *a, const struct addr *b);

struct holepunch_attempt {
	struct addr addr;
	uint64_t until_ms;     /* 0: free */
	struct peer_ref asked; /* whom last, slot UINT32_MAX: nobody */
	uint64_t answer_ms;    /* it should have answered by then; UINT64_MAX: it has */
	uint32_t tried[HOLEPUNCH_ASKS_MAX], n_tried; /* slots of introducers */
	bool dialled;
	uint8_t message[24]; /* to whom is asked */
};

/* What a torrent knows of its attempts. Zeroed is a good start. */
struct holepunch {
	struct holepunch_attempt list[HOLEPUNCH_ATTEMPTS_MAX];
	struct allowance relays, heed; /* what the index may have us do */
	uint8_t messages[2][24];       /* to the two who are brought together */
};

/* The one for this address that is not over; NULL: none. */
struct holepunch_attempt *holepunch_find(struct holepunch *h, const struct addr *a,
					 uint64_t now_ms);
/* A new one; NULL: there are enough. */
struct holepunch_attempt *holepunch_begin(struct holepunch *h, const struct addr *a, bool unasked,
					  uint64_t now_ms);
/* Has enough been dialled on this host of late? */
bool holepunch_is_tried(const struct holepunch *h, const struct addr *a, uint64_t now_ms);

/* An introducer tells us to dial `a`. Returns the attempt that is to be performed now, or NULL:
 * no. `heed` is what is left of its allowance. */
struct holepunch_attempt *holepunch_on_connect(struct holepunch *h, struct peer_ref by,
					       const struct addr *a, struct allowance *heed,
					       uint64_t now_ms);
/* May this introducer be asked about it? Then it is noted as asked. */
bool holepunch_ask(struct holepunch_attempt *a, struct peer_ref introducer, uint64_t now_ms);

#endif
