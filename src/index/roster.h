/* index/roster.h - live sessions: who is in which swarm, with which pieces, and who fell silent.
 * Pure: lines of peers come in as calls, time is passed in.
 *
 *     session --members--> member <--members-- swarm
 *
 * A session is a peer's one live link, a member its part in one swarm. The tracker is told of each
 * member by the caller, at once and again in time (roster_due()), so that clients without session
 * find it there. What a peer says of itself is believed only of its own address. */
#ifndef SHOAL_INDEX_ROSTER_H
#define SHOAL_INDEX_ROSTER_H

#include <sys/queue.h>

#include "base/addr.h"
#include "base/bitfield.h"
#include "base/digest.h"
#include "base/siphash.h"

/* A peer speaks each BEAT; one silent for SILENCE is gone: within 10 s of a pulled cable. */
#define ROSTER_BEAT_MS 3000u
#define ROSTER_SILENCE_MS 8000u
/* The tracker forgets after 30 s whom it is not told of again. */
#define ROSTER_REFRESH_S 18u
/* In all; of one host, an IPv4 address or an IPv6 /64 (attack: one machine that fills the table).
 */
#define ROSTER_SESSIONS_MAX 12000u
#define ROSTER_HOST_SESSIONS_MAX 2000u
/* Swarms of one session, and places in all (attack: thousands of joins). */
#define ROSTER_TORRENTS_MAX 100000u
#define ROSTER_MEMBERS_MAX 1000000u
/* Memory for maps that are neither empty nor full, of one session and in all; a map beyond it is
 * unknown (attack: joins with millions of pieces each). */
#define ROSTER_SESSION_MAP_BYTES_MAX (16u << 20)
#define ROSTER_MAP_BYTES_MAX (256u << 20)
#define ROSTER_PIECES_MAX 2097152u
/* Members told of a newcomer who has something, at most (attack: joining over and over, each time
 * told to all). The others hear of it when they ask. */
#define ROSTER_TELL_MAX 100u
/* Whoever asks for more peers is brought together with so many of those who have something, other
 * ones each time, of so many that are looked at (attack: asking over and over). */
#define ROSTER_INTRODUCE_MAX 3u
#define ROSTER_INTRODUCE_LOOK_MAX 1000u
#define ROSTER_CLIENT_MAX 64

struct roster;
struct roster_swarm;

struct roster_session {
	struct addr addr; /* host of the link, port for peers */
	struct addr here; /* our address that it reached */
	uint8_t peer_id[20];
	char client[ROSTER_CLIENT_MAX]; /* not escaped */
	uint64_t id, since_s, heard_ms;
	uint32_t rtt_us;   /* 0 unknown; the caller's to set */
	uint16_t dht_port; /* of its node of the hash table, roster_set_dht(); 0 none */
	void *user;	   /* the caller's */
	/* private */
	TAILQ_ENTRY(roster_session) by_silence;
	struct roster_member **members; /* by the peer's own number */
	uint32_t cap_members, n_members;
	uint32_t top; /* no number beyond is taken */
	size_t map_bytes;
	struct roster_host *host;
};

struct roster_member {
	struct roster_session *session;
	struct roster_swarm *swarm;
	uint8_t also[SHA1_LEN]; /* a hybrid torrent's other swarm */
	bool has_also;
	bool map_known; /* how many it has is known, and which */
	uint32_t number, n_pieces, have;
	uint64_t left, since_s;
	uint32_t down_bps, up_bps;
	struct bitfield map; /* without bits when `have` is none or all */
	uint32_t introduced; /* how many givers it was brought together with, in this round */
	/* private */
	struct bitfield shown; /* what watchers of the swarm know; without bits: nothing */
	bool shown_all;
	uint64_t told_s;
	LIST_ENTRY(roster_member) of_swarm;
	TAILQ_ENTRY(roster_member) by_told;
};

struct roster *roster_new(struct siphash_key key);
void roster_free(struct roster *r); /* and whoever is in it */

/* ---- events --------------------------------------------------------------------- */

/* A peer says hello. Takes addr, here, peer_id, client and user from `hello`. Returns 0,
 * ERR_TOO_BIG (ROSTER_SESSIONS_MAX, ROSTER_HOST_SESSIONS_MAX) or ERR_NOMEM. */
int roster_enter(struct roster *r, const struct roster_session *hello, uint64_t now_ms,
		 struct roster_session **out);
/* The same peer's older link, from the same host, which it has lost: to be ended before
 * roster_enter(). NULL: none. */
struct roster_session *roster_twin(const struct roster *r, const struct roster_session *hello);
/* Its link is gone. Its members must be gone. */
void roster_quit(struct roster *r, struct roster_session *s);
void roster_on_line(struct roster *r, struct roster_session *s, uint64_t now_ms);
/* One who has been silent for too long, or NULL. */
struct roster_session *roster_silent(const struct roster *r, uint64_t now_ms);

/* `m` has number, n_pieces, left, also, has_also and map_known, as the peer says. The number is one
 * of the peer's own choice, small and not taken. Returns 0, ERR_INVALID, ERR_TOO_BIG or ERR_NOMEM.
 */
int roster_join(struct roster *r, struct roster_session *s, const uint8_t hash[SHA1_LEN],
		const struct roster_member *m, uint64_t now_ms, struct roster_member **out);
void roster_leave(struct roster *r, struct roster_member *m);
/* NULL: no such number. */
struct roster_member *roster_member(const struct roster_session *s, uint64_t number);
/* Any member of a session, NULL when it is in no swarm. */
struct roster_member *roster_any(struct roster_session *s);
/* It has, or has lost, pieces first..last, last < n_pieces. Beyond the limits of memory the map
 * becomes unknown. */
void roster_on_pieces(struct roster *r, struct roster_member *m, uint32_t first, uint32_t last,
		      bool has);
void roster_on_rates(struct roster_member *m, uint32_t down_bps, uint32_t up_bps);

/* The next member whom the tracker has not been told of for ROSTER_REFRESH_S, or NULL; it counts as
 * told. */
struct roster_member *roster_due(struct roster *r, uint64_t now_ms);

/* Its node of the distributed hash table is at this port; 0: it has none. */
void roster_set_dht(struct roster *r, struct roster_session *s, uint16_t port);

/* ---- looking in ----------------------------------------------------------------- */

uint32_t roster_dht_nodes(const struct roster *r);
/* Sessions that have a node, up to `cap` in a row, from the `draw`-th on of all of them. Returns
 * how many. */
size_t roster_dht_some(const struct roster *r, uint32_t draw, const struct roster_session **out,
		       size_t cap);
uint32_t roster_sessions(const struct roster *r);
uint32_t roster_members(const struct roster *r);
size_t roster_map_bytes(const struct roster *r);

/* Whom to tell of `m`, who has something: members of its swarm that lack something. Each call gives
 * the next, from `*at` NULL; NULL at the end. */
struct roster_member *roster_tell_next(const struct roster_member *m,
				       const struct roster_member *at);
/* The next who has something for `m`, after those it was brought together with; it counts as one of
 * them. NULL: there are no more, and the next call begins anew. */
struct roster_member *roster_introduce(struct roster_member *m);
bool roster_is_complete(const struct roster_member *m);
const uint8_t *roster_hash(const struct roster_member *m);

/* The members of one swarm in the order of their addresses, each address once.
 * Owns: *out is the caller's to free(), its members borrowed. Returns 0 or ERR_NOMEM. */
int roster_list(const struct roster *r, const uint8_t hash[SHA1_LEN], struct roster_member ***out,
		size_t *n);

/* ---- pieces of a swarm (roster_pieces.c) ------------------------------------------ */

#define ROSTER_COPIES_MAX 64u
/* Maps times pieces that are counted for one answer; the holders beyond count as unknown. */
#define ROSTER_COUNTED_MAX (64u << 20)

struct roster_pieces {
	uint32_t n, known;
	uint32_t copies[ROSTER_COPIES_MAX]; /* pieces with k copies; the last: or more */
	uint32_t n_copies;		    /* elements used */
	uint32_t rarest;		    /* copies of the rarest pieces */
	struct bitfield rare;		    /* those pieces */
	uint32_t distributed_milli;
};
/* Of those in the list whose map is known and has `n_pieces`. Returns 0 or ERR_NOMEM.
 * Owns: roster_pieces_fini(). */
int roster_pieces(struct roster_member *const *list, size_t n, uint32_t n_pieces,
		  struct roster_pieces *out);
void roster_pieces_fini(struct roster_pieces *p);
/* Has a map that fits the torrent? */
bool roster_knows(const struct roster_member *m, uint32_t n_pieces);
/* A copy of the map. Returns 0 or ERR_NOMEM. */
int roster_map(const struct roster_member *m, struct bitfield *out);

/* Somebody watches: changes are noted from here on. Each call is undone by roster_unwatch(). */
int roster_watch(struct roster *r, const uint8_t hash[SHA1_LEN]);
void roster_unwatch(struct roster *r, const uint8_t hash[SHA1_LEN]);
/* Did anything change since the last call? */
bool roster_changed(struct roster *r, const uint8_t hash[SHA1_LEN]);
/* The pieces gained since the last call for this member. Returns 0 or ERR_NOMEM. */
int roster_gained(struct roster_member *m, struct bitfield *out);

#endif
