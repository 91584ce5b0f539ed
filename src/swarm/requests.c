#include "swarm/requests.h"

#include <stdlib.h>

#define REQUESTS_FIRST 16u

static uint32_t chain_of(const struct requests *r, uint32_t piece, uint32_t begin)
{
	uint64_t h = ((uint64_t)piece << 32 | begin) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(h >> 32) & (r->cap - 1);
}

static void link_entry(struct requests *r, uint32_t at)
{
	struct request *q = &r->ring[at];
	uint32_t c = chain_of(r, q->piece, q->begin);

	q->next = r->heads[c];
	r->heads[c] = at + 1;
}

/* Move the entries to the front of `ring` (may be the old one) and chain them anew. */
static void squeeze(struct requests *r, struct request *ring, uint32_t *heads, uint32_t cap)
{
	struct request *old = r->ring;
	uint32_t mask = r->cap - 1, to = r->first;

	for (uint32_t i = r->first; i != r->end; i++) {
		struct request q = old[i & mask];

		if (q.state != REQUEST_NONE)
			ring[to++ & (cap - 1)] = q;
	}
	r->end = to;
	r->ring = ring;
	r->heads = heads;
	r->cap = cap;
	memset(heads, 0, cap * sizeof(*heads));
	for (uint32_t i = r->first; i != r->end; i++)
		link_entry(r, i & (cap - 1));
}

static int make_room(struct requests *r)
{
	uint32_t cap = r->cap == 0 ? REQUESTS_FIRST : r->cap * 2;
	struct request *ring;
	uint32_t *heads;

	if (r->cap > 0 && r->n <= r->cap / 2) {
		squeeze(r, r->ring, r->heads, r->cap);
		return 0;
	}
	if (cap > REQUESTS_MAX) {
		if (r->n == r->cap)
			return ERR_TOO_BIG;
		squeeze(r, r->ring, r->heads, r->cap);
		return 0;
	}
	ring = malloc(cap * sizeof(*ring));
	heads = malloc(cap * sizeof(*heads));
	if (ring == NULL || heads == NULL) {
		free(ring);
		free(heads);
		return ERR_NOMEM;
	}
	struct request *old_ring = r->ring;
	uint32_t *old_heads = r->heads;

	squeeze(r, ring, heads, cap);
	free(old_ring);
	free(old_heads);
	return 0;
}

void requests_fini(struct requests *r)
{
	free(r->ring);
	free(r->heads);
	*r = (struct requests){0};
}

void requests_clear(struct requests *r)
{
	if (r->cap > REQUESTS_KEEP)
		requests_fini(r);
	r->first = r->end = r->n = 0;
	if (r->cap > 0)
		memset(r->heads, 0, r->cap * sizeof(*r->heads));
}

struct request *requests_add(struct requests *r, uint32_t piece, uint32_t begin, uint32_t length,
			     uint64_t now_ms)
{
	struct request *q;
	uint32_t at;

	if (r->end - r->first == r->cap && make_room(r) < 0)
		return NULL;
	at = r->end++ & (r->cap - 1);
	q = &r->ring[at];
	*q = (struct request){.piece = piece,
			      .begin = begin,
			      .length = length,
			      .asked_ms = now_ms,
			      .state = REQUEST_LIVE};
	link_entry(r, at);
	r->n++;
	return q;
}

struct request *requests_find(const struct requests *r, uint32_t piece, uint32_t begin)
{
	uint32_t at;

	if (r->n == 0)
		return NULL;
	at = r->heads[chain_of(r, piece, begin)];
	while (at != 0) {
		struct request *q = &r->ring[at - 1];

		if (q->piece == piece && q->begin == begin)
			return q;
		at = q->next;
	}
	return NULL;
}

void requests_remove(struct requests *r, struct request *q)
{
	uint32_t at = (uint32_t)(q - r->ring), mask = r->cap - 1;
	uint32_t *link = &r->heads[chain_of(r, q->piece, q->begin)];

	while (*link != at + 1) {
		assert(*link != 0);
		link = &r->ring[*link - 1].next;
	}
	*link = q->next;
	q->state = REQUEST_NONE;
	r->n--;
	while (r->first != r->end && r->ring[r->first & mask].state == REQUEST_NONE)
		r->first++;
	while (r->first != r->end && r->ring[(r->end - 1) & mask].state == REQUEST_NONE)
		r->end--;
}

struct request *requests_next(const struct requests *r, const struct request *q)
{
	uint32_t mask = r->cap - 1, i = r->first;

	if (q != NULL)
		i += (((uint32_t)(q - r->ring) - r->first) & mask) + 1;
	for (; (int32_t)(r->end - i) > 0; i++) {
		if (r->ring[i & mask].state != REQUEST_NONE)
			return &r->ring[i & mask];
	}
	return NULL;
}

struct request *requests_prev(const struct requests *r, const struct request *q)
{
	uint32_t mask = r->cap - 1, i = r->end;

	if (q != NULL)
		i = r->first + (((uint32_t)(q - r->ring) - r->first) & mask);
	for (; (int32_t)(i - r->first) > 0; i--) {
		if (r->ring[(i - 1) & mask].state != REQUEST_NONE)
			return &r->ring[(i - 1) & mask];
	}
	return NULL;
}

void requests_check(const struct requests *r)
{
	uint32_t n = 0;

	assert(r->end - r->first <= r->cap && r->cap <= REQUESTS_MAX);
	for (const struct request *q = requests_next(r, NULL); q != NULL; q = requests_next(r, q)) {
		assert(requests_find(r, q->piece, q->begin) == q);
		n++;
	}
	assert(n == r->n);
}
