/* Answers that come after their handler, and bodies that come bit by bit. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_later.h"

#include "test.h"

#include "http_fixture.h"

#define CHUNK 100000u
#define LENGTH 1000000u

struct rig {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	char base[64];
	uint16_t port;
	struct loop_timer *timer;
	struct http_later *later;
	uint32_t given, stop_at; /* what was given; abort there (0: not) */
	bool begun, closed;
	bool of_file; /* it is given as a file */
	/* the client's side */
	bool done;
	int status;
	struct err_info err;
	uint64_t got;
	bool right; /* bytes are what was given */
};

static uint8_t chunk[CHUNK];

/* A file with the chunk in it, behind some other bytes. */
static int file_of_chunk(void)
{
	int fd = memfd_create("chunk", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(pwrite(fd, chunk, CHUNK, 7), CHUNK);
	return fd;
}

static unsigned n_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void on_more(void *user)
{
	struct rig *g = user;

	if (g->stop_at != 0 && g->given >= g->stop_at) {
		http_later_abort(g->later);
		g->later = NULL;
		return;
	}
	memset(chunk, (int)(g->given / CHUNK), sizeof(chunk));
	g->given += CHUNK;
	if (!(g->of_file ? http_later_give_file(g->later, file_of_chunk(), 7, CHUNK)
			 : http_later_give(g->later, bytes_of(chunk, CHUNK)))) {
		CHECK_INT(g->given, LENGTH);
		g->later = NULL;
	}
}

static void on_closed(void *user)
{
	struct rig *g = user;

	g->closed = true;
	g->later = NULL;
}

static const struct http_later_events events = {on_more, on_closed};

static void begin(struct rig *g)
{
	struct http_reply reply = {.status = 200, .type = "text/plain"};

	reply.headers[0] = "ETag";
	reply.headers[1] = "\"x\"";
	g->begun = http_later_begin(g->later, &reply, LENGTH);
	if (!g->begun)
		g->later = NULL;
}

static void on_timer(void *arg)
{
	struct rig *g = arg;
	struct http_reply reply = {.status = 404, .type = "text/plain"};

	buf_init(&reply.body, 100);
	CHECK_INT(buf_put_str(&reply.body, "not here"), 0);
	http_later_answer(g->later, &reply);
	buf_fini(&reply.body);
	g->later = NULL;
}

static void handle(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct rig *g = user;

	if (bytes_eq(r->path, bytes_str("/now"))) {
		reply->type = "text/plain";
		buf_put_str(&reply->body, "now");
		return;
	}
	g->given = 0;
	g->later = http_later_take(r, &events, g);
	CHECK(g->later != NULL);
	CHECK(http_later_take(r, &events, g) == NULL);
	if (bytes_eq(r->path, bytes_str("/later")))
		loop_timer_set(g->timer, 20);
	else
		begin(g);
}

static void rig_open(struct rig *g)
{
	*g = (struct rig){.right = true};
	CHECK_INT(loop_new(&g->loop), 0);
	g->server = serve_http(g->loop, handle, g, &g->port);
	CHECK_INT(http_client_new(g->loop, &g->client), 0);
	g->timer = loop_timer_new(g->loop, on_timer, g);
	snprintf(g->base, sizeof(g->base), "http://127.0.0.1:%u", g->port);
}

static void rig_close(struct rig *g)
{
	http_client_free(g->client);
	http_server_free(g->server);
	loop_timer_free(g->timer);
	loop_free(g->loop);
}

static enum http_take on_part(void *user, struct http_call *call, struct bytes part)
{
	struct rig *g = user;

	(void)call;
	for (size_t i = 0; i < part.len; i++)
		g->right &= part.ptr[i] == (g->got + i) / CHUNK;
	g->got += part.len;
	return HTTP_TAKE_MORE;
}

static void on_done(void *user, const struct http_answer *a)
{
	struct rig *g = user;

	g->done = true;
	g->status = a->status;
	g->err = a->err;
}

static void turn_until(struct rig *g, const bool *flag)
{
	uint64_t end = loop_now_ms(g->loop) + 30000;

	while (!*flag && loop_now_ms(g->loop) < end)
		CHECK_INT(loop_turn(g->loop, 20), 0);
	CHECK(*flag);
}

static void ask(struct rig *g, const char *method, const char *path)
{
	struct http_parts parts = {on_part, 20};
	char url[128];
	struct http_ask a = {
	    .method = method, .url = url, .done = on_done, .user = g, .parts = &parts};

	snprintf(url, sizeof(url), "%s%s", g->base, path);
	g->done = false;
	g->got = 0;
	CHECK(http_client_send(g->client, &a) != NULL);
	turn_until(g, &g->done);
}

TEST(a_body_that_is_given_bit_by_bit_comes_whole)
{
	struct rig g;

	rig_open(&g);
	for (int i = 0; i < 3; i++) {
		ask(&g, "GET", "/body");
		CHECK_INT(g.err.code, OK);
		CHECK_INT(g.status, 200);
		CHECK(g.got == LENGTH && g.right);
	}
	CHECK(!g.closed);
	rig_close(&g);
}

TEST(a_body_of_files_comes_whole_and_they_are_closed)
{
	struct rig g;
	unsigned before;

	rig_open(&g);
	g.of_file = true;
	ask(&g, "GET", "/body");
	before = n_open();
	for (int i = 0; i < 3; i++) {
		ask(&g, "GET", "/body");
		CHECK_INT(g.err.code, OK);
		CHECK(g.got == LENGTH && g.right);
	}
	CHECK_INT(n_open(), before);
	g.stop_at = 300000;
	ask(&g, "GET", "/body");
	CHECK(g.err.code != OK);
	rig_close(&g);
}

TEST(a_head_is_answered_without_the_body)
{
	struct rig g;

	rig_open(&g);
	ask(&g, "HEAD", "/body");
	CHECK_INT(g.err.code, OK);
	CHECK_INT(g.status, 200);
	CHECK(!g.begun && g.got == 0);
	ask(&g, "GET", "/now");
	CHECK(g.got == 3);
	rig_close(&g);
}

TEST(an_answer_may_come_later)
{
	struct rig g;

	rig_open(&g);
	ask(&g, "GET", "/later");
	CHECK_INT(g.status, 404);
	CHECK(g.got == 8);
	rig_close(&g);
}

TEST(a_body_that_is_given_up_is_not_taken_for_whole)
{
	struct rig g;

	rig_open(&g);
	g.stop_at = 300000;
	ask(&g, "GET", "/body");
	CHECK(g.err.code != OK);
	CHECK(!g.closed);
	/* The server goes on. */
	ask(&g, "GET", "/now");
	CHECK_INT(g.status, 200);
	rig_close(&g);
}

/* A socket that asks for `path` twice in one. */
static int raw_ask(struct rig *g, const char *text)
{
	struct addr to;
	char where[32];
	int fd;

	snprintf(where, sizeof(where), "127.0.0.1:%u", g->port);
	CHECK_INT(addr_parse(bytes_str(where), 0, &to), 0);
	fd = tcp_connect(&to);
	CHECK(fd >= 0);
	for (int i = 0; i < 1000 && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0; i++)
		CHECK_INT(loop_turn(g->loop, 5), 0);
	return fd;
}

TEST(requests_on_one_connection_are_answered_in_turn)
{
	struct rig g;
	static char text[LENGTH + 2000];
	size_t n = 0;
	uint64_t end;
	int fd;

	rig_open(&g);
	fd = raw_ask(&g, "GET /body HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n"
			 "Connection: close\r\n\r\n");
	end = loop_now_ms(g.loop) + 30000;
	for (;;) {
		ssize_t got = recv(fd, text + n, sizeof(text) - n - 1, 0);

		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
		CHECK(loop_now_ms(g.loop) < end);
		CHECK_INT(loop_turn(g.loop, 2), 0);
	}
	CHECK(n > LENGTH + 100);
	CHECK(strstr(text, "Content-Length: 1000000\r\n") != NULL);
	CHECK(strstr(text, "Transfer-Encoding") == NULL);
	CHECK_INT(memcmp(text + n - 3, "now", 3), 0);
	tcp_close(fd);
	rig_close(&g);
}

TEST(a_client_that_goes_away_in_the_middle_is_told_of_once)
{
	struct rig g;
	int fd;

	rig_open(&g);
	fd = raw_ask(&g, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n");
	turn_until(&g, &g.begun);
	close(fd);
	turn_until(&g, &g.closed);
	CHECK(g.later == NULL);
	ask(&g, "GET", "/now");
	CHECK_INT(g.status, 200);
	rig_close(&g);
}

TEST(a_server_that_ends_tells_those_who_are_at_it)
{
	struct rig g;
	int fd;

	rig_open(&g);
	fd = raw_ask(&g, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n");
	turn_until(&g, &g.begun);
	g.closed = false;
	http_server_free(g.server);
	g.server = NULL;
	CHECK(g.closed || g.given == LENGTH);
	close(fd);
	rig_close(&g);
}
