#include "cli/wanted_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/dht_name.h"
#include "cli/index_open.h"
#include "cli/interrupts.h"
#include "cli/known_owners.h"
#include "cli/linked.h"
#include "node/torrent_source.h"

bool wanted_needs_index(const char *ref)
{
	struct dht_name key;

	return !dht_name_parse(ref, &key) && !torrent_source_is_url(ref) &&
	       !torrent_source_is_file(ref);
}

/* Is it a link, or a hash? Then what it is called until more is known. */
static int read_link(struct wanted *w, const struct opts *o, const char *ref, struct err_info *info)
{
	bool magnet = strncasecmp(ref, "magnet:", 7) == 0;
	int err = magnet ? magnet_parse(bytes_str(ref), &w->link)
			 : magnet_from_hash(bytes_str(ref), &w->link);
	char shown[128], dropped[MAGNET_DROPPED_TEXT_MAX];

	if (magnet && err != OK)
		return err_set(info, err, "%s: not a magnet link that can be used: %s",
			       text_escape(shown, sizeof(shown), bytes_str(ref)),
			       magnet_fault_text(&w->link, err));
	w->linked = err == OK;
	if (!w->linked)
		return OK;
	for (uint32_t i = 0; i < w->link.n_peers && w->n_peers < PEERS_MAX; i++)
		w->peers[w->n_peers++] = w->link.peers[i];
	if (w->link.name[0] != '\0')
		text_escape(w->label, sizeof(w->label), bytes_str(w->link.name));
	else
		linked_hash(&w->link, w->label);
	if (w->link.dropped > 0 && !o->quiet)
		fprintf(stderr, "%s: %s\n", w->label, magnet_dropped_text(&w->link, dropped));
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

/* Is this entry what the link is of? */
static bool is_linked(const struct wanted *w, const struct entry *e)
{
	const struct magnet *m = &w->link;

	return !w->linked ||
	       ((!m->has_v1 || (e->has_v1 && memcmp(m->hash_v1, e->hash_v1, SHA1_LEN) == 0)) &&
		(!m->has_v2 || (e->has_v2 && memcmp(m->hash_v2, e->hash_v2, SHA256_LEN) == 0)));
}

static int keep_placed(struct wanted *w, const struct entry *e, struct err_info *info)
{
	if (w->placed == NULL)
		w->placed = malloc(sizeof(*w->placed));
	if (w->placed == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	placed_from_entry(w->placed, e);
	return OK;
}

int wanted_accept(struct wanted *w, const struct opts *o, const struct entry *e,
		  struct err_info *info)
{
	int err = check_owner(o, e, info);

	w->from_index = true;
	return err == OK ? keep_placed(w, e, info) : err;
}

/* Who sits at a terminal is asked whose entry is meant: each owner has one newest of that name.
 * ERR_AMBIGUOUS without an answer, or where nobody can be asked. */
static int ask_whose(struct index_client *index, const struct opts *o, const char *ref,
		     json_t **found, struct err_info *info)
{
	char full[ENTRY_REF_MAX];
	char owner[ENTRY_OWNER_BYTES_MAX + 2] = "", safe[256];

	if (o->json || o->quiet || o->n_args != 1 || o->input != NULL || !isatty(STDIN_FILENO) ||
	    !isatty(STDERR_FILENO))
		return ERR_AMBIGUOUS;
	interrupts_yield(); /* Ctrl-C ends a prompt as it ends any other */
	fprintf(stderr, "%s\nwhose? ", info->text);
	if (fgets(owner, sizeof(owner), stdin) == NULL)
		fputc('\n', stderr);
	interrupts_take_back();
	owner[strcspn(owner, "\n")] = '\0';
	if (owner[0] == '\0')
		return err_set(info, ERR_AMBIGUOUS, "%s: none was chosen",
			       text_escape(safe, sizeof(safe), bytes_str(ref)));
	snprintf(full, sizeof(full), "%s/%s", owner, ref);
	return index_client_resolve_to_fetch(index, full, false, found, info);
}

static int fetch_torrent(struct wanted *w, const struct opts *o, const char *ref,
			 struct index_client **index, struct entry *e, struct err_info *info)
{
	char hash[LINKED_HASH_MAX];
	json_t *found = NULL;
	int err = *index != NULL ? OK : index_open(o, index, info);

	/* A link stands for the info-hash in it, which the index may know. */
	if (w->linked)
		ref = linked_hash(&w->link, hash);
	if (err == OK)
		err = index_client_resolve_to_fetch(*index, ref, o->latest, &found, info);
	if (err == ERR_AMBIGUOUS)
		err = ask_whose(*index, o, ref, &found, info);
	if (err == OK && (index_client_entry(found, e) != OK || !is_linked(w, e)))
		err = err_set(info, ERR_PROTO, "%s: answers what no index would",
			      index_client_url(*index));
	if (err == OK)
		err = check_owner(o, e, info);
	if (err == OK && !index_client_told_torrent(found, &w->torrent))
		err = index_client_torrent(*index, e->id, &w->torrent, info);
	if (err == OK)
		w->n_found = index_client_first_peers(*index, found, w->found, FOUND_MAX,
						      &w->found_complete);
	json_decref(found);
	w->from_index = true;
	/* A name that its owner's key stands for is not what an index calls it. */
	return err == OK && w->item.len == 0 ? keep_placed(w, e, info) : err;
}

/* Where the index is no help, peers may be. */
static bool others_may_know(const struct wanted *w, int err)
{
	return w->linked && (err == ERR_NOENT || err == ERR_UNREACHABLE || err == ERR_TIMEOUT ||
			     err == ERR_DENIED || err == ERR_PROTO);
}

/* ---- without an index ---------------------------------------------------------------- */

/* From here on it is as if a link to its info-hash had been given. */
static int take_found(struct wanted *w, const struct opts *o, struct dht_found *f,
		      struct err_info *info)
{
	const struct entry *e = &f->entry;
	char line[DHT_NAME_LINE_MAX];

	if (!o->quiet)
		fprintf(stderr, "%s\n", dht_name_line(f, line));
	w->linked = true;
	w->link.has_v1 = e->has_v1;
	w->link.has_v2 = e->has_v2;
	memcpy(w->link.hash_v1, e->hash_v1, SHA1_LEN);
	memcpy(w->link.hash_v2, e->hash_v2, SHA256_LEN);
	if (e->name[0] != '\0')
		text_escape(w->label, sizeof(w->label), bytes_str(e->name));
	else
		linked_hash(&w->link, w->label);
	buf_fini(&w->item);
	w->item = f->item;
	f->item = (struct buf){.len = 0};
	return e->version > 0 && e->name[0] != '\0' ? keep_placed(w, e, info) : OK;
}

static int find_by_key(struct wanted *w, const struct opts *o, const struct dht_name *n,
		       bool nested, struct err_info *info)
{
	struct dht_found f;
	int err = dht_name_find(o, n, nested, &f, info);

	if (err == OK)
		err = take_found(w, o, &f, info);
	buf_fini(&f.item);
	return err;
}

/* The index is gone: does the table have what it would have told us, signed by an owner whom we
 * know? `info` is why it is gone, and stays when the table is no help. */
static int find_by_owner(struct wanted *w, const struct opts *o, const char *ref, bool nested,
			 struct err_info *info)
{
	struct err_info why;
	struct dht_name n;
	int err;

	if (o->no_dht || o->follow || !dht_name_of_owner(ref, &n))
		return info->code;
	if (!o->quiet)
		fprintf(stderr, "%s; asking the distributed hash table for what the owner signed\n",
			info->text);
	err = find_by_key(w, o, &n, nested, &why);
	if (err == ERR_CANCELLED || err == ERR_NOMEM) {
		*info = why;
		return err;
	}
	if (err != OK)
		return err_set(info, info->code, "%.200s; nor is it known without an index: %.200s",
			       w->index_why.text, why.text);
	return OK;
}

/* The bytes of the torrent of a link; none when only peers can have them. */
static int find_linked(struct wanted *w, const struct opts *o, const char *ref,
		       struct index_client **index, struct entry *e, struct err_info *info)
{
	int err;

	if (linked_recall(&w->link, &w->torrent))
		return OK;
	err = fetch_torrent(w, o, ref, index, e, info);
	if (!others_may_know(w, err))
		return err;
	w->index_why = *info;
	w->from_index = false;
	buf_clear(&w->torrent);
	return OK;
}

/* NAME/PATH is what others would write for one file of a folder. */
static int refuse_path(const char *ref, struct err_info *info)
{
	const char *slash = strchr(ref, '/');
	char safe[256];

	if (slash == NULL || strchr(slash + 1, '/') == NULL)
		return info->code;
	return err_set(info, ERR_INVALID,
		       "%s: is no OWNER/NAME; one file of a folder is fetched by NAME --only PATH",
		       text_escape(safe, sizeof(safe), bytes_str(ref)));
}

/* Who names a .torrent that is not there may have meant the file. */
static int or_file(const char *ref, struct err_info *info)
{
	struct err_info why = *info;

	char safe[256];

	if (!torrent_source_ends_so(ref) || why.code == ERR_CANCELLED || why.code == ERR_NOMEM)
		return why.code;
	if (why.code == ERR_INVALID) /* nor can it be a name */
		return err_set(info, ERR_NOENT, "%s: no such file",
			       text_escape(safe, sizeof(safe), bytes_str(ref)));
	return err_set(info, why.code, "%.400s; nor is there a file of that name", why.text);
}

/* The same of a name. */
static int find_named(struct wanted *w, const struct opts *o, const char *ref, bool nested,
		      struct index_client **index, struct entry *e, struct err_info *info)
{
	int err = fetch_torrent(w, o, ref, index, e, info);

	if (err == ERR_INVALID && !torrent_source_ends_so(ref))
		return refuse_path(ref, info);
	if (err != ERR_UNREACHABLE && err != ERR_TIMEOUT)
		return err == OK ? OK : or_file(ref, info);
	w->index_why = *info;
	w->from_index = false;
	buf_clear(&w->torrent);
	err = find_by_owner(w, o, ref, nested, info);
	if (err != OK)
		return or_file(ref, info);
	(void)linked_recall(&w->link, &w->torrent);
	return OK;
}

int wanted_find(struct wanted *w, const struct opts *o, const char *ref, bool nested,
		struct index_client **index, struct entry *e, struct err_info *info)
{
	struct dht_name n;
	bool by_key = dht_name_parse(ref, &n);
	int err;

	if (!by_key && !wanted_needs_index(ref))
		return torrent_source_read(ref, &w->torrent, info);
	err = by_key ? OK : read_link(w, o, ref, info);
	if (err == OK && w->linked && !w->link.has_v1 && !w->link.has_v2) {
		dht_name_of_link(&w->link, &n);
		by_key = true;
	}
	if (err == OK && by_key)
		err = find_by_key(w, o, &n, nested, info);
	if (err != OK)
		return err;
	return w->linked ? find_linked(w, o, ref, index, e, info)
			 : find_named(w, o, ref, nested, index, e, info);
}
