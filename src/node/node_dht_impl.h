/* node/node_dht_impl.h - what node_dht*.c share; private to them. node_dht.c has whom it asks and
 * tells of peers, node_dht_item.c what owners signed (BEP 44). */
#ifndef SHOAL_NODE_NODE_DHT_IMPL_H
#define SHOAL_NODE_NODE_DHT_IMPL_H

#include "node/node_dht.h"
#include "node/node_impl.h"

struct seek {
	uint8_t hash[20];
	uint32_t search; /* under way; 0 none */
	uint64_t at_ms;
	void (*found)(void *user, const struct addr *list, size_t n);
	void *user; /* NULL: free */
};

struct node_dht {
	struct node *node;
	struct node_dht_params p; /* copies */
	char **places;
	uint32_t n_places;
	struct dht_shell *shell; /* NULL: no public torrent yet, or no socket */
	bool failed;
	uint32_t asking; /* searches under way */
	/* Whose turn it is of the node's transfers, and of those that are pressing. */
	uint32_t next[2];
	bool odd; /* of seconds */
	struct seek seeks[NODE_DHT_SEEKS_MAX];
	struct loop_timer *look; /* NODE_DHT_LOOK_MS */
	uint32_t looks_left;
	uint64_t index_at_ms;	 /* next question to an index */
	uint32_t next_index;	 /* of the node's lives */
	struct http_call *index; /* one that is under way */
};

/* ---- node_dht_item.c ---- */
/* Once it is due. */
void node_dht_put_item(struct node_dht *d, struct node_dht_item *i, uint64_t now);
/* That has ended as `e` says. */
void node_dht_on_put(struct node_dht_item *i, const struct dht_effect *e, uint64_t now);

#endif
