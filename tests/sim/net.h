/* net.h - many swarms on a virtual network under a virtual clock.
 *
 * Every node runs the product's swarm code; this is its shell: it performs effects by scheduling
 * what they cause at other nodes. No data moves: a block is a mark that says whether its content
 * is true, and its hash is made from (piece, block, mark).
 *
 * The network: each node has an uplink and a downlink that its connections share block by block,
 * and stands at a site. Between two sites there may be a link of its own rate that all
 * connections crossing it share. A connection keeps as much on its way as TCP's congestion
 * control would: it starts small, grows while queues are short, is cut when they are not, and
 * loss bounds it. Messages cost their bytes and their packets' heads. docs/simulation.md says
 * what is left out.
 *
 * All chance comes from one seed; the same calls give the same events, which
 * net_trace_hash() shows. */
#ifndef SHOAL_SIM_NET_H
#define SHOAL_SIM_NET_H

#include "meta/metainfo.h"
#include "swarm/swarm.h"

/* How a node treats others; all but NODE_HONEST are twists of the shell around honest decisions. */
enum node_kind {
	NODE_HONEST,
	NODE_CORRUPT,  /* one in `corrupt_every` blocks it sends is wrong */
	NODE_MUTE,     /* lets download, never sends a block */
	NODE_CHOKER,   /* never lets download; without `seed` a free rider */
	NODE_REJECTER, /* lets download, rejects every request */
	NODE_STALLER,  /* sends `stall_after` blocks, then no more */
	NODE_GLUTTON,  /* asks, and reads nothing any more after `stall_after` blocks */
};

#define NET_SITES_MAX 16u

struct node_spec {
	enum node_kind kind;
	bool seed;		   /* has (or claims) everything at the start */
	uint64_t up_bps, down_bps; /* bytes a second; 0: 1 GB/s */
	uint32_t latency_us;	   /* from it to the middle of its site; 0: 100 */
	uint32_t loss_ppm;	   /* of packets on its access line, in each direction */
	uint32_t site;
	uint32_t corrupt_every, stall_after;
	uint32_t lost_every; /* one in so many pieces cannot be read back; 0: none */
	uint32_t max_peers, upload_slots;
	bool no_fast;	/* speaks no fast extension */
	bool no_hashes; /* rejects every hash request */
	bool deaf;	/* takes no connections */
	bool hidden;	/* takes none, and who dials hears nothing: it is behind a router */
};

/* What the index answers a node that asks for peers. */
struct index_spec {
	uint32_t peers_max;   /* in one answer */
	uint32_t far_min;     /* with `prefer_near`: of them random ones of other sites */
	bool prefer_near;     /* the others from the asker's own site, as far as there are */
	bool says_complete;   /* which of them have everything, or claim it */
	uint32_t interval_ms; /* between two announces; 0: 30 s */
};

struct net;

struct net *net_new(const struct metainfo *meta, uint64_t seed);
void net_free(struct net *n);

/* Check every node's invariants after each of its events. Slow. */
void net_check_always(struct net *n, bool on);

/* Between two sites, both ways: one-way latency, and the rate of each direction, 0 unlimited. */
void net_set_link(struct net *n, uint32_t site, uint32_t other, uint32_t latency_us, uint64_t bps);

/* From now on nodes that come on line ask an index for peers, at once, at intervals and when
 * they want some. NULL: from now on there is none. */
void net_set_index(struct net *n, const struct index_spec *spec);

/* Returns the node's number. It is on line from now on, and knows nobody but the index. */
uint32_t net_add(struct net *n, const struct node_spec *spec);
/* Tell `node` of `other`, or of every other node. */
void net_introduce(struct net *n, uint32_t node, uint32_t other);
void net_introduce_all(struct net *n, uint32_t node);
/* Off the network. `politely`: the others' sockets close; else they just hear nothing more. */
void net_kill(struct net *n, uint32_t node, bool politely);
/* Back with what it had verified. */
void net_revive(struct net *n, uint32_t node);

/* Run until all honest nodes on line are complete (true), or until the clock shows `until_ms`, or
 * nothing happens any more (false). Aborts when a node believes of another what is not true
 * (net_truth.c). */
bool net_run(struct net *n, uint64_t until_ms);
/* Run until the clock shows `until_ms`, whatever is complete. */
void net_run_for(struct net *n, uint64_t until_ms);

/* What `node` wants (swarm_set_wanted()), in which order, and what of it at once. */
void net_set_wanted(struct net *n, uint32_t node, const uint8_t *pieces);
void net_set_order(struct net *n, uint32_t node, enum swarm_order order);
void net_set_urgent(struct net *n, uint32_t node, const struct piece_run *runs, uint32_t n_runs);

/* For events that the net has no name for: give these effects to the swarm, then have them
 * performed. */
struct effects *net_effects(struct net *n);
void net_perform(struct net *n, uint32_t node);
/* The next block that is expected of a source of the node comes, if it is expected of it. */
void net_give(struct net *n, uint32_t node, struct peer_ref source);

uint64_t net_now_ms(const struct net *n);
uint32_t net_nodes(const struct net *n);
bool net_is_up(const struct net *n, uint32_t node);
struct swarm *net_swarm(const struct net *n, uint32_t node);
/* When it came on line first. */
uint64_t net_came_ms(const struct net *n, uint32_t node);
/* When it was complete; UINT64_MAX: it is not. */
uint64_t net_done_ms(const struct net *n, uint32_t node);
/* Whether every block of a piece on its disk is true; every one that it counts as had. */
bool net_piece_is_true(const struct net *n, uint32_t node, uint32_t piece);
bool net_is_true(const struct net *n, uint32_t node);
/* Payload it put on the wire, with what never arrived. */
uint64_t net_sent_bytes(const struct net *n, uint32_t node);
/* Its connections to nodes of other sites. */
uint32_t net_far_conns(const struct net *n, uint32_t node);

struct net_stats {
	uint64_t events;
	uint32_t honest_bans; /* bans of honest nodes' addresses: must stay 0 */
	uint32_t bans;	      /* of the others */
	uint32_t unasked;     /* blocks that came unasked */
	uint64_t sent_blocks;
	uint64_t cross_bytes; /* payload that left one site for another */
};
void net_stats(const struct net *n, struct net_stats *out);
/* Payload that node's swarm received and threw away, over all its lives. */
void net_node_bytes(const struct net *n, uint32_t node, uint64_t *down, uint64_t *wasted);
bool net_is_banned(const struct net *n, uint32_t node);
/* Of all events so far, in their order. */
uint64_t net_trace_hash(const struct net *n);

/* A torrent of one file whose leaf hashes are those of true blocks. NULL without memory. */
struct metainfo *net_metainfo(uint64_t bytes, uint32_t piece_length, bool v1, bool v2);

#endif
