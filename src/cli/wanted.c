#include "cli/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/daemon_follow.h"
#include "cli/linked.h"
#include "cli/renewal.h"
#include "cli/scratch.h"
#include "cli/wanted_find.h"
#include "node/index_fetch.h"
#include "node/torrent_file.h"
#include "store/durable.h"

/* ---- what is meant ------------------------------------------------------------------- */

/* `e`: what the index says of it, if it does. */
static int read_torrent(struct wanted *w, const char *ref, const struct entry *e,
			struct err_info *info)
{
	enum meta_fault fault = meta_parse(buf_bytes(&w->torrent), &w->meta);
	char safe[256];

	if (fault != META_OK)
		return err_set(info, meta_fault_err(fault), "%s: not a usable .torrent: %s",
			       text_escape(safe, sizeof(safe), bytes_str(ref)),
			       meta_fault_text(fault));
	if (w->from_index && !index_fetch_is_content(e, w->meta))
		return err_set(info, ERR_MISMATCH,
			       "%s: the index's .torrent is not what the owner signed",
			       text_escape(safe, sizeof(safe), bytes_str(ref)));
	text_escape(w->label, sizeof(w->label), bytes_str(meta_content_name(w->meta)));
	return OK;
}

static int load_torrent(struct wanted *w, const struct opts *o, const char *ref, bool nested,
			struct index_client **index, struct err_info *info)
{
	struct entry e;
	int err = wanted_find(w, o, ref, nested, index, &e, info);

	if (err != OK || (w->linked && w->torrent.len == 0))
		return err;
	return read_torrent(w, ref, &e, info);
}

static int read_list(struct wanted *w, const char *const *list, const char *option,
		     struct err_info *info)
{
	for (size_t i = 0; list != NULL && list[i] != NULL && w->n_peers < PEERS_MAX; i++)
		if (addr_parse(bytes_str(list[i]), NODE_PORT_FIRST, &w->peers[w->n_peers++]) != OK)
			return err_set(info, ERR_INVALID, "%s: not ADDRESS:PORT", option);
	return OK;
}

static int read_peers(struct wanted *w, const struct opts *o, struct err_info *info)
{
	int err = read_list(w, o->peers, "--peer", info);

	if (err == OK && o->from != NULL) {
		w->n_peers = 0; /* those of a magnet link are others, too */
		err = read_list(w, o->from, "--from", info);
	}
	return err;
}

/* ---- how much of it ------------------------------------------------------------------ */

/* --only, or else what the magnet link says. */
static int choose_files(struct wanted *w, const struct opts *o, struct err_info *info)
{
	int err = selection_choose(w->meta, o->only, w->linked ? w->link.only : NULL,
				   w->linked ? w->link.n_only : 0, &w->files);

	if (err == ERR_NOENT)
		return err_set(info, err, "%s: none of its files is chosen", w->label);
	return err == OK ? OK : err_set(info, err, "out of memory");
}

/* Who asks for everything and gets less must hear of it. */
static void say_links(const struct wanted *w, const struct opts *o)
{
	uint32_t n = w->meta->n_real_files - selection_count(w->meta, NULL, NULL);

	if (n > 0 && w->files == NULL && !o->quiet)
		fprintf(stderr, "%s: %u symbolic %s not made\n", w->label, n,
			n == 1 ? "link is" : "links are");
}

/* ---- where it goes ---------------------------------------------------------------------- */

/* A folder that is this very entry's own is meant itself; into others goes what is fetched. */
static bool goes_into(const struct wanted *w, const char *out)
{
	struct placed p;
	struct stat st;

	if (out[0] == '\0' || out[strlen(out) - 1] == '/')
		return true;
	if (stat(out, &st) != 0 || !S_ISDIR(st.st_mode))
		return false;
	return w->placed == NULL || placed_find(out, &p) != OK || !placed_same_entry(&p, w->placed);
}

/* What is called by the torrent's name, beneath a folder or in a tar, which is unpacked. */
static bool is_named_by_torrent(const struct wanted *w, const struct opts *o)
{
	if (wanted_flows(o))
		return selection_count(w->meta, w->files, NULL) != 1;
	return o->out == NULL || goes_into(w, o->out);
}

static int choose_path(struct wanted *w, const struct opts *o, struct err_info *info)
{
	const char *name = meta_content_name(w->meta), *out = o->out;
	struct buf b;

	if (wanted_flows(o) && scratch_make(&w->scratch, &w->scratch_hold, info) != OK)
		return info->code;
	buf_init(&b, 16384);
	if (w->scratch != NULL) {
		(void)buf_printf(&b, "%s/%s", w->scratch, name);
	} else if (out == NULL) {
		(void)buf_put_str(&b, "./");
		(void)buf_put_str(&b, name);
	} else if (goes_into(w, out)) {
		(void)buf_printf(&b, out[0] == '\0' || out[strlen(out) - 1] == '/' ? "%s" : "%s/",
				 out);
		(void)buf_put_str(&b, name);
	} else {
		(void)buf_put_str(&b, out);
	}
	w->path = buf_cstr(&b) == NULL ? NULL : strdup(buf_cstr(&b));
	buf_fini(&b);
	return w->path == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
}

bool wanted_flows(const struct opts *o)
{
	return o->out != NULL && strcmp(o->out, "-") == 0;
}

/* Cuts "a/b/" to "a"; false: nothing is left. */
static bool cut_last(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	path[n] = '\0';
	return n > 0;
}

int wanted_make_folder(const struct opts *o, bool several, struct wanted_folder *made,
		       struct err_info *info)
{
	const char *out = o->out;
	char *above;

	*made = (struct wanted_folder){.path = NULL};
	if (out == NULL || out[0] == '\0' || wanted_flows(o) || access(out, F_OK) == 0 ||
	    !(several || out[strlen(out) - 1] == '/'))
		return OK;
	made->path = strdup(out);
	above = strdup(out);
	if (made->path == NULL || above == NULL) {
		free(above);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	while (cut_last(above) && access(above, F_OK) != 0)
		;
	made->before = strlen(above);
	free(above);
	return durable_mkdirs(out, 0777, info);
}

void wanted_leave_folder(struct wanted_folder *made, bool remove)
{
	while (remove && made->path != NULL && strlen(made->path) > made->before &&
	       rmdir(made->path) == 0 && cut_last(made->path))
		;
	free(made->path);
	made->path = NULL;
}

/* The torrent is known. */
static int choose(struct wanted *w, const struct opts *o, struct err_info *info)
{
	int err = choose_files(w, o, info);

	if (err == OK && is_named_by_torrent(w, o))
		err = torrent_check_name(w->meta, ERR_EXISTS, info);
	if (err == OK)
		say_links(w, o);
	return err == OK ? choose_path(w, o, info) : err;
}

int wanted_load(struct wanted *w, const struct opts *o, const char *ref, bool nested,
		struct index_client **index, struct err_info *info)
{
	int err;

	*w = (struct wanted){.ref = ref};
	buf_init(&w->torrent, META_BYTES_MAX);
	err = load_torrent(w, o, ref, nested, index, info);
	if (err == OK)
		err = read_peers(w, o, info);
	return err == OK && w->meta != NULL ? choose(w, o, info) : err;
}

int wanted_take(struct wanted *w, const struct opts *o, const struct entry *e, struct bytes torrent,
		const struct wanted *old, struct err_info *info)
{
	int err;

	*w = (struct wanted){.ref = old->ref, .old_torrent = buf_bytes(&old->torrent)};
	buf_init(&w->torrent, META_BYTES_MAX);
	w->path = strdup(old->path);
	if (w->path == NULL || buf_put(&w->torrent, torrent) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = wanted_accept(w, o, e, info);
	if (err == OK)
		err = read_torrent(w, w->ref, e, info);
	if (err == OK)
		err = read_peers(w, o, info);
	return err == OK ? choose_files(w, o, info) : err;
}

void wanted_fini(struct wanted *w)
{
	metadata_fetch_free(w->fetch);
	if (w->linked)
		magnet_fini(&w->link);
	meta_free(w->meta);
	buf_fini(&w->torrent);
	buf_fini(&w->item);
	free(w->path);
	scratch_remove(w->scratch);
	if (w->scratch != NULL && w->scratch_hold >= 0)
		close(w->scratch_hold);
	free(w->scratch);
	free(w->placed);
	free(w->files);
}

/* ---- into the node ------------------------------------------------------------------------ */

/* The index, if it may know others, then those of the command line, then those of the link. NULL
 * without memory. */
static const char **list_trackers(const struct wanted *w, const struct opts *o,
				  const struct index_client *index)
{
	const char *const *more = o->trackers;
	uint32_t n_linked = w->linked ? w->link.n_trackers : 0;
	size_t n = 0, at = 0;
	const char **list;

	while (more != NULL && more[n] != NULL)
		n++;
	list = calloc(n + n_linked + 2, sizeof(*list));
	if (list == NULL)
		return NULL;
	if (w->from_index || w->index_why.code == ERR_NOENT)
		list[at++] = index_client_announce_url(index);
	for (size_t i = 0; i < n; i++)
		list[at++] = more[i];
	for (uint32_t i = 0; i < n_linked; i++)
		list[at++] = w->link.trackers[i];
	return list;
}

/* ---- what peers must tell ----------------------------------------------------------------- */

bool wanted_is_unknown(const struct wanted *w)
{
	return w->linked && w->torrent.len == 0;
}

int wanted_fetch(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node, void (*ready)(void *user), void *user, struct err_info *info)
{
	const char **trackers = list_trackers(w, o, index);
	struct metadata_fetch_params p = {
	    .node = node,
	    .magnet = &w->link,
	    .trackers = trackers,
	    .peers = w->peers,
	    .n_peers = w->n_peers,
	    .ready = ready,
	    .user = user,
	};
	int err = trackers == NULL ? ERR_NOMEM : metadata_fetch_new(&p, &w->fetch);

	free(trackers);
	return err == OK ? OK : err_set(info, ERR_NOMEM, "out of memory");
}

/* Those who gave it are dialled first, as they can give the rest. */
static void keep_givers(struct wanted *w)
{
	struct addr givers[PEERS_MAX];
	size_t n = metadata_fetch_givers(w->fetch, givers, PEERS_MAX);

	for (size_t i = 0; i < n && w->n_peers < PEERS_MAX; i++)
		w->peers[w->n_peers++] = givers[i];
}

int wanted_fetched(struct wanted *w, const struct opts *o, struct err_info *info)
{
	enum meta_fault fault = META_OK;
	struct bytes torrent;
	int err = metadata_fetch_result(w->fetch, &torrent, info);

	if (err == ERR_AGAIN)
		return err;
	if (err == OK && buf_put(&w->torrent, torrent) < 0)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && o->from == NULL)
		keep_givers(w);
	if (err == OK)
		fault = meta_parse(buf_bytes(&w->torrent), &w->meta);
	if (fault != META_OK)
		err = err_set(info, meta_fault_err(fault), "%s: not a usable torrent: %s", w->label,
			      meta_fault_text(fault));
	if (err != OK)
		return err;
	linked_keep(&w->link, buf_bytes(&w->torrent), o->verbose > 0);
	text_escape(w->label, sizeof(w->label), bytes_str(meta_content_name(w->meta)));
	return choose(w, o, info);
}

bool wanted_nobody_tells(const struct wanted *w, const struct opts *o,
			 const struct err_info *tracker, struct err_info *info)
{
	if (w->index_why.code != OK && w->link.n_trackers == 0 && w->n_peers == 0 &&
	    o->trackers == NULL && o->no_dht) {
		*info = w->index_why;
		return false;
	}
	if (tracker->code != OK)
		err_set(info, ERR_UNREACHABLE, "%s: no holder on line (%.300s)", w->label,
			tracker->text);
	else if (!o->no_dht)
		err_set(info, ERR_UNREACHABLE,
			"%s: no holder on line, and none known to the distributed hash table",
			w->label);
	else
		err_set(info, ERR_UNREACHABLE, "%s: no holder on line", w->label);
	return true;
}

/* Something is at the final name: the same content is fine, anything else stays untouched. */
static int add_existing(struct wanted *w, struct node *node, struct transfer_params *p,
			struct transfer **out, struct err_info *info)
{
	struct err_info why;
	int err;

	if (meta_parse(p->torrent, &p->meta) != META_OK)
		return info->code;
	p->seed = p->check = true;
	p->wanted = NULL;
	err = node_add(node, p, out, &why);
	if (err == OK)
		w->there_already = true;
	else if (err == ERR_INVALID || err == ERR_NOENT || err == ERR_MISMATCH)
		return wanted_other_content(w->path, w->touched, info);
	else
		*info = why;
	return err;
}

static int add(struct wanted *w, struct node *node, struct transfer_params *p, struct renewal *r,
	       struct transfer **out, struct err_info *info)
{
	int err;

	p->replaces = r->replaces ? &r->old : NULL;
	p->donor_folder = r->donor_folder;
	p->donors = r->donors;
	p->n_donors = r->n_donors;
	w->replaces = r->replaces;
	w->touched = r->touched;
	p->meta = w->meta;
	w->meta = NULL; /* taken over, also on error */
	err = node_add(node, p, out, info);
	if (err == ERR_EXISTS && !r->replaces)
		return add_existing(w, node, p, out, info);
	/* Without that no harm is done: after a crash it is taken for the user's own. */
	if (err == OK && w->placed != NULL)
		(void)placed_expect(w->path, w->placed, NULL);
	return err;
}

/* What node and daemon alike are told. */
struct plan {
	const char **trackers;
	char title[ENTRY_REF_MAX]; /* "": the torrent's name */
	struct renewal renewal;
};

static void plan_fini(struct plan *p)
{
	renewal_fini(&p->renewal);
	free(p->trackers);
}

static int plan_make(struct plan *p, const struct wanted *w, const struct opts *o,
		     struct index_client *index, struct err_info *info)
{
	struct renewal_ask ask = {.meta = w->meta,
				  .path = w->path,
				  .wanted = w->placed,
				  .old_torrent = w->old_torrent,
				  .index = index};
	int err;

	*p = (struct plan){.trackers = list_trackers(w, o, index)};
	if (p->trackers == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (w->placed != NULL)
		entry_ref_text(p->title, w->placed->owner, w->placed->name, w->placed->version);
	if (w->meta == NULL)
		return OK;
	err = renewal_plan(&p->renewal, o, &ask, info);
	if (err != OK)
		plan_fini(p);
	return err;
}

static enum addr_scope nearest_webseed(const struct wanted *w, const struct index_client *index)
{
	return w->from_index ? index_client_scope(index) : ADDR_PUBLIC;
}

static enum swarm_order order_of(const struct opts *o)
{
	if (o->sequential || wanted_flows(o))
		return ORDER_SEQUENTIAL;
	return o->ends_first ? ORDER_ENDS_FIRST : ORDER_RAREST;
}

int wanted_start(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node,
		 void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase),
		 void *user, struct transfer **out, struct err_info *info)
{
	struct transfer_params p = {
	    .torrent = buf_bytes(&w->torrent),
	    .path = w->path,
	    .preallocate = o->preallocate && !wanted_flows(o),
	    .no_upload = o->no_upload,
	    .wanted = w->files,
	    .order = order_of(o),
	    .webseeds = o->webseeds,
	    .webseeds_nearest = nearest_webseed(w, index),
	    .peers = w->peers,
	    .n_peers = w->n_peers,
	    .found = w->found,
	    .n_found = w->n_found,
	    .found_complete = w->found_complete,
	    .fetch = w->fetch,
	    .only_peers = o->from != NULL,
	    .on_phase = on_phase,
	    .user = user,
	};
	struct plan plan;
	int err = plan_make(&plan, w, o, index, info);

	if (err != OK)
		return err;
	p.trackers = plan.trackers;
	p.title = plan.title[0] == '\0' ? NULL : plan.title;
	err = add(w, node, &p, &plan.renewal, out, info);
	plan_fini(&plan);
	metadata_fetch_free(w->fetch);
	w->fetch = NULL;
	w->old_torrent = bytes_of(NULL, 0);
	/* What its owner signed is kept alive by whoever has it. */
	if (err == OK && w->item.len > 0)
		(void)transfer_set_item(*out, buf_bytes(&w->item));
	return err;
}

/* Where a link's content goes: its name is not known yet. */
static void place_unknown(struct job_spec *s, const struct wanted *w, const struct opts *o)
{
	s->path = o->out == NULL || o->out[0] == '\0' ? "." : o->out;
	s->into = o->out == NULL || goes_into(w, o->out);
}

static int hand_over(struct wanted *w, const struct opts *o, struct index_client *index,
		     struct job_spec *s, struct handed *out, struct err_info *info)
{
	struct plan plan;
	int err = plan_make(&plan, w, o, index, info);

	if (err != OK)
		return err;
	s->trackers = plan.trackers;
	s->title = plan.title[0] == '\0' ? NULL : plan.title;
	s->replaces = plan.renewal.replaces ? &plan.renewal.old : NULL;
	s->donor_folder = plan.renewal.donor_folder;
	s->donors = plan.renewal.donors;
	s->n_donors = plan.renewal.n_donors;
	w->replaces = plan.renewal.replaces;
	w->touched = plan.renewal.touched;
	err = handover_add(out, o, w->from_index ? index : NULL, s, info);
	plan_fini(&plan);
	return err;
}

int wanted_hand_over(struct wanted *w, const struct opts *o, struct index_client *index,
		     struct handed *out, struct err_info *info)
{
	struct job_spec s = {
	    .torrent = buf_bytes(&w->torrent),
	    .magnet = w->linked ? w->ref : NULL,
	    .path = w->path,
	    .only = o->only,
	    .order = order_of(o),
	    .item = buf_bytes(&w->item),
	    .webseeds = o->webseeds,
	    .webseeds_nearest = nearest_webseed(w, index),
	    .peers = w->peers,
	    .n_peers = w->n_peers,
	};
	char *follow = NULL;
	int err;

	if (wanted_is_unknown(w))
		place_unknown(&s, w, o);
	if (w->placed != NULL) {
		s.owner = w->placed->owner;
		s.entry = w->placed->name;
		s.version = w->placed->version;
	}
	if (o->follow) {
		follow = daemon_follow_text(o);
		if (follow == NULL)
			return err_set(info, ERR_NOMEM, "out of memory");
		s.follow = follow;
	}
	err = hand_over(w, o, index, &s, out, info);
	free(follow);
	if (err != OK)
		return err;
	w->there_already = out->existed && out->complete;
	if (w->path == NULL)
		w->path = strdup(out->path);
	return w->path == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
}

int wanted_other_content(const char *path, uint32_t touched, struct err_info *info)
{
	char safe[300];
	struct stat st;

	text_escape(safe, sizeof(safe), bytes_str(path));
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(info, ERR_EXISTS,
			       "%s: is there already, neither a file nor a folder, and stays; -o "
			       "chooses another "
			       "place, and '-o -' writes to standard output",
			       safe);
	if (touched != 0)
		return err_set(
		    info, ERR_EXISTS,
		    "%s: was version %u of it, but was changed since or not put there by "
		    "shoal; --replace replaces it, -o chooses another place",
		    safe, touched);
	return err_set(
	    info, ERR_EXISTS,
	    "%s: is there already, with other content; --replace replaces it, -o chooses "
	    "another place",
	    safe);
}

void wanted_done(const struct opts *o, const char *path, bool there_already, struct placed *placed,
		 const struct metainfo *meta)
{
	struct err_info why;
	char safe[300];

	store_sweep(meta, path);
	linked_forget(meta);
	if (placed == NULL)
		return;
	placed->wrote = !there_already;
	if (placed_remember(path, placed, &why) == OK || o->quiet)
		return;
	fprintf(stderr, "%s: not remembered, so a newer version will not replace it: %s\n",
		text_escape(safe, sizeof(safe), bytes_str(path)), why.text);
}
