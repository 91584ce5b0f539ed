/* swarm/peer.h - what a swarm knows of one connected peer. */
#ifndef SHOAL_SWARM_PEER_H
#define SHOAL_SWARM_PEER_H

#include "swarm/holepunch.h"
#include "swarm/picker.h"
#include "swarm/pipeline.h"
#include "swarm/rate.h"
#include "swarm/requests.h"
#include "swarm/swarm.h"

/* Allowed-fast pieces of one peer that we remember (attack: endless lists). */
#define PEER_ALLOWED_MAX 64u
/* Bad requests that we reject before we close (attack: rejects without end). */
#define PEER_BAD_REQUESTS_MAX 500u
/* Pieces suggested to a peer that it has not begun to ask for. With more a seed that is faster than
 * its getters holds the last ones of the first copy back: one that left after 1.1 copies left 1 to
 * 5 pieces behind with 4 to 8 here, none with 2 or 3. */
#define PEER_OFFERED_MAX 2u

/* Pieces of the info dictionary that a peer gets (attack: small requests for 16 KiB each, O-20): so
 * many at once, so many a second after that, and all of them so many times. */
#define PEER_METADATA_BURST 64u
#define PEER_METADATA_A_SECOND 64u
#define PEER_METADATA_TIMES 3u
/* Requests beyond that which are refused before we close. */
#define PEER_METADATA_REFUSED_MAX 500u

/* How often one that has everything may take a piece back, for which it is given a bitfield of its
 * own (attack: DONTHAVE and HAVE in turns): so many times at once, and one more each so often. */
#define PEER_LOSSES_BURST 16u
#define PEER_LOSSES_MS 60000u

/* What messages and blocks look at comes first, in as few cache lines as may be: a busy swarm has
 * many peers, and waits for memory more than for anything else. */
#define PEER_LINE_BYTES 64u

struct peer {
	/* Any message. */
	_Alignas(PEER_LINE_BYTES) struct peer_ref ref;
	uint32_t wanted; /* pieces it has and we lack */
	bool source;	 /* a web server: gives, and is not talked with */
	bool incoming, utp, fast, extended, v2, shoal, upload_only;
	bool am_choked, am_interested, is_choked, is_interested;
	bool invited; /* unchoked, and was not interested since */
	bool far;     /* others answer many times sooner */
	bool spare;   /* far, and enough others of those are asked */
	bool is_near; /* counted as a near one that gives */
	bool snubbed; /* our requests went unanswered for too long */
	bool stalled; /* takes nothing of what the system holds for it */
	bool told;    /* bitfield, have all, have none or a HAVE was seen */
	bool has_all;
	bool pex_heard;
	uint8_t donthave_id; /* its number for that extension message, 0 none */
	uint8_t pex_id, metadata_id, holepunch_id;
	struct bitfield has; /* without memory while it has all or nothing */
	uint64_t heard_ms, spoke_ms;

	/* What we ask of it. */
	uint64_t hold_until_ms;	 /* nothing is asked before */
	uint32_t n_live, n_late; /* of `asks`; the rest are ghosts */
	uint32_t n_allowed;
	uint32_t reqq;
	struct asker asker;
	struct pipeline pipe;
	struct requests asks;
	struct rate down;
	uint64_t down_bytes;
	uint64_t gave_ms;     /* its last payload, or when it came */
	uint64_t chosen_ms;   /* far: among those that are asked since, 0 never */
	uint64_t progress_ms; /* payload came, or was first waited for */
	uint32_t rtt_us;
	uint32_t partial;    /* bytes of an unfinished block, counted already */
	uint32_t answer_ms;  /* from request to block, smoothed; 0 unknown */
	uint32_t rejects;    /* since the last block */
	uint32_t run_bytes;  /* see swarm_run_bytes() */
	uint64_t endgame_ms; /* no other peer's blocks are looked at before */

	/* What it asks of us. */
	struct requests queue;
	struct rate up;
	uint64_t up_bytes;
	uint64_t given_bytes; /* of blocks that were taken from its queue */
	uint64_t took_ms;     /* payload left for it, or arrived there, last */
	uint32_t idle_turns;  /* unchoked in vain, so often in a row */
	uint32_t bad_requests;
	uint32_t asked_piece; /* of its last request */
	uint32_t offered[PEER_OFFERED_MAX], n_offered;
	uint32_t n_given, n_passed; /* pieces it had from us first; of them others have */
	uint32_t n_first;	    /* that are given_to it */
	uint32_t *giving; /* of them those on their way, and some that were; no memory yet */
	uint32_t n_giving, giving_cap;
	bool gives_many;     /* not all of them are listed */
	uint64_t turn_bytes; /* of up_bytes, before it was unchoked last */
	uint64_t choke_ms;   /* of the last change of is_choked */
	uint64_t idle_ms;    /* since when nobody is interested */
	uint64_t connected_ms;

	uint64_t hash_second; /* one more than that in which it last asked us for hashes */

	/* Leaf hashes we asked it for. */
	uint32_t leaf_piece; /* PICKER_NONE: none */
	uint64_t leaf_until_ms;
	uint64_t leaf_refused_ms; /* 0 never */
	uint32_t stale_asks;	  /* of them for stale pieces */
	uint32_t stale_rejects;	  /* since the last answer */
	uint64_t stale_hold_ms;	  /* none before */
	uint32_t stale_dry;	  /* it has none to ask about while `stale` is at this version */

	/* Metadata that it had, and did not get. */
	uint32_t metadata_served, metadata_refused;
	uint32_t metadata_spent; /* of its burst, as of: */
	uint64_t metadata_ms;

	/* Hole punching: what it may have us do. */
	struct allowance relays, heed;

	struct allowance losses; /* see PEER_LOSSES_BURST */

	/* Peer exchange. */
	uint64_t pex_due_ms, pex_heard_ms;
	struct addr *pex_told; /* SWARM_PEX_TOLD_MAX; NULL before the first message */
	uint32_t n_pex_told;

	struct addr addr;   /* remote end of the socket */
	struct addr listen; /* where it takes connections; port 0 unknown */
	uint8_t peer_id[20];
	char client[64];
	uint32_t allowed[PEER_ALLOWED_MAX];
};

struct peer *peer_new(const struct peer_hello *h, struct peer_ref ref, uint64_t now_ms);
void peer_free(struct peer *p);

static inline bool peer_has(const struct peer *p, uint32_t piece)
{
	return p->has_all || (p->has.bits != NULL && bitfield_has(&p->has, piece));
}
uint32_t peer_have_count(const struct peer *p, uint32_t n_pieces);

/* When would a block come that is asked for behind `ahead` others? Milliseconds. */
uint64_t peer_eta_ms(const struct peer *p, uint32_t ahead, uint64_t now_ms);
/* How long may it be silent before its requests are given to others? */
uint64_t peer_patience_ms(const struct peer *p);
void peer_note_answer(struct peer *p, uint64_t took_ms);

#endif
