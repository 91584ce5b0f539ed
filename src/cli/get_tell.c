/* cli/get_tell.c - what `get` says of how it goes, and when it gives up. */
#include <stdio.h>

#include "base/text.h"
#include "cli/get_one.h"
#include "node/torrent_file.h"

void get_print_done(const struct get *g)
{
	const struct transfer_status *st = &g->last;
	double seconds = (double)(loop_now_ms(g->session.loop) - g->start_ms) / 1000.0;
	char size[32], rate[32], safe[512], files[64] = "", version[32] = "";
	/* What came twice is no news to anybody. */
	uint64_t came =
	    st->swarm.down_bytes < st->wanted_bytes ? st->swarm.down_bytes : st->wanted_bytes;
	uint64_t bps = seconds > 0.001 ? (uint64_t)((double)came / seconds) : 0;

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
		if (g->o->follow && g->wanted.placed != NULL)
			snprintf(version, sizeof(version), "version %u, ",
				 g->wanted.placed->version);
		if (st->wanted_files < st->files)
			snprintf(files, sizeof(files), "%u of %u files, ", st->wanted_files,
				 st->files);
		if (g->wanted.there_already)
			printf("%s: %sthere already, verified (%s)\n", safe, version,
			       text_size(size, sizeof(size), st->total_bytes));
		else if (g->wanted.replaces)
			printf("%s: version %u, %s verified in %.1f s (%s fetched), in the old "
			       "one's place\n",
			       safe, g->wanted.placed == NULL ? 0 : g->wanted.placed->version,
			       text_size(size, sizeof(size), st->wanted_bytes), seconds,
			       text_size(rate, sizeof(rate), st->swarm.down_bytes));
		else
			printf("%s: %s%s%s verified in %.1f s (%s)\n", safe, version, files,
			       text_size(size, sizeof(size), st->wanted_bytes), seconds,
			       text_rate(rate, sizeof(rate), bps));
	}
	(void)fflush(stdout);
}

void get_fail(struct get *g, const struct err_info *why)
{
	progress_clear(&g->session.progress);
	session_end(&g->session, opts_fail(g->o, "get", why));
}

void get_give_up_link(struct get *g, const struct err_info *tracker)
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

	if (g->by_daemon ? !handed_is_alone(&g->handed) : !transfer_is_alone(st)) {
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
		get_give_up_link(g, &st->tracker_error);
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
	if (st->phase == TRANSFER_STALLED) {
		if (!g->said_stalled)
			session_say(&g->session, "%s: paused: %s; goes on when that ends",
				    g->wanted.label, st->why.text);
		g->said_stalled = true;
		g->stalled_bytes = st->done_bytes;
	} else if (g->by_daemon && g->handed.state == JOB_CHECKING && st->why.code != OK) {
		/* In the foreground the node has said it. */
		if (!g->said_others)
			session_say(&g->session, "%s", st->why.text);
		g->said_others = true;
	} else if (st->phase == TRANSFER_SEEDING && st->why.code != OK && !g->said_changed) {
		g->said_changed = true;
		session_say(&g->session, "%s; that part is not served any more", st->why.text);
	} else if (st->phase == TRANSFER_SEEDING && st->why.code == OK && g->said_changed) {
		g->said_changed = false;
		session_say(&g->session, "%s: is as it was, and served again", g->wanted.label);
	} else if (st->phase == TRANSFER_DOWNLOADING && st->done_bytes > g->stalled_bytes) {
		/* It went on. That peers send, which they do at each try, is not enough. */
		g->said_stalled = false;
	}
}

static const char *note_of(const struct get *g, const struct transfer_status *st)
{
	if (g->by_daemon && (g->handed.state == JOB_QUEUED || g->handed.state == JOB_PAUSED))
		return job_state_word(g->handed.state);
	if (g->by_daemon && g->handed.state == JOB_METADATA)
		return GET_ASKING;
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

void get_tell(struct get *g, uint64_t now)
{
	watch_disk(g, &g->last);
	watch_holders(g, &g->last, now);
	if (!g->session.ending)
		draw(g, &g->last, now);
}

/* -d */
void get_print_left(const struct get *g)
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
void get_say_detached(struct get *g)
{
	if (!g->session.interrupted || !g->is_handed)
		return;
	if (g->o->follow)
		session_say(&g->session,
			    "%s: the daemon goes on following it as number %u; 'shoal status' "
			    "shows how far it is, 'shoal remove' ends it",
			    g->wanted.label, g->handed.id);
	else if (g->done_ms == 0)
		session_say(&g->session,
			    "%s: the daemon goes on with it as number %u; 'shoal status' shows how "
			    "far it is, 'shoal remove' ends it",
			    g->wanted.label, g->handed.id);
}

void get_say_interrupted(struct get *g)
{
	char done[32], total[32];

	if (g->session.interrupted && g->flow == NULL && g->last.phase != TRANSFER_SEEDING)
		session_say(
		    &g->session, "%s: stopped with %s of %s; the same command goes on from there",
		    g->wanted.label, text_size(done, sizeof(done), g->last.wanted_done_bytes),
		    text_size(total, sizeof(total), g->last.wanted_bytes));
}
