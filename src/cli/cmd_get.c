/* cli/cmd_get.c - find by name, fetch from everyone who has it, verify, put at its final name. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/torrent.h"
#include "meta/magnet.h"
#include "node/index_client.h"
#include "store/durable.h"

/* Without --wait, a download that nobody can serve is given up after this long. A peer that
 * just came up is found by then; one that will come tomorrow is not worth a hanging script. */
#define NO_HOLDER_MS 6000u
/* Addresses from --peer and x.pe. */
#define PEERS_MAX 64

struct get {
	const struct opts *o;
	struct session session;
	struct index_client *index; /* NULL when the .torrent came from a file */
	struct buf torrent;
	struct metainfo *meta; /* until the node takes it */
	struct transfer *transfer;
	char *path; /* final name */
	char label[256];
	struct addr peers[PEERS_MAX];
	size_t n_peers;
	uint64_t start_ms, alone_ms; /* since when nobody is there, 0: somebody is */
	bool there_already, said_alone, said_stalled, said_changed;
	struct transfer_status last;
};

/* ---- what is meant ------------------------------------------------------------------- */

static bool is_torrent_file(const char *arg)
{
	size_t n = strlen(arg);

	return n > 8 && strcmp(arg + n - 8, ".torrent") == 0;
}

/* A magnet link stands for the info-hash in it, which the index may know. */
static int ref_from_magnet(struct get *g, const char *uri, char ref[SHA256_LEN * 2 + 1],
			   struct err_info *info)
{
	struct magnet m;
	int err = magnet_parse(bytes_str(uri), &m);

	if (err != OK)
		return err_set(info, err, "not a magnet link that can be used: %s", err_text(err));
	if (m.has_v1)
		text_hex(ref, bytes_of(m.hash_v1, SHA1_LEN));
	else
		text_hex(ref, bytes_of(m.hash_v2, SHA256_LEN));
	for (uint32_t i = 0; i < m.n_peers && g->n_peers < PEERS_MAX; i++)
		g->peers[g->n_peers++] = m.peers[i];
	magnet_fini(&m);
	return OK;
}

static int fetch_torrent(struct get *g, const char *arg, struct err_info *info)
{
	char ref[SHA256_LEN * 2 + 1];
	json_t *found = NULL;
	struct entry e;
	int err = index_client_new(g->o->index, &g->index, info);

	if (err == OK && strncmp(arg, "magnet:", 7) == 0) {
		err = ref_from_magnet(g, arg, ref, info);
		arg = ref;
	}
	if (err == OK)
		err = index_client_resolve(g->index, arg, g->o->latest, &found, info);
	if (err == OK && index_client_entry(found, &e) != OK)
		err = err_set(info, ERR_PROTO, "%s: answers what no index would",
			      index_client_url(g->index));
	if (err == OK)
		err = index_client_torrent(g->index, e.id, &g->torrent, info);
	json_decref(found);
	return err;
}

/* What the content is called on disk. The `name` of a single v2 file is advisory (BEP 52). */
static const char *content_name(const struct get *g)
{
	return g->meta->single ? g->meta->files[0].path : g->meta->name;
}

static int load_torrent(struct get *g, const char *arg, struct err_info *info)
{
	enum meta_fault fault;
	char safe[256];
	int err;

	buf_init(&g->torrent, META_BYTES_MAX);
	if (is_torrent_file(arg))
		err = durable_read_path(arg, &g->torrent, info);
	else
		err = fetch_torrent(g, arg, info);
	if (err != OK)
		return err;
	fault = meta_parse(buf_bytes(&g->torrent), &g->meta);
	if (fault != META_OK)
		return err_set(info, ERR_PROTO, "%s: not a usable .torrent: %s",
			       text_escape(safe, sizeof(safe), bytes_str(arg)),
			       meta_fault_text(fault));
	text_escape(g->label, sizeof(g->label), bytes_str(content_name(g)));
	return OK;
}

static int read_peers(struct get *g, struct err_info *info)
{
	for (size_t i = 0; g->o->peers != NULL && g->o->peers[i] != NULL && g->n_peers < PEERS_MAX;
	     i++)
		if (addr_parse(bytes_str(g->o->peers[i]), NODE_PORT_FIRST,
			       &g->peers[g->n_peers++]) != OK)
			return err_set(info, ERR_INVALID, "--peer: not ADDRESS:PORT");
	return OK;
}

/* ---- where it goes ---------------------------------------------------------------------- */

static int choose_path(struct get *g, struct err_info *info)
{
	const char *out = g->o->out;
	struct buf b;
	struct stat st;

	if (out != NULL && strcmp(out, "-") == 0)
		return err_set(info, ERR_INVALID, "-o -: writing to a pipe is not possible yet");
	buf_init(&b, 16384);
	if (out == NULL) {
		(void)buf_put_str(&b, "./");
		(void)buf_put_str(&b, content_name(g));
	} else if (out[0] == '\0' || out[strlen(out) - 1] == '/' ||
		   (stat(out, &st) == 0 && S_ISDIR(st.st_mode))) {
		(void)buf_printf(&b, out[0] == '\0' || out[strlen(out) - 1] == '/' ? "%s" : "%s/",
				 out);
		(void)buf_put_str(&b, content_name(g));
	} else {
		(void)buf_put_str(&b, out);
	}
	g->path = buf_cstr(&b) == NULL ? NULL : strdup(buf_cstr(&b));
	buf_fini(&b);
	return g->path == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
}

static void on_phase(void *user, struct transfer *t, enum transfer_phase phase)
{
	struct get *g = user;

	(void)t;
	(void)phase;
	session_poke(&g->session);
}

/* The index first, then those of the command line. NULL without memory. */
static const char **list_trackers(const struct get *g)
{
	const char *const *more = g->o->trackers;
	size_t n = 0;
	const char **list;

	while (more != NULL && more[n] != NULL)
		n++;
	list = calloc(n + 2, sizeof(*list));
	if (list == NULL)
		return NULL;
	if (g->index != NULL)
		list[0] = index_client_announce_url(g->index);
	if (n > 0)
		memcpy(list + (g->index != NULL), more, n * sizeof(*list));
	return list;
}

static int start(struct get *g, bool seed, struct err_info *info)
{
	const char **trackers = list_trackers(g);
	int err;
	struct transfer_params p = {
	    .meta = g->meta,
	    .torrent = buf_bytes(&g->torrent),
	    .path = g->path,
	    .seed = seed,
	    .check = seed,
	    .preallocate = g->o->preallocate,
	    .trackers = trackers,
	    .peers = g->peers,
	    .n_peers = g->n_peers,
	    .on_phase = on_phase,
	    .user = g,
	};

	if (trackers == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	g->meta = NULL; /* taken over, also on error */
	err = node_add(g->session.node, &p, &g->transfer, info);
	free(trackers);
	return err;
}

/* Something is at the final name: the same content is fine, anything else stays untouched. */
static int start_with_existing(struct get *g, struct err_info *info)
{
	char safe[512];
	int err;

	if (meta_parse(buf_bytes(&g->torrent), &g->meta) != META_OK)
		return info->code;
	err = start(g, true, info);
	if (err == OK)
		g->there_already = true;
	if (err == OK || (err != ERR_INVALID && err != ERR_NOENT && err != ERR_MISMATCH))
		return err;
	return err_set(info, ERR_EXISTS,
		       "%s: is there already, with other content; choose another with -o",
		       text_escape(safe, sizeof(safe), bytes_str(g->path)));
}

/* ---- while it runs ------------------------------------------------------------------------- */

static void print_done(const struct get *g)
{
	const struct transfer_status *st = &g->last;
	double seconds = (double)(loop_now_ms(g->session.loop) - g->start_ms) / 1000.0;
	char size[32], rate[32], safe[512];
	uint64_t bps = seconds > 0.001 ? (uint64_t)((double)st->swarm.down_bytes / seconds) : 0;

	if (g->o->json) {
		json_t *j = json_pack("{s:o, s:I, s:I, s:I, s:I, s:f, s:b}", "path",
				      torrent_text(g->path), "bytes", (json_int_t)st->total_bytes,
				      "downloaded", (json_int_t)st->swarm.down_bytes, "uploaded",
				      (json_int_t)st->swarm.up_bytes, "wasted",
				      (json_int_t)st->swarm.wasted_bytes, "seconds", seconds,
				      "there_already", g->there_already);

		out_json(j);
		json_decref(j);
	} else if (!g->o->quiet) {
		text_escape(safe, sizeof(safe), bytes_str(g->path));
		if (g->there_already)
			printf("%s: there already, verified (%s)\n", safe,
			       text_size(size, sizeof(size), st->total_bytes));
		else
			printf("%s: %s verified in %.1f s (%s)\n", safe,
			       text_size(size, sizeof(size), st->total_bytes), seconds,
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
	return st->phase == TRANSFER_DOWNLOADING && st->swarm.peers == 0 && st->swarm.dialing == 0;
}

/* Says when the last holder is gone; gives up when there never was one. */
static void watch_holders(struct get *g, const struct transfer_status *st, uint64_t now)
{
	struct err_info why;
	bool gone = is_alone(st) || (st->phase == TRANSFER_DOWNLOADING && st->swarm.peers > 0 &&
				     !st->swarm.can_complete && st->swarm.down_bps == 0);

	if (!gone) {
		if (st->swarm.down_bps > 0 && g->said_alone) {
			g->said_alone = false;
			session_say(&g->session, "%s: holders are back, going on", g->label);
		}
		g->alone_ms = 0;
		return;
	}
	if (g->alone_ms == 0)
		g->alone_ms = now;
	if (st->swarm.down_bytes > 0 || g->o->wait_s > 0) {
		uint64_t limit = (uint64_t)g->o->wait_s * 1000;

		if (!g->said_alone && now - g->alone_ms > 1000) {
			g->said_alone = true;
			session_say(&g->session,
				    "%s: no holder on line has what is missing; waiting for one",
				    g->label);
		}
		if (g->o->wait_s == 0 || now - g->alone_ms < limit)
			return;
	} else if (now - g->alone_ms < NO_HOLDER_MS) {
		return;
	}
	if (st->tracker_error.code != OK)
		err_set(&why, ERR_UNREACHABLE, "%s: no holder on line (%.300s)", g->label,
			st->tracker_error.text);
	else
		err_set(&why, ERR_UNREACHABLE, "%s: no holder on line", g->label);
	progress_clear(&g->session.progress);
	(void)opts_fail(g->o, "get", &why);
	session_end(&g->session, EXIT_NO_HOLDER);
}

static void watch_disk(struct get *g, const struct transfer_status *st)
{
	if (st->phase == TRANSFER_STALLED && !g->said_stalled) {
		g->said_stalled = true;
		session_say(&g->session, "%s: paused: %s; goes on when that ends", g->label,
			    st->why.text);
	} else if (st->phase == TRANSFER_SEEDING && st->why.code != OK && !g->said_changed) {
		g->said_changed = true;
		session_say(&g->session, "%s; that part is not served any more", st->why.text);
	} else if (st->phase == TRANSFER_DOWNLOADING && st->swarm.down_bps > 0) {
		g->said_stalled = false;
	}
}

static const char *note_of(const struct get *g, const struct transfer_status *st)
{
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
	    .label = g->label,
	    .done = checking ? st->checked_bytes : st->done_bytes,
	    .total = checking ? st->to_check_bytes : st->total_bytes,
	    .bps = st->swarm.down_bps,
	    .up_bps = st->swarm.up_bps,
	    .peers = st->swarm.peers,
	    .note = note_of(g, st),
	};

	progress_draw(&g->session.progress, &line, now);
}

static void watch(struct session *s, void *user)
{
	struct get *g = user;
	uint64_t now = loop_now_ms(s->loop);
	bool was_seeding = g->last.phase == TRANSFER_SEEDING;

	transfer_status(g->transfer, &g->last);
	if (g->last.phase == TRANSFER_FAILED && g->there_already &&
	    g->last.why.code == ERR_MISMATCH) {
		struct err_info why;
		char safe[400];

		err_set(&why, ERR_EXISTS,
			"%s: is there already, with other content; choose another with -o",
			text_escape(safe, sizeof(safe), bytes_str(g->path)));
		fail(g, &why);
	} else if (g->last.phase == TRANSFER_FAILED) {
		fail(g, &g->last.why);
	} else if (g->last.phase == TRANSFER_SEEDING && !was_seeding) {
		progress_clear(&s->progress);
		print_done(g);
		if (!g->o->seed)
			session_end(s, EXIT_OK);
	}
	if (s->ending)
		return;
	watch_disk(g, &g->last);
	watch_holders(g, &g->last, now);
	if (!s->ending)
		draw(g, &g->last, now);
}

static void say_interrupted(struct get *g)
{
	char done[32], total[32];

	if (g->session.interrupted && g->last.phase != TRANSFER_SEEDING)
		session_say(&g->session,
			    "%s: stopped with %s of %s; the same command goes on from there",
			    g->label, text_size(done, sizeof(done), g->last.done_bytes),
			    text_size(total, sizeof(total), g->last.total_bytes));
}

static int run(struct get *g, struct err_info *info)
{
	int err = load_torrent(g, g->o->args[0], info);

	if (err == OK)
		err = read_peers(g, info);
	if (err == OK)
		err = choose_path(g, info);
	if (err == OK)
		err = session_init(&g->session, g->o, info);
	if (err != OK)
		return opts_fail(g->o, "get", info);
	g->start_ms = loop_now_ms(g->session.loop);
	err = start(g, false, info);
	if (err == ERR_EXISTS)
		err = start_with_existing(g, info);
	if (err != OK)
		return opts_fail(g->o, "get", info);
	return session_run(&g->session, watch, g);
}

int cmd_get(const struct opts *o)
{
	struct get g = {.o = o};
	struct err_info info = {.code = OK};
	int code = run(&g, &info);

	if (g.transfer != NULL)
		say_interrupted(&g);
	if (g.session.interrupted && g.last.phase == TRANSFER_SEEDING)
		code = EXIT_OK;
	session_fini(&g.session);
	if (g.index != NULL)
		index_client_free(g.index);
	meta_free(g.meta);
	buf_fini(&g.torrent);
	free(g.path);
	return code;
}
