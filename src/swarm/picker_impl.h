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

static inline bool picker_ref_eq(struct peer_ref a, struct peer_ref b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

/* The next set bit at or after `i`, or n. */
uint32_t picker_next_bit(const struct bitfield *b, uint32_t i);

/* Take a fresh piece out of the order. */
void picker_order_take(struct picker *p, uint32_t piece);
/* Every piece is had: nothing is left to order. */
void picker_order_drop(struct picker *p);

#endif
