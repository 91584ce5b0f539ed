/* tests/sim/net_impl.h - shared by net*.c only. */
#ifndef SHOAL_SIM_NET_IMPL_H
#define SHOAL_SIM_NET_IMPL_H

#include "base/rng.h"
#include "sim/net.h"

/* Blocks on their way over one connection: what a receive window would allow. */
#define NET_WINDOW 64u
#define NET_VERIFY_US 500u

enum mark { MARK_NONE, MARK_TRUE, MARK_FALSE };

enum event_type {
	EVENT_TICK,
	EVENT_MESSAGE,
	EVENT_BLOCK,
	EVENT_PART,   /* of a block: bytes that come before the last */
	EVENT_UPLINK, /* a node's uplink is free */
	EVENT_KNOCK,  /* a dial reaches the other side */
	EVENT_ANSWER, /* and its answer comes back */
	EVENT_DIAL_FAILED,
	EVENT_CLOSED,
	EVENT_VERIFIED,
};

struct event {
	uint64_t at_us, order;
	enum event_type type;
	uint32_t node, life; /* whom it concerns; of an earlier life of the node: void */
	uint32_t conn, end;  /* the connection and which end of it hears this */
	struct addr addr;
	struct wire_msg msg;
	uint8_t *body; /* owned copy behind msg.body */
	enum mark mark;
	uint32_t piece;
	bool landed; /* it has passed the receiver's downlink */
};

/* Both directions of a connection; end 0 dialled. */
struct conn {
	uint32_t node[2];
	struct peer_ref ref[2];
	bool open[2];	       /* that end's swarm knows it */
	uint64_t last_us[2];   /* when the last thing sent towards this end arrives */
	uint64_t land_us[2];   /* when the last block towards this end has passed its downlink */
	bool waiting[2];       /* that end has blocks to send */
	uint32_t in_flight[2]; /* blocks on their way from that end */
	uint32_t latency_us;
};

struct node {
	struct node_spec spec;
	struct swarm *swarm;
	struct addr addr;
	uint8_t id[20];
	uint32_t life;
	bool up;
	uint64_t tick_us; /* when the next EVENT_TICK is due, UINT64_MAX none */
	uint64_t up_free_us, down_free_us;
	bool uplink_busy;
	uint32_t turn; /* connection whose turn it is at the uplink */
	uint32_t *conns, n_conns, conns_cap;
	uint8_t *marks; /* of each block */
	uint64_t done_ms;
	bool banned; /* by anybody */
	uint64_t sent;
	struct effects fx;
};

struct net {
	const struct metainfo *meta;
	struct rng rng;
	uint64_t now_us, orders;
	struct event *heap;
	size_t n_heap, heap_cap;
	struct node *nodes;
	uint32_t n_nodes, nodes_cap;
	struct conn *conns;
	uint32_t n_conns, conns_cap;
	bool check;
	struct net_stats stats;
};

/* net_queue.c */
void net_schedule(struct net *n, struct event e);
bool net_take(struct net *n, struct event *out);

/* net_shell.c */
void net_perform(struct net *n, uint32_t node);
void net_handle(struct net *n, struct event *e);
void net_close_conn(struct net *n, uint32_t conn, uint32_t end, bool tell);

/* net_content.c */
uint32_t net_block_index(const struct metainfo *m, uint32_t piece, uint32_t block);
void net_block_hash(uint32_t piece, uint32_t block, enum mark mark, uint8_t out[SHA256_LEN]);

void *net_grow(void *list, uint32_t n, uint32_t *cap, size_t each);

#endif
