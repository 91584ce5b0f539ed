/* tests/sim/net.h - many swarms on a virtual network under a virtual clock.
 *
 * Every node runs the product's swarm code; this is its shell: it performs effects by scheduling
 * what they cause at other nodes. No data moves: a block is a mark that says whether its content
 * is true, and its hash is made from (piece, block, mark). Links have a latency, nodes an uplink
 * and a downlink that their connections share block by block. All chance comes from one seed. */
#ifndef SHOAL_SIM_NET_H
#define SHOAL_SIM_NET_H

#include "meta/metainfo.h"
#include "swarm/swarm.h"

/* How a node treats others; all but NODE_HONEST are twists of the shell around honest decisions. */
enum node_kind {
	NODE_HONEST,
	NODE_CORRUPT,  /* one in `corrupt_every` blocks it sends is wrong */
	NODE_MUTE,     /* lets download, never sends a block */
	NODE_CHOKER,   /* never lets download */
	NODE_REJECTER, /* lets download, rejects every request */
};

struct node_spec {
	enum node_kind kind;
	bool seed;		   /* has (or claims) everything at the start */
	uint64_t up_bps, down_bps; /* 0: 1 GB/s */
	uint32_t latency_us;	   /* from it to the middle of the network; 0: 100 */
	uint32_t corrupt_every;
	uint32_t max_peers, upload_slots;
	bool no_fast;	/* speaks no fast extension */
	bool no_hashes; /* rejects every hash request */
	bool deaf;	/* takes no connections */
};

struct net;

struct net *net_new(const struct metainfo *meta, uint64_t seed);
void net_free(struct net *n);

/* Check every node's invariants after each of its events. Slow. */
void net_check_always(struct net *n, bool on);

/* Returns the node's number. It is on line from now on, and knows nobody. */
uint32_t net_add(struct net *n, const struct node_spec *spec);
/* Tell `node` of `other`, or of every other node. */
void net_introduce(struct net *n, uint32_t node, uint32_t other);
void net_introduce_all(struct net *n, uint32_t node);
/* Off the network. `politely`: the others' sockets close; else they just hear nothing more. */
void net_kill(struct net *n, uint32_t node, bool politely);
/* Back with what it had verified. */
void net_revive(struct net *n, uint32_t node);

/* Run until all honest nodes on line are complete (true), or until the clock shows `until_ms`, or
 * nothing happens any more (false). */
bool net_run(struct net *n, uint64_t until_ms);
/* Run until the clock shows `until_ms`, whatever is complete. */
void net_run_for(struct net *n, uint64_t until_ms);

uint64_t net_now_ms(const struct net *n);
struct swarm *net_swarm(const struct net *n, uint32_t node);
/* When it was complete; UINT64_MAX: it is not. */
uint64_t net_done_ms(const struct net *n, uint32_t node);
/* Whether every block it counts as had is true. */
bool net_is_true(const struct net *n, uint32_t node);

struct net_stats {
	uint64_t events;
	uint32_t honest_bans; /* bans of honest nodes' addresses: must stay 0 */
	uint32_t bans;	      /* of the others */
	uint32_t unasked;     /* blocks that came unasked */
	uint64_t sent_blocks;
};
void net_stats(const struct net *n, struct net_stats *out);
bool net_is_banned(const struct net *n, uint32_t node);

/* A torrent of one file whose leaf hashes are those of true blocks. NULL without memory. */
struct metainfo *net_metainfo(uint64_t bytes, uint32_t piece_length, bool v1, bool v2);

#endif
