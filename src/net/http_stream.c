#include "net/http_stream.h"

#include <stdlib.h>

#include <event2/buffer.h>

#include "net/http_server_impl.h"
#include "net/tcp.h"

struct http_stream {
	struct conn *conn;
	struct http_stream_params p;
	bool ended;  /* nothing is read or called any more; freed when the output is out */
	bool broken; /* the same, and the output is of no use */
};

/* Not at once: the frames above us still have the connection in their hands. */
static void reap_soon(struct http_stream *s)
{
	event_active(&s->conn->server->reap, EV_TIMEOUT, 0);
}

static bool is_over(const struct http_stream *s)
{
	return s->broken || (s->ended && s->conn->out_held == 0);
}

void http_stream_reap(struct http_server *server)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&server->adopted); c != NULL; c = next) {
		struct http_stream *s = c->stream;

		next = LIST_NEXT(c, link);
		if (s == NULL || !is_over(s))
			continue;
		if (!s->ended) {
			s->ended = true;
			/* May close other streams, but frees no connection. */
			s->p.closed(s->p.user);
		}
		next = LIST_NEXT(c, link);
		evhttp_connection_free(c->evcon); /* and with it `c` */
	}
}

static void fail(struct http_stream *s)
{
	if (s->broken)
		return;
	s->broken = true;
	tcp_reset_on_close(s->conn->fd);
	bufferevent_disable(s->conn->bev, EV_READ | EV_WRITE);
	reap_soon(s);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct http_stream *s = ((struct conn *)arg)->stream;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;
	char *line;

	if (s->p.line == NULL) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	while (!s->ended && !s->broken &&
	       (line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF)) != NULL) {
		if (len > HTTP_STREAM_LINE_MAX)
			fail(s);
		else
			s->p.line(s->p.user, bytes_of(line, len));
		free(line);
	}
	if (!s->ended && evbuffer_get_length(in) > HTTP_STREAM_LINE_MAX + 1)
		fail(s);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct http_stream *s = ((struct conn *)arg)->stream;

	(void)bev;
	if (is_over(s))
		reap_soon(s);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	fail(((struct conn *)arg)->stream);
}

struct http_stream *http_stream_take(const struct http_request *r,
				     const struct http_stream_params *p)
{
	struct conn *c = http_server_conn(r->server, evhttp_request_get_connection(r->impl));
	struct http_stream *s;

	if (c == NULL || c->evcon == NULL || c->stream != NULL ||
	    r->server->n_streams >= HTTP_STREAMS_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->conn = c;
	s->p = *p;
	c->stream = s;
	http_server_count_stream(c);
	evhttp_request_set_on_complete_cb(r->impl, NULL, NULL);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_set_timeouts(c->bev, NULL, NULL);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 2 * HTTP_STREAM_LINE_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	http_stream_write(s, bytes_str(p->head));
	http_stream_write(s, bytes_str(http_server_date(c->server)));
	http_stream_write(s, bytes_str("\r\n"));
	/* Thousands of streams stay for long: nobody asks for these any more. */
	evhttp_clear_headers(evhttp_request_get_input_headers(r->impl));
	/* It may have gone on to speak at once. */
	bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
	return s;
}

void http_stream_write(struct http_stream *s, struct bytes data)
{
	const struct conn *c = s->conn;

	if (s->broken || s->ended)
		return;
	if (c->out_held + data.len > HTTP_STREAM_HELD_MAX ||
	    bufferevent_write(c->bev, data.ptr, data.len) != 0)
		fail(s);
}

uint32_t http_stream_rtt_us(const struct http_stream *s)
{
	return tcp_rtt_us(s->conn->fd);
}

void http_stream_close(struct http_stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	bufferevent_disable(s->conn->bev, EV_READ);
	if (is_over(s))
		reap_soon(s);
}

bool http_stream_lags(const struct conn *c, uint64_t now_ms)
{
	return c->stream != NULL && c->out_held > 0 &&
	       now_ms - c->since_ms >= HTTP_STREAM_STUCK_S * 1000u;
}

void http_stream_free(struct conn *c)
{
	struct http_stream *s = c->stream;

	c->stream = NULL;
	/* The server ends, and with it all that is on it. */
	if (!s->ended)
		s->p.closed(s->p.user);
	free(s);
}
