#include "cli/renewal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "store/root.h"

/* ---- the old version's .torrent ------------------------------------------------- */

/* What is remembered names a version: the index may still have it, and its file hashes find what
 * was moved. Without it only what is at the same path is found. */
static void ask_old_meta(struct renewal *r, struct index_client *index, const struct placed *p)
{
	char ref[ENTRY_REF_MAX];
	struct placed found;
	struct entry e;
	json_t *j = NULL;
	struct buf torrent;

	entry_ref_text(ref, p->owner, p->name, p->version);
	buf_init(&torrent, META_BYTES_MAX);
	if (index_client_resolve(index, ref, false, &j, NULL) == OK &&
	    index_client_entry(j, &e) == OK) {
		placed_from_entry(&found, &e);
		if (placed_same_content(&found, p) &&
		    index_client_torrent(index, e.id, &torrent, NULL) == OK)
			(void)meta_parse(buf_bytes(&torrent), &r->old_meta);
	}
	json_decref(j);
	buf_fini(&torrent);
}

static void load_old_meta(struct renewal *r, const struct renewal_ask *ask, const struct placed *p)
{
	if (ask->old_torrent.len > 0)
		(void)meta_parse(ask->old_torrent, &r->old_meta);
	else if (ask->index != NULL)
		ask_old_meta(r, ask->index, p);
}

/* ---- donors ----------------------------------------------------------------------- */

static bool is_wanted(const struct meta_file *f)
{
	return f->length > 0 && (f->flags & (META_FILE_PAD | META_FILE_SYMLINK)) == 0;
}

static int by_root(const void *a, const void *b)
{
	const struct meta_file *const *x = a, *const *y = b;

	return memcmp((*x)->root, (*y)->root, SHA256_LEN);
}

/* The old version's files by hash. */
struct shelf {
	const struct meta_file **list;
	uint32_t n;
};

static int shelf_fill(struct shelf *s, const struct metainfo *m)
{
	*s = (struct shelf){.n = 0};
	if (m == NULL)
		return OK;
	s->list = calloc((size_t)m->n_files + 1, sizeof(*s->list));
	if (s->list == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_files; i++)
		if (is_wanted(&m->files[i]) && m->files[i].has_root)
			s->list[s->n++] = &m->files[i];
	qsort(s->list, s->n, sizeof(*s->list), by_root);
	return OK;
}

static const struct meta_file *shelf_find(const struct shelf *s, const struct meta_file *f)
{
	const struct meta_file **at = s->n == 0 || !f->has_root
					  ? NULL
					  : bsearch(&f, s->list, s->n, sizeof(*s->list), by_root);

	return at == NULL ? NULL : *at;
}

/* A file with the same hash, wherever it was; else whatever has its path. `leaf`: the copy is one
 * file, called that. */
static const char *donor_of(const struct shelf *roots, const struct metainfo *m,
			    const struct meta_file *f, const char *leaf)
{
	const struct meta_file *same = shelf_find(roots, f);

	if (leaf == NULL)
		return same != NULL ? same->path : f->path;
	return same != NULL || m->single || strcmp(f->path, leaf) == 0 ? leaf : NULL;
}

static int list_donors(struct renewal *r, const struct metainfo *m, const char *leaf)
{
	struct shelf roots;
	int err = shelf_fill(&roots, r->old_meta);

	r->donors = calloc((size_t)m->n_files + 1, sizeof(*r->donors));
	for (uint32_t i = 0; r->donors != NULL && err == OK && i < m->n_files; i++) {
		const char *rel =
		    is_wanted(&m->files[i]) ? donor_of(&roots, m, &m->files[i], leaf) : NULL;

		if (rel != NULL)
			r->donors[r->n_donors++] = (struct store_donor){.file = i, .rel = rel};
	}
	free(roots.list);
	return r->donors == NULL ? ERR_NOMEM : err;
}

/* The copy at `path`: a file, or a folder of them. */
static int use_copy(struct renewal *r, const struct metainfo *m, const char *path,
		    struct err_info *info)
{
	char *real = realpath(path, NULL), *slash;
	char safe[300];
	struct stat st;
	int err = OK;

	if (real == NULL || stat(real, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		err = err_set(info, ERR_INVALID, "%s: neither a file nor a folder",
			      text_escape(safe, sizeof(safe), bytes_str(path)));
	slash = real == NULL ? NULL : strrchr(real, '/');
	if (err == OK && S_ISREG(st.st_mode)) {
		r->rel = strdup(slash + 1);
		*slash = '\0';
	}
	if (err == OK)
		r->donor_folder = strdup(*real == '\0' ? "/" : real);
	if (err == OK && (r->donor_folder == NULL || (S_ISREG(st.st_mode) && r->rel == NULL) ||
			  list_donors(r, m, r->rel) != OK))
		err = err_set(info, ERR_NOMEM, "out of memory");
	free(real);
	return err;
}

/* ---- the decision -------------------------------------------------------------------- */

static int take_reuse(struct renewal *r, const struct opts *o, const struct renewal_ask *ask,
		      struct err_info *info)
{
	struct placed p;
	struct stat st;

	if (stat(o->reuse, &st) != 0)
		return root_errno(info, o->reuse, errno);
	if (placed_find(o->reuse, &p) == OK)
		load_old_meta(r, ask, &p);
	return use_copy(r, ask->meta, o->reuse, info);
}

int renewal_plan(struct renewal *r, const struct opts *o, const struct renewal_ask *ask,
		 struct err_info *info)
{
	bool there, known, untouched, ours, alike;
	struct placed p;
	struct stat st;

	*r = (struct renewal){.replaces = false};
	there = lstat(ask->path, &st) == 0;
	known = there && placed_find(ask->path, &p) == OK && ask->wanted != NULL &&
		placed_same_entry(&p, ask->wanted);
	if (there && stamp_take(ask->path, &r->old, NULL) != OK)
		return OK;
	untouched = known && stamp_eq(&p.stamp, &r->old);
	if (untouched && placed_same_content(&p, ask->wanted))
		return OK; /* it only has to be verified */
	ours = untouched && p.wrote;
	/* A folder in a file's place is not what became of it. */
	alike = there && S_ISDIR(st.st_mode) == !ask->meta->single;
	if (known && !ours && alike)
		r->touched = p.version;
	r->replaces = there && (ours || o->replace);
	if (o->reuse != NULL)
		return take_reuse(r, o, ask, info);
	if (!r->replaces)
		return OK;
	if (known)
		load_old_meta(r, ask, &p);
	return use_copy(r, ask->meta, ask->path, info);
}

void renewal_fini(struct renewal *r)
{
	free(r->donors);
	free(r->donor_folder);
	free(r->rel);
	meta_free(r->old_meta);
}
