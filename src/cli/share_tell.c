/* cli/share_tell.c - what `share` says: what is served, how it goes, how it ended. */
#include <stdio.h>

#include "base/text.h"
#include "cli/exit.h"
#include "cli/out.h"
#include "cli/sharing.h"
#include "node/torrent_file.h"

static json_t *share_json(const struct share *s)
{
	struct entry e;

	kept_entry_get(s->entry, &e);
	return json_pack("{s:s, s:s, s:i, s:I, s:i, s:I, s:o}", "owner", e.owner, "name", e.name,
			 "version", (int)e.version, "id", (json_int_t)e.id, "files", (int)e.n_files,
			 "bytes", (json_int_t)e.bytes, "path", torrent_text(s->path));
}

static void print_share(const struct share *s)
{
	char size[32], owner[ENTRY_OWNER_BYTES_MAX * 4];
	struct entry e;

	kept_entry_get(s->entry, &e);
	printf("serving %s/%s@%u  %s  %u file%s\n",
	       text_escape(owner, sizeof(owner), bytes_str(e.owner)), s->label, e.version,
	       text_size(size, sizeof(size), e.bytes), e.n_files, e.n_files == 1 ? "" : "s");
}

void share_tell_serving(const struct sharing *sh)
{
	const char *index = index_client_url(sh->index);
	json_t *list = json_array();

	for (size_t i = 0; i < sh->n && sh->o->json; i++)
		json_array_append_new(list, share_json(&sh->shares[i]));
	if (sh->o->json)
		out_json(list);
	else if (!sh->o->quiet && sh->by_daemon && sh->o->detach)
		printf("by the daemon, index %s; 'shoal status' shows it\n", index);
	else if (!sh->o->quiet && sh->by_daemon)
		printf("by the daemon, index %s; Ctrl-C leaves it to it\n", index);
	else if (!sh->o->quiet && opts_progress(sh->o) != PROGRESS_JSON) /* a person reads it */
		printf("peer on port %u, index %s; Ctrl-C stops serving, the entry stays listed\n",
		       node_port(sh->session.node), index);
	json_decref(list);
	(void)fflush(stdout);
}

static void tell(struct sharing *sh, const struct share *s)
{
	progress_clear(&sh->session.progress);
	print_share(s);
	(void)fflush(stdout);
}

/* For programs: the names as they are, where those that a person reads are escaped. */
static void tell_event(const struct sharing *sh, const struct share *s)
{
	json_t *event;

	if (opts_progress(sh->o) != PROGRESS_JSON)
		return;
	event = share_json(s);
	json_object_set_new(event, "event", json_string("serving"));
	out_json_line(stderr, event);
	json_decref(event);
}

void share_tell_one(struct sharing *sh, const struct share *s)
{
	tell_event(sh, s);
	if (!sh->o->json) /* they are one list then */
		tell(sh, s);
}

void share_tell_newer(struct sharing *sh, const struct share *s)
{
	json_t *line;

	if (!s->heard)
		return;
	tell_event(sh, s);
	if (sh->o->json && !sh->announced)
		return;
	if (!sh->o->json) {
		tell(sh, s);
		return;
	}
	progress_clear(&sh->session.progress);
	line = share_json(s);
	out_json_line(stdout, line);
	json_decref(line);
}

static void draw_serving(struct sharing *sh)
{
	struct progress_state line = {.label = "serving", .note = "", .done = sh->up_bytes};
	struct node_status st = {.peers = 0};

	if (!sh->by_daemon)
		node_status(sh->session.node, &st);
	for (size_t i = 0; sh->by_daemon && i < sh->n; i++) {
		st.up_bps += sh->shares[i].handed->status.swarm.up_bps;
		st.peers += sh->shares[i].handed->status.swarm.peers;
	}
	line.up_bps = st.up_bps;
	line.peers = st.peers;
	progress_draw(&sh->session.progress, &line, loop_now_ms(sh->session.loop));
}

static void draw_hashing(struct sharing *sh, uint64_t done, uint64_t total)
{
	char label[256];

	if (sh->n_paths == 1)
		text_escape(label, sizeof(label), bytes_str(sh->o->args[0]));
	else
		snprintf(label, sizeof(label), "%zu of %zu", sh->n + sh->n_failed + 1, sh->n_paths);
	if (total > 0)
		progress_work(&sh->session.progress, label, "hashing", done, total);
}

void share_draw(struct sharing *sh)
{
	uint64_t done, total;

	if (share_batch_progress(sh->batch, &done, &total))
		draw_hashing(sh, done, total);
	else
		draw_serving(sh);
}

void share_tell_spooled(const struct sharing *sh)
{
	char safe[512];

	for (size_t i = 0; i < sh->n_paths; i++) {
		if (sh->shares[i].spooled && sh->shares[i].path != NULL && !sh->o->quiet)
			fprintf(stderr, "standard input is kept in %s\n",
				text_escape(safe, sizeof(safe), bytes_str(sh->shares[i].path)));
	}
}

int share_tell_interrupted(struct sharing *sh)
{
	bool all = sh->n + sh->n_failed == sh->n_paths;

	if (!all && sh->n == 0)
		session_say(&sh->session, SHARE_TEXT_NOTHING);
	else if (!all)
		session_say(&sh->session,
			    "stopped with %zu of %zu shared; the same command goes "
			    "on from there",
			    sh->n, sh->n_paths);
	if (sh->by_daemon && sh->n > 0)
		session_say(&sh->session,
			    "the daemon goes on serving%s; 'shoal status' shows it, "
			    "'shoal remove' ends it",
			    sh->o->watch ? " and watching" : "");
	return all ? sh->code : EXIT_INTERRUPTED;
}
