#include "daemon/jobs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "wire/ext_metadata.h"

const char *job_state_word(enum job_state s)
{
	static const char *const words[] = {
	    [JOB_QUEUED] = "queued",	   [JOB_METADATA] = "metadata",
	    [JOB_CHECKING] = "checking",   [JOB_DOWNLOADING] = "downloading",
	    [JOB_FINISHING] = "finishing", [JOB_SEEDING] = "seeding",
	    [JOB_PAUSED] = "paused",	   [JOB_STALLED] = "stalled",
	    [JOB_FAILED] = "failed",	   [JOB_DONE] = "done"};

	return words[s];
}

const char *job_event_word(enum job_event e)
{
	static const char *const words[] = {
	    [JOB_ADDED] = "added",     [JOB_STATE] = "state",	    [JOB_PROGRESS] = "progress",
	    [JOB_CHANGED] = "changed", [JOB_COMPLETE] = "complete", [JOB_FAIL] = "failed",
	    [JOB_REMOVED] = "removed"};

	return words[e];
}

void jobs_say(struct jobs *js, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (js->p.say == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	js->p.say(js->p.user, line);
}

/* ---- watchers --------------------------------------------------------------- */

void jobs_watch(struct jobs *js, struct jobs_watcher *w)
{
	w->next = js->watchers;
	js->watchers = w;
}

void jobs_unwatch(struct jobs *js, struct jobs_watcher *w)
{
	struct jobs_watcher **at = &js->watchers;

	while (*at != NULL && *at != w)
		at = &(*at)->next;
	if (*at != NULL)
		*at = w->next;
}

void jobs_emit(struct job *j, enum job_event e)
{
	struct jobs_watcher *next;

	for (struct jobs_watcher *w = j->js->watchers; w != NULL; w = next) {
		next = w->next;
		w->event(w->user, j, e);
	}
}

/* ---- life ------------------------------------------------------------------------- */

void job_free(struct job *j)
{
	if (j == NULL)
		return;
	metadata_fetch_free(j->fetch);
	job_record_fini(&j->rec);
	buf_fini(&j->torrent);
	err_drop(&j->why);
	err_drop(&j->upkeep_why);
	job_drop_donors(j);
	free(j->peers);
	free(j);
}

int jobs_enlist(struct jobs *js, struct job *j)
{
	struct job **grown = grow(js->list, js->n, &js->cap, 16, sizeof(struct job *));

	if (grown == NULL)
		return ERR_NOMEM;
	js->list = grown;
	js->list[js->n++] = j;
	if (j->rec.id > js->last_id)
		js->last_id = j->rec.id;
	return OK;
}

int jobs_new(const struct jobs_params *p, struct jobs **out, struct err_info *info)
{
	struct jobs *js = calloc(1, sizeof(*js));
	int err = OK;

	if (js == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	js->p = *p;
	js->folder.fd = -1;
	js->max_active = p->max_active == 0 ? JOBS_ACTIVE_DEFAULT : p->max_active;
	js->turn = loop_timer_new(p->loop, jobs_turn, js);
	js->second = loop_timer_new(p->loop, jobs_second, js);
	if (js->turn == NULL || js->second == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && p->folder != NULL)
		err = root_open(&js->folder, p->folder, info);
	if (err == OK && p->folder != NULL)
		err = jobs_load(js, info);
	if (err == OK)
		jobs_settle_newer(js);
	if (err != OK) {
		jobs_free(js);
		return err;
	}
	loop_timer_set(js->turn, 0);
	loop_timer_set(js->second, 1000);
	*out = js;
	return OK;
}

/* Its transfers go on without it. */
static void let_go(struct job *j)
{
	if (j->t != NULL)
		transfer_hush(j->t);
	if (j->leaving != NULL)
		transfer_hush(j->leaving);
	job_free(j);
}

void jobs_free(struct jobs *js)
{
	if (js == NULL)
		return;
	if (js->totals_changed)
		jobs_save_totals(js);
	for (size_t i = 0; i < js->n; i++)
		let_go(js->list[i]);
	/* What is to be erased yet is erased at the next start. */
	for (size_t i = 0; i < js->n_going; i++)
		let_go(js->going[i]);
	loop_timer_free(js->turn);
	loop_timer_free(js->second);
	if (js->folder.fd >= 0)
		root_close(&js->folder);
	free(js->list);
	free(js->going);
	free(js);
}

/* ---- finding ------------------------------------------------------------------------ */

static int compare_id(const void *key, const void *item)
{
	const uint32_t *id = key;
	struct job *const *j = item;

	return *id < (*j)->rec.id ? -1 : *id > (*j)->rec.id;
}

/* The list is in the order of their numbers. */
struct job *jobs_by_id(struct jobs *js, uint32_t id)
{
	struct job **found =
	    js->n == 0 ? NULL : bsearch(&id, js->list, js->n, sizeof(struct job *), compare_id);

	return found == NULL ? NULL : *found;
}

/* The name in handshakes: v1's, or the beginning of v2's. */
static const uint8_t *swarm_hash(const struct job *j)
{
	return j->rec.has_v1 ? j->rec.hash_v1 : j->rec.hash_v2;
}

struct job *jobs_by_hash(struct jobs *js, const uint8_t hash[SHA1_LEN])
{
	for (size_t i = 0; i < js->n; i++)
		if (memcmp(swarm_hash(js->list[i]), hash, SHA1_LEN) == 0)
			return js->list[i];
	return NULL;
}

struct job *jobs_next(struct jobs *js, size_t *at)
{
	return *at < js->n ? js->list[(*at)++] : NULL;
}

size_t jobs_above(const struct jobs *js, uint32_t id)
{
	size_t at = 0;

	while (at < js->n && js->list[at]->rec.id <= id)
		at++;
	return at;
}

size_t jobs_count(const struct jobs *js)
{
	return js->n;
}

void jobs_count_states(const struct jobs *js, size_t n[JOB_DONE + 1])
{
	memset(n, 0, (JOB_DONE + 1) * sizeof(n[0]));
	for (size_t i = 0; i < js->n; i++)
		n[job_state_now(js->list[i])]++;
}

/* ---- looking in ---------------------------------------------------------------------- */

struct transfer *job_transfer(const struct job *j)
{
	return j->t;
}

static void view_transfer(const struct job *j, struct job_view *out)
{
	struct transfer_status st;

	transfer_status(j->t, &st);
	if (st.why.code != OK)
		out->why = st.why;
	out->done_bytes = st.phase == TRANSFER_CHECKING ? j->before.done : st.done_bytes;
	out->checked_bytes = st.checked_bytes;
	out->to_check_bytes = st.to_check_bytes;
	out->down_total += st.swarm.down_bytes;
	out->up_total += st.swarm.up_bytes;
	out->wasted_bytes = st.swarm.wasted_bytes;
	out->down_bps = st.swarm.down_bps;
	out->up_bps = st.swarm.up_bps;
	out->peers = st.swarm.peers;
	out->seeds = st.swarm.seeds;
	out->found_bytes += st.swarm.kept_bytes;
	out->dialing = st.swarm.dialing;
	out->trying = st.swarm.trying;
	out->web_servers = st.swarm.sources;
	out->can_complete = st.swarm.can_complete;
	out->tracker_ok = st.tracker_ok;
	out->tracker_failed = st.tracker_failed;
	out->tracker_error = st.tracker_error;
	out->item_nodes = st.item_nodes;
	out->item_is_old = st.item_is_old;
	out->item_newest = st.item_newest;
	out->files = st.files;
	out->wanted_files = st.wanted_files;
	if (st.phase != TRANSFER_CHECKING) /* counted after that */
		out->wanted_bytes = st.wanted_bytes;
	out->wanted_done_bytes = st.wanted_done_bytes;
}

static void view_fetch(const struct job *j, struct job_view *out)
{
	struct metadata_fetch_status st;

	metadata_fetch_status(j->fetch, &st);
	out->peers = st.peers;
	out->dialing = st.dialing;
	out->trying = st.trying;
	out->checked_bytes = (uint64_t)st.have * EXT_METADATA_PIECE;
	out->to_check_bytes = (uint64_t)st.pieces * EXT_METADATA_PIECE;
	out->tracker_error = st.tracker_error;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void job_view(const struct job *j, struct job_view *out)
{
	const struct job_record *r = &j->rec;

	*out = (struct job_view){
	    .id = r->id,
	    .title = r->title,
	    .also = r->also,
	    .path = r->path,
	    .name = r->name,
	    .has_v1 = r->has_v1,
	    .has_v2 = r->has_v2,
	    .state = job_state_now(j),
	    .seed = r->seed,
	    .complete = r->complete,
	    .no_seed = r->no_seed,
	    .seed_limit = r->seed_limit,
	    .there_already = j->there_already,
	    .replaced = r->has_replaces,
	    .found_bytes = j->found_bytes,
	    .priority = r->priority,
	    .limit_down_bps = r->down_bps,
	    .limit_up_bps = r->up_bps,
	    .added_at = r->added_at,
	    .completed_at = r->completed_at,
	    .total_bytes = r->total_bytes,
	    .done_bytes = j->before.done,
	    .files = r->files,
	    .wanted_files = r->wanted_files,
	    .wanted_bytes = r->wanted == NULL ? r->total_bytes : r->wanted_bytes,
	    .owner = r->owner,
	    .entry = r->entry,
	    .version = r->version,
	    .follow = r->follow,
	    .watch = r->watch,
	    .upkeep_asked = j->upkeep_asked,
	    .asked_again = j->asked_again,
	    .down_total = j->before.down,
	    .up_total = j->before.up,
	};
	err_kept_get(&j->why, &out->why);
	err_kept_get(&j->upkeep_why, &out->upkeep_why);
	memcpy(out->hash_v1, r->hash_v1, sizeof(out->hash_v1));
	memcpy(out->hash_v2, r->hash_v2, sizeof(out->hash_v2));
	out->wanted_done_bytes = least(out->done_bytes, out->wanted_bytes);
	if (j->t != NULL)
		view_transfer(j, out);
	else if (j->fetch != NULL)
		view_fetch(j, out);
	else if (j->waits)
		out->to_check_bytes = r->total_bytes;
}

/* ---- what the user wants of one ------------------------------------------------------ */

int job_changed(struct job *j, struct err_info *info)
{
	int err = job_save(j, info);

	job_touch(j);
	return err;
}

/* It has not failed any more. */
static void forgive(struct job *j)
{
	j->failed = false;
	err_drop(&j->why);
}

int jobs_pause(struct jobs *js, struct job *j, struct err_info *info)
{
	(void)js;
	j->rec.paused = true;
	forgive(j);
	job_stop(j);
	return job_changed(j, info);
}

int jobs_resume(struct jobs *js, struct job *j, struct err_info *info)
{
	bool failed = job_state_now(j) == JOB_FAILED, again = false;

	(void)js;
	/* Served enough as it was said at first; now more is wanted. */
	if (job_is_done(j) && seed_limit_is_set(&j->rec.seed_limit)) {
		j->rec.seed_limit = (struct seed_limit){0};
		j->rec.no_seed = false;
		again = true;
	}
	if (!j->rec.paused && !failed && !again)
		return OK;
	/* Its transfer may have failed without that having been looked at yet. */
	if (failed)
		job_stop(j);
	j->rec.paused = false;
	forgive(j);
	return job_changed(j, info);
}

void jobs_hold(struct job *j)
{
	j->held = true;
}

void jobs_release(struct job *j, const struct stamp *same)
{
	bool waited = j->waits;

	j->held = j->waits = false;
	if (!waited)
		return;
	if (same != NULL) {
		j->rec.stamp = *same;
		j->rec.has_stamp = true;
		job_save_or_say(j);
	}
	job_touch(j);
}

int jobs_look(const struct job *j)
{
	struct stamp now;
	int err;

	if (!j->rec.complete || job_state_now(j) == JOB_CHECKING)
		return OK;
	err = stamp_take(j->rec.path, &now, NULL);
	if (err == ERR_NOENT || err == ERR_NOMEM)
		return err;
	return err == OK && j->rec.has_stamp && stamp_eq(&now, &j->rec.stamp) ? OK : ERR_MISMATCH;
}

bool jobs_has_all(const struct job *j)
{
	return j->rec.complete && j->rec.wanted == NULL;
}

int jobs_recheck(struct jobs *js, struct job *j, struct err_info *info)
{
	(void)js;
	j->rec.paused = false;
	j->rec.has_stamp = false;
	job_forget_verified(j);
	j->recheck = true;
	j->waits = false;
	forgive(j);
	job_stop(j);
	return job_changed(j, info);
}

int jobs_set_priority(struct jobs *js, struct job *j, int32_t priority, struct err_info *info)
{
	(void)js;
	j->rec.priority = priority;
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

int jobs_set_limits(struct jobs *js, struct job *j, uint64_t down_bps, uint64_t up_bps,
		    struct err_info *info)
{
	(void)js;
	j->rec.down_bps = down_bps;
	j->rec.up_bps = up_bps;
	if (j->t != NULL)
		transfer_set_limits(j->t, &(struct limits){down_bps, up_bps});
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

int jobs_set_item(struct jobs *js, struct job *j, struct bytes item, struct err_info *info)
{
	(void)js;
	if (node_check_item(item) != OK)
		return err_set(info, ERR_INVALID, "the item is not signed as it should be");
	if (job_record_set_item(&j->rec, item) != OK ||
	    (j->t != NULL && transfer_set_item(j->t, item) != OK))
		return err_set(info, ERR_NOMEM, "out of memory");
	return job_changed(j, info);
}

int jobs_set_title(struct jobs *js, struct job *j, const char *title, struct err_info *info)
{
	char *copy = strdup(title);

	(void)js;
	if (copy == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	free(j->rec.title);
	j->rec.title = copy;
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

/* ---- removing ---------------------------------------------------------------------------- */

static int make_room_for_going(struct jobs *js)
{
	size_t cap = js->cap_going + 16;
	struct job **grown;

	if (js->n_going < js->cap_going)
		return OK;
	grown = realloc(js->going, cap * sizeof(struct job *));
	if (grown == NULL)
		return ERR_NOMEM;
	js->going = grown;
	js->cap_going = cap;
	return OK;
}

/* So that it is not there again after a restart. */
static int record_removal(struct job *j, bool data, struct err_info *info)
{
	int err;

	if (!data)
		return job_forget(j, info);
	if (j->rec.erase) /* on record since before the start */
		return OK;
	j->rec.erase = true;
	err = job_save(j, info);
	/* Who makes room on a full disk must not be kept from it. */
	if (err == ERR_NOSPACE)
		return OK;
	j->rec.erase = err == OK;
	return err;
}

int jobs_remove(struct jobs *js, struct job *j, bool data, struct err_info *info)
{
	size_t i = 0;
	int err;

	if (make_room_for_going(js) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = record_removal(j, data, info);
	if (err != OK)
		return err;
	job_stop(j);
	while (js->list[i] != j)
		i++;
	memmove(js->list + i, js->list + i + 1, (js->n - i - 1) * sizeof(struct job *));
	js->n--;
	js->totals_changed = true;
	j->removed = true;
	js->going[js->n_going++] = j;
	jobs_emit(j, JOB_REMOVED);
	job_touch(j);
	return OK;
}

void jobs_set_active(struct jobs *js, uint32_t max_active)
{
	js->max_active = max_active == 0 ? JOBS_ACTIVE_DEFAULT : max_active;
	loop_timer_set(js->turn, 0);
}

uint32_t jobs_active(const struct jobs *js)
{
	return js->max_active;
}

void jobs_set_queue_seeds(struct jobs *js, bool on)
{
	js->p.queue_seeds = on;
	loop_timer_set(js->turn, 0);
}
