#include "store/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/rng.h"
#include "store/big_pages.h"
#include "test.h"

struct count_job {
	struct pool_job job;
	struct pool *pool;
	atomic_int *ran;
	int *done;
	int again; /* submit itself this often */
	pthread_t loop;
};

static void count_run(struct pool_job *job, struct pool_worker *w)
{
	struct count_job *c = (struct count_job *)job;

	CHECK(w->sha1 != NULL && w->many != NULL && w->scratch != NULL);
	memset(w->scratch, 1, POOL_SCRATCH_BYTES);
	atomic_fetch_add(c->ran, 1);
}

static void count_done(struct pool_job *job)
{
	struct count_job *c = (struct count_job *)job;

	CHECK(pthread_equal(c->loop, pthread_self()));
	(*c->done)++;
	if (c->again-- > 0)
		pool_submit(c->pool, job);
}

static struct count_job count_job(struct pool *p, atomic_int *ran, int *done, int again)
{
	return (struct count_job){.job = {.run = count_run, .done = count_done},
				  .pool = p,
				  .ran = ran,
				  .done = done,
				  .again = again,
				  .loop = pthread_self()};
}

TEST(every_job_runs_once_and_is_done_on_the_loop_thread)
{
	enum { N = 500 };
	static struct count_job jobs[N];
	struct pool *p;
	atomic_int ran = 0;
	int done = 0;

	CHECK_INT(pool_new(3, 0, &p, NULL), 0);
	for (int i = 0; i < N; i++) {
		jobs[i] = count_job(p, &ran, &done, 0);
		pool_submit(p, &jobs[i].job);
	}
	while (done < N) {
		pool_wait(p);
		CHECK(pool_drain(p) > 0);
	}
	CHECK_INT(ran, N);
	CHECK_INT(pool_drain(p), 0);
	pool_wait(p); /* nothing is out: does not wait */
	pool_free(p);
}

TEST(one_worker_keeps_the_order)
{
	enum { N = 50 };
	static struct count_job jobs[N];
	static int ends[N];
	struct pool *p;
	atomic_int ran = 0;

	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	memset(ends, 0, sizeof(ends));
	for (int i = 0; i < N; i++) {
		jobs[i] = count_job(p, &ran, &ends[i], 0);
		pool_submit(p, &jobs[i].job);
	}
	while (ends[N - 1] == 0) {
		for (int i = 1; i < N; i++)
			CHECK(ends[i] <= ends[i - 1]);
		pool_wait(p);
		pool_drain(p);
	}
	pool_free(p);
}

TEST(freeing_the_pool_ends_all_jobs_even_those_that_follow)
{
	struct pool *p;
	struct count_job a, b;
	atomic_int ran = 0;
	int done = 0;

	CHECK_INT(pool_new(2, 0, &p, NULL), 0);
	a = count_job(p, &ran, &done, 20);
	b = count_job(p, &ran, &done, 0);
	pool_submit(p, &a.job);
	pool_submit(p, &b.job);
	pool_free(p);
	CHECK_INT(ran, 22);
	CHECK_INT(done, 22);
}

struct nested_job {
	struct count_job c;
	struct count_job *other;
};

/* A done() that waits for another job, as a store does that is opened again. */
static void nested_done(struct pool_job *job)
{
	struct nested_job *n = (struct nested_job *)job;

	count_done(job);
	while (*n->other->done == 0) {
		pool_wait(n->c.pool);
		pool_drain(n->c.pool);
	}
}

TEST(a_done_may_wait_for_another_job)
{
	struct pool *p;
	struct nested_job a;
	struct count_job b;
	atomic_int ran = 0;
	int done_a = 0, done_b = 0;

	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	b = count_job(p, &ran, &done_b, 0);
	a.c = count_job(p, &ran, &done_a, 0);
	a.c.job.done = nested_done;
	a.other = &b;
	pool_submit(p, &a.c.job);
	pool_submit(p, &b.job);
	while (done_a == 0) {
		pool_wait(p);
		pool_drain(p);
	}
	CHECK_INT(done_b, 1);
	pool_free(p);
}

/* Jobs that say in which order they ran, and with whom; the first of them hold their workers. */
struct order_job {
	struct pool_job job;
	char name;
	unsigned let_go; /* held until so many were */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned let_go;
	char text[64];
} order = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void order_add(char c)
{
	size_t n;

	pthread_mutex_lock(&order.lock);
	n = strlen(order.text);
	CHECK(n + 1 < sizeof(order.text));
	order.text[n] = c;
	pthread_cond_broadcast(&order.changed);
	pthread_mutex_unlock(&order.lock);
}

static void order_run(struct pool_job *job, struct pool_worker *w)
{
	(void)w;
	order_add(((struct order_job *)job)->name);
}

static void order_many(struct pool_job **jobs, size_t n, struct pool_worker *w)
{
	order_add('(');
	for (size_t i = 0; i < n; i++)
		order_run(jobs[i], w);
	order_add(')');
}

static void order_hold(struct pool_job *job, struct pool_worker *w)
{
	order_run(job, w);
	pthread_mutex_lock(&order.lock);
	while (order.let_go < ((struct order_job *)job)->let_go)
		pthread_cond_wait(&order.changed, &order.lock);
	pthread_mutex_unlock(&order.lock);
}

static void order_done(struct pool_job *job)
{
	(void)job;
}

/* Until so many have run. */
static void order_await(size_t n)
{
	pthread_mutex_lock(&order.lock);
	while (strlen(order.text) < n)
		pthread_cond_wait(&order.changed, &order.lock);
	pthread_mutex_unlock(&order.lock);
}

static void order_let_go(unsigned n)
{
	pthread_mutex_lock(&order.lock);
	order.let_go = n;
	pthread_cond_broadcast(&order.changed);
	pthread_mutex_unlock(&order.lock);
}

/* A small letter is a patient job, of `many` that go together at best. The first job of each
 * worker is at work when the others come; that of the first worker until all others were done. */
static void check_order(unsigned many, unsigned workers, const char *jobs, const char *want)
{
	size_t n = strlen(jobs), done = 0;
	struct order_job *all = calloc(n, sizeof(*all));
	struct pool *p;

	memset(order.text, 0, sizeof(order.text));
	order.let_go = 0;
	CHECK_INT(pool_new(workers, 0, &p, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		bool held = i < workers;

		all[i] = (struct order_job){{.run = held ? order_hold : order_run,
					     .run_many = jobs[i] >= 'a' ? order_many : NULL,
					     .many = many,
					     .done = order_done},
					    jobs[i],
					    held ? workers - (unsigned)i : 0};
		pool_submit(p, &all[i].job);
		order_await(held ? i + 1 : 0);
	}
	if (workers > 1) {
		order_let_go(workers - 1);
		order_await(strlen(want));
	}
	order_let_go(workers);
	while (done < n) {
		pool_wait(p);
		done += pool_drain(p);
	}
	CHECK_STR(order.text, want);
	pool_free(p);
	free(all);
}

TEST(patient_jobs_go_two_by_two_when_others_are_done_or_seen_to)
{
	check_order(2, 1, "a", "a");
	check_order(2, 1, "Xa", "Xa");
	check_order(2, 1, "Xab", "X(ab)");
	check_order(2, 1, "Xabc", "X(ab)c");
	check_order(2, 1, "XabYcd", "XY(ab)(cd)");
	check_order(2, 2, "XYabZ", "XY(ab)Z");
	check_order(2, 2, "XYaZb", "XY(ab)Z");
}

TEST(patient_jobs_go_by_three_quarters_of_their_number_or_more)
{
	check_order(4, 1, "Xabcdefg", "X(abcd)(efg)");
	check_order(4, 2, "XYabcZ", "XY(abc)Z");
	check_order(4, 2, "XYabZ", "XYZ(ab)");
	check_order(4, 2, "XYabcdZ", "XY(abcd)Z");
	check_order(8, 2, "XYabcdefZ", "XY(abcdef)Z");
	check_order(16, 1, "Xabcdefghijklmnopqrstu", "X(abcdefghijklmnop)(qrstu)");
}

TEST(patient_jobs_do_not_wait_for_ever)
{
	check_order(4, 1, "XabYYYYYYYYYYYYYYYYY", "XYYYYYYYYYYYYYYYY(ab)Y");
	check_order(2, 1, "XaY", "XYa");
	check_order(2, 1, "XaYYYYYYYYYYYY", "XYYYYYYYYaYYYY");
	check_order(2, 1, "XaYYYYYYYYYYYYb", "XYYYYYYYY(ab)YYYY");
}

TEST(slabs_in_one_piece_count_as_so_many)
{
	uint8_t *four, *one, *again;
	struct pool *p;

	CHECK_INT(pool_new(1, 6, &p, NULL), 0);
	four = pool_slabs_take(p, 4);
	CHECK(four != NULL);
	memset(four, 1, 4 * (size_t)POOL_SLAB_BYTES);
	CHECK_INT(pool_slabs_free(p), 2);
	CHECK(pool_slabs_take(p, 3) == NULL);
	one = pool_slabs_take(p, 1);
	CHECK(one != NULL);
	pool_slabs_give(p, four, 4);
	CHECK_INT(pool_slabs_free(p), 5);
	again = pool_slabs_take(p, 4);
	CHECK(again == four);
	pool_slabs_give(p, again, 4);
	/* So many are left, but not in a row. */
	CHECK(pool_slabs_take(p, 5) == NULL);
	pool_slabs_give(p, one, 1);
	again = pool_slabs_take(p, 5);
	CHECK(again != NULL);
	CHECK_INT(pool_slabs_free(p), 1);
	pool_slabs_give(p, again, 5);
	CHECK_INT(pool_slabs_free(p), 6);
	pool_free(p);
}

TEST(no_more_slabs_come_in_a_row_than_a_piece_can_have)
{
	uint8_t *row, *rest[POOL_SLABS_DEFAULT - POOL_SLABS_AT_ONCE_MAX];
	struct pool *p;

	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	CHECK(pool_slabs_take(p, POOL_SLABS_AT_ONCE_MAX + 1) == NULL);
	row = pool_slabs_take(p, POOL_SLABS_AT_ONCE_MAX);
	CHECK(row != NULL);
	memset(row, 1, (size_t)POOL_SLABS_AT_ONCE_MAX * POOL_SLAB_BYTES);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		rest[i] = pool_slabs_take(p, 1);
		CHECK(rest[i] != NULL);
	}
	CHECK_INT(pool_slabs_free(p), 0);
	pool_slabs_give(p, row, POOL_SLABS_AT_ONCE_MAX);
	CHECK_INT(pool_slabs_free(p), POOL_SLABS_AT_ONCE_MAX);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		pool_slabs_give(p, rest[i], 1);
	pool_free(p);
}

/* Whatever the order, nobody gets what another has, and the limit is reached. */
TEST(slabs_given_back_in_any_order_are_dealt_out_again)
{
	uint8_t *had[POOL_SLABS_DEFAULT];
	unsigned n[POOL_SLABS_DEFAULT] = {0}, taken = 0;
	struct rng rng;
	struct pool *p;

	rng_seed(&rng, 5);
	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	for (int turn = 0; turn < 3000; turn++) {
		uint32_t i = rng_below(&rng, POOL_SLABS_DEFAULT);

		if (n[i] > 0) {
			CHECK(had[i][0] == (uint8_t)i);
			CHECK(had[i][(size_t)n[i] * POOL_SLAB_BYTES - 1] == (uint8_t)i);
			pool_slabs_give(p, had[i], n[i]);
			taken -= n[i];
			n[i] = 0;
			continue;
		}
		n[i] = 1 + rng_below(&rng, 12);
		had[i] = pool_slabs_take(p, n[i]);
		if (had[i] == NULL) {
			n[i] = 1;
			had[i] = pool_slabs_take(p, 1);
			CHECK_INT(had[i] == NULL, taken == POOL_SLABS_DEFAULT);
		}
		n[i] = had[i] == NULL ? 0 : n[i];
		taken += n[i];
		for (unsigned s = 0; s < n[i]; s++) {
			had[i][(size_t)s * POOL_SLAB_BYTES] = (uint8_t)i;
			had[i][(size_t)(s + 1) * POOL_SLAB_BYTES - 1] = (uint8_t)i;
		}
		CHECK_INT(pool_slabs_taken(p), taken);
	}
	pool_free(p);
}

TEST(slabs_beyond_the_first_few_are_in_big_pages)
{
	const unsigned in_a_page = BIG_PAGE_BYTES / POOL_SLAB_BYTES;
	uint8_t *slabs[3 * (BIG_PAGE_BYTES / POOL_SLAB_BYTES)];
	struct pool *p;

	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	for (unsigned i = 0; i < 3 * in_a_page; i++) {
		slabs[i] = pool_slabs_take(p, 1);
		CHECK(slabs[i] != NULL);
	}
	for (unsigned i = in_a_page; i < 3 * in_a_page; i++)
		CHECK_INT((uintptr_t)slabs[i] % BIG_PAGE_BYTES, i % in_a_page * POOL_SLAB_BYTES);
	for (unsigned i = 0; i < 3 * in_a_page; i++)
		pool_slabs_give(p, slabs[i], 1);
	/* While they are there they are used first. */
	CHECK(pool_slabs_take(p, 1) == slabs[in_a_page]);
	pool_slabs_give(p, slabs[in_a_page], 1);
	pool_slabs_trim(p);
	pool_slabs_trim(p);
	CHECK(pool_slabs_take(p, 1) == slabs[0]);
	pool_slabs_give(p, slabs[0], 1);
	pool_free(p);
}

TEST(slabs_are_dealt_out_up_to_the_limit)
{
	uint8_t *slabs[3];
	struct pool *p;

	CHECK_INT(pool_new(1, 3, &p, NULL), 0);
	CHECK_INT(pool_slabs_free(p), 3);
	for (int i = 0; i < 3; i++) {
		slabs[i] = pool_slabs_take(p, 1);
		CHECK(slabs[i] != NULL);
		memset(slabs[i], i, POOL_SLAB_BYTES);
	}
	CHECK(pool_slabs_take(p, 1) == NULL);
	CHECK_INT(pool_slabs_free(p), 0);
	pool_slabs_give(p, slabs[1], 1);
	CHECK_INT(pool_slabs_free(p), 1);
	slabs[1] = pool_slabs_take(p, 1);
	CHECK(slabs[1] != NULL);
	for (int i = 0; i < 3; i++)
		pool_slabs_give(p, slabs[i], 1);
	pool_free(p);
}

TEST(slabs_are_limited_while_they_are_out_and_go_when_they_are_given_back)
{
	uint8_t *slabs[4];
	struct pool *p;

	CHECK_INT(pool_new(1, 4, &p, NULL), 0);
	for (int i = 0; i < 4; i++)
		slabs[i] = pool_slabs_take(p, 1);
	pool_limit_slabs(p, 2);
	CHECK_INT(pool_slabs_free(p), 0);
	CHECK_INT(pool_slabs_taken(p), 4);
	CHECK(pool_slabs_take(p, 1) == NULL);
	pool_slabs_give(p, slabs[3], 1);
	pool_slabs_give(p, slabs[2], 1);
	CHECK(pool_slabs_take(p, 1) == NULL);
	pool_slabs_give(p, slabs[1], 1);
	CHECK_INT(pool_slabs_free(p), 1);
	pool_limit_slabs(p, 100);
	CHECK_INT(pool_slabs_free(p), 99);
	pool_slabs_give(p, slabs[0], 1);
	pool_limit_slabs(p, 1);
	slabs[0] = pool_slabs_take(p, 1);
	CHECK(slabs[0] != NULL && pool_slabs_take(p, 1) == NULL);
	pool_slabs_give(p, slabs[0], 1);
	pool_free(p);
}

TEST(slabs_are_kept_while_they_are_used_and_given_back_afterwards)
{
	uint8_t *slabs[20];
	struct pool *p;

	CHECK_INT(pool_new(1, 20, &p, NULL), 0);
	for (int i = 0; i < 20; i++) {
		slabs[i] = pool_slabs_take(p, 1);
		slabs[i][0] = 7;
	}
	for (int i = 19; i >= 0; i--)
		pool_slabs_give(p, slabs[i], 1);
	/* All are back, but were just used: the next one taken is one of them. */
	pool_slabs_trim(p);
	slabs[0] = pool_slabs_take(p, 1);
	CHECK_INT(slabs[0][0], 7);
	pool_slabs_give(p, slabs[0], 1);
	pool_slabs_trim(p);
	pool_slabs_trim(p);
	for (int i = 0; i < 20; i++) {
		slabs[i] = pool_slabs_take(p, 1);
		CHECK(slabs[i] != NULL);
	}
	CHECK_INT(slabs[8][0], 0);
	/* While some are out nothing is given back. */
	pool_slabs_trim(p);
	pool_slabs_trim(p);
	for (int i = 0; i < 20; i++)
		pool_slabs_give(p, slabs[i], 1);
	CHECK_INT(pool_slabs_free(p), 20);
	pool_free(p);
}

TEST(the_default_number_of_slabs_is_as_documented)
{
	struct pool *p;

	CHECK_INT(pool_new(0, 0, &p, NULL), 0);
	CHECK_INT(pool_slabs_free(p), POOL_SLABS_DEFAULT);
	CHECK(pool_fd(p) >= 0);
	pool_free(p);
	pool_free(NULL);
}

static void drop_shared(void *shared)
{
	*(int *)shared = 7;
}

TEST(what_is_shared_is_dropped_with_the_pool)
{
	struct pool *p;
	int thing = 0;

	CHECK_INT(pool_new(1, 0, &p, NULL), 0);
	CHECK(pool_shared(p) == NULL);
	pool_set_shared(p, &thing, drop_shared);
	CHECK(pool_shared(p) == &thing);
	pool_free(p);
	CHECK_INT(thing, 7);
}
