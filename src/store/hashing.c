#include "store/hashing.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "store/big_pages.h"
#include "store/hashing_impl.h"

#define PROGRESS_EVERY_MS 100u

/* A thread more for each so many bytes: to begin one costs as much as to hash some of them. */
#define BYTES_PER_THREAD (1u << 20)

/* Enough units for everyone to read ahead while a stream is behind. */
#define UNITS_PER_THREAD 3u

/* So many units of many pieces each thread has to do, or it is not worth while. */
#define WIDE_ROUNDS_MIN 4u

struct hashing_run {
	struct hashing_task task;
	pthread_mutex_t lock; /* over everything below, the task's cursor and all phases */
	pthread_cond_t changed;
	struct hashing_unit *units; /* unit u lives in units[u % n_units] */
	size_t n_units;
	uint8_t *memory;  /* of all units */
	bool big_pages;	  /* it is in such */
	uint64_t claimed; /* units claimed so far */
	unsigned working; /* claimed and not UNIT_DONE */
	bool all_claimed;
	struct hashing_stream streams[N_STREAMS];
	uint64_t done_bytes;
	struct err_info err; /* the first failure; stops everyone */
};

struct hashing_thread {
	struct hashing_run *run;
	struct hashing_worker worker;
	pthread_t id;
	bool caller;
	uint64_t told_ms; /* caller: last progress */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct hashing_unit *unit_at(struct hashing_run *r, uint64_t u)
{
	return &r->units[u % r->n_units];
}

static void fail(struct hashing_run *r, int err, const struct err_info *info)
{
	if (r->err.code == OK && info->code == OK)
		err_set(&r->err, err, "%s", err_text(err));
	else if (r->err.code == OK)
		r->err = *info;
	pthread_cond_broadcast(&r->changed);
}

/* Go over the units that have nothing for the stream. */
static void stream_skip(struct hashing_run *r, int s)
{
	struct hashing_stream *st = &r->streams[s];

	while (!st->busy && st->next < r->claimed &&
	       !unit_has_step(&r->task, unit_at(r, st->next), s))
		st->next++;
}

/* A stream whose next unit is ready, or -1. The tree needs what unit_hash() made, the others
 * only the bytes. */
static int stream_ready(struct hashing_run *r)
{
	for (int s = 0; s < N_STREAMS; s++) {
		struct hashing_stream *st = &r->streams[s];
		enum unit_phase need = s == STREAM_TREE ? UNIT_DONE : UNIT_READ;

		if (!st->wanted || st->busy)
			continue;
		stream_skip(r, s);
		if (st->next < r->claimed && unit_at(r, st->next)->phase >= need)
			return s;
	}
	return -1;
}

static void stream_run(struct hashing_run *r, int s)
{
	struct hashing_stream *st = &r->streams[s];
	struct hashing_unit *u = unit_at(r, st->next);

	st->busy = true;
	pthread_mutex_unlock(&r->lock);
	unit_step(&r->task, u, s);
	pthread_mutex_lock(&r->lock);
	st->busy = false;
	st->next++;
	pthread_cond_broadcast(&r->changed);
}

/* May the memory of the next unit be used: is whoever had it before done with it? */
static bool unit_is_free(struct hashing_run *r)
{
	uint64_t before;

	if (r->claimed < r->n_units)
		return true;
	before = r->claimed - r->n_units;
	if (unit_at(r, before)->phase != UNIT_DONE)
		return false;
	for (int s = 0; s < N_STREAMS; s++) {
		if (r->streams[s].wanted)
			stream_skip(r, s);
		if (r->streams[s].wanted && r->streams[s].next <= before)
			return false;
	}
	return true;
}

static void unit_run(struct hashing_thread *t)
{
	struct hashing_run *r = t->run;
	struct hashing_unit *u = unit_at(r, r->claimed);
	struct err_info info = {0};
	int err = unit_claim(&r->task, u, &info);

	if (err < 0) {
		unit_drop(&r->task, u);
		fail(r, err, &info);
		return;
	}
	if (err == 0) {
		r->all_claimed = true;
		pthread_cond_broadcast(&r->changed);
		return;
	}
	r->claimed++;
	r->working++;
	pthread_mutex_unlock(&r->lock);
	err = unit_read(&r->task, u, &info);
	if (err == 0) {
		pthread_mutex_lock(&r->lock);
		u->phase = UNIT_READ;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
		err = unit_hash(&r->task, &t->worker, u, &info);
	}
	pthread_mutex_lock(&r->lock);
	if (err == 0)
		err = unit_release(&r->task, u, &info);
	r->working--;
	r->done_bytes += u->bytes;
	if (err != 0)
		fail(r, err, &info);
	else
		u->phase = UNIT_DONE;
	pthread_cond_broadcast(&r->changed);
}

static bool all_done(struct hashing_run *r)
{
	if (!r->all_claimed || r->working > 0)
		return false;
	for (int s = 0; s < N_STREAMS; s++)
		if (r->streams[s].wanted && (r->streams[s].busy || r->streams[s].next < r->claimed))
			return false;
	return true;
}

static void wait_change(struct hashing_thread *t)
{
	struct hashing_run *r = t->run;
	struct timespec ts;

	if (!t->caller || r->task.p->progress == NULL) {
		pthread_cond_wait(&r->changed, &r->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += PROGRESS_EVERY_MS * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&r->changed, &r->lock, &ts);
}

static void tell_progress(struct hashing_thread *t)
{
	struct hashing_run *r = t->run;
	const struct hashing_params *p = r->task.p;
	uint64_t now = now_ms(), done = r->done_bytes;
	struct err_info cancelled;
	bool go_on;

	if (p->progress == NULL || now - t->told_ms < PROGRESS_EVERY_MS)
		return;
	t->told_ms = now;
	pthread_mutex_unlock(&r->lock);
	go_on = p->progress(p->user, done, r->task.total_bytes);
	pthread_mutex_lock(&r->lock);
	if (!go_on) {
		err_set(&cancelled, ERR_CANCELLED, "hashing was cancelled");
		fail(r, ERR_CANCELLED, &cancelled);
	}
}

static void thread_work(struct hashing_thread *t)
{
	struct hashing_run *r = t->run;

	pthread_mutex_lock(&r->lock);
	while (r->err.code == OK && !all_done(r)) {
		int s = stream_ready(r);

		if (s >= 0)
			stream_run(r, s);
		else if (!r->all_claimed && unit_is_free(r))
			unit_run(t);
		else if (!all_done(r)) /* stream_ready() may have skipped the last units */
			wait_change(t);
		if (t->caller)
			tell_progress(t);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void *thread_main(void *arg)
{
	thread_work(arg);
	return NULL;
}

/* ---- setting up --------------------------------------------------------- */

static unsigned core_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static unsigned choose_threads(const struct hashing_params *p)
{
	unsigned n = p->threads == 0 ? core_count() : p->threads;
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->n_files && bytes / BYTES_PER_THREAD < HASHING_THREADS_MAX; i++)
		bytes += p->files[i].length;
	if (n > HASHING_THREADS_MAX)
		n = HASHING_THREADS_MAX;
	return n > bytes / BYTES_PER_THREAD + 1 ? (unsigned)(bytes / BYTES_PER_THREAD + 1) : n;
}

static bool worker_init(const struct hashing_task *t, struct hashing_worker *w)
{
	uint64_t most = t->piece > t->unit_bytes ? t->piece : t->unit_bytes;

	w->sha1 = digest_new(DIGEST_SHA1);
	w->sha256 = digest_new(DIGEST_SHA256);
	w->many = digest_many_new(DIGEST_MANY_BEST);
	w->leaves = malloc((size_t)(most / BLOCK_BYTES + 1) * SHA256_LEN);
	return w->sha1 != NULL && w->sha256 != NULL && w->many != NULL && w->leaves != NULL;
}

static void worker_fini(struct hashing_worker *w)
{
	digest_free(w->sha1);
	digest_free(w->sha256);
	digest_many_free(w->many);
	free(w->leaves);
}

static bool results_init(struct hashing_task *t, struct hashing *out)
{
	const struct hashing_params *p = t->p;

	for (size_t i = 0; i < p->n_files; i++) {
		struct hashing_file *f = &p->files[i];

		if (!p->v2 || f->length <= t->piece)
			continue;
		f->layer = calloc((size_t)((f->length - 1) / t->piece + 1), SHA256_LEN);
		if (f->layer == NULL)
			return false;
	}
	if (p->v1) {
		out->n_pieces_v1 =
		    (size_t)(t->space_end / t->piece + (t->space_end % t->piece != 0));
		out->pieces_v1 = calloc(out->n_pieces_v1 + 1, SHA1_LEN);
		t->pieces_v1 = out->pieces_v1;
	}
	return !p->v1 || out->pieces_v1 != NULL;
}

/* Units of as many pieces as are hashed fastest side by side, where those are more than two: when
 * nobody waits for the next one in order, and when there are enough of them for all threads to end
 * at about the same time. */
static bool choose_wide_units(struct hashing_run *r, unsigned threads, unsigned lanes)
{
	const struct hashing_task *t = &r->task;
	uint64_t each = t->piece * lanes, all = each * threads;

	if (t->p->plain || lanes <= 2 || each <= UNIT_BYTES || all > UNIT_SIDES_BYTES_MAX ||
	    t->total_bytes < all * WIDE_ROUNDS_MIN)
		return false;
	r->task.unit_bytes = (size_t)each;
	r->n_units = threads;
	return true;
}

static void choose_units(struct hashing_run *r, unsigned threads)
{
	const struct hashing_params *p = r->task.p;
	uint64_t two = 2 * r->task.piece, most;
	struct digest_many_widths sha1;

	r->task.unit_bytes = UNIT_BYTES;
	r->n_units = UNITS_PER_THREAD * threads + 1;
	if (!p->v1)
		return;
	sha1 = digest_many_sha1_widths();
	if (choose_wide_units(r, threads, sha1.most) || two <= UNIT_BYTES ||
	    two * (threads + 1) > UNIT_SIDES_BYTES_MAX || !sha1.in_pairs)
		return;
	r->task.unit_bytes = (size_t)two;
	most = p->plain ? UNIT_SIDES_BYTES_MAX / two : threads + 1;
	if (most < r->n_units)
		r->n_units = (size_t)most;
}

/* What is less than the memory for it would not fill a big page. */
static bool units_init(struct hashing_run *r)
{
	size_t each = r->task.unit_bytes, bytes = r->n_units * each;

	r->big_pages = r->task.total_bytes >= bytes;
	r->memory = r->big_pages ? big_pages_take(bytes) : malloc(bytes);
	r->units = calloc(r->n_units, sizeof(*r->units));
	if (r->memory == NULL || r->units == NULL)
		return false;
	for (size_t i = 0; i < r->n_units; i++) {
		r->units[i].data = r->memory + i * each;
		r->units[i].parts = calloc(UNIT_PARTS_MAX, sizeof(struct hashing_part));
		if (r->units[i].parts == NULL)
			return false;
	}
	return true;
}

static bool run_init(struct hashing_run *r, unsigned threads)
{
	struct hashing_task *t = &r->task;
	bool ok;

	choose_units(r, threads);
	ok = units_init(r);
	t->plain = digest_new(DIGEST_SHA256);
	t->feed.sha1 = digest_new(DIGEST_SHA1);
	t->gather = malloc((size_t)(t->piece / UNIT_BYTES + 1) * SHA256_LEN);
	r->streams[STREAM_PLAIN].wanted = t->p->plain;
	r->streams[STREAM_SHA1].wanted = t->p->v1;
	r->streams[STREAM_TREE].wanted = t->p->v2;
	if (t->p->n_files > 0)
		t->cursor.at = t->p->v1 ? t->p->files[0].offset : 0;
	return ok && t->plain != NULL && t->feed.sha1 != NULL && t->gather != NULL;
}

static void run_fini(struct hashing_run *r)
{
	struct hashing_task *t = &r->task;

	for (size_t i = 0; r->units != NULL && i < r->n_units; i++) {
		unit_drop(t, &r->units[i]);
		free(r->units[i].parts);
	}
	if (r->big_pages)
		big_pages_give(r->memory, r->n_units * t->unit_bytes);
	else
		free(r->memory);
	hashing_task_drop(t);
	free(r->units);
	digest_free(t->plain);
	digest_free(t->feed.sha1);
	free(t->gather);
}

static void lock_init(struct hashing_run *r)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* The caller works too. Threads that cannot be started are done without. */
static void threads_run(struct hashing_thread *threads, unsigned n)
{
	unsigned started = 1;

	while (started < n &&
	       pthread_create(&threads[started].id, NULL, thread_main, &threads[started]) == 0)
		started++;
	thread_work(&threads[0]);
	while (--started > 0)
		pthread_join(threads[started].id, NULL);
}

static void threads_free(struct hashing_thread *threads, unsigned n)
{
	for (unsigned i = 0; threads != NULL && i < n; i++)
		worker_fini(&threads[i].worker);
	free(threads);
}

static struct hashing_thread *threads_new(struct hashing_run *r, unsigned n)
{
	struct hashing_thread *threads = calloc(n, sizeof(*threads));
	bool ok = threads != NULL;

	for (unsigned i = 0; ok && i < n; i++) {
		threads[i].run = r;
		threads[i].caller = i == 0;
		threads[i].told_ms = now_ms();
		ok = worker_init(&r->task, &threads[i].worker);
	}
	if (ok)
		return threads;
	threads_free(threads, n);
	return NULL;
}

int hashing_run(const struct hashing_params *p, struct hashing *out, struct err_info *info)
{
	unsigned n = choose_threads(p);
	struct hashing_run r = {.task = {.p = p}};
	struct hashing_thread *threads = NULL;
	int err;

	*out = (struct hashing){0};
	for (size_t i = 0; i < p->n_files; i++)
		p->files[i].layer = NULL;
	err = hashing_task_check(&r.task, info);
	if (err != 0)
		return err;
	lock_init(&r);
	if (results_init(&r.task, out) && run_init(&r, n))
		threads = threads_new(&r, n);
	if (threads == NULL) {
		err_set(&r.err, ERR_NOMEM, "out of memory");
	} else {
		threads_run(threads, n);
		if (r.err.code == OK && p->progress != NULL)
			(void)p->progress(p->user, r.done_bytes, r.task.total_bytes);
	}
	threads_free(threads, n);
	run_fini(&r);
	pthread_cond_destroy(&r.changed);
	pthread_mutex_destroy(&r.lock);
	if (r.err.code == OK)
		return 0;
	hashing_fini(out, p->files, p->n_files);
	return err_set(info, r.err.code, "%s", r.err.text);
}

void hashing_fini(struct hashing *h, struct hashing_file *files, size_t n_files)
{
	free(h->pieces_v1);
	*h = (struct hashing){0};
	for (size_t i = 0; i < n_files; i++) {
		free(files[i].layer);
		files[i].layer = NULL;
	}
}
