/* cli/get_follow.c - `get --follow`: each newer version in the place of the one before. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/get_one.h"
#include "store/store.h"

/* A version that nobody has any more is given up for a newer one, after a while: its holders may be
 * about to come back, and what there is of it would be lost. But well before `get` itself ends; a
 * daemon, which does not, waits longer (cli/daemon_follow.c). */
#define STUCK_MS (NO_HOLDER_MS / 2)

/* What there is of a version that was given up. */
struct get_leftover {
	struct get *get;
	struct get_leftover *next;
	struct metainfo *meta;
	char *path;
};

static void on_newest(void *user, uint32_t version, const struct err_info *why)
{
	struct get *g = user;

	if (why->code != OK && !g->said_silent)
		session_say(&g->session, "%s; asking again", why->text);
	else if (why->code == OK && g->said_silent)
		session_say(&g->session, "the index answers again");
	g->said_silent = why->code != OK;
	if (version > g->newest)
		g->newest = version;
	session_poke(&g->session);
}

/* Another version is under way from here on. */
static void begin_anew(struct get *g)
{
	g->start_ms = loop_now_ms(g->session.loop);
	g->alone_ms = 0;
	g->said_alone = g->said_stalled = g->said_changed = g->said_others = false;
	g->said_newer[0] = '\0';
	g->n_replaced++;
	g->last = (struct transfer_status){.phase = TRANSFER_CHECKING};
	session_poke(&g->session);
}

/* Once for each reason. */
static void say_again(struct get *g, const struct err_info *why)
{
	if (strcmp(g->said_newer, why->text) == 0)
		return;
	snprintf(g->said_newer, sizeof(g->said_newer), "%s", why->text);
	session_say(&g->session, "%s; trying again", why->text);
}

/* ---- what was given up ---- */

static void leftover_free(struct get_leftover *l)
{
	meta_free(l->meta);
	free(l->path);
	free(l);
}

/* Its files are closed. */
static void on_released(void *user)
{
	struct get_leftover *l = user, **at = &l->get->leftovers;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	store_sweep(l->meta, l->path);
	leftover_free(l);
}

/* The version under way, for good. */
static void give_up(struct get *g, struct transfer *t)
{
	struct get_leftover *l = calloc(1, sizeof(*l));

	if (l != NULL)
		l->path = strdup(g->wanted.path);
	if (l == NULL || l->path == NULL ||
	    meta_parse(buf_bytes(&g->wanted.torrent), &l->meta) != META_OK) {
		if (l != NULL)
			leftover_free(l);
		node_remove(g->session.node, t);
		return;
	}
	l->get = g;
	l->next = g->leftovers;
	g->leftovers = l;
	node_remove_then(g->session.node, t, on_released, l);
}

void get_follow_end(struct get *g)
{
	while (g->leftovers != NULL)
		on_released(g->leftovers);
}

/* ---- one after the other ---- */

/* Nobody who is there has what is missing of the version that is under way. */
static bool is_stuck(const struct get *g)
{
	return transfer_phase_now(g->transfer) == TRANSFER_DOWNLOADING && g->alone_ms != 0 &&
	       loop_now_ms(g->session.loop) - g->alone_ms >= STUCK_MS;
}

static bool may_be_replaced(const struct get *g)
{
	return transfer_phase_now(g->transfer) == TRANSFER_SEEDING || is_stuck(g);
}

/* What there is has been published once more. */
static void take_same(struct get *g, const struct wanted *next)
{
	*g->wanted.placed = *next->placed;
	if (transfer_phase_now(g->transfer) != TRANSFER_SEEDING)
		return;
	g->wanted.there_already = true;
	g->wanted.replaces = false;
	wanted_done(g->o, g->wanted.path, true, g->wanted.placed, transfer_meta(g->transfer));
	progress_clear(&g->session.progress);
	get_print_done(g);
}

static int start_newer(struct get *g, struct wanted *next, struct err_info *why)
{
	struct transfer *now = g->transfer;
	bool checked = g->checked;
	uint64_t found_bytes = g->found_bytes;
	int err;

	g->checked = false; /* get_on_phase() may be called before the start is over */
	g->found_bytes = 0;
	err =
	    wanted_start(next, g->o, g->index, g->session.node, get_on_phase, g, &g->transfer, why);
	if (err != OK) {
		g->checked = checked;
		g->found_bytes = found_bytes;
		return err;
	}
	if (transfer_phase_now(now) == TRANSFER_SEEDING) {
		g->old = now;
	} else {
		session_say(&g->session,
			    "%s: version %u is had by nobody; going on with version %u",
			    g->wanted.label, g->wanted.placed->version, next->placed->version);
		give_up(g, now);
	}
	wanted_fini(&g->wanted);
	g->wanted = *next;
	*next = (struct wanted){.linked = false};
	begin_anew(g);
	return OK;
}

/* The newer version is begun while the one that is there goes on being served. */
static int begin_newer(struct get *g, const struct entry *e, struct bytes torrent,
		       struct err_info *why)
{
	struct wanted next;
	int err = wanted_take(&next, g->o, e, torrent, &g->wanted, why);

	if (err == OK && placed_same_content(next.placed, g->wanted.placed))
		take_same(g, &next);
	else if (err == OK)
		err = start_newer(g, &next, why);
	wanted_fini(&next);
	return err;
}

static void on_fetched(void *user, const struct err_info *how, const struct entry *e,
		       struct bytes torrent, enum addr_scope from)
{
	struct get *g = user;
	struct err_info why = *how;

	(void)from;
	g->fetch = NULL;
	if (g->session.ending)
		return;
	/* Its holders may have come back meanwhile. */
	if (why.code == OK && (!may_be_replaced(g) || begin_newer(g, e, torrent, &why) == OK))
		return;
	g->newest = g->wanted.placed->version; /* the next answer begins anew */
	if (why.code == ERR_EXISTS || why.code == ERR_DENIED || why.code == ERR_MISMATCH)
		get_fail(g, &why);
	else
		say_again(g, &why);
}

/* The index is asked for it, from the loop: meanwhile what there is is served. */
static void fetch_newer(struct get *g)
{
	const struct placed *now = g->wanted.placed;
	struct index_fetch_params p = {
	    .loop = g->session.loop,
	    .index = g->index,
	    .done = on_fetched,
	    .user = g,
	};

	snprintf(p.ref.owner, sizeof(p.ref.owner), "%s", now->owner);
	snprintf(p.ref.name, sizeof(p.ref.name), "%s", now->name);
	p.ref.version = g->newest;
	(void)index_fetch_new(&p, &g->fetch); /* else it is tried at the next look */
}

void get_follow(struct get *g)
{
	if (g->old != NULL &&
	    (g->last.phase == TRANSFER_FINISHING || g->last.phase == TRANSFER_SEEDING)) {
		node_remove(g->session.node, g->old);
		g->old = NULL;
	}
	if (g->fetch == NULL && g->newest > g->wanted.placed->version && may_be_replaced(g))
		fetch_newer(g);
}

void get_follow_daemon(struct get *g)
{
	const char *why = handed_take_upkeep(&g->handed);

	if (why != NULL)
		session_say(&g->session, "%s", why);
	if (!handed_take_newer(&g->handed))
		return;
	g->wanted.replaces = true;
	g->wanted.there_already = false;
	if (g->wanted.placed != NULL)
		g->wanted.placed->version = g->handed.version;
	begin_anew(g);
}

int get_follow_check(const struct get *g, struct err_info *info)
{
	struct entry_ref ref;

	if (g->wanted.placed != NULL && g->wanted.item.len == 0 &&
	    (entry_ref_parse(bytes_str(g->o->args[0]), &ref, NULL) != OK || ref.version == 0))
		return OK;
	return err_set(info, ERR_INVALID, "--follow: give NAME or OWNER/NAME");
}

int get_follow_start(struct get *g, struct err_info *info)
{
	struct index_watch_params p = {
	    .loop = g->session.loop,
	    .index = g->index,
	    .every_s = g->o->every_s,
	    .answer = on_newest,
	    .user = g,
	};

	p.owner = g->wanted.placed->owner;
	p.name = g->wanted.placed->name;
	if (index_watch_new(&p, &g->watch) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return OK;
}
