/* daemon/jobs_queue.c - whose turn it is. Decides only; jobs_run.c begins and ends what it says. */
#include "daemon/jobs_impl.h"

bool job_wants_turn(const struct job *j)
{
	return j->t == NULL && j->fetch == NULL && j->leaving == NULL && !j->failed &&
	       !j->rec.paused && !j->waits && (!job_is_done(j) || j->recheck);
}

bool job_is_queued_kind(const struct jobs *js, const struct job *j)
{
	return !j->rec.complete || js->p.queue_seeds;
}

static bool is_active(const struct jobs *js, const struct job *j)
{
	return (j->t != NULL || j->fetch != NULL) && !j->idle && job_is_queued_kind(js, j);
}

uint32_t jobs_running(const struct jobs *js)
{
	uint32_t n = 0;

	for (size_t i = 0; i < js->n; i++)
		n += is_active(js, js->list[i]);
	return n;
}

static uint32_t count_asking(const struct jobs *js)
{
	uint32_t n = 0;

	for (size_t i = 0; i < js->n; i++)
		n += js->list[i]->fetch != NULL;
	return n;
}

/* The higher priority, then who was not asked for yet, or longest ago, then the oldest. */
static bool is_before(const struct job *a, const struct job *b)
{
	if (a->rec.priority != b->rec.priority)
		return a->rec.priority > b->rec.priority;
	return a->asked < b->asked;
}

static struct job *first_waiting(const struct jobs *js, bool links, bool others)
{
	struct job *best = NULL;

	for (size_t i = 0; i < js->n; i++) {
		struct job *j = js->list[i];

		if (job_wants_turn(j) && job_is_queued_kind(js, j) &&
		    (job_is_link(j) ? links : others) && (best == NULL || is_before(j, best)))
			best = j;
	}
	return best;
}

struct job *jobs_next_of_queue(const struct jobs *js)
{
	return first_waiting(js, count_asking(js) < JOBS_ASKING_MAX, true);
}

struct job *jobs_link_to_leave(const struct jobs *js)
{
	const struct job *waiting = first_waiting(js, true, false);
	struct job *worst = NULL;

	if (waiting == NULL || count_asking(js) < JOBS_ASKING_MAX)
		return NULL;
	for (size_t i = 0; i < js->n; i++) {
		struct job *j = js->list[i];

		if (j->fetch != NULL && j->idle && j->rec.priority <= waiting->rec.priority &&
		    (worst == NULL || j->asked < worst->asked))
			worst = j;
	}
	return worst;
}
