/* node/announcer_impl.h - what announcer*.c share; private to them. announcer.c decides which
 * tracker is asked when, announcer_asks.c does one request. */
#ifndef SHOAL_NODE_ANNOUNCER_IMPL_H
#define SHOAL_NODE_ANNOUNCER_IMPL_H

#include "node/announce_ask.h"
#include "node/announce_pace.h"
#include "node/announcer.h"
#include "node/tiers.h"

/* One request under way: for one of the torrent's hashes. */
struct ask {
	struct announcer *a;
	bool under_way, paused;
	struct announce_ask call;
	uint32_t tracker, hash;
	enum {
		ASK_FIRST,
		ASK_INSTEAD, /* of a first one over IPv4 that had no answer: over IPv6 */
		ASK_BESIDE   /* after the first, over the other family, too */
	} is;
	enum addr_family family;
	uint16_t port;	     /* the one that is told */
	struct err_info why; /* ASK_INSTEAD: of the first */
};

/* Trackers of one turn that are not waited for any longer; then others have theirs. */
#define ASIDE_MAX 3u
/* Under way at once: of these trackers and the next, two hashes over two families; a goodbye goes
 * to those that know us. */
#define ASKS_MAX ((ASIDE_MAX + 1) * 4)

struct announcer {
	struct announcer_params p;
	struct rng rng;
	uint8_t hash[TRACKER_HASHES_MAX][SHA1_LEN];
	uint32_t n_hashes;
	char key[9]; /* BEP 7: which announces are one client's */
	struct tiers tiers;
	struct announce_turn turn;
	uint32_t current; /* the tracker this round asks */
	uint32_t n_aside; /* those before it that have not answered yet, of this turn */
	struct ask *asks; /* ASKS_MAX while it is our turn, else NULL */
	uint32_t n_asks;
	enum announce_event event;  /* to be said in the next round that succeeds */
	bool round_ok;		    /* some hash of this round was answered */
	bool completed_later;	    /* "completed" came up during a round */
	uint64_t asked_ms, next_ms; /* the newest round; the next one, while it rests */
	struct announce_pace pace;  /* of the newest round that was answered */
	uint32_t retry_ms;
	struct loop_timer *timer;
	uint32_t n_ok, n_failed; /* announces answered, and not */
	uint32_t n_peers;	 /* in the newest reply */
	struct err_kept error;	 /* of the newest announce */
	bool started, stopping;
	void (*stopped)(void *user);
	void *stopped_user;
};

/* ---- announcer.c ---- */
/* `user`: the struct ask. */
void announcer_on_answer(void *user, const struct announce_answer *answer);

/* ---- announcer_asks.c ---- */
/* The port that this tracker is to tell others. */
uint16_t announcer_port_for(const struct announcer *a, const struct tracker_url *t);
enum addr_family announcer_first_family(const struct announcer *a, const struct tracker_url *t);
/* As `what` says: which tracker and hash, in which place and over which family. False: it was not
 * sent. */
bool announcer_send_ask(struct announcer *a, const struct ask *what, enum announce_event event);
void announcer_ask_is_over(struct ask *ask);
void announcer_cancel_ask(struct ask *ask);
/* All of them. */
void announcer_cancel_asks(struct announcer *a);
/* An answer that counts, after which another may be under way: at its other address. Returns
 * whether the round has succeeded. */
bool announcer_take_first(struct announcer *a, const struct ask *ask,
			  const struct announce_answer *answer);
void announcer_take_beside(struct announcer *a, const struct ask *ask,
			   const struct announce_answer *answer);
/* The tracker gave nothing, which is remembered as what is wrong. */
void announcer_fail(struct announcer *a, const char *url, const char *reason);

#endif
