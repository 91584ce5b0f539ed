/* node/transfer_disk.c - what the store of a transfer has to tell, and what follows from it. */
#include <stdio.h>

#include "base/text.h"
#include "meta/selection.h"
#include "node/link.h"
#include "node/webseed.h"

/* After the disk said no, try again this often (G-13); where a descriptor was all that it wanted,
 * sooner. */
#define RETRY_DISK_MS 5000u
#define RETRY_DESCRIPTOR_MS 500u

uint64_t transfer_real_bytes(const struct transfer *t, uint32_t piece)
{
	const struct metainfo *m = t->meta;
	uint64_t from = (uint64_t)piece * m->piece_length, to = from + meta_piece_bytes(m, piece);
	uint64_t sum = 0;

	for (uint32_t i = meta_file_at(m, from); i < m->n_files && m->files[i].offset < to; i++) {
		const struct meta_file *f = &m->files[i];
		uint64_t a = f->offset > from ? f->offset : from;
		uint64_t b = f->offset + f->length < to ? f->offset + f->length : to;

		if ((f->flags & META_FILE_PAD) == 0 && b > a)
			sum += b - a;
	}
	return sum;
}

void transfer_count_piece(struct transfer *t, uint32_t piece, bool good)
{
	uint64_t bytes = transfer_real_bytes(t, piece);

	if (!good)
		bytes = 0 - bytes;
	t->done_bytes += bytes;
	if (t->pieces != NULL && t->pieces[piece] != WANT_NOT)
		t->wanted_done_bytes += bytes;
}

/* What the system took may not be on the disk, and it will not say so twice: only hashing it again
 * tells, which a new start does. */
static void disk_forgot(struct transfer *t, const struct err_info *why)
{
	struct err_info full;

	err_set(&full, why->code, "%.300s; run the same command again, it checks what is on disk",
		why->text);
	transfer_fail(t, &full);
}

static void disk_said_no(struct transfer *t, const struct err_info *why)
{
	if (t->phase == TRANSFER_FAILED)
		return;
	/* The folder was taken away. Ours stays a removed one, even when another gets its name. */
	if (why->code == ERR_NOENT) {
		disk_forgot(t, why);
		return;
	}
	err_keep(&t->why, why);
	t->retry_at_ms =
	    transfer_now_ms(t) + (why->code == ERR_TOO_BIG ? RETRY_DESCRIPTOR_MS : RETRY_DISK_MS);
	swarm_set_paused(t->swarm, true, transfer_now_ms(t), &t->fx);
	transfer_set_phase(t, TRANSFER_STALLED);
}

void transfer_tell_others(struct transfer *t)
{
	struct err_info first, why;
	uint32_t n = store_others(t->store, &first);
	char more[48] = "";

	if (n == 0)
		return;
	if (n > 1)
		snprintf(more, sizeof(more), ", nor %s %u other%s", n == 2 ? "is" : "are", n - 1,
			 n == 2 ? "" : "s");
	err_set(&why, ERR_MISMATCH, "%.400s%s: what is there is hashed again", first.text, more);
	err_keep(&t->why, &why);
	if (t->node->warn != NULL)
		t->node->warn(t->node->log_user, why.text);
}

void transfer_touch_live(struct transfer *t)
{
	if (t->live_in != NULL)
		live_touch(t->live_in, &t->live);
}

void transfer_piece_gone(struct transfer *t, uint32_t piece)
{
	uint64_t now = transfer_now_ms(t);
	struct err_info why;
	char name[256];

	if (!bitfield_has(swarm_have(t->swarm), piece))
		return;
	err_set(&why, ERR_MISMATCH, "%s: was changed by somebody else since it was verified",
		text_escape(name, sizeof(name), bytes_str(t->meta->name)));
	node_log(t->node, "piece %u: %s", piece, why.text);
	if (t->phase != TRANSFER_SEEDING) {
		transfer_fail(t, &why);
		transfer_perform(t);
		return;
	}
	err_keep(&t->why, &why);
	transfer_count_piece(t, piece, false);
	/* What others sent would have to be written into a file that is somebody's by now. */
	swarm_set_paused(t->swarm, true, now, &t->fx);
	swarm_on_piece_gone(t->swarm, piece, now, &t->fx);
	readers_on_gone(t, &why);
	store_doubt(t->store, piece);
	transfer_touch_live(t);
	transfer_perform(t);
	/* It is not the only one. */
	transfer_look_soon(t);
}

void transfer_count_done(struct transfer *t)
{
	const struct bitfield *have = swarm_have(t->swarm);

	t->done_bytes = 0;
	for (uint32_t i = 0; i < have->n; i++)
		if (bitfield_has(have, i))
			t->done_bytes += transfer_real_bytes(t, i);
}

static void on_verified(struct transfer *t, const struct store_event *e)
{
	uint64_t now = transfer_now_ms(t);

	if (e->err.code != OK) {
		swarm_on_piece(t->swarm, e->piece, PIECE_LOST, NULL, now, &t->fx);
		store_reopen_piece(t->store, e->piece);
		/* What came after the last save was not written: nobody needs it any more. */
		if (e->err.code != ERR_CANCELLED)
			disk_said_no(t, &e->err);
		return;
	}
	if (!e->good) {
		node_log(t->node, "piece %u does not match its hash", e->piece);
		store_reopen_piece(t->store, e->piece);
		swarm_on_piece(t->swarm, e->piece, PIECE_BAD, e->hashes, now, &t->fx);
		return;
	}
	transfer_count_piece(t, e->piece, true);
	transfer_touch_live(t);
	if (t->save_at_ms == 0)
		t->save_at_ms = now + TRANSFER_SAVE_MS;
	swarm_on_piece(t->swarm, e->piece, PIECE_GOOD, e->n_hashes > 0 ? e->hashes : NULL, now,
		       &t->fx);
	readers_poke(t);
}

/* Without memory it is fetched whole. */
static void note_stale(struct transfer *t, uint32_t piece)
{
	if (t->seed || (t->stale.bits == NULL && bitfield_init(&t->stale, t->meta->n_pieces) != OK))
		return;
	bitfield_set(&t->stale, piece);
}

static void on_checked(struct transfer *t, const struct store_event *e)
{
	struct err_info why = e->err;

	if (t->guard.checking) {
		transfer_on_checked_again(t, e);
		return;
	}
	t->checked_bytes += meta_piece_bytes(t->meta, e->piece);
	if (t->phase != TRANSFER_CHECKING)
		return;
	if (e->err.code == ERR_NOMEM || e->err.code == ERR_EXISTS ||
	    (e->err.code != OK && t->seed)) {
		transfer_fail(t, &why);
		return;
	}
	if (e->stored && !e->good)
		note_stale(t, e->piece);
	if (!e->last)
		return;
	if (!t->seed)
		t->save_at_ms = transfer_now_ms(t); /* what was hashed need not be hashed again */
	if (transfer_go_live(t) != OK) {
		err_set(&why, ERR_NOMEM, "out of memory");
		transfer_fail(t, &why);
	}
}

static void on_filled(struct transfer *t)
{
	struct err_info why;

	if (t->phase != TRANSFER_CHECKING || transfer_check(t, false) == OK)
		return;
	err_set(&why, ERR_NOMEM, "out of memory");
	transfer_fail(t, &why);
}

static void on_finished(struct transfer *t, const struct store_event *e)
{
	if (e->lost) {
		disk_forgot(t, &e->err);
	} else if (e->err.code == ERR_NOSPACE || e->err.code == ERR_IO ||
		   e->err.code == ERR_TOO_BIG || e->err.code == ERR_NOMEM ||
		   e->err.code == ERR_NOENT) {
		disk_said_no(t, &e->err);
	} else if (e->err.code != OK) {
		transfer_fail(t, &e->err);
	} else {
		if (bitfield_full(swarm_have(t->swarm)))
			announcer_completed(t->announcer);
		if (t->live_in != NULL)
			live_flush(t->live_in);
		transfer_set_phase(t, TRANSFER_SEEDING);
		transfer_guard(t);
		transfer_reselect(t);
	}
}

static void unstarve_all(struct node *n)
{
	struct transfer *t;
	uint32_t at = 0;

	for (struct link *l = n->links; l != NULL; l = l->next)
		link_unstarve(l);
	while ((t = node_next_transfer(n, &at)) != NULL)
		webseeds_unstarve(t->webseeds);
}

static void on_saved(struct transfer *t, const struct store_event *e)
{
	if (t->saves > 0)
		t->saves--;
	if (t->leaving) {
		if (!t->waits_for_save || t->saves > 0)
			return;
		t->waits_for_save = false;
		transfer_say_goodbye(t);
	} else if (t->phase == TRANSFER_DOWNLOADING || t->phase == TRANSFER_STALLED) {
		/* While finishing it is store_finish() that tells. */
		if (e->lost)
			disk_forgot(t, &e->err);
		else if (e->err.code == ERR_MISMATCH) /* its folder was taken away */
			transfer_fail(t, &e->err);
		else if (e->err.code != OK)
			disk_said_no(t, &e->err);
	}
}

void transfer_on_store_event(struct transfer *t, const struct store_event *e)
{
	struct link *l;

	switch (e->type) {
	case STORE_CHECKED:
		on_checked(t, e);
		break;
	case STORE_FILLED:
		on_filled(t);
		break;
	case STORE_VERIFIED:
		on_verified(t, e);
		break;
	case STORE_FETCHED:
		l = transfer_link(
		    t, (struct peer_ref){(uint32_t)e->token, (uint32_t)(e->token >> 32)});
		if (l != NULL && l->fetching)
			link_on_fetched(l, e->err.code);
		break;
	case STORE_LEAVES:
		if (e->token == TRANSFER_OWN_LEAVES)
			swarm_on_disk_hashes(t->swarm, e->piece,
					     e->err.code == OK && e->n_hashes > 0 ? e->hashes
										  : NULL,
					     transfer_now_ms(t), &t->fx);
		else
			hash_serve_on_leaves(t, e->token, e->hashes,
					     e->err.code == OK ? e->n_hashes : 0);
		break;
	case STORE_READ:
		readers_on_read(t, e);
		break;
	case STORE_ROOM:
		unstarve_all(t->node);
		break;
	case STORE_SAVED:
		on_saved(t, e);
		break;
	case STORE_FINISHED:
		on_finished(t, e);
		break;
	case STORE_DROPPED:
		if (e->err.code != OK)
			node_log(t->node, "%s", e->err.text);
		break;
	case STORE_LOOKED:
		transfer_on_looked(t, e);
		break;
	}
	transfer_perform(t);
}
