/* daemon/gateway_fetch.c - a name that is no job yet: what the index says of it is checked as `get`
 * does, and becomes a job. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/gateway_impl.h"
#include "store/durable.h"

/* Before what is only queued. */
#define SOMEBODY_WAITS 100

void gateway_fetch_free(struct fetch *f)
{
	LIST_REMOVE(f, link);
	f->g->n_fetches--;
	index_fetch_free(f->fetch);
	free(f);
}

/* FOLDER/INFOHASH/NAME: nobody else's file is there. */
static int choose_path(const struct gateway *g, const struct metainfo *m, struct buf *out,
		       struct err_info *info)
{
	char hex[2 * SHA1_LEN + 1];
	int err;

	text_hex(hex, bytes_of(meta_swarm_hash(m), SHA1_LEN));
	(void)buf_printf(out, "%s/%s", g->p.folder, hex);
	if (buf_cstr(out) == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = durable_mkdirs(buf_cstr(out), 0755, info);
	(void)buf_printf(out, "/%s", m->single ? m->files[0].path : m->name);
	if (err == OK && buf_cstr(out) == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

/* That of choose_path(), as nothing came to lie in it. */
static void remove_folder(const char *path)
{
	char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

	if (folder != NULL)
		(void)rmdir(folder);
	free(folder);
}

/* What the index said, checked. */
struct found {
	const struct entry *e;
	struct bytes torrent;
	struct metainfo *m;
	enum addr_scope from;
	uint32_t job; /* 0: none was needed yet */
};

void gateway_glob(char out[GATEWAY_GLOB_MAX], const struct metainfo *m, uint32_t file)
{
	size_t n = 0;

	/* A '!' in front would leave out what follows. */
	for (const char *s = m->files[file].path; *s != '\0' && n + 2 < GATEWAY_GLOB_MAX; s++) {
		if (strchr("*?[\\!", *s) != NULL)
			out[n++] = '\\';
		out[n++] = *s;
	}
	out[n] = '\0';
}

/* Of a folder this file alone; others are wanted when they are asked for. */
static int add_job(struct gateway *g, struct found *r, uint32_t file, struct err_info *info)
{
	char glob[GATEWAY_GLOB_MAX];
	const char *const only[] = {glob, NULL};
	const char *trackers[] = {index_client_announce_url(g->index.client), NULL};
	char title[ENTRY_REF_MAX];
	struct job_spec s = {
	    .torrent = r->torrent,
	    .title = entry_ref_text(title, r->e->owner, r->e->name, r->e->version),
	    .trackers = trackers,
	    .webseeds_nearest = r->from,
	    .priority = SOMEBODY_WAITS,
	    .index = index_client_url(g->index.client),
	    .token = g->index.token,
	    .pin = g->index.pin,
	    .owner = r->e->owner,
	    .entry = r->e->name,
	    .version = r->e->version,
	};
	struct job_view v;
	struct job *j = NULL;
	struct buf path;
	int err;

	gateway_glob(glob, r->m, file);
	if (!r->m->single)
		s.only = only;
	buf_init(&path, 8192);
	err = choose_path(g, r->m, &path, info);
	s.path = buf_cstr(&path);
	if (err == OK)
		err = jobs_add(g->p.jobs, &s, &j, info);
	/* Under another name it may be here already. */
	if (err == OK || (err == ERR_EXISTS && j != NULL)) {
		job_view(j, &v);
		r->job = v.id;
		if (err == ERR_EXISTS && strcmp(v.path, s.path) != 0)
			remove_folder(s.path);
		err = OK;
	}
	buf_fini(&path);
	return err;
}

/* A list or a head needs no job: nothing is fetched for those who only look. */
static void tell_one(struct ask *a, struct found *r)
{
	struct err_info why;
	uint32_t file;
	int err = OK;

	if (!gateway_needs_bytes(a, r->m, &file)) {
		gateway_answer(a, r->m, NULL);
		return;
	}
	if (r->job == 0)
		err = add_job(a->g, r, file, &why);
	if (err == OK)
		a->job = r->job;
	else
		ask_fail(a, &why);
}

/* `r` NULL: `why` says what went wrong. */
static void tell_all(struct fetch *f, struct found *r, const struct err_info *why)
{
	struct gateway *g = f->g;
	struct ask *a, *next;

	for (a = TAILQ_FIRST(&g->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->fetch != f)
			continue;
		a->fetch = NULL;
		if (a->later == NULL)
			ask_free(a);
		else if (r == NULL)
			ask_fail(a, why);
		else
			tell_one(a, r);
	}
	gateway_poke(g);
}

static void on_done(void *user, const struct err_info *why, const struct entry *e,
		    struct bytes torrent, enum addr_scope from)
{
	struct fetch *f = user;
	struct err_info info = *why;
	struct found r = {.e = e, .torrent = torrent, .from = from};
	int err = why->code;

	if (err == OK)
		err = f->g->p.check_owner(f->g->p.user, e, &info);
	if (err == OK && meta_parse(torrent, &r.m) != META_OK)
		err = err_set(&info, ERR_NOMEM, "out of memory");
	tell_all(f, err == OK ? &r : NULL, &info);
	meta_free(r.m);
	f->fetch = NULL; /* frees itself */
	gateway_fetch_free(f);
}

static struct fetch *find_fetch(const struct gateway *g, const struct entry_ref *ref)
{
	struct fetch *f;

	LIST_FOREACH(f, &g->fetches, link)
	{
		if (f->ref.version == ref->version && strcmp(f->ref.owner, ref->owner) == 0 &&
		    strcmp(f->ref.name, ref->name) == 0)
			return f;
	}
	return NULL;
}

static int begin(struct gateway *g, const struct entry_ref *ref, struct fetch **out,
		 struct err_info *info)
{
	struct index_fetch_params p = {.loop = g->p.loop, .ref = *ref, .done = on_done};
	struct fetch *f;
	int err = g->index.client != NULL ? OK : g->p.open_index(g->p.user, &g->index, info);

	if (err != OK)
		return err;
	if (g->n_fetches >= GATEWAY_FETCHES_MAX)
		return err_set(info, ERR_AGAIN, "too many names are being looked for");
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	f->g = g;
	f->ref = *ref;
	p.index = g->index.client;
	p.user = f;
	if (index_fetch_new(&p, &f->fetch) != OK) {
		free(f);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	LIST_INSERT_HEAD(&g->fetches, f, link);
	g->n_fetches++;
	*out = f;
	return OK;
}

void gateway_fetch(struct ask *a)
{
	struct fetch *f = find_fetch(a->g, &a->path.ref);
	struct err_info why;

	if (f == NULL && begin(a->g, &a->path.ref, &f, &why) != OK)
		ask_fail(a, &why);
	else
		a->fetch = f;
}
