/* node/external.h - how the world sees us: the one place that decides it. Pure.
 *
 * Trackers (BEP 24), indexes in their live sessions, and peers (BEP 10 "yourip") each have a voice,
 * which any of them may use to lie: so one alone is never believed. Nodes of the distributed hash
 * table vote among themselves (BEP 42, dht/dht.h) and are many, so their verdict goes before; what
 * our router says of itself comes last, as there may be another one behind it. */
#ifndef SHOAL_NODE_EXTERNAL_H
#define SHOAL_NODE_EXTERNAL_H

#include "base/addr_votes.h"

/* So many voices from different providers' networks, and more than half of all. */
#define EXTERNAL_VOTES_NEEDED 2u

enum external_source { EXTERNAL_NOBODY, EXTERNAL_ROUTER, EXTERNAL_VOTES, EXTERNAL_DHT };

/* Zeroed is a good start. */
struct external {
	struct addr_votes votes[2]; /* [v6] */
	enum external_source source[2];
	struct addr address[2]; /* port 0 */
};

/* Each returns true when what we believe has changed. */
/* A tracker, an index or a peer at `voter` sees us as `seen`. */
bool external_on_vote(struct external *e, const struct addr *voter, const struct addr *seen);
/* The verdict of a source that decides for itself. */
bool external_on_verdict(struct external *e, enum external_source source, const struct addr *seen);
/* Port 0; NULL: not known. */
const struct addr *external_address(const struct external *e, bool v6);
const char *external_source_text(enum external_source source);

#endif
