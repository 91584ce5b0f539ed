/* swarm/effects.h - what a decision wants done, as a list of values. */
#ifndef SHOAL_SWARM_EFFECTS_H
#define SHOAL_SWARM_EFFECTS_H

#include "base/addr.h"
#include "wire/msg.h"

/* A handle to a peer of one swarm. A stale one (slot reused) finds nothing. */
struct peer_ref {
	uint32_t slot, gen;
};
static inline bool peer_ref_eq(struct peer_ref a, struct peer_ref b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

enum effect_type {
	EFFECT_SEND,	     /* encode `msg` to `peer`, in order */
	EFFECT_UPLOAD,	     /* `peer` has blocks waiting: pull them with swarm_next_upload()
				whenever its socket takes more, until that answers false */
	EFFECT_CLOSE,	     /* close the connection to `peer`; `reason` says why. The peer is
				forgotten already: no swarm_on_closed() for it */
	EFFECT_BAN,	     /* `addr` was proven to be hostile: swarm_is_banned() from now on */
	EFFECT_DIAL,	     /* connect to `addr`; ends in swarm_on_connected(),
				swarm_on_dial_failed(), swarm_on_hung_up() or
				swarm_on_not_dialled() */
	EFFECT_PUNCH,	     /* dial `addr` over uTP at once, as a common peer says that it dials us
				(BEP 55), or an index (`peer` finds nobody); not when it is in a private
				network that we have no part in. Ends in swarm_on_connected() or in
				nothing
			      */
	EFFECT_SEEN_AS,	     /* `peer` says that our address is `addr`, port 0 */
	EFFECT_VERIFY,	     /* every block of `piece` was received: check it on disk and
				answer with swarm_on_piece() */
	EFFECT_SERVE_HASHES, /* `peer` asks in `msg.hash` for hashes below the piece layer:
			    compute them from a piece we have, answer with HASHES or
			    HASH_REJECT to the peer */
	EFFECT_READ_HASHES,  /* hash the blocks of `piece` as they lie on disk: answer with
				swarm_on_disk_hashes() */
	EFFECT_FETCH,	     /* what the source `peer` shall bring has changed:
				swarm_expected() has it */
	EFFECT_WANT_PEERS,   /* an announce would help now */
	EFFECT_COMPLETE,     /* the last wanted piece was found good */
};

struct effect {
	enum effect_type type;
	struct peer_ref peer;
	union {
		struct wire_msg msg; /* msg.body borrows from the swarm until its next call */
		struct addr addr;
		uint32_t piece;
	} u;
	const char *reason; /* CLOSE, BAN: a static English clause */
};

/* Owned by the caller, who empties it after performing what it holds. */
struct effects {
	struct effect *list;
	size_t n;
	uint32_t cap;
	bool failed; /* memory ran out: the swarm is consistent, something was not said;
			close the torrent */
};

void effects_init(struct effects *fx);
void effects_fini(struct effects *fx);
static inline void effects_clear(struct effects *fx)
{
	fx->n = 0;
}
/* A zeroed slot at the end, or NULL (then fx->failed). */
struct effect *effects_add(struct effects *fx, enum effect_type type, struct peer_ref peer);

#endif
