/* node/announce_gate.h - what the announcers of one node share: turns, and the trackers they ask.
 *
 * Ten thousand torrents that start together must not make ten thousand requests together: so many
 * are under way at a time, the others wait, first come first served. Most torrents name the same
 * few trackers: each URL is kept once, with whether it answers. One that does not is asked for one
 * torrent at a time, so that a dead tracker costs one turn and no more. */
#ifndef SHOAL_NODE_ANNOUNCE_GATE_H
#define SHOAL_NODE_ANNOUNCE_GATE_H

#include <sys/queue.h>

#include "base/hash_map.h"
#include "wire/announce.h"

/* Announcers at work at one time; each asks one tracker, for at most two hashes: as many requests
 * as the HTTP client makes connections to one host, so that none waits there while its time runs.
 */
#define ANNOUNCE_GATE_TURNS 8u
/* A tracker that gave no answer is left alone for so long, doubled with each time. Four fifths of
 * the pauses of an announcer, so that it is always the tracker's time when it is its own. */
#define ANNOUNCE_GATE_DOWN_MS 4000u
#define ANNOUNCE_GATE_DOWN_LAST_MS (4u * 60u * 1000u)

struct announce_site {
	char *url;
	uint8_t key[SHA1_LEN]; /* of the URL */
	uint32_t refs;
	uint32_t in_flight; /* requests, counted by the announcers */
	uint32_t fails;	    /* since it answered last */
	uint64_t down_until_ms;
	bool slow;			/* it lets us wait: no answer, and no failure yet */
	uint64_t one_until_ms;		/* it is asked by addresses of one family alone */
	char reason[ANNOUNCE_TEXT_MAX]; /* of the newest failure */
};

/* An announcer's place in the queue; lives in the announcer. Zeroed is a good start. */
struct announce_turn {
	TAILQ_ENTRY(announce_turn) link;
	enum { TURN_NONE, TURN_WAITING, TURN_IN } state;
	void (*go)(void *arg);
	void *arg;
};

struct announce_gate {
	TAILQ_HEAD(, announce_turn) waiting;
	uint32_t n_in;
	bool letting_in, closed;
	struct hash_map sites;
};

void announce_gate_init(struct announce_gate *g, struct siphash_key key);
/* From here on nobody is let in: announcers may be freed one after the other. */
void announce_gate_close(struct announce_gate *g);
/* When all sites were put back. */
void announce_gate_fini(struct announce_gate *g);

/* Wait for a turn: `go` is called when it comes, perhaps at once. Nothing when it waits or has
 * one already. */
void announce_gate_enter(struct announce_gate *g, struct announce_turn *t);
/* The turn, or the wait for it, is over. */
void announce_gate_leave(struct announce_gate *g, struct announce_turn *t);

/* The site of a URL. NULL without memory. Put back with announce_site_put(). */
struct announce_site *announce_site_get(struct announce_gate *g, const char *url);
void announce_site_put(struct announce_gate *g, struct announce_site *s);
/* It gave no answer lately, and shall not be asked now: `reason` says why. */
bool announce_site_is_down(const struct announce_site *s, uint64_t now_ms);
/* It is asked, and somebody who has other trackers has lost patience. */
bool announce_site_is_slow(const struct announce_site *s);
void announce_site_failed(struct announce_site *s, const char *reason, uint64_t now_ms);
void announce_site_answered(struct announce_site *s);

#endif
