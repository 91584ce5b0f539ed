/* net/http_server.c - connections: accepted, timed, counted and closed. */
#include "net/http_server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/listener.h>

#include "net/entropy.h"
#include "net/http_server_impl.h"
#include "net/tcp.h"

#define SWEEP_MS 1000u
#define ACCEPT_PAUSE_MS 100u
/* Connections without a request that make way each time descriptors are out. */
#define SILENT_SPARED 8u
/* An event that is there must be due some time. */
#define MARK_S (3600 * 24)

/* ---- connections --------------------------------------------------------- */

void http_server_enter(struct conn *c, enum phase phase)
{
	if (phase != PHASE_SENDING && phase != PHASE_LATER) {
		c->server->in_held -= c->in_held;
		c->in_held = 0;
	}
	if (phase == PHASE_RECEIVING || phase == PHASE_IDLE)
		c->asker = c->host;
	c->phase = phase;
	c->moved = 0;
	c->since_ms = loop_now_ms(c->server->loop);
	c->heard_ms = c->since_ms;
	http_room_set_silent(c, phase == PHASE_IDLE);
}

void http_server_idle(struct conn *c)
{
	http_server_enter(c, PHASE_IDLE);
}

void http_server_hang_up(const struct conn *c)
{
	if (c->fd < 0)
		return;
	/* Who holds us up in the middle is not waited for by the kernel either. */
	if (c->phase != PHASE_IDLE)
		tcp_reset_on_close(c->fd);
	/* evhttp sees the end and clears up by itself. */
	shutdown(c->fd, SHUT_RDWR);
}

/* Not at once: the frames above us still have the connection in their hands. */
static void make_room_soon(struct http_server *s)
{
	if (s->in_held > s->held_max || s->out_held > s->held_max)
		event_active(&s->reap, EV_TIMEOUT, 0);
}

static void on_input(struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)b;
	if (info->n_added == 0 || c->phase == PHASE_SENDING || c->phase == PHASE_LATER ||
	    c->phase == PHASE_STREAM)
		return;
	if (c->phase == PHASE_IDLE)
		http_server_enter(c, PHASE_RECEIVING);
	http_room_set_silent(c, false);
	c->moved += info->n_added;
	c->in_held += info->n_added;
	c->heard_ms = loop_now_ms(c->server->loop);
	c->server->in_held += info->n_added;
	make_room_soon(c->server);
}

static void on_output(struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)b;
	if ((c->phase == PHASE_STREAM || c->phase == PHASE_LATER) &&
	    (info->n_deleted > 0 || c->out_held == 0))
		c->since_ms = loop_now_ms(c->server->loop);
	c->moved += info->n_deleted;
	c->out_held = c->out_held + info->n_added - info->n_deleted;
	c->server->out_held = c->server->out_held + info->n_added - info->n_deleted;
	if (info->n_added > 0)
		make_room_soon(c->server);
}

void http_server_count_stream(struct conn *c)
{
	http_server_enter(c, PHASE_STREAM);
	c->server->n_streams++;
	c->server->n_conns--;
	c->server->conns_of[c->host]--;
}

static void conn_free(struct conn *c)
{
	struct http_server *s = c->server;

	evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->in_cb);
	evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->out_cb);
	s->in_held -= c->in_held;
	s->out_held -= c->out_held;
	if (c->fd >= 0 && s->by_fd[c->fd] == c)
		s->by_fd[c->fd] = NULL;
	http_room_set_silent(c, false);
	LIST_REMOVE(c, link);
	if (c->later != NULL)
		http_later_gone(c);
	if (c->stream != NULL) {
		s->n_streams--;
		http_stream_free(c);
	} else {
		s->n_conns--;
		if (c->evcon != NULL)
			s->conns_of[c->host]--;
	}
	if (s->n_conns == 0 && s->drained != NULL)
		loop_timer_set(s->last_call, 0);
	free(c);
}

static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	conn_free(arg);
}

static void remember_host(struct conn *c)
{
	struct addr via;

	if (http_server_via(c->evcon, &via))
		c->host = c->asker = http_room_cell(c->server, &via);
	c->server->conns_of[c->host]++;
}

static bool remember_fd(struct http_server *s, struct conn *c, int fd)
{
	if ((size_t)fd >= s->n_fds) {
		size_t n = (size_t)fd + 64;
		struct conn **grown = realloc(s->by_fd, n * sizeof(*grown));

		if (grown == NULL)
			return false;
		memset(grown + s->n_fds, 0, (n - s->n_fds) * sizeof(*grown));
		s->by_fd = grown;
		s->n_fds = n;
	}
	s->by_fd[fd] = c;
	c->fd = fd;
	return true;
}

static void admit(struct conn *c)
{
	struct http_server *s = c->server;

	if (s->n_conns > s->conns_max && !http_room_admit(s, c)) {
		http_lane_refuse(c);
		return;
	}
	http_room_set_silent(c, true);
	if (s->tls != NULL)
		tcp_tune(c->fd);
	else
		http_lane_begin(c);
}

/* evhttp tells of a connection only when it asks for a bufferevent, before it has put its own
 * object there; right after that turn's accepts the object is found as the bufferevent's
 * callback argument, and can be told whom to call at its end. */
static void on_adopt(evutil_socket_t unused, short what, void *arg)
{
	struct http_server *s = arg;
	struct conn *c;

	(void)unused, (void)what;
	while ((c = LIST_FIRST(&s->fresh)) != NULL) {
		struct bufferevent *bev = c->bev;
		int fd = bufferevent_getfd(bev);
		void *evcon = NULL;

		bufferevent_getcb(bev, NULL, NULL, NULL, &evcon);
		if (evcon == NULL || fd < 0) { /* it went away at once */
			conn_free(c);
		} else {
			LIST_REMOVE(c, link);
			LIST_INSERT_HEAD(&s->adopted, c, link);
			c->evcon = evcon;
			evhttp_connection_set_closecb(evcon, on_closed, c);
			remember_host(c);
			if (!remember_fd(s, c, fd))
				shutdown(fd, SHUT_RDWR);
			else
				admit(c);
		}
		bufferevent_decref(bev);
	}
}

static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
	struct http_server *s = arg;
	struct conn *c = calloc(1, sizeof(*c));
	struct bufferevent *bev =
	    s->tls != NULL ? tls_accepting(s->tls, s->loop) : bufferevent_socket_new(base, -1, 0);

	if (c == NULL || bev == NULL)
		goto fail;
	c->server = s;
	c->bev = bev;
	c->fd = -1;
	c->since_ms = loop_now_ms(s->loop);
	c->heard_ms = c->since_ms;
	c->in_cb = evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	c->out_cb = evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	if (c->in_cb == NULL || c->out_cb == NULL)
		goto fail;
	bufferevent_incref(bev); /* until on_adopt() */
	LIST_INSERT_HEAD(&s->fresh, c, link);
	s->n_conns++;
	event_active(&s->adopt, EV_TIMEOUT, 0);
	return bev;
fail:
	if (bev != NULL)
		bufferevent_free(bev);
	free(c);
	return NULL; /* evhttp then makes a plain one, which lives without our deadlines */
}

static uint64_t conn_limit_ms(const struct conn *c)
{
	uint64_t unacked;

	switch (c->phase) {
	case PHASE_IDLE:
		return HTTP_IDLE_S * 1000u;
	case PHASE_SENDING:
		/* What lies in the kernel's buffer, megabytes maybe, the client has not taken. */
		unacked = tcp_unacked_bytes(c->fd);
		return HTTP_ANSWER_S * 1000u +
		       (c->moved > unacked ? c->moved - unacked : 0) * 1000 / HTTP_SLOWEST_BPS;
	case PHASE_LATER:
	case PHASE_STREAM:
		return UINT64_MAX;
	case PHASE_RECEIVING:
		break;
	}
	return HTTP_REQUEST_S * 1000u + c->moved * 1000 / HTTP_SLOWEST_BPS;
}

/* Bytes that came in a rush buy time for more of them, not for silence. */
static bool is_stuck(const struct conn *c, uint64_t now_ms)
{
	return c->phase == PHASE_RECEIVING && now_ms - c->heard_ms >= HTTP_IDLE_S * 1000u;
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;
	uint64_t now = loop_now_ms(s->loop);
	struct conn *c;

	LIST_FOREACH(c, &s->adopted, link)
	{
		if (now - c->since_ms >= conn_limit_ms(c) || is_stuck(c, now) ||
		    http_stream_lags(c, now) || http_later_lags(c, now))
			http_server_hang_up(c);
	}
	loop_timer_set(s->sweep, SWEEP_MS);
}

struct search {
	const struct evconnlistener *listener;
	struct http_server *found;
};

/* Only marks the server among the events of its loop. */
static void on_mark(evutil_socket_t unused, short what, void *arg)
{
	(void)unused, (void)what, (void)arg;
}

static int look_at_event(const struct event_base *base, const struct event *ev, void *arg)
{
	struct search *search = arg;
	struct http_server *s = event_get_callback_arg(ev);

	(void)base;
	if (event_get_callback(ev) == on_mark && s->listener == search->listener)
		search->found = s;
	return search->found != NULL;
}

/* Descriptors are out: the connection stays in the queue and would wake us without end. Who has
 * asked nothing so far makes way for it. The argument is evhttp's own, and nothing of evhttp leads
 * back to us, so we look for ourselves. */
static void on_accept_error(struct evconnlistener *l, void *evhttps)
{
	struct search search = {.listener = l};

	(void)evhttps;
	(void)event_base_foreach_event(evconnlistener_get_base(l), look_at_event, &search);
	if (search.found == NULL)
		return;
	evconnlistener_disable(l);
	for (unsigned i = 0; i < SILENT_SPARED && http_room_spare_silent(search.found); i++)
		continue;
	loop_timer_set(search.found->resume, ACCEPT_PAUSE_MS);
}

static void on_resume(void *arg)
{
	struct http_server *s = arg;

	if (s->listener != NULL)
		evconnlistener_enable(s->listener);
}

const char *http_server_date(struct http_server *s)
{
	time_t now = (time_t)loop_wall_s();
	char text[32];
	struct tm tm;

	if (now == s->date_s || gmtime_r(&now, &tm) == NULL)
		return s->date;
	evutil_date_rfc1123(text, sizeof(text), &tm);
	evutil_snprintf(s->date, sizeof(s->date), "Date: %s\r\n", text);
	s->date_s = now;
	return s->date;
}

struct conn *http_server_conn(struct http_server *s, struct evhttp_connection *evcon)
{
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));

	return fd >= 0 && (size_t)fd < s->n_fds ? s->by_fd[fd] : NULL;
}

/* ---- life ---------------------------------------------------------------- */

static void on_last_call(void *arg)
{
	struct http_server *s = arg;

	s->drained(s->drained_user);
}

void http_server_drain(struct http_server *s, uint32_t limit_ms, void (*done)(void *user),
		       void *user)
{
	struct conn *c;

	on_adopt(-1, 0, s);
	s->drained = done;
	s->drained_user = user;
	s->listener = NULL;
	evhttp_del_accept_socket(s->http, s->bound);
	LIST_FOREACH(c, &s->adopted, link)
	{
		if (c->phase == PHASE_RECEIVING && c->moved == 0)
			c->phase = PHASE_IDLE; /* nothing was asked yet */
		if (c->phase == PHASE_IDLE)
			http_server_hang_up(c);
	}
	loop_timer_set(s->last_call, s->n_conns == 0 ? 0 : limit_ms);
}

static void on_reap(evutil_socket_t unused, short what, void *arg)
{
	(void)unused, (void)what;
	http_room_make(arg, NULL);
	http_stream_reap(arg);
}

static int server_start(struct http_server *s, int fd)
{
	struct event_base *base = loop_event_base(s->loop);

	s->http = evhttp_new(base);
	s->sweep = loop_timer_new(s->loop, on_sweep, s);
	s->resume = loop_timer_new(s->loop, on_resume, s);
	s->last_call = loop_timer_new(s->loop, on_last_call, s);
	if (s->http == NULL || s->sweep == NULL || s->resume == NULL || s->last_call == NULL)
		return ERR_NOMEM;
	event_assign(&s->adopt, base, -1, 0, on_adopt, s);
	event_assign(&s->reap, base, -1, 0, on_reap, s);
	event_assign(&s->mark, base, -1, EV_PERSIST, on_mark, s);
	evhttp_set_max_headers_size(s->http, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(s->http, HTTP_BODY_MAX);
	evhttp_set_timeout(s->http, 24 * 3600); /* on_sweep() has the deadlines */
	evhttp_set_default_content_type(s->http, NULL);
	/* The handler refuses what it does not serve, in its own form of error; CONNECT is refused
	 * before that. */
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
						EVHTTP_REQ_DELETE | EVHTTP_REQ_PUT |
						EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS |
						EVHTTP_REQ_CONNECT);
	evhttp_set_bevcb(s->http, on_accepted, s);
	evhttp_set_gencb(s->http, http_server_on_request, s);
	s->bound = evhttp_accept_socket_with_handle(s->http, fd);
	if (s->bound == NULL)
		return ERR_NOMEM;
	s->listener = evhttp_bound_socket_get_listener(s->bound);
	if (event_add(&s->mark, &(struct timeval){.tv_sec = MARK_S}) != 0)
		return ERR_NOMEM;
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	loop_timer_set(s->sweep, SWEEP_MS);
	return 0;
}

int http_server_new(struct loop *l, int fd, http_handler *handle, void *user,
		    struct http_server **out)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int rc = ERR_NOMEM;

	if (s != NULL) {
		s->loop = l;
		s->handle = handle;
		s->user = user;
		s->held_max = HTTP_HELD_BYTES_MAX;
		s->conns_max = HTTP_CONNECTIONS_MAX;
		entropy_fill(&s->host_key, sizeof(s->host_key));
		LIST_INIT(&s->fresh);
		LIST_INIT(&s->adopted);
		TAILQ_INIT(&s->silent);
		buf_init(&s->lane_head, HTTP_HEADERS_MAX);
		buf_init(&s->lane_body, HTTP_REPLY_BYTES_MAX);
		tcp_wait_for_data(fd);
		rc = server_start(s, fd);
	}
	if (rc != 0) {
		if (s == NULL || s->listener == NULL)
			close(fd);
		http_server_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void http_server_use_tls(struct http_server *s, struct tls *tls)
{
	s->tls = tls;
}

void http_server_trust(struct http_server *s, const struct proxies *proxies)
{
	s->proxies = proxies;
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	if (s->http != NULL) {
		if (s->listener != NULL)
			on_adopt(-1, 0, s); /* so that each has its on_closed() */
		s->listener = NULL;
		evhttp_free(s->http);
		event_del(&s->adopt);
		event_del(&s->reap);
		event_del(&s->mark);
	}
	loop_timer_free(s->sweep);
	loop_timer_free(s->resume);
	loop_timer_free(s->last_call);
	free(s->by_fd);
	buf_fini(&s->lane_head);
	buf_fini(&s->lane_body);
	free(s);
}
