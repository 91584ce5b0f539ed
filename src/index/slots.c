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

static uint32_t free_cell(const uint32_t *cells, uint32_t cap, uint32_t hash)
{
	uint32_t at = hash & (cap - 1);

	while (cells[at] != 0)
		at = (at + 1) & (cap - 1);
	return at;
}

/* At most three quarters full: linear probing then looks at a few neighbours only. */
int slots_reserve(struct slots *s)
{
	uint32_t cap = s->cap == 0 ? SLOTS_FIRST_CAP : s->cap * 2;
	uint32_t *cells;

	if (s->n < s->cap / 4 * 3)
		return 0;
	if (cap < s->cap)
		return ERR_NOMEM;
	cells = calloc(cap, sizeof(*cells));
	if (cells == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < s->cap; i++) {
		if (s->cells[i] != 0) {
			uint32_t hash = s->hash(s->user, s->cells[i] - 1);

			cells[free_cell(cells, cap, hash)] = s->cells[i];
		}
	}
	free(s->cells);
	s->cells = cells;
	s->cap = cap;
	return 0;
}

uint32_t slots_find(const struct slots *s, uint32_t hash, const void *key)
{
	uint32_t at;

	if (s->cap == 0)
		return SLOTS_NONE;
	for (at = hash & (s->cap - 1); s->cells[at] != 0; at = (at + 1) & (s->cap - 1)) {
		if (s->same(s->user, s->cells[at] - 1, key))
			return s->cells[at] - 1;
	}
	return SLOTS_NONE;
}

void slots_add(struct slots *s, uint32_t hash, uint32_t number)
{
	assert(s->n < s->cap / 4 * 3);
	s->cells[free_cell(s->cells, s->cap, hash)] = number + 1;
	s->n++;
}

/* Those behind a gap move up into it when they could otherwise not be reached any more; so there
 * are no tombstones, and the table never wears out. */
void slots_remove(struct slots *s, uint32_t hash, uint32_t number)
{
	uint32_t mask = s->cap - 1, gap = hash & mask, at;

	while (s->cells[gap] != number + 1)
		gap = (gap + 1) & mask;
	for (at = (gap + 1) & mask; s->cells[at] != 0; at = (at + 1) & mask) {
		uint32_t home = s->hash(s->user, s->cells[at] - 1) & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			s->cells[gap] = s->cells[at];
			gap = at;
		}
	}
	s->cells[gap] = 0;
	s->n--;
}
