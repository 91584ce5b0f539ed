#include "cli/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cli/index_open.h"
#include "cli/known_owners.h"
#include "cli/renewal.h"
#include "cli/scratch.h"
#include "meta/magnet.h"
#include "store/durable.h"

/* ---- what is meant ------------------------------------------------------------------- */

bool wanted_needs_index(const char *ref)
{
	size_t n = strlen(ref);

	return n <= 8 || strcmp(ref + n - 8, ".torrent") != 0;
}

/* A magnet link stands for the info-hash in it, which the index may know. */
static int ref_from_magnet(struct wanted *w, const char *uri, char ref[SHA256_LEN * 2 + 1],
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
	for (uint32_t i = 0; i < m.n_peers && w->n_peers < PEERS_MAX; i++)
		w->peers[w->n_peers++] = m.peers[i];
	w->only = m.only;
	w->n_only = m.n_only;
	m.only = NULL;
	magnet_fini(&m);
	return OK;
}

/* Is this the owner we know? Where nothing can be remembered, that is said and no more. */
static int check_owner(const struct opts *o, const struct entry *e, struct err_info *info)
{
	int err = known_owners_check(e, o->accept_key, info);

	if (err != ERR_IO)
		return err;
	if (!o->quiet)
		fprintf(stderr, "the owner's key is not remembered: %s\n", info->text);
	return OK;
}

/* What the index hands out must be what the owner signed. */
static bool is_content_of(const struct entry *e, const struct metainfo *m)
{
	return e->has_v1 == m->v1 && e->has_v2 == m->v2 &&
	       (!m->v1 || memcmp(e->hash_v1, m->hash_v1, SHA1_LEN) == 0) &&
	       (!m->v2 || memcmp(e->hash_v2, m->hash_v2, SHA256_LEN) == 0);
}

static int fetch_torrent(struct wanted *w, const struct opts *o, const char *ref,
			 struct index_client **index, struct entry *e, struct err_info *info)
{
	char hash[SHA256_LEN * 2 + 1];
	json_t *found = NULL;
	int err = *index != NULL ? OK : index_open(o, index, info);

	if (err == OK && strncmp(ref, "magnet:", 7) == 0) {
		err = ref_from_magnet(w, ref, hash, info);
		ref = hash;
	}
	if (err == OK)
		err = index_client_resolve(*index, ref, o->latest, &found, info);
	if (err == OK && index_client_entry(found, e) != OK)
		err = err_set(info, ERR_PROTO, "%s: answers what no index would",
			      index_client_url(*index));
	if (err == OK)
		err = check_owner(o, e, info);
	if (err == OK)
		err = index_client_torrent(*index, e->id, &w->torrent, info);
	json_decref(found);
	w->from_index = true;
	w->placed = err == OK ? malloc(sizeof(*w->placed)) : NULL;
	if (err == OK && w->placed == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK)
		placed_from_entry(w->placed, e);
	return err;
}

/* What the content is called on disk. The `name` of a single v2 file is advisory (BEP 52). */
static const char *content_name(const struct metainfo *m)
{
	return m->single ? m->files[0].path : m->name;
}

static int load_torrent(struct wanted *w, const struct opts *o, const char *ref,
			struct index_client **index, struct err_info *info)
{
	enum meta_fault fault;
	struct entry e;
	char safe[256];
	int err;

	if (wanted_needs_index(ref))
		err = fetch_torrent(w, o, ref, index, &e, info);
	else
		err = durable_read_path(ref, &w->torrent, info);
	if (err != OK)
		return err;
	fault = meta_parse(buf_bytes(&w->torrent), &w->meta);
	if (fault != META_OK)
		return err_set(info, ERR_PROTO, "%s: not a usable .torrent: %s",
			       text_escape(safe, sizeof(safe), bytes_str(ref)),
			       meta_fault_text(fault));
	if (w->from_index && !is_content_of(&e, w->meta))
		return err_set(info, ERR_MISMATCH,
			       "%s: the index's .torrent is not what the owner signed",
			       text_escape(safe, sizeof(safe), bytes_str(ref)));
	text_escape(w->label, sizeof(w->label), bytes_str(content_name(w->meta)));
	return OK;
}

static int read_peers(struct wanted *w, const struct opts *o, struct err_info *info)
{
	for (size_t i = 0; o->peers != NULL && o->peers[i] != NULL && w->n_peers < PEERS_MAX; i++)
		if (addr_parse(bytes_str(o->peers[i]), NODE_PORT_FIRST, &w->peers[w->n_peers++]) !=
		    OK)
			return err_set(info, ERR_INVALID, "--peer: not ADDRESS:PORT");
	return OK;
}

/* ---- how much of it ------------------------------------------------------------------ */

/* --only, or else what the magnet link says. */
static int choose_files(struct wanted *w, const struct opts *o, struct err_info *info)
{
	uint32_t n;

	if (o->only == NULL && w->n_only == 0)
		return OK;
	w->files = malloc(w->meta->n_files);
	if (w->files == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	n = o->only != NULL ? selection_by_globs(w->meta, o->only, w->files)
			    : selection_by_ranges(w->meta, w->only, w->n_only, w->files);
	if (n == 0)
		return err_set(info, ERR_NOENT, "%s: none of its files is chosen", w->label);
	if (n < w->meta->n_real_files)
		return OK;
	free(w->files);
	w->files = NULL;
	return OK;
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

static int choose_path(struct wanted *w, const struct opts *o, struct err_info *info)
{
	const char *name = content_name(w->meta), *out = o->out;
	struct buf b;

	if (wanted_flows(o) && scratch_make(&w->scratch, info) != OK)
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

int wanted_load(struct wanted *w, const struct opts *o, const char *ref,
		struct index_client **index, struct err_info *info)
{
	int err;

	*w = (struct wanted){.from_index = false};
	buf_init(&w->torrent, META_BYTES_MAX);
	err = load_torrent(w, o, ref, index, info);
	if (err == OK)
		err = read_peers(w, o, info);
	if (err == OK)
		err = choose_files(w, o, info);
	return err == OK ? choose_path(w, o, info) : err;
}

void wanted_fini(struct wanted *w)
{
	meta_free(w->meta);
	buf_fini(&w->torrent);
	free(w->path);
	scratch_remove(w->scratch);
	free(w->scratch);
	free(w->placed);
	free(w->files);
	free(w->only);
}

/* ---- into the node ------------------------------------------------------------------------ */

/* The index first, then those of the command line. NULL without memory. */
static const char **list_trackers(const struct wanted *w, const struct opts *o,
				  const struct index_client *index)
{
	const char *const *more = o->trackers;
	size_t n = 0;
	const char **list;

	while (more != NULL && more[n] != NULL)
		n++;
	list = calloc(n + 2, sizeof(*list));
	if (list == NULL)
		return NULL;
	if (w->from_index)
		list[0] = index_client_announce_url(index);
	if (n > 0)
		memcpy(list + (w->from_index ? 1 : 0), more, n * sizeof(*list));
	return list;
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
		err = add_existing(w, node, p, out, info);
	return err;
}

int wanted_start(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node,
		 void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase),
		 void *user, struct transfer **out, struct err_info *info)
{
	const char **trackers = list_trackers(w, o, index);
	struct transfer_params p = {
	    .torrent = buf_bytes(&w->torrent),
	    .path = w->path,
	    .preallocate = o->preallocate,
	    .wanted = w->files,
	    .order = o->sequential || wanted_flows(o) ? ORDER_SEQUENTIAL
		     : o->ends_first		      ? ORDER_ENDS_FIRST
						      : ORDER_RAREST,
	    .trackers = trackers,
	    .webseeds = o->webseeds,
	    .webseeds_nearest = w->from_index ? index_client_scope(index) : ADDR_PUBLIC,
	    .peers = w->peers,
	    .n_peers = w->n_peers,
	    .on_phase = on_phase,
	    .user = user,
	};
	struct renewal_ask ask = {w->meta, w->path, w->placed, index};
	char title[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 16];
	struct renewal r;
	int err;

	if (trackers == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (w->placed != NULL) {
		snprintf(title, sizeof(title), "%s/%s@%u", w->placed->owner, w->placed->name,
			 w->placed->version);
		p.title = title;
	}
	err = renewal_plan(&r, o, &ask, info);
	if (err == OK)
		err = add(w, node, &p, &r, out, info);
	renewal_fini(&r);
	free(trackers);
	return err;
}

int wanted_other_content(const char *path, uint32_t touched, struct err_info *info)
{
	char safe[300];

	text_escape(safe, sizeof(safe), bytes_str(path));
	if (touched != 0)
		return err_set(
		    info, ERR_EXISTS,
		    "%s: was version %u of it, and was changed since; --replace replaces "
		    "it, -o chooses another place",
		    safe, touched);
	return err_set(info, ERR_EXISTS,
		       "%s: is there already, with other content; choose another with -o", safe);
}

void wanted_done(const struct opts *o, const char *path, struct placed *placed,
		 const struct metainfo *meta)
{
	struct err_info why;
	char safe[300];

	store_sweep(meta, path);
	if (placed == NULL || placed_remember(path, placed, &why) == OK || o->quiet)
		return;
	fprintf(stderr, "%s: not remembered, so a newer version will not replace it: %s\n",
		text_escape(safe, sizeof(safe), bytes_str(path)), why.text);
}
