#include "net/http_later.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "net/http_server_impl.h"

struct http_later {
	struct conn *conn;
	struct evhttp_request *req;
	const struct http_later_events *ev;
	void *user;
	uint64_t left; /* to be given */
	struct event more;
};

static void on_more(evutil_socket_t unused, short what, void *arg)
{
	struct http_later *l = arg;

	(void)unused, (void)what;
	if (l->ev != NULL)
		l->ev->more(l->user);
}

static void later_free(struct http_later *l)
{
	event_del(&l->more);
	l->conn->later = NULL;
	free(l);
}

struct http_later *http_later_take(const struct http_request *r, const struct http_later_events *ev,
				   void *user)
{
	struct conn *c;
	struct http_later *l;

	if (r->impl == NULL)
		return NULL;
	c = http_server_conn(r->server, evhttp_request_get_connection(r->impl));
	l = c == NULL || c->later != NULL ? NULL : calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	*l = (struct http_later){.conn = c, .req = r->impl, .ev = ev, .user = user};
	event_assign(&l->more, loop_event_base(r->server->loop), -1, 0, on_more, l);
	c->later = l;
	c->taken = true;
	http_server_enter(c, PHASE_LATER);
	return l;
}

void http_later_answer(struct http_later *l, struct http_reply *reply)
{
	struct conn *c = l->conn;
	struct evhttp_request *req = l->req;

	later_free(l);
	http_server_enter(c, PHASE_SENDING);
	http_server_reply(req, reply);
}

/* evhttp has passed all on to the system. */
static void on_drained(struct evhttp_connection *evcon, void *arg)
{
	struct http_later *l = arg;

	(void)evcon;
	event_active(&l->more, EV_TIMEOUT, 0);
}

static void end(struct http_later *l)
{
	struct evhttp_request *req = l->req;
	struct conn *c = l->conn;

	later_free(l);
	http_server_enter(c, PHASE_SENDING);
	evhttp_send_reply_end(req);
}

static void answer_500(struct http_later *l)
{
	struct http_reply reply = {.status = 500};

	buf_init(&reply.body, 0);
	evhttp_clear_headers(evhttp_request_get_output_headers(l->req));
	http_later_answer(l, &reply);
}

bool http_later_begin(struct http_later *l, const struct http_reply *reply, uint64_t length)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%" PRIu64, length);
	if (!http_server_put_headers(l->req, reply) ||
	    evhttp_add_header(evhttp_request_get_output_headers(l->req), "Content-Length",
			      digits) != 0) {
		answer_500(l);
		return false;
	}
	l->left = length;
	evhttp_send_reply_start(l->req, reply->status, NULL);
	if (length == 0 || evhttp_request_get_command(l->req) == EVHTTP_REQ_HEAD) {
		end(l);
		return false;
	}
	event_active(&l->more, EV_TIMEOUT, 0);
	return true;
}

/* `b` is what comes next; NULL: there was no memory for it. */
static bool give(struct http_later *l, struct evbuffer *b)
{
	if (b == NULL) {
		http_later_abort(l);
		return false;
	}
	l->left -= evbuffer_get_length(b);
	if (l->left > 0) {
		evhttp_send_reply_chunk_with_cb(l->req, b, on_drained, l);
		evbuffer_free(b);
		return true;
	}
	evhttp_send_reply_chunk(l->req, b);
	evbuffer_free(b);
	end(l);
	return false;
}

bool http_later_give(struct http_later *l, struct bytes data)
{
	struct evbuffer *b = evbuffer_new();

	assert(data.len <= HTTP_LATER_GIVE_MAX);
	if (data.len > l->left)
		data.len = (size_t)l->left;
	if (b != NULL && evbuffer_add(b, data.ptr, data.len) != 0) {
		evbuffer_free(b);
		b = NULL;
	}
	return give(l, b);
}

bool http_later_give_file(struct http_later *l, int fd, uint64_t at, uint32_t length)
{
	struct evbuffer_file_segment *seg;
	struct evbuffer *b = evbuffer_new();

	if (length > l->left)
		length = (uint32_t)l->left;
	seg = evbuffer_file_segment_new(fd, (ev_off_t)at, length, EVBUF_FS_CLOSE_ON_FREE);
	if (seg == NULL)
		close(fd);
	/* What drains to a descriptor takes sendfile(2); others map the file. */
	if (b != NULL)
		evbuffer_set_flags(b, EVBUFFER_FLAG_DRAINS_TO_FD);
	if (b != NULL && (seg == NULL || evbuffer_add_file_segment(b, seg, 0, length) != 0)) {
		evbuffer_free(b);
		b = NULL;
	}
	if (seg != NULL)
		evbuffer_file_segment_free(seg);
	return give(l, b);
}

void http_later_abort(struct http_later *l)
{
	struct conn *c = l->conn;

	/* Its request is freed with the connection. */
	l->ev = NULL;
	event_del(&l->more);
	http_server_hang_up(c);
}

bool http_later_lags(const struct conn *c, uint64_t now_ms)
{
	return c->later != NULL && c->out_held > 0 &&
	       now_ms - c->since_ms >= HTTP_LATER_STUCK_S * 1000u;
}

void http_later_gone(struct conn *c)
{
	struct http_later *l = c->later;
	struct evhttp_request *req = l->req;
	const struct http_later_events *ev = l->ev;
	void *user = l->user;

	later_free(l);
	/* A request that its connection has let go of is ours to free; else evhttp frees it. */
	if (evhttp_request_get_connection(req) == NULL)
		evhttp_request_free(req);
	if (ev != NULL)
		ev->closed(user);
}
