/* swarm/layers.h - fetches the piece layers of a v2 torrent of which only the info dictionary is
 * known.
 *
 * Source: BEP 52 "hash request". A layer is asked for in runs of up to 512 hashes, each with the
 * hashes that prove it against the file's root, so that a run is right or a lie the moment it
 * comes. Events in; requests are pulled. */
#ifndef SHOAL_SWARM_LAYERS_H
#define SHOAL_SWARM_LAYERS_H

#include "base/buf.h"
#include "meta/metainfo.h"
#include "wire/msg.h"

/* Peers that are asked; their numbers are below this. */
#define LAYERS_PEERS_MAX 64u
/* Runs asked of one peer at a time. */
#define LAYERS_ASKED_MAX 4u
#define LAYERS_RUN 512u
/* No answer for so long, or a reject: somebody else is asked, and this one again after a pause that
 * doubles up to the longest. */
#define LAYERS_PATIENCE_MS 8000u
#define LAYERS_PAUSE_MS 2000u
#define LAYERS_PAUSE_MAX_MS 60000u

struct layers;

/* `meta` as meta_parse_info() gives it; borrowed. Returns NULL without memory. */
struct layers *layers_new(const struct metainfo *meta);
void layers_free(struct layers *l);

/* Peer number `peer` can be asked for hashes; it cannot any more. */
void layers_on_peer(struct layers *l, uint32_t peer);
void layers_on_closed(struct layers *l, uint32_t peer);

/* The next request to send; false: none for now. */
bool layers_next(struct layers *l, uint64_t now_ms, uint32_t *peer, struct wire_hash_req *req);
/* A message of type HASHES or HASH_REJECT. *taken: hashes that this peer was asked for, and proven;
 * what comes unasked shows nothing.
 * Returns 0, or ERR_PROTO: hashes that are not the torrent's; close it. */
int layers_on_message(struct layers *l, uint32_t peer, const struct wire_msg *m, uint64_t now_ms,
		      bool *taken);

/* When layers_next() may have something new without another event; UINT64_MAX: never. */
uint64_t layers_deadline_ms(const struct layers *l);
/* Every layer is there; also when none was missing. */
bool layers_done(const struct layers *l);
/* How many peers are there to be asked. */
uint32_t layers_peers(const struct layers *l);
/* Append the dictionary "piece layers", once done. Returns the buffer's answer. */
int layers_put(const struct layers *l, struct buf *out);

#endif
