/* node/node_external.c - how the world sees this node: who says so, and who is told. */
#include "node/link.h"
#include "node/metadata_fetch_impl.h"

static void tell_external(struct node *n, const struct addr *us)
{
	char text[ADDR_TEXT_MAX];

	node_log(n, "the world sees us at %s, says %s", addr_host_text(text, us),
		 external_source_text(n->external.source[us->v6]));
	for (uint32_t i = 0; i < n->n_transfers; i++)
		swarm_set_self(n->transfers[i]->swarm, us);
}

static void tell_outer_port(struct node *n, uint16_t port)
{
	n->outer_port = port;
	for (uint32_t i = 0; i < n->n_transfers; i++) {
		struct transfer *t = n->transfers[i];

		swarm_set_outer_port(t->swarm, port, transfer_now_ms(t), &t->fx);
		transfer_perform(t);
		announcer_moved(t->announcer);
	}
	for (struct metadata_fetch *f = n->fetches; f != NULL; f = f->next)
		announcer_moved(f->announcer);
	if (n->dht != NULL)
		node_dht_moved(n->dht);
}

/* Indexes are told by their sessions, which look themselves. */
static void tell_outer_udp_port(struct node *n, uint16_t port)
{
	n->outer_udp_port = port;
	for (struct link *l = n->links; l != NULL; l = l->next)
		link_say_dht_port(l);
}

void node_on_seen_as(struct node *n, const struct addr *by, const struct addr *us)
{
	if (external_on_vote(&n->external, by, us))
		tell_external(n, external_address(&n->external, us->v6 != 0));
}

void node_hear_verdicts(struct node *n)
{
	const struct portmap_state *r = node_reach(n);
	uint16_t outer = n->reach == NULL ? 0 : reach_outer_port(n->reach);
	uint16_t outer_udp = n->reach == NULL ? 0 : reach_outer_udp_port(n->reach);
	struct addr us;

	if (outer != n->outer_port)
		tell_outer_port(n, outer);
	if (outer_udp != n->outer_udp_port)
		tell_outer_udp_port(n, outer_udp);
	for (int v6 = 0; v6 < 2; v6++)
		if (node_dht(n) != NULL && dht_shell_address(node_dht(n), v6 != 0, &us) &&
		    external_on_verdict(&n->external, EXTERNAL_DHT, &us))
			tell_external(n, external_address(&n->external, v6 != 0));
	if (r != NULL && r->method != PORTMAP_NONE &&
	    external_on_verdict(&n->external, EXTERNAL_ROUTER, &r->external))
		tell_external(n, external_address(&n->external, r->external.v6 != 0));
}

void node_on_index_sees_us(void *user, const struct addr *by, const struct addr *us)
{
	node_on_seen_as(user, by, us);
}

const char *node_external(const struct node *n, bool v6, struct addr *out)
{
	const struct addr *us = external_address(&n->external, v6);

	if (us == NULL)
		return NULL;
	*out = *us;
	return external_source_text(n->external.source[v6]);
}
