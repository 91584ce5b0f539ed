#include "cli/background.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct background {
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
	pthread_t thread;
	bool joined;
	int fd; /* readable when `run` is over */
	struct loop_io *io;
};

static void *thread_main(void *arg)
{
	struct background *b = arg;

	b->run(b->arg);
	(void)eventfd_write(b->fd, 1);
	return NULL;
}

static void join(struct background *b)
{
	if (!b->joined)
		(void)pthread_join(b->thread, NULL);
	b->joined = true;
}

static void on_ready(void *arg, unsigned ready)
{
	struct background *b = arg;

	(void)ready;
	loop_io_want(b->io, 0);
	join(b);
	b->done(b->arg);
}

/* Signals are the loop thread's. */
static int start(struct background *b, struct err_info *info)
{
	sigset_t all, before;
	char reason[64];
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&b->thread, NULL, thread_main, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? OK
			  : err_set(info, ERR_IO, "cannot start a thread: %s",
				    strerror_r(error, reason, sizeof(reason)));
}

int background_begin(struct loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg,
		     struct background **out, struct err_info *info)
{
	struct background *b = calloc(1, sizeof(*b));
	int err;

	if (b == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	*b = (struct background){.run = run, .done = done, .arg = arg, .joined = true};
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->io = b->fd < 0 ? NULL : loop_io_new(l, b->fd, on_ready, b);
	err = b->fd < 0	      ? err_set(info, ERR_IO, "%s", err_text(ERR_IO))
	      : b->io == NULL ? err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM))
			      : start(b, info);
	if (err != OK) {
		background_free(b);
		return err;
	}
	b->joined = false;
	loop_io_want(b->io, LOOP_READ);
	*out = b;
	return OK;
}

void background_free(struct background *b)
{
	if (b == NULL)
		return;
	join(b);
	loop_io_free(b->io);
	if (b->fd >= 0)
		close(b->fd);
	free(b);
}
