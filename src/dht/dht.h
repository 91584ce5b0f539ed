/* dht/dht.h - a whole node of the Mainline table: datagrams and time in, effects out.
 *
 * IPv4 and IPv6 are two tables of one node (BEP 32); a search asks both. No state is taken from
 * strangers: what is kept of them follows from an answer that came from the address and port that
 * was asked, with the transaction that was sent there, or from a token that we gave to the address
 * it comes from. Time is `now_ms`, monotonic. Randomness comes from the seed alone; the secret only
 * makes what strangers must not guess. Ten thousand of them fit one process. */
#ifndef SHOAL_DHT_DHT_H
#define SHOAL_DHT_DHT_H

#include "dht/dht_effects.h"
#include "dht/gate.h"

/* Queries that wait for an answer. */
#define DHT_PENDING_MAX 256u
/* Without answer for so long others are asked in its stead; after this it failed. */
#define DHT_SLOW_MS 1000u
#define DHT_TIMEOUT_MS 4000u
/* Searches of the user that exist, and that are at work at once. */
#define DHT_SEARCHES_MAX 20000u
#define DHT_ACTIVE_MAX 8u
/* Pings of strangers who asked us something and may become ours: at once (attack: a flood of
 * queries from many addresses makes us send a ping to each, O-39). */
#define DHT_PINGS_MAX 8u
/* Peers in a reply, so that it is at most five times its question (G-17). */
#define DHT_VALUES_MAX 20u
#define DHT_SAMPLES_MAX 8u
/* So many answers from different ranges must agree before we believe what our address is. */
#define DHT_VOTES_NEEDED 6u

struct dht;

struct dht_params {
	uint64_t seed;
	struct siphash_key secret; /* tokens, tables whose keys strangers choose */
	const uint8_t *id; /* NULL: a random one. Another when we know our address (BEP 42) */
	bool read_only;	   /* BEP 43 */
	bool v4, v6;	   /* families that the shell can send in */
	uint32_t rate_bps; /* 0: GATE_RATE_BPS */
};

/* NULL: out of memory. */
struct dht *dht_new(const struct dht_params *p, uint64_t now_ms);
void dht_free(struct dht *d);
/* Each family's table has its own, since each address allows others. */
const uint8_t *dht_id(const struct dht *d, bool v6);

void dht_on_packet(struct dht *d, const struct addr *from, struct bytes packet, uint64_t now_ms,
		   struct dht_effects *fx);
/* When dht_on_tick() wants to be called. */
uint64_t dht_deadline_ms(const struct dht *d);
void dht_on_tick(struct dht *d, uint64_t now_ms, struct dht_effects *fx);

/* A place where a node may be: it is asked for nodes near us, and is one of ours when it answers.
 * From settings, torrents, PORT messages, an index. Undialable ones are skipped. */
void dht_add_place(struct dht *d, const struct addr *a, uint64_t now_ms, struct dht_effects *fx);

/* Searches: a number, with which their effects come, until DHT_DONE; 0: too many, or no memory.
 * With no node known yet they wait for those that are being asked. */
uint32_t dht_find(struct dht *d, const uint8_t target[NODE_ID_LEN], uint64_t now_ms,
		  struct dht_effects *fx);
uint32_t dht_get_peers(struct dht *d, const uint8_t hash[20], uint64_t now_ms,
		       struct dht_effects *fx);
/* Peers too, and we are one, at this TCP port (0: the port we send from). */
uint32_t dht_announce(struct dht *d, const uint8_t hash[20], uint16_t port, uint64_t now_ms,
		      struct dht_effects *fx);
/* Nodes beyond our router are told this port instead of that of dht_announce(); 0: they are not. */
void dht_set_outer_port(struct dht *d, uint16_t port);
/* What is stored under the SHA-1 of a value (`key` NULL), or by `key` for `salt`. */
uint32_t dht_get(struct dht *d, const uint8_t target[NODE_ID_LEN], uint64_t now_ms,
		 struct dht_effects *fx);
uint32_t dht_get_mutable(struct dht *d, const uint8_t key[SIGN_KEY_LEN], struct bytes salt,
			 uint64_t now_ms, struct dht_effects *fx);
/* `cas`: NULL, or the number it must replace. Values found on the way come as DHT_ITEM; when one of
 * them is newer than ours nothing is stored and the fault is KRPC_FAULT_SEQ. */
uint32_t dht_put(struct dht *d, const struct dht_item *i, const int64_t *cas, uint64_t now_ms,
		 struct dht_effects *fx);
/* No effects of it come any more. */
void dht_cancel(struct dht *d, uint32_t search);

struct dht_stats {
	uint32_t nodes[2], buckets[2]; /* IPv4, IPv6 */
	uint32_t good[2];
	uint32_t hashes, peers, items; /* kept for others */
	uint32_t searches, pending;
	uint64_t sent_bytes, received_bytes, queries, replies_kept_back;
	bool knows_address[2]; /* enough others agree how they see us; our id fits it */
	struct addr address[2];
};
void dht_stats(const struct dht *d, uint64_t now_ms, struct dht_stats *out);
/* What enough others agree on; false: they do not, yet. */
bool dht_address(const struct dht *d, bool v6, struct addr *out);

/* Id and nodes as bytes with a checksum. Returns 0 or ERR_NOMEM. */
int dht_save(const struct dht *d, struct buf *out);
/* What dht_save() wrote, never trusted: the id is taken, the nodes are places. ERR_PROTO: it is
 * something else, and nothing was taken. */
#define DHT_SAVED_MAX (64u * 1024u)
int dht_load(struct dht *d, struct bytes saved, uint64_t now_ms, struct dht_effects *fx);

/* Assert every invariant; for tests. */
void dht_check(const struct dht *d);

#endif
