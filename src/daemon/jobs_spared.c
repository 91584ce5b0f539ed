/* daemon/jobs_spared.c - which files of a job are another's, too: a folder was shared, and one of
 * its files alone; a file was fetched into a folder that is shared. Who removes the data of the one
 * has not asked for the loss of the other. */
#include <stdlib.h>

#include "base/grow.h"
#include "base/text.h"
#include "daemon/jobs_impl.h"

/* Another job, one of whose places lies within the other. */
struct holder {
	const struct job *job;
	const struct metainfo *meta;
	struct metainfo *own; /* NULL: its transfer's */
	const char *inside;   /* where it is in the folder of the first; NULL: that is in its own */
	const char **names;   /* of its files as seen from the lower of both places, in order */
	uint32_t n;
};

struct spared {
	struct holder *list;
	uint32_t n, cap;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `place`: of the first job in its folder; NULL: it is the other way round. */
static int take_names(struct holder *h, const char *place)
{
	const struct metainfo *m = h->meta;

	h->names = calloc((size_t)m->n_files + 1, sizeof(*h->names));
	if (h->names == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_files; i++) {
		const char *path = m->single ? "" : m->files[i].path;
		const char *name = place == NULL ? path : text_beneath(path, place);

		if (name != NULL && selection_is_real(&m->files[i]) &&
		    job_want_of(h->job, m, i) != WANT_NOT)
			h->names[h->n++] = name;
	}
	qsort(h->names, h->n, sizeof(*h->names), compare);
	return OK;
}

/* What has no final name is in nobody's way; which files it has must be known. */
static bool is_in_the_way(const struct job *j, const struct job *other)
{
	return other != j && (other->rec.complete || other->rec.wanted != NULL) &&
	       !job_is_link(other) && strcmp(other->rec.path, j->rec.path) != 0;
}

/* Without its torrent nobody can tell which files are its own; but that it cannot be read now must
 * not cost them. */
static int add(struct spared *s, const struct job *j, const struct job *other,
	       struct err_info *info)
{
	struct holder h = {.job = other, .inside = text_beneath(other->rec.path, j->rec.path)};
	const char *place = text_beneath(j->rec.path, other->rec.path);
	struct holder *grown;
	int err;

	if (!is_in_the_way(j, other) || (h.inside == NULL && place == NULL))
		return OK;
	grown = grow(s->list, s->n, &s->cap, 4, sizeof(*s->list));
	if (grown == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	s->list = grown;
	err = job_meta(other, &h.meta, &h.own, info);
	if (err != OK)
		return err == ERR_NOENT || err == ERR_PROTO ? OK : err;
	s->list[s->n] = h;
	if (take_names(&s->list[s->n++], place) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return OK;
}

int spared_new(const struct job *j, struct spared **out, struct err_info *info)
{
	struct spared *s = calloc(1, sizeof(*s));
	int err = s == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;

	for (size_t i = 0; i < j->js->n && err == OK; i++)
		err = add(s, j, j->js->list[i], info);
	if (err != OK) {
		spared_free(s);
		s = NULL;
	}
	*out = s;
	return err;
}

void spared_free(struct spared *s)
{
	for (uint32_t i = 0; s != NULL && i < s->n; i++) {
		free(s->list[i].names);
		meta_free(s->list[i].own);
	}
	free(s == NULL ? NULL : s->list);
	free(s);
}

const struct job *spared_for(const struct spared *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct holder *h = &s->list[i];
		const char *seen = h->inside == NULL ? name : text_beneath(name, h->inside);

		if (seen != NULL &&
		    bsearch(&seen, h->names, h->n, sizeof(*h->names), compare) != NULL)
			return h->job;
	}
	return NULL;
}
