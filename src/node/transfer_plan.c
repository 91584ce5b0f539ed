/* node/transfer_plan.c - which files of a transfer are fetched, and in which order. */
#include <stdlib.h>

#include "meta/selection.h"
#include "node/link.h"
#include "node/webseed.h"

/* Real bytes of the pieces that are wanted. */
static void count_wanted(struct transfer *t)
{
	t->wanted_bytes = t->wanted_done_bytes = 0;
	for (uint32_t i = 0; t->pieces != NULL && i < t->meta->n_pieces; i++) {
		uint64_t bytes = t->pieces[i] == WANT_NOT ? 0 : transfer_real_bytes(t, i);

		t->wanted_bytes += bytes;
		if (bitfield_has(swarm_have(t->swarm), i))
			t->wanted_done_bytes += bytes;
	}
}

int transfer_plan(struct transfer *t, const uint8_t *wanted)
{
	size_t n = t->meta->n_files, n_pieces = t->meta->n_pieces;
	uint8_t *files = wanted == NULL ? NULL : malloc(n > 0 ? n : 1);
	uint8_t *pieces = wanted == NULL ? NULL : malloc(n_pieces > 0 ? n_pieces : 1);

	if (wanted != NULL && (files == NULL || pieces == NULL)) {
		free(files);
		free(pieces);
		return ERR_NOMEM;
	}
	if (wanted != NULL) {
		memcpy(files, wanted, n);
		selection_pieces(t->meta, files, pieces);
	}
	free(t->wanted);
	free(t->pieces);
	t->wanted = files;
	t->pieces = pieces;
	t->n_wanted = files == NULL ? t->n_files : selection_count(t->meta, files, NULL);
	return OK;
}

void transfer_plan_swarm(struct transfer *t)
{
	swarm_set_order(t->swarm, t->order, transfer_now_ms(t), &t->fx);
	swarm_set_window(t->swarm, t->window_first, t->window_end, transfer_now_ms(t), &t->fx);
	swarm_set_wanted(t->swarm, t->pieces, transfer_now_ms(t), &t->fx);
	t->complete = swarm_is_complete(t->swarm);
	count_wanted(t);
}

/* What is wanted besides is to be had at its final name, or is had already and only to be put
 * there. */
static void go_on(struct transfer *t)
{
	transfer_plan_swarm(t);
	if (t->phase == TRANSFER_SEEDING && store_is_finished(t->store)) {
		transfer_look_soon(t);
	} else if (t->phase == TRANSFER_SEEDING) {
		/* Files that come are watched with the others once they are there. */
		transfer_forget_changes(t);
		transfer_set_phase(t, TRANSFER_DOWNLOADING);
	}
	webseeds_on_fetch(t->webseeds);
	transfer_perform(t);
	node_settle(t->node);
}

int transfer_select(struct transfer *t, const uint8_t *wanted, struct err_info *info)
{
	int err;

	if (t->seed || t->phase == TRANSFER_FAILED || t->removed)
		return err_set(info, ERR_INVALID, "what is shared in place has all its files");
	err = t->phase == TRANSFER_FINISHING ? OK : store_select(t->store, wanted, info);
	if (err != OK)
		return err;
	if (transfer_plan(t, wanted) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (t->phase == TRANSFER_FINISHING)
		t->reselect = true;
	else if (t->phase != TRANSFER_CHECKING)
		go_on(t);
	return OK;
}

void transfer_reselect(struct transfer *t)
{
	struct err_info why;

	if (!t->reselect)
		return;
	t->reselect = false;
	if (store_select(t->store, t->wanted, &why) == OK)
		go_on(t);
	else
		transfer_fail(t, &why);
}

const uint8_t *transfer_wanted(const struct transfer *t)
{
	return t->wanted;
}

/* The swarm is told first, so that nobody is sent any of it. */
static void drop_pieces(struct transfer *t)
{
	for (; t->dropped < t->window_first; t->dropped++) {
		if (!bitfield_has(swarm_have(t->swarm), t->dropped))
			continue;
		swarm_on_piece_gone(t->swarm, t->dropped, transfer_now_ms(t), &t->fx);
		transfer_perform(t); /* each says its number from one buffer */
		store_drop(t->store, t->dropped);
	}
	transfer_touch_live(t);
}

void transfer_set_window(struct transfer *t, uint64_t from, uint64_t to, bool drop)
{
	uint64_t length = t->meta->piece_length;

	t->window_first = (uint32_t)(from / length);
	t->window_end = (uint32_t)((to + length - 1) / length);
	if (t->phase == TRANSFER_CHECKING || t->removed)
		return;
	swarm_set_window(t->swarm, t->window_first, t->window_end, transfer_now_ms(t), &t->fx);
	if (drop)
		drop_pieces(t);
	transfer_perform(t);
	node_settle(t->node);
}

void transfer_plan_status(const struct transfer *t, struct transfer_status *out)
{
	bool all = t->pieces == NULL;

	out->files = t->n_files;
	out->wanted_files = t->n_wanted;
	out->wanted_bytes = all ? t->meta->total_bytes : t->wanted_bytes;
	out->wanted_done_bytes = all ? t->done_bytes : t->wanted_done_bytes;
}
