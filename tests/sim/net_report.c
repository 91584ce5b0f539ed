#include "sim/net_report.h"

#include <stdlib.h>

#include "sim/net_impl.h"

double net_quantile(const double *sorted, uint32_t n, double q)
{
	uint32_t at = (uint32_t)(q * n);

	if (n == 0)
		return 0;
	return sorted[at < n ? at : n - 1];
}

double net_jain(const double *list, uint32_t n)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += list[i];
		squares += list[i] * list[i];
	}
	return squares > 0 ? sum * sum / (n * squares) : 1;
}

int net_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool is_getter(const struct node *k)
{
	return k->kind == NODE_HONEST && !k->spec.seed && k->up;
}

static void add_bytes(const struct net *n, uint32_t node, uint64_t *down, uint64_t *wasted)
{
	uint64_t d, w;

	net_node_bytes(n, node, &d, &w);
	*down += d;
	*wasted += w;
}

void net_report(const struct net *n, const struct metainfo *meta, uint32_t origin,
		struct net_report *out)
{
	double *up = calloc(n->n_nodes + 1, sizeof(*up));
	uint64_t down = 0, wasted = 0;
	double bytes = (double)meta->total_bytes;

	*out = (struct net_report){.done_s = calloc(n->n_nodes + 1, sizeof(*out->done_s))};
	if (up == NULL || out->done_s == NULL)
		abort();
	for (uint32_t i = 0; i < n->n_nodes; i++) {
		const struct node *k = &n->nodes[i];

		if (k->kind == NODE_HONEST)
			add_bytes(n, i, &down, &wasted);
		if (!is_getter(k))
			continue;
		up[out->getters++] = (double)k->sent_bytes;
		if (k->done_ms != UINT64_MAX)
			out->done_s[out->finished++] = (double)(k->done_ms - k->came_ms) / 1000;
	}
	qsort(out->done_s, out->finished, sizeof(*out->done_s), net_order);
	out->p50_s = net_quantile(out->done_s, out->finished, 0.5);
	out->p99_s = net_quantile(out->done_s, out->finished, 0.99);
	out->last_s = net_quantile(out->done_s, out->finished, 1);
	out->wasted = down > 0 ? (double)wasted / (double)down : 0;
	out->origin_copies = (double)n->nodes[origin].sent_bytes / bytes;
	out->jain_up = net_jain(up, out->getters);
	out->jain_done = net_jain(out->done_s, out->finished);
	out->cross_copies = (double)n->stats.cross_bytes / bytes;
	out->honest_bans = n->stats.honest_bans;
	out->bans = n->stats.bans;
	out->events = n->stats.events;
	out->trace = n->trace;
	free(up);
}

void net_report_fini(struct net_report *r)
{
	free(r->done_s);
	*r = (struct net_report){0};
}
