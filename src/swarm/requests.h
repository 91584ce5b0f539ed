/* swarm/requests.h - requests in the order they were made, each found by its block in O(1).
 *
 * Used for what we ask of a peer and for what a peer asks of us. A ring keeps the order,
 * chains through it the place. Entries may leave from the middle; the holes they leave are
 * passed over and squeezed out when the ring comes round. */
#ifndef SHOAL_SWARM_REQUESTS_H
#define SHOAL_SWARM_REQUESTS_H

#include "base/bytes.h"
#include "base/err.h"

/* Entries of one ring (attack: a peer that makes us keep more, O-15). Twice the most that
 * may be outstanding, so that holes are squeezed out rarely. */
#define REQUESTS_MAX 4096u

enum request_state {
	REQUEST_NONE,  /* a hole */
	REQUEST_LIVE,  /* asked, to be answered */
	REQUEST_LATE,  /* given up: others may be asked too, but still welcome */
	REQUEST_GHOST, /* cancelled: an answer may be on its way, and is of no use */
};

struct request {
	uint32_t piece, begin, length;
	uint32_t next; /* ring index + 1 of the next in its chain, 0 none */
	uint64_t asked_ms;
	enum request_state state;
	/* Answers that may come besides: the same block was asked, cancelled, asked again. */
	uint32_t extra;
};

struct requests {
	struct request *ring;
	uint32_t *heads;     /* of chains, as `next` */
	uint32_t cap;	     /* of both; a power of two */
	uint32_t first, end; /* running numbers; the ring index is the low bits */
	uint32_t n;
};

void requests_fini(struct requests *r);
/* Of an empty ring so many entries stay (attack: one peer after the other fills its ring while it
 * may, is choked, and stays). */
#define REQUESTS_KEEP 256u
/* Forget all. */
void requests_clear(struct requests *r);

/* The caller has seen that the block is not there yet. NULL: full, or without memory. */
struct request *requests_add(struct requests *r, uint32_t piece, uint32_t begin, uint32_t length,
			     uint64_t now_ms);
struct request *requests_find(const struct requests *r, uint32_t piece, uint32_t begin);
void requests_remove(struct requests *r, struct request *q);

/* In the order asked; `q` NULL: from the start (the end). NULL when there is no more. Another
 * entry than `q` may not be removed in between, `q` itself may after its successor is known. */
struct request *requests_next(const struct requests *r, const struct request *q);
struct request *requests_prev(const struct requests *r, const struct request *q);

void requests_check(const struct requests *r);

#endif
