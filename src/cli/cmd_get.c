/* cli/cmd_get.c - find by name, fetch from everyone who has it, verify, put at its final name. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/confine.h"
#include "cli/get_many.h"
#include "cli/get_one.h"
#include "cli/interrupts.h"
#include "daemon/hook_runner.h"
#include "wire/ext_metadata.h"

void get_on_phase(void *user, struct transfer *t, enum transfer_phase phase)
{
	struct get *g = user;

	if (phase == TRANSFER_DOWNLOADING && !g->checked) {
		struct transfer_status st;

		transfer_status(t, &st);
		g->checked = true;
		g->found_bytes = st.wanted_done_bytes;
	}
	session_poke(&g->session);
}

/* With --drain also what was fetched from somebody who has left meanwhile stays in the world. */
static void end_fetched(struct get *g)
{
	if (g->o->drain)
		session_leave(&g->session, EXIT_OK);
	else
		session_end(&g->session, EXIT_OK);
}

static void say_hook(void *user, const char *line)
{
	session_say(user, "%s", line);
}

static int open_hooks(struct get *g, struct err_info *info)
{
	struct hooks_params p = {.loop = g->session.loop,
				 .runner = g->runner,
				 .urls = g->o->webhooks,
				 .say = say_hook,
				 .user = &g->session};

	return hooks_new(&p, &g->hooks, info);
}

static void fire_hooks(struct get *g)
{
	struct hook_facts f = {.event = "complete",
			       .title = transfer_title(g->transfer),
			       .name = transfer_meta(g->transfer)->name,
			       .path = g->wanted.path,
			       .bytes = g->last.wanted_bytes,
			       .error = ""};

	hooks_fire(g->hooks, &f);
}

/* ---- where it is done ---------------------------------------------------------------------- */

/* What a link is called, and where it is, becomes known late. */
static void take_name(struct get *g)
{
	const char *slash = strrchr(g->handed.path, '/');
	char *path;

	if (!wanted_is_unknown(&g->wanted) || g->handed.state == JOB_METADATA ||
	    strcmp(g->wanted.path, g->handed.path) == 0)
		return;
	path = strdup(g->handed.path);
	if (path == NULL)
		return;
	free(g->wanted.path);
	g->wanted.path = path;
	text_escape(g->wanted.label, sizeof(g->wanted.label),
		    bytes_str(slash == NULL ? g->handed.path : slash + 1));
}

static void take_handed(struct get *g)
{
	g->last = g->handed.status;
	g->found_bytes = g->handed.found_bytes;
	g->wanted.there_already = g->wanted.there_already || g->handed.there_already;
	take_name(g);
	if (g->o->follow)
		get_follow_daemon(g);
}

/* False: it goes on without us, or not at all. */
static bool look_at_daemon(struct get *g)
{
	struct handed *handed = &g->handed;
	struct err_info why;
	int err = handover_look(&handed, 1, &why);

	if (err != OK) {
		g->unanswered = true;
		handover_say_left(&g->handed, &why);
		get_fail(g, &why);
		return false;
	}
	if (g->handed.gone) {
		err_set(&why, ERR_CANCELLED,
			"%s: was removed from the daemon, or the daemon has ended",
			g->wanted.label);
		get_fail(g, &why);
		return false;
	}
	take_handed(g);
	return true;
}

/* ---- all of it together --------------------------------------------------------------------- */

static void on_flowed(void *user, const struct err_info *how)
{
	struct get *g = user;

	if (how->code == OK) {
		end_fetched(g);
	} else if (how->code == ERR_CANCELLED) {
		session_end(&g->session, EXIT_NO_READER);
	} else if (!g->session.ending) {
		get_fail(g, how);
	}
}

static int start(struct get *g, struct err_info *info)
{
	int err = wanted_start(&g->wanted, g->o, g->index, g->session.node, get_on_phase, g,
			       &g->transfer, info);

	if (err != OK || !wanted_flows(g->o))
		return err;
	err = outflow_new(g->session.loop, g->transfer, g->wanted.scratch, STDOUT_FILENO, on_flowed,
			  g, &g->flow);
	if (err != OK)
		return err_set(info, err, "-o -: %s", err_text(err));
	if (outflow_drops(g->flow) && !g->o->quiet)
		session_say(&g->session,
			    "%s: there is no room on the disk for all of it; what was written is "
			    "not kept, and others are not served",
			    g->wanted.label);
	return OK;
}

/* ---- what a link means ---------------------------------------------------------------------- */

static void on_fetched(void *user)
{
	struct get *g = user;

	session_poke(&g->session);
}

/* Nobody is there, or nobody who has it. */
static void watch_link(struct get *g, uint64_t now)
{
	uint64_t limit = g->o->wait_s > 0 ? (uint64_t)g->o->wait_s * 1000 : NO_HOLDER_MS;
	struct metadata_fetch_status st;
	struct progress_state line = {.label = g->wanted.label};

	metadata_fetch_status(g->wanted.fetch, &st);
	line.note = st.peers > 0 ? GET_ASKING
		    : st.seeking ? "looking for peers in the hash table"
				 : "looking for peers";
	if (st.trying > 0 || st.pieces > 0 || st.seeking)
		g->alone_ms = 0;
	else if (g->alone_ms == 0)
		g->alone_ms = now;
	else if (now - g->alone_ms >= limit)
		get_give_up_link(g, &st.tracker_error);
	if (g->session.ending)
		return;
	line.peers = st.peers;
	line.done = (uint64_t)st.have * EXT_METADATA_PIECE;
	line.total = (uint64_t)st.pieces * EXT_METADATA_PIECE;
	progress_draw(&g->session.progress, &line, now);
}

static void follow_link(struct get *g, uint64_t now)
{
	struct err_info why;
	int err = wanted_fetched(&g->wanted, g->o, &why);

	if (err == ERR_AGAIN) {
		watch_link(g, now);
		return;
	}
	g->alone_ms = 0;
	if (err == OK)
		err = start(g, &why);
	if (err != OK)
		get_fail(g, &why);
}

/* -o - on a disk that is too small even for what is fetched ahead. */
static bool is_stuck(struct get *g, uint64_t now)
{
	bool full = g->last.phase == TRANSFER_STALLED && g->last.why.code == ERR_NOSPACE;

	return g->flow != NULL && outflow_is_stuck(g->flow, full, now);
}

/* Where Ctrl-C is heard already, so that who presses it is told what the daemon goes on with.
 * False: it is all that was to be done. */
static bool hand_over(struct get *g)
{
	struct err_info why;

	if (wanted_hand_over(&g->wanted, g->o, g->index, &g->handed, &why) != OK) {
		get_fail(g, &why);
		return false;
	}
	g->is_handed = true;
	if (!g->o->detach)
		return true;
	get_print_left(g);
	session_end(&g->session, EXIT_OK);
	return false;
}

static void watch(struct session *s, void *user)
{
	struct get *g = user;
	uint64_t now = loop_now_ms(s->loop);
	bool was_seeding = g->last.phase == TRANSFER_SEEDING;

	if (g->by_daemon && !g->is_handed && !hand_over(g))
		return;
	if (g->ends) {
		if (hooks_are_idle(g->hooks))
			end_fetched(g);
		return;
	}
	if (g->transfer == NULL && !g->by_daemon)
		follow_link(g, now);
	if ((g->transfer == NULL && !g->by_daemon) || s->ending)
		return;
	if (!g->by_daemon)
		transfer_status(g->transfer, &g->last);
	else if (!look_at_daemon(g))
		return;
	if (g->last.phase == TRANSFER_FAILED && g->wanted.there_already &&
	    g->last.why.code == ERR_MISMATCH) {
		struct err_info why;

		(void)wanted_other_content(g->wanted.path, g->wanted.touched, &why);
		get_fail(g, &why);
	} else if (g->last.phase == TRANSFER_FAILED || is_stuck(g, now)) {
		get_fail(g, &g->last.why);
	} else if (g->flow == NULL && g->last.phase == TRANSFER_SEEDING && !was_seeding) {
		progress_clear(&s->progress);
		if (!g->by_daemon) /* which remembers it, too */
			wanted_done(g->o, g->wanted.path, g->wanted.there_already, g->wanted.placed,
				    transfer_meta(g->transfer));
		get_print_done(g);
		if (g->hooks != NULL)
			fire_hooks(g);
		g->done_ms = now;
		g->ends = !g->o->follow && (g->by_daemon || !get_seeds(g->o));
		if (g->ends && hooks_are_idle(g->hooks))
			end_fetched(g);
	}
	if (g->o->follow && !g->by_daemon && !s->ending)
		get_follow(g);
	if (g->done_ms > 0 && !g->by_daemon && !s->ending &&
	    get_seeded_enough(g->o, &g->last, now - g->done_ms))
		end_fetched(g);
	if (!s->ending)
		get_tell(g, now);
}

static int check_flow(const struct get *g, struct err_info *info)
{
	const struct opts *o = g->o;

	if (!wanted_flows(o))
		return OK;
	if (o->json || o->seed || o->follow || o->preallocate || o->replace || o->ends_first ||
	    o->on_complete != NULL || o->webhooks != NULL)
		return err_set(info, ERR_INVALID,
			       "-o - goes with neither --json, --seed, --follow, --preallocate, "
			       "--replace, --ends-first, --on-complete nor --webhook");
	if (isatty(STDOUT_FILENO))
		return err_set(info, ERR_INVALID,
			       "-o -: standard output is a terminal; give it a program to read it");
	return OK;
}

static int run(struct get *g, struct err_info *info)
{
	const char *ref = g->o->args[0];
	int err = check_flow(g, info);

	if (err == OK)
		err = hook_runner_start(g->o->on_complete, STDERR_FILENO, &g->runner, info);
	if (err == OK)
		err = wanted_make_folder(g->o, false, &g->made, info);
	if (err == OK)
		confine_get(g->o, &ref, 1, &g->made);
	if (err == OK)
		err = wanted_load(&g->wanted, g->o, ref, false, &g->index, info);
	if (err == OK && g->o->follow)
		err = get_follow_check(g, info);
	g->by_daemon = err == OK && handover_is_there(g->o);
	if (err == OK && g->o->detach && !g->by_daemon)
		err = handover_why_not(g->o, info);
	if (err == OK)
		err = session_init(&g->session, g->o, g->by_daemon ? SESSION_CLIENT : SESSION_PEER,
				   info);
	if (err == OK)
		err = open_hooks(g, info);
	if (err != OK)
		return opts_fail(g->o, "get", info);
	g->session.index = g->index;
	g->start_ms = loop_now_ms(g->session.loop);
	if (g->o->follow && !g->by_daemon)
		err = get_follow_start(g, info);
	if (err == OK && !g->by_daemon && wanted_is_unknown(&g->wanted))
		err =
		    wanted_fetch(&g->wanted, g->o, g->index, g->session.node, on_fetched, g, info);
	else if (err == OK && !g->by_daemon)
		err = start(g, info);
	if (err != OK)
		return opts_fail(g->o, "get", info);
	return session_run(&g->session, watch, g);
}

static int get_one(const struct opts *o)
{
	struct get g = {.o = o};
	struct err_info info = {.code = OK};
	int code = run(&g, &info);

	if (g.transfer != NULL)
		get_say_interrupted(&g);
	if (g.by_daemon)
		get_say_detached(&g);
	if (g.by_daemon && code != EXIT_OK && !g.session.interrupted && !g.unanswered)
		handover_undo(&g.handed);
	handed_fini(&g.handed);
	if (g.session.interrupted && g.flow == NULL && g.last.phase == TRANSFER_SEEDING)
		code = EXIT_OK;
	index_watch_free(g.watch);
	index_fetch_free(g.fetch);
	wanted_fini(&g.wanted);
	outflow_free(g.flow);
	hooks_free(g.hooks);
	hook_runner_free(g.runner);
	session_fini(&g.session);
	get_follow_end(&g);
	/* The daemon may have use for it yet. */
	wanted_leave_folder(&g.made, code != EXIT_OK && !g.by_daemon);
	index_client_free(g.index);
	return code;
}

int cmd_get(const struct opts *o)
{
	const char *alone = o->follow		     ? "--follow"
			    : wanted_flows(o)	     ? "-o -"
			    : o->on_complete != NULL ? "--on-complete"
			    : o->webhooks != NULL    ? "--webhook"
						     : NULL;
	struct err_info info;

	interrupts_end(EXIT_INTERRUPTED, NULL);
	if (o->n_args == 1 && o->input == NULL)
		return get_one(o);
	if (alone == NULL)
		return get_many(o);
	err_set(&info, ERR_INVALID, "%s goes with one NAME", alone);
	return opts_fail(o, "get", &info);
}
