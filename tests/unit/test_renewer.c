#include <stdio.h>

#include "test.h"

#include "cli/renewer.h"
#include "node_fixture.h"

/* What happened to one that is watched. */
struct thing {
	unsigned used, failed, said, gone;
	unsigned turn;	   /* it was used as the so manyeth of all */
	bool fails;	   /* it cannot be made */
	bool refuses;	   /* it cannot be used */
	bool leaves;	   /* it is taken out while it is used */
	atomic_bool waits; /* it is being made until it shall stop */
	enum err why;
};

struct shop {
	struct loop *loop;
	struct folder_watcher *watcher;
	struct renewer *r;
	char dir[256];
	unsigned turns;
};

static int on_make(void *user, void *item, const atomic_bool *stop, struct err_info *why)
{
	struct thing *t = item;

	(void)user;
	while (atomic_load(&t->waits) && !atomic_load(stop))
		usleep(1000);
	return t->fails ? err_set(why, t->why, "it rains") : OK;
}

static int on_use(void *user, void *item, struct err_info *why)
{
	struct shop *s = user;
	struct thing *t = item;

	t->used++;
	t->turn = ++s->turns;
	if (t->leaves)
		renewer_remove(s->r, t);
	CHECK_INT(t->gone, 0);
	return t->refuses ? err_set(why, ERR_EXISTS, "there is another") : OK;
}

static void on_failed(void *user, void *item)
{
	(void)user;
	((struct thing *)item)->failed++;
}

static void on_say(void *user, void *item, const char *text)
{
	(void)user;
	(void)text;
	((struct thing *)item)->said++;
}

static void on_gone(void *user, void *item)
{
	(void)user;
	((struct thing *)item)->gone++;
}

static void shop_open(struct shop *s)
{
	struct renewer_params p = {.make = on_make,
				   .use = on_use,
				   .failed = on_failed,
				   .say = on_say,
				   .gone = on_gone,
				   .user = s};

	s->turns = 0;
	dir_make(s->dir, sizeof(s->dir));
	CHECK_INT(loop_new(&s->loop), 0);
	CHECK_INT(folder_watcher_new(s->loop, &s->watcher), 0);
	p.loop = s->loop;
	p.watcher = s->watcher;
	CHECK_INT(renewer_new(&p, &s->r), OK);
}

static void shop_close(struct shop *s)
{
	renewer_free(s->r);
	folder_watcher_free(s->watcher);
	loop_free(s->loop);
	dir_remove(s->dir);
}

TEST(each_is_looked_at_once_at_the_start_and_again_when_it_has_changed)
{
	struct thing a = {.used = 0}, b = {.used = 0};
	struct shop s;
	char path[300];

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &a), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &b), OK);
	WAIT_FOR(s.loop, a.used == 1 && b.used == 1);
	snprintf(path, sizeof(path), "%s/new", s.dir);
	file_write(path, "x", 1);
	WAIT_FOR(s.loop, a.used >= 2 && b.used >= 2);
	CHECK_INT(a.failed + a.said + a.gone, 0);
	shop_close(&s);
}

#define OLD_MS 400u
#define YOUNG_MS 300u

static void make_folder(const struct shop *s, const char *name, char path[300])
{
	snprintf(path, 300, "%s/%s", s->dir, name);
	CHECK_INT(mkdir(path, 0700), 0);
}

/* Who was away when it changed sees it at once, unless it may still be being written. */
TEST(what_has_been_at_rest_is_looked_at_at_once_and_what_changed_just_now_once_it_is)
{
	struct thing old = {.used = 0}, young = {.used = 0};
	char old_path[300], young_path[300], file[320];
	uint64_t made_ms = loop_clock_ms();
	struct shop s;

	shop_open(&s);
	make_folder(&s, "old", old_path);
	make_folder(&s, "young", young_path);
	WAIT_FOR(s.loop, loop_clock_ms() - made_ms > OLD_MS + 100);
	snprintf(file, sizeof(file), "%s/file", young_path);
	made_ms = loop_clock_ms();
	file_write(file, "x", 1);
	CHECK_INT(renewer_add(s.r, young_path, YOUNG_MS, NULL, &young), OK);
	CHECK_INT(renewer_add(s.r, old_path, OLD_MS, NULL, &old), OK);
	WAIT_FOR(s.loop, old.used == 1 && young.used == 1);
	CHECK_INT(old.turn, 1);
	CHECK(loop_clock_ms() - made_ms >= YOUNG_MS - 100);
	shop_close(&s);
}

/* As a copy that is being made in its place is. */
TEST(what_was_gone_and_is_back_is_looked_at_once_it_is_at_rest)
{
	struct thing t = {.fails = true, .why = ERR_NOENT};
	char path[300], file[320];
	uint64_t made_ms;
	struct shop s;

	shop_open(&s);
	snprintf(path, sizeof(path), "%s/gone", s.dir);
	CHECK_INT(renewer_add(s.r, path, RENEWER_AGAIN_MS + 500, NULL, &t), OK);
	WAIT_FOR(s.loop, t.failed == 1);
	t.fails = false;
	make_folder(&s, "gone", path);
	snprintf(file, sizeof(file), "%s/file", path);
	made_ms = loop_clock_ms();
	file_write(file, "x", 1);
	WAIT_FOR(s.loop, t.used == 1);
	CHECK(loop_clock_ms() - made_ms >= RENEWER_AGAIN_MS + 400);
	shop_close(&s);
}

/* Whoever waits for what comes of it hears each time that nothing did, its user once. */
TEST(what_could_not_be_made_or_used_is_told_each_time_and_said_once)
{
	struct thing bad = {.fails = true, .why = ERR_UNREACHABLE};
	struct thing moving = {.fails = true, .why = ERR_MISMATCH};
	struct thing taken = {.refuses = true};
	struct shop s;

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &bad), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &moving), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &taken), OK);
	WAIT_FOR(s.loop, bad.failed == 2 && moving.failed >= 1 && taken.failed >= 1);
	CHECK_INT(bad.said, 1);
	CHECK_INT(moving.said, 0);
	CHECK_INT(taken.said, 1);
	CHECK_INT(bad.used + moving.used, 0);
	shop_close(&s);
}

TEST(one_may_be_taken_out_while_it_is_used_and_is_gone_once_after_that)
{
	struct thing a = {.leaves = true}, b = {.used = 0};
	struct shop s;

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &a), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &b), OK);
	WAIT_FOR(s.loop, a.gone == 1 && b.used == 1);
	CHECK_INT(a.used, 1);
	CHECK_INT(a.failed, 0);
	shop_close(&s);
}

TEST(one_that_is_taken_out_while_it_is_made_is_given_up_and_the_next_is_made)
{
	struct thing a = {.waits = true}, b = {.used = 0}, c = {.waits = true};
	struct shop s;

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &a), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &b), OK);
	for (int i = 0; i < 20; i++)
		loop_turn(s.loop, 1);
	CHECK_INT(b.used, 0);
	renewer_remove(s.r, &a);
	WAIT_FOR(s.loop, a.gone == 1 && b.used == 1);
	CHECK_INT(a.used, 0);
	renewer_remove(s.r, &b);
	CHECK_INT(b.gone, 1);
	/* Nobody waits for it at the end. */
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &c), OK);
	for (int i = 0; i < 20; i++)
		loop_turn(s.loop, 1);
	shop_close(&s);
	CHECK_INT(c.used, 0);
}

TEST(what_failed_is_tried_again_at_once_when_that_may_help_and_nothing_else_is)
{
	struct thing bad = {.fails = true, .why = ERR_UNREACHABLE}, good = {.used = 0};
	struct shop s;
	uint64_t begun;

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &bad), OK);
	CHECK_INT(renewer_add(s.r, s.dir, 1, NULL, &good), OK);
	WAIT_FOR(s.loop, bad.failed == 2 && good.used == 1);
	bad.fails = false;
	begun = loop_clock_ms();
	renewer_hurry(s.r);
	WAIT_FOR(s.loop, bad.used == 1);
	CHECK(loop_clock_ms() - begun < RENEWER_AGAIN_MS);
	CHECK_INT(good.used, 1);
	shop_close(&s);
}

/* The index is back while it is copied anew. */
TEST(what_failed_is_not_tried_again_before_it_is_at_rest)
{
	struct thing t = {.fails = true, .why = ERR_UNREACHABLE};
	uint64_t written_ms;
	struct shop s;
	char path[300];

	shop_open(&s);
	CHECK_INT(renewer_add(s.r, s.dir, YOUNG_MS, NULL, &t), OK);
	WAIT_FOR(s.loop, t.failed == 1);
	t.fails = false;
	snprintf(path, sizeof(path), "%s/new", s.dir);
	written_ms = loop_clock_ms();
	file_write(path, "x", 1);
	for (int i = 0; i < 20; i++)
		loop_turn(s.loop, 1);
	renewer_hurry(s.r);
	WAIT_FOR(s.loop, t.used == 1);
	CHECK(loop_clock_ms() - written_ms >= YOUNG_MS - 100);
	shop_close(&s);
}
