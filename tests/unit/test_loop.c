#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/entropy.h"
#include "net/loop.h"

#include "test.h"

struct log {
	struct loop *loop;
	struct loop_timer *timers[3];
	struct loop_io *io;
	int fd;
	char text[64];
	size_t n;
	int signo;
	unsigned ready;
	uint64_t seen_ms;
};

static void note(struct log *g, char c)
{
	if (g->n < sizeof(g->text) - 1)
		g->text[g->n++] = c;
}

static void on_late(void *arg)
{
	struct log *g = arg;

	note(g, 'l');
	loop_stop(g->loop);
}

static void on_early(void *arg)
{
	struct log *g = arg;

	note(g, 'e');
	g->seen_ms = loop_now_ms(g->loop);
}

static void on_never(void *arg)
{
	note(arg, 'n');
}

TEST(timers_fire_once_in_the_order_of_their_times)
{
	struct log g = {0};
	uint64_t before;

	CHECK_INT(loop_new(&g.loop), 0);
	before = loop_now_ms(g.loop);
	g.timers[0] = loop_timer_new(g.loop, on_late, &g);
	g.timers[1] = loop_timer_new(g.loop, on_early, &g);
	g.timers[2] = loop_timer_new(g.loop, on_never, &g);
	loop_timer_set(g.timers[0], 30);
	loop_timer_set(g.timers[1], 5000);
	loop_timer_set(g.timers[1], 10);
	loop_timer_set(g.timers[2], 1);
	loop_timer_clear(g.timers[2]);
	CHECK_INT(loop_run(g.loop), 0);
	CHECK_STR(g.text, "el");
	CHECK(g.seen_ms >= before + 9);
	CHECK(loop_now_ms(g.loop) >= before + 29);
	for (int i = 0; i < 3; i++)
		loop_timer_free(g.timers[i]);
	loop_free(g.loop);
}

static void on_again(void *arg)
{
	struct log *g = arg;

	note(g, 'a');
	if (g->n < 3) {
		loop_timer_set(g->timers[0], 0);
		return;
	}
	loop_timer_free(g->timers[0]);
	loop_stop(g->loop);
}

TEST(a_timer_may_set_itself_again_and_free_itself)
{
	struct log g = {0};

	CHECK_INT(loop_new(&g.loop), 0);
	g.timers[0] = loop_timer_new(g.loop, on_again, &g);
	loop_timer_set(g.timers[0], 0);
	CHECK_INT(loop_run(g.loop), 0);
	CHECK_STR(g.text, "aaa");
	loop_free(g.loop);
}

TEST(a_stop_before_the_run_is_not_lost)
{
	struct loop *l;

	CHECK_INT(loop_new(&l), 0);
	loop_stop(l);
	CHECK_INT(loop_run(l), 0);
	loop_free(l);
}

TEST(a_turn_ends_at_its_time_with_nothing_to_do)
{
	struct loop *l;
	uint64_t before;

	CHECK_INT(loop_new(&l), 0);
	before = loop_now_ms(l);
	CHECK_INT(loop_turn(l, 0), 0);
	CHECK(loop_now_ms(l) < before + 1000);
	CHECK_INT(loop_turn(l, 20), 0);
	CHECK(loop_now_ms(l) >= before + 19);
	loop_free(l);
}

static void on_ready(void *arg, unsigned ready)
{
	struct log *g = arg;

	g->ready |= ready;
	note(g, ready & LOOP_READ ? 'r' : 'w');
}

TEST(a_descriptor_is_told_of_only_while_it_is_wanted)
{
	struct log g = {0};
	int fd[2];

	CHECK_INT(loop_new(&g.loop), 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	g.io = loop_io_new(g.loop, fd[0], on_ready, &g);
	CHECK_INT(write(fd[1], "x", 1), 1);
	CHECK_INT(loop_turn(g.loop, 1), 0);
	CHECK_STR(g.text, "");
	loop_io_want(g.io, LOOP_READ);
	CHECK_INT(loop_turn(g.loop, 1000), 0);
	CHECK_INT(loop_turn(g.loop, 1000), 0); /* level: nothing was read */
	CHECK_STR(g.text, "rr");
	loop_io_want(g.io, LOOP_WRITE);
	CHECK_INT(loop_turn(g.loop, 1000), 0);
	CHECK_STR(g.text, "rrw");
	loop_io_want(g.io, LOOP_READ | LOOP_WRITE);
	g.ready = 0;
	CHECK_INT(loop_turn(g.loop, 1000), 0);
	CHECK_INT(g.ready, LOOP_READ | LOOP_WRITE);
	g.n = 0;
	loop_io_want(g.io, 0);
	CHECK_INT(loop_turn(g.loop, 1), 0);
	CHECK_INT(g.n, 0);
	loop_io_free(g.io);
	close(fd[0]);
	close(fd[1]);
	loop_free(g.loop);
}

static void on_ready_free(void *arg, unsigned ready)
{
	struct log *g = arg;

	(void)ready;
	note(g, 'f');
	loop_io_free(g->io);
}

TEST(a_descriptor_may_free_its_watch_while_more_is_ready)
{
	struct log g = {0};
	int fd[2];

	CHECK_INT(loop_new(&g.loop), 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	CHECK_INT(write(fd[1], "x", 1), 1);
	g.io = loop_io_new(g.loop, fd[0], on_ready_free, &g);
	loop_io_want(g.io, LOOP_READ | LOOP_WRITE);
	CHECK_INT(loop_turn(g.loop, 1000), 0);
	CHECK_INT(loop_turn(g.loop, 1), 0);
	CHECK_STR(g.text, "f");
	close(fd[0]);
	close(fd[1]);
	loop_free(g.loop);
}

TEST(a_descriptor_number_is_used_again_at_once)
{
	struct log g = {0};

	CHECK_INT(loop_new(&g.loop), 0);
	for (int i = 0; i < 10; i++) {
		int fd[2];

		CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
		CHECK_INT(write(fd[1], "x", 1), 1);
		g.io = loop_io_new(g.loop, fd[0], on_ready, &g);
		loop_io_want(g.io, LOOP_READ);
		CHECK_INT(loop_turn(g.loop, 1000), 0);
		loop_io_free(g.io);
		close(fd[0]);
		close(fd[1]);
	}
	CHECK_STR(g.text, "rrrrrrrrrr");
	loop_free(g.loop);
}

static void on_signal(void *arg, int signo)
{
	struct log *g = arg;

	g->signo = signo;
	loop_stop(g->loop);
}

TEST(a_signal_arrives_on_the_loop)
{
	struct log g = {0};

	CHECK_INT(loop_new(&g.loop), 0);
	CHECK_INT(loop_on_signal(g.loop, SIGUSR1, on_signal, &g), 0);
	CHECK_INT(raise(SIGUSR1), 0);
	CHECK_INT(g.signo, 0);
	CHECK_INT(loop_run(g.loop), 0);
	CHECK_INT(g.signo, SIGUSR1);
	loop_free(g.loop);
}

static void on_clock(void *arg)
{
	struct log *g = arg;
	uint64_t first = loop_now_ms(g->loop);
	struct timespec wait = {0, 5000000};

	nanosleep(&wait, NULL); /* the clock itself is under test */
	CHECK_INT(loop_now_ms(g->loop), first);
	g->seen_ms = first;
}

TEST(the_clock_stands_still_within_a_turn_and_moves_between_turns)
{
	struct log g = {0};

	CHECK_INT(loop_new(&g.loop), 0);
	g.timers[0] = loop_timer_new(g.loop, on_clock, &g);
	loop_timer_set(g.timers[0], 0);
	CHECK_INT(loop_turn(g.loop, 1000), 0);
	CHECK(g.seen_ms != 0);
	CHECK(loop_now_ms(g.loop) >= g.seen_ms + 4);
	CHECK(loop_wall_s() > 1600000000);
	loop_timer_free(g.timers[0]);
	loop_free(g.loop);
}

TEST(entropy_differs_and_fills_odd_lengths)
{
	uint8_t a[33] = {0}, b[33] = {0};

	entropy_fill(a, sizeof(a) - 1);
	entropy_fill(b, sizeof(b) - 1);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK_INT(a[32], 0);
}
