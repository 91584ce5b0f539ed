/* daemon/jobs_run.c - which jobs have a transfer in the node, and what is told of them. */
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"

/* A thousand jobs begin at a start; in between the loop does its other work. */
#define SLICE_MS 20

/* ---- what it is now ---------------------------------------------------------- */

static enum job_state state_with(const struct job *j, enum transfer_phase phase)
{
	switch (phase) {
	case TRANSFER_CHECKING:
		return JOB_CHECKING;
	case TRANSFER_DOWNLOADING:
		return JOB_DOWNLOADING;
	case TRANSFER_FINISHING:
		return JOB_FINISHING;
	case TRANSFER_SEEDING:
		/* Only once what is there was remembered is it anybody's to change. */
		return j->rec.complete ? JOB_SEEDING : JOB_FINISHING;
	case TRANSFER_STALLED:
		return JOB_STALLED;
	case TRANSFER_FAILED:
		break;
	}
	return JOB_FAILED;
}

bool job_is_done(const struct job *j)
{
	return j->rec.complete && j->rec.no_seed;
}

enum job_state job_state_now(const struct job *j)
{
	if (j->failed)
		return JOB_FAILED;
	if (j->rec.paused)
		return JOB_PAUSED;
	if (j->t != NULL)
		return state_with(j, transfer_phase_now(j->t));
	if (j->fetch != NULL)
		return JOB_METADATA;
	if (j->waits)
		return JOB_CHECKING;
	return job_is_done(j) ? JOB_DONE : JOB_QUEUED;
}

struct job_total job_total_with(const struct job *j, const struct transfer_status *st)
{
	struct job_total sum = j->before;

	sum.id = j->rec.id;
	sum.down += st->swarm.down_bytes;
	sum.up += st->swarm.up_bytes;
	if (st->phase != TRANSFER_CHECKING)
		sum.done = st->done_bytes;
	return sum;
}

struct job_total job_total_now(const struct job *j)
{
	struct job_total sum = j->before;
	struct transfer_status st;

	sum.id = j->rec.id;
	if (j->t == NULL)
		return sum;
	transfer_status(j->t, &st);
	return job_total_with(j, &st);
}

void job_touch(struct job *j)
{
	if (!j->due) {
		j->due = true;
		j->next_due = j->js->due;
		j->js->due = j;
	}
	loop_timer_set(j->js->turn, 0);
}

static void on_phase(void *user, struct transfer *t, enum transfer_phase phase)
{
	(void)t;
	(void)phase;
	job_touch(user);
}

/* ---- ending a transfer ---------------------------------------------------------- */

static void on_released(void *user)
{
	struct job *j = user;

	j->leaving = NULL;
	job_touch(j);
}

void job_stop(struct job *j)
{
	struct transfer *t = j->t;

	metadata_fetch_free(j->fetch);
	j->fetch = NULL;
	j->idle = false;
	if (t == NULL)
		return;
	j->before = job_total_now(j);
	j->js->totals_changed = true;
	j->t = NULL;
	j->leaving = t;
	node_remove_then(j->js->p.node, t, on_released, j);
}

static void begin(struct job *j);

static void fail(struct job *j, const struct err_info *why)
{
	j->failed = true;
	err_keep(&j->why, why);
	job_stop(j);
}

/* ---- what happened to one ------------------------------------------------------------ */

void job_save_or_say(struct job *j)
{
	struct err_info why;

	if (job_save(j, &why) != OK)
		jobs_say(j->js, "number %u is not recorded: %s", j->rec.id, why.text);
}

/* What is there now is right, as far as stamps can tell. */
static void keep_stamp(struct job *j, bool hashed_before)
{
	struct stamp now;

	if (stamp_take(j->rec.path, &now, NULL) != OK)
		return;
	/* What changed while it was hashed is hashed again at the next start. */
	if (hashed_before && (!j->has_began || !stamp_eq(&now, &j->began)))
		return;
	j->rec.stamp = now;
	j->rec.has_stamp = true;
}

/* Once it is known how its files are: for the next start. */
static void record_verified(struct job *j, const struct transfer_status *st)
{
	/* Its stamp says enough. */
	bool one = st->files == 1 && st->done_bytes == st->total_bytes;
	struct verified v;

	if (!j->unrecorded || st->phase == TRANSFER_CHECKING)
		return;
	j->unrecorded = false;
	/* Its stamp went with the hashing. It may be there again by the next start. */
	if (st->to_check_bytes > 0 && transfer_has_bad(j->t))
		job_save_or_say(j);
	if (one || st->total_bytes < JOBS_VERIFIED_MIN)
		return;
	/* What was not hashed now is there yet as it was recorded. */
	if (st->to_check_bytes == 0 && job_has_verified(j))
		return;
	if (transfer_verified(j->t, &v) != OK) {
		job_forget_verified(j);
		return;
	}
	job_save_verified(j, &v);
	verified_fini(&v);
}

static void on_complete(struct job *j, const struct transfer_status *st)
{
	bool first = !j->rec.complete;

	if (!first && (j->rec.has_stamp || st->why.code != OK))
		return;
	keep_stamp(j, j->rec.complete || j->there_already);
	job_forget_order(j);
	j->rec.complete = true;
	if (first) {
		j->rec.completed_at = loop_wall_s();
		j->before.done = st->done_bytes;
		j->js->totals_changed = true;
	}
	job_save_or_say(j);
	if (first)
		jobs_emit(j, JOB_COMPLETE);
	if (first && !j->removed)
		jobs_drop_older(j->js, j);
}

static int other_content(const struct job *j, struct err_info *info)
{
	char safe[300];

	return err_set(info, ERR_EXISTS, "%s: is there already, with other content",
		       text_escape(safe, sizeof(safe), bytes_str(j->rec.path)));
}

static void look_at_transfer(struct job *j)
{
	struct transfer_status st;
	struct err_info why;

	transfer_status(j->t, &st);
	record_verified(j, &st);
	if (st.phase == TRANSFER_FAILED) {
		why = st.why;
		if (j->there_already && why.code == ERR_MISMATCH)
			(void)other_content(j, &why);
		fail(j, &why);
		return;
	}
	err_keep(&j->why, &st.why);
	if (st.phase == TRANSFER_DOWNLOADING && !j->measured) {
		j->measured = true;
		j->found_bytes = st.done_bytes;
		j->js->totals_changed = true;
	}
	if (st.phase == TRANSFER_SEEDING)
		on_complete(j, &st);
}

/* What its link stands for may be known now. */
static void look_at_fetch(struct job *j)
{
	struct err_info why;
	int err = job_take_answer(j, &why);

	if (err == ERR_AGAIN)
		return;
	j->idle = false;
	if (err != OK)
		fail(j, &why);
	else
		begin(j);
}

/* The last step of one that is removed. */
static void bury(struct job *j)
{
	struct jobs *js = j->js;
	size_t i = 0;

	if (j->rec.erase)
		job_erase(j);
	while (js->going[i] != j)
		i++;
	js->going[i] = js->going[--js->n_going];
	job_free(j);
}

static void attend(struct job *j)
{
	enum err why = j->why.code;
	enum job_state now;

	if (j->removed) {
		if (j->leaving == NULL)
			bury(j);
		return;
	}
	if (j->t != NULL)
		look_at_transfer(j);
	else if (j->fetch != NULL)
		look_at_fetch(j);
	if (!j->removed)
		job_drop_if_outdated(j);
	if (j->removed) /* by a watcher, or just now */
		return;
	if (j->t != NULL && job_is_done(j) && job_state_now(j) != JOB_CHECKING)
		job_stop(j);
	now = job_state_now(j);
	if (now == j->state && j->why.code == why)
		return;
	j->state = now;
	jobs_emit(j, JOB_STATE);
	if (now == JOB_FAILED && !j->removed)
		jobs_emit(j, JOB_FAIL);
}

/* ---- beginning one ---------------------------------------------------------------- */

/* Is the data what it was when it was known to be right? */
static bool is_unchanged(struct job *j)
{
	j->has_began = stamp_take(j->rec.path, &j->began, NULL) == OK;
	return j->has_began && j->rec.has_stamp && !j->recheck &&
	       stamp_eq(&j->began, &j->rec.stamp);
}

void job_use_index(struct job *j)
{
	const struct job_record *r = &j->rec;
	struct err_info why;

	if (r->index != NULL &&
	    node_use_index(j->js->p.node, r->index, r->token, r->pin, &why) != OK)
		jobs_say(j->js, "%s", why.text);
}

/* With `partly` it was complete, and what of it is as it was is served; what `known` (may be NULL)
 * says of it is not hashed. */
static int add(struct job *j, struct bytes torrent, bool seed, bool check, bool partly,
	       const struct verified *known, struct err_info *info)
{
	const struct job_record *r = &j->rec;
	struct transfer_params p = {
	    .torrent = torrent,
	    .wanted = seed ? NULL : r->wanted,
	    .order = r->order > ORDER_ENDS_FIRST ? ORDER_RAREST : (enum swarm_order)r->order,
	    .path = r->path,
	    .title = r->title,
	    .seed = seed,
	    .check = check,
	    .partly = partly,
	    .verified = known,
	    .preallocate = r->preallocate,
	    .replaces = r->has_replaces && !seed ? &r->replaces : NULL,
	    .donor_folder = j->donor_folder,
	    .donors = j->donors,
	    .n_donors = seed ? 0 : j->n_donors,
	    .trackers = (const char *const *)r->trackers,
	    .webseeds = (const char *const *)r->webseeds,
	    .webseeds_nearest = (enum addr_scope)r->webseeds_nearest,
	    .peers = j->peers,
	    .n_peers = j->n_peers,
	    .fetch = j->fetch,
	    .on_phase = on_phase,
	    .user = j,
	};
	enum meta_fault fault = meta_parse(torrent, &p.meta);
	int err;

	if (fault != META_OK)
		return err_set(info, meta_fault_err(fault), "its .torrent is not usable: %s",
			       meta_fault_text(fault));
	if (p.wanted != NULL && r->n_wanted != p.meta->n_files) {
		meta_free(p.meta);
		return err_set(info, ERR_PROTO, "which of its files are wanted is damaged");
	}
	err = node_add(j->js->p.node, &p, &j->t, info);
	if (err == OK && (r->down_bps > 0 || r->up_bps > 0))
		transfer_set_limits(j->t, &(struct limits){r->down_bps, r->up_bps});
	if (err == OK && r->item != NULL)
		(void)transfer_set_item(j->t, bytes_of(r->item, r->item_len));
	return err;
}

static void say_hashed_again(struct job *j)
{
	struct transfer_status st;
	char safe[300];

	transfer_status(j->t, &st);
	if (st.to_check_bytes > 0)
		jobs_say(j->js, "%s: has changed since it was verified, and is hashed again",
			 text_escape(safe, sizeof(safe), bytes_str(j->rec.path)));
}

/* A seed that was not hashed just now, or has changed since, is hashed: of its files those that are
 * others by now. ERR_AGAIN: by whoever holds it. */
static int add_complete(struct job *j, struct bytes torrent, struct err_info *info)
{
	bool trusted = is_unchanged(j), knows;
	struct verified known = {.n_files = 0};
	int err;

	if (!trusted && j->held && j->has_began && !j->recheck) {
		j->waits = true;
		return err_set(info, ERR_AGAIN, "is looked at already");
	}
	knows = !trusted && !j->recheck && job_load_verified(j, &known);
	err = add(j, torrent, true, !trusted, !j->recheck, knows ? &known : NULL, info);
	verified_fini(&known);
	if (err == OK && !trusted && j->rec.has_stamp && j->has_began)
		say_hashed_again(j);
	j->unrecorded = err == OK;
	/* Of what is hashed now another one is taken. While nothing is there the old one may hold
	 * again. */
	if (err == OK && !trusted)
		j->rec.has_stamp = false;
	return err;
}

/* Where its final name is taken the same content is fine, and served. */
static int add_download(struct job *j, struct bytes torrent, struct err_info *info)
{
	int err = add(j, torrent, false, j->recheck, false, NULL, info);
	struct err_info why;

	j->there_already = false;
	if (err != ERR_EXISTS)
		return err;
	j->has_began = stamp_take(j->rec.path, &j->began, NULL) == OK;
	err = add(j, torrent, true, true, false, NULL, &why);
	if (err == OK)
		j->there_already = true;
	else if (err == ERR_INVALID || err == ERR_NOENT || err == ERR_MISMATCH)
		return other_content(j, info);
	else
		*info = why;
	return err;
}

static int begin_transfer(struct job *j, struct err_info *info)
{
	/* Of a part the state file says what is there. */
	bool all = jobs_has_all(j);
	struct buf torrent;
	int err;

	buf_init(&torrent, META_BYTES_MAX);
	j->measured = j->unrecorded = false;
	err = job_torrent(j, &torrent, info);
	if (err == OK)
		err = all ? add_complete(j, buf_bytes(&torrent), info)
			  : add_download(j, buf_bytes(&torrent), info);
	buf_fini(&torrent);
	metadata_fetch_free(j->fetch);
	j->fetch = NULL;
	if (err == OK)
		j->recheck = false;
	return err;
}

static void begin(struct job *j)
{
	struct err_info why = {.code = OK};
	int err;

	job_use_index(j);
	j->idle_since_ms = loop_now_ms(j->js->p.loop);
	j->got_bytes = 0;
	err = job_is_link(j) ? job_ask(j, &why) : begin_transfer(j, &why);
	if (err != OK && !j->waits)
		fail(j, &why);
	attend(j);
}

/* ---- whose turn it is ---------------------------------------------------------------- */

static bool slice_is_over(const struct timespec *begun)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begun->tv_sec) * 1000 + (now.tv_nsec - begun->tv_nsec) / 1000000 >=
	       SLICE_MS;
}

/* False: there is more to begin. */
static bool begin_seeds(struct jobs *js, const struct timespec *begun)
{
	for (size_t i = 0; i < js->n; i++) {
		if (!job_wants_turn(js->list[i]) || job_is_queued_kind(js, js->list[i]))
			continue;
		if (slice_is_over(begun))
			return false;
		begin(js->list[i]);
	}
	return true;
}

static bool begin_queued(struct jobs *js, const struct timespec *begun)
{
	uint32_t active = jobs_running(js);
	struct job *j;

	while (active < js->max_active && (j = jobs_next_of_queue(js)) != NULL) {
		if (slice_is_over(begun))
			return false;
		begin(j);
		active += j->t != NULL || j->fetch != NULL;
	}
	return true;
}

void jobs_turn(void *arg)
{
	struct jobs *js = arg;
	struct timespec begun;
	struct job *j;

	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	while ((j = js->due) != NULL) {
		js->due = j->next_due;
		j->due = false;
		attend(j);
	}
	if (!begin_seeds(js, &begun) || !begin_queued(js, &begun) || js->due != NULL)
		loop_timer_set(js->turn, 0);
}
