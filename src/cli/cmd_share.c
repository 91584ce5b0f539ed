/* cli/cmd_share.c - publish files and folders under names, and serve them in place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/handover.h"
#include "cli/home.h"
#include "cli/index_open.h"
#include "cli/known_hashes.h"
#include "cli/placed.h"
#include "cli/renewer.h"
#include "cli/session.h"
#include "cli/share_name.h"
#include "cli/spool.h"
#include "node/index_client.h"
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
	struct hash_record record; /* --watch; the renewer's thread's while it works on this one */
};

/* A new version in the making. */
struct newer {
	struct entry entry;
	struct build build;
	bool same; /* as what is served: nothing was published */
};

struct sharing {
	const struct opts *o;
	struct home home;
	struct index_client *index;
	struct session session;
	struct share *shares;
	size_t n, patrol, n_heard;
	uint64_t up_bytes;
	bool announced;		 /* said "serving" already */
	struct renewer *renewer; /* --watch */
	struct newer newer;	 /* its thread's, while that runs */
	bool by_daemon;
};

/* The entry's name when --name is not given: the file's own, with what a name may not hold
 * replaced, so that a file with any name can be shared. */
static void name_from_path(const char *file_name, char out[ENTRY_NAME_BYTES_MAX + 1])
{
	struct bytes raw = bytes_str(file_name);
	size_t n = 0;

	if (!text_is_utf8(raw) || entry_check_name(raw, NULL) != OK) {
		for (size_t i = 0; i < raw.len && n < ENTRY_NAME_BYTES_MAX; i++) {
			uint8_t c = raw.ptr[i];

			out[n++] = c > ' ' && c < 0x7f && c != '@' ? (char)c : '_';
		}
		out[n] = '\0';
		return;
	}
	memcpy(out, raw.ptr, raw.len);
	out[raw.len] = '\0';
}

static int sign_entry(struct entry *e, const struct home *h, struct err_info *info)
{
	struct buf msg;
	int err;

	memcpy(e->owner, h->owner, sizeof(e->owner));
	memcpy(e->key, h->key, sizeof(e->key));
	e->published_at = loop_wall_s();
	buf_init(&msg, 64u << 10);
	err = entry_signed_bytes(e, "publish", &msg);
	if (err == OK)
		err = sign_make(h->seed, buf_bytes(&msg), e->signature);
	buf_fini(&msg);
	return err == OK ? OK : err_set(info, err, "cannot sign the entry: %s", err_text(err));
}

static void fill_entry(struct entry *e, const struct build *b)
{
	const struct metainfo *m = b->meta;

	e->has_v1 = m->v1;
	e->has_v2 = m->v2;
	memcpy(e->hash_v1, m->hash_v1, sizeof(e->hash_v1));
	memcpy(e->hash_v2, m->hash_v2, sizeof(e->hash_v2));
	e->bytes = m->total_bytes;
	e->n_files = m->n_real_files;
	if (m->single) {
		const char *hex = json_string_value(json_array_get(b->sha256, 0));

		e->has_sha256 =
		    hex != NULL && text_unhex(bytes_str(hex), e->sha256, SHA256_LEN) == OK;
	}
}

static int choose_name(struct sharing *sh, struct share *s, const struct build *b,
		       struct err_info *info)
{
	const char *wanted = sh->o->name;
	struct bytes name;

	if (wanted == NULL) {
		name_from_path(b->meta->name, s->entry.name);
		wanted = s->entry.name;
	}
	name = bytes_str(wanted);
	if (entry_check_name(name, info) != OK)
		return ERR_INVALID;
	memmove(s->entry.name, wanted, name.len + 1);
	text_escape(s->label, sizeof(s->label), name);
	return OK;
}

/* --description, --tag, --meta */
static int fill_about(const struct opts *o, struct entry *e, struct err_info *info)
{
	int err = OK;

	if (o->description != NULL)
		err = entry_set_description(e, bytes_str(o->description), info);
	for (const char *const *t = o->tags; t != NULL && *t != NULL && err == OK; t++)
		err = entry_add_tags(e, bytes_str(*t), info);
	for (const char *const *n = o->notes; n != NULL && *n != NULL && err == OK; n++) {
		struct bytes note = bytes_str(*n);
		const char *equals = strchr(*n, '=');
		size_t at = equals == NULL ? 0 : (size_t)(equals - *n);

		if (equals == NULL)
			return err_set(info, ERR_INVALID, "--meta: give KEY=VALUE");
		err = entry_set_meta(e, bytes_sub(note, 0, at),
				     bytes_sub(note, at + 1, note.len - at - 1), info);
	}
	return err;
}

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

/* `before`: taken before it was hashed; NULL: there is none. */
static int hand_over(struct sharing *sh, struct share *s, struct build *b,
		     const struct stamp *before, struct err_info *info)
{
	struct calling c;
	struct job_spec spec = {
	    .torrent = buf_bytes(&b->torrent),
	    .path = b->data_path,
	    .title = c.title,
	    .seed = true,
	    .stamp = before,
	    .trackers = c.trackers,
	};
	struct buf item;
	int err = OK;

	call_it(&c, sh, s);
	buf_init(&item, DHT_ITEM_BYTES_MAX);
	if (!is_secret(sh, b->meta))
		err = dht_name_sign(&s->entry, &sh->home, -1, &item, info);
	spec.item = buf_bytes(&item);
	if (err == OK)
		err = handover_add(&s->handed, sh->o, sh->index, &spec, info);
	buf_fini(&item);
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
static int remember_place(const struct entry *e, const struct build *b, struct err_info *why)
{
	struct placed p;

	placed_from_entry(&p, e);
	return placed_remember(b->data_path, &p, why);
}

static void remember(struct sharing *sh, const struct share *s, const struct build *b)
{
	struct err_info why;

	if (remember_place(&s->entry, b, &why) != OK)
		session_say(&sh->session, "%s: which version is there is not remembered: %s",
			    s->label, why.text);
}

/* What was hashed before, and was not touched since, is not read. */
static int hash_share(struct sharing *sh, struct share *s, struct build *b, struct err_info *info)
{
	struct err_info why;
	int err;

	if (!sh->o->rehash)
		known_hashes_load(s->path, &s->record);
	err = build_share(sh->o, s->path, index_client_tracker_url(sh->index), &s->record, NULL, b,
			  info);
	if (err == OK && known_hashes_save(s->path, &s->record, &why) != OK)
		session_say(&sh->session, "what was hashed is not remembered: %s", why.text);
	if (!sh->o->watch)
		hash_record_fini(&s->record);
	return err;
}

static int share_one(struct sharing *sh, struct share *s, const char *path, struct err_info *info)
{
	struct build b;
	struct stamp before;
	char safe[512];
	bool stamped;
	int err;

	s->spooled = strcmp(path, "-") == 0;
	if (s->spooled) {
		err = spool_stdin(sh->o->name, sh->o->spool, &s->path, info);
		if (err != OK)
			return err;
		path = s->path;
	} else {
		s->path = realpath(path, NULL);
	}
	if (s->path == NULL)
		return root_errno(info, text_escape(safe, sizeof(safe), bytes_str(path)), errno);
	stamped = stamp_take(s->path, &before, NULL) == OK;
	err = hash_share(sh, s, &b, info);
	if (err != OK)
		return err;
	if (b.skipped > 0)
		session_say(&sh->session, "%s: %u links and special files left out",
			    text_escape(safe, sizeof(safe), bytes_str(path)), b.skipped);
	fill_entry(&s->entry, &b);
	err = choose_name(sh, s, &b, info);
	if (err == OK)
		err = fill_about(sh->o, &s->entry, info);
	if (err == OK)
		err = sign_entry(&s->entry, &sh->home, info);
	if (err == OK)
		err = index_client_publish(sh->index, &s->entry, buf_bytes(&b.torrent), b.sha256,
					   info);
	/* Of a folder's only file it is not the stamp. */
	stamped = stamped && err == OK && strcmp(b.data_path, s->path) == 0;
	if (err == OK && sh->by_daemon)
		err = hand_over(sh, s, &b, stamped ? &before : NULL, info);
	else if (err == OK)
		err = serve(sh, s, &b, info);
	if (err == OK)
		remember(sh, s, &b);
	build_fini(&b);
	return err;
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
	json_t *list = json_array();

	for (size_t i = 0; i < sh->n; i++) {
		if (sh->o->json)
			json_array_append_new(list, share_json(&sh->shares[i]));
		else
			print_share(&sh->shares[i]);
	}
	if (sh->o->json)
		out_json(list);
	else if (!sh->o->quiet && sh->by_daemon)
		printf("by the daemon, index %s; Ctrl-C leaves it to it\n",
		       index_client_url(sh->index));
	else if (!sh->o->quiet && opts_progress(sh->o) != PROGRESS_JSON) /* a person reads it */
		printf("peer on port %u, index %s; Ctrl-C stops serving, the entry stays listed\n",
		       node_port(sh->session.node), index_client_url(sh->index));
	json_decref(list);
	(void)fflush(stdout);
}

/* False: it was said why there is none. */
static bool status_of(struct sharing *sh, struct share *s, struct transfer_status *out)
{
	struct err_info why = {.code = OK};

	if (!sh->by_daemon) {
		transfer_status(s->transfer, out);
		return true;
	}
	if (handover_look(&s->handed, &why) == OK && s->handed.gone)
		err_set(&why, ERR_CANCELLED,
			"%s: was removed from the daemon, or the daemon has ended", s->label);
	if (why.code != OK) {
		session_end(&sh->session, opts_fail(sh->o, "share", &why));
		return false;
	}
	*out = s->handed.status;
	return true;
}

/* False: serving has ended. */
static bool look_at(struct sharing *sh, struct share *s)
{
	struct share_name_of name = name_of(sh, s);
	struct transfer_status st;

	if (!status_of(sh, s, &st))
		return false;
	if (st.phase == TRANSFER_FAILED) {
		session_end(&sh->session, opts_fail(sh->o, "share", &st.why));
		return false;
	}
	if (st.why.code != OK && !s->said_changed && !sh->o->watch) {
		s->said_changed = true;
		session_say(&sh->session, "%s; share it again to publish what it is now",
			    st.why.text);
	} else if (st.why.code == OK && s->said_changed) {
		s->said_changed = false;
		session_say(&sh->session, "%s: is as it was, and served again", s->label);
	}
	share_name_look(&s->name, &name, &st, &sh->session);
	if (!s->heard && st.tracker_ok + st.tracker_failed > 0) {
		s->heard = true;
		sh->n_heard++;
	}
	sh->up_bytes += st.swarm.up_bytes - s->up_bytes;
	s->up_bytes = st.swarm.up_bytes;
	return true;
}

static void watch(struct session *session, void *user)
{
	struct sharing *sh = user;
	struct progress_state line = {.label = "serving", .note = ""};
	/* All of them until the trackers were told, which is soon. */
	size_t turns = sh->announced && sh->n > PATROL ? PATROL : sh->n;
	struct node_status st = {.peers = 0};

	if (sh->by_daemon && sh->announced)
		turns = 1;
	for (size_t i = 0; i < turns; i++)
		if (!look_at(sh, &sh->shares[sh->patrol++ % sh->n]))
			return;
	if (sh->n_heard == sh->n && !sh->announced) {
		sh->announced = true;
		print_serving(sh);
		if (sh->by_daemon && sh->o->detach) {
			session_end(session, EXIT_OK);
			return;
		}
	}
	if (!sh->by_daemon)
		node_status(session->node, &st);
	for (size_t i = 0; sh->by_daemon && i < sh->n; i++) {
		st.up_bps += sh->shares[i].handed.status.swarm.up_bps;
		st.peers += sh->shares[i].handed.status.swarm.peers;
	}
	line.up_bps = st.up_bps;
	line.peers = st.peers;
	line.done = sh->up_bytes;
	progress_draw(&session->progress, &line, loop_now_ms(session->loop));
}

/* ---- --watch: newer versions ----------------------------------------------------- */

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2 &&
	       memcmp(a->hash_v1, b->hash_v1, sizeof(a->hash_v1)) == 0 &&
	       memcmp(a->hash_v2, b->hash_v2, sizeof(a->hash_v2)) == 0;
}

/* On a thread of its own; of `sh` it uses the index, the key and what never changes. */
static int make_newer(void *user, void *item, const atomic_bool *stop, struct err_info *why)
{
	struct sharing *sh = user;
	struct share *s = item;
	struct newer *n = &sh->newer;
	int err;

	n->entry = s->entry;
	n->entry.version = 0;
	n->entry.has_sha256 = false;
	n->same = false;
	err = build_share(sh->o, s->path, index_client_tracker_url(sh->index), &s->record, stop,
			  &n->build, why);
	if (err != OK)
		return err;
	fill_entry(&n->entry, &n->build);
	n->same = is_same(&n->entry, &s->entry);
	if (!n->same)
		err = sign_entry(&n->entry, &sh->home, why);
	if (!n->same && err == OK)
		err = index_client_publish(sh->index, &n->entry, buf_bytes(&n->build.torrent),
					   n->build.sha256, why);
	if (err != OK)
		build_fini(&n->build);
	if (n->same || err != OK)
		return err;
	/* Both only save work later. */
	(void)known_hashes_save(s->path, &s->record, NULL);
	(void)remember_place(&n->entry, &n->build, NULL);
	return OK;
}

/* The older version was served until now, as far as its files are what they were. */
static int serve_newer(struct sharing *sh, struct share *s, struct err_info *info)
{
	struct newer *n = &sh->newer;
	struct share next = {.entry = n->entry};
	int err = serve(sh, &next, &n->build, info);

	if (err != OK)
		return err;
	node_remove(sh->session.node, s->transfer);
	s->transfer = next.transfer;
	s->entry = n->entry;
	s->name.settled = false;
	s->name.again = 0;
	s->up_bytes = 0;
	progress_clear(&sh->session.progress);
	if (sh->o->json) {
		json_t *line = share_json(s);

		out_json_line(stdout, line);
		json_decref(line);
	} else {
		print_share(s);
		(void)fflush(stdout);
	}
	return OK;
}

static int use_newer(void *user, void *item, struct err_info *why)
{
	struct sharing *sh = user;
	int err = sh->newer.same || sh->session.ending ? OK : serve_newer(sh, item, why);

	build_fini(&sh->newer.build);
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
	    .settle_ms = (sh->o->settle_s == 0 ? SHARE_SETTLE_S : sh->o->settle_s) * 1000,
	    .make = make_newer,
	    .use = use_newer,
	    .say = say_renewing,
	    .user = sh,
	};
	int err;

	if (!sh->o->watch)
		return OK;
	p.watcher = node_folder_watcher(sh->session.node);
	err = renewer_new(&p, &sh->renewer);
	for (size_t i = 0; i < sh->n && err == OK; i++)
		err = renewer_add(sh->renewer, sh->shares[i].path, &sh->shares[i]);
	return err == OK ? OK : err_set(info, err, "%s", err_text(err));
}

/* What was read is a file by now, which the user must know of. */
static void say_spooled(const struct sharing *sh)
{
	char safe[512];

	for (int i = 0; i < sh->o->n_args; i++) {
		if (sh->shares[i].spooled && sh->shares[i].path != NULL && !sh->o->quiet)
			fprintf(stderr, "standard input is kept in %s\n",
				text_escape(safe, sizeof(safe), bytes_str(sh->shares[i].path)));
	}
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

static int start(struct sharing *sh, struct err_info *info)
{
	const struct opts *o = sh->o;
	int err = check_stdin(o, info);

	if (err == OK)
		err = check_paths(o, info);

	if (err == OK)
		err = home_open(&sh->home, info);

	if (err == OK && o->as != NULL)
		err = home_set_owner(&sh->home, o->as, info);
	if (err == OK)
		err = index_open(o, &sh->index, info);
	if (err == OK)
		sh->by_daemon = !o->watch && handover_is_there(o);
	if (err == OK)
		err = session_init(&sh->session, o, sh->by_daemon ? SESSION_CLIENT : SESSION_PEER,
				   info);
	sh->session.index = sh->index;
	for (int i = 0; err == OK && i < o->n_args; i++) {
		err = share_one(sh, &sh->shares[i], o->args[i], info);
		if (err == OK)
			sh->n++;
	}
	return err == OK ? watch_shares(sh, info) : err;
}

int cmd_share(const struct opts *o)
{
	struct sharing sh = {.o = o};
	struct err_info info = {.code = OK};
	int code;

	if (o->name != NULL && o->n_args > 1) {
		err_set(&info, ERR_INVALID, "--name goes with one PATH");
		return opts_fail(o, "share", &info);
	}
	sh.shares = calloc((size_t)o->n_args, sizeof(*sh.shares));
	if (sh.shares == NULL)
		return EXIT_FAILED;
	if (start(&sh, &info) == OK)
		code = session_run(&sh.session, watch, &sh);
	else
		code = opts_fail(o, "share", &info);
	say_spooled(&sh);
	if (sh.session.interrupted && sh.by_daemon)
		session_say(&sh.session, "the daemon goes on serving; 'shoal status' shows it, "
					 "'shoal remove' ends it");
	/* Ctrl-C is how serving ends. */
	if (sh.session.interrupted)
		code = EXIT_OK;
	renewer_free(sh.renewer);
	build_fini(&sh.newer.build);
	session_fini(&sh.session);
	if (sh.index != NULL)
		index_client_free(sh.index);
	home_fini(&sh.home);
	for (int i = 0; i < o->n_args; i++) {
		hash_record_fini(&sh.shares[i].record);
		handed_fini(&sh.shares[i].handed);
		free(sh.shares[i].path);
	}
	free(sh.shares);
	return code;
}
