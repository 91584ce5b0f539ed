/* bench/announce_http.c - the load generator's HTTP half: a request a connection, or keep-alive
 * with one request at a time on each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "announce_load.h"
#include "wire/http_tracker.h"

#define REPLY_MAX 16384u
#define EVENTS 256

struct line {
	int fd;
	uint32_t peer;
	size_t got;
	double since;
	char reply[REPLY_MAX];
};

struct http_load {
	struct load *l;
	struct tally *t;
	int epoll;
	uint32_t fill;
	struct line *lines;
	uint32_t n;
};

static void watch(struct http_load *h, struct line *line, uint32_t events, int how)
{
	struct epoll_event e = {.events = events, .data.ptr = line};

	if (epoll_ctl(h->epoll, how, line->fd, &e) != 0)
		load_fail("epoll_ctl");
}

/* The connection comes from where its peer is. */
static void open_line(struct http_load *h, struct line *line)
{
	line->peer = load_next(h->l, &h->fill);
	line->fd = load_socket(h->l, line->peer % h->l->sources);
	line->since = load_clock();
	watch(h, line, EPOLLOUT, EPOLL_CTL_ADD);
}

/* On a line that stays, the next peer of the same source. */
static uint32_t next_of_source(struct http_load *h, const struct line *line)
{
	uint32_t source = line->peer % h->l->sources, n = h->l->peers / h->l->sources;

	return source + h->l->sources * rng_below(&h->l->rng, n);
}

static void send_request(struct http_load *h, struct line *line)
{
	struct announce a;
	struct buf out;

	load_announce(h->l, line->peer, &a);
	buf_init(&out, REPLY_MAX);
	buf_put_str(&out, "GET ");
	http_announce_encode("/announce", &a, &out);
	buf_printf(&out, " HTTP/1.1\r\nHost: tracker\r\nUser-Agent: load\r\n%s\r\n",
		   h->l->keep_alive ? "" : "Connection: close\r\n");
	if (h->l->keep_alive)
		line->since = load_clock();
	line->got = 0;
	if (out.err != 0 || send(line->fd, out.ptr, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		h->t->lost++;
	h->t->sent++;
	buf_fini(&out);
	watch(h, line, EPOLLIN, EPOLL_CTL_MOD);
}

/* Is the reply whole: head and as many bytes as that says? */
static bool is_whole(const struct line *line)
{
	const char *end = memmem(line->reply, line->got, "\r\n\r\n", 4), *length;
	size_t body;

	if (end == NULL)
		return false;
	length = memmem(line->reply, (size_t)(end - line->reply), "Content-Length: ", 16);
	if (length == NULL)
		return false;
	body = strtoul(length + 16, NULL, 10);
	return (size_t)(line->reply + line->got - end - 4) >= body;
}

static void count(struct http_load *h, const struct line *line)
{
	static const char reason[] = "failure reason";

	h->t->answered++;
	h->t->reply_bytes += line->got;
	h->t->errors += line->got < 12 || memcmp(line->reply + 9, "200", 3) != 0 ||
			memmem(line->reply, line->got, reason, sizeof(reason) - 1) != NULL;
	load_record(h->t, load_clock() - line->since);
}

static void on_readable(struct http_load *h, struct line *line)
{
	ssize_t n = recv(line->fd, line->reply + line->got, REPLY_MAX - 1 - line->got, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		line->got += (size_t)n;
		line->reply[line->got] = '\0';
		if (!is_whole(line))
			return;
		count(h, line);
		if (h->l->keep_alive) {
			line->peer = next_of_source(h, line);
			send_request(h, line);
			return;
		}
	} else if (line->got > 0) {
		count(h, line); /* the server said by closing that it was all */
	} else {
		h->t->lost++; /* it had closed before we asked */
	}
	close(line->fd);
	open_line(h, line);
}

static void drive(struct http_load *h, bool fill)
{
	double begun = load_clock();

	h->fill = fill ? h->l->peers : 0;
	for (uint32_t i = 0; i < h->n; i++)
		open_line(h, &h->lines[i]);
	while (fill ? h->fill > 0 : load_clock() - begun < h->l->seconds) {
		struct epoll_event list[EVENTS];
		int n = epoll_wait(h->epoll, list, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			struct line *line = list[i].data.ptr;

			if ((list[i].events & EPOLLOUT) != 0)
				send_request(h, line);
			else
				on_readable(h, line);
		}
	}
	for (uint32_t i = 0; i < h->n; i++)
		close(h->lines[i].fd);
}

void load_http(struct load *l, bool fill, struct tally *t)
{
	struct http_load h = {.l = l, .t = t, .n = l->lines};

	h.epoll = epoll_create1(0);
	h.lines = calloc(h.n, sizeof(*h.lines));
	if (h.epoll < 0 || h.lines == NULL)
		load_fail("memory");
	drive(&h, fill);
	free(h.lines);
	close(h.epoll);
}
