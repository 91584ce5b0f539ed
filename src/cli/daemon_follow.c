#include "cli/daemon_follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cli/index_shared.h"
#include "cli/known_owners.h"
#include "cli/renewal.h"
#include "cli/wanted.h"
#include "node/index_fetch.h"
#include "node/index_watch.h"
#include "node/json_put.h"

/* A version that nobody has is given up for a newer one after this long: its holders may be about
 * to come back, and what there is of it would be lost. */
#define STUCK_MS 5000u
/* A download that nobody gives anything does not say so. */
#define STUCK_LOOK_MS 1000u

struct follower {
	struct daemon_follow *d;
	uint32_t id;	/* of the job */
	uint32_t asked; /* its `upkeep_asked` */
	bool replace;
	struct index_shared *index; /* NULL: it could not be begun; that is tried again */
	struct index_watch *watch;
	struct index_fetch *fetch; /* of a newer version; NULL: none is under way */
	uint32_t newest, refused;  /* versions; 0: none */
	uint64_t stuck_ms;	   /* since when nobody has what is missing; 0: somebody has */
	struct err_info refusal;
	char said[ERR_TEXT_MAX];
	LIST_ENTRY(follower) all;
};

struct daemon_follow {
	struct loop *loop;
	struct jobs *js;
	struct jobs_watcher watcher;
	void (*say)(void *user, const char *line);
	void *user;
	struct loop_timer *again; /* for those that could not be begun */
	struct loop_timer *stuck; /* for those that have a newer version than is under way */
	LIST_HEAD(, follower) followers;
	struct index_shared_list indexes;
};

char *daemon_follow_text(const struct opts *o)
{
	json_t *j =
	    json_pack("{s:I, s:b}", "every_s", (json_int_t)o->every_s, "replace", (int)o->replace);
	char *text = json_put_string(j, JOBS_UPKEEP_BYTES_MAX);

	json_decref(j);
	return text;
}

/* ---- what is in the way --------------------------------------------------------------- */

static void tell(struct follower *f, struct job *j, const struct err_info *why)
{
	struct job_view v;
	char line[ERR_TEXT_MAX + 400], title[300];

	if (why->code != OK && strcmp(f->said, why->text) != 0) {
		job_view(j, &v);
		snprintf(line, sizeof(line), "%s: %s",
			 text_escape(title, sizeof(title), bytes_str(v.title)), why->text);
		f->d->say(f->d->user, line);
	}
	memcpy(f->said, why->code == OK ? "" : why->text, why->code == OK ? 1 : sizeof(f->said));
	jobs_set_upkeep_why(j, why);
}

/* ---- a newer version ---------------------------------------------------------------- */

struct newer {
	struct job *job; /* of the older one */
	struct job_view view;
	const struct entry *entry;
	struct bytes torrent;
	enum addr_scope from;
};

/* Is what is wanted at its place already: as the older version, or, when that never got there, as
 * the one before? */
static bool is_there(const struct job_view *v, const struct placed *wanted)
{
	struct placed now = {.has_v1 = v->has_v1, .has_v2 = v->has_v2};

	if (!v->complete)
		return placed_find(v->path, &now) == OK && placed_same_content(&now, wanted);
	memcpy(now.hash_v1, v->hash_v1, sizeof(now.hash_v1));
	memcpy(now.hash_v2, v->hash_v2, sizeof(now.hash_v2));
	return placed_same_content(&now, wanted);
}

static int add_newer(struct follower *f, const struct newer *n, const struct renewal *r,
		     struct err_info *info)
{
	char title[ENTRY_REF_MAX];
	struct job_spec spec = {
	    .torrent = n->torrent,
	    .title = entry_ref_text(title, n->entry->owner, n->entry->name, n->entry->version),
	    .owner = n->entry->owner,
	    .entry = n->entry->name,
	    .version = n->entry->version,
	    .replaces = r->replaces ? &r->old : NULL,
	    .donor_folder = r->donor_folder,
	    .donors = r->donors,
	    .n_donors = r->n_donors,
	    .webseeds_nearest = n->from,
	};
	struct job *next;

	return jobs_add_newer(f->d->js, n->job, &spec, &next, info);
}

static int plan_newer(struct follower *f, const struct newer *n, const struct metainfo *m,
		      struct buf *old, struct err_info *info)
{
	const struct opts o = {.replace = f->replace};
	struct renewal_ask ask = {.meta = m, .path = n->view.path};
	struct placed wanted;
	struct renewal r;
	struct stat st;
	int err;

	placed_from_entry(&wanted, n->entry);
	ask.wanted = &wanted;
	if (n->view.complete && job_torrent(n->job, old, NULL) == OK)
		ask.old_torrent = buf_bytes(old);
	err = renewal_plan(&r, &o, &ask, info);
	if (err == OK && !r.replaces && lstat(n->view.path, &st) == 0 &&
	    !is_there(&n->view, &wanted))
		err = wanted_other_content(n->view.path, r.touched, info);
	if (err == OK)
		err = add_newer(f, n, &r, info);
	renewal_fini(&r);
	return err;
}

static int begin_newer(struct follower *f, const struct newer *n, struct err_info *info)
{
	enum meta_fault fault;
	struct metainfo *m = NULL;
	struct buf old;
	int err = known_owners_check(n->entry, false, info);

	if (err != OK && err != ERR_IO) /* what cannot be remembered can be had all the same */
		return err;
	fault = meta_parse(n->torrent, &m);
	if (fault != META_OK)
		return err_set(info, meta_fault_err(fault), "not a usable .torrent: %s",
			       meta_fault_text(fault));
	buf_init(&old, META_BYTES_MAX);
	err = plan_newer(f, n, m, &old, info);
	buf_fini(&old);
	meta_free(m);
	return err;
}

static struct follower *find(struct daemon_follow *d, uint32_t id)
{
	struct follower *f;

	LIST_FOREACH(f, &d->followers, all)
	{
		if (f->id == id)
			return f;
	}
	return NULL;
}

static bool is_served(const struct job_view *v)
{
	return (v->state == JOB_SEEDING || v->state == JOB_DONE) && v->complete;
}

/* Nobody has what is missing of it, and has not for a while. */
static bool is_stuck(struct follower *f, const struct job_view *v)
{
	uint64_t now = loop_now_ms(f->d->loop);

	if (v->state == JOB_DOWNLOADING)
		loop_timer_set(f->d->stuck, STUCK_LOOK_MS);
	/* Who has it is not known before a tracker was asked. */
	if (v->state != JOB_DOWNLOADING || v->can_complete || v->down_bps > 0 || v->trying > 0 ||
	    v->tracker_ok + v->tracker_failed == 0)
		f->stuck_ms = 0;
	else if (f->stuck_ms == 0)
		f->stuck_ms = now;
	return f->stuck_ms != 0 && now - f->stuck_ms >= STUCK_MS;
}

/* Once the newer one is there, its follower is another one: `f` is gone. */
static void on_fetched(void *user, const struct err_info *how, const struct entry *e,
		       struct bytes torrent, enum addr_scope from)
{
	struct follower *f = user;
	struct daemon_follow *d = f->d;
	uint32_t id = f->id;
	struct newer n = {.entry = e, .torrent = torrent, .from = from};
	struct err_info why = *how;
	char line[400], title[300];

	f->fetch = NULL;
	n.job = jobs_by_id(d->js, id);
	if (n.job == NULL)
		return;
	job_view(n.job, &n.view);
	/* Its holders may have come back, or somebody paused it. */
	if (!is_served(&n.view) && !is_stuck(f, &n.view))
		return;
	snprintf(line, sizeof(line), "%s is had by nobody; going on with version %u",
		 text_escape(title, sizeof(title), bytes_str(n.view.title)), f->newest);
	if (why.code == OK && begin_newer(f, &n, &why) == OK) {
		why.code = OK;
		if (!n.view.complete)
			d->say(d->user, line);
	}
	f = find(d, id);
	if (f == NULL)
		return;
	/* Another try changes nothing; or the index's next answer brings one. */
	if (why.code == ERR_EXISTS || why.code == ERR_DENIED || why.code == ERR_MISMATCH) {
		f->refused = f->newest;
		f->refusal = why;
	} else if (why.code != OK) {
		f->newest = n.view.version;
		f->stuck_ms = 0;
	}
	tell(f, n.job, &why);
}

static void look(struct follower *f, struct job *j)
{
	struct index_fetch_params p = {
	    .loop = f->d->loop,
	    .done = on_fetched,
	    .user = f,
	};
	struct job_view v;

	job_view(j, &v);
	if (f->fetch != NULL || f->newest <= v.version || f->newest <= f->refused ||
	    (!is_served(&v) && !is_stuck(f, &v)))
		return;
	p.index = f->index->client; /* who said what the newest is */
	snprintf(p.ref.owner, sizeof(p.ref.owner), "%s", v.owner);
	snprintf(p.ref.name, sizeof(p.ref.name), "%s", v.entry);
	p.ref.version = f->newest;
	(void)index_fetch_new(&p, &f->fetch); /* else the next answer begins anew */
}

static void on_newest(void *user, uint32_t version, const struct err_info *why)
{
	struct follower *f = user;
	struct job *j = jobs_by_id(f->d->js, f->id);

	if (j == NULL)
		return;
	if (version > f->newest)
		f->newest = version;
	tell(f, j, why->code == OK && f->newest <= f->refused ? &f->refusal : why);
	look(f, j);
}

/* ---- which jobs ------------------------------------------------------------------------- */

/* As it was before begin(). */
static void end(struct follower *f)
{
	index_fetch_free(f->fetch);
	index_watch_free(f->watch);
	index_shared_close(f->index);
	f->fetch = NULL;
	f->watch = NULL;
	f->index = NULL;
}

static void drop(struct follower *f)
{
	LIST_REMOVE(f, all);
	end(f);
	free(f);
}

static int begin(struct follower *f, struct job *j, const struct job_view *v, struct err_info *why)
{
	json_t *how = json_loads(v->follow, 0, NULL);
	json_int_t every_s = json_integer_value(json_object_get(how, "every_s"));
	struct index_watch_params p = {
	    .loop = f->d->loop,
	    .owner = v->owner,
	    .name = v->entry,
	    .every_s = every_s <= 0	      ? 0
		       : every_s > UINT32_MAX ? UINT32_MAX
					      : (uint32_t)every_s,
	    .answer = on_newest,
	    .user = f,
	};
	int err = index_shared_open(&f->d->indexes, j, &f->index, why);

	f->replace = json_is_true(json_object_get(how, "replace"));
	json_decref(how);
	if (err != OK)
		return err;
	p.index = f->index->client;
	return index_watch_new(&p, &f->watch) == OK ? OK : err_set(why, ERR_NOMEM, "out of memory");
}

static void try(struct follower *f, struct job *j, const struct job_view *v)
{
	struct err_info why;

	if (begin(f, j, v, &why) == OK)
		return;
	end(f);
	loop_timer_set(f->d->again, DAEMON_FOLLOW_AGAIN_MS);
	tell(f, j, &why);
}

static void follow(struct daemon_follow *d, struct job *j, const struct job_view *v)
{
	struct follower *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		loop_timer_set(d->again, DAEMON_FOLLOW_AGAIN_MS);
		return;
	}
	f->d = d;
	f->id = v->id;
	f->asked = v->upkeep_asked;
	LIST_INSERT_HEAD(&d->followers, f, all);
	try(f, j, v);
}

/* What is changed of it, limits and so on, concerns nobody here. */
static void on_job(void *user, struct job *j, enum job_event e)
{
	struct daemon_follow *d = user;
	struct follower *f;
	struct job_view v;
	bool wanted;

	if (e == JOB_PROGRESS)
		return;
	job_view(j, &v);
	wanted = e != JOB_REMOVED && v.follow != NULL;
	f = find(d, v.id);
	if (f != NULL && (!wanted || f->asked != v.upkeep_asked)) {
		drop(f);
		f = find(d, v.id);
	}
	if (f == NULL && wanted)
		follow(d, j, &v);
	else if (f != NULL && e != JOB_CHANGED)
		look(f, j);
}

static void on_again(void *arg)
{
	struct daemon_follow *d = arg;
	struct job *j;

	for (size_t at = 0; (j = jobs_next(d->js, &at)) != NULL;) {
		struct job_view v;
		struct follower *f;

		job_view(j, &v);
		f = find(d, v.id);
		if (f != NULL && f->index == NULL)
			try(f, j, &v);
		else if (f == NULL && v.follow != NULL)
			follow(d, j, &v);
	}
}

static void on_stuck(void *arg)
{
	struct daemon_follow *d = arg;
	struct follower *f;

	LIST_FOREACH(f, &d->followers, all)
	{
		struct job *j = jobs_by_id(d->js, f->id);

		if (j != NULL)
			look(f, j);
	}
}

/* ---- life ------------------------------------------------------------------------------- */

int daemon_follow_new(struct loop *loop, struct jobs *js, void (*say)(void *user, const char *line),
		      void *user, struct daemon_follow **out)
{
	struct daemon_follow *d = calloc(1, sizeof(*d));
	struct job *j;

	if (d == NULL)
		return ERR_NOMEM;
	*d = (struct daemon_follow){.loop = loop, .js = js, .say = say, .user = user};
	LIST_INIT(&d->followers);
	LIST_INIT(&d->indexes);
	d->again = loop_timer_new(loop, on_again, d);
	d->stuck = loop_timer_new(loop, on_stuck, d);
	if (d->again == NULL || d->stuck == NULL) {
		loop_timer_free(d->again);
		loop_timer_free(d->stuck);
		free(d);
		return ERR_NOMEM;
	}
	d->watcher = (struct jobs_watcher){.event = on_job, .user = d};
	jobs_watch(js, &d->watcher);
	for (size_t at = 0; (j = jobs_next(js, &at)) != NULL;)
		on_job(d, j, JOB_ADDED);
	*out = d;
	return OK;
}

void daemon_follow_free(struct daemon_follow *d)
{
	if (d == NULL)
		return;
	jobs_unwatch(d->js, &d->watcher);
	loop_timer_free(d->again);
	loop_timer_free(d->stuck);
	while (!LIST_EMPTY(&d->followers))
		drop(LIST_FIRST(&d->followers));
	free(d);
}
