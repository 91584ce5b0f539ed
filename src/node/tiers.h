/* node/tiers.h - the trackers of one torrent, in the order in which they are asked.
 *
 * Source: BEP 12: tiers are shuffled once, the one that answers moves to the front of its own. */
#ifndef SHOAL_NODE_TIERS_H
#define SHOAL_NODE_TIERS_H

#include "base/rng.h"
#include "meta/metainfo.h"
#include "node/announce_gate.h"

/* A hybrid torrent has two. */
#define TRACKER_HASHES_MAX 2

struct tracker_url {
	struct announce_site *site;
	uint32_t tier;
	/* The port at which it knows us, by our address of each enum addr_family (ADDR_ANY: of one
	 * that we do not know): say "stopped" to it there. 0: it does not. */
	uint16_t known_at[ADDR_V6 + 1];
	char *id;      /* its "tracker id", or NULL */
	uint16_t port; /* where those beyond our router reach us, as it was told last; 0: never */
	/* BEP 31: it does not want to be asked for this hash before. It may know one alone. */
	uint64_t rest_until_ms[TRACKER_HASHES_MAX];
	/* It may be "paused" (BEP 21) that it took for an error. */
	bool no_pause[TRACKER_HASHES_MAX];
};

struct tiers {
	struct tracker_url *list;
	uint32_t n;
};

/* `first` (NULL-ended, or NULL), then those of the torrent that we can speak to; each URL once.
 * Returns 0 or ERR_NOMEM; tiers_fini() after both. */
int tiers_load(struct tiers *t, const char *const *first, const struct metainfo *m,
	       struct announce_gate *g, struct rng *rng);
/* These (NULL-ended) are asked first from now on, in tier 0; those that are there already keep what
 * is known of them. Returns 0 or ERR_NOMEM: it is what it was. */
int tiers_lead(struct tiers *t, const char *const *urls, struct announce_gate *g);
void tiers_fini(struct tiers *t, struct announce_gate *g);

/* Is it asked over UDP? Else over HTTP. */
bool tracker_is_udp(const char *url);
/* Has it a name, which may stand for addresses of both families? */
bool tracker_has_name(const char *url);

/* Does it know us at all? */
bool tracker_url_knows_us(const struct tracker_url *t);
/* Number `i` answered. */
void tiers_promote(struct tiers *t, uint32_t i);
/* Remember its "tracker id"; nothing for an empty one. */
void tracker_url_keep_id(struct tracker_url *t, const char *id);

#endif
