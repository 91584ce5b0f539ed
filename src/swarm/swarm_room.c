/* Who makes room when there are more peers than may be. */
#include "swarm/swarm_parts.h"

/* A peer neither of us wants anything from gives way to a new one after this long. */
#define BORED_MS 60000u

/* The one that has been of no interest for longest; NULL when all are of some. */
static struct peer *most_bored(const struct turn *t)
{
	struct peer *p, *best = NULL;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (p->source || p->am_interested || p->is_interested ||
		    t->now_ms - p->idle_ms < BORED_MS)
			continue;
		if (best == NULL || p->idle_ms < best->idle_ms)
			best = p;
	}
	return best;
}

/* All places are taken, and nobody is bored: the one of lowest priority, lower than the newcomer's,
 * who neither gave nor got anything of late (attack: addresses chosen for their priority push out
 * those who serve us). Both ends of a connection see its priority alike, so that it is made again
 * by neither; and places are found by newcomers of a crowd that is connected among itself.
 * Source: BEP 40. */
static struct peer *least_wanted(const struct turn *t, const struct addr *newcomer)
{
	uint32_t lowest = addrbook_priority(&t->s->book, newcomer);
	struct peer *p, *worst = NULL;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint32_t priority = addrbook_priority(&t->s->book, &p->addr);

		if (p->source || priority >= lowest ||
		    t->now_ms - p->given_ms < SWARM_GENEROUS_MS || rate_bps(&p->up, t->now_ms) > 0)
			continue;
		lowest = priority;
		worst = p;
	}
	return worst;
}

/* With whom the least is traded, or of those the one that came last; `guests`: of silent ones. */
static struct peer *least_traded(const struct turn *t, bool guests)
{
	struct peer *p, *worst = NULL;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint64_t bps = rate_bps(&p->down, t->now_ms) + rate_bps(&p->up, t->now_ms);

		if (p->source || (guests && !swarm_is_silent_guest(t, p)) || bps > least ||
		    (bps == least && p->connected_ms <= worst->connected_ms))
			continue;
		least = bps;
		worst = p;
	}
	return worst;
}

/* We would not have dialled if there were not too many of those. */
static struct peer *spare_guest(const struct turn *t)
{
	uint32_t n = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		n += swarm_is_silent_guest(t, p);
	return n > swarm_silent_guests_most(t->s) ? least_traded(t, true) : NULL;
}

bool swarm_make_room(struct turn *t, const struct peer_hello *h)
{
	struct peer *leaves = most_bored(t);

	if (leaves == NULL && !h->incoming)
		leaves = spare_guest(t);
	if (leaves == NULL)
		leaves = least_wanted(t, &h->addr);
	if (leaves != NULL)
		swarm_drop(t, leaves, "gives way to another peer");
	return leaves != NULL;
}

/* ---- fewer places ----------------------------------------------------------- */

uint32_t swarm_peers_limit(uint32_t asked)
{
	if (asked == 0)
		return SWARM_PEERS_DEFAULT;
	return asked < SWARM_PEERS_MAX ? asked : SWARM_PEERS_MAX;
}

static void shed(struct turn *t, uint32_t keep)
{
	while (t->s->n_peers - t->s->n_sources > keep) {
		struct peer *leaves = most_bored(t);

		swarm_drop(t, leaves != NULL ? leaves : least_traded(t, false),
			   "there may be fewer connections now");
	}
}

void swarm_shed(struct swarm *s, uint32_t keep, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	shed(&t, keep);
	swarm_settle(&t);
}

void swarm_set_max_peers(struct swarm *s, uint32_t max_peers, uint64_t now_ms, struct effects *fx)
{
	s->max_peers = swarm_peers_limit(max_peers);
	swarm_shed(s, s->max_peers, now_ms, fx);
}
