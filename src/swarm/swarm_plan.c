/* What of the torrent is wanted, and in which order it is fetched. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

void swarm_count_left(struct swarm *s)
{
	s->left_bytes = s->unwanted_bytes = 0;
	for (uint32_t i = 0; i < s->meta->n_pieces; i++) {
		if (bitfield_has(&s->picker.have, i))
			continue;
		*(picker_is_wanted(&s->picker, i) ? &s->left_bytes : &s->unwanted_bytes) +=
		    meta_fetch_bytes(s->meta, i);
	}
}

bool swarm_is_complete(const struct swarm *s)
{
	return swarm_complete(s);
}

/* Mark the pieces in which a wanted file begins or ends. */
static void mark_ends(const struct metainfo *m, uint8_t *plan)
{
	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];
		uint32_t last = f->first_piece + f->n_pieces - 1;

		if (f->n_pieces == 0 || (f->flags & META_FILE_PAD) != 0)
			continue;
		if (plan[f->first_piece] != WANT_NOT)
			plan[f->first_piece] |= PLAN_END;
		if (plan[last] != WANT_NOT)
			plan[last] |= PLAN_END;
	}
}

/* `pieces` NULL: all are wanted. NULL in *out: no plan is needed. */
static int make_plan(const struct swarm *s, const uint8_t *pieces, bool ends, uint8_t **out)
{
	uint32_t n = s->meta->n_pieces;

	*out = NULL;
	if (n == 0 || (pieces == NULL && !ends))
		return 0;
	*out = malloc(n);
	if (*out == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		(*out)[i] = pieces == NULL ? WANT_NORMAL : pieces[i] & PLAN_WANT;
	if (ends)
		mark_ends(s->meta, *out);
	return 0;
}

/* Pieces that are begun follow the plan. */
static void sort_begun(struct turn *t)
{
	struct picker *k = &t->s->picker;

	for (uint32_t i = 0; i < k->n_open; i++) {
		struct open_piece *o = k->open[i];

		if (o->state == OPEN_FETCHING && !picker_is_wanted(k, o->piece)) {
			swarm_cancel_piece(t, o->piece);
			picker_freeze(k, o, OPEN_PARKED);
		} else if (o->state == OPEN_PARKED) {
			picker_thaw(k, o, t->now_ms);
		}
	}
}

static void follow_plan(struct turn *t, bool was_complete)
{
	struct swarm *s = t->s;
	struct peer *p;

	sort_begun(t);
	swarm_renew_stale(s);
	swarm_count_left(s);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		swarm_count_wanted(s, p);
		swarm_update_interest(t, p);
	}
	s->returned = s->redial = true;
	swarm_rewind_pads(s);
	if (was_complete && !swarm_complete(s)) {
		swarm_want_again(t);
	} else if (!was_complete && swarm_complete(s)) {
		effects_add(t->fx, EFFECT_COMPLETE, (struct peer_ref){SWARM_NO_SLOT, 0});
		swarm_drop_useless(t);
	}
	if (was_complete != swarm_complete(s))
		swarm_tell_upload_only(t);
}

static void set_plan(struct turn *t, const uint8_t *pieces, bool ends)
{
	bool was_complete = swarm_complete(t->s);
	uint8_t *plan;

	if (make_plan(t->s, pieces, ends, &plan) < 0 || picker_set_plan(&t->s->picker, plan) < 0) {
		free(plan);
		t->fx->failed = true;
		return;
	}
	t->s->ends_first = ends;
	follow_plan(t, was_complete);
	swarm_settle(t);
}

void swarm_set_wanted(struct swarm *s, const uint8_t *pieces, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	set_plan(&t, pieces, s->ends_first);
}

void swarm_set_window(struct swarm *s, uint32_t first, uint32_t end, uint64_t now_ms,
		      struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	picker_set_window(&s->picker, first, end);
	s->returned = true;
	swarm_settle(&t);
}

void swarm_set_order(struct swarm *s, enum swarm_order order, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	bool ends = order == ORDER_ENDS_FIRST;

	picker_set_sequential(&s->picker, order == ORDER_SEQUENTIAL);
	if (ends != s->ends_first)
		set_plan(&t, s->picker.plan, ends);
}
