#include "cli/session.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "node/index_client.h"

#define WATCH_MS 200u
/* Goodbyes to trackers and a last save may take this long (a tracker that hangs must not). */
#define LEAVE_MS 3000u

static void log_line(void *user, const char *line)
{
	session_say(user, "%s", line);
}

static void on_signal(void *arg, int signo)
{
	struct session *s = arg;

	(void)signo;
	s->interrupted = true;
	session_end(s, EXIT_INTERRUPTED);
}

static void on_timer(void *arg)
{
	struct session *s = arg;

	if (s->ending)
		return;
	s->watch(s, s->user);
	if (!s->ending)
		loop_timer_set(s->timer, WATCH_MS);
}

/* Torrents that announce to it are told of in one live session. An address that cannot be is
 * complained of by whoever asks it something. */
static int use_index(struct session *s, struct err_info *info)
{
	struct index_client *c = NULL;
	int err = OK;

	if (index_client_new(s->o->index, s->o->token, &c, NULL) == OK)
		err = node_use_index(s->node, index_client_url(c), s->o->token);
	index_client_free(c);
	return err == OK ? OK : err_set(info, (enum err)err, "out of memory");
}

int session_init(struct session *s, const struct opts *o, struct err_info *info)
{
	struct node_params p = {.port = o->port, .listen_host = o->listen};
	int err;

	*s = (struct session){.o = o};
	err = loop_new(&s->loop);
	if (err != OK)
		return err_set(info, err, "no event loop: %s", err_text(err));
	s->timer = loop_timer_new(s->loop, on_timer, s);
	p.loop = s->loop;
	if (o->verbose > 0) {
		p.log = log_line;
		p.log_user = s;
	}
	err = s->timer == NULL ? err_set(info, ERR_NOMEM, "out of memory")
			       : node_new(&p, &s->node, info);
	if (err == OK)
		err = use_index(s, info);
	if (err != OK)
		session_fini(s);
	else
		progress_init(&s->progress, o->quiet, loop_now_ms(s->loop));
	return err;
}

static void on_left(void *user)
{
	struct session *s = user;

	loop_stop(s->loop);
}

void session_end(struct session *s, int code)
{
	if (s->ending)
		return;
	s->ending = true;
	s->code = code;
	progress_clear(&s->progress);
	node_leave(s->node, LEAVE_MS, on_left, s);
}

void session_poke(struct session *s)
{
	if (!s->ending)
		loop_timer_set(s->timer, 0);
}

int session_run(struct session *s, void (*watch)(struct session *s, void *user), void *user)
{
	s->watch = watch;
	s->user = user;
	if (loop_on_signal(s->loop, SIGINT, on_signal, s) != OK ||
	    loop_on_signal(s->loop, SIGTERM, on_signal, s) != OK)
		return EXIT_FAILED;
	loop_timer_set(s->timer, 0);
	if (loop_run(s->loop) != OK)
		return EXIT_FAILED;
	return s->code;
}

void session_fini(struct session *s)
{
	if (s->node != NULL)
		node_free(s->node);
	if (s->timer != NULL)
		loop_timer_free(s->timer);
	if (s->loop != NULL)
		loop_free(s->loop);
	s->node = NULL;
	s->timer = NULL;
	s->loop = NULL;
}

void session_say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (s->o->quiet)
		return;
	progress_clear(&s->progress);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}
