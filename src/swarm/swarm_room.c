/* Who makes room when there are more peers than may be. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* A peer neither of us wants anything from gives way to a new one after this long; so does one that
 * wants something, and takes nothing. */
#define BORED_MS 60000u
/* One host has no more places than that at the expense of others, who have less than half as many
 * (attack: one host that takes all places, with peers that say that they are interested). While
 * there is room it may have all: many are behind one router. */
#define HOST_PLACES 2u
/* Who asks for nothing as often as that when it is unchoked may have to go. Getters ask within a
 * round trip. */
#define IN_VAIN_TURNS 2u

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

		if (p->source || priority >= lowest || t->now_ms - p->gave_ms < SWARM_GENEROUS_MS ||
		    rate_bps(&p->up, t->now_ms) > 0)
			continue;
		lowest = priority;
		worst = p;
	}
	return worst;
}

static bool is_of(const struct peer *p, const struct addr *host)
{
	struct addr own = addrbook_host(&p->addr);

	return addr_eq(&own, host);
}

/* With whom the least is traded, or of those the one that came last; of silent guests or those of
 * one host, if that is said. */
static struct peer *least_traded(const struct turn *t, bool guests, const struct addr *host)
{
	struct peer *p, *worst = NULL;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint64_t bps = rate_bps(&p->down, t->now_ms) + rate_bps(&p->up, t->now_ms);

		if (p->source || (guests && !swarm_is_silent_guest(t, p)) ||
		    (host != NULL && !is_of(p, host)) || bps > least ||
		    (bps == least && p->connected_ms <= worst->connected_ms))
			continue;
		least = bps;
		worst = p;
	}
	return worst;
}

/* ---- one host ----------------------------------------------------------------- */

static int by_host(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

/* The host with the most peers, and how many these are; 0 without memory. */
static uint32_t find_crowd(const struct swarm *s, struct addr *host)
{
	struct addr *list = malloc((s->n_peers + 1) * sizeof(*list));
	uint32_t n = 0, most = 0;
	struct peer *p;

	for (uint32_t i = 0; list != NULL && (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!p->source)
			list[n++] = addrbook_host(&p->addr);
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), by_host);
	for (uint32_t i = 0, from = 0; i < n; i++) {
		if (!addr_eq(&list[i], &list[from]))
			from = i;
		if (i - from + 1 > most) {
			most = i - from + 1;
			*host = list[i];
		}
	}
	free(list);
	return most;
}

/* One of the host with the most peers, when these are more than twice as many as the newcomer's
 * host has. */
static struct peer *one_of_crowd(const struct turn *t, const struct addr *newcomer)
{
	struct addr host = {0}, own = addrbook_host(newcomer);
	uint32_t most = find_crowd(t->s, &host), ours = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		ours += !p->source && is_of(p, &own);
	return most > HOST_PLACES && most > 2 * ours ? least_traded(t, false, &host) : NULL;
}

/* ---- who takes nothing ---------------------------------------------------------- */

static bool is_in_vain(const struct turn *t, const struct peer *p)
{
	if (p->source || t->now_ms - p->gave_ms < SWARM_GENEROUS_MS)
		return false;
	if (p->stalled)
		return t->now_ms - p->took_ms >= BORED_MS;
	return p->up_bytes == 0 && p->idle_turns >= IN_VAIN_TURNS &&
	       t->now_ms - p->connected_ms >= BORED_MS;
}

/* The one that came first of those who were unchoked again and again, or sent something, and take
 * nothing (attack: interested peers from many hosts that take all places). */
static struct peer *served_in_vain(const struct turn *t)
{
	struct peer *p, *worst = NULL;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (is_in_vain(t, p) && (worst == NULL || p->connected_ms < worst->connected_ms))
			worst = p;
	}
	return worst;
}

/* ---- a newcomer ----------------------------------------------------------------- */

/* We would not have dialled if there were not too many of those. */
static struct peer *spare_guest(const struct turn *t)
{
	uint32_t n = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		n += swarm_is_silent_guest(t, p);
	return n > swarm_silent_guests_most(t->s) ? least_traded(t, true, NULL) : NULL;
}

bool swarm_make_room(struct turn *t, const struct peer_hello *h)
{
	struct peer *leaves = most_bored(t);

	if (leaves == NULL)
		leaves = one_of_crowd(t, &h->addr);
	if (leaves == NULL && !h->incoming)
		leaves = spare_guest(t);
	if (leaves == NULL)
		leaves = served_in_vain(t);
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

		swarm_drop(t, leaves != NULL ? leaves : least_traded(t, false, NULL),
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
