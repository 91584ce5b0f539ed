#include "index/slots.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

#define SLOTS_FIRST_CAP 64u

void slots_fini(struct slots *s)
{
	free(s->cells);
	s->cells = NULL;
	s->cap = s->n = 0;
}

static uint32_t free_cell(const struct slot *cells, uint32_t cap, uint32_t hash)
{
	uint32_t at = hash & (cap - 1);

	while (cells[at].number_1 != 0)
		at = (at + 1) & (cap - 1);
	return at;
}

/* At most three quarters full: linear probing then looks at a few neighbours only. */
int slots_reserve(struct slots *s)
{
	uint32_t cap = s->cap == 0 ? SLOTS_FIRST_CAP : s->cap * 2;
	struct slot *cells;

	if (s->n < s->cap / 4 * 3)
		return 0;
	if (cap < s->cap)
		return ERR_NOMEM;
	cells = calloc(cap, sizeof(*cells));
	if (cells == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < s->cap; i++) {
		if (s->cells[i].number_1 != 0)
			cells[free_cell(cells, cap, s->cells[i].hash)] = s->cells[i];
	}
	free(s->cells);
	s->cells = cells;
	s->cap = cap;
	return 0;
}

uint32_t slots_find(const struct slots *s, uint32_t hash, const void *key)
{
	uint32_t mask = s->cap - 1, at;

	if (s->cap == 0)
		return SLOTS_NONE;
	for (at = hash & mask; s->cells[at].number_1 != 0; at = (at + 1) & mask) {
		if (s->cells[at].hash == hash && s->same(s->user, s->cells[at].number_1 - 1, key))
			return s->cells[at].number_1 - 1;
	}
	return SLOTS_NONE;
}

void slots_add(struct slots *s, uint32_t hash, uint32_t number)
{
	assert(s->n < s->cap / 4 * 3);
	s->cells[free_cell(s->cells, s->cap, hash)] = (struct slot){number + 1, hash};
	s->n++;
}

/* Those behind a gap move up into it when they could otherwise not be reached any more; so there
 * are no tombstones, and the table never wears out. */
void slots_remove(struct slots *s, uint32_t hash, uint32_t number)
{
	uint32_t mask = s->cap - 1, gap = hash & mask, at;

	while (s->cells[gap].number_1 != number + 1)
		gap = (gap + 1) & mask;
	for (at = (gap + 1) & mask; s->cells[at].number_1 != 0; at = (at + 1) & mask) {
		uint32_t home = s->cells[at].hash & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			s->cells[gap] = s->cells[at];
			gap = at;
		}
	}
	s->cells[gap] = (struct slot){0, 0};
	s->n--;
}
