/* node/index_server_impl.h - what the parts of the index share; private to node/index_*.c.
 *
 *     index_server.c    life, routes, the page
 *     index_announce.c  /announce and /scrape
 *     index_list.c      lists and searches
 *     index_api.c       what else only reads
 *     index_ops.c       health, metrics, audit
 *     index_feed.c      what is new, for feed readers
 *     index_publish.c   what changes the catalogue
 *     index_udp.c       the UDP tracker, with a header of its own
 *     index_presence.c  the tracker's peers as holders of an entry
 *     index_session.c   live sessions: their lines in and out
 *     index_pieces.c    which pieces the holders have, by their sessions
 *     index_events.c    what changes, as server-sent events
 *     index_reply.c     JSON and errors into replies */
#ifndef SHOAL_NODE_INDEX_SERVER_IMPL_H
#define SHOAL_NODE_INDEX_SERVER_IMPL_H

#include <jansson.h>

#include "index/roster.h"
#include "net/http_server.h"
#include "net/http_stream.h"
#include "node/api_reply.h"
#include "node/index_access.h"
#include "node/index_server.h"
#include "node/index_udp.h"
#include "store/catalogue_db.h"

#define INDEX_LIST_DEFAULT 100u
/* Told of one entry of a list. */
#define INDEX_LIST_PEERS_MAX 20u
/* A .torrent that comes with a row: as base64, and with the rest of the answer, it fits into the
 * ten segments that TCP begins with. */
#define INDEX_LIST_TORRENT_MAX (8u << 10)
#define INDEX_NEAR_MAX 10u
#define INDEX_OFFSET_MAX 1000000u
/* Entries looked at for one page of what is on line: some tens of milliseconds. */
#define INDEX_SCANNED_MAX 20000u
#define INDEX_FEED_ENTRIES 50u
#define INDEX_AUDIT_DEFAULT 100u
#define INDEX_AUDIT_MAX 1000u
#define INDEX_FILES_SHOWN 10000u
#define INDEX_HOLDERS_MAX 1000u
#define INDEX_PEERS_DEFAULT 200u
#define INDEX_PEERS_MAX 1000u
/* Announces looked at for one list of peers: some milliseconds. */
#define INDEX_PEERS_SCANNED 20000u
/* How far the clock of a publisher may be off; and of one who unpublishes, which must not be
 * replayed later. */
#define INDEX_PUBLISH_SKEW_S 3600
#define INDEX_UNPUBLISH_SKEW_S 600
/* Swarms up to this size are counted address by address in lists. */
#define INDEX_COUNTED_MAX 200u

/* Streams of events, in all and of one host (attack: pages that open them without end). */
#define INDEX_EVENTS_MAX 500u
#define INDEX_EVENTS_HOST_MAX 50u
/* A comment keeps lines open that something in between would close. */
#define INDEX_EVENTS_PING_S 15u
/* Sessions that have not said hello, of one host (an IPv4 address, an IPv6 /64), which are told
 * apart by so many cells: for one more the oldest goes (attack: one machine that takes all
 * streams). */
#define INDEX_MUTE_HOST_MAX 500u
#define INDEX_HOST_CELLS 1024u
/* With those that have: for one more the oldest that has not said hello goes. Streams for events,
 * and for those whose last words are on their way, are left. */
#define INDEX_LINKS_MAX 13400u
/* Holders whose maps are told; ranges of rarest pieces, and of what one holder gained. */
#define INDEX_MAPS_MAX 200u
#define INDEX_RANGES_MAX 100u
#define INDEX_GAINED_RANGES_MAX 2000u
/* A .torrent up to this size is opened for the number of its pieces. */
#define INDEX_SHAPE_BYTES_MAX (16u << 20)

/* Between two lines of the log that say that the catalogue cannot be read or written. */
#define INDEX_FAULTS_S 60u

struct session_link;
struct event_stream;

struct presence_counts {
	uint64_t peers;
	uint32_t sessions;
};

struct index_server {
	struct loop *loop;
	int lock; /* the data folder, which has one index at a time; -1: not yet */
	struct http_server *http;
	struct loop_timer *timer;
	struct catalogue_db *db;
	struct index_access *access;
	struct shards *shards;			/* the tracker */
	struct roster *roster;			/* live sessions */
	TAILQ_HEAD(, session_link) links, mute; /* with hello; without, the oldest first */
	uint16_t mute_of[INDEX_HOST_CELLS];
	uint32_t n_links; /* of both */
	struct siphash_key host_key;
	LIST_HEAD(, event_stream) streams;
	uint32_t n_streams;
	uint64_t ticks;		     /* of a second */
	uint64_t faults_again_s;     /* until then no fault is logged */
	struct presence_counts told; /* to all who listen to events */
	struct index_udp *udp;	     /* NULL: switched off */
	struct tls *tls;	     /* NULL: plain HTTP */
	struct index_host host;
	struct proxies proxies;
	uint16_t port;
	uint64_t started_ms;
	struct {
		uint64_t announces, refused, scrapes, scrapes_refused, requests;
	} counts;
	struct entry *rows;	    /* CATALOGUE_PAGE_MAX */
	struct tracker_peer *peers; /* 2 * INDEX_HOLDERS_MAX */
	void (*log)(void *user, const char *event, const json_t *fields);
	void *log_user;
};

static inline uint64_t index_now_s(const struct index_server *s)
{
	return loop_now_ms(s->loop) / 1000;
}

/* Where the UDP tracker is; 0: nowhere. */
static inline uint16_t index_told_udp_port(const struct index_server *s)
{
	return s->udp == NULL ? 0 : s->port;
}

/* ---- index_reply.c ---- */

/* {"error": {"code", "message"}}. */
void index_reply_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* From what the catalogue said. That it cannot be read or written is logged, too. */
void index_reply_fault(struct index_server *s, struct http_reply *reply,
		       const struct err_info *why);
/* Once in INDEX_FAULTS_S. */
void index_log_fault(struct index_server *s, const struct err_info *why);
/* What an answer does without was not read: the same, unless it is only too long for that. */
void index_log_unread(struct index_server *s, const struct err_info *why);
/* Headers that every reply carries. */
void index_reply_begin(struct http_reply *reply);
/* Only `allowed` ("GET", "POST"); answers 405 itself. HEAD counts as GET. */
bool index_reply_method(const struct http_request *r, struct http_reply *reply,
			const char *allowed);
/* 405; `allow`: the methods that work, "GET, HEAD, POST". Borrowed until the reply is sent. */
void index_reply_not_allowed(struct http_reply *reply, const char *allow);

/* ---- index_server.c ---- */

/* The token that came with a request: of its Authorization header (Bearer), else `token` in the
 * query. Borrows from `buf`, which the caller initialised and ends. */
struct bytes index_token_of(const struct http_request *r, struct buf *buf);
/* The same for what is handed out to be used later by programs that know no header: none when the
 * index is open. */
struct bytes index_passkey_of(const struct index_server *s, const struct http_request *r,
			      struct buf *buf);
/* For what outlives its request: a copy of the token, NULL when none was shown; 0 or ERR_NOMEM.
 * Owns: the caller. And later, each second: may who showed it still read? Every few seconds it is
 * looked at, otherwise believed. */
int index_token_keep(const struct http_request *r, char **out);
bool index_token_lasts(const struct index_server *s, const char *token, const struct addr *from);

/* Takes `fields`. */
void index_log(const struct index_server *s, const char *event, json_t *fields);
/* A wrong token from there: at most INDEX_WRONG_MAX of a host, then it is locked out. */
void index_log_wrong_token(const struct index_server *s, const struct addr *from);

/* ---- index_announce.c ---- */

/* `passkey`: what stands behind "/announce/", or empty. */
void index_announce_as(struct index_server *s, const struct http_request *r, struct bytes passkey,
		       struct http_reply *reply);
void index_scrape_as(struct index_server *s, const struct http_request *r, struct bytes passkey,
		     struct http_reply *reply);
void index_announce(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_scrape(struct index_server *s, const struct http_request *r, struct http_reply *reply);

/* ---- index_presence.c ---- */

struct presence {
	uint32_t online, seeds, holders;
};
/* Peers of the entry's swarms, each address once, those with most of it first: at most `most` of
 * each swarm are looked at, beyond that counts are those of the larger one. The list is
 * s->peers[0..*n). */
void index_presence(struct index_server *s, const struct entry *e, uint32_t most,
		    struct presence *out, size_t *n);
json_t *index_holders_json(struct index_server *s, const struct entry *e);
json_t *index_peers_json(struct index_server *s, uint32_t limit);
/* An entry with its counts and magnet link. */
json_t *index_entry_json(struct index_server *s, const struct entry *e);

/* Each holder's line as JSON, by the session of its address when there is one. */
struct roster_member *index_member_at(struct roster_member *const *list, size_t n,
				      const struct addr *addr);

/* ---- index_session.c ---- */
/* Where `about` is for whom the index is at `here`: a peer on our own machine is to others where
 * they found us, as in tracker_announce(). False: nowhere. */
bool index_addr_for(const struct addr *whom, const struct addr *here, const struct addr *about,
		    struct addr *out);

/* GET /api/v1/session with an Upgrade. */
void index_session(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_session_tick(struct index_server *s);

/* ---- index_pieces.c ---- */

/* The pieces of an entry's torrent; zeros when it cannot be opened. */
struct index_shape {
	uint32_t n_pieces, piece_length;
};
void index_shape(struct index_server *s, uint64_t id, struct index_shape *out);
/* By which its sessions are found in the roster. */
const uint8_t *index_swarm_key(const struct entry *e);
/* What is known of an entry's pieces. `list` are the sessions in it; s->peers is used. */
json_t *index_pieces_json(struct index_server *s, const struct entry *e,
			  const struct index_shape *shape, struct roster_member *const *list,
			  size_t n);
/* GET /api/v1/entries/ID/pieces */
void index_pieces(struct index_server *s, const struct entry *e, struct http_reply *reply);

/* ---- index_events.c ---- */

/* GET /api/v1/events */
void index_events(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_events_catalogue(struct index_server *s, const char *change, uint64_t id);
/* All versions of e->owner / e->name were unpublished, as one event. */
void index_events_name_gone(struct index_server *s, const struct entry *e);
void index_events_tick(struct index_server *s);

/* ---- index_list.c ---- */

/* Appends the value and returns 1, or 0 when it is not given; a negative answer is in `reply`. */
int index_take_number(const struct http_request *r, const char *name, uint64_t min, uint64_t max,
		      uint64_t *out, struct http_reply *reply);
/* A parameter with a bad escape would look as if it were not there, and everything be listed. */
bool index_query_is_sane(const struct http_request *r, struct http_reply *reply);

/* Where the next page of an order other than newest first begins; 0, and there is none, beyond what
 * may be skipped. */
json_int_t index_next_offset(uint64_t offset);

void index_list(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_near(struct index_server *s, const struct http_request *r, struct http_reply *reply);

/* ---- index_ops.c ---- */
void index_healthz(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_metrics(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_feed(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_audit(struct index_server *s, const struct http_request *r, struct http_reply *reply);

/* ---- index_api.c ---- */
void index_peers(struct index_server *s, const struct http_request *r, struct http_reply *reply);
/* Nodes of the distributed hash table in one answer. */
#define INDEX_DHT_NODES 32u
void index_dht_nodes(struct index_server *s, const struct http_request *r,
		     struct http_reply *reply);
void index_status(struct index_server *s, const struct http_request *r, struct http_reply *reply);
/* An entry's .torrent as the one who asks gets it, into an empty buffer. */
int index_put_torrent(struct index_server *s, const struct http_request *r, const struct entry *e,
		      struct buf *out, struct err_info *why);
/* A stored .torrent as a value. NULL: it is none any more, or there is no memory, which is logged.
 * Owns: meta_free(). */
struct metainfo *index_stored_meta(struct index_server *s, uint64_t id, struct bytes torrent);
/* What is behind "/api/v1/entries/". */
void index_entry(struct index_server *s, const struct http_request *r, struct bytes rest,
		 struct http_reply *reply);

/* ---- index_publish.c ---- */
void index_publish(struct index_server *s, const struct http_request *r, struct http_reply *reply);
void index_unpublish(struct index_server *s, const struct http_request *r,
		     struct http_reply *reply);

#endif
