#include "net/http_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/http_client.h"
#include "net/line_client.h"
#include "test.h"

#include "http_fixture.h"

static struct {
	struct loop *loop;
	struct http_server *server;
	uint16_t port;
	struct http_stream *stream; /* the newest one that is there */
	uint32_t closed;	    /* streams that ended by themselves */
	struct buf heard;	    /* by the server, a line each */
	bool refuses, deaf;
} world;

static void on_line(void *user, struct bytes line)
{
	(void)user;
	buf_put(&world.heard, line);
	buf_put_u8(&world.heard, '\n');
	if (bytes_eq(line, bytes_str("hang up"))) {
		http_stream_write(world.stream, bytes_str("so long\n"));
		http_stream_close(world.stream);
		world.stream = NULL;
	}
}

static void on_closed(void *user)
{
	(void)user;
	world.closed++;
	world.stream = NULL;
}

static void on_request(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct http_stream_params p = {.head = "HTTP/1.1 101 Switching\r\nX: y\r\n",
				       .line = world.deaf ? NULL : on_line,
				       .closed = on_closed};

	(void)user;
	reply->status = 404;
	if (world.refuses || http_request_header(r, "Upgrade") == NULL)
		return;
	world.stream = http_stream_take(r, &p);
	CHECK(world.stream != NULL);
	http_stream_write(world.stream, bytes_str("first\r\n"));
}

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	buf_init(&world.heard, 1u << 20);
	CHECK_INT(loop_new(&world.loop), OK);
	world.server = serve_http(world.loop, on_request, NULL, &world.port);
}

static void end(void)
{
	http_server_free(world.server);
	loop_free(world.loop);
	buf_fini(&world.heard);
}

struct client {
	struct line_client *c;
	bool opened, closed, frees_itself;
	int status;
	enum err why;
	struct buf heard;
};

static void on_client_opened(void *user)
{
	((struct client *)user)->opened = true;
}

static void on_client_line(void *user, struct bytes line)
{
	struct client *c = user;

	buf_put(&c->heard, line);
	buf_put_u8(&c->heard, '\n');
	if (c->frees_itself) {
		line_client_free(c->c);
		c->c = NULL;
	}
}

static void on_client_closed(void *user, const struct err_info *why, int status)
{
	struct client *c = user;

	CHECK(!c->closed);
	c->closed = true;
	c->status = status;
	c->why = why->code;
}

static void client_start(struct client *c, const char *protocol)
{
	char url[64];
	const char *const headers[] = {"X-More: 1", NULL};
	struct line_client_params p = {.loop = world.loop,
				       .url = url,
				       .protocol = protocol,
				       .headers = headers,
				       .opened = on_client_opened,
				       .line = on_client_line,
				       .closed = on_client_closed,
				       .user = c};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/lines", world.port);
	buf_init(&c->heard, 8u << 20);
	CHECK_INT(line_client_new(&p, &c->c), OK);
}

static void client_end(struct client *c)
{
	line_client_free(c->c);
	buf_fini(&c->heard);
}

#define TURN_UNTIL(cond)                                                                           \
	do {                                                                                       \
		for (int turn_ = 0; turn_ < 2000 && !(cond); turn_++)                              \
			CHECK_INT(loop_turn(world.loop, 20), OK);                                  \
		CHECK(cond);                                                                       \
	} while (0)

static bool has(struct buf *b, const char *text)
{
	return b->len >= strlen(text) && memmem(b->ptr, b->len, text, strlen(text)) != NULL;
}

TEST(http_stream_lines_go_both_ways_after_an_upgrade)
{
	struct client c = {0};

	begin();
	client_start(&c, "lines/1");
	TURN_UNTIL(has(&c.heard, "first"));
	CHECK(c.opened && !c.closed);
	line_client_write(c.c, bytes_str("one\ntwo\r\nthree"));
	TURN_UNTIL(has(&world.heard, "two\n"));
	CHECK(!has(&world.heard, "three"));
	line_client_write(c.c, bytes_str("\n"));
	TURN_UNTIL(has(&world.heard, "one\ntwo\nthree\n"));
	line_client_write(c.c, bytes_str("hang up\nand more\n"));
	TURN_UNTIL(c.closed);
	CHECK(has(&c.heard, "so long"));
	CHECK(!has(&world.heard, "more"));
	CHECK_INT(world.closed, 0);
	client_end(&c);
	end();
}

TEST(http_stream_ends_when_the_other_end_goes)
{
	struct client c = {0};

	begin();
	client_start(&c, "lines/1");
	TURN_UNTIL(world.stream != NULL && c.opened);
	client_end(&c);
	TURN_UNTIL(world.closed == 1);
	end();
	CHECK_INT(world.closed, 1);
}

TEST(http_stream_ends_with_its_server)
{
	struct client c = {0};

	begin();
	client_start(&c, "lines/1");
	TURN_UNTIL(c.opened);
	http_server_free(world.server);
	world.server = NULL;
	CHECK_INT(world.closed, 1);
	TURN_UNTIL(c.closed);
	CHECK_INT(c.why, ERR_UNREACHABLE);
	client_end(&c);
	end();
}

static void write_line(struct client *c, size_t len)
{
	char *line = malloc(len + 1);

	memset(line, 'x', len);
	line[len] = '\n';
	line_client_write(c->c, bytes_of(line, len + 1));
	free(line);
}

TEST(http_stream_takes_a_line_up_to_its_limit_and_not_a_byte_more)
{
	struct client c = {0};

	begin();
	client_start(&c, "lines/1");
	TURN_UNTIL(c.opened);
	write_line(&c, HTTP_STREAM_LINE_MAX);
	TURN_UNTIL(world.heard.len == HTTP_STREAM_LINE_MAX + 1);
	write_line(&c, HTTP_STREAM_LINE_MAX + 1);
	TURN_UNTIL(world.closed == 1 && c.closed);
	CHECK_INT(world.heard.len, HTTP_STREAM_LINE_MAX + 1);
	client_end(&c);
	end();
}

TEST(http_stream_that_is_not_read_is_hung_up_on_at_its_limit)
{
	char *block = calloc(1, HTTP_STREAM_HELD_MAX);
	struct client c = {0};

	begin();
	world.deaf = true; /* and what it says is thrown away */
	client_start(&c, "lines/1");
	TURN_UNTIL(c.opened);
	write_line(&c, 3 * HTTP_STREAM_LINE_MAX);
	http_stream_write(world.stream, bytes_of(block, HTTP_STREAM_HELD_MAX));
	CHECK(world.stream != NULL && world.closed == 0);
	http_stream_write(world.stream, bytes_str("y"));
	TURN_UNTIL(world.closed == 1);
	client_end(&c);
	end();
	free(block);
}

TEST(line_client_says_which_status_it_got_instead_of_an_upgrade)
{
	struct client c = {0};

	begin();
	world.refuses = true;
	client_start(&c, "lines/1");
	TURN_UNTIL(c.closed);
	CHECK(!c.opened);
	CHECK_INT(c.status, 404);
	CHECK_INT(c.why, ERR_PROTO);
	client_end(&c);
	end();
}

TEST(line_client_says_why_nobody_answers)
{
	struct client c = {0};

	begin();
	http_server_free(world.server);
	world.server = NULL;
	client_start(&c, "lines/1");
	TURN_UNTIL(c.closed);
	CHECK_INT(c.status, LINE_CLIENT_NOBODY);
	CHECK_INT(c.why, ERR_UNREACHABLE);
	client_end(&c);
	end();
}

TEST(line_client_may_be_freed_by_its_own_callback)
{
	struct client c = {.frees_itself = true};

	begin();
	client_start(&c, "lines/1");
	TURN_UNTIL(c.c == NULL);
	TURN_UNTIL(world.closed == 1);
	client_end(&c);
	end();
}
