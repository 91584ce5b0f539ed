/* swarm/picker_impl.h - shared by picker*.c only. */
#ifndef SHOAL_SWARM_PICKER_IMPL_H
#define SHOAL_SWARM_PICKER_IMPL_H

#include "swarm/picker.h"

/* Bit of `place` that says the rest is an index into `open`. */
#define PICKER_OPEN 0x80000000u

/* Neither had nor begun. */
static inline bool picker_is_fresh(const struct picker *p, uint32_t piece)
{
	return p->place != NULL && (p->place[piece] & PICKER_OPEN) == 0;
}

/* Not to be asked for now, whoever has it. */
static inline bool picker_is_shut(const struct picker *p, uint32_t piece)
{
	return piece < p->window_first || piece >= p->window_end || picker_is_held(p, piece);
}

/* Lower ranks come first. */
static inline uint32_t picker_rank(const struct picker *p, uint32_t piece)
{
	if (p->plan == NULL || (p->plan[piece] & PLAN_END) != 0)
		return 0;
	return PICKER_RANKS - (p->plan[piece] & PLAN_WANT);
}

/* The bucket of a fresh piece. */
static inline uint32_t picker_bucket(const struct picker *p, uint32_t piece)
{
	return picker_rank(p, piece) * p->n_buckets + p->avail[piece];
}

/* Where in the order those of a rank begin that a peer with part of the torrent has. */
static inline uint32_t picker_first_copied(const struct picker *p, uint32_t rank)
{
	return p->start[rank * p->n_buckets + p->low + 1];
}

/* Fresh pieces of one rank. */
static inline uint32_t picker_fresh_in(const struct picker *p, uint32_t rank)
{
	return p->start[(rank + 1) * p->n_buckets] - p->start[rank * p->n_buckets];
}

/* It has the piece, which may be asked for, and is not asked for what a near one gives. */
static inline bool picker_asker_has(const struct picker *p, const struct asker *a, uint32_t piece)
{
	if (a->far && p->near != NULL && (p->near_all > 0 || p->near[piece] > 0))
		return false;
	if (picker_is_shut(p, piece))
		return false;
	return a->has == NULL || bitfield_has(a->has, piece);
}

/* And blocks of it are free. */
static inline bool picker_is_joinable(const struct picker *p, const struct open_piece *o,
				      const struct asker *a)
{
	return o->state == OPEN_FETCHING && o->n_free > 0 &&
	       (o->only.slot == PICKER_NONE || peer_ref_eq(o->only, a->ref)) &&
	       picker_asker_has(p, a, o->piece);
}

void picker_count_missing(struct picker *p);
/* It is not urgent any more. */
void picker_urgent_had(struct picker *p, uint32_t piece);

/* Take a fresh piece out of the order. */
void picker_order_take(struct picker *p, uint32_t piece);
/* And put one in that is fresh from now on. */
void picker_order_put(struct picker *p, uint32_t piece);
/* Every piece is had: nothing is left to order. */
void picker_order_drop(struct picker *p);
/* For a new plan. Returns 0 or ERR_NOMEM. */
int picker_order_plan(struct picker *p, uint32_t ranks);
/* Put those in order that are fresh, after the plan changed. */
void picker_order_build(struct picker *p);

#endif
