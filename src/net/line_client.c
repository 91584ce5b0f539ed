#include "net/line_client.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/text.h"
#include "net/http_client.h"

#define READ_BYTES 16384u
/* Reads before others get their turn. */
#define READ_ROUNDS 8

struct line_client {
	struct line_client_params p;
	struct http_client *http;
	struct http_call *call; /* NULL once it failed */
	struct loop_io *io;	/* NULL until connected */
	struct loop_timer *timer;
	struct buf in, out;
	bool open, closed; /* after the upgrade; nothing is called any more */
	bool busy, dead;   /* in a callback; freed in one: the frame below clears up */
	struct err_info why;
	int status;
};

/* ---- the end ------------------------------------------------------------------------ */

static void clear_up(struct line_client *c)
{
	loop_io_free(c->io);
	http_call_cancel(c->call);
	http_client_free(c->http);
	loop_timer_free(c->timer);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

void line_client_free(struct line_client *c)
{
	if (c == NULL)
		return;
	c->dead = c->closed = true;
	if (!c->busy)
		clear_up(c);
}

/* Told in a later turn, from on_timer(). */
static void fail(struct line_client *c, enum err code, const char *why)
{
	if (c->why.code != OK || c->closed)
		return;
	err_set(&c->why, code, "%s", why);
	if (c->io != NULL)
		loop_io_want(c->io, 0);
	loop_timer_set(c->timer, 0);
}

static void on_timer(void *arg)
{
	struct line_client *c = arg;

	if (c->closed)
		return;
	if (c->why.code == OK)
		err_set(&c->why, ERR_TIMEOUT, "no answer to the upgrade");
	c->closed = c->busy = true;
	c->p.closed(c->p.user, &c->why, c->status);
	c->busy = false;
	if (c->dead)
		clear_up(c);
}

/* ---- bytes ----------------------------------------------------------------------------- */

static void flush(struct line_client *c)
{
	while (c->out.len > 0) {
		int n = http_call_write(c->call, buf_bytes(&c->out));

		if (n == ERR_AGAIN)
			break;
		if (n < 0) {
			fail(c, ERR_UNREACHABLE, "the connection broke");
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	loop_io_want(c->io, LOOP_READ | (c->out.len > 0 ? LOOP_WRITE : 0u));
}

void line_client_write(struct line_client *c, struct bytes data)
{
	bool idle = c->out.len == 0;

	if (c->closed || c->why.code != OK)
		return;
	if (buf_put(&c->out, data) != OK)
		fail(c, ERR_TOO_BIG, "the server does not read");
	else if (idle && c->io != NULL)
		flush(c);
}

void line_client_from(const struct line_client *c, struct addr *out)
{
	*out = (struct addr){.port = 0};
	if (c->call != NULL)
		http_call_sender(c->call, out);
}

size_t line_client_held(const struct line_client *c)
{
	return c->out.len;
}

/* "HTTP/1.1 101 ..." */
static int status_of(struct bytes head)
{
	uint64_t status;

	if (head.len < 12 || memcmp(head.ptr, "HTTP/1.", 7) != 0 ||
	    text_parse_u64(bytes_sub(head, 9, 3), 999, &status) < 0)
		return 0;
	return (int)status;
}

static void take_head(struct line_client *c)
{
	const uint8_t *end = c->in.len < 4 ? NULL : memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);

	if (end == NULL) {
		if (c->in.len > LINE_CLIENT_HEAD_MAX)
			fail(c, ERR_PROTO, "an answer without end");
		return;
	}
	c->status = status_of(buf_bytes(&c->in));
	if (c->status != 101) {
		fail(c, ERR_PROTO, "the server does not upgrade");
		return;
	}
	buf_consume(&c->in, (size_t)(end + 4 - c->in.ptr));
	c->open = true;
	loop_timer_clear(c->timer);
	c->p.opened(c->p.user);
}

static void take_lines(struct line_client *c)
{
	size_t at = 0;
	const uint8_t *end;

	while (!c->closed && at < c->in.len &&
	       (end = memchr(c->in.ptr + at, '\n', c->in.len - at)) != NULL) {
		size_t len = (size_t)(end - c->in.ptr) - at;

		c->p.line(c->p.user, bytes_of(c->in.ptr + at, len));
		at += len + 1;
	}
	buf_consume(&c->in, at);
	if (c->in.len > LINE_CLIENT_LINE_MAX)
		fail(c, ERR_PROTO, "a line without end");
}

static void take_input(struct line_client *c)
{
	struct span room;
	int n = 1;

	for (int i = 0; i < READ_ROUNDS && n > 0 && !c->closed && c->why.code == OK; i++) {
		if (buf_reserve(&c->in, READ_BYTES, &room) != OK) {
			fail(c, ERR_NOMEM, "out of memory");
			return;
		}
		n = http_call_read(c->call, room);
		if (n == 0 || (n < 0 && n != ERR_AGAIN))
			fail(c, ERR_UNREACHABLE, "the connection broke");
		if (n <= 0)
			return;
		buf_commit(&c->in, (size_t)n);
		if (!c->open)
			take_head(c);
		if (c->open)
			take_lines(c);
	}
}

static void on_ready(void *arg, unsigned ready)
{
	struct line_client *c = arg;

	c->busy = true;
	if ((ready & LOOP_WRITE) != 0)
		flush(c);
	if ((ready & LOOP_READ) != 0)
		take_input(c);
	c->busy = false;
	if (c->dead)
		clear_up(c);
}

/* ---- the beginning ------------------------------------------------------------------------ */

static void on_connected(void *user, const struct http_answer *answer)
{
	struct line_client *c = user;

	if (answer->err.code != OK) {
		c->call = NULL;
		if (answer->err.code == ERR_UNREACHABLE || answer->err.code == ERR_TIMEOUT)
			c->status = LINE_CLIENT_NOBODY;
		fail(c, answer->err.code, answer->err.text);
		return;
	}
	c->io = loop_io_new(c->p.loop, http_call_fd(c->call), on_ready, c);
	if (c->io == NULL) {
		fail(c, ERR_NOMEM, "out of memory");
		return;
	}
	loop_timer_set(c->timer, LINE_CLIENT_ANSWER_MS);
	flush(c);
}

static int put_request(struct line_client *c, const struct line_client_params *p)
{
	char *host = NULL, *port = NULL, *path = NULL;
	CURLU *u = curl_url();

	if (u != NULL && curl_url_set(u, CURLUPART_URL, p->url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		curl_url_get(u, CURLUPART_PORT, &port, 0);
		buf_printf(&c->out, "GET %s HTTP/1.1\r\nHost: %s%s%s\r\n", path, host,
			   port == NULL ? "" : ":", port == NULL ? "" : port);
		buf_printf(&c->out,
			   "User-Agent: shoal/" SHOAL_VERSION
			   "\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
			   p->protocol);
		for (const char *const *h = p->headers; h != NULL && *h != NULL; h++)
			buf_printf(&c->out, "%s\r\n", *h);
		buf_put_str(&c->out, "\r\n");
	} else {
		c->out.err = ERR_INVALID;
	}
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_url_cleanup(u);
	return c->out.err;
}

int line_client_new(const struct line_client_params *p, struct line_client **out)
{
	struct http_ask ask = {
	    .method = "GET", .url = p->url, .connect = true, .done = on_connected};
	struct line_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	c->p = *p;
	buf_init(&c->in, LINE_CLIENT_LINE_MAX + LINE_CLIENT_HEAD_MAX + 2 * READ_BYTES);
	buf_init(&c->out, LINE_CLIENT_HELD_MAX);
	c->timer = loop_timer_new(p->loop, on_timer, c);
	ask.user = c;
	if (c->timer != NULL && put_request(c, p) == OK &&
	    http_client_new(p->loop, &c->http) == OK &&
	    (p->pin == NULL || http_client_pin(c->http, p->url, p->pin, NULL) == OK))
		c->call = http_client_send(c->http, &ask);
	if (c->call == NULL) {
		line_client_free(c);
		return ERR_NOMEM;
	}
	*out = c;
	return OK;
}
