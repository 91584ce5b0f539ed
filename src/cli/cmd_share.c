/* cli/cmd_share.c - publish files and folders under names, and serve them in place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/daemon_watch.h"
#include "cli/handover.h"
#include "cli/index_open.h"
#include "cli/placed.h"
#include "cli/publish.h"
#include "cli/renewer.h"
#include "cli/session.h"
#include "cli/share_batch.h"
#include "cli/share_name.h"
#include "cli/spool.h"
#include "node/torrent_file.h"
#include "store/root.h"

/* Shares that are looked at each time; the others have their turn later. */
#define PATROL 64u
/* One PATH of the command line. */
struct share {
	char *path;   /* absolute, so that messages and the store agree */
	bool spooled; /* it was standard input */
	struct entry entry;
	struct transfer *transfer; /* NULL: the daemon has it, as */
	struct handed handed;
	bool said_changed, heard; /* heard: a tracker answered, or did not */
	struct share_name name;
	uint64_t up_bytes;
	char label[ENTRY_NAME_BYTES_MAX * 2];
	struct hash_record record; /* --watch; the thread's while it works on this one */
	uint32_t n_newer;	   /* versions that the daemon has published since */
	char said_upkeep[ERR_TEXT_MAX];
};

struct sharing {
	const struct opts *o;
	struct home home;
	struct index_client *index;
	struct publisher publisher;
	struct session session;
	struct share *shares;
	size_t n_paths, n; /* all; those that are served, the first ones */
	size_t patrol, n_heard;
	uint64_t up_bytes;
	bool announced; /* said "serving" already */
	struct share_batch *batch;
	struct renewer *renewer;  /* --watch */
	struct publication newer; /* its thread's, while that runs */
	bool by_daemon;
};

/* What a share is called, and who is told of it. */
struct calling {
	const char *trackers[2];
	char title[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 16];
};

static void call_it(struct calling *c, const struct sharing *sh, const struct share *s)
{
	c->trackers[0] = index_client_announce_url(sh->index);
	c->trackers[1] = NULL;
	snprintf(c->title, sizeof(c->title), "%s/%s@%u", s->entry.owner, s->entry.name,
		 s->entry.version);
}

/* Nothing of it is told to the distributed hash table? */
static bool is_secret(const struct sharing *sh, const struct metainfo *m)
{
	return sh->o->no_dht || m->private;
}

static int hand_over(struct sharing *sh, struct share *s, const struct publication *p,
		     struct err_info *info)
{
	struct calling c;
	struct job_spec spec = {
	    .torrent = buf_bytes(&p->build.torrent),
	    .path = p->build.data_path,
	    .title = c.title,
	    .seed = true,
	    .stamp = p->stamped ? &p->before : NULL,
	    .trackers = c.trackers,
	    .owner = s->entry.owner,
	    .entry = s->entry.name,
	    .version = s->entry.version,
	};
	char *watch = sh->o->watch ? daemon_watch_text(sh->o, s->path, &s->entry) : NULL;
	struct buf item;
	int err = OK;

	if (sh->o->watch && watch == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	spec.watch = watch;
	call_it(&c, sh, s);
	buf_init(&item, DHT_ITEM_BYTES_MAX);
	if (!is_secret(sh, p->build.meta))
		err = dht_name_sign(&s->entry, &sh->home, -1, &item, info);
	spec.item = buf_bytes(&item);
	if (err == OK)
		err = handover_add(&s->handed, sh->o, sh->index, &spec, info);
	buf_fini(&item);
	free(watch);
	return err;
}

static struct share_name_of name_of(const struct sharing *sh, const struct share *s)
{
	return (struct share_name_of){.home = &sh->home,
				      .entry = &s->entry,
				      .label = s->label,
				      .transfer = s->transfer,
				      .handed = &s->handed};
}

static int serve(struct sharing *sh, struct share *s, struct build *b, struct err_info *info)
{
	struct calling c;
	struct transfer_params p = {
	    .meta = b->meta,
	    .torrent = buf_bytes(&b->torrent),
	    .path = b->data_path,
	    .title = c.title,
	    .seed = true,
	    .trackers = c.trackers,
	};

	bool secret = is_secret(sh, b->meta);
	struct share_name_of name;
	int err;

	call_it(&c, sh, s);
	b->meta = NULL; /* taken over */
	err = node_add(sh->session.node, &p, &s->transfer, info);
	if (err != OK || secret)
		return err;
	name = name_of(sh, s);
	return share_name_set(&name, -1, info);
}

/* So that a later `get` to this place can say which version is there, and use its bytes. */
static void remember(struct sharing *sh, const struct share *s, const struct build *b)
{
	struct err_info why;
	struct placed p;

	placed_from_entry(&p, &s->entry);
	if (placed_remember(b->data_path, &p, &why) != OK)
		session_say(&sh->session, "%s: which version is there is not remembered: %s",
			    s->label, why.text);
}

static int use(struct sharing *sh, struct share *s, struct publication *p, struct err_info *info)
{
	char safe[512];
	int err;

	s->entry = p->entry;
	memcpy(s->label, p->label, sizeof(s->label));
	if (p->unkept.code != OK)
		session_say(&sh->session, "what was hashed is not remembered: %s", p->unkept.text);
	if (p->build.skipped > 0)
		session_say(&sh->session, "%s: %u links and special files left out",
			    text_escape(safe, sizeof(safe), bytes_str(s->path)), p->build.skipped);
	err = sh->by_daemon ? hand_over(sh, s, p, info) : serve(sh, s, &p->build, info);
	if (err == OK)
		remember(sh, s, &p->build);
	if (!sh->o->watch || sh->by_daemon)
		hash_record_fini(&s->record);
	return err;
}

static void fail(struct sharing *sh, const struct err_info *why)
{
	progress_clear(&sh->session.progress);
	session_end(&sh->session, opts_fail(sh->o, "share", why));
}

/* ---- published one after the other ------------------------------------------------------ */

static struct share_item item_of(void *user, size_t i)
{
	struct sharing *sh = user;

	return (struct share_item){sh->shares[i].path, &sh->shares[i].record};
}

static int on_published(void *user, size_t i, struct publication *p, struct err_info *info)
{
	struct sharing *sh = user;
	int err = use(sh, &sh->shares[i], p, info);

	if (err == OK)
		sh->n++;
	progress_begin(&sh->session.progress, opts_progress(sh->o));
	session_poke(&sh->session);
	return err;
}

static int watch_shares(struct sharing *sh, struct err_info *info);

static void on_all_published(void *user, const struct err_info *how)
{
	struct sharing *sh = user;
	struct err_info why = *how;

	if (why.code == OK)
		(void)watch_shares(sh, &why);
	if (why.code != OK)
		fail(sh, &why);
}

static int begin_publishing(struct sharing *sh, struct err_info *info)
{
	struct share_batch_params p = {.loop = sh->session.loop,
				       .publisher = sh->publisher,
				       .n = sh->n_paths,
				       .item = item_of,
				       .use = on_published,
				       .ended = on_all_published,
				       .user = sh};

	progress_begin(&sh->session.progress, opts_progress(sh->o));
	return share_batch_new(&p, &sh->batch, info);
}

/* Nothing is published any more. */
static void on_leaving(void *user)
{
	struct sharing *sh = user;

	share_batch_stop(sh->batch);
}

/* ---- while it runs ------------------------------------------------------------- */

static json_t *share_json(const struct share *s)
{
	const struct entry *e = &s->entry;

	return json_pack("{s:s, s:s, s:i, s:I, s:i, s:I, s:o}", "owner", e->owner, "name", e->name,
			 "version", (int)e->version, "id", (json_int_t)e->id, "files",
			 (int)e->n_files, "bytes", (json_int_t)e->bytes, "path",
			 torrent_text(s->path));
}

static void print_share(const struct share *s)
{
	const struct entry *e = &s->entry;
	char size[32], owner[ENTRY_OWNER_BYTES_MAX * 4];

	printf("serving %s/%s@%u  %s  %u file%s\n",
	       text_escape(owner, sizeof(owner), bytes_str(e->owner)), s->label, e->version,
	       text_size(size, sizeof(size), e->bytes), e->n_files, e->n_files == 1 ? "" : "s");
}

static void print_serving(const struct sharing *sh)
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

static void print_newer(struct sharing *sh, const struct share *s)
{
	progress_clear(&sh->session.progress);
	if (sh->o->json) {
		json_t *line = share_json(s);

		out_json_line(stdout, line);
		json_decref(line);
	} else {
		print_share(s);
		(void)fflush(stdout);
	}
}

/* The daemon has published a newer one, of which the index knows more than it says. */
static void take_newer(struct sharing *sh, struct share *s)
{
	char ref[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 16];
	json_t *j = NULL;
	struct entry e;

	s->n_newer = s->handed.n_newer;
	s->up_bytes = 0;
	snprintf(ref, sizeof(ref), "%s/%s@%u", s->entry.owner, s->entry.name, s->handed.version);
	if (index_client_resolve(sh->index, ref, false, &j, NULL) == OK &&
	    index_client_entry(j, &e) == OK)
		s->entry = e;
	json_decref(j);
	s->entry.version = s->handed.version;
	print_newer(sh, s);
}

/* What is in the way of a newer version by the daemon. */
static void say_upkeep(struct sharing *sh, struct share *s)
{
	const struct err_info *why = &s->handed.upkeep_why;

	if (why->code != OK && strcmp(why->text, s->said_upkeep) != 0)
		session_say(&sh->session, "%s: %s", s->label, why->text);
	snprintf(s->said_upkeep, sizeof(s->said_upkeep), "%s", why->code == OK ? "" : why->text);
}

/* Somebody can find it. */
static void on_heard(struct sharing *sh, struct share *s)
{
	s->heard = true;
	sh->n_heard++;
	if (sh->o->json)
		return;
	progress_clear(&sh->session.progress);
	print_share(s);
	(void)fflush(stdout);
}

static void take_status(struct sharing *sh, struct share *s, const struct transfer_status *st)
{
	struct share_name_of name = name_of(sh, s);

	if (st->why.code != OK && !s->said_changed && !sh->o->watch) {
		s->said_changed = true;
		session_say(&sh->session, "%s; share it again to publish what it is now",
			    st->why.text);
	} else if (st->why.code == OK && s->said_changed) {
		s->said_changed = false;
		session_say(&sh->session, "%s: is as it was, and served again", s->label);
	}
	share_name_look(&s->name, &name, st, &sh->session);
	if (!s->heard && st->tracker_ok + st->tracker_failed > 0)
		on_heard(sh, s);
	sh->up_bytes += st->swarm.up_bytes - s->up_bytes;
	s->up_bytes = st->swarm.up_bytes;
}

static int look_at(struct sharing *sh, struct share *s, struct err_info *info)
{
	struct transfer_status st;

	if (!sh->by_daemon)
		transfer_status(s->transfer, &st);
	else if (s->handed.gone)
		return err_set(info, ERR_CANCELLED,
			       "%s: was removed from the daemon, or the daemon has ended",
			       s->label);
	else
		st = s->handed.status;
	if (sh->by_daemon && s->handed.n_newer > s->n_newer)
		take_newer(sh, s);
	if (sh->by_daemon)
		say_upkeep(sh, s);
	/* A watched one that was changed is made anew. */
	if (st.phase == TRANSFER_FAILED && sh->by_daemon && sh->o->watch)
		return OK;
	if (st.phase == TRANSFER_FAILED) {
		*info = st.why;
		return st.why.code;
	}
	take_status(sh, s, &st);
	return OK;
}

/* The next ones in turn, at most HANDOVER_LOOK_MAX. */
static int look_at_some(struct sharing *sh, size_t n, struct err_info *info)
{
	struct handed *handed[HANDOVER_LOOK_MAX];
	int err = OK;

	for (size_t i = 0; i < n; i++)
		handed[i] = &sh->shares[(sh->patrol + i) % sh->n].handed;
	if (sh->by_daemon)
		err = handover_look(handed, n, info);
	for (size_t i = 0; i < n && err == OK; i++)
		err = look_at(sh, &sh->shares[sh->patrol++ % sh->n], info);
	return err;
}

/* All of them until the trackers were told, which is soon. */
static int look(struct sharing *sh, struct err_info *info)
{
	size_t left = sh->announced && sh->n > PATROL ? PATROL : sh->n;
	int err = OK;

	while (left > 0 && err == OK) {
		size_t n = left < HANDOVER_LOOK_MAX ? left : HANDOVER_LOOK_MAX;

		err = look_at_some(sh, n, info);
		left -= n;
	}
	return err;
}

static void draw(struct sharing *sh)
{
	struct progress_state line = {.label = "serving", .note = "", .done = sh->up_bytes};
	struct node_status st = {.peers = 0};

	if (!sh->by_daemon)
		node_status(sh->session.node, &st);
	for (size_t i = 0; sh->by_daemon && i < sh->n; i++) {
		st.up_bps += sh->shares[i].handed.status.swarm.up_bps;
		st.peers += sh->shares[i].handed.status.swarm.peers;
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
		snprintf(label, sizeof(label), "%zu of %zu", sh->n + 1, sh->n_paths);
	if (total > 0)
		progress_work(&sh->session.progress, label, "hashing", done, total);
}

static void watch(struct session *session, void *user)
{
	struct sharing *sh = user;
	uint64_t done, total;
	struct err_info why;

	/* Who is leaving only serves. */
	if (session->interrupted)
		share_batch_stop(sh->batch);
	if (look(sh, &why) != OK) {
		fail(sh, &why);
		return;
	}
	if (sh->n_heard == sh->n_paths && !sh->announced) {
		sh->announced = true;
		print_serving(sh);
		if (sh->by_daemon && sh->o->detach) {
			session_end(session, EXIT_OK);
			return;
		}
	}
	if (share_batch_progress(sh->batch, &done, &total))
		draw_hashing(sh, done, total);
	else
		draw(sh);
}

/* ---- --watch: newer versions ----------------------------------------------------- */

/* On a thread of its own. */
static int make_newer(void *user, void *item, const atomic_bool *stop, struct err_info *why)
{
	struct sharing *sh = user;
	struct share *s = item;
	struct build_aside aside = {.stop = stop};
	int err =
	    publish_path(&sh->publisher, s->path, &s->entry, &s->record, &aside, &sh->newer, why);

	if (err != OK)
		publication_fini(&sh->newer);
	return err;
}

/* The older version was served until now, as far as its files are what they were. */
static int serve_newer(struct sharing *sh, struct share *s, struct err_info *info)
{
	struct share next = {.entry = sh->newer.entry};
	int err = serve(sh, &next, &sh->newer.build, info);

	if (err != OK)
		return err;
	node_remove(sh->session.node, s->transfer);
	s->transfer = next.transfer;
	s->entry = next.entry;
	s->name.settled = false;
	s->name.again = 0;
	s->up_bytes = 0;
	remember(sh, s, &sh->newer.build);
	print_newer(sh, s);
	return OK;
}

static int use_newer(void *user, void *item, struct err_info *why)
{
	struct sharing *sh = user;
	int err = sh->newer.same || sh->session.ending ? OK : serve_newer(sh, item, why);

	publication_fini(&sh->newer);
	return err;
}

static void say_renewing(void *user, void *item, const char *text)
{
	struct sharing *sh = user;

	session_say(&sh->session, "%s: %s", ((struct share *)item)->label, text);
}

static int watch_shares(struct sharing *sh, struct err_info *info)
{
	struct renewer_params p = {
	    .loop = sh->session.loop,
	    .make = make_newer,
	    .use = use_newer,
	    .say = say_renewing,
	    .user = sh,
	};
	uint32_t settle_ms = share_settle_ms(sh->o->settle_s);
	int err;

	if (!sh->o->watch || sh->by_daemon)
		return OK;
	p.watcher = node_folder_watcher(sh->session.node);
	err = renewer_new(&p, &sh->renewer);
	for (size_t i = 0; i < sh->n && err == OK; i++)
		err = renewer_add(sh->renewer, sh->shares[i].path, settle_ms, &sh->shares[i]);
	return err == OK ? OK : err_set(info, err, "%s", err_text(err));
}

/* Its name is that of a file, too. */
static int check_stdin(const struct opts *o, struct err_info *info)
{
	for (int i = 0; i < o->n_args; i++) {
		if (strcmp(o->args[i], "-") != 0)
			continue;
		if (o->name == NULL)
			return err_set(info, ERR_INVALID, "standard input needs a --name");
		return entry_check_name(bytes_str(o->name), info);
	}
	return OK;
}

/* All paths or none: a mistyped one must not leave the others published. */
static int check_paths(const struct opts *o, struct err_info *info)
{
	char safe[512];

	for (int i = 0; i < o->n_args; i++)
		if (strcmp(o->args[i], "-") != 0 && access(o->args[i], R_OK) != 0)
			return root_errno(
			    info, text_escape(safe, sizeof(safe), bytes_str(o->args[i])), errno);
	return OK;
}

static int resolve_paths(struct sharing *sh, struct err_info *info)
{
	char safe[512];

	for (size_t i = 0; i < sh->n_paths; i++) {
		const char *path = sh->o->args[i];
		struct share *s = &sh->shares[i];
		int err = OK;

		s->spooled = strcmp(path, "-") == 0;
		if (s->spooled)
			err = spool_stdin(sh->o->name, sh->o->spool, &s->path, info);
		else if ((s->path = realpath(path, NULL)) == NULL)
			err = root_errno(info, text_escape(safe, sizeof(safe), bytes_str(path)),
					 errno);
		if (err != OK)
			return err;
	}
	return OK;
}

static int check_detach(const struct sharing *sh, struct err_info *info)
{
	if (!sh->o->detach || sh->by_daemon)
		return OK;
	return handover_why_not(sh->o, info);
}

static int open_all(struct sharing *sh, struct err_info *info)
{
	const struct opts *o = sh->o;
	int err = home_open(&sh->home, info);

	if (err == OK && o->as != NULL)
		err = home_set_owner(&sh->home, o->as, info);
	if (err == OK)
		err = index_open(o, &sh->index, info);
	sh->by_daemon = err == OK && handover_is_there(o);
	if (err == OK)
		err = check_detach(sh, info);
	if (err == OK)
		err = session_init(&sh->session, o, sh->by_daemon ? SESSION_CLIENT : SESSION_PEER,
				   info);
	sh->session.index = sh->index;
	sh->session.leaving = on_leaving;
	sh->session.user = sh;
	sh->publisher = (struct publisher){o, &sh->home, sh->index};
	return err;
}

static int start(struct sharing *sh, struct err_info *info)
{
	const struct opts *o = sh->o;
	int err = check_stdin(o, info);

	if (err == OK)
		err = check_paths(o, info);
	if (err == OK)
		err = open_all(sh, info);
	if (err == OK)
		err = resolve_paths(sh, info);
	return err == OK ? begin_publishing(sh, info) : err;
}

/* What was read is a file by now, which the user must know of. */
static void say_spooled(const struct sharing *sh)
{
	char safe[512];

	for (size_t i = 0; i < sh->n_paths; i++) {
		if (sh->shares[i].spooled && sh->shares[i].path != NULL && !sh->o->quiet)
			fprintf(stderr, "standard input is kept in %s\n",
				text_escape(safe, sizeof(safe), bytes_str(sh->shares[i].path)));
	}
}

/* Ctrl-C is how serving ends. */
static int end_interrupted(struct sharing *sh)
{
	bool all = sh->n == sh->n_paths;

	if (!all)
		session_say(&sh->session,
			    "stopped with %zu of %zu shared; the same command goes "
			    "on from there",
			    sh->n, sh->n_paths);
	if (sh->by_daemon && sh->n > 0)
		session_say(&sh->session,
			    "the daemon goes on serving%s; 'shoal status' shows it, "
			    "'shoal remove' ends it",
			    sh->o->watch ? " and watching" : "");
	return all ? EXIT_OK : EXIT_INTERRUPTED;
}

static void free_all(struct sharing *sh)
{
	share_batch_stop(sh->batch);
	renewer_free(sh->renewer); /* its thread asks the index, too */
	share_batch_free(sh->batch);
	publication_fini(&sh->newer);
	session_fini(&sh->session);
	if (sh->index != NULL)
		index_client_free(sh->index);
	home_fini(&sh->home);
	for (size_t i = 0; i < sh->n_paths; i++) {
		hash_record_fini(&sh->shares[i].record);
		handed_fini(&sh->shares[i].handed);
		free(sh->shares[i].path);
	}
	free(sh->shares);
}

int cmd_share(const struct opts *o)
{
	struct sharing sh = {.o = o, .n_paths = (size_t)o->n_args};
	struct err_info info = {.code = OK};
	int code;

	if (o->name != NULL && o->n_args > 1) {
		err_set(&info, ERR_INVALID, "--name goes with one PATH");
		return opts_fail(o, "share", &info);
	}
	sh.shares = calloc(sh.n_paths, sizeof(*sh.shares));
	if (sh.shares == NULL)
		return EXIT_FAILED;
	if (start(&sh, &info) == OK)
		code = session_run(&sh.session, watch, &sh);
	else
		code = opts_fail(o, "share", &info);
	say_spooled(&sh);
	if (sh.session.interrupted)
		code = end_interrupted(&sh);
	free_all(&sh);
	return code;
}
