/* net_impl.h - the inside of a net, shared by net*.c only. */
#ifndef SHOAL_SIM_NET_IMPL_H
#define SHOAL_SIM_NET_IMPL_H

#include "base/rng.h"
#include "sim/net.h"

#define NET_NONE UINT32_MAX
#define NET_VERIFY_US 500u
/* IP and TCP heads: what a message adds to the line beside its own bytes. */
#define NET_HEAD_BYTES 40u
/* A queue longer than this makes TCP slow down. */
#define NET_QUEUE_US 100000u
/* Blocks on their way over one connection: at the start, and at most. */
#define NET_WINDOW_FIRST 2u
#define NET_WINDOW_MAX 1024u
/* Nothing that was sent arrived for so long: LINK_STALL_MS of the product. */
#define NET_STALL_US 1500000u
/* What nodes believe of each other is compared with the truth so often. */
#define NET_TRUTH_US 1000000u
#define NET_TRUTH_CLOSE_US 2000u /* with net_check_always() */

enum mark { MARK_NONE, MARK_TRUE, MARK_FALSE };

enum event_type {
	/* at a connection's end */
	EVENT_MESSAGE, /* packed into `a` and `b` */
	EVENT_PARCEL,  /* a message that does not fit: `a` is a parcel */
	EVENT_BLOCK,
	EVENT_PART, /* of a block: bytes that come before the last */
	EVENT_LOOK, /* has anything of what was sent from here arrived lately? */
	EVENT_CLOSED,
	EVENT_KNOCK,  /* a dial reaches the other side */
	EVENT_ANSWER, /* and its answer comes back */
	/* at a node */
	EVENT_TICK,
	EVENT_UPLINK, /* its uplink is free */
	EVENT_DIAL_FAILED,
	EVENT_VERIFIED,
	EVENT_ANNOUNCE, /* it asks the index */
	EVENT_PEERS,	/* the index answers */
	EVENT_GONE,	/* the index has not heard of it for long */
};

/* 32 bytes, as there are millions of them. Void when `life` is not that of the target. */
struct event {
	uint64_t at_us;
	uint64_t order : 55, landed : 1, type : 8; /* landed: it has passed the downlink */
	uint32_t target;			   /* a node, or an end of a connection */
	uint32_t life;
	uint32_t a, b;
};

/* A message with a body, or with odd fields. */
struct parcel {
	struct wire_msg msg;
	uint8_t *body; /* behind msg.body */
	uint32_t next; /* of the free ones */
};

/* One side of a connection. An end is named by connection * 2 + side; side 0 dialled. What
 * every message touches is kept together, apart from what only blocks need: with hundreds of
 * thousands of connections the time goes into waiting for memory. */
struct end {
	uint32_t node, life;
	struct peer_ref ref;
	uint32_t older;	  /* the end in the same slot whose CLOSE was not performed yet */
	uint32_t landing; /* things towards here that wait until land_us */
	uint64_t last_us; /* when the last thing sent towards here arrives */
	uint64_t land_us; /* when the last block towards here has passed the downlink */
	bool open;	  /* its swarm knows the connection */
	bool waiting;	  /* has blocks to send: in its node's ring, or blocked */
	bool blocked;	  /* waits for its window */
};

struct conn {
	_Alignas(128) struct end end[2];
	uint32_t gen;
	uint32_t next; /* of the free ones */
	uint32_t latency_us;
	uint32_t loss_ppm;
	uint64_t pace_us; /* between two blocks at the least, for the loss */
	bool dialing, used;
};

/* The blocks that one end sends. */
struct flow {
	uint32_t next, prev;	    /* in its node's ring */
	uint32_t in_flight, window; /* blocks on their way, and how many may be */
	uint32_t window_max;
	uint32_t threshold, grown; /* where the window starts to grow slowly; towards one more */
	uint64_t cut_us;	   /* it is not cut again before */
	uint64_t paced_us;	   /* when the last one arrives */
	uint64_t moved_us;	   /* when something of one arrived last */
	bool watched, stalled;	   /* an EVENT_LOOK is under way; the swarm knows */
};

struct link {
	uint64_t bps; /* 0 unlimited */
	uint64_t free_us;
	uint32_t latency_us;
};

struct node {
	struct swarm *swarm;
	uint32_t *by_slot, n_slots; /* the swarm's peer slots -> ends */
	uint32_t life;
	enum node_kind kind;
	bool up, silent; /* silent: it fell off the network */
	bool counted;	 /* among those that net_run() waits for */
	bool uplink_busy;
	bool banned;		     /* by anybody */
	uint64_t tick_us;	     /* when the next EVENT_TICK is due, UINT64_MAX none */
	uint64_t up_debt, down_debt; /* bytes of messages that its lines carry beside blocks */
	uint64_t up_free_us, down_free_us;
	uint32_t ring;	     /* the end whose turn it is at the uplink */
	uint32_t registered; /* where it stands in the index's list + 1, 0 nowhere */
	uint8_t *marks;	     /* of each block */
	uint64_t announce_us, announced_us;
	uint64_t came_ms, done_ms;
	uint64_t sent_bytes, sent_blocks, read_blocks;
	uint64_t old_down, old_wasted; /* in earlier lives */
	struct addr addr;
	uint8_t id[20];
	struct node_spec spec;
};

struct chunk;

/* Coming events: those of the present slot of time in order, with what is added to it in a heap;
 * those of the next ones in a wheel of slots; what is further away in another heap. */
#define QUEUE_SLOT_BITS 8u /* 256 us */
#define QUEUE_SLOTS 8192u

struct heap {
	struct event *list;
	size_t n, cap;
};
struct wheel_slot {
	struct chunk *first; /* the latest */
	uint32_t n;	     /* events in all its chunks */
};
struct queue {
	struct event *now;
	size_t n_now, at, now_cap;
	struct heap added, far;
	struct wheel_slot slots[QUEUE_SLOTS];
	uint64_t used[QUEUE_SLOTS / 64];
	uint64_t slot; /* the present one, counted from time 0 */
	struct chunk *spare;
	size_t n_wheel;
	uint64_t orders;
};

/* Who is on line, as the index knows. */
struct index {
	struct index_spec spec;
	bool on;
	uint32_t *list[NET_SITES_MAX];
	uint32_t n[NET_SITES_MAX], cap[NET_SITES_MAX];
};

struct net {
	const struct metainfo *meta;
	struct rng rng;
	uint64_t now_us;
	struct queue queue;
	struct node *nodes;
	uint32_t n_nodes, nodes_cap;
	struct conn *conns;
	struct flow *flows; /* of each end */
	uint32_t n_conns, conns_cap, free_conn;
	struct parcel *parcels;
	uint32_t n_parcels, parcels_cap, free_parcel;
	struct link links[NET_SITES_MAX][NET_SITES_MAX];
	struct index index;
	struct effects fx;
	uint32_t n_waiting; /* honest nodes on line that are not complete */
	uint64_t trace;
	uint64_t truth_us; /* when net_check_truth() is due */
	bool check;
	struct net_stats stats;
};

static inline struct end *net_end(const struct net *n, uint32_t end)
{
	return &n->conns[end / 2].end[end % 2];
}
static inline struct flow *net_flow(const struct net *n, uint32_t end)
{
	return &n->flows[end];
}

/* net.c */
void *net_grow(void *list, uint32_t n, uint32_t *cap, size_t each);
/* After anything that decides whether net_run() waits for the node. */
void net_count(struct net *n, struct node *k);
/* The node at the address, whatever its port; NET_NONE. */
uint32_t net_node_at(const struct net *n, const struct addr *a);

/* net_queue.c */
void net_queue_init(struct queue *q);
void net_queue_fini(struct queue *q);
/* At n->now_us when that is later. */
void net_schedule(struct net *n, struct event e);
/* The next one that is due by then. */
bool net_take(struct net *n, uint64_t until_us, struct event *out);

/* net_ahead.c: both change nothing */
/* After each event that was taken from those in order. */
void net_look_ahead(const struct net *n);
/* Some effects before this one of the node is performed. */
void net_look_ahead_at(const struct net *n, uint32_t node, const struct effect *e);

/* net_conn.c */
uint32_t net_conn_new(struct net *n, uint32_t node, uint32_t other);
/* The swarm of the end knows the connection from now on. */
void net_open_end(struct net *n, uint32_t end, struct peer_ref ref);
/* Forget the end; `tell`: the other one hears of it. */
void net_close_end(struct net *n, uint32_t end, bool tell);
/* No longer being dialled: free it when nobody has it open. */
void net_settle_conn(struct net *n, uint32_t conn);
uint32_t net_find_end(const struct net *n, uint32_t node, struct peer_ref ref);

/* net_wire.c */
/* What a message costs each line it passes. */
uint32_t net_wire_bytes(const struct wire_msg *m);
void net_send_message(struct net *n, uint32_t from, const struct wire_msg *m);
/* The message an EVENT_MESSAGE or EVENT_PARCEL carries. The body lives until the parcel goes. */
void net_open_message(const struct net *n, const struct event *e, struct wire_msg *out);
void net_drop_parcel(struct net *n, const struct event *e);
/* Towards the end, behind everything sent before. */
void net_transmit(struct net *n, uint32_t to, struct event e);
/* What arrives at an end that is still taking in a block waits. True: it was put off. */
bool net_must_land(struct net *n, struct event *e);

/* net_block.c */
struct block_ref net_event_block(const struct event *e);
enum mark net_event_mark(const struct event *e);
/* The end has (or has no) blocks to send. */
void net_want_uplink(struct net *n, uint32_t end);
void net_leave_uplink(struct net *n, uint32_t end);
void net_run_uplink(struct net *n, uint32_t node);
/* A block's last byte is at the receiver's line: when has it come in? */
uint64_t net_land_block(struct net *n, const struct event *e);
/* Some of it came. */
void net_block_moved(struct net *n, uint32_t from);
/* It arrived, or did not. */
void net_block_gone(struct net *n, uint32_t from);
void net_on_look(struct net *n, const struct event *e);

/* net_truth.c */
/* Says what is wrong, and aborts. */
void net_check_truth(struct net *n);

/* net_shell.c */
void net_handle(struct net *n, struct event *e);

/* net_index.c */
void net_index_fini(struct net *n);
void net_index_join(struct net *n, uint32_t node);
void net_index_leave(struct net *n, uint32_t node, bool politely);
void net_on_want_peers(struct net *n, uint32_t node);
void net_on_announce(struct net *n, const struct event *e);
void net_on_peers(struct net *n, const struct event *e);
void net_on_gone(struct net *n, const struct event *e);

/* net_content.c */
uint32_t net_block_index(const struct metainfo *m, uint32_t piece, uint32_t block);
void net_block_hash(uint32_t piece, uint32_t block, enum mark mark, uint8_t out[SHA256_LEN]);

#endif
