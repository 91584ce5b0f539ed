/* What a store says when there is no memory for its work. */
#include "test.h"

#include "failmalloc.h"
#include "store_fixture.h"

#define KIB 1024u
#define PIECES 8u

static const struct sample_file one[] = {{"f", PIECES * 128 * KIB, false}};

static void open_two(struct scene *c, struct store **a, struct store **b)
{
	struct store_params p = {.mode = STORE_DOWNLOAD};
	char second[4096];

	scene_init(c, kinds[0], 128 * KIB, one, 1, 0);
	p.pool = c->p;
	p.meta = c->s.m;
	p.torrent = buf_bytes(&c->s.torrent);
	p.path = c->path;
	CHECK_INT(store_open(&p, a, NULL), 0);
	snprintf(second, sizeof(second), "%s.two", c->path);
	p.path = second;
	CHECK_INT(store_open(&p, b, NULL), 0);
}

static void ask_both(struct store *a, struct store *b)
{
	failmalloc_start(1, true);
	for (uint32_t i = 0; i < PIECES; i++) {
		store_verify(a, i, false);
		store_verify(b, i, false);
	}
	(void)failmalloc_stop();
}

static unsigned count_refusals(struct pool *p)
{
	struct store_event e;
	unsigned n = 0;

	while (store_next_event(p, &e)) {
		CHECK_INT(e.type, STORE_VERIFIED);
		CHECK_INT(e.err.code, ERR_NOMEM);
		CHECK(e.piece < PIECES);
		n++;
	}
	return n;
}

TEST(whoever_asks_without_memory_is_told_so_however_many_they_are)
{
	struct scene c;
	struct store *a, *b;

	open_two(&c, &a, &b);
	ask_both(a, b);
	CHECK_INT(count_refusals(c.p), 2 * PIECES);
	store_close(a);
	store_close(b);
	scene_fini(&c);
}

TEST(what_is_read_for_others_is_refused_at_once_without_memory)
{
	struct scene c;
	struct store *st;
	struct store_event e;

	scene_init(&c, kinds[0], 128 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	for (unsigned nth = 1; nth <= 2; nth++) {
		for (uint32_t i = 0; i < 300; i++) {
			failmalloc_start(nth, true);
			CHECK_INT(store_leaves(st, 0, i + 1), ERR_NOMEM);
			CHECK_INT(store_read(st, 0, 100, i + 1), ERR_NOMEM);
			(void)failmalloc_stop();
		}
	}
	failmalloc_start(1, true);
	CHECK_INT(store_fetch(st, 0, 0, 16 * KIB, 1), ERR_NOMEM);
	(void)failmalloc_stop();
	pool_wait(c.p);
	(void)pool_drain(c.p);
	while (store_next_event(c.p, &e))
		CHECK(e.type != STORE_LEAVES && e.type != STORE_READ && e.type != STORE_FETCHED);
	CHECK_INT(store_leaves(st, 0, 7), OK);
	CHECK_INT(wait_event(c.p, STORE_LEAVES).token, 7);
	store_close(st);
	scene_fini(&c);
}

TEST(a_store_that_is_closed_takes_its_own_refusals_with_it_alone)
{
	struct scene c;
	struct store *a, *b;

	open_two(&c, &a, &b);
	ask_both(a, b);
	store_close(a);
	CHECK_INT(count_refusals(c.p), PIECES);
	store_close(b);
	scene_fini(&c);
}

TEST(a_save_for_which_there_is_no_memory_does_not_keep_the_end_from_coming)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	unsigned refused = 0;

	scene_init(&c, kinds[0], 128 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	store_save(st, store_have(st));
	store_save(st, store_have(st));
	store_finish(st);
	pool_wait(c.p);
	/* The first save is done; for the second there is no memory. */
	failmalloc_start(1, false);
	CHECK_INT(pool_drain(c.p), 1);
	(void)failmalloc_stop();
	for (int i = 0; i < 2; i++) {
		e = wait_event(c.p, STORE_SAVED);
		CHECK(e.err.code == OK || e.err.code == ERR_NOMEM);
		refused += e.err.code == ERR_NOMEM;
	}
	CHECK_INT(refused, 1);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, OK);
	check_content(&c.s, c.path);
	store_close(st);
	scene_fini(&c);
}
