#include "store/pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/pool_impl.h"
#include "store/root.h"

#define SCRATCH_ALIGN 4096u

struct worker {
	struct pool_worker tools;
	struct pool *pool;
};

static void list_init(struct job_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_put(struct job_list *l, struct pool_job *job)
{
	job->next = NULL;
	*l->tail = job;
	l->tail = &job->next;
}

static struct pool_job *list_take(struct job_list *l)
{
	struct pool_job *job = l->head;

	if (job == NULL)
		return NULL;
	l->head = job->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return job;
}

static void wake_loop(struct pool *p)
{
	const uint64_t one = 1;
	ssize_t n;

	do
		n = write(p->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void clear_wake(struct pool *p)
{
	uint64_t count;
	ssize_t got;

	do
		got = read(p->wake_fd, &count, sizeof(count));
	while (got < 0 && errno == EINTR);
}

/* Patient jobs that can go together now, as far as they are this worker's share: idle ones are
 * left as many. */
static unsigned patient_count(const struct pool *p)
{
	const struct pool_job *first = p->patient.head, *job = first;
	unsigned n = 0, share, sharers = p->idle + 1;

	while (job != NULL && job->run_many == first->run_many && job->many == first->many &&
	       n < first->many * sharers) {
		job = job->next;
		n++;
	}
	share = (n + sharers - 1) / sharers;
	return share > 1 || n < 2 ? share : 2;
}

/* Is it the turn of `n` patient jobs? Of enough of them while somebody sees to the others, which
 * may be all that keeps the disk busy; of one alone when there is nothing else. */
static bool patient_first(const struct pool *p, unsigned n)
{
	unsigned many = p->patient.head->many;

	if (p->waiting.head == NULL)
		return n > 1 || p->running == 0;
	return p->passed >= POOL_PATIENCE * many ||
	       (n >= many - many / 4 && p->running > p->running_patient);
}

/* What a worker does next: one job, or several patient ones. Returns how many. */
static unsigned take_work(struct pool *p, struct pool_job *jobs[POOL_MANY_MAX])
{
	unsigned n = patient_count(p);

	if (n == 0 || !patient_first(p, n)) {
		jobs[0] = list_take(&p->waiting);
		if (jobs[0] != NULL && n > 0)
			p->passed++;
		return jobs[0] != NULL;
	}
	p->passed = 0;
	for (unsigned i = 0; i < n; i++)
		jobs[i] = list_take(&p->patient);
	return n;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct pool_job *jobs[POOL_MANY_MAX];
		unsigned n = take_work(p, jobs);
		bool patient, first;

		if (n == 0) {
			if (p->stop)
				break;
			p->idle++;
			pthread_cond_wait(&p->work, &p->lock);
			p->idle--;
			continue;
		}
		patient = jobs[0]->run_many != NULL;
		p->running++;
		p->running_patient += patient;
		pthread_mutex_unlock(&p->lock);
		if (n > 1)
			jobs[0]->run_many(jobs, n, &w->tools);
		else
			jobs[0]->run(jobs[0], &w->tools);
		pthread_mutex_lock(&p->lock);
		p->running--;
		p->running_patient -= patient;
		first = p->finished.head == NULL;
		for (unsigned i = 0; i < n; i++)
			list_put(&p->finished, jobs[i]);
		if (!first)
			continue;
		/* Woken with the lock held, the loop would only run into it. */
		pthread_mutex_unlock(&p->lock);
		wake_loop(p);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int worker_init(struct worker *w, struct pool *p)
{
	w->pool = p;
	w->tools.sha1 = digest_new(DIGEST_SHA1);
	w->tools.many = digest_many_new(DIGEST_MANY_BEST);
	w->tools.scratch = aligned_alloc(SCRATCH_ALIGN, POOL_SCRATCH_BYTES);
	if (w->tools.sha1 == NULL || w->tools.many == NULL || w->tools.scratch == NULL)
		return ERR_NOMEM;
	return OK;
}

static void worker_fini(struct worker *w)
{
	digest_free(w->tools.sha1);
	digest_many_free(w->tools.many);
	free(w->tools.scratch);
}

/* Signals are the loop's: a worker that took SIGINT would hide it. */
static int start_threads(struct pool *p, unsigned want)
{
	sigset_t all, before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->n_workers < want && error == 0) {
		error = pthread_create(&p->threads[p->n_workers], NULL, worker_main,
				       &p->workers[p->n_workers]);
		if (error == 0)
			p->n_workers++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return p->n_workers > 0 ? 0 : error;
}

static unsigned default_workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : (unsigned)cores;
}

static void pool_destroy(struct pool *p)
{
	if (p->workers != NULL) {
		for (unsigned i = 0; i < POOL_WORKERS_MAX; i++)
			worker_fini(&p->workers[i]);
	}
	pool_slabs_drop(p);
	free(p->workers);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int pool_new(unsigned workers, unsigned slabs, struct pool **out, struct err_info *info)
{
	struct pool *p = calloc(1, sizeof(*p));
	int error;

	if (p == NULL)
		return err_set(info, ERR_NOMEM, "no memory for worker threads");
	if (workers == 0)
		workers = default_workers();
	if (workers > POOL_WORKERS_MAX)
		workers = POOL_WORKERS_MAX;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	list_init(&p->waiting);
	list_init(&p->patient);
	list_init(&p->finished);
	list_init(&p->ready);
	p->slabs_max = slabs == 0 ? POOL_SLABS_DEFAULT : slabs;
	p->workers = calloc(POOL_WORKERS_MAX, sizeof(*p->workers));
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0) {
		error = errno;
		pool_destroy(p);
		return root_errno(info, "cannot make an event descriptor", error);
	}
	if (p->workers == NULL)
		goto nomem;
	for (unsigned i = 0; i < workers; i++) {
		if (worker_init(&p->workers[i], p) != OK)
			goto nomem;
	}
	error = start_threads(p, workers);
	if (error != 0) {
		pool_destroy(p);
		return root_errno(info, "cannot start a worker thread", error);
	}
	*out = p;
	return OK;
nomem:
	pool_destroy(p);
	return err_set(info, ERR_NOMEM, "no memory for worker threads");
}

unsigned pool_workers(const struct pool *p)
{
	return p->n_workers;
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	while (p->out > 0) {
		pool_wait(p);
		pool_drain(p);
	}
	if (p->drop != NULL)
		p->drop(p->shared);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_workers; i++)
		pthread_join(p->threads[i], NULL);
	pool_destroy(p);
}

void pool_submit(struct pool *p, struct pool_job *job)
{
	bool idle;

	p->out++;
	pthread_mutex_lock(&p->lock);
	list_put(job->run_many != NULL ? &p->patient : &p->waiting, job);
	idle = p->idle > 0;
	pthread_mutex_unlock(&p->lock);
	if (idle)
		pthread_cond_signal(&p->work);
}

int pool_fd(const struct pool *p)
{
	return p->wake_fd;
}

/* A done() may call pool_drain() again: `ready` lives in the pool so that the inner call goes on
 * with what the outer one has in hand. */
size_t pool_drain(struct pool *p)
{
	struct pool_job *job;
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	clear_wake(p);
	if (p->finished.head != NULL) {
		*p->ready.tail = p->finished.head;
		p->ready.tail = p->finished.tail;
		list_init(&p->finished);
	}
	pthread_mutex_unlock(&p->lock);
	for (; (job = list_take(&p->ready)) != NULL; n++) {
		p->out--;
		job->done(job);
	}
	return n;
}

/* Also when the descriptor tells of a job that was drained before the worker could write to it. */
void pool_wait(struct pool *p)
{
	struct pollfd fd = {.fd = p->wake_fd, .events = POLLIN};
	bool finished = false;

	while (p->out > 0 && p->ready.head == NULL) {
		pthread_mutex_lock(&p->lock);
		finished = p->finished.head != NULL;
		if (!finished)
			clear_wake(p);
		pthread_mutex_unlock(&p->lock);
		if (finished)
			return;
		while (poll(&fd, 1, -1) < 0 && errno == EINTR)
			continue;
	}
}

void pool_set_shared(struct pool *p, void *shared, void (*drop)(void *shared))
{
	p->shared = shared;
	p->drop = drop;
}

void *pool_shared(const struct pool *p)
{
	return p->shared;
}
