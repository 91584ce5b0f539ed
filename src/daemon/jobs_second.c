/* daemon/jobs_second.c - what is looked at each second: how far they are, which of them get nothing
 * and make room for others, which have served enough. */
#include "daemon/jobs_impl.h"

/* Jobs that serve are looked at in turn, so many a second: of thousands few do anything. */
#define PATROL 100u

static uint64_t now_ms(const struct jobs *js)
{
	return loop_now_ms(js->p.loop);
}

static bool has_moved(struct job *j, const struct job_total *now, const struct transfer_status *st)
{
	uint64_t bps = st->swarm.down_bps + st->swarm.up_bps;
	bool moved = now->down != j->told.down || now->up != j->told.up ||
		     now->done != j->told.done || st->checked_bytes != j->told_checked ||
		     bps != j->told_bps;

	j->told = *now;
	j->told_checked = st->checked_bytes;
	j->told_bps = bps;
	return moved;
}

/* One that gets nothing must not keep others waiting for ever. `got`: bytes, or pieces of metadata,
 * so far. */
static void judge_idle(struct job *j, uint64_t got, uint32_t limit_ms)
{
	uint64_t ms = now_ms(j->js);
	bool idle;

	if (got != j->got_bytes) {
		j->got_bytes = got;
		j->idle_since_ms = ms;
	}
	idle = ms - j->idle_since_ms >= limit_ms;
	if (idle != j->idle)
		job_touch(j);
	j->idle = idle;
}

static void judge_fetch(struct job *j)
{
	struct metadata_fetch_status st;

	metadata_fetch_status(j->fetch, &st);
	judge_idle(j, st.have, JOBS_IDLE_MS);
}

static bool is_alone(const struct transfer_status *st)
{
	const struct swarm_stats *s = &st->swarm;

	return st->tracker_ok > 0 && s->peers == 0 && s->trying == 0 && s->sources == 0;
}

static void judge_download(struct job *j, const struct job_total *now,
			   const struct transfer_status *st)
{
	if (st->phase != TRANSFER_DOWNLOADING)
		j->idle_since_ms = now_ms(j->js);
	judge_idle(j, now->down, is_alone(st) ? JOBS_ALONE_MS : JOBS_IDLE_MS);
}

static void judge_seed(struct job *j, uint64_t up_bytes)
{
	struct job_record *r = &j->rec;
	uint64_t bytes = r->wanted == NULL ? r->total_bytes : r->wanted_bytes;
	int64_t served_s = loop_wall_s() - r->completed_at;

	if (!r->complete || r->no_seed ||
	    !seed_limit_is_over(&r->seed_limit, up_bytes, bytes,
				served_s < 0 ? 0 : (uint64_t)served_s))
		return;
	r->no_seed = true;
	job_save_or_say(j);
	job_touch(j);
}

static void measure(struct job *j)
{
	struct job_total now;
	struct transfer_status st;

	if (j->fetch != NULL)
		judge_fetch(j);
	if (j->t == NULL)
		return;
	transfer_status(j->t, &st);
	now = job_total_with(j, &st);
	judge_download(j, &now, &st);
	judge_seed(j, now.up);
	if (st.why.code != j->why.code)
		job_touch(j);
	if (!has_moved(j, &now, &st))
		return;
	j->js->totals_changed = true;
	jobs_emit(j, JOB_PROGRESS);
}

/* One a second, so that a link that is answered a little late is seldom given up for another. */
static void let_links_take_turns(struct jobs *js)
{
	struct job *j = jobs_link_to_leave(js);

	if (j == NULL)
		return;
	job_stop(j);
	job_touch(j);
}

/* It failed as something was not there, or was something else: a disk that came late, a file that
 * is as it was again. */
static bool is_other_by_now(struct job *j)
{
	const struct job_record *r = &j->rec;
	struct stamp now;

	if (!j->failed || (j->why.code != ERR_NOENT && j->why.code != ERR_INVALID) ||
	    r->wanted != NULL || r->paused || now_ms(j->js) - j->idle_since_ms < JOBS_AGAIN_MS)
		return false;
	j->idle_since_ms = now_ms(j->js);
	return stamp_take(r->path, &now, NULL) == OK &&
	       !(j->has_began && stamp_eq(&now, &j->began));
}

static void look_at_complete(struct job *j)
{
	if (!is_other_by_now(j)) {
		measure(j);
		return;
	}
	j->failed = false;
	err_drop(&j->why);
	job_touch(j);
}

void jobs_second(void *arg)
{
	struct jobs *js = arg;
	size_t n = js->n;

	loop_timer_set(js->second, 1000);
	for (size_t i = 0; i < js->n; i++)
		if (!js->list[i]->rec.complete)
			measure(js->list[i]);
	let_links_take_turns(js);
	for (size_t i = 0; i < n && i < PATROL && js->n > 0; i++) {
		struct job *j = js->list[js->patrol++ % js->n];

		if (j->rec.complete)
			look_at_complete(j);
	}
	if (js->totals_changed && now_ms(js) - js->totals_ms >= JOBS_TOTALS_MS)
		jobs_save_totals(js);
}
