/* node/metadata_fetch.h - from a magnet link to a .torrent: asks trackers for peers, and those for
 * what the info-hash stands for.
 *
 *     addresses --> connections --> swarm/metadata: the info dictionary
 *                              \--> swarm/layers: the piece layers of a v2 torrent
 *
 * It comes before there is a transfer, and has connections of its own, which the transfer goes on
 * with. */
#ifndef SHOAL_NODE_METADATA_FETCH_H
#define SHOAL_NODE_METADATA_FETCH_H

#include "meta/magnet.h"
#include "node/node.h"

/* Connections at one time; not more than swarm/metadata.h and layers.h take. */
#define METADATA_FETCH_PEERS 32u
/* While others wait to be dialled, a peer that has given nothing of what it was asked for makes way
 * after this long (attack: places held by those who have nothing, or give a little once). */
#define METADATA_FETCH_IDLE_MS 15000u
/* While all places are taken it has so many at the expense of those whom the node only serves, and
 * all fetches together no more than a quarter of all: a node with thousands of seeds is never
 * without connections. Of a link whose addresses are dead each costs one of those for a while. */
#define METADATA_FETCH_FEW 8u
/* What a peer may have us keep for it: messages of ours that it does not read. */
#define METADATA_FETCH_OUT_MAX (64u << 10)
/* What a peer says that only the transfer can heed is kept for that, a bitfield of the largest
 * torrent and more; with more said the peer is met anew (attack: HAVEs without end). */
#define METADATA_FETCH_KEPT_MAX (384u << 10)
/* Peer exchange that comes sooner than this is let pass (attack: one each second, O-21). */
#define METADATA_FETCH_PEX_MS 50000u
/* A hybrid torrent is a v1 torrent when nobody gave its piece layers for so long; or when for so
 * long all who are there, and nobody is being dialled, know v1 alone. */
#define METADATA_FETCH_LAYERS_MS 10000u
#define METADATA_FETCH_V1_MS 2000u

struct metadata_fetch;

struct metadata_fetch_params {
	struct node *node;
	const struct magnet *magnet; /* hashes, trackers and peers; borrowed for the call */
	const char *const *trackers; /* besides those of the link; NULL-ended or NULL; as this: */
	const struct addr *peers;    /* borrowed for the call */
	size_t n_peers;
	/* There is a result, or a failure: metadata_fetch_result(). Not freed from inside. */
	void (*ready)(void *user);
	void *user;
};

/* Begins at once. Returns 0 or ERR_NOMEM. */
int metadata_fetch_new(const struct metadata_fetch_params *p, struct metadata_fetch **out);
/* Harmless for NULL. Not after node_free(). */
void metadata_fetch_free(struct metadata_fetch *f);

/* Addresses heard of otherwise. */
void metadata_fetch_on_addresses(struct metadata_fetch *f, const struct addr *list, size_t n,
				 enum addr_source src);

/* Returns 0 and the .torrent (borrowed), with the link's trackers in it; ERR_AGAIN while it is not
 * there; ERR_PROTO when what the hash stands for is no torrent that can be used; ERR_TOO_BIG;
 * ERR_NOMEM. */
int metadata_fetch_result(const struct metadata_fetch *f, struct bytes *torrent,
			  struct err_info *info);

struct metadata_fetch_status {
	uint32_t peers, dialing;       /* connected; being connected */
	uint32_t trying;	       /* of the latter, those that never were dialled before */
	uint32_t have, pieces;	       /* of the dictionary; 0 of 0 while nobody says its size */
	struct err_info tracker_error; /* code OK: none */
	bool seeking;		       /* the distributed hash table is being asked who has it */
};
void metadata_fetch_status(const struct metadata_fetch *f, struct metadata_fetch_status *out);
/* The transfer of what was fetched goes live, and has nothing yet: those who are connected go on
 * with it. Not those of a private torrent, nor those who were met by one of its two hashes alone.
 */
void metadata_fetch_pass_on(struct metadata_fetch *f, struct transfer *t);
/* Those who gave something; returns how many of `cap` were filled. */
size_t metadata_fetch_givers(const struct metadata_fetch *f, struct addr *out, size_t cap);

#endif
