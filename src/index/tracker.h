/* index/tracker.h - who is in which swarm: announces in, peer lists out. Pure.
 *
 * Addresses are those packets came from; what a client claims about itself is not believed
 * (O-28). Time is passed in; randomness is seeded.
 *
 * A peer at an IPv4 address takes 12 bytes, so what is known of it is coarse; the resolution of
 * each value stands beside it below. No call looks at more than a bounded number of peers. */
#ifndef SHOAL_INDEX_TRACKER_H
#define SHOAL_INDEX_TRACKER_H

#include "base/siphash.h"
#include "wire/announce.h"

/* Told to stock clients: they come again after this. */
#define TRACKER_INTERVAL_S 1800u
/* Told to shoal peers, and after how long without an announce they are gone. */
#define TRACKER_SHOAL_INTERVAL_S 20u
#define TRACKER_SHOAL_EXPIRY_S 30u
/* Sooner than this nobody should ask again ("min interval"). */
#define TRACKER_MIN_INTERVAL_S 60u
#define TRACKER_SHOAL_MIN_INTERVAL_S 5u
/* Stock clients are forgotten after two intervals, up to TRACKER_STOCK_TICK_S sooner than this. */
#define TRACKER_STOCK_EXPIRY_S (2 * TRACKER_INTERVAL_S + 60)
#define TRACKER_STOCK_TICK_S 15u
/* In all, and of one host; beyond it the newest are refused (host) or the stalest dropped
 * (all). Attack: one address announcing millions of hashes or ports (O-27). */
#define TRACKER_PEERS_MAX 2000000u
/* A host: an IPv4 address or an IPv6 /64. Room for a card with 100,000 hybrid torrents. */
#define TRACKER_HOST_PEERS_MAX 200000u
/* Prefixes looked through for an asker's site. */
#define TRACKER_SITES_MAX 64u

struct tracker;

/* Peers at addresses that begin like `prefix` are at this site: near to one another, though not in
 * one subnet. The longest of several that match counts. */
struct tracker_site {
	struct addr prefix; /* its port does not matter */
	uint8_t bits;	    /* up to 32, or 128 */
	uint8_t site;	    /* not 0 */
};

struct tracker_params {
	uint64_t seed;
	struct siphash_key key; /* secret */
	uint32_t peers_max;	/* 0: the default */
	const struct tracker_site *sites;
	uint32_t n_sites; /* those beyond TRACKER_SITES_MAX are left out */
};
struct tracker *tracker_new(const struct tracker_params *p);
void tracker_free(struct tracker *t);
/* Others than it was made with: good for the next announce. */
void tracker_set_sites(struct tracker *t, const struct tracker_site *sites, uint32_t n);

/* Take in an announce from `from` (its port is ignored; a->port counts) and fill `out`:
 * counts, interval and up to a->numwant peers other than the asker, seeds left out for a seed
 * (but for aria2 that has moved nothing yet, which may know a magnet link alone), both families,
 * without their peer ids. Up to three quarters of them are near the asker, those at
 * its address first, then those in its subnet (IPv4 /24, IPv6 /64), then those at its site; the
 * rest is drawn from those farther away while there are enough. Whether one is complete is said,
 * and makes nobody be told of more often: few seeds in a large swarm would be known, and dialled,
 * by all. out->peers borrows memory of the tracker until the next call. Peers on loopback run on
 * this very machine. An asker on loopback is told of them as they are, any other by the address
 * under which it reached us, `here`; when that is NULL or loopback they are left out, as useless to
 * it (D-34). Returns 0 (out->failed says when refused) or ERR_NOMEM. */
int tracker_announce(struct tracker *t, const struct announce *a, const struct addr *from,
		     const struct addr *here, uint64_t now_s, struct announce_reply *out);

/* The peers that `from` would be told of if it announced that it wants `numwant`, without taking it
 * in. */
void tracker_look(struct tracker *t, const uint8_t info_hash[20], uint32_t numwant,
		  const struct addr *from, const struct addr *here, uint64_t now_s,
		  struct announce_reply *out);

/* Ask the memory for what announces and scrapes of these swarms will look at. For callers who have
 * several at hand: waiting for memory is most of the work, and this way they wait together. */
void tracker_prefetch(const struct tracker *t, const uint8_t (*info_hashes)[20], size_t n);

/* Counts for a swarm; zeros when unknown. */
void tracker_scrape(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		    struct scrape_row *out);

struct tracker_peer {
	struct addr addr;
	/* As much of its peer id as names the client, then zeros; zeros alone when it is no client
	 * of a usual name, or one of too many different ones. */
	uint8_t client_id[20];
	uint64_t left; /* bytes: 0 for seeds alone; exact to 128, then up to 1 % too many */
	/* First and last announce on the caller's clock. Up to TRACKER_STOCK_TICK_S too early for
	 * the last of a stock client; for the first up to 32 s or 2 % of the time since. */
	uint64_t since_s, seen_s;
	uint8_t info_hash[20];
};
/* Peers of one swarm, seeds first. Returns how many there are, fills up to cap. */
size_t tracker_peers(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		     struct tracker_peer *out, size_t cap);
/* Every (swarm, peer) pair: calls `each` until it returns non-zero. */
void tracker_each(struct tracker *t, uint64_t now_s,
		  int (*each)(void *user, const struct tracker_peer *p), void *user);

/* Drop what has expired: some 900 peers in a call, so that others wait for it a tenth of a
 * millisecond. True: there is more to do. Call about every second, and then some ten times while
 * there is more. */
bool tracker_tick(struct tracker *t, uint64_t now_s);

void tracker_counts(const struct tracker *t, uint64_t *swarms, uint64_t *peers);
void tracker_check(const struct tracker *t); /* asserts invariants; for tests */

#endif
