/* The short way for what a tracker is asked all day, past evhttp: announces and scrapes that come
 * whole, alone and in the plainest form are answered straight from the socket. Everything else is
 * evhttp's, with all that was read of it; a connection that was handed over once stays there. */
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/buffer.h>

#include "net/http_server_impl.h"
#include "net/tcp.h"
#include "wire/http_get.h"

/* ---- requests ------------------------------------------------------------ */

static bool is_at(struct bytes path, const char *place)
{
	size_t n = strlen(place);

	return path.len >= n && memcmp(path.ptr, place, n) == 0 &&
	       (path.len == n || path.ptr[n] == '/');
}

static bool is_ours(struct bytes in, struct http_get *out)
{
	return http_get_parse(in, out) &&
	       (is_at(out->path, "/announce") || is_at(out->path, "/scrape"));
}

/* ---- answers ------------------------------------------------------------- */

static bool put_header(struct buf *head, const char *name, const char *value)
{
	(void)buf_put_str(head, name);
	(void)buf_put_str(head, ": ");
	(void)buf_put_str(head, value);
	(void)buf_put_str(head, "\r\n");
	return http_header_is_clean(name) && http_header_is_clean(value);
}

static bool put_head(struct buf *head, const struct http_reply *reply, const char *date,
		     bool keep_alive)
{
	const size_t n = sizeof(reply->headers) / sizeof(reply->headers[0]);
	bool ok = true;

	buf_clear(head);
	(void)buf_printf(head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", reply->status,
			 reply->status == 200 ? "OK" : "Error", reply->body.len);
	(void)buf_put_str(head, date);
	ok = reply->type == NULL || put_header(head, "Content-Type", reply->type);
	for (size_t i = 0; ok && i + 1 < n && reply->headers[i] != NULL; i += 2)
		ok = put_header(head, reply->headers[i], reply->headers[i + 1]);
	(void)buf_put_str(head, "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
	if (!keep_alive)
		(void)buf_put_str(head, "Connection: close\r\n");
	(void)buf_put_str(head, "\r\n");
	return ok && head->err == OK;
}

static bool send_answer(int fd, struct buf *head, const struct http_reply *reply, bool keep_alive)
{
	struct iovec parts[] = {{head->ptr, head->len}, {reply->body.ptr, reply->body.len}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
	int more = keep_alive ? 0 : MSG_MORE; /* the end that follows goes into the same packet */

	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | more) ==
	       (ssize_t)(head->len + reply->body.len);
}

/* Whom a proxy asks for is in a header, which evhttp reads. */
static bool is_for_evhttp(const struct conn *c)
{
	struct http_request r = {.server = c->server};

	return c->server->proxies != NULL && http_server_addrs(c->evcon, &r) &&
	       http_server_is_proxied(c->server, &r);
}

/* False: the connection is to be closed. A client that has not taken its earlier answers, so that
 * the kernel has no room for this one, is not waited for. */
static bool serve(struct conn *c, const struct http_get *q)
{
	struct http_server *s = c->server;
	bool keep_alive = q->keep_alive && s->drained == NULL, ok;
	struct http_request r = {.method = "GET", .path = q->path, .query = q->query, .server = s};
	struct http_reply reply = {.status = 200, .body = s->lane_body};

	if (!http_server_addrs(c->evcon, &r))
		return false;
	buf_clear(&reply.body);
	s->handle(s->user, &r, &reply);
	ok = reply.body.err == OK &&
	     put_head(&s->lane_head, &reply, http_server_date(s), keep_alive) &&
	     send_answer(c->fd, &s->lane_head, &reply, keep_alive);
	s->lane_body = reply.body;
	if (!ok)
		tcp_reset_on_close(c->fd);
	else if (keep_alive)
		http_server_idle(c);
	return ok && keep_alive;
}

/* ---- connections --------------------------------------------------------- */

/* evhttp goes on as if we had never been there. */
static void hand_back(struct conn *c)
{
	bufferevent_setcb(c->bev, c->evhttp.read, c->evhttp.write, c->evhttp.event, c->evcon);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	hand_back(c);
	c->evhttp.event(bev, what, c->evcon);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	const uint8_t *whole = len > HTTP_GET_BYTES_MAX ? NULL : evbuffer_pullup(in, -1);
	struct http_get q;

	if (whole == NULL || is_for_evhttp(c) || !is_ours(bytes_of(whole, len), &q)) {
		hand_back(c);
		c->evhttp.read(bev, c->evcon);
	} else if (!serve(c, &q)) {
		evhttp_connection_free(c->evcon);
	} else {
		evbuffer_drain(in, len);
	}
}

/* What was read already, to evhttp, which must think that it has read it itself. */
static void pass_on(struct conn *c, struct bytes data)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (evbuffer_unfreeze(in, 0) != 0 || evbuffer_add(in, data.ptr, data.len) != 0 ||
	    evbuffer_freeze(in, 0) != 0)
		evhttp_connection_free(c->evcon);
	else
		bufferevent_trigger(c->bev, EV_READ, 0);
}

void http_lane_begin(struct conn *c)
{
	uint8_t data[HTTP_GET_BYTES_MAX];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
	struct http_get q;

	if (n > 0 && (is_for_evhttp(c) || !is_ours(bytes_of(data, (size_t)n), &q))) {
		tcp_tune(c->fd);
		pass_on(c, bytes_of(data, (size_t)n));
	} else if (n > 0 && !serve(c, &q)) {
		evhttp_connection_free(c->evcon);
	} else {
		tcp_tune(c->fd);
		bufferevent_getcb(c->bev, &c->evhttp.read, &c->evhttp.write, &c->evhttp.event,
				  NULL);
		bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	}
}

void http_lane_refuse(struct conn *c)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				   "Retry-After: 10\r\nConnection: close\r\n\r\n";
	uint8_t data[HTTP_GET_BYTES_MAX];

	/* What is left unread when it is closed would overtake the answer as a reset. */
	if (c->server->tls == NULL && recv(c->fd, data, sizeof(data), MSG_DONTWAIT) != 0)
		(void)send(c->fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
	evhttp_connection_free(c->evcon);
}
