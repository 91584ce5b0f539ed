#include "node/external.h"

static bool believe(struct external *e, enum external_source source, const struct addr *seen)
{
	struct addr host = *seen;
	bool v6 = seen->v6 != 0, changed;

	if (source < e->source[v6])
		return false;
	host.port = 0;
	changed = e->source[v6] == EXTERNAL_NOBODY || !addr_eq(&e->address[v6], &host);
	e->source[v6] = source;
	e->address[v6] = host;
	return changed;
}

bool external_on_vote(struct external *e, const struct addr *voter, const struct addr *seen)
{
	struct addr_votes *v = &e->votes[voter->v6];

	return addr_votes_add(v, voter, seen) && addr_votes_agree(v, seen, EXTERNAL_VOTES_NEEDED) &&
	       believe(e, EXTERNAL_VOTES, seen);
}

bool external_on_verdict(struct external *e, enum external_source source, const struct addr *seen)
{
	return addr_scope(seen) == ADDR_PUBLIC && believe(e, source, seen);
}

const struct addr *external_address(const struct external *e, bool v6)
{
	return e->source[v6] == EXTERNAL_NOBODY ? NULL : &e->address[v6];
}

const char *external_source_text(enum external_source source)
{
	static const char *const words[] = {[EXTERNAL_NOBODY] = "nobody",
					    [EXTERNAL_ROUTER] = "router",
					    [EXTERNAL_VOTES] = "trackers and peers",
					    [EXTERNAL_DHT] = "dht"};

	return words[source];
}
