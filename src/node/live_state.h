/* node/live_state.h - is the peer's session with its index there, and what if not? Pure: whoever
 * has the connection and the timers says what happened, and does what is answered.
 *
 *              welcome                     lost
 *     TRYING ----------> UP ------------------------------> TRYING (for LIVE_GRACE_MS)
 *        `-- could not be had, or not in time --> DOWN -- welcome --> UP
 *
 * What only a hello says makes it begin anew, as if it had been lost: live_state_renew().
 *
 * While it is TRYING announces wait a moment, as they need not be made when it is had; while it is
 * DOWN they go on as without it, and it is tried all the same.
 *
 * Units: now_ms is monotonic, pauses are milliseconds. */
#ifndef SHOAL_NODE_LIVE_STATE_H
#define SHOAL_NODE_LIVE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

/* No word of the index for so long: the session is lost. It answers each beat. */
#define LIVE_SILENCE_MS 8000u
#define LIVE_BEAT_MS 3000u
/* Changes are told once a second. */
#define LIVE_TICK_MS 1000u
/* How long announces wait for a session that is being made. */
#define LIVE_GRACE_MS 2000u
/* A timer so late means that we stood still ourselves, and the session had no time. */
#define LIVE_STALL_MS 250u
/* Pauses before it is tried again, at least and at most so much more (attack: none; a herd of peers
 * that comes back to a restarted index in one moment): after it was lost, and when it was not to be
 * had. */
#define LIVE_LOST_MS 100u
#define LIVE_LOST_MORE_MS 1400u
#define LIVE_FAILED_MS 2000u
#define LIVE_FAILED_MORE_MS 3000u
/* One that was lost so soon was as good as not to be had (attack: none; a proxy that ends what was
 * upgraded, and an index to which all torrents are told anew each second). */
#define LIVE_BRIEF_MS 1000u
/* Between two sessions that were begun anew by us (attack: a router that gives another port again
 * and again, each of which has all torrents told to the index). */
#define LIVE_RENEW_MS 60000u
/* Where somebody was there and none was ever had, so often; then it is as with an index that knows
 * none: there may be a proxy that lets none through. */
#define LIVE_TRIES_FIRST 10u
#define LIVE_UNKNOWN_MS (4u * 60u * 1000u)
#define LIVE_UNKNOWN_MORE_MS (2u * 60u * 1000u)

struct live_state {
	enum { LIVE_TRYING, LIVE_DOWN, LIVE_UP } is;
	/* private */
	struct rng rng;
	uint64_t heard_ms, beat_ms, grace_ms, up_ms;
	uint64_t renew_at_ms; /* not before */
	bool opened;	      /* we may talk: what is told before the welcome saves a round trip */
	bool was_up;	      /* once at least */
	uint32_t failed;      /* before that */
	bool said, warned;    /* since it was up last */
};

/* TRYING, as LIVE_GRACE_MS from now on. */
void live_state_init(struct live_state *s, uint64_t seed);
void live_state_begin(struct live_state *s, uint64_t now_ms);

/* The connection is there; nothing was said yet. The first line is our hello, and others may follow
 * before it is answered. */
void live_state_on_opened(struct live_state *s, uint64_t now_ms);
/* A line of the index, whatever it says. */
void live_state_on_line(struct live_state *s, uint64_t now_ms);
void live_state_on_welcome(struct live_state *s, uint64_t now_ms);

struct live_loss {
	uint32_t retry_ms; /* to be tried again after so long */
	bool retell;  /* something was told, perhaps: all is told anew once it is there again */
	bool anew;    /* it was there: LIVE_GRACE_MS begins */
	bool give_up; /* it was TRYING, and is DOWN now */
	bool say;     /* the reason, once until it is there again */
	bool warn;    /* that the index does not let us in: the same */
};
/* It is gone, or was not to be had. `status` is that of an answer that let no session begin, 0
 * where there was none, LIVE_NOBODY where nobody took the connection: an index that comes later is
 * tried as one that was there before. */
#define LIVE_NOBODY (-1)
struct live_loss live_state_on_lost(struct live_state *s, int status, uint64_t now_ms);
/* What was said in its hello is not so any more. True: end it and begin another at once, in which
 * all is told anew; LIVE_GRACE_MS begins. False: not now. */
bool live_state_renew(struct live_state *s, uint64_t now_ms);
/* It could not even be tried, for want of memory: the pause. */
uint32_t live_state_pause(struct live_state *s);
/* The index says what is wrong: may that be said? As live_loss.say. */
bool live_state_may_say(struct live_state *s);

/* May torrents be told of now? */
bool live_state_may_tell(const struct live_state *s);

enum live_tick {
	LIVE_TICK_SILENT, /* it is lost: live_state_on_lost() */
	LIVE_TICK_WAIT,	  /* it is not there yet */
	LIVE_TICK_TELL,	  /* tell what has changed */
	LIVE_TICK_BEAT,	  /* the same, and that we live */
};
/* Each LIVE_TICK_MS while there is a connection. */
enum live_tick live_state_on_tick(struct live_state *s, uint64_t now_ms);
/* LIVE_GRACE_MS are over. True: give up, it is DOWN now; false: they begin anew, for we stood still
 * ourselves. */
bool live_state_on_grace(struct live_state *s, uint64_t now_ms);

#endif
