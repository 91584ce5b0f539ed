/* node/node_dht.h - the distributed hash table in the service of a node's torrents: announces those
 * that are public, dials whom it finds, tells peers and hears from peers where their nodes are. */
#ifndef SHOAL_NODE_NODE_DHT_H
#define SHOAL_NODE_NODE_DHT_H

#include <jansson.h>

#include "node/dht_shell.h"

struct node;
struct transfer;
struct node_dht;

/* A torrent that goes live is announced without waiting for the next second; while nobody is known
 * yet, which takes about so long, it is looked so often. */
#define NODE_DHT_LOOK_MS 50u
#define NODE_DHT_LOOKS 20u
/* Announces are kept by others for half an hour. */
#define NODE_DHT_AGAIN_MS (15u * 60u * 1000u)
/* Nobody was there to ask, or none that keeps it. What is no torrent yet is looked for so often. */
#define NODE_DHT_SOON_MS 15000u
/* While a download has no peer. */
#define NODE_DHT_LONELY_MS 60000u
/* Source: BEP 44: what shall stay is put again once an hour. */
#define NODE_DHT_ITEM_AGAIN_MS (60u * 60u * 1000u)
/* And once sooner: a node that has just begun may not know those yet where it belongs. */
#define NODE_DHT_ITEM_SECOND_MS (2u * 60u * 1000u)
/* Torrents announced at once; the others wait for their turn. */
#define NODE_DHT_ASKING_MAX 16u
/* How soon indexes are asked for nodes while none is known, and how often. */
#define NODE_DHT_INDEX_FIRST_MS 1000u
#define NODE_DHT_INDEX_MS 30000u
/* Their answer, and places in it (attack: an index that names thousands). */
#define NODE_DHT_INDEX_BYTES_MAX 16384u
#define NODE_DHT_INDEX_NODES_MAX 64u
/* Of "nodes" in a torrent (attack: a torrent that names thousands). */
#define NODE_DHT_TORRENT_NODES_MAX 16u

struct node_dht_params {
	const char *listen_host;   /* NULL: all addresses */
	const char *state;	   /* see struct dht_shell_params */
	const char *const *places; /* "HOST:PORT", NULL-ended; may be NULL */
};

/* The socket is opened, on the node's port, when the first public torrent goes live. `info` tells
 * of a place that is none: ERR_INVALID; or ERR_NOMEM. Strings are copied. */
int node_dht_new(struct node *n, const struct node_dht_params *p, struct node_dht **out,
		 struct err_info *info);
void node_dht_free(struct node_dht *d);

/* A torrent goes live: its "nodes" are places to begin. Nothing happens for private ones (BEP 27);
 * and one that is fetched from chosen peers alone is neither announced nor looked for until it is
 * complete. */
void node_dht_add(struct node_dht *d, struct transfer *t, struct bytes torrent);
/* Peers of an info-hash that is no torrent yet, now and again until node_dht_unseek(). `found` may
 * not seek or unseek. False: too many, or there is no table. */
#define NODE_DHT_SEEKS_MAX 64u
bool node_dht_seek(struct node_dht *d, const uint8_t hash[20],
		   void (*found)(void *user, const struct addr *list, size_t n), void *user);
/* All of this user. */
void node_dht_unseek(struct node_dht *d, const void *user);

/* Is it being looked for right now? */
bool node_dht_is_seeking(const struct node_dht *d, const void *user);

/* It has nobody who has what is missing, and wants more peers: it is looked for anew once
 * NODE_DHT_LONELY_MS are over since it was. */
void node_dht_more(struct node_dht *d, struct transfer *t);
/* The node is reached from outside at another port: announce all of them anew. */
void node_dht_moved(struct node_dht *d);
/* Once a second: announce and put what is due. */
void node_dht_second(struct node_dht *d);
/* What one peer said of its node, and when. */
struct node_dht_told {
	uint16_t port;
	uint64_t at_ms;
};
/* A PORT message came. Another one of the same peer is heeded after NODE_DHT_PORT_MS (attack: ports
 * without end, at which nobody is: who knows hardly any nodes would ask there, and nowhere else).
 */
#define NODE_DHT_PORT_MS 60000u
void node_dht_on_port(struct node_dht *d, struct node_dht_told *last, const struct addr *peer,
		      uint16_t port);
/* Our node's port, as this peer of the torrent reaches it; 0: none for those. `t` NULL: what it is
 * is not known yet. */
uint16_t node_dht_port(const struct node_dht *d, const struct transfer *t, const struct addr *peer);
/* What an index answers: its "nodes", up to `cap`; none that is nearer to us than the index, which
 * may not send us to our own doors. Returns how many. */
size_t node_dht_read_nodes(const json_t *j, enum addr_scope nearest, struct addr *out, size_t cap);
/* How it stands, as commands and APIs show it: null when it is not at work. */
json_t *node_dht_json(const struct node *n);
/* NULL: it is not at work. */
const struct dht_shell *node_dht_shell(const struct node_dht *d);

#endif
