#include "cli/daemon_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/text.h"
#include "cli/dht_name.h"
#include "cli/index_shared.h"
#include "cli/known_hashes.h"
#include "cli/placed.h"
#include "cli/publish.h"
#include "cli/renewer.h"
#include "daemon/job_record.h"
#include "daemon/job_request.h"
#include "node/entry_json.h"
#include "node/json_put.h"

struct watched {
	struct daemon_watch *d;
	uint32_t id;	/* of the job, another one with each version */
	uint32_t asked; /* its `upkeep_asked` */
	bool begun;	/* else it is tried again; of the following nothing is there then */
	json_t *how;	/* what `o` borrows from */
	struct opts o;	/* as `share` had them */
	char **trackers, **webseeds, **exclude;
	char *path;
	struct index_shared *index;
	/* The thread's while it works on this one: */
	struct publisher publisher;
	struct entry entry;
	struct hash_record record;
	struct publication newer;
	bool unserved; /* `entry` was published, but no job has it yet: that is tried again */
	LIST_ENTRY(watched) all;
};

struct daemon_watch {
	struct jobs *js;
	struct node *node;
	struct jobs_watcher watcher;
	struct renewer *renewer;
	struct loop_timer *again; /* for those that could not be begun */
	struct home home;
	bool has_home;
	void (*say)(void *user, const char *line);
	void *user;
	struct watched *moving; /* its newer version is being added */
	struct index_shared_list indexes;
	LIST_HEAD(, watched) list;
};

/* ---- how, as text ------------------------------------------------------------------- */

char *daemon_watch_text(const struct opts *o, const char *path, const struct entry *e)
{
	json_t *j =
	    json_pack("{s:I, s:b, s:b, s:I, s:b, s:s*, s:o, s:o, s:o, s:b, s:o}", "settle_s",
		      (json_int_t)o->settle_s, "v1_only", (int)o->v1_only, "v2_only",
		      (int)o->v2_only, "piece_length", (json_int_t)o->piece_length, "private",
		      (int)o->private, "comment", o->comment, "trackers",
		      job_list_json(o->trackers), "webseeds", job_list_json(o->webseeds), "exclude",
		      job_list_json(o->exclude), "no_dht", (int)o->no_dht, "entry", entry_json(e));
	char *text = NULL;

	if (j != NULL && job_json_put_path(j, "path", path) == 0)
		text = json_put_string(j, JOBS_UPKEEP_BYTES_MAX);
	json_decref(j);
	return text;
}

static int read_flags(struct opts *o, const json_t *how, struct err_info *info)
{
	int err = job_args_flag(how, "v1_only", &o->v1_only, info);

	if (err == OK)
		err = job_args_flag(how, "v2_only", &o->v2_only, info);
	if (err == OK)
		err = job_args_flag(how, "private", &o->private, info);
	return err == OK ? job_args_flag(how, "no_dht", &o->no_dht, info) : err;
}

static int read_options(struct watched *w, struct err_info *info)
{
	json_int_t settle_s = 0, piece_length = 0;
	int err = read_flags(&w->o, w->how, info);

	if (err == OK)
		err = job_args_number(w->how, "settle_s", 0, UINT32_MAX / 1000, &settle_s, info);
	if (err == OK)
		err = job_args_number(w->how, "piece_length", 0, META_PIECE_LENGTH_MAX,
				      &piece_length, info);
	if (err == OK)
		err = job_args_text(w->how, "comment", &w->o.comment, info);
	if (err == OK)
		err = job_args_list(w->how, "trackers", JOBS_LIST_MAX, &w->trackers, info);
	if (err == OK)
		err = job_args_list(w->how, "webseeds", JOBS_LIST_MAX, &w->webseeds, info);
	if (err == OK)
		err = job_args_list(w->how, "exclude", JOBS_LIST_MAX, &w->exclude, info);
	w->o.settle_s = (uint32_t)settle_s;
	w->o.piece_length = (uint64_t)piece_length;
	w->o.trackers = (const char *const *)w->trackers;
	w->o.webseeds = (const char *const *)w->webseeds;
	w->o.exclude = (const char *const *)w->exclude;
	w->o.watch = true;
	return err;
}

static int read_how(struct watched *w, const struct job_view *v, struct err_info *info)
{
	int err;

	w->how = json_loads(v->watch, 0, NULL);
	err = job_args_path(w->how, "path", &w->path, info);
	if (err == OK && w->path[0] != '/')
		err = job_args_refuse("path", info);
	if (err == OK)
		err = entry_json_read(json_object_get(w->how, "entry"), true, &w->entry, info);
	return err == OK ? read_options(w, info) : err;
}

/* ---- a newer version ------------------------------------------------------------------- */

/* On a thread of its own. */
static int on_make(void *user, void *item, const atomic_bool *stop, struct err_info *why)
{
	struct watched *w = item;
	struct build_aside aside = {.stop = stop};
	int err;

	(void)user;
	index_client_stop_on(w->index->client, stop);
	err = publish_path(&w->publisher, w->path, &w->entry, &w->record, &aside, &w->newer, why);
	index_client_stop_on(w->index->client, NULL);
	if (err != OK)
		publication_fini(&w->newer);
	return err;
}

static void say(const struct watched *w, const char *text)
{
	char line[ERR_TEXT_MAX + 400], safe[300];

	snprintf(line, sizeof(line), "%s/%s: %s", w->entry.owner,
		 text_escape(safe, sizeof(safe), bytes_str(w->entry.name)), text);
	w->d->say(w->d->user, line);
}

/* So that a later `get` to this place can say which version is there, and use its bytes. */
static void remember(const struct watched *w)
{
	struct err_info why;
	struct placed p;

	placed_from_entry(&p, &w->entry);
	if (placed_remember(w->newer.build.data_path, &p, &why) != OK)
		say(w, why.text);
}

static int hand_over(struct watched *w, struct job *j, const char *how, struct bytes item,
		     struct err_info *info)
{
	const struct publication *p = &w->newer;
	char title[ENTRY_REF_MAX];
	struct job_spec spec = {
	    .torrent = buf_bytes(&p->build.torrent),
	    .path = p->build.data_path,
	    .title = entry_ref_text(title, w->entry.owner, w->entry.name, w->entry.version),
	    .seed = true,
	    .stamp = p->stamped ? &p->before : NULL,
	    .owner = w->entry.owner,
	    .entry = w->entry.name,
	    .version = w->entry.version,
	    .item = item,
	    .watch = how,
	};
	struct job *next;
	int err;

	w->d->moving = w;
	err = jobs_add_newer(w->d->js, j, &spec, &next, info);
	w->d->moving = NULL;
	return err;
}

/* It is on the index: from here on it is the one before the next. */
static int serve_newer(struct watched *w, struct job *j, struct err_info *info)
{
	bool secret = w->o.no_dht || w->newer.build.meta->private;
	struct buf item;
	char *how;
	int err = OK;

	if (!w->newer.same)
		w->entry = w->newer.entry;
	how = daemon_watch_text(&w->o, w->path, &w->entry);
	buf_init(&item, DHT_ITEM_BYTES_MAX);
	if (how == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && !secret)
		err = dht_name_sign(&w->entry, &w->d->home, -1, &item, info);
	if (err == OK)
		err = hand_over(w, j, how, buf_bytes(&item), info);
	w->unserved = err != OK;
	if (err == OK)
		remember(w);
	buf_fini(&item);
	free(how);
	return err;
}

static int on_use(void *user, void *item, struct err_info *why)
{
	static const struct err_info nothing = {.code = OK};
	struct daemon_watch *d = user;
	struct watched *w = item;
	struct job *j = jobs_by_id(d->js, w->id);
	bool nothing_new = w->newer.same && !w->unserved;
	int err = j == NULL || nothing_new ? OK : serve_newer(w, j, why);

	j = jobs_by_id(d->js, w->id);
	if (err == OK && j != NULL) {
		jobs_release(j, w->newer.stamped ? &w->newer.before : NULL);
		jobs_set_upkeep_why(j, &nothing);
	}
	publication_fini(&w->newer);
	return err;
}

/* Until that is mended, what is left of the version that it was is served. */
static void on_failed(void *user, void *item)
{
	struct daemon_watch *d = user;
	struct job *j = jobs_by_id(d->js, ((struct watched *)item)->id);

	if (j != NULL)
		jobs_release(j, NULL);
}

static void on_say(void *user, void *item, const char *text)
{
	struct daemon_watch *d = user;
	struct watched *w = item;
	struct job *j = jobs_by_id(d->js, w->id);
	struct err_info why;

	err_set(&why, ERR_UNREACHABLE, "%s", text);
	if (j != NULL)
		jobs_set_upkeep_why(j, &why);
	say(w, text);
}

/* ---- which jobs -------------------------------------------------------------------------- */

/* As it was before begin(). */
static void clear(struct watched *w)
{
	publication_fini(&w->newer);
	hash_record_fini(&w->record);
	index_shared_close(w->index);
	job_list_free(w->trackers);
	job_list_free(w->webseeds);
	job_list_free(w->exclude);
	json_decref(w->how);
	free(w->path);
	w->index = NULL;
	w->trackers = w->webseeds = w->exclude = NULL;
	w->how = NULL;
	w->path = NULL;
	w->o = (struct opts){.watch = true};
	w->unserved = false;
}

static void on_gone(void *user, void *item)
{
	(void)user;
	clear(item);
	free(item);
}

static struct watched *find(struct daemon_watch *d, uint32_t id)
{
	struct watched *w;

	LIST_FOREACH(w, &d->list, all)
	{
		if (w->id == id)
			return w;
	}
	return NULL;
}

static int open_home(struct daemon_watch *d, struct err_info *info)
{
	int err = d->has_home ? OK : home_open(&d->home, info);

	d->has_home = d->has_home || err == OK;
	return err;
}

static int begin(struct watched *w, struct job *j, const struct job_view *v, struct err_info *info)
{
	struct daemon_watch *d = w->d;
	int err = read_how(w, v, info);

	if (err == OK)
		err = open_home(d, info);
	if (err == OK)
		err = index_shared_open(&d->indexes, j, &w->index, info);
	if (err != OK)
		return err;
	w->publisher = (struct publisher){.o = &w->o, .home = &d->home, .index = w->index->client};
	known_hashes_load(w->path, &w->record);
	err = renewer_add(d->renewer, w->path, share_settle_ms(w->o.settle_s), w->o.exclude, w);
	return err == OK ? OK : err_set(info, err, "out of memory");
}

static void try(struct watched *w, struct job *j, const struct job_view *v)
{
	struct daemon_watch *d = w->d;
	char line[ERR_TEXT_MAX + 400], title[300];
	struct err_info why;

	w->begun = begin(w, j, v, &why) == OK;
	if (w->begun) {
		if (job_transfer(j) == NULL)
			jobs_hold(j);
		return;
	}
	clear(w);
	loop_timer_set(d->again, DAEMON_WATCH_AGAIN_MS);
	if (v->upkeep_why.code == OK || strcmp(v->upkeep_why.text, why.text) != 0) {
		snprintf(line, sizeof(line), "%s: is not watched: %s",
			 text_escape(title, sizeof(title), bytes_str(v->title)), why.text);
		d->say(d->user, line);
	}
	jobs_set_upkeep_why(j, &why);
}

static void watch(struct daemon_watch *d, struct job *j, const struct job_view *v)
{
	struct watched *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		loop_timer_set(d->again, DAEMON_WATCH_AGAIN_MS);
		return;
	}
	w->d = d;
	w->id = v->id;
	w->asked = v->upkeep_asked;
	LIST_INSERT_HEAD(&d->list, w, all);
	try(w, j, v);
}

static void drop(struct watched *w)
{
	struct daemon_watch *d = w->d;
	struct job *j = jobs_by_id(d->js, w->id);

	LIST_REMOVE(w, all);
	if (w->begun)
		renewer_remove(d->renewer, w);
	else
		on_gone(d, w);
	if (j != NULL)
		jobs_release(j, NULL);
}

/* One that is paused is not looked at; what changed meanwhile is seen when it goes on. */
static bool is_to_be_watched(const struct job_view *v)
{
	return v->watch != NULL && v->state != JOB_PAUSED;
}

static void on_job(void *user, struct job *j, enum job_event e)
{
	struct daemon_watch *d = user;
	struct watched *w;
	struct job_view v;
	bool wanted;

	if (e == JOB_PROGRESS)
		return;
	job_view(j, &v);
	wanted = e != JOB_REMOVED && is_to_be_watched(&v);
	w = find(d, v.id);
	if (w == NULL && wanted && d->moving != NULL) {
		d->moving->id = v.id;
		d->moving->asked = v.upkeep_asked;
		return;
	}
	if (w != NULL && (!wanted || w->asked != v.upkeep_asked)) {
		drop(w);
		w = find(d, v.id);
	}
	if (w == NULL && wanted)
		watch(d, j, &v);
}

static void on_again(void *arg)
{
	struct daemon_watch *d = arg;
	struct job *j;

	for (size_t at = 0; (j = jobs_next(d->js, &at)) != NULL;) {
		struct job_view v;
		struct watched *w;

		job_view(j, &v);
		w = find(d, v.id);
		if (w != NULL && !w->begun)
			try(w, j, &v);
		else if (w == NULL && is_to_be_watched(&v))
			watch(d, j, &v);
	}
}

static void on_index_up(void *user)
{
	struct daemon_watch *d = user;

	renewer_hurry(d->renewer);
}

/* ---- life ------------------------------------------------------------------------------- */

int daemon_watch_new(struct loop *loop, struct jobs *js, struct node *node,
		     void (*say_line)(void *user, const char *line), void *user,
		     struct daemon_watch **out)
{
	struct daemon_watch *d = calloc(1, sizeof(*d));
	struct renewer_params p = {
	    .loop = loop,
	    .watcher = node_folder_watcher(node),
	    .make = on_make,
	    .use = on_use,
	    .failed = on_failed,
	    .say = on_say,
	    .gone = on_gone,
	    .user = d,
	};
	struct job *j;

	if (d == NULL)
		return ERR_NOMEM;
	*d = (struct daemon_watch){.js = js, .node = node, .say = say_line, .user = user};
	LIST_INIT(&d->list);
	LIST_INIT(&d->indexes);
	d->again = loop_timer_new(loop, on_again, d);
	if (d->again == NULL || renewer_new(&p, &d->renewer) != OK) {
		loop_timer_free(d->again);
		free(d);
		return ERR_NOMEM;
	}
	node_hear_index(node, on_index_up, d);
	d->watcher = (struct jobs_watcher){.event = on_job, .user = d};
	jobs_watch(js, &d->watcher);
	for (size_t at = 0; (j = jobs_next(js, &at)) != NULL;)
		on_job(d, j, JOB_STATE);
	*out = d;
	return OK;
}

void daemon_watch_free(struct daemon_watch *d)
{
	struct watched *w;

	if (d == NULL)
		return;
	node_hear_index(d->node, NULL, NULL);
	jobs_unwatch(d->js, &d->watcher);
	loop_timer_free(d->again);
	renewer_free(d->renewer);
	while ((w = LIST_FIRST(&d->list)) != NULL) {
		LIST_REMOVE(w, all);
		on_gone(d, w);
	}
	if (d->has_home)
		home_fini(&d->home);
	free(d);
}
