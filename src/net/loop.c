#include "net/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>
#include <event2/event_struct.h>

struct loop_signal {
	struct loop_signal *next;
	struct event ev;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event wake; /* ends a turn that nothing else ends */
	struct loop_signal *signals;
	uint64_t now_ms; /* valid inside a turn once somebody asked; else 0 */
	bool in_turn, stop;
};

/* Reading and writing are two events, so that a change of one is one system call at most. */
struct loop_io {
	struct event read, write;
	void (*fn)(void *arg, unsigned ready);
	void *arg;
	unsigned want;
};

struct loop_timer {
	struct event ev;
	void (*fn)(void *arg);
	void *arg;
};

/* Strangers can cause libevent's warnings at will; only what ends the process is worth a line. */
static void on_library_log(int severity, const char *msg)
{
	if (severity == EVENT_LOG_ERR)
		fprintf(stderr, "shoal: libevent: %s\n", msg);
}

static struct event_base *base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg == NULL)
		return NULL;
	/* The changelist joins all changes of interest of one turn into one epoll_ctl. */
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
					   EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	event_set_log_callback(on_library_log);
	/* A peer that hung up is an error of the write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	l->base = base_new();
	if (l->base == NULL) {
		free(l);
		return ERR_IO;
	}
	evtimer_assign(&l->wake, l->base, on_wake, NULL);
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	struct loop_signal *s;

	if (l == NULL)
		return;
	while ((s = l->signals) != NULL) {
		l->signals = s->next;
		event_del(&s->ev);
		free(s);
	}
	event_base_free(l->base);
	free(l);
}

static int turn(struct loop *l, int flags)
{
	int rc;

	l->in_turn = true;
	l->now_ms = 0;
	rc = event_base_loop(l->base, flags | EVLOOP_NO_EXIT_ON_EMPTY);
	l->in_turn = false;
	return rc < 0 ? ERR_IO : 0;
}

int loop_run(struct loop *l)
{
	int rc = 0;

	while (rc == 0 && !l->stop)
		rc = turn(l, EVLOOP_ONCE);
	l->stop = false;
	return rc;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

static struct timeval timeval_ms(uint64_t ms)
{
	const uint64_t most = UINT64_C(1) << 40; /* 34 years; keeps time_t whole everywhere */

	if (ms > most)
		ms = most;
	return (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
}

int loop_turn(struct loop *l, uint32_t ms)
{
	struct timeval tv = timeval_ms(ms);
	int rc;

	if (ms == 0)
		return turn(l, EVLOOP_NONBLOCK);
	if (evtimer_add(&l->wake, &tv) != 0)
		return ERR_NOMEM;
	rc = turn(l, EVLOOP_ONCE);
	evtimer_del(&l->wake);
	return rc;
}

uint64_t loop_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t loop_clock_ms(void)
{
	return loop_clock_us() / 1000;
}

uint64_t loop_now_ms(struct loop *l)
{
	if (!l->in_turn || l->now_ms == 0)
		l->now_ms = loop_clock_ms();
	return l->now_ms;
}

int64_t loop_wall_s(void)
{
	return (int64_t)time(NULL);
}

/* ---- descriptors --------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	(void)fd;
	io->fn(io->arg, (what & EV_READ ? LOOP_READ : 0u) | (what & EV_WRITE ? LOOP_WRITE : 0u));
}

struct loop_io *loop_io_new(struct loop *l, int fd, void (*fn)(void *arg, unsigned ready),
			    void *arg)
{
	struct loop_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->fn = fn;
	io->arg = arg;
	event_assign(&io->read, l->base, fd, EV_READ | EV_PERSIST, on_io, io);
	event_assign(&io->write, l->base, fd, EV_WRITE | EV_PERSIST, on_io, io);
	return io;
}

static void switch_event(struct loop_io *io, struct event *ev, unsigned bit, unsigned events)
{
	if (((io->want ^ events) & bit) == 0)
		return;
	if ((events & bit) == 0) {
		event_del(ev);
		io->want &= ~bit;
	} else if (event_add(ev, NULL) == 0) {
		io->want |= bit;
	}
}

void loop_io_want(struct loop_io *io, unsigned events)
{
	switch_event(io, &io->read, LOOP_READ, events);
	switch_event(io, &io->write, LOOP_WRITE, events);
}

void loop_io_free(struct loop_io *io)
{
	if (io == NULL)
		return;
	loop_io_want(io, 0);
	free(io);
}

/* ---- timers -------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd, (void)what;
	t->fn(t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->fn = fn;
	t->arg = arg;
	evtimer_assign(&t->ev, l->base, on_timer, t);
	return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
	struct timeval tv = timeval_ms(delay_ms);

	/* Fails only when the heap of timers cannot grow; then early is better than never. */
	if (evtimer_add(&t->ev, &tv) != 0)
		event_active(&t->ev, EV_TIMEOUT, 0);
}

void loop_timer_clear(struct loop_timer *t)
{
	evtimer_del(&t->ev);
}

void loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	evtimer_del(&t->ev);
	free(t);
}

/* ---- signals ------------------------------------------------------------- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)what;
	s->fn(s->arg, (int)signo);
}

int loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_NOMEM;
	s->fn = fn;
	s->arg = arg;
	evsignal_assign(&s->ev, l->base, signo, on_signal, s);
	if (evsignal_add(&s->ev, NULL) != 0) {
		free(s);
		return ERR_INVALID;
	}
	s->next = l->signals;
	l->signals = s;
	return 0;
}

void *loop_event_base(struct loop *l)
{
	return l->base;
}
