/* node/node_impl.h - what the files of the node share among themselves. */
#ifndef SHOAL_NODE_NODE_IMPL_H
#define SHOAL_NODE_NODE_IMPL_H

#include "base/hash_map.h"
#include "base/rng.h"
#include "net/folder_watch.h"
#include "net/http_client.h"
#include "net/utp_net.h"
#include "node/announcer.h"
#include "node/external.h"
#include "node/live.h"
#include "node/node.h"
#include "node/node_dht.h"
#include "node/reach.h"
#include "node/reader.h"
#include "node/throttle.h"
#include "store/store.h"
#include "wire/handshake.h"

/* One buffer for all reads of the process: a connection that is idle owns no memory for them. */
#define NODE_SCRATCH_BYTES (256u * 1024u)

struct lan_peers;
struct link;
struct metadata_fetch;
struct hash_task;
struct webseeds;

/* Cells in which the connections of hosts are counted. */
#define NODE_HOST_CELLS 4096u

struct node {
	struct loop *loop;
	struct pool *pool;
	struct http_client *http;
	/* For webseeds that may be so near; NULL: not needed yet. */
	struct http_client *web[ADDR_LOOPBACK + 1];
	struct announce_gate gate;
	struct reach *reach; /* NULL: the router is not asked */
	struct external external;
	struct node_dht *dht; /* NULL: off */
	struct udp_port *udp; /* NULL: nobody needs it yet, or it could not be had */
	struct udp_asker *udp_asker;
	struct utp_net *utp; /* NULL: off */
	char *listen_host;   /* NULL: all */
	enum node_transport transport;
	struct folder_watcher *watcher;
	bool said_unwatched;		      /* that no more folders can be watched */
	struct live *lives[NODE_INDEXES_MAX]; /* with our indexes */
	void (*index_up)(void *user);	      /* node_hear_index() */
	void *index_user;
	uint32_t n_lives;
	struct rng rng;
	uint8_t peer_id[20];
	int listener;
	uint16_t port;
	/* TCP's and UDP's for those of whom addr_is_beyond_nat() is true; 0: none */
	uint16_t outer_port, outer_udp_port;
	struct loop_io *listen_io, *pool_io;
	uint64_t moved_at_ms;
	struct loop_timer *second; /* handshake deadlines, accepting again */
	bool accept_paused;
	void (*log)(void *user, const char *line);
	void (*warn)(void *user, const char *line);
	void *log_user;

	struct transfer **transfers;
	uint32_t n_transfers, cap_transfers;
	uint32_t n_removed;	 /* of them those that are on their way out */
	struct hash_map by_hash; /* every name of each of them in handshakes */
	struct hash_map by_key;	 /* and in encrypted ones */
	enum node_encryption encryption;
	struct lan_peers *lan;		/* NULL: nobody is looked for on the local network */
	struct metadata_fetch *fetches; /* linked; they are their makers' */
	uint32_t n_fetch_peers;		/* connections of theirs */
	uint64_t fetch_bytes;		/* what is kept for them: node/fetch_memory.c */
	uint32_t status_round;		/* of node_status() */
	struct link *links;		/* every connection; doubly linked */
	uint32_t n_links, n_strangers;
	uint32_t host_links[NODE_HOST_CELLS]; /* of them, by host: node/link_room.c */
	uint32_t n_evicted;	/* of them those that make way: not counted as places */
	struct quota quota;	/* as settled */
	uint32_t fds_before;	/* descriptors that were open before there was a node */
	uint64_t message_bytes; /* in the buffers of all of them */
	struct link *oldest_stranger, *newest_stranger; /* accepted, no torrent named yet */
	struct link *dirty; /* have output to flush at the end of this event */
	struct link *grave; /* closed during this event, freed at its end */
	uint8_t *scratch_in;
	uint8_t *sink; /* WIRE_BLOCK_MAX: payload that nobody wants ends here */

	void (*leave_done)(void *user);
	void *leave_user;
	uint32_t reply_delay_ms; /* node_set_reply_delay() */
	uint32_t leaving;	 /* transfers that have not said goodbye yet */
	struct loop_timer *leave_timer;

	uint32_t n_readers;
	uint64_t reader_ids;
	struct throttle throttle;
};

/* transfer_guard.c: its files as they lie on disk, while they are served. Zeroed is a good start.
 */
struct transfer_guard {
	struct folder_watch **folders;
	uint32_t n;
	const char *file;    /* the only one of interest in the folder; NULL: all */
	uint64_t look_at_ms; /* 0: no look is due */
	uint64_t looked_ms;  /* 0: never */
	uint64_t again_ms;   /* pause before the next look for what is not as it was */
	bool checking;	     /* what may be as it was is being hashed */
};

struct transfer {
	struct node *node;
	struct metainfo *meta;
	uint8_t key_v1[SHA1_LEN], key_v2[SHA1_LEN]; /* its names in encrypted handshakes */
	struct swarm *swarm;
	struct store *store;
	struct announcer *announcer;
	struct webseeds *webseeds; /* NULL: none */
	struct live_torrent live;
	struct live *live_in; /* whose it is; NULL: nobody's */
	struct effects fx;
	bool performing;       /* inside transfer_perform(): do not nest */
	struct link **by_slot; /* swarm slot -> connection */
	uint32_t n_slots;
	struct loop_timer *timer;
	uint64_t timer_at_ms;
	enum transfer_phase phase;
	struct err_kept why;
	char *title;	  /* what it is called, for those who ask */
	uint64_t live_ms; /* since when it is in the swarm; 0 not yet */
	uint64_t lan_ms;  /* said last on the local network; 0 never */
	bool seed;	  /* data was complete from the start, and is never written */
	bool partly;	  /* as in transfer_params */
	bool complete, leaving;
	bool only_peers;     /* first_peers, which stay then */
	bool removed, gone;  /* by node_remove(); the last word was said */
	bool recorded;	     /* leaving: what is on disk is as it shall stay */
	bool waits_for_save; /* leaving: STORE_SAVED will answer */
	uint32_t saves;	     /* store_save() calls that STORE_SAVED will answer */
	uint64_t checked_bytes, to_check_bytes;
	uint64_t save_at_ms;	      /* next checkpoint; 0: nothing new to record */
	uint64_t retry_at_ms;	      /* STALLED: try the disk again */
	struct metadata_fetch *fetch; /* of transfer_params, while it is added */
	struct bitfield stale;	      /* CHECKING: pieces of which other bytes are on disk */
	uint64_t done_bytes;	      /* real bytes of verified pieces */
	struct transfer_guard guard;
	uint8_t *wanted;	    /* an enum want for each of meta->files; NULL: all are */
	uint32_t n_files, n_wanted; /* real ones; counted once, as all who look in are told */
	uint8_t *pieces;	    /* the same for each piece */
	uint64_t wanted_bytes, wanted_done_bytes; /* while not all are */
	enum swarm_order order;
	uint32_t window_first, window_end; /* see swarm_set_window() */
	uint32_t dropped;		   /* pieces before this one were */
	bool reselect;			   /* `wanted` changed while finishing */
	struct transfer_throttle throttle;
	struct reader *readers;
	bool urgent; /* the swarm was told of their windows */
	struct hash_task *hash_tasks;
	struct addr *first_peers;
	size_t n_first_peers;
	struct addr *found; /* until it goes live */
	size_t n_found, found_complete;
	uint32_t status_round;	 /* counted by node_status() already */
	uint64_t dht_at_ms;	 /* next announce in the distributed hash table */
	uint64_t dht_asked_ms;	 /* the newest one; 0: none yet */
	uint32_t dht_search[2];	 /* that is under way, by v1 and v2 name; 0 none */
	struct node_dht_item {	 /* transfer_set_item() */
		uint8_t *bytes;	 /* as dht_item_put() writes them */
		size_t len;	 /* 0: none */
		uint32_t search; /* that puts it, under way; 0 none */
		uint32_t nodes;
		uint64_t at_ms; /* next time */
		bool is_old;
		bool settled;	/* was there before */
		int64_t newest; /* found on the way; -1 none */
	} item;
	void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase);
	void *user;
	void (*released)(void *user); /* of node_remove_then() */
	void *released_user;
};

/* ---- node.c ---- */
void node_log(struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct transfer *node_transfer_by_hash(struct node *n, const uint8_t hash[20]);
/* From here on it is found by its info-hashes. Returns 0 or ERR_NOMEM. */
int node_enlist(struct node *n, struct transfer *t);
/* The newest one goes again. */
void node_delist(struct node *n, struct transfer *t);
/* It is found no more. */
void node_drop_names(struct node *n, struct transfer *t);
/* The end of every callback from the loop: flush what was queued, free what was closed. */
void node_settle(struct node *n);

/* ---- node_leave.c ---- */
/* The last word of it was said. */
void node_transfer_left(struct node *n, struct transfer *t);
/* A transfer that was taken out needs its files no more. */
void node_release_soon(struct node *n);
/* From a timer of ours, where nobody further up is inside of any of them. */
void node_bury_removed(struct node *n);

/* ---- node.c ---- */
/* Is this where an index takes announces that node_use_index() named? */
bool node_has_index(const struct node *n, const char *tracker_url);

/* ---- node_quota.c ---- */
/* Room for one more connection? */
bool node_has_place(const struct node *n);

/* ---- metadata_fetch.c ---- */
/* A connection of the metadata fetch that has most of them is closed, if it has more than
 * `others`: who gave nothing before who did. False: none has. */
bool fetches_shed_peer(struct node *n, uint32_t others);

/* ---- fetch_memory.c ---- */
/* Metadata fetches let go of what is over the quota. */
void fetches_shed(struct node *n);

/* ---- node_udp.c ---- */
/* The UDP port of the same number as the TCP one; opened when first asked for. NULL: see *info. */
struct udp_port *node_udp(struct node *n, struct err_info *info);
int node_make_udp_asker(struct node *n);
/* Without uTP the node is no worse than elsewhere, unless it shall use nothing else. Returns 0 or
 * an error. */
int node_use_utp(struct node *n, struct err_info *info);

/* ---- node_external.c ---- */
/* Somebody out there says what our address is. */
void node_on_seen_as(struct node *n, const struct addr *by, const struct addr *us);
/* As live_params.seen_as; `user` is the node. */
void node_on_index_sees_us(void *user, const struct addr *by, const struct addr *us);
/* Once a second: of the table and the router, who decide for themselves. */
void node_hear_verdicts(struct node *n);

/* ---- transfer.c ---- */
/* A checkpoint this long after the first piece that is not recorded. */
#define TRANSFER_SAVE_MS 5000u
static inline uint64_t transfer_now_ms(const struct transfer *t)
{
	return loop_now_ms(t->node->loop);
}
void transfer_set_phase(struct transfer *t, enum transfer_phase phase);
/* For good: nothing is asked for any more. */
void transfer_fail(struct transfer *t, const struct err_info *why);
/* Hash what is on disk, all of it or what nobody vouches for; then enter the swarm. Returns 0 or
 * ERR_NOMEM. */
int transfer_check(struct transfer *t, bool all);
/* May everybody have to do with it? See transfer_params.only_peers; who has it all serves everyone.
 */
bool transfer_takes_all(const struct transfer *t);
/* May this host, whoever dials whom? */
bool transfer_takes(const struct transfer *t, const struct addr *host);
/* What is on disk is known: enter the swarm. Returns 0 or ERR_NOMEM. */
int transfer_go_live(struct transfer *t);
void transfer_say_goodbye(struct transfer *t);
/* Do what the swarm wants done. */
void transfer_perform(struct transfer *t);
struct link *transfer_link(struct transfer *t, struct peer_ref ref);
/* Whoever has the slot, of any generation; NULL nobody. */
struct link *transfer_slot(struct transfer *t, uint32_t slot);
/* False: there is no memory for it; taking one away always succeeds. */
bool transfer_set_link(struct transfer *t, struct peer_ref ref, struct link *l);
void transfer_free(struct transfer *t);
/* Of none: *out and *n_out stay. Returns 0 or ERR_NOMEM. Owns: free(). */
int transfer_copy_addresses(const struct addr *list, size_t n, struct addr **out, size_t *n_out);
/* Say goodbye; node_transfer_left() follows. */
void transfer_leave(struct transfer *t);

/* ---- transfer_found.c ---- */
/* `trackers`: as transfer_params.trackers. Returns 0 or ERR_NOMEM. */
int transfer_make_announcer(struct transfer *t, const char *const *trackers);
/* If one of its trackers is an index that we have a live session with. */
void transfer_join_live(struct transfer *t);
void transfer_take_found(struct transfer *t); /* what it was added with */

/* ---- transfer_disk.c ---- */
/* Token of store_leaves() for the swarm's own use; others are addresses of hash_tasks. */
#define TRANSFER_OWN_LEAVES 0u
/* Say so, if files are not as the download left them and are hashed therefore; `why` has it, too,
 * until they are. */
void transfer_tell_others(struct transfer *t);
/* A verified piece cannot be read any more: its file was changed. */
void transfer_piece_gone(struct transfer *t, uint32_t piece);
void transfer_on_store_event(struct transfer *t, const struct store_event *e);
void transfer_count_done(struct transfer *t);
/* Bytes of a piece that lie in real files. */
uint64_t transfer_real_bytes(const struct transfer *t, uint32_t piece);
/* We have it, or have it no more. */
void transfer_count_piece(struct transfer *t, uint32_t piece, bool good);

/* ---- transfer_punch.c ---- */
/* `by` NULL: the index. */
void transfer_punch(struct transfer *t, const struct link *by, const struct addr *to);
/* As live_torrent.punch; `user` is the transfer. */
void transfer_on_introduced(void *user, const struct addr *list, size_t n);

/* ---- transfer_plan.c ---- */
/* Copies what is given; NULL stays NULL. Returns 0 or ERR_NOMEM, then nothing changed. */
int transfer_plan(struct transfer *t, const uint8_t *wanted);
/* The swarm is told, and `complete` is what it says. */
void transfer_plan_swarm(struct transfer *t);
/* It is finished: what was chosen meanwhile counts from now on. */
void transfer_reselect(struct transfer *t);
void transfer_plan_status(const struct transfer *t, struct transfer_status *out);

/* ---- reader.c ---- */
/* Some piece is good, or what is on disk is known. */
void readers_poke(struct transfer *t);
void readers_urge(struct transfer *t);
void readers_on_read(struct transfer *t, const struct store_event *e);
/* Some pieces are gone, which the swarm knows: who was lent any of them is told why. */
void readers_on_gone(struct transfer *t, const struct err_info *why);
void readers_fail(struct transfer *t, const struct err_info *why);
/* Our map is another one now. */
void transfer_touch_live(struct transfer *t);

/* ---- transfer_guard.c ---- */
/* Seeding: notice when files change. */
void transfer_guard(struct transfer *t);
void transfer_unguard(struct transfer *t);
/* Nobody watches any more, and fetching goes on: what changed is found anew by transfer_guard(). */
void transfer_forget_changes(struct transfer *t);
/* Of what its swarm had to say some is lost, for want of memory. While it only serves, its peers
 * may as well come anew: all of them are let go. */
void transfer_let_go(struct transfer *t);
/* See which files are as they were verified; now, or when more may have changed. */
void transfer_look(struct transfer *t);
void transfer_look_soon(struct transfer *t);
void transfer_on_looked(struct transfer *t, const struct store_event *e);
/* A piece was hashed while seeding. */
void transfer_on_checked_again(struct transfer *t, const struct store_event *e);

/* ---- hash_serve.c: answers to hash requests below the piece layer ---- */
void hash_serve(struct transfer *t, struct peer_ref peer, const struct wire_hash_req *req);
void hash_serve_on_leaves(struct transfer *t, uint64_t token, const uint8_t *leaves, uint32_t n);
void hash_serve_fini(struct transfer *t);

#endif
