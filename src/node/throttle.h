/* node/throttle.h - no more than so many bytes a second, dealt out evenly among connections.
 *
 * Each direction has a bucket of tokens (base/token_bucket.h) for the node and one for each
 * transfer. A connection that finds them empty, or has used what was dealt to it, waits in line;
 * every few milliseconds those who wait are dealt what has come since, the same to each, the
 * longest waiting first. Downwards a connection that waits is not read from, so that the other
 * side, whose window fills, slows down; nothing is buffered here. Upwards the unit is a message of
 * one block: it is never cut, so other messages do not wait behind half a block. Peers of the own
 * network are not counted, unless that is wanted. */
#ifndef SHOAL_NODE_THROTTLE_H
#define SHOAL_NODE_THROTTLE_H

#include "base/addr.h"
#include "base/token_bucket.h"
#include "net/loop.h"

enum direction { DIR_DOWN, DIR_UP };

/* Those who wait are looked at so often. */
#define THROTTLE_TICK_MS 25u
/* Less is not dealt to one: with little to deal the others have their turn next time. */
#define THROTTLE_LEAST 1024u

struct link;
struct transfer;

/* The node's. */
struct throttle {
	struct token_bucket bucket[2];
	struct link *first[2], *last[2]; /* those who wait */
	uint32_t n_waiting[2];
	struct loop_timer *timer;
	bool lan;	 /* also for peers of the own network */
	bool spared_lan; /* one of those was not counted where others would have been */
};

/* The transfer's. */
struct transfer_throttle {
	struct token_bucket bucket[2];
	uint32_t n_waiting[2];
};

/* The connection's. */
struct link_throttle {
	struct link *before[2], *behind[2]; /* in the line */
	struct transfer *of[2];		    /* as whose it waits; NULL: nobody's yet */
	bool waits[2];
	uint64_t dealt[2]; /* and not used */
	enum { LAN_UNKNOWN, LAN_NO, LAN_YES } lan;
};

/* How many bytes may move; UINT64_MAX without limit. 0: it waits in line from now on, and goes on
 * when it is its turn. */
uint64_t throttle_allows(struct link *l, enum direction d);
/* They moved. */
void throttle_took(struct link *l, enum direction d, uint64_t bytes);
/* Payload that comes by no link, from a web server at `from`, is taken first come, first served:
 * how long to wait before more is taken, 0 not at all; and that it came. */
uint64_t throttle_wait_ms(struct transfer *t, const struct addr *from);
void throttle_took_from(struct transfer *t, const struct addr *from, uint64_t bytes);
/* It is closed. */
void throttle_drop(struct link *l);
/* The timer's, `arg` is the node. */
void throttle_on_tick(void *arg);
/* Is it a limit that makes a transfer slow? */
struct explain_facts;
void throttle_explain(struct transfer *t, struct explain_facts *out);

#endif
