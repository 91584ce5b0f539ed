/* node/node.h - one peer: listens, holds transfers, turns events into decisions and
 * decisions into bytes on sockets and disk. */
#ifndef SHOAL_NODE_NODE_H
#define SHOAL_NODE_NODE_H

#include "meta/metainfo.h"
#include "net/loop.h"
#include "net/portmap.h"
#include "node/quota.h"
#include "store/store.h"
#include "swarm/swarm.h"

#define NODE_PORT_FIRST 6881
#define NODE_PORT_LAST 6889

/* A connection must be made and both handshakes done within this (G-23). */
#define NODE_HANDSHAKE_MS 10000u
/* Transfers of one process. */
#define NODE_TRANSFERS_MAX 100000u

/* A dial that TCP has not brought to anything by then goes on over uTP; a lost SYN of TCP is sent
 * again after one second. */
#define NODE_TCP_FIRST_MS 2500u

struct node;
struct transfer;
struct metadata_fetch;

/* May connections to peers be encrypted (wire/mse.h)? */
enum node_encryption {
	NODE_ENCRYPT_ACCEPT,  /* when the other side wants it, or takes nothing else */
	NODE_ENCRYPT_PREFER,  /* tried first; and what can be is */
	NODE_ENCRYPT_REQUIRE, /* nothing else is spoken */
};

/* What carries connections to peers? */
enum node_transport {
	NODE_TRANSPORT_BOTH, /* TCP, and uTP to those whom it does not reach */
	NODE_TRANSPORT_TCP,
	NODE_TRANSPORT_UTP,
};

struct node_params {
	struct loop *loop;
	int port;		 /* -1: 6881..6889, else any free one; 0: any; else that one */
	const char *listen_host; /* NULL: all interfaces */
	unsigned workers;	 /* 0: one per core */
	struct quota quota;	 /* as asked for; the limit of descriptors is raised first */
	enum node_encryption encryption;
	enum node_transport transport;
	bool local;    /* find peers on the local network (node/lan_peers.h) */
	bool map_port; /* ask the router for a port, unless it listens on loopback alone */
	/* A line about peers and trackers for -v; network text in it is escaped. May be NULL. */
	void (*log)(void *user, const char *line);
	/* What the user must know without -v. May be NULL. */
	void (*warn)(void *user, const char *line);
	void *log_user; /* of both */
};

int node_new(const struct node_params *p, struct node **out, struct err_info *info);
/* Close everything at once, without goodbyes. */
void node_free(struct node *n);
/* Leave properly: transfers save their state, trackers hear "stopped"; `done` is called when
 * all is said or after `limit_ms`. node_free() comes then, from outside the callback. */
void node_leave(struct node *n, uint32_t limit_ms, void (*done)(void *user), void *user);
uint16_t node_port(const struct node *n);
/* How the world reaches us; NULL: the router was not asked, or has not answered yet. Borrowed for
 * this turn of the loop. */
const struct portmap_state *node_reach(const struct node *n);
/* How the world sees us in one family (node/external.h), port 0, and who says so; NULL: not known.
 */
const char *node_external(const struct node *n, bool v6, struct addr *out);
/* Live sessions of one process: a torrent is told of in the first whose index it announces to. */
#define NODE_INDEXES_MAX 16u
/* Keep a live session with the index at this URL (without final '/'), once a torrent is added that
 * announces to it; for torrents that are added after this. `token`: NULL or "", none. `pin`: NULL,
 * or by what its key is trusted, for announces, too (http_client_pin()). One that is there already
 * shows another token once it is not let in with the one it has. Returns 0, ERR_INVALID,
 * ERR_TOO_BIG (announces alone do it then) or ERR_NOMEM. */
int node_use_index(struct node *n, const char *url, const char *token, const char *pin,
		   struct err_info *info);

/* `up` is called when a live session with an index is there, or there again: what could not be done
 * without it may be tried. One listener; NULL: none. */
void node_hear_index(struct node *n, void (*up)(void *user), void *user);

/* Who wants to know of changes on disk shares this one. */
struct folder_watcher;
struct folder_watcher *node_folder_watcher(const struct node *n);

/* Take part in the distributed hash table for torrents that are not private. Before the first
 * torrent. Returns 0, ERR_INVALID (a place to begin is none) or ERR_NOMEM. */
struct node_dht_params;
int node_use_dht(struct node *n, const struct node_dht_params *p, struct err_info *info);
/* NULL: it takes no part, or not yet. */
struct dht_shell;
const struct dht_shell *node_dht(const struct node *n);
/* These (NULL-ended) are asked before its other trackers from now on; if one is of an index of
 * node_use_index(), it is told of in that session. Returns 0 or ERR_NOMEM. */
int transfer_lead_trackers(struct transfer *t, const char *const *trackers, struct err_info *info);
/* These are dialled, too; while it has not begun, in the place of those it was given to begin with.
 * Returns 0 or ERR_NOMEM. */
int transfer_take_peers(struct transfer *t, const struct addr *list, size_t n);
/* What its owner signed about a torrent (meta/name_item.h), as dht_item_put() writes it: stands in
 * the table as long as the torrent is served here and public. The same bytes are put again, so that
 * no key is needed. `item`: empty: none. Returns 0, ERR_PROTO (it is no such item) or ERR_NOMEM. */
int transfer_set_item(struct transfer *t, struct bytes item);
/* Is it one? The same answers. */
int node_check_item(struct bytes item);

/* What it may take, and takes. */
struct node_usage {
	uint32_t peers; /* connections, strangers and dials counted */
	uint32_t open_files;
	uint64_t piece_bytes, message_bytes, fetch_bytes; /* buffers */
};
const struct quota *node_quota(const struct node *n);
void node_usage(const struct node *n, struct node_usage *out);
/* As at the start, from now on: what is over it is closed or given back in good order, and no
 * transfer ends. */
void node_set_quota(struct node *n, const struct quota *asked);
/* Of connections from now on; when it is required, those that are not are closed. */
void node_set_encryption(struct node *n, enum node_encryption e);

/* NULL: no uTP. */
struct utp_net;
const struct utp_net *node_utp(const struct node *n);

/* Of all transfers together. Costs as much as there are connections, however many transfers. */
struct node_status {
	uint32_t transfers, peers;
	uint32_t utp_peers; /* of them over uTP */
	uint64_t down_bps, up_bps;
};
void node_status(struct node *n, struct node_status *out);
/* Answer requests for pieces only so much later, one message at a time: to watch how others choose
 * among their sources. 0: at once, as from the start. */
void node_set_reply_delay(struct node *n, uint32_t ms);

enum transfer_phase {
	TRANSFER_CHECKING, /* hashing what is on disk; `why` set: it is not as it was left */
	TRANSFER_DOWNLOADING,
	TRANSFER_FINISHING, /* complete and verified; syncing, renaming */
	TRANSFER_SEEDING,   /* `why` set: "changed": a file is not what it was, what is left is
			       served; all of it again once it is back */
	TRANSFER_STALLED,   /* the disk said no: `why` tells; tried again every few seconds */
	TRANSFER_FAILED,    /* for good: `why` tells */
};

struct transfer_params {
	struct metainfo *meta; /* taken over, also on error */
	struct bytes torrent;  /* the .torrent; copied */
	const char *path;      /* the file or folder: data to seed, or the final name */
	const char *title;     /* what it is called, "OWNER/NAME@VERSION"; copied; NULL: its name */
	bool seed;	       /* data is complete and was just hashed or is trusted */
	bool check;	       /* hash everything first, also what the state file vouches for */
	/* Seed with `check`: what is not as the torrent says is not served, and is once it is that;
	 * else all of it fails. It fails if nothing is. */
	bool partly;
	/* The same: what was verified of it before, and is not hashed again while it is as it was;
	 * see struct store_params. Borrowed for the call; NULL: nothing is known. */
	const struct verified *verified;
	bool preallocate;
	/* Download: see store_open() and store_fill(); `donors` lie beneath `donor_folder`. */
	const struct stamp *replaces;
	const char *donor_folder;
	const struct store_donor *donors;
	uint32_t n_donors;
	/* Download: what of each file is wanted, one enum want (meta/selection.h) for each of
	 * meta->files; copied. NULL: all of it. */
	const uint8_t *wanted;
	enum swarm_order order;
	bool no_upload; /* see transfer_set_upload() */
	const char *const
	    *trackers; /* besides those of the torrent, in a tier before them; NULL-ended */
	/* Download: web servers that have it (BEP 19), besides those of the torrent. The user named
	 * them: they may be anywhere. NULL-ended, or NULL. */
	const char *const *webseeds;
	/* How near to us those of the torrent may be; zero: open to everyone (node/webseed.h). */
	enum addr_scope webseeds_nearest;
	const struct addr *peers; /* dialed from the start */
	size_t n_peers;
	/* Found before it is added, as by a tracker: dialed at once. The first `found_complete` of
	 * them have everything. Borrowed for the call. */
	const struct addr *found;
	size_t n_found, found_complete;
	/* Download: what found the torrent; its connections go on as ours, unless what is on disk
	 * must be looked at first. Borrowed for the call; may be NULL. */
	struct metadata_fetch *fetch;
	bool only_peers; /* have to do with their hosts alone, whoever else there is, until it is
			    complete; trackers and indexes are told of it as of others */
	/* The phase changed. May not free the node. May be NULL. */
	void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase);
	void *user;
};

/* Start seeding or downloading. Errors as store_open(), and ERR_EXISTS for a torrent that this
 * node has already. */
int node_add(struct node *n, const struct transfer_params *p, struct transfer **out,
	     struct err_info *info);

struct transfer_status {
	enum transfer_phase phase;
	struct err_info why;
	uint64_t total_bytes, done_bytes; /* of real files, verified */
	uint64_t checked_bytes, to_check_bytes;
	uint32_t files, wanted_files; /* real ones */
	uint64_t wanted_bytes,
	    wanted_done_bytes; /* of real files in wanted pieces, and of them verified */
	struct swarm_stats swarm;
	uint32_t tracker_ok, tracker_failed; /* announces answered, and not */
	struct err_info tracker_error;	     /* the newest one, code OK when the last went well */
	uint32_t tracker_peers;		     /* others in the newest reply */
	uint32_t item_nodes;		     /* that keep what was set with transfer_set_item() */
	bool item_is_old;		     /* they have a newer one, which stays: */
	int64_t item_newest;		     /* its number */
};
void transfer_status(const struct transfer *t, struct transfer_status *out);
/* It downloads, nobody who is connected has what is missing, and nobody is tried for the first time
 * (who never answers is dialled again and again). Whether a tracker was asked is not looked at. */
bool transfer_is_alone(const struct transfer_status *st);
enum transfer_phase transfer_phase_now(const struct transfer *t);
/* Take one out, properly: its state is saved and trackers hear "stopped" in the background. It is
 * gone for the caller, who hears no more of it, at once. Not from inside on_phase of itself. */
void node_remove(struct node *n, struct transfer *t);
/* The same; `released` is called, from a later turn of the loop, when its files are closed and what
 * is unfinished is recorded: from then on the same torrent may be added again. */
void node_remove_then(struct node *n, struct transfer *t, void (*released)(void *user), void *user);
/* Remove what is unfinished of a torrent at `path`, and its state. Nothing may have it open. Waits
 * for the disk. Returns 0, also when there is none, or what store_open() says. */
int node_discard(struct node *n, const struct metainfo *m, struct bytes torrent, const char *path,
		 struct err_info *info);
/* Whoever added it, or took it out, hears no more of it. */
void transfer_hush(struct transfer *t);
/* From now on these files are wanted (as in transfer_params; NULL: all). May be called at any time:
 * when more is wanted, a transfer that was complete downloads again. What a file has already is
 * kept. Returns 0; ERR_INVALID for a seed or one that failed; ERR_NOMEM, or what the disk says. */
int transfer_select(struct transfer *t, const uint8_t *wanted, struct err_info *info);
/* What is wanted now, one byte a file; NULL: all. Borrowed until the next transfer_select(). */
const uint8_t *transfer_wanted(const struct transfer *t);
/* Only of these bytes of the piece space is more fetched for now: somebody who is slow reads them
 * in order. `drop`: what lies before them is given up, and its space on disk with it; it is served
 * to nobody any more, and never complete. Bytes before a place that was dropped must not be read.
 */
void transfer_set_window(struct transfer *t, uint64_t from, uint64_t to, bool drop);

/* Bytes a second of payload, 0: no limit. Peers on this machine and in its own networks are not
 * counted unless `lan`. Nothing goes over it by more than a quarter of a second's worth. */
struct limits {
	uint64_t down_bps, up_bps;
};
void node_set_limits(struct node *n, const struct limits *l, bool lan);
/* There is, or was, a limit, and a peer of the own network that it did not count for. */
bool node_spared_lan(const struct node *n);
void node_limits(const struct node *n, struct limits *out, bool *lan);
void transfer_set_limits(struct transfer *t, const struct limits *l);
/* Off: nobody is served. */
void transfer_set_upload(struct transfer *t, bool on);

const struct metainfo *transfer_meta(const struct transfer *t);
/* Pieces that are verified. Borrowed for this turn of the loop. */
const struct bitfield *transfer_have(const struct transfer *t);
/* Of a seed: see store_verified(). */
int transfer_verified(const struct transfer *t, struct verified *out);
bool transfer_has_bad(const struct transfer *t); /* see store_has_bad() */
const char *transfer_title(const struct transfer *t);
/* One after the other; NULL at the end. `*at` 0 to begin with; nothing may be added or removed. */
struct transfer *node_next_transfer(const struct node *n, uint32_t *at);
uint32_t transfer_peers(const struct transfer *t, struct swarm_peer *out, uint32_t cap);

#endif
