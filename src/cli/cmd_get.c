/* cli/cmd_get.c - find by name, fetch from everyone who has it, verify, put at its final name. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/get_many.h"
#include "cli/outflow.h"
#include "cli/session.h"
#include "cli/wanted.h"
#include "daemon/hooks.h"
#include "node/index_watch.h"
#include "node/torrent_file.h"
#include "wire/ext_metadata.h"

/* What a link stands for is not known yet. */
#define ASKING "asking what it is"

struct get {
	const struct opts *o;
	struct session session;
	struct index_client *index; /* NULL when the .torrent came from a file */
	struct wanted wanted;
	struct transfer *transfer; /* NULL: the daemon has it, as */
	struct handed handed;
	bool by_daemon;
	uint64_t start_ms, alone_ms; /* since when nobody is there, 0: somebody is */
	uint64_t alone_bytes;	     /* what had come when that was said */
	bool said_alone, said_stalled, said_changed;
	bool checked; /* what was on disk is known: */
	uint64_t found_bytes;
	struct transfer_status last;

	struct hooks *hooks; /* NULL: none */
	bool ends;	     /* once they have run */

	struct outflow *flow; /* -o -: what is fetched goes there; else NULL */

	/* --follow */
	struct index_watch *watch;
	uint32_t newest;      /* version that the index has */
	struct transfer *old; /* the version before, served until the new one is complete */
	uint32_t n_replaced;
	bool said_silent;
};

static void on_phase(void *user, struct transfer *t, enum transfer_phase phase)
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

/* ---- while it runs ------------------------------------------------------------------------- */

static void print_done(const struct get *g)
{
	const struct transfer_status *st = &g->last;
	double seconds = (double)(loop_now_ms(g->session.loop) - g->start_ms) / 1000.0;
	char size[32], rate[32], safe[512], files[64] = "";
	uint64_t bps = seconds > 0.001 ? (uint64_t)((double)st->swarm.down_bytes / seconds) : 0;

	if (g->o->json) {
		json_t *j = json_pack(
		    "{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:b}", "path",
		    torrent_text(g->wanted.path), "bytes", (json_int_t)st->wanted_bytes,
		    "downloaded", (json_int_t)st->swarm.down_bytes, "uploaded",
		    (json_int_t)st->swarm.up_bytes, "wasted", (json_int_t)st->swarm.wasted_bytes,
		    "reused", (json_int_t)(g->found_bytes + st->swarm.kept_bytes), "seconds",
		    seconds, "there_already", g->wanted.there_already, "replaced",
		    g->wanted.replaces);

		json_object_set_new(j, "files", json_integer(st->wanted_files));
		json_object_set_new(j, "files_in_all", json_integer(st->files));
		if (g->wanted.placed != NULL)
			json_object_set_new(j, "version", json_integer(g->wanted.placed->version));
		out_json(j);
		json_decref(j);
	} else if (!g->o->quiet) {
		text_escape(safe, sizeof(safe), bytes_str(g->wanted.path));
		if (st->wanted_files < st->files)
			snprintf(files, sizeof(files), "%u of %u files, ", st->wanted_files,
				 st->files);
		if (g->wanted.there_already)
			printf("%s: there already, verified (%s)\n", safe,
			       text_size(size, sizeof(size), st->total_bytes));
		else if (g->wanted.replaces)
			printf("%s: version %u, %s verified in %.1f s (%s fetched), in the old "
			       "one's place\n",
			       safe, g->wanted.placed == NULL ? 0 : g->wanted.placed->version,
			       text_size(size, sizeof(size), st->wanted_bytes), seconds,
			       text_size(rate, sizeof(rate), st->swarm.down_bytes));
		else
			printf("%s: %s%s verified in %.1f s (%s)\n", safe, files,
			       text_size(size, sizeof(size), st->wanted_bytes), seconds,
			       text_rate(rate, sizeof(rate), bps));
	}
	(void)fflush(stdout);
}

static void fail(struct get *g, const struct err_info *why)
{
	progress_clear(&g->session.progress);
	session_end(&g->session, opts_fail(g->o, "get", why));
}

/* Nobody is connected, nobody is being tried, and the tracker (if any) was asked. */
static bool is_alone(const struct transfer_status *st)
{
	return st->phase == TRANSFER_DOWNLOADING && st->swarm.peers == 0 &&
	       st->swarm.dialing == 0 && st->swarm.sources == 0;
}

static void give_up_link(struct get *g, const struct err_info *tracker)
{
	struct err_info why;
	bool nobody = wanted_nobody_tells(&g->wanted, g->o, tracker, &why);
	int code;

	progress_clear(&g->session.progress);
	code = opts_fail(g->o, "get", &why);
	session_end(&g->session, nobody ? EXIT_NO_HOLDER : code);
}

/* Says when the last holder is gone; gives up when there never was one. */
static void watch_holders(struct get *g, const struct transfer_status *st, uint64_t now)
{
	struct err_info why;
	bool unknown = g->by_daemon && g->handed.state == JOB_METADATA;
	bool gone = is_alone(st) ||
		    (unknown && st->swarm.dialing == 0 && st->to_check_bytes == 0) ||
		    (st->phase == TRANSFER_DOWNLOADING && st->swarm.peers > 0 &&
		     !st->swarm.can_complete && st->swarm.down_bps == 0);

	if (!gone) {
		if (g->said_alone && st->swarm.down_bytes > g->alone_bytes) {
			g->said_alone = false;
			session_say(&g->session, "%s: holders are back, going on", g->wanted.label);
		}
		g->alone_ms = 0;
		return;
	}
	if (g->alone_ms == 0)
		g->alone_ms = now;
	if (st->swarm.down_bytes > 0 || g->o->wait_s > 0 || g->n_replaced > 0) {
		uint64_t limit = (uint64_t)g->o->wait_s * 1000;

		if (!g->said_alone && now - g->alone_ms > 1000) {
			g->said_alone = true;
			g->alone_bytes = st->swarm.down_bytes;
			session_say(&g->session,
				    "%s: no holder on line has what is missing; waiting for one",
				    g->wanted.label);
		}
		if (g->o->wait_s == 0 || now - g->alone_ms < limit)
			return;
	} else if (now - g->alone_ms < NO_HOLDER_MS) {
		return;
	}
	if (unknown) {
		give_up_link(g, &st->tracker_error);
		return;
	}
	if (st->tracker_error.code != OK)
		err_set(&why, ERR_UNREACHABLE, "%s: no holder on line (%.300s)", g->wanted.label,
			st->tracker_error.text);
	else
		err_set(&why, ERR_UNREACHABLE, "%s: no holder on line", g->wanted.label);
	progress_clear(&g->session.progress);
	(void)opts_fail(g->o, "get", &why);
	session_end(&g->session, EXIT_NO_HOLDER);
}

static void watch_disk(struct get *g, const struct transfer_status *st)
{
	if (st->phase == TRANSFER_STALLED && !g->said_stalled) {
		g->said_stalled = true;
		session_say(&g->session, "%s: paused: %s; goes on when that ends", g->wanted.label,
			    st->why.text);
	} else if (st->phase == TRANSFER_SEEDING && st->why.code != OK && !g->said_changed) {
		g->said_changed = true;
		session_say(&g->session, "%s; that part is not served any more", st->why.text);
	} else if (st->phase == TRANSFER_SEEDING && st->why.code == OK) {
		g->said_changed = false;
	} else if (st->phase == TRANSFER_DOWNLOADING && st->swarm.down_bps > 0) {
		g->said_stalled = false;
	}
}

static const char *note_of(const struct get *g, const struct transfer_status *st)
{
	if (g->by_daemon && (g->handed.state == JOB_QUEUED || g->handed.state == JOB_PAUSED))
		return job_state_word(g->handed.state);
	if (g->by_daemon && g->handed.state == JOB_METADATA)
		return ASKING;
	switch (st->phase) {
	case TRANSFER_CHECKING:
		return "checking";
	case TRANSFER_FINISHING:
		return "syncing";
	case TRANSFER_STALLED:
		return "paused";
	case TRANSFER_SEEDING:
		return "seeding";
	default:
		return g->alone_ms != 0 ? "waiting for a holder" : NULL;
	}
}

static void draw(struct get *g, const struct transfer_status *st, uint64_t now)
{
	bool checking = st->phase == TRANSFER_CHECKING;
	struct progress_state line = {
	    .label = g->wanted.label,
	    .done = checking ? st->checked_bytes : st->wanted_done_bytes,
	    .total = checking ? st->to_check_bytes : st->wanted_bytes,
	    .bps = st->swarm.down_bps,
	    .up_bps = st->swarm.up_bps,
	    .peers = st->swarm.peers,
	    .note = note_of(g, st),
	};

	progress_draw(&g->session.progress, &line, now);
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
				 .command = g->o->on_complete,
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

/* ---- newer versions ------------------------------------------------------------------------- */

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
		err = wanted_start(&next, g->o, g->index, g->session.node, on_phase, g,
				   &g->transfer, &why);
	if (err == OK) {
		wanted_fini(&g->wanted);
		g->wanted = next;
		g->old = now;
		g->start_ms = loop_now_ms(g->session.loop);
		g->alone_ms = 0;
		g->said_alone = g->said_stalled = g->said_changed = false;
		g->n_replaced++;
		g->last = (struct transfer_status){.phase = TRANSFER_CHECKING};
		session_poke(&g->session);
		return;
	}
	wanted_fini(&next);
	g->newest = g->wanted.placed->version; /* the next answer begins anew */
	if (err == ERR_EXISTS || err == ERR_DENIED || err == ERR_MISMATCH)
		fail(g, &why);
	else
		session_say(&g->session, "%s; trying again", why.text);
}

static void follow(struct get *g)
{
	if (g->old != NULL &&
	    (g->last.phase == TRANSFER_FINISHING || g->last.phase == TRANSFER_SEEDING)) {
		node_remove(g->session.node, g->old);
		g->old = NULL;
	}
	if (g->last.phase == TRANSFER_SEEDING && g->newest > g->wanted.placed->version)
		begin_newer(g);
}

static int start_watch(struct get *g, struct err_info *info)
{
	struct index_watch_params p = {
	    .loop = g->session.loop,
	    .index = g->index,
	    .every_s = g->o->every_s,
	    .answer = on_newest,
	    .user = g,
	};
	struct entry_ref ref;

	if (g->wanted.placed == NULL || g->wanted.item.len > 0 ||
	    (entry_ref_parse(bytes_str(g->o->args[0]), &ref, NULL) == OK && ref.version != 0))
		return err_set(info, ERR_INVALID, "--follow: give NAME or OWNER/NAME");
	p.owner = g->wanted.placed->owner;
	p.name = g->wanted.placed->name;
	if (index_watch_new(&p, &g->watch) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return OK;
}

/* ---- where it is done ---------------------------------------------------------------------- */

static bool look_at_transfer(struct get *g)
{
	transfer_status(g->transfer, &g->last);
	return true;
}

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
}

/* False: it goes on without us, or not at all. */
static bool look_at_daemon(struct get *g)
{
	struct handed *handed = &g->handed;
	struct err_info why;
	int err = handover_look(&handed, 1, &why);

	if (err != OK) {
		fail(g, &why);
		return false;
	}
	if (g->handed.gone) {
		err_set(&why, ERR_CANCELLED,
			"%s: was removed from the daemon, or the daemon has ended",
			g->wanted.label);
		fail(g, &why);
		return false;
	}
	take_handed(g);
	return true;
}

/* ---- all of it together ------------------------------------------------------------------------
 */

static void on_flowed(void *user, const struct err_info *how)
{
	struct get *g = user;

	if (how->code == OK) {
		end_fetched(g);
	} else if (how->code == ERR_CANCELLED) {
		session_end(&g->session, EXIT_NO_READER);
	} else if (!g->session.ending) {
		fail(g, how);
	}
}

static int start(struct get *g, struct err_info *info)
{
	int err = wanted_start(&g->wanted, g->o, g->index, g->session.node, on_phase, g,
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

/* ---- what a link means ------------------------------------------------------------------------
 */

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
	line.note = st.peers > 0 ? ASKING
		    : st.seeking ? "looking for peers in the hash table"
				 : "looking for peers";
	if (st.dialing > 0 || st.pieces > 0 || st.seeking)
		g->alone_ms = 0;
	else if (g->alone_ms == 0)
		g->alone_ms = now;
	else if (now - g->alone_ms >= limit)
		give_up_link(g, &st.tracker_error);
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
		fail(g, &why);
}

static void watch(struct session *s, void *user)
{
	struct get *g = user;
	uint64_t now = loop_now_ms(s->loop);
	bool was_seeding = g->last.phase == TRANSFER_SEEDING;

	if (g->ends) {
		if (hooks_are_idle(g->hooks))
			end_fetched(g);
		return;
	}
	if (g->transfer == NULL && !g->by_daemon)
		follow_link(g, now);
	if ((g->transfer == NULL && !g->by_daemon) || s->ending)
		return;
	if (g->by_daemon ? !look_at_daemon(g) : !look_at_transfer(g))
		return;
	if (g->last.phase == TRANSFER_FAILED && g->wanted.there_already &&
	    g->last.why.code == ERR_MISMATCH) {
		struct err_info why;

		(void)wanted_other_content(g->wanted.path, g->wanted.touched, &why);
		fail(g, &why);
	} else if (g->last.phase == TRANSFER_FAILED) {
		fail(g, &g->last.why);
	} else if (g->flow == NULL && g->last.phase == TRANSFER_SEEDING && !was_seeding) {
		progress_clear(&s->progress);
		if (!g->by_daemon) /* which remembers it, too */
			wanted_done(g->o, g->wanted.path, g->wanted.there_already, g->wanted.placed,
				    transfer_meta(g->transfer));
		print_done(g);
		if (g->hooks != NULL)
			fire_hooks(g);
		g->ends = g->by_daemon || (!g->o->seed && !g->o->follow);
		if (g->ends && hooks_are_idle(g->hooks))
			end_fetched(g);
	}
	if (g->o->follow && !s->ending)
		follow(g);
	if (s->ending)
		return;
	watch_disk(g, &g->last);
	watch_holders(g, &g->last, now);
	if (!s->ending)
		draw(g, &g->last, now);
}

/* -d */
static void print_left(const struct get *g)
{
	if (g->o->json) {
		json_t *j = json_pack("{s:i, s:o, s:s}", "id", (int)g->handed.id, "path",
				      torrent_text(g->handed.path), "state",
				      job_state_word(g->handed.state));

		out_json(j);
		json_decref(j);
	} else if (!g->o->quiet) {
		printf("%s: left to the daemon as number %u; 'shoal status' shows how far it is\n",
		       g->wanted.label, g->handed.id);
	}
	(void)fflush(stdout);
}

/* Who detaches has nothing to lose. */
static void say_detached(struct get *g)
{
	if (g->session.interrupted && !g->handed.complete)
		session_say(&g->session,
			    "%s: the daemon goes on with it as number %u; 'shoal status' shows how "
			    "far it is",
			    g->wanted.label, g->handed.id);
}

static void say_interrupted(struct get *g)
{
	char done[32], total[32];

	if (g->session.interrupted && g->flow == NULL && g->last.phase != TRANSFER_SEEDING)
		session_say(
		    &g->session, "%s: stopped with %s of %s; the same command goes on from there",
		    g->wanted.label, text_size(done, sizeof(done), g->last.wanted_done_bytes),
		    text_size(total, sizeof(total), g->last.wanted_bytes));
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
	int err = check_flow(g, info);

	if (err == OK)
		err = wanted_load(&g->wanted, g->o, g->o->args[0], false, &g->index, info);

	g->by_daemon = err == OK && !g->o->follow && handover_is_there(g->o);
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
	if (g->o->follow)
		err = start_watch(g, info);
	if (err == OK && g->by_daemon)
		err = wanted_hand_over(&g->wanted, g->o, g->index, &g->handed, info);
	else if (err == OK && wanted_is_unknown(&g->wanted))
		err =
		    wanted_fetch(&g->wanted, g->o, g->index, g->session.node, on_fetched, g, info);
	else if (err == OK)
		err = start(g, info);
	if (err != OK)
		return opts_fail(g->o, "get", info);
	if (g->by_daemon && g->o->detach) {
		print_left(g);
		return EXIT_OK;
	}
	return session_run(&g->session, watch, g);
}

static int get_one(const struct opts *o)
{
	struct get g = {.o = o};
	struct err_info info = {.code = OK};
	int code = run(&g, &info);

	if (g.transfer != NULL)
		say_interrupted(&g);
	if (g.by_daemon)
		say_detached(&g);
	if (g.by_daemon && code != EXIT_OK && !g.session.interrupted)
		handover_undo(&g.handed);
	handed_fini(&g.handed);
	if (g.session.interrupted && g.flow == NULL && g.last.phase == TRANSFER_SEEDING)
		code = EXIT_OK;
	index_watch_free(g.watch);
	wanted_fini(&g.wanted);
	outflow_free(g.flow);
	hooks_free(g.hooks);
	session_fini(&g.session);
	if (g.index != NULL)
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

	if (o->n_args == 1 && o->input == NULL)
		return get_one(o);
	if (alone == NULL)
		return get_many(o);
	err_set(&info, ERR_INVALID, "%s goes with one NAME", alone);
	return opts_fail(o, "get", &info);
}
