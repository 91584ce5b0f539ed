/* index/roster_pieces.c - who holds what: maps of one swarm, counted. */
#include <stdlib.h>

#include "index/roster_impl.h"

bool roster_knows(const struct roster_member *m, uint32_t n_pieces)
{
	return m->map_known && m->n_pieces == n_pieces;
}

int roster_map(const struct roster_member *m, struct bitfield *out)
{
	if (m->map.bits != NULL)
		return bitfield_copy(out, &m->map);
	if (bitfield_init(out, m->n_pieces) != OK)
		return ERR_NOMEM;
	if (m->have > 0)
		bitfield_fill(out);
	return OK;
}

static void count_map(const struct bitfield *map, uint32_t *counts)
{
	for (uint32_t k = 0; k < bitfield_bytes(map->n); k++)
		for (uint32_t byte = map->bits[k], i = k * 8; byte != 0;
		     byte = byte << 1 & 0xff, i++)
			counts[i] += byte >> 7;
}

/* Copies of each piece, those with all of it apart in `*whole`. */
static void count_all(struct roster_member *const *list, size_t n, struct roster_pieces *out,
		      uint32_t *counts, uint32_t *whole)
{
	uint64_t looked = 0;

	for (size_t i = 0; i < n; i++) {
		const struct roster_member *m = list[i];

		if (!roster_knows(m, out->n))
			continue;
		if (m->map.bits != NULL) {
			if (looked + out->n > ROSTER_COUNTED_MAX)
				continue;
			looked += out->n;
			count_map(&m->map, counts);
		}
		*whole += m->map.bits == NULL && m->have > 0;
		out->known++;
	}
}

static void sum_up(struct roster_pieces *out, const uint32_t *counts, uint32_t whole)
{
	uint32_t least = UINT32_MAX;
	uint64_t above;

	for (uint32_t i = 0; i < out->n; i++)
		least = counts[i] < least ? counts[i] : least;
	for (uint32_t i = 0; i < out->n; i++) {
		uint32_t c = counts[i] + whole;

		if (counts[i] == least)
			bitfield_set(&out->rare, i);
		if (c >= ROSTER_COPIES_MAX)
			c = ROSTER_COPIES_MAX - 1;
		out->copies[c]++;
		out->n_copies = c >= out->n_copies ? c + 1 : out->n_copies;
	}
	if (out->n == 0)
		return;
	above = out->n - out->rare.count;
	out->rarest = least + whole;
	out->distributed_milli = (uint32_t)(out->rarest * 1000u + above * 1000 / out->n);
}

int roster_pieces(struct roster_member *const *list, size_t n, uint32_t n_pieces,
		  struct roster_pieces *out)
{
	uint32_t *counts = calloc(n_pieces == 0 ? 1 : n_pieces, sizeof(*counts));
	uint32_t whole = 0;

	*out = (struct roster_pieces){.n = n_pieces};
	if (counts == NULL || bitfield_init(&out->rare, n_pieces) != OK) {
		free(counts);
		return ERR_NOMEM;
	}
	count_all(list, n, out, counts, &whole);
	sum_up(out, counts, whole);
	free(counts);
	return OK;
}

void roster_pieces_fini(struct roster_pieces *p)
{
	bitfield_fini(&p->rare);
}

static bool was_shown(const struct roster_member *m, uint32_t i)
{
	return m->shown_all || (m->shown.bits != NULL && bitfield_has(&m->shown, i));
}

int roster_gained(struct roster_member *m, struct bitfield *out)
{
	struct bitfield now;

	if (bitfield_init(out, m->n_pieces) != OK)
		return ERR_NOMEM;
	if (roster_map(m, &now) != OK) {
		bitfield_fini(out);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < m->n_pieces; i++)
		if (bitfield_has(&now, i) && !was_shown(m, i))
			bitfield_set(out, i);
	bitfield_fini(&m->shown);
	m->shown_all = m->n_pieces > 0 && bitfield_full(&now);
	if (m->shown_all || now.count == 0)
		bitfield_fini(&now);
	else
		m->shown = now;
	return OK;
}
