/* node/metadata_fetch_impl.h - what the files of a metadata fetch share. */
#ifndef SHOAL_NODE_METADATA_FETCH_IMPL_H
#define SHOAL_NODE_METADATA_FETCH_IMPL_H

#include "net/stream.h"
#include "node/metadata_fetch.h"
#include "node/node_impl.h"
#include "swarm/addrbook.h"
#include "swarm/layers.h"
#include "swarm/metadata.h"
#include "wire/handshake.h"
#include "wire/mse.h"

/* One connection. */
struct fetch_peer {
	struct metadata_fetch *f;
	uint32_t number; /* in f->peers, and to swarm/metadata.h and layers.h */
	struct addr addr;
	struct stream stream;
	bool utp_next; /* as of a link */
	enum { FETCH_CONNECTING, FETCH_HANDSHAKE, FETCH_OPEN } state;
	bool v2, gave;
	bool encrypt, second, heard; /* as of a link */
	struct mse *mse;	     /* while the encrypted handshake goes on */
	bool rc4;
	struct rc4 from, to;
	size_t sealed;		/* of `out`: encrypted already */
	struct handshake hello; /* theirs, once OPEN */
	struct addr remote;	/* the other end of the stream: `addr` is where it listens */
	bool incoming;
	bool came;	      /* to us, and where it listens is not known */
	uint8_t metadata_id;  /* its number for the extension; 0: none */
	uint64_t deadline_ms; /* of its handshake; then, unless it gives something */
	uint64_t pex_at_ms;   /* when it may tell of others again */
	struct node_dht_told dht_told;
	struct buf in, out;
	struct buf kept; /* messages of its, for the transfer */
};

struct metadata_fetch {
	struct node *node;
	struct metadata_fetch *next; /* of the node's */
	uint64_t lan_ms;	     /* said last on the local network; 0 never */
	void (*ready)(void *user);
	void *user;
	struct metainfo named; /* hashes, trackers and webseeds alone: what the link says */
	uint8_t key_v1[SHA1_LEN], key_v2[SHA1_LEN]; /* its names in encrypted handshakes */
	struct announcer *announcer;
	struct rng rng;
	struct addrbook book;
	struct fetch_peer *peers[METADATA_FETCH_PEERS];
	struct metadata *metadata;
	struct metainfo *info;	  /* once that is there; its layers may be unknown */
	struct layers *layers;	  /* then */
	uint64_t layers_since_ms; /* somebody gave some, or they were first wanted */
	struct loop_timer *timer;
	uint64_t counted_bytes; /* of it, in node->fetch_bytes */
	struct buf torrent;
	int result; /* ERR_AGAIN: not there yet */
	char why[ERR_TEXT_MAX];
};

/* ---- metadata_fetch.c ---- */
/* The connection is open, or closed, or brought something: go on. */
void fetch_go_on(struct metadata_fetch *f);

/* The one that is under way for this hash; NULL: none. */
struct metadata_fetch *metadata_fetch_by_hash(const struct node *n, const uint8_t hash[SHA1_LEN]);

/* The same by one of its names in encrypted handshakes; its info-hash goes to `hash`. */
struct metadata_fetch *metadata_fetch_by_key(const struct node *n, const uint8_t key[SHA1_LEN],
					     uint8_t hash[SHA1_LEN]);

/* ---- fetch_peer.c ---- */
/* Connect; nothing when it cannot be begun, which the address book then knows. */
void fetch_peer_dial(struct metadata_fetch *f, uint32_t number, const struct addr *to);
/* Takes over the stream; NULL: it is closed. */
struct fetch_peer *fetch_peer_new(struct metadata_fetch *f, uint32_t number, struct stream *stream,
				  const struct addr *to);
void fetch_peer_say_handshake(struct fetch_peer *p, const uint8_t hash[SHA1_LEN]);
/* Theirs came; then what is behind it, which waits in `in`; then what waits is sent. False: it was
 * closed. */
bool fetch_peer_take_hello(struct fetch_peer *p, const struct handshake *h);
bool fetch_peer_take(struct fetch_peer *p);
bool fetch_peer_flush(struct fetch_peer *p);
/* What waits is as it shall go out. */
void fetch_peer_seal(struct fetch_peer *p);
/* Its place is free; what it holds is so with fetch_peer_free(). Nobody is told. */
void fetch_peer_leave(struct fetch_peer *p);
void fetch_peer_free(struct fetch_peer *p);
/* `ban`: a liar. */
void fetch_peer_close(struct fetch_peer *p, const char *reason, bool ban);
void fetch_peer_ask(struct fetch_peer *p, uint32_t piece);
void fetch_peer_ask_hashes(struct fetch_peer *p, const struct wire_hash_req *req);

/* ---- fetch_memory.c ---- */
/* What is kept for it has changed. May close its peers, and others'. */
void fetch_count(struct metadata_fetch *f);

/* ---- fetch_pass.c ---- */
struct link_passing;
/* Somebody who came to us and names the hash of what is fetched. */
void fetch_peer_adopt(struct metadata_fetch *f, struct link_passing *g);
/* It is over, and those who are there may stay for the transfer. */
bool fetch_may_pass_on(const struct metadata_fetch *f);

#endif
