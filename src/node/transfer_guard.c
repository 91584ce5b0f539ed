/* node/transfer_guard.c - files that somebody changes while they are served.
 *
 *     inotify, or a read that found it --> look (sizes, times) --> pieces gone
 *     every few seconds while any is not as it was ------^    \--> hashed again --> pieces back
 *
 * Without inotify it is only slower: each read for a peer looks at its file anyway. */
#include <stdlib.h>

#include "base/text.h"
#include "meta/selection.h"
#include "net/tcp.h"
#include "node/link.h"

/* Folders of one transfer that are watched (attack: a torrent of a million folders). */
#define GUARD_FOLDERS_MAX 4096u
/* A change seldom comes alone. */
#define LOOK_SOON_MS 50u
/* Between two looks, however much goes on. */
#define LOOK_PAUSE_MS 1000u
/* While a file is not as it was, it is looked for so often; longer and longer when it stays away.
 */
#define LOOK_AGAIN_MS 2000u
#define LOOK_AGAIN_MAX_MS 30000u
/* More pieces than this are not told one by one: who is connected connects again. */
#define GUARD_TELL_MAX 2000u

static const char *name_of(const struct transfer *t, char out[256])
{
	return text_escape(out, 256, bytes_str(t->title));
}

static void look_at(struct transfer *t, uint64_t at_ms)
{
	uint64_t least = t->guard.looked_ms + LOOK_PAUSE_MS;

	if (t->guard.looked_ms != 0 && at_ms < least)
		at_ms = least;
	if (t->guard.look_at_ms == 0 || at_ms < t->guard.look_at_ms)
		t->guard.look_at_ms = at_ms;
	transfer_perform(t);
}

void transfer_look_soon(struct transfer *t)
{
	if (t->phase == TRANSFER_SEEDING && !t->leaving)
		look_at(t, transfer_now_ms(t) + LOOK_SOON_MS);
}

void transfer_look(struct transfer *t)
{
	t->guard.look_at_ms = 0;
	if (t->phase != TRANSFER_SEEDING || t->leaving)
		return;
	t->guard.looked_ms = transfer_now_ms(t);
	store_look(t->store);
}

/* ---- inotify --------------------------------------------------------------------------- */

static void on_news(void *user, const struct folder_news *news)
{
	struct transfer *t = user;

	if (news->name == NULL || t->guard.file == NULL || strcmp(news->name, t->guard.file) == 0)
		transfer_look_soon(t);
}

static bool watch_folder(void *user, const char *folder, const char *file)
{
	struct transfer *t = user;
	struct transfer_guard *g = &t->guard;
	struct folder_watch **grown;
	struct err_info why;
	char name[256];

	if (g->n == GUARD_FOLDERS_MAX) {
		node_log(t->node,
			 "%s: more than %u folders; changes in the others are found when they are "
			 "read",
			 name_of(t, name), GUARD_FOLDERS_MAX);
		return false;
	}
	grown = realloc(g->folders, (g->n + 1) * sizeof(struct folder_watch *));
	if (grown == NULL)
		return false;
	g->folders = grown;
	g->file = file;
	if (folder_watch_add(t->node->watcher, folder, on_news, t, &g->folders[g->n], &why) == OK) {
		g->n++;
		return true;
	}
	if (why.code != ERR_TOO_BIG)
		return why.code != ERR_NOMEM;
	if (!t->node->said_unwatched)
		node_log(t->node, "%s; changes are found when they are read", why.text);
	t->node->said_unwatched = true;
	return false;
}

void transfer_guard(struct transfer *t)
{
	if (t->guard.n == 0)
		store_each_folder(t->store, watch_folder, t);
	/* What happened before anybody watched. */
	transfer_look_soon(t);
}

void transfer_unguard(struct transfer *t)
{
	while (t->guard.n > 0)
		folder_watch_remove(t->guard.folders[--t->guard.n]);
	free(t->guard.folders);
	t->guard.folders = NULL;
	t->guard.file = NULL;
}

/* ---- what was not said ---------------------------------------------------------------------- */

void transfer_let_go(struct transfer *t)
{
	t->performing = true; /* what follows from it is not worth more memory */
	for (struct link *l = t->node->links; l != NULL; l = l->next)
		if (l->t == t)
			link_lost(l, "there was no memory for what it was to be told");
	t->performing = false;
	t->fx.failed = false;
}

/* ---- what was found ----------------------------------------------------------------------- */

/* sendfile(2) lends pages to the socket: what was written into them since would still be sent as
 * what they were, and who gets it would take us for a liar. */
static void cut_those_underway(struct transfer *t, bool all)
{
	for (struct link *l = t->node->links; l != NULL; l = l->next) {
		if (l->t != t || l->state != LINK_OPEN ||
		    (!all && l->msg_sent == 0 && stream_unacked(&l->stream) == 0))
			continue;
		stream_reset_on_close(&l->stream);
		link_lost(l, "what it was being sent was changed on disk");
	}
}

/* Let the swarm know what the store does not have any more. */
static void lose_pieces(struct transfer *t)
{
	const struct bitfield *disk = store_have(t->store), *have = swarm_have(t->swarm);
	uint32_t lost = have->count > disk->count ? have->count - disk->count : 0;
	struct err_info why;

	cut_those_underway(t, lost > GUARD_TELL_MAX);
	/* What others sent would have to be written into a file that is somebody's by now. */
	swarm_set_paused(t->swarm, true, transfer_now_ms(t), &t->fx);
	transfer_perform(t);
	for (uint32_t i = 0; i < have->n; i++) {
		if (!bitfield_has(have, i) || bitfield_has(disk, i))
			continue;
		transfer_count_piece(t, i, false);
		swarm_on_piece_gone(t->swarm, i, transfer_now_ms(t), &t->fx);
		transfer_perform(t); /* each says its number from one buffer */
	}
	err_kept_get(&t->why, &why);
	readers_on_gone(t, &why);
	transfer_touch_live(t);
}

static void say_changed(struct transfer *t, const struct err_info *why)
{
	if (t->why.code == OK)
		node_log(t->node, "%s", why->text);
	err_keep(&t->why, why);
}

void transfer_forget_changes(struct transfer *t)
{
	err_drop(&t->why);
	t->guard.again_ms = 0;
	transfer_unguard(t);
	swarm_set_paused(t->swarm, false, transfer_now_ms(t), &t->fx);
}

static void all_is_well(struct transfer *t)
{
	if (t->why.code == OK) {
		/* Of what is not wanted pieces may have gone without a word. */
		swarm_set_paused(t->swarm, false, transfer_now_ms(t), &t->fx);
		return;
	}
	transfer_forget_changes(t);
	/* Folders may be others by now. */
	transfer_guard(t);
}

/* Nothing that is wanted is gone. */
static bool is_whole(const struct transfer *t)
{
	const struct bitfield *disk = store_have(t->store);

	for (uint32_t i = 0; i < disk->n; i++)
		if (!bitfield_has(disk, i) && (t->pieces == NULL || t->pieces[i] != WANT_NOT))
			return false;
	return true;
}

static bool is_missing_pieces(const struct transfer *t)
{
	const struct bitfield *disk = store_have(t->store), *have = swarm_have(t->swarm);

	for (size_t i = 0; i < bitfield_bytes(have->n); i++)
		if ((have->bits[i] & ~disk->bits[i]) != 0)
			return true;
	return false;
}

void transfer_on_looked(struct transfer *t, const struct store_event *e)
{
	uint64_t now = transfer_now_ms(t);

	if (t->phase != TRANSFER_SEEDING || t->leaving)
		return;
	/* Nobody could look. */
	if (e->err.code == ERR_TOO_BIG || e->err.code == ERR_NOMEM) {
		look_at(t, now + LOOK_AGAIN_MS);
		return;
	}
	if (e->err.code != OK)
		say_changed(t, &e->err);
	if (is_missing_pieces(t))
		lose_pieces(t);
	if (store_unsure(t->store) > 0 && !t->guard.checking) {
		t->guard.checking = true;
		store_recheck(t->store, false);
	}
	if (e->n_changed > 0) {
		uint64_t pause = t->guard.again_ms == 0 ? LOOK_AGAIN_MS : t->guard.again_ms;

		t->guard.again_ms =
		    pause * 5 / 4 < LOOK_AGAIN_MAX_MS ? pause * 5 / 4 : LOOK_AGAIN_MAX_MS;
		look_at(t, now + pause);
	} else if (!t->guard.checking && is_whole(t)) {
		all_is_well(t);
	}
}

void transfer_on_checked_again(struct transfer *t, const struct store_event *e)
{
	if (e->good) {
		transfer_count_piece(t, e->piece, true);
		swarm_on_piece_back(t->swarm, e->piece, transfer_now_ms(t), &t->fx);
		transfer_touch_live(t);
	}
	if (!e->last && e->err.code != ERR_NOMEM)
		return;
	t->guard.checking = false;
	if (is_whole(t))
		all_is_well(t);
	else
		/* It may have been changed again meanwhile. */
		transfer_look_soon(t);
}
