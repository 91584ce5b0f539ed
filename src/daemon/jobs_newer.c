/* daemon/jobs_newer.c - a newer version takes the place of an older one.
 *
 * The newer one is a job of its own, so that each record is of one torrent, and what there was is
 * served until there is more. It is there before the older one goes: after a crash in between both
 * are, and the older one goes when the newer one is complete. */
#include <stdlib.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"

static bool is_older(const struct job_record *r, const struct job_record *than)
{
	return r->owner != NULL && than->owner != NULL && r->seed == than->seed &&
	       r->version < than->version && strcmp(r->owner, than->owner) == 0 &&
	       strcmp(r->entry, than->entry) == 0 && strcmp(r->path, than->path) == 0;
}

/* A download that was never at its final name: nothing that is there is of it. */
static bool is_all_unfinished(const struct job *j)
{
	const struct metainfo *m;
	struct metainfo *own;
	bool unfinished;

	if (j->rec.seed || j->rec.complete || j->rec.completed_at != 0 ||
	    job_state_now(j) == JOB_FINISHING)
		return false;
	unfinished = job_meta(j, &m, &own, NULL) == OK && !store_is_partial(m, j->rec.path);
	meta_free(own);
	return unfinished;
}

void jobs_drop_older(struct jobs *js, const struct job *j)
{
	struct err_info why;

	for (size_t i = js->n; i-- > 0;) {
		if (i >= js->n || !is_older(&js->list[i]->rec, &j->rec))
			continue;
		if (jobs_remove(js, js->list[i], is_all_unfinished(js->list[i]), &why) != OK)
			jobs_say(js, "an older version stays listed: %s", why.text);
	}
}

/* ---- shared anew from where it was ------------------------------------------------------- */

/* Files of it are not what they were. */
static bool is_damaged(const struct job *j)
{
	enum job_state state = job_state_now(j);

	return (state == JOB_SEEDING || state == JOB_FAILED) &&
	       (j->why.code == ERR_MISMATCH || j->why.code == ERR_NOENT ||
		j->why.code == ERR_INVALID);
}

/* A newer version is at its place, and whole: so the older one was not just touched. */
static const struct job *find_whole_newer(const struct job *j)
{
	for (size_t i = 0; i < j->js->n; i++) {
		const struct job *other = j->js->list[i];

		if (is_older(&j->rec, &other->rec) && other->rec.complete && other->rec.has_stamp &&
		    job_state_now(other) != JOB_CHECKING && jobs_look(other) == OK)
			return other;
	}
	return NULL;
}

void job_drop_if_outdated(struct job *j)
{
	const struct job *newer = NULL;
	char name[ENTRY_REF_MAX], safe[300];
	struct err_info why;
	bool last = false;

	if (j->rec.seed && j->rec.owner != NULL && j->rec.watch == NULL && is_damaged(j))
		newer = find_whole_newer(j);
	if (newer == NULL)
		return;
	(void)entry_ref_text(name, j->rec.owner, j->rec.entry, 0);
	if (!jobs_drop_title(j->js, j, name, &last) || !last)
		return; /* is called otherwise, too */
	jobs_say(j->js, "%s is removed: what is at its place now is number %u, a newer version",
		 text_escape(safe, sizeof(safe), bytes_str(j->rec.title)), newer->rec.id);
	if (jobs_remove(j->js, j, false, &why) != OK)
		jobs_say(j->js, "an older version stays listed: %s", why.text);
}

void jobs_touch_older(struct jobs *js, const struct job *j)
{
	for (size_t i = 0; i < js->n; i++)
		if (is_older(&js->list[i]->rec, &j->rec))
			job_touch(js->list[i]);
}

static void replace_text(char **at, char *text)
{
	if (text == NULL)
		return;
	free(*at);
	*at = text;
}

int job_set_entry(struct job *j, const struct job_spec *s)
{
	char *title = NULL, *owner = NULL, *entry = NULL;

	if (job_copy_text(s->title, &title) != OK || job_copy_text(s->owner, &owner) != OK ||
	    job_copy_text(s->entry, &entry) != OK ||
	    (title != NULL && job_lead_with(j, title) != OK)) {
		free(title);
		free(owner);
		free(entry);
		return ERR_NOMEM;
	}
	replace_text(&j->rec.title, title);
	replace_text(&j->rec.owner, owner);
	replace_text(&j->rec.entry, entry);
	if (s->entry != NULL)
		j->rec.version = s->version;
	return OK;
}

/* What nobody said is as it was. */
static void inherit(struct job_spec *s, const struct job_record *r)
{
	if (s->path == NULL)
		s->path = r->path;
	if (s->trackers == NULL)
		s->trackers = (const char *const *)r->trackers;
	if (s->webseeds == NULL)
		s->webseeds = (const char *const *)r->webseeds;
	if (s->follow == NULL)
		s->follow = r->follow;
	if (s->watch == NULL)
		s->watch = r->watch;
	s->only = (const char *const *)r->only;
	s->rules = (const char *const *)r->rules;
	s->index = r->index;
	s->token = r->token;
	s->pin = r->pin;
	s->order = (enum swarm_order)r->order;
	s->preallocate = r->preallocate;
	s->no_seed = r->no_seed;
	s->seed_limit = r->seed_limit;
	s->paused = r->paused;
	s->priority = r->priority;
	s->down_bps = r->down_bps;
	s->up_bps = r->up_bps;
}

/* It does not look for newer versions any more. */
static int let_be(struct job *j, struct err_info *info)
{
	free(j->rec.follow);
	free(j->rec.watch);
	j->rec.follow = j->rec.watch = NULL;
	err_drop(&j->upkeep_why);
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

/* Some version of it, at the same place. */
static bool is_same_entry(const struct job_record *r, const struct job_spec *s)
{
	return r->owner != NULL && s->owner != NULL && r->seed == s->seed &&
	       strcmp(r->owner, s->owner) == 0 && strcmp(r->entry, s->entry) == 0 &&
	       strcmp(r->path, s->path) == 0;
}

/* `next` is the newer version: it is kept up to date as `s` says, if it is not yet. */
static int keep_up(struct job *next, const struct job_spec *s, struct err_info *info)
{
	if (next->rec.follow != NULL || next->rec.watch != NULL)
		return OK;
	if (job_fill_upkeep(next, s) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	jobs_emit(next, JOB_CHANGED);
	return job_changed(next, info);
}

int jobs_add_newer(struct jobs *js, struct job *old, const struct job_spec *s, struct job **out,
		   struct err_info *info)
{
	struct job_spec spec = *s;
	bool unfinished;
	int err;

	*out = NULL;
	inherit(&spec, &old->rec);
	err = jobs_add(js, &spec, out, info);
	if (err == ERR_EXISTS && *out == old) {
		if (job_set_entry(old, s) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		jobs_emit(old, JOB_CHANGED);
		return job_changed(old, info);
	}
	if (err == ERR_EXISTS && is_same_entry(&(*out)->rec, &spec)) {
		/* What was had before `old` has been published once more. */
		if ((*out)->rec.version < spec.version && job_set_entry(*out, s) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		if ((*out)->rec.version == spec.version)
			err = keep_up(*out, &spec, info);
	}
	if (err != OK || old->removed)
		return err;
	/* Also if it cannot be removed now, it is watched no more. */
	err = let_be(old, info);
	if (err != OK)
		return err;
	unfinished = is_all_unfinished(old);
	return unfinished || (*out)->rec.complete ? jobs_remove(js, old, unfinished, info) : OK;
}

void jobs_settle_newer(struct jobs *js)
{
	for (size_t i = js->n; i-- > 0;) {
		struct job *j = i < js->n ? js->list[i] : NULL;

		if (j == NULL || (j->rec.follow == NULL && j->rec.watch == NULL))
			continue;
		for (size_t k = 0; k < js->n; k++)
			if (js->list[k]->rec.follow != NULL && is_older(&js->list[k]->rec, &j->rec))
				(void)let_be(js->list[k], NULL);
		if (j->rec.complete)
			jobs_drop_older(js, j);
	}
}

void jobs_set_upkeep_why(struct job *j, const struct err_info *why)
{
	struct err_info before;

	err_kept_get(&j->upkeep_why, &before);
	err_keep(&j->upkeep_why, why);
	if (before.code != why->code || (why->code != OK && strcmp(before.text, why->text) != 0))
		jobs_emit(j, JOB_CHANGED);
}

int job_open_index(const struct job *j, struct index_client **out, struct err_info *info)
{
	const struct job_record *r = &j->rec;
	int err;

	*out = NULL;
	if (r->index == NULL)
		return err_set(info, ERR_INVALID, "it is of no index");
	err = index_client_new(r->index, r->token, out, info);
	if (err == OK && r->pin != NULL)
		err = index_client_pin(*out, r->pin, info);
	if (err != OK) {
		index_client_free(*out);
		*out = NULL;
	}
	return err;
}
