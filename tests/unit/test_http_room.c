#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_server_impl.h"
#include "net/http_stream.h"
#include "test.h"

#include "http_fixture.h"

#define HUGE_BYTES ((size_t)64 << 20)
#define GREEDY 9 /* so many of these are too much */

static struct {
	struct loop *loop;
	struct http_server *server;
	uint16_t port;
	struct http_stream *stream;
	unsigned asked, closed;
	size_t most_mapped; /* large blocks of memory, at any request */
} world;

static void on_closed(void *user)
{
	(void)user;
	world.closed++;
}

static void note_memory(void)
{
	size_t mapped = mallinfo2().hblkhd; /* 0 with sanitizers, whose memory it is not */

	if (mapped > world.most_mapped)
		world.most_mapped = mapped;
}

/* "/huge" costs no memory: its pages are never written to. */
static void on_request(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct http_stream_params p = {.head = "HTTP/1.1 200 OK\r\n", .closed = on_closed};

	(void)user;
	world.asked++;
	if (bytes_eq(r->path, bytes_str("/stream"))) {
		world.stream = http_stream_take(r, &p);
		CHECK(world.stream != NULL);
	} else if (bytes_eq(r->path, bytes_str("/huge"))) {
		reply->body.ptr = calloc(1, HUGE_BYTES);
		CHECK(reply->body.ptr != NULL);
		reply->body.len = reply->body.cap = HUGE_BYTES;
		note_memory();
	} else {
		buf_put_str(&reply->body, "small");
	}
}

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	CHECK_INT(loop_new(&world.loop), OK);
	world.server = serve_http(world.loop, on_request, NULL, &world.port);
}

static void end(void)
{
	http_server_free(world.server);
	loop_free(world.loop);
}

/* From 127.0.0.`host`, with room for little. */
static int dial(uint8_t host)
{
	struct sockaddr_in at = {.sin_family = AF_INET}, to = at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 2304;

	at.sin_addr.s_addr = htonl(0x7f000000u | host);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(world.port);
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void turn(void)
{
	CHECK_INT(loop_turn(world.loop, 10), OK);
}

/* Each look at `cond` may take something. */
#define TURN_UNTIL(cond)                                                                           \
	do {                                                                                       \
		bool is_so_ = false;                                                               \
                                                                                                   \
		for (int turn_ = 0; turn_ < 1000 && !(is_so_ = (cond)); turn_++)                   \
			turn();                                                                    \
		CHECK(is_so_);                                                                     \
	} while (0)

static int ask(uint8_t host, const char *path)
{
	unsigned before = world.asked;
	int fd = dial(host);

	dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	TURN_UNTIL(world.asked > before);
	return fd;
}

/* What came so far. */
static const char *heard(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool is_cut(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

static unsigned count_cut(const int *fd, size_t n)
{
	unsigned cut = 0;

	for (size_t i = 0; i < n; i++)
		cut += is_cut(fd[i]);
	return cut;
}

static void close_all(const int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fd[i]);
}

TEST(readers_who_do_not_read_make_way_and_nobody_else)
{
	int fd[GREEDY], honest, stream;

	begin();
	stream = ask(1, "/stream");
	for (size_t i = 0; i < GREEDY; i++)
		fd[i] = ask(2, "/huge");
	TURN_UNTIL(world.server->out_held <= HTTP_HELD_BYTES_MAX);
	TURN_UNTIL(count_cut(fd, GREEDY) == 1);
	http_stream_write(world.stream, bytes_str("still here\n"));
	TURN_UNTIL(strstr(heard(stream), "still here") != NULL);
	CHECK_INT(world.closed, 0);
	/* Others are answered, and may ask for much, too. */
	honest = ask(1, "/small");
	TURN_UNTIL(strstr(heard(honest), "small") != NULL);
	close(honest);
	honest = ask(3, "/huge");
	TURN_UNTIL(count_cut(fd, GREEDY) == 2);
	CHECK(world.server->out_held <= HTTP_HELD_BYTES_MAX);
	TURN_UNTIL(strstr(heard(honest), "HTTP/1.1 200 OK") != NULL);
	CHECK(!is_cut(honest));
	close(honest);
	close(stream);
	close_all(fd, GREEDY);
	end();
}

/* What is cut must be free before the next answer is made, not only at the end of the turn. */
TEST(no_more_is_held_within_one_turn_of_the_loop_either)
{
	enum { N = 3 * GREEDY };
	int fd[N];

	begin();
	for (size_t i = 0; i < N; i++) {
		fd[i] = dial(2);
		dprintf(fd[i], "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	TURN_UNTIL(world.asked == N);
	/* One more is made before another makes way for it. */
	CHECK(world.most_mapped <= HTTP_HELD_BYTES_MAX + 3 * HUGE_BYTES);
	TURN_UNTIL(world.server->out_held <= HTTP_HELD_BYTES_MAX);
	close_all(fd, N);
	end();
}

/* Its output is thrown away in mid-answer, and its owner told. */
TEST(a_stream_that_holds_the_most_makes_way_like_any_other)
{
	static char much[1 << 20];
	int stream, honest;

	begin();
	world.server->held_max = sizeof(much) / 2;
	stream = ask(2, "/stream");
	/* Megabytes of it the kernel takes. */
	for (int i = 0; i < 64 && world.closed == 0; i++) {
		http_stream_write(world.stream, bytes_of(much, sizeof(much) / 8));
		turn();
	}
	CHECK_INT(world.closed, 1);
	TURN_UNTIL(is_cut(stream));
	honest = ask(2, "/small");
	TURN_UNTIL(strstr(heard(honest), "small") != NULL);
	CHECK_INT(world.server->out_held, 0);
	close(honest);
	close(stream);
	end();
}

static int post(uint8_t host, size_t length, size_t sent)
{
	char *body = calloc(1, sent);
	int fd = dial(host);

	dprintf(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", length);
	for (size_t at = 0; at < sent;) {
		ssize_t n = send(fd, body + at, sent - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		turn();
	}
	free(body);
	return fd;
}

TEST(bodies_that_never_end_make_way_for_one_that_does)
{
	enum { KIB = 1024, N = 6 };
	int fd[N], honest;

	begin();
	world.server->held_max = 1024 * KIB;
	for (size_t i = 0; i < N; i++)
		fd[i] = post(2, 96 * 1024 * KIB, 165 * KIB);
	TURN_UNTIL(world.server->in_held > 6 * 165 * KIB);
	CHECK_INT(count_cut(fd, N), 0);
	honest = post(1, 150 * KIB, 150 * KIB);
	TURN_UNTIL(world.asked == 1);
	TURN_UNTIL(strstr(heard(honest), "small") != NULL);
	TURN_UNTIL(count_cut(fd, N) == 1);
	CHECK(world.server->in_held <= world.server->held_max);
	close(honest);
	close_all(fd, N);
	end();
}

/* However much came before. */
TEST(silence_within_a_body_ends_the_connection)
{
	struct conn *c;
	int fd;

	begin();
	fd = post(1, 4 << 20, 2 << 20);
	c = LIST_FIRST(&world.server->adopted);
	TURN_UNTIL(c->moved > 2 << 20);
	c->heard_ms -= HTTP_IDLE_S * 1000u;
	TURN_UNTIL(is_cut(fd));
	close(fd);
	end();
}

/* Reads what is there. */
static bool has_ended(int fd)
{
	char data[4096];
	ssize_t n;

	do {
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	} while (n > 0);
	return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void get_small(int fd)
{
	unsigned before = world.asked;

	dprintf(fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	TURN_UNTIL(world.asked > before);
	TURN_UNTIL(strstr(heard(fd), "small") != NULL);
}

TEST(the_connection_that_is_silent_for_longest_makes_way_for_a_new_one)
{
	enum { MOST = 8 };
	int fd[MOST + 3];

	begin();
	world.server->conns_max = MOST;
	for (size_t i = 0; i < MOST; i++)
		fd[i] = ask(2, "/small");
	get_small(fd[0]);
	for (size_t i = MOST; i < MOST + 3; i++) {
		fd[i] = dial(1);
		get_small(fd[i]);
	}
	for (size_t i = 0; i < MOST + 3; i++)
		CHECK_INT(has_ended(fd[i]), i >= 1 && i <= 3);
	CHECK_INT(world.server->n_conns, MOST);
	close_all(fd, MOST + 3);
	end();
}

/* Begun requests are no silence. */
TEST(a_host_with_most_connections_makes_way_for_others_and_not_for_itself)
{
	enum { MOST = 8 };
	int fd[MOST], other, more;

	begin();
	world.server->conns_max = MOST;
	for (size_t i = 0; i < MOST; i++) {
		fd[i] = dial(2);
		dprintf(fd[i], "GET /");
		TURN_UNTIL(world.server->in_held == (i + 1) * strlen("GET /"));
	}
	more = dial(2);
	dprintf(more, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	TURN_UNTIL(strstr(heard(more), "HTTP/1.1 503 ") != NULL);
	CHECK_INT(count_cut(fd, MOST), 0);
	other = dial(1);
	get_small(other);
	CHECK(is_cut(fd[0]));
	CHECK_INT(count_cut(fd, MOST), 1);
	CHECK_INT(world.server->n_conns, MOST);
	close(more);
	close(other);
	close_all(fd, MOST);
	end();
}
