/* The queue of coming events, first by time, then by the order of scheduling. */
#include <stdlib.h>

#include "sim/net_impl.h"

#define CHUNK_EVENTS 64u

struct chunk {
	struct event list[CHUNK_EVENTS];
	struct chunk *next; /* all those behind the first are full */
};

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_push(struct heap *h, struct event e)
{
	size_t i = h->n++;

	if (i == h->cap) {
		h->cap = h->cap == 0 ? 1024 : h->cap * 2;
		h->list = realloc(h->list, h->cap * sizeof(*h->list));
		if (h->list == NULL)
			abort();
	}
	for (; i > 0 && before(&e, &h->list[(i - 1) / 2]); i = (i - 1) / 2)
		h->list[i] = h->list[(i - 1) / 2];
	h->list[i] = e;
}

static struct event heap_pop(struct heap *h)
{
	struct event top = h->list[0], last = h->list[--h->n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < h->n) {
		if (c + 1 < h->n && before(&h->list[c + 1], &h->list[c]))
			c++;
		if (!before(&h->list[c], &last))
			break;
		h->list[i] = h->list[c];
		i = c;
	}
	h->list[i] = last;
	return top;
}

void net_queue_init(struct queue *q)
{
	*q = (struct queue){0};
}

void net_queue_fini(struct queue *q)
{
	for (uint32_t i = 0; i <= QUEUE_SLOTS; i++) {
		struct chunk *c = i < QUEUE_SLOTS ? q->slots[i].first : q->spare;

		while (c != NULL) {
			struct chunk *next = c->next;

			free(c);
			c = next;
		}
	}
	free(q->now);
	free(q->added.list);
	free(q->far.list);
}

static void add_chunk(struct queue *q, size_t i)
{
	struct chunk *c = q->spare;

	if (c != NULL)
		q->spare = c->next;
	else
		c = malloc(sizeof(*c));
	if (c == NULL)
		abort();
	c->next = q->slots[i].first;
	q->slots[i].first = c;
	q->used[i / 64] |= (uint64_t)1 << (i % 64);
}

static void wheel_put(struct queue *q, uint64_t slot, const struct event *e)
{
	struct wheel_slot *w = &q->slots[slot % QUEUE_SLOTS];

	if (w->n % CHUNK_EVENTS == 0)
		add_chunk(q, slot % QUEUE_SLOTS);
	w->first->list[w->n++ % CHUNK_EVENTS] = *e;
	q->n_wheel++;
}

void net_schedule(struct net *n, struct event e)
{
	struct queue *q = &n->queue;
	uint64_t slot;

	e.order = q->orders++ & (UINT64_MAX >> 9);
	if (e.at_us < n->now_us)
		e.at_us = n->now_us;
	slot = e.at_us >> QUEUE_SLOT_BITS;
	if (slot <= q->slot)
		heap_push(&q->added, e);
	else if (slot - q->slot < QUEUE_SLOTS)
		wheel_put(q, slot, &e);
	else
		heap_push(&q->far, e);
}

/* The first slot of the wheel behind the present one that holds events. */
static uint64_t next_used(const struct queue *q)
{
	uint64_t slot = q->slot + 1;

	if (q->n_wheel == 0)
		return UINT64_MAX;
	for (;;) {
		size_t i = slot % QUEUE_SLOTS;
		uint64_t word = q->used[i / 64] >> (i % 64);

		if (word != 0)
			return slot + (uint64_t)__builtin_ctzll(word);
		slot += 64 - i % 64;
	}
}

/* How many of the slot's `n` events lie in the first of its chunks. */
static size_t in_first(size_t n)
{
	return n == 0 ? 0 : (n - 1) % CHUNK_EVENTS + 1;
}

/* Put the slot's events in order of time, those of the same time as they were scheduled. */
static void take_slot(struct queue *q, size_t i)
{
	uint32_t ends[1u << QUEUE_SLOT_BITS] = {0}, sum = 0;
	struct wheel_slot *w = &q->slots[i];
	size_t n = in_first(w->n);

	for (const struct chunk *c = w->first; c != NULL; c = c->next, n = CHUNK_EVENTS) {
		for (size_t k = 0; k < n; k++)
			ends[c->list[k].at_us % (1u << QUEUE_SLOT_BITS)]++;
	}
	for (uint32_t k = 0; k < 1u << QUEUE_SLOT_BITS; k++)
		ends[k] = sum += ends[k];
	if (w->n > q->now_cap) {
		free(q->now);
		q->now_cap = 2 * (size_t)w->n;
		q->now = malloc(q->now_cap * sizeof(*q->now));
		if (q->now == NULL)
			abort();
	}
	/* From the last to the first. */
	n = in_first(w->n);
	for (struct chunk *c = w->first; c != NULL; n = CHUNK_EVENTS) {
		struct chunk *next = c->next;

		while (n > 0) {
			const struct event *e = &c->list[--n];

			q->now[--ends[e->at_us % (1u << QUEUE_SLOT_BITS)]] = *e;
		}
		c->next = q->spare;
		q->spare = c;
		c = next;
	}
	q->n_now = w->n;
	q->at = 0;
	q->n_wheel -= w->n;
	*w = (struct wheel_slot){0};
	q->used[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* Make the next slot with events the present one, if it begins by `until_us`. Not further: what
 * is scheduled meanwhile would all have to go into the heap. */
static bool advance(struct queue *q, uint64_t until_us)
{
	uint64_t slot = next_used(q), far = UINT64_MAX;

	if (q->far.n > 0)
		far = q->far.list[0].at_us >> QUEUE_SLOT_BITS;
	if (far < slot)
		slot = far;
	if (slot > until_us >> QUEUE_SLOT_BITS)
		return false;
	q->slot = slot;
	take_slot(q, slot % QUEUE_SLOTS);
	while (q->far.n > 0 && q->far.list[0].at_us >> QUEUE_SLOT_BITS <= q->slot)
		heap_push(&q->added, heap_pop(&q->far));
	return true;
}

static bool is_empty(const struct queue *q)
{
	return q->at == q->n_now && q->added.n == 0;
}

/* Is the next one among those that were added to the present slot? */
static bool is_added(const struct queue *q)
{
	return q->added.n > 0 && (q->at == q->n_now || before(&q->added.list[0], &q->now[q->at]));
}

bool net_take(struct net *n, uint64_t until_us, struct event *out)
{
	struct queue *q = &n->queue;

	if (is_empty(q) && !advance(q, until_us))
		return false;
	if (is_added(q)) {
		if (q->added.list[0].at_us > until_us)
			return false;
		*out = heap_pop(&q->added);
		return true;
	}
	if (q->now[q->at].at_us > until_us)
		return false;
	*out = q->now[q->at++];
	net_look_ahead(n);
	return true;
}
