/* What is wanted, in which order, what is urgent, and what is not asked for yet. */
#include <stdlib.h>

#include "swarm/picker_impl.h"

void picker_count_missing(struct picker *p)
{
	p->n_missing = 0;
	for (uint32_t i = 0; i < p->have.n; i++)
		p->n_missing += picker_lacks(p, i);
}

int picker_set_plan(struct picker *p, uint8_t *plan_take)
{
	int err = picker_order_plan(p, plan_take == NULL ? 1 : PICKER_RANKS);

	if (err < 0)
		return err;
	free(p->plan);
	p->plan = plan_take;
	picker_count_missing(p);
	if (p->place != NULL)
		picker_order_build(p);
	p->version++;
	p->version_fresh++;
	return 0;
}

void picker_set_window(struct picker *p, uint32_t first, uint32_t end)
{
	p->window_first = first;
	p->window_end = end;
	p->version++;
	p->version_fresh++;
}

int picker_hold(struct picker *p, const struct bitfield *pieces)
{
	assert(p->n_open == 0 && p->held.bits == NULL && pieces->n == p->have.n);
	return bitfield_copy(&p->held, pieces);
}

void picker_release(struct picker *p, uint32_t piece)
{
	bitfield_unset(&p->held, piece);
	p->version++;
	p->version_fresh++;
}

uint32_t picker_next_held(const struct picker *p, uint32_t from)
{
	return bitfield_next_set(&p->held, from);
}

void picker_set_sequential(struct picker *p, bool on)
{
	p->sequential = on;
	memset(p->lowest, 0, sizeof(p->lowest));
}

int picker_set_urgent(struct picker *p, const uint32_t *pieces, uint32_t n)
{
	struct urgent *list = n == 0 ? NULL : calloc(n, sizeof(*list));

	if (n > 0 && list == NULL)
		return ERR_NOMEM;
	free(p->urgent);
	p->urgent = list;
	p->n_urgent = n;
	for (uint32_t i = 0; i < n; i++)
		list[i].piece = pieces[i];
	return 0;
}

void picker_urgent_had(struct picker *p, uint32_t piece)
{
	for (uint32_t i = 0; i < p->n_urgent; i++) {
		if (p->urgent[i].piece != piece)
			continue;
		p->n_urgent--;
		memmove(&p->urgent[i], &p->urgent[i + 1], (p->n_urgent - i) * sizeof(p->urgent[0]));
		return;
	}
}
