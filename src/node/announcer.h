/* node/announcer.h - tells trackers of one torrent that we are there and asks for others, over HTTP
 * or UDP, when the node's gate gives it a turn.
 *
 * Source: BEP 3, BEP 12 (node/tiers.h; the next tracker is asked only when one fails, or is slow),
 * BEP 21 (partial seeds are "paused"), BEP 31 (retry in). A hybrid torrent announces both of its
 * hashes. A failing tracker is tried again after 5 s, doubling to 5 min, with jitter of a quarter,
 * so that peers do not return in one herd (G-30).
 */
#ifndef SHOAL_NODE_ANNOUNCER_H
#define SHOAL_NODE_ANNOUNCER_H

#include "base/rng.h"
#include "meta/metainfo.h"
#include "net/http_client.h"
#include "node/announce_gate.h"
#include "node/reach.h"
#include "node/udp_asker.h"
#include "wire/announce.h"

#define ANNOUNCER_RETRY_FIRST_MS 5000u
#define ANNOUNCER_RETRY_LAST_MS (5u * 60u * 1000u)
/* A tracker that has not answered by then is not waited for any longer: the next one is asked, too.
 * Two such before one that lives keep nobody from peers for as long as `get` waits for a holder. */
#define ANNOUNCER_PATIENCE_MS 2000u
/* Once another one has answered it has so long, then it counts as one that gives no answer. */
#define ANNOUNCER_LATE_MS 5000u

struct announcer;

struct announcer_counts {
	uint64_t uploaded, downloaded, left;
	bool partial_seed; /* BEP 21: something is left, and nothing of it wanted */
};

struct announcer_params {
	struct loop *loop;
	struct http_client *http;
	struct udp_asker *udp;
	struct announce_gate *gate;
	const struct metainfo *meta; /* borrowed */
	const char *const *trackers; /* first tier, before the torrent's own; NULL-ended or NULL */
	uint8_t peer_id[20];
	uint16_t port;
	const struct reach *reach; /* knows a better one for some trackers; may be NULL */
	uint64_t seed;
	/* What to say now. */
	void (*counts)(void *user, struct announcer_counts *out);
	/* Peers from a reply. May stop the announcer, and may not free it. */
	void (*found)(void *user, const struct addr *list, size_t n);
	/* The tracker at `by` sees us as `us` (BEP 24). May be NULL. */
	void (*seen_as)(void *user, const struct addr *by, const struct addr *us);
	/* Is this tracker told otherwise, so that it need not be asked? NULL: none is. Once that
	 * changes, announcer_resume(). */
	bool (*covered)(void *user, const char *url);
	/* Is this tracker of an index that the user named? The others are strangers: they name no
	 * peers nearer to us than they are (addr_may_name()). NULL: all are. */
	bool (*own)(void *user, const char *url);
	void *user;
};

struct announcer_status {
	uint32_t ok, failed;   /* announces answered, and not */
	struct err_info error; /* of the newest one */
	uint32_t peers;	       /* other peers in the newest reply */
};

int announcer_new(const struct announcer_params *p, struct announcer **out);
/* Cancels without a word; announcer_stop() first to say goodbye. */
void announcer_free(struct announcer *a);

void announcer_start(struct announcer *a);     /* event=started */
void announcer_completed(struct announcer *a); /* event=completed */
/* Peers are wanted: ask again, once the last answer is old enough (node/announce_pace.h). */
void announcer_more(struct announcer *a);
/* Those beyond our router reach us at another port: trackers there are told. */
void announcer_moved(struct announcer *a);
/* A tracker may not be covered any more. */
void announcer_resume(struct announcer *a);
/* A tracker that is covered has answered: as if it had been announced to, with so many peers. */
void announcer_answered(struct announcer *a, uint32_t n_peers);
/* The first of its trackers that is such a one; NULL: none is. Borrowed. */
const char *announcer_find(const struct announcer *a, bool (*is)(const void *user, const char *url),
			   const void *user);
/* These (NULL-ended) come before all others from now on, and hear event=started next. Not from one
 * of its callbacks. Returns 0 or ERR_NOMEM: nothing is changed. */
int announcer_lead(struct announcer *a, const char *const *trackers);
/* event=stopped to every tracker that has heard of us, when its turn comes; `done` once all have
 * answered or failed (at once when none has heard of us). */
void announcer_stop(struct announcer *a, void (*done)(void *user), void *user);
void announcer_status(const struct announcer *a, struct announcer_status *out);

#endif
