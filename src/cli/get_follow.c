/* cli/get_follow.c - `get --follow`: each newer version in the place of the one before. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/get_one.h"
#include "node/index_watch.h"

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

static int next_wanted(struct get *g, struct wanted *next, struct err_info *info)
{
	const struct placed *now = g->wanted.placed;
	char ref[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 16];
	int err;

	snprintf(ref, sizeof(ref), "%s/%s@%u", now->owner, now->name, g->newest);
	err = wanted_load(next, g->o, ref, true, &g->index, info);
	/* Wherever the first one went, whatever this one's file is called. */
	if (err == OK) {
		free(next->path);
		next->path = strdup(g->wanted.path);
		err = next->path == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
	}
	return err;
}

/* Another version is under way from here on. */
static void begin_anew(struct get *g)
{
	g->start_ms = loop_now_ms(g->session.loop);
	g->alone_ms = 0;
	g->said_alone = g->said_stalled = g->said_changed = false;
	g->n_replaced++;
	g->last = (struct transfer_status){.phase = TRANSFER_CHECKING};
	session_poke(&g->session);
}

/* The newer version is begun while the one that is there goes on being served. */
static void begin_newer(struct get *g)
{
	struct transfer *now = g->transfer;
	struct err_info why;
	struct wanted next;
	int err = next_wanted(g, &next, &why);

	g->checked = false;
	g->found_bytes = 0;
	if (err == OK)
		err = wanted_start(&next, g->o, g->index, g->session.node, get_on_phase, g,
				   &g->transfer, &why);
	if (err == OK) {
		wanted_fini(&g->wanted);
		g->wanted = next;
		g->old = now;
		begin_anew(g);
		return;
	}
	wanted_fini(&next);
	g->newest = g->wanted.placed->version; /* the next answer begins anew */
	if (err == ERR_EXISTS || err == ERR_DENIED || err == ERR_MISMATCH)
		get_fail(g, &why);
	else
		session_say(&g->session, "%s; trying again", why.text);
}

void get_follow(struct get *g)
{
	if (g->old != NULL &&
	    (g->last.phase == TRANSFER_FINISHING || g->last.phase == TRANSFER_SEEDING)) {
		node_remove(g->session.node, g->old);
		g->old = NULL;
	}
	if (g->last.phase == TRANSFER_SEEDING && g->newest > g->wanted.placed->version)
		begin_newer(g);
}

static void say_upkeep(struct get *g)
{
	const struct err_info *why = &g->handed.upkeep_why;

	if (why->code != OK && strcmp(why->text, g->said_upkeep) != 0)
		session_say(&g->session, "%s", why->text);
	snprintf(g->said_upkeep, sizeof(g->said_upkeep), "%s", why->code == OK ? "" : why->text);
}

void get_follow_daemon(struct get *g)
{
	say_upkeep(g);
	if (g->n_newer == g->handed.n_newer)
		return;
	g->n_newer = g->handed.n_newer;
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
