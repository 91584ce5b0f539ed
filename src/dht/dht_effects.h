/* dht/dht_effects.h - what a node of the table wants done, as a list of values. */
#ifndef SHOAL_DHT_DHT_EFFECTS_H
#define SHOAL_DHT_DHT_EFFECTS_H

#include "dht/contact.h"
#include "dht/item.h"

/* Bytes of datagrams and results between two turns of the shell. */
#define DHT_EFFECT_BYTES_MAX (4u << 20)

enum dht_effect_type {
	DHT_SEND,  /* `bytes` as one datagram to `to` */
	DHT_PEERS, /* of search `search`: endpoints, see dht_effect_peer() */
	DHT_ITEM,  /* of a get: `bytes` is the value, `seq` and `sig` of a mutable one; it was
		      checked.  Comes again when a newer one is found */
	DHT_DONE,  /* the search ends; `bytes` are the nearest nodes, see dht_effect_node() */
};

struct dht_effect {
	enum dht_effect_type type;
	uint32_t search;
	struct addr to;
	size_t at, len; /* of `bytes`, in the list's buffer */
	bool v6;	/* of the entries in bytes */
	bool is_mutable;
	int64_t seq;
	uint8_t sig[SIGN_LEN];
	uint32_t stored;  /* DONE: nodes that took it */
	uint32_t asked;	  /* DONE: queries sent */
	uint32_t answers; /* DONE: of them answered */
	unsigned hops;
	int64_t fault; /* DONE: the last error in answer to a put; 0 none */
};

/* Owned by the caller, who empties it after performing what it holds. Without memory datagrams are
 * not sent, as if the net had lost them. */
struct dht_effects {
	struct dht_effect *list;
	size_t n;
	uint32_t cap;
	struct buf data;
};

void dht_effects_init(struct dht_effects *fx);
void dht_effects_fini(struct dht_effects *fx);
void dht_effects_clear(struct dht_effects *fx);
/* A zeroed one at the end whose bytes begin at the end of fx->data, or NULL. */
struct dht_effect *dht_effects_add(struct dht_effects *fx, enum dht_effect_type type);
/* What was appended to fx->data since is its bytes; when that failed the effect goes again. */
bool dht_effects_close(struct dht_effects *fx, struct dht_effect *e);

static inline struct bytes dht_effect_bytes(const struct dht_effects *fx,
					    const struct dht_effect *e)
{
	return bytes_sub(buf_bytes(&fx->data), e->at, e->len);
}
/* The i-th peer, or false at the end. */
bool dht_effect_peer(const struct dht_effects *fx, const struct dht_effect *e, size_t i,
		     struct addr *out);
bool dht_effect_node(const struct dht_effects *fx, const struct dht_effect *e, size_t i,
		     struct contact *out);

#endif
