/* The queue of coming events: a binary heap, first by time, then by the order of scheduling. */
#include <stdlib.h>

#include "sim/net_impl.h"

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

void net_schedule(struct net *n, struct event e)
{
	size_t i = n->n_heap;

	if (n->n_heap == n->heap_cap) {
		n->heap_cap = n->heap_cap == 0 ? 256 : n->heap_cap * 2;
		n->heap = realloc(n->heap, n->heap_cap * sizeof(*n->heap));
		if (n->heap == NULL)
			abort();
	}
	e.order = n->orders++;
	if (e.at_us < n->now_us)
		e.at_us = n->now_us;
	n->heap[n->n_heap++] = e;
	for (; i > 0 && before(&n->heap[i], &n->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&n->heap[i], &n->heap[(i - 1) / 2]);
}

bool net_take(struct net *n, struct event *out)
{
	size_t i = 0;

	if (n->n_heap == 0)
		return false;
	*out = n->heap[0];
	n->heap[0] = n->heap[--n->n_heap];
	for (;;) {
		size_t least = i;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n->n_heap; c++) {
			if (before(&n->heap[c], &n->heap[least]))
				least = c;
		}
		if (least == i)
			return true;
		swap(&n->heap[i], &n->heap[least]);
		i = least;
	}
}
