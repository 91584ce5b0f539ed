/* sim/dht_net.h - a virtual network of DHT nodes: the node of src/dht, thousands of times, with
 * delays, loss, nodes that die and nodes that lie. Seeded and repeatable; virtual milliseconds. */
#ifndef SHOAL_SIM_DHT_NET_H
#define SHOAL_SIM_DHT_NET_H

#include "dht/dht.h"

struct dnet;

enum dnet_kind {
	DNET_HONEST,
	DNET_LIAR,    /* names invented nodes and fellow liars near whatever is asked for */
	DNET_ECLIPSE, /* names fellows alone, has nothing, says it stores */
};

struct dnet_params {
	uint64_t seed;
	uint32_t loss_permille;
	uint32_t delay_min_ms, delay_max_ms; /* one way */
};

struct dnet *dnet_new(const struct dnet_params *p);
void dnet_free(struct dnet *n);
uint64_t dnet_now(const struct dnet *n);
struct rng *dnet_rng(struct dnet *n);

/* A node at a random address, or at `at` with this id if they are not NULL. It asks `n_places`
 * random living nodes first. Returns its number. */
uint32_t dnet_add(struct dnet *n, enum dnet_kind kind, const struct addr *at, const uint8_t *id,
		  uint32_t n_places);
uint32_t dnet_count(const struct dnet *n);
/* Without a word. */
void dnet_kill(struct dnet *n, uint32_t node);
bool dnet_is_alive(const struct dnet *n, uint32_t node);
enum dnet_kind dnet_kind_of(const struct dnet *n, uint32_t node);
/* A random living honest one. */
uint32_t dnet_pick(struct dnet *n);
struct dht *dnet_dht(struct dnet *n, uint32_t node);

void dnet_run_until(struct dnet *n, uint64_t ms);

/* A search of one node, begun now. */
enum dnet_search_kind { DNET_FIND, DNET_GET_PEERS, DNET_ANNOUNCE, DNET_GET, DNET_PUT };
struct dnet_search {
	enum dnet_search_kind kind;
	uint32_t node, number;
	bool done, found; /* found: the peer or item that is asked for below */
	uint64_t begun_ms, found_ms, done_ms;
	uint32_t asked, answers, stored, peers;
	unsigned hops;
	uint32_t n_near;
	struct contact near[8];
	struct addr wanted;	     /* GET_PEERS: the peer it should find */
	const struct dht_item *item; /* PUT */
	uint8_t key[SIGN_KEY_LEN];   /* GET: of a mutable item without salt, */
	int64_t seq;		     /* and what it found */
};
/* Owns: `s` is the caller's and lives until it is done. */
void dnet_start(struct dnet *n, struct dnet_search *s, const uint8_t target[20], uint16_t port);

struct dnet_totals {
	uint64_t packets, bytes, dropped;
	uint64_t longest_bps; /* busiest node: mean rate since its start */
};
void dnet_totals(const struct dnet *n, struct dnet_totals *out);
const struct addr *dnet_addr(const struct dnet *n, uint32_t node);

#endif
