/* Room for one more connection, and who makes way for it. */
#include "node/link.h"
#include "swarm/addrbook.h"

/* One host has no more connections than that at the expense of others, who have less than half as
 * many (attack: one host that takes all places, a few in each of many torrents). While there is
 * room it may have all. */
#define HOST_LINKS 16u

/* ---- counting -------------------------------------------------------------------- */

/* Several hosts may share a cell, which is looked at more closely before anybody makes way. */
static uint32_t cell_of(const struct node *n, const struct addr *a)
{
	struct addr host = addrbook_host(a);

	return (uint32_t)siphash(n->by_hash.key, bytes_of(&host, sizeof(host))) % NODE_HOST_CELLS;
}

void link_count_host(struct link *l, bool in)
{
	struct node *n = l->node;

	if (in) {
		l->host_cell = cell_of(n, &l->addr);
		n->host_links[l->host_cell]++;
	} else if (l->evicted) {
		n->n_evicted--;
	} else {
		n->host_links[l->host_cell]--;
	}
}

/* ---- who makes way --------------------------------------------------------------- */

static bool is_crowd(uint32_t theirs, uint32_t ours)
{
	return theirs > HOST_LINKS && theirs > 2 * ours;
}

static bool is_in(const struct link *l, uint32_t cell)
{
	return l->host_cell == cell && !l->evicted;
}

/* The host with more than half of the cell's connections, if there is one. */
static struct addr find_majority(const struct node *n, uint32_t cell)
{
	struct addr most = {0};
	uint32_t votes = 0;

	for (const struct link *l = n->links; l != NULL; l = l->next) {
		struct addr host;

		if (!is_in(l, cell))
			continue;
		host = addrbook_host(&l->addr);
		if (votes == 0)
			most = host;
		votes += votes == 0 || addr_eq(&host, &most) ? 1u : UINT32_MAX;
	}
	return most;
}

/* Of the host with most connections the one that nothing was sent to for longest; NULL: none has so
 * many more than the newcomer's. */
static struct link *one_of_crowd(struct node *n, const struct addr *newcomer)
{
	uint32_t ours = n->host_links[cell_of(n, newcomer)], theirs = 0, cell = 0;
	struct link *idle = NULL;
	struct addr most;

	for (uint32_t i = 1; i < NODE_HOST_CELLS; i++)
		if (n->host_links[i] > n->host_links[cell])
			cell = i;
	if (!is_crowd(n->host_links[cell], ours))
		return NULL;
	most = find_majority(n, cell);
	for (struct link *l = n->links; l != NULL; l = l->next) {
		struct addr host;

		if (!is_in(l, cell))
			continue;
		host = addrbook_host(&l->addr);
		if (!addr_eq(&host, &most))
			continue;
		theirs++;
		if (idle == NULL || l->wrote_ms < idle->wrote_ms)
			idle = l;
	}
	return is_crowd(theirs, ours) ? idle : NULL;
}

/* Of those that we only serve the one that nothing was sent to for longest; NULL: there is none. */
static struct link *idlest_served(struct node *n)
{
	struct link *idle = NULL;

	for (struct link *l = n->links; l != NULL; l = l->next) {
		if (l->state != LINK_OPEN || l->evicted || !l->t->complete)
			continue;
		if (idle == NULL || l->wrote_ms < idle->wrote_ms)
			idle = l;
	}
	return idle;
}

/* The place is free at once. The swarm is told later, as it may be in the middle of something. */
static void evict(struct link *l)
{
	link_count_host(l, false);
	l->evicted = true;
	l->node->n_evicted++;
}

bool link_make_room(struct node *n, const struct addr *newcomer)
{
	struct link *leaves;

	if (!node_has_place(n) && n->oldest_stranger != NULL)
		link_close(n->oldest_stranger, NULL);
	if (!node_has_place(n) && (leaves = one_of_crowd(n, newcomer)) != NULL)
		evict(leaves);
	return node_has_place(n);
}

bool link_take_room(struct node *n, const struct addr *newcomer)
{
	struct link *leaves;

	if (!link_make_room(n, newcomer) && (leaves = idlest_served(n)) != NULL)
		evict(leaves);
	return node_has_place(n);
}

/* Has it few, those that are being made included, and have all downloads together taken no more
 * places of others than they may? */
static bool may_take(const struct transfer *t)
{
	const struct node *n = t->node;
	uint32_t own = 0, taken = 0;

	for (const struct link *l = n->links; l != NULL; l = l->next) {
		own += l->t == t && !l->evicted;
		taken += l->took && !l->t->complete;
	}
	return own < LINK_FEW && taken <= n->quota.max_peers / 4;
}

bool link_room_for(struct transfer *t, const struct addr *to, bool *took)
{
	struct node *n = t->node;

	*took = false;
	if (link_make_room(n, to))
		return true;
	*took = !t->complete && may_take(t) && link_take_room(n, to);
	return *took;
}

void links_evict(struct node *n)
{
	while (n->n_evicted > 0) {
		struct link *l = n->links;

		while (!l->evicted)
			l = l->next;
		link_lost(l, "makes way for another connection");
	}
}
