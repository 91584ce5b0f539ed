#include "index/tracker_impl.h"

#include <stdlib.h>

#include "base/grow.h"

#define LINE 64u

static int more_slabs(struct tracker *t)
{
	struct slab *more = grow(t->slabs, t->n_slabs, &t->slabs_cap, 16, sizeof(*more));

	if (more == NULL)
		return ERR_NOMEM;
	t->slabs = more;
	return 0;
}

/* Cards begin at cache lines: each is one. */
static int slab_fill(struct slab *s)
{
	s->memory = malloc(SLAB_CARDS * sizeof(struct card) + LINE - 1);
	if (s->memory == NULL)
		return ERR_NOMEM;
	s->cards = (struct card *)(((uintptr_t)s->memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
	s->used = 0;
	s->free = NONE;
	for (uint32_t i = SLAB_CARDS; i-- > 0;) {
		s->cards[i].kind = CARD_FREE;
		s->cards[i].as.swarm.chain = s->free;
		s->free = i;
	}
	return 0;
}

uint32_t card_new(struct tracker *t, enum card_kind kind)
{
	struct slab *s;
	struct card *b;
	uint32_t i;

	if (t->open_slab == NONE) {
		if (more_slabs(t) < 0)
			return NONE;
		t->slabs[t->n_slabs] = (struct slab){.free = NONE, .next_open = NONE};
		t->open_slab = t->n_slabs++;
	}
	s = &t->slabs[t->open_slab];
	if (s->memory == NULL && slab_fill(s) < 0)
		return NONE;
	i = s->free;
	b = &s->cards[i];
	s->free = b->as.swarm.chain;
	memset(b, 0, sizeof(*b));
	b->kind = kind & 3;
	b->slot = SLOT_NONE;
	i += t->open_slab * SLAB_CARDS;
	if (++s->used == SLAB_CARDS)
		t->open_slab = s->next_open;
	return i;
}

static void slab_give_back(struct slab *s)
{
	free(s->memory);
	s->memory = NULL;
	s->cards = NULL;
	s->free = NONE;
}

/* The memory of a slab that has become empty is given back, unless it is the next to be used. */
void card_free(struct tracker *t, uint32_t number)
{
	uint32_t slab = number / SLAB_CARDS, next = t->open_slab;
	struct slab *s = &t->slabs[slab];
	struct card *b = card_at(t, number);

	b->kind = CARD_FREE;
	b->as.swarm.chain = s->free;
	s->free = number % SLAB_CARDS;
	if (s->used-- == SLAB_CARDS) {
		s->next_open = next;
		t->open_slab = slab;
		if (next != NONE && t->slabs[next].used == 0)
			slab_give_back(&t->slabs[next]);
	}
	if (s->used == 0 && t->open_slab != slab)
		slab_give_back(s);
}

void cards_fini(struct tracker *t)
{
	for (uint32_t i = 0; i < t->n_slabs; i++) {
		for (uint32_t k = 0; t->slabs[i].memory != NULL && k < SLAB_CARDS; k++) {
			struct card *b = &t->slabs[i].cards[k];

			if (b->kind == CARD_SWARM && b->is_crowd)
				crowd_fini(b);
			else if (b->kind != CARD_FREE)
				bunch_fini(b);
		}
		free(t->slabs[i].memory);
	}
	free(t->slabs);
}
