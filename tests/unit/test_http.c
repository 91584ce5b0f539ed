#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_client.h"

#include "test.h"

#include "http_fixture.h"

/* A server and a client on one loop. */
struct rig {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	uint16_t port;
	unsigned handled;
	bool ended;	/* who was talked to hung up */
	char seen[256]; /* "METHOD path?query [body bytes]" of the newest request */
	char base[64];	/* "http://127.0.0.1:PORT" */
	struct addr from;
	/* the newest answer */
	bool answered;
	int status;
	struct err_info err;
	struct buf body;
};

static void handle(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct rig *g = user;
	const char *agent = http_request_header(r, "user-agent");
	size_t n = 0;

	g->handled++;
	g->from = r->from;
	snprintf(g->seen, sizeof(g->seen), "%s %.*s?%.*s %zu", r->method, (int)r->path.len,
		 (const char *)r->path.ptr, (int)r->query.len, (const char *)r->query.ptr,
		 r->body.len);
	reply->type = "text/plain";
	if (bytes_eq(r->path, bytes_str("/to-file"))) {
		reply->status = 302;
		reply->headers[0] = "Location";
		reply->headers[1] = "file:///etc/passwd";
	} else if (bytes_eq(r->path, bytes_str("/hop"))) {
		reply->status = 302;
		reply->headers[0] = "Location";
		reply->headers[1] = "/hello";
	} else if (bytes_eq(r->path, bytes_str("/round"))) {
		reply->status = 302;
		reply->headers[0] = "Location";
		reply->headers[1] = "/round";
	} else if (bytes_eq(r->path, bytes_str("/split"))) {
		reply->headers[0] = "X-Bad";
		reply->headers[1] = "a\r\nSet-Cookie: b";
	} else if (bytes_eq(r->path, bytes_str("/cached"))) {
		reply->headers[0] = "Cache-Control";
		reply->headers[1] = "max-age=60";
		buf_put_str(&reply->body, "ok");
	} else if (bytes_eq(r->path, bytes_str("/none"))) {
		reply->status = 404;
	} else if (bytes_eq(r->path, bytes_str("/large"))) {
		while (n++ < 1000)
			buf_put_str(&reply->body, "0123456789");
	} else if (bytes_eq(r->path, bytes_str("/echo"))) {
		buf_put(&reply->body, r->body);
	} else if (bytes_eq(r->path, bytes_str("/agent"))) {
		buf_put_str(&reply->body, agent == NULL ? "none" : agent);
	} else if (bytes_eq(r->path, bytes_str("/param"))) {
		if (!http_request_param(r, "q", &reply->body))
			buf_put_str(&reply->body, "(absent)");
	} else {
		buf_put_str(&reply->body, "hello");
	}
}

static void rig_open(struct rig *g)
{
	*g = (struct rig){0};
	buf_init(&g->body, 1 << 20);
	CHECK_INT(loop_new(&g->loop), 0);
	g->server = serve_http(g->loop, handle, g, &g->port);
	CHECK_INT(http_client_new(g->loop, &g->client), 0);
	snprintf(g->base, sizeof(g->base), "http://127.0.0.1:%u", g->port);
}

static void rig_close(struct rig *g)
{
	http_client_free(g->client);
	http_server_free(g->server);
	loop_free(g->loop);
	buf_fini(&g->body);
}

static void on_done(void *user, const struct http_answer *reply)
{
	struct rig *g = user;

	CHECK(!g->answered);
	g->answered = true;
	g->status = reply->status;
	g->err = reply->err;
	buf_clear(&g->body);
	CHECK_INT(buf_put(&g->body, reply->body), 0);
}

static void turn_until(struct rig *g, const bool *flag, uint32_t limit_ms)
{
	uint64_t end = loop_now_ms(g->loop) + limit_ms;

	while (!*flag && loop_now_ms(g->loop) < end)
		CHECK_INT(loop_turn(g->loop, 50), 0);
	CHECK(*flag);
}

static struct http_ask ask_for(struct rig *g, const char *url)
{
	return (struct http_ask){
	    .method = "GET", .url = url, .max_bytes = 1 << 20, .done = on_done, .user = g};
}

static void ask(struct rig *g, const struct http_ask *a)
{
	g->answered = false;
	CHECK(http_client_send(g->client, a) != NULL);
	CHECK(!g->answered); /* never from inside */
	turn_until(g, &g->answered, 20000);
}

static const char *get(struct rig *g, const char *path)
{
	char url[512];
	struct http_ask a;

	snprintf(url, sizeof(url), "%s%s", g->base, path);
	a = ask_for(g, url);
	ask(g, &a);
	return buf_cstr(&g->body);
}

TEST(a_get_brings_status_and_body)
{
	struct rig g;

	rig_open(&g);
	CHECK_STR(get(&g, "/a%20b/c?x=1&y=%26"), "hello");
	CHECK_INT(g.status, 200);
	CHECK_INT(g.err.code, OK);
	CHECK_STR(g.seen, "GET /a%20b/c?x=1&y=%26 0");
	CHECK(addr_is_loopback(&g.from));
	get(&g, "/none");
	CHECK_INT(g.status, 404);
	CHECK_INT(g.err.code, OK);
	get(&g, "");
	CHECK_STR(g.seen, "GET /? 0");
	CHECK(strncmp(get(&g, "/agent"), "shoal/", 6) == 0);
	rig_close(&g);
}

TEST(a_post_sends_its_body_and_a_delete_may_have_one)
{
	struct rig g;
	struct http_ask a;
	char url[96];
	uint8_t *big = calloc(1, 3 << 20);
	const char *headers[] = {"Content-Type: application/json", NULL};

	CHECK(big != NULL);
	rig_open(&g);
	snprintf(url, sizeof(url), "%s/echo", g.base);
	a = ask_for(&g, url);
	a.method = "POST";
	a.headers = headers;
	a.body = bytes_str("{\"a\": 1}");
	ask(&g, &a);
	CHECK_STR(buf_cstr(&g.body), "{\"a\": 1}");
	a.method = "DELETE";
	ask(&g, &a);
	CHECK_STR(g.seen, "DELETE /echo? 8");
	a.method = "POST";
	a.body = bytes_of(NULL, 0);
	ask(&g, &a);
	CHECK_STR(g.seen, "POST /echo? 0");
	snprintf(url, sizeof(url), "%s/hello", g.base);
	a.body = bytes_of(big, 3 << 20);
	ask(&g, &a);
	CHECK_STR(g.seen, "POST /hello? 3145728");
	free(big);
	rig_close(&g);
}

TEST(a_parameter_is_found_decoded_and_malformed_ones_are_not)
{
	struct rig g;

	rig_open(&g);
	CHECK_STR(get(&g, "/param?p=1&q=a+b%2Bc%26&q=second"), "a b+c&");
	CHECK_STR(get(&g, "/param?%71=x"), "x");
	CHECK_STR(get(&g, "/param?q=+"), " ");
	CHECK_STR(get(&g, "/param?q"), "");
	CHECK_STR(get(&g, "/param?q=%zz"), "(absent)");
	CHECK_STR(get(&g, "/param?qq=1&&="), "(absent)");
	CHECK_STR(get(&g, "/param"), "(absent)");
	rig_close(&g);
}

TEST(redirects_are_followed_to_http_alone_and_not_without_end)
{
	struct rig g;

	rig_open(&g);
	CHECK_STR(get(&g, "/hop"), "hello");
	CHECK_INT(g.status, 200);
	get(&g, "/to-file");
	CHECK_INT(g.err.code, ERR_PROTO);
	CHECK_INT(g.status, 0);
	CHECK_INT(g.body.len, 0);
	CHECK(strstr(g.err.text, g.base) == g.err.text);
	g.handled = 0;
	get(&g, "/round");
	CHECK_INT(g.err.code, ERR_PROTO);
	CHECK_INT(g.handled, HTTP_REDIRECTS_MAX + 1);
	rig_close(&g);
}

/* Nearer than this machine nothing is: tests/e2e/test_strangers.py has the others. */
TEST(a_strangers_url_leads_as_near_as_it_is_but_to_no_link_that_is_not_ours)
{
	struct http_ask a;
	char url[100];
	struct rig g;

	rig_open(&g);
	snprintf(url, sizeof(url), "%s/hop", g.base);
	a = ask_for(&g, url);
	a.distrusted = true;
	ask(&g, &a);
	CHECK_STR(buf_cstr(&g.body), "hello");
	a = ask_for(&g, "http://169.254.169.254:1/latest");
	a.distrusted = true;
	ask(&g, &a);
	CHECK_INT(g.err.code, ERR_DENIED);
	rig_close(&g);
}

TEST(other_schemes_are_refused)
{
	static const char *const urls[] = {
	    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1", "", "http://",
	    "http://a b/"};
	struct rig g;

	rig_open(&g);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_ask a = ask_for(&g, urls[i]);

		ask(&g, &a);
		CHECK_INT(g.err.code, ERR_INVALID);
	}
	rig_close(&g);
}

TEST(a_body_at_the_limit_passes_and_one_byte_more_does_not)
{
	struct rig g;
	struct http_ask a;
	char url[96];

	rig_open(&g);
	snprintf(url, sizeof(url), "%s/large", g.base);
	a = ask_for(&g, url);
	a.max_bytes = 10000;
	ask(&g, &a);
	CHECK_INT(g.err.code, OK);
	CHECK_INT(g.body.len, 10000);
	a.max_bytes = 9999;
	ask(&g, &a);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	CHECK(strstr(g.err.text, "9999") != NULL);
	rig_close(&g);
}

TEST(a_refused_connection_is_told_in_one_line)
{
	struct rig g;
	char want[128];
	uint16_t port;
	int fd;
	struct err_info info;

	rig_open(&g);
	fd = tcp_listen("127.0.0.1", 0, &port, &info);
	close(fd);
	snprintf(g.base, sizeof(g.base), "http://127.0.0.1:%u", port);
	get(&g, "/secret?token=1");
	CHECK_INT(g.err.code, ERR_UNREACHABLE);
	snprintf(want, sizeof(want), "http://127.0.0.1:%u: connection refused", port);
	CHECK_STR(g.err.text, want);
	rig_close(&g);
}

TEST(user_and_password_are_not_part_of_a_message)
{
	struct rig g;
	struct http_ask a;

	rig_open(&g);
	a = ask_for(&g, "ftp://me:secret@127.0.0.1:1/x");
	ask(&g, &a);
	CHECK(strstr(g.err.text, "secret") == NULL);
	CHECK(strstr(g.err.text, "127.0.0.1:1") != NULL);
	rig_close(&g);
}

/* What a stranger's server says, byte by byte, to the first who connects; `more` again and again.
 * `parts`: how its body is taken; NULL: whole. */
static void answer_more(struct rig *g, const char *text, const char *more,
			const struct http_parts *parts, bool hang_up, uint32_t total_ms)
{
	ssize_t n;
	struct err_info info;
	struct http_ask a;
	struct addr from;
	char url[96];
	uint16_t port;
	int listener = tcp_listen("127.0.0.1", 0, &port, &info), fd = ERR_AGAIN;
	uint64_t end = loop_now_ms(g->loop) + 10000;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	a = ask_for(g, url);
	a.total_ms = total_ms;
	a.max_bytes = 100;
	a.parts = parts;
	g->answered = false;
	CHECK(http_client_send(g->client, &a) != NULL);
	while (!g->answered && loop_now_ms(g->loop) < end) {
		CHECK_INT(loop_turn(g->loop, 20), 0);
		if (fd < 0 && (fd = tcp_accept(listener, &from)) >= 0) {
			CHECK_INT(write(fd, text, strlen(text)), strlen(text));
			if (hang_up)
				shutdown(fd, SHUT_WR);
		}
		for (n = 1; fd >= 0 && more != NULL && n > 0;)
			n = write(fd, more, strlen(more));
	}
	CHECK(g->answered);
	if (fd >= 0)
		close(fd);
	close(listener);
}

static void answer_raw(struct rig *g, const char *text, bool hang_up, uint32_t total_ms)
{
	answer_more(g, text, NULL, NULL, hang_up, total_ms);
}

TEST(a_server_that_does_not_answer_in_time_is_a_timeout)
{
	struct rig g;

	rig_open(&g);
	answer_raw(&g, "", false, 300);
	CHECK_INT(g.err.code, ERR_TIMEOUT);
	answer_raw(&g, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false, 300);
	CHECK_INT(g.err.code, ERR_TIMEOUT);
	CHECK(strstr(g.err.text, "0.3 s") != NULL);
	rig_close(&g);
}

TEST(answers_that_are_no_http_are_named_as_such)
{
	struct rig g;

	rig_open(&g);
	answer_raw(&g, "", true, 5000);
	CHECK_INT(g.err.code, ERR_UNREACHABLE);
	CHECK(strstr(g.err.text, "without an answer") != NULL);
	answer_raw(&g, "SSH-2.0-x\r\n", true, 5000);
	CHECK_INT(g.err.code, ERR_PROTO);
	answer_raw(&g, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", true, 5000);
	CHECK_INT(g.err.code, ERR_UNREACHABLE);
	answer_raw(&g, "HTTP/1.0 200 OK\r\n\r\nab", true, 5000);
	CHECK_INT(g.err.code, OK);
	CHECK_STR(buf_cstr(&g.body), "ab");
	rig_close(&g);
}

TEST(a_body_without_a_length_is_cut_off_at_the_limit)
{
	struct rig g;
	char text[300];

	rig_open(&g);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "HTTP/1.0 200 OK\r\n\r\n", 19);
	answer_raw(&g, text, false, 5000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	answer_raw(&g, "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", false, 5000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	rig_close(&g);
}

static enum http_take take_all(void *user, struct http_call *call, struct bytes part)
{
	(void)user, (void)call, (void)part;
	return HTTP_TAKE_MORE;
}

/* libcurl keeps all trailers, and reads over what a redirect brings. */
TEST(headers_trailers_and_redirects_without_end_are_cut_off)
{
	const struct http_parts parts = {take_all, 20};
	struct rig g;

	rig_open(&g);
	answer_more(&g, "HTTP/1.1 200 OK\r\n", "T: t\r\n", NULL, false, 30000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	CHECK(strstr(g.err.text, "headers") != NULL);
	answer_more(&g, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
		    "T: t\r\n", NULL, false, 30000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	CHECK(strstr(g.err.text, "headers") != NULL);
	answer_more(&g, "HTTP/1.1 302 F\r\nLocation: /x\r\nContent-Length: 99999999\r\n\r\n",
		    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", &parts, false,
		    30000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	CHECK(strstr(g.err.text, "redirects") != NULL);
	rig_close(&g);
}

TEST(chunk_extensions_without_end_are_cut_off_and_small_chunks_are_none)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char chunk[] = "1;x=1\r\na\r\n";
	const struct http_parts parts = {take_all, 20};
	char *text = malloc(sizeof(head) + 2000 * sizeof(chunk) + 8);
	char *at = text + snprintf(text, sizeof(head), "%s", head);
	struct rig g;

	rig_open(&g);
	answer_more(&g, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=",
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", &parts, false,
		    30000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	CHECK(strstr(g.err.text, "chunk") != NULL);
	answer_more(&g, head, "1;x=eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\nb\r\n", &parts,
		    false, 30000);
	CHECK_INT(g.err.code, ERR_TOO_BIG);
	for (int i = 0; i < 90; i++)
		at += snprintf(at, sizeof(chunk), "%s", chunk);
	snprintf(at, 8, "0\r\n\r\n");
	answer_raw(&g, text, false, 5000);
	CHECK_INT(g.err.code, OK);
	CHECK_INT(g.body.len, 90);
	free(text);
	rig_close(&g);
}

TEST(a_redirect_into_a_terminal_escape_is_escaped)
{
	struct rig g;

	rig_open(&g);
	answer_raw(&g, "HTTP/1.1 302 F\r\nLocation: x\033]0;y\a://z\r\nContent-Length: 0\r\n\r\n",
		   false, 5000);
	CHECK(g.err.code != OK || g.status != 0);
	CHECK(strchr(g.err.text, '\033') == NULL);
	rig_close(&g);
}

static void on_cancelled(void *user, const struct http_answer *reply)
{
	(void)user, (void)reply;
	fail_msg("a cancelled call was answered");
}

/* ---- bodies in parts --------------------------------------------------------- */

struct parts {
	struct rig g;
	struct http_call *call;
	struct buf got;
	enum { ALL, FIRST_LATER, STOP_EARLY, CANCEL } how;
	bool paused;
	char type[64];
};

static enum http_take on_part(void *user, struct http_call *call, struct bytes part)
{
	struct parts *p = user;
	const char *type = http_call_header(call, "content-type");

	CHECK_INT(http_call_status(call), 200);
	snprintf(p->type, sizeof(p->type), "%s", type == NULL ? "" : type);
	if (p->how == CANCEL) {
		http_call_cancel(call);
		return HTTP_TAKE_STOP;
	}
	if (p->how == FIRST_LATER && !p->paused) {
		p->paused = true;
		return HTTP_TAKE_LATER;
	}
	CHECK_INT(buf_put(&p->got, part), 0);
	return p->how == STOP_EARLY ? HTTP_TAKE_STOP : HTTP_TAKE_MORE;
}

static void ask_in_parts(struct parts *p, const char *path)
{
	struct http_parts parts = {on_part, 20};
	char url[128];
	struct http_ask a;

	snprintf(url, sizeof(url), "%s%s", p->g.base, path);
	a = ask_for(&p->g, url);
	a.parts = &parts;
	a.user = p;
	a.max_bytes = 0;
	buf_init(&p->got, 1 << 20);
	p->call = http_client_send(p->g.client, &a);
	CHECK(p->call != NULL);
}

TEST(a_body_in_parts_comes_whole_and_without_a_limit)
{
	struct parts p = {.how = ALL};

	rig_open(&p.g);
	ask_in_parts(&p, "/large");
	turn_until(&p.g, &p.g.answered, 20000);
	CHECK_INT(p.g.status, 200);
	CHECK_INT(p.g.err.code, OK);
	CHECK_INT(p.got.len, 10000);
	CHECK_STR(p.type, "text/plain");
	buf_fini(&p.got);
	rig_close(&p.g);
}

TEST(a_part_that_is_not_taken_comes_again_when_the_call_is_resumed)
{
	struct parts p = {.how = FIRST_LATER};

	rig_open(&p.g);
	ask_in_parts(&p, "/large");
	turn_until(&p.g, &p.paused, 20000);
	CHECK_INT(p.got.len, 0);
	http_call_resume(p.call);
	turn_until(&p.g, &p.g.answered, 20000);
	CHECK_INT(p.g.err.code, OK);
	CHECK_INT(p.got.len, 10000);
	buf_fini(&p.got);
	rig_close(&p.g);
}

TEST(a_call_that_has_enough_ends_without_an_error_and_a_cancelled_one_is_not_answered)
{
	struct parts p = {.how = STOP_EARLY};
	uint64_t end;

	rig_open(&p.g);
	ask_in_parts(&p, "/large");
	turn_until(&p.g, &p.g.answered, 20000);
	CHECK_INT(p.g.err.code, OK);
	CHECK(p.got.len > 0);
	buf_fini(&p.got);
	p.how = CANCEL;
	p.type[0] = '\0';
	p.g.answered = false;
	ask_in_parts(&p, "/large");
	end = loop_now_ms(p.g.loop) + 20000;
	while (p.type[0] == '\0' && loop_now_ms(p.g.loop) < end)
		CHECK_INT(loop_turn(p.g.loop, 10), 0);
	CHECK_STR(p.type, "text/plain");
	for (int i = 0; i < 5; i++)
		CHECK_INT(loop_turn(p.g.loop, 10), 0);
	CHECK(!p.g.answered);
	buf_fini(&p.got);
	rig_close(&p.g);
}

/* A stranger's link to this machine. */
TEST(a_guarded_client_connects_to_nothing_that_is_too_near)
{
	struct rig g;
	struct http_ask a;
	char url[128];

	rig_open(&g);
	http_client_guard(g.client, ADDR_PRIVATE);
	snprintf(url, sizeof(url), "%s/hello", g.base);
	a = ask_for(&g, url);
	ask(&g, &a);
	CHECK_INT(g.err.code, ERR_DENIED);
	CHECK_INT(g.handled, 0);
	snprintf(url, sizeof(url), "http://localhost:%u/hello", g.port);
	ask(&g, &a);
	CHECK_INT(g.err.code, ERR_DENIED);
	CHECK_INT(g.handled, 0);
	rig_close(&g);
}

TEST(a_call_of_one_family_connects_over_no_other)
{
	struct rig g;
	struct http_ask a;
	char url[96];

	rig_open(&g);
	snprintf(url, sizeof(url), "http://localhost:%u/hello", g.port);
	a = ask_for(&g, url);
	a.family = ADDR_V6; /* the server listens on 127.0.0.1 */
	ask(&g, &a);
	CHECK_INT(g.err.code, ERR_UNREACHABLE);
	CHECK_INT(g.handled, 0);
	a.family = ADDR_V4;
	ask(&g, &a);
	CHECK_INT(g.err.code, OK);
	CHECK_INT(g.handled, 1);
	rig_close(&g);
}

TEST(a_cancelled_call_is_not_answered)
{
	struct rig g;
	struct http_ask a;
	struct http_call *call;
	char url[96];

	rig_open(&g);
	snprintf(url, sizeof(url), "%s/hello", g.base);
	a = ask_for(&g, url);
	a.done = on_cancelled;
	call = http_client_send(g.client, &a);
	CHECK(call != NULL);
	http_call_cancel(call);
	call = http_client_send(g.client, &a);
	for (int i = 0; i < 3 && g.handled == 0; i++)
		CHECK_INT(loop_turn(g.loop, 10), 0);
	http_call_cancel(call);
	CHECK_STR(get(&g, "/hello"), "hello");
	CHECK(http_client_send(g.client, &a) != NULL); /* ends with the client */
	rig_close(&g);
}

static void on_done_free(void *user, const struct http_answer *reply)
{
	struct rig *g = user;

	CHECK_INT(reply->status, 200);
	http_client_free(g->client);
	g->client = NULL;
	g->answered = true;
}

TEST(a_client_may_be_freed_by_the_answer_to_its_call)
{
	struct rig g;
	struct http_ask a;
	char url[96];

	rig_open(&g);
	snprintf(url, sizeof(url), "%s/hello", g.base);
	a = ask_for(&g, url);
	a.done = on_done_free;
	CHECK(http_client_send(g.client, &a) != NULL);
	a.done = on_cancelled;
	snprintf(url, sizeof(url), "%s/large", g.base);
	turn_until(&g, &g.answered, 5000);
	CHECK_INT(loop_turn(g.loop, 1), 0);
	rig_close(&g);
}

/* ---- the server against raw clients ---------------------------------------- */

/* Send `text` and return all that comes until the server closes, or `enough` arrived. */
static const char *talk(struct rig *g, const char *text, size_t len, const char *enough)
{
	static char got[65536];
	static const uint8_t ip[4] = {127, 0, 0, 1};
	uint64_t end = loop_now_ms(g->loop) + 15000;
	struct addr to;
	size_t n = 0, sent = 0;
	ssize_t r = -1;
	int fd;

	CHECK_INT(addr_from_ip(&to, bytes_of(ip, 4), g->port), 0);
	fd = tcp_connect(&to);
	CHECK(fd >= 0);
	while (r != 0 && loop_now_ms(g->loop) < end) {
		if (sent < len) {
			ssize_t w = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

			sent += w > 0 ? (size_t)w : 0;
		}
		CHECK_INT(loop_turn(g->loop, 5), 0);
		r = read(fd, got + n, sizeof(got) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
		got[n] = '\0';
		if (n > 0 && enough != NULL && strstr(got, enough) != NULL)
			break;
		if (r < 0 && sent == len && n > 0 && enough == NULL &&
		    loop_now_ms(g->loop) > end - 14000)
			break;
	}
	close(fd);
	g->ended = r == 0;
	return got;
}

static const char *say(struct rig *g, const char *text, const char *enough)
{
	return talk(g, text, strlen(text), enough);
}

static bool has_status(const char *reply, int status)
{
	char want[16];

	snprintf(want, sizeof(want), " %d ", status);
	return strncmp(reply, "HTTP/1.", 7) == 0 && memcmp(reply + 8, want, 5) == 0;
}

TEST(replies_carry_no_store_and_nosniff_unless_told_otherwise)
{
	struct rig g;
	const char *r;

	rig_open(&g);
	r = say(&g, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
	CHECK(has_status(r, 200));
	CHECK(strstr(r, "Cache-Control: no-store\r\n") != NULL);
	CHECK(strstr(r, "X-Content-Type-Options: nosniff\r\n") != NULL);
	CHECK(strstr(r, "Content-Type: text/plain\r\n") != NULL);
	CHECK(strstr(r, "\r\n\r\nhello") != NULL);
	r = say(&g, "GET /cached HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
	CHECK(strstr(r, "Cache-Control: max-age=60\r\n") != NULL);
	CHECK(strstr(r, "no-store") == NULL);
	rig_close(&g);
}

TEST(a_header_with_a_line_break_becomes_an_error_of_ours)
{
	struct rig g;
	const char *r;

	rig_open(&g);
	r = say(&g, "GET /split HTTP/1.1\r\nHost: x\r\n\r\n", "</HTML>");
	CHECK(has_status(r, 500));
	CHECK(strstr(r, "Set-Cookie") == NULL);
	rig_close(&g);
}

TEST(http_1_0_is_answered_and_closed_and_kept_on_request)
{
	struct rig g;
	const char *r;

	rig_open(&g);
	r = say(&g, "GET / HTTP/1.0\r\n\r\n", "hello");
	CHECK(has_status(r, 200));
	g.handled = 0;
	r = say(&g,
		"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
		"GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"hello");
	CHECK(strstr(r, "eep-alive") != NULL);
	rig_close(&g);
}

TEST(one_connection_carries_a_thousand_requests)
{
	enum { N = 1000 };
	static const char one[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char last[] = "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct buf all;
	struct rig g;

	rig_open(&g);
	buf_init(&all, 1 << 20);
	for (int i = 1; i < 200; i++)
		buf_put_str(&all, one);
	buf_put_str(&all, last);
	talk(&g, (const char *)all.ptr, all.len, NULL);
	CHECK_INT(g.handled, 200);
	CHECK_STR(g.seen, "GET /end? 0");
	/* A client that leaves after the first answer of a thousand hurts nobody. */
	buf_clear(&all);
	for (int i = 1; i < N; i++)
		buf_put_str(&all, one);
	buf_put_str(&all, last);
	talk(&g, (const char *)all.ptr, all.len, "hello");
	CHECK_STR(get(&g, "/hello"), "hello");
	buf_fini(&all);
	rig_close(&g);
}

TEST(a_head_has_the_length_and_no_body)
{
	struct rig g;
	const char *r;

	rig_open(&g);
	r = say(&g, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
	CHECK(has_status(r, 200));
	CHECK(strstr(r, "Content-Length: 5\r\n") != NULL);
	CHECK_STR(strstr(r, "\r\n\r\n"), "\r\n\r\n");
	CHECK_STR(g.seen, "HEAD /? 0");
	rig_close(&g);
}

TEST(other_methods_and_broken_requests_never_reach_the_handler)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
	    {"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
	    {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
	    {"GET\r\n\r\n", 400},
	    {"GET / HTTP/9.9\r\n\r\n", 400},
	    {"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
	    {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "3\r\nabc\r\n0\r\n\r\n",
	     400},
	    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
	     "3\r\nabc\r\n0\r\n\r\n",
	     400},
	    {"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", 400},
	    {"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", 400},
	    {"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\nabc", 413},
	};
	struct rig g;

	rig_open(&g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *r = say(&g, cases[i].text, "\r\n\r\n");

		if (!has_status(r, cases[i].status))
			fail_msg("case %zu: %s", i, r);
		CHECK_INT(g.handled, 0);
	}
	rig_close(&g);
}

/* O-30: what some reader in front of us would take for a body, or for nothing. */
TEST(nothing_is_smuggled_behind_a_request_that_can_be_read_in_two_ways)
{
#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n" /* 33 bytes */
	static const char *const texts[] = {
	    "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" HIDDEN,
	    "HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 33\r\n\r\n" HIDDEN,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length\t: 33\r\n\r\n" HIDDEN,
	    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" HIDDEN,
	    "GET / HTTP/1.1\r\nHost: x\r\nX Content-Length: 33\r\n\r\n" HIDDEN,
	    "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n" HIDDEN,
	    "GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n" HIDDEN,
	    "GET /announce HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" HIDDEN,
	};
	struct rig g;

	rig_open(&g);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *r = say(&g, texts[i], NULL);

		if (!has_status(r, 400) || g.handled != 0)
			fail_msg("case %zu: %s, and %s", i, r, g.seen);
	}
	say(&g, "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" HIDDEN, "hello");
	CHECK_STR(g.seen, "GET /hidden? 0");
	CHECK_INT(g.handled, 2);
	rig_close(&g);
#undef HIDDEN
}

/* RFC 9110 section 5.3: of two proxies each wrote a line of its own. What the client wrote itself
 * stands in front of both. */
TEST(who_asks_stands_in_all_lines_that_proxies_wrote)
{
	static const struct {
		const char *headers, *from;
	} cases[] = {
	    {"X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 192.0.2.1\r\n"
	     "x-forwarded-for: 10.0.0.2\r\n",
	     "192.0.2.1"},
	    {"X-Forwarded-For: 192.0.2.66, 192.0.2.1\r\nX-Other: 192.0.2.5\r\n"
	     "X-Forwarded-For: 10.0.0.3 , 10.0.0.2\r\n",
	     "192.0.2.1"},
	    {"X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
	    {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For:\r\nX-Forwarded-For: 10.0.0.2\r\n",
	     "192.0.2.1"},
	    {"X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: unknown\r\n"
	     "X-Forwarded-For: 10.0.0.2\r\n",
	     "10.0.0.2"},
	};
	struct proxies proxies = {.n = 0};
	char text[ADDR_TEXT_MAX], ask[400];
	struct rig g;

	rig_open(&g);
	CHECK_INT(proxies_add(&proxies, bytes_str("127.0.0.1")), 0);
	CHECK_INT(proxies_add(&proxies, bytes_str("10.0.0.0/24")), 0);
	http_server_trust(g.server, &proxies);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(ask, sizeof(ask), "GET /hello HTTP/1.1\r\nHost: x\r\n%s\r\n",
			 cases[i].headers);
		CHECK(has_status(say(&g, ask, "hello"), 200));
		CHECK_STR(addr_host_text(text, &g.from), cases[i].from);
	}
	rig_close(&g);
}

TEST(what_follows_the_last_chunk_is_not_what_a_proxy_says)
{
	static const char forged[] = "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
				     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
				     "X-Forwarded-For: 192.0.2.99\r\n\r\n";
	static const char plain[] = "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
				    "Content-Length: 3\r\n\r\nabc";
	struct proxies proxies = {.n = 0};
	char text[ADDR_TEXT_MAX];
	struct rig g;

	rig_open(&g);
	CHECK_INT(proxies_add(&proxies, bytes_str("127.0.0.1")), 0);
	http_server_trust(g.server, &proxies);
	CHECK(has_status(say(&g, forged, NULL), 411));
	CHECK_INT(g.handled, 0);
	CHECK(has_status(say(&g, plain, "hello"), 200));
	CHECK_STR(addr_host_text(text, &g.from), "192.0.2.1");
	rig_close(&g);
}

TEST(a_body_in_chunks_is_joined_and_a_bad_chunk_is_not_taken)
{
	struct rig g;
	const char *r;

	rig_open(&g);
	r = say(&g,
		"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		NULL);
	CHECK(strstr(r, "\r\n\r\nabcde") != NULL);
	g.handled = 0;
	say(&g, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n",
	    "\r\n\r\n");
	say(&g,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "ffffffffffffffff\r\nabc\r\n",
	    "\r\n\r\n");
	CHECK_INT(g.handled, 0);
	rig_close(&g);
}

/* Who asks for one knows where the refusal ends, and that no more comes. */
TEST(a_tunnel_is_refused_and_the_connection_ends)
{
	static const char *const targets[] = {"example.com:443", "127.0.0.1:80", "[::1]:80", "/",
					      "*"};
	static const char *const behind[] = {"", "\x16\x03\x01",
					     "GET / HTTP/1.1\r\nHost: x\r\n\r\n"};
	struct rig g;
	char ask[200];

	rig_open(&g);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		for (size_t k = 0; k < sizeof(behind) / sizeof(behind[0]); k++) {
			const char *r, *length, *body;

			snprintf(ask, sizeof(ask), "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n%s",
				 targets[i], behind[k]);
			r = say(&g, ask, NULL); /* to its end */
			length = strstr(r, "\r\nContent-Length: ");
			body = strstr(r, "\r\n\r\n");
			if (!has_status(r, 501) || length == NULL || body == NULL ||
			    strtoul(length + 18, NULL, 10) != strlen(body + 4))
				fail_msg("%s: %s", targets[i], r);
			CHECK(g.ended);
			CHECK(strstr(r, "\r\nConnection: close\r\n") != NULL);
			CHECK_INT(g.handled, 0);
		}
	}
	rig_close(&g);
}

TEST(headers_beyond_the_limit_are_refused)
{
	struct rig g;
	struct buf b;

	rig_open(&g);
	buf_init(&b, 2 << 20);
	buf_put_str(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "X-%d: y\r\n", i);
	buf_put_str(&b, "\r\n");
	talk(&g, (const char *)b.ptr, b.len, "\r\n\r\n");
	CHECK_INT(g.handled, 0);
	buf_clear(&b);
	buf_put_str(&b, "GET /");
	for (int i = 0; i < 100000; i++)
		buf_put_str(&b, "0123456789");
	talk(&g, (const char *)b.ptr, b.len, "\r\n\r\n");
	CHECK_INT(g.handled, 0);
	CHECK_STR(get(&g, "/hello"), "hello");
	buf_fini(&b);
	rig_close(&g);
}

TEST(a_refused_descriptor_is_closed_with_the_server)
{
	struct rig g;

	rig_open(&g);
	CHECK_STR(get(&g, "/hello"), "hello"); /* leaves a kept connection behind */
	http_server_free(g.server);
	g.server = NULL;
	get(&g, "/hello");
	CHECK_INT(g.err.code, ERR_UNREACHABLE);
	rig_close(&g);
}

/* One connection each that sends nothing, drips a header, drips a body: the server hangs up on
 * each by itself, and serves others meanwhile. */
TEST(clients_that_hold_a_connection_without_using_it_are_hung_up_on)
{
	static const char *const begin[] = {
	    "", "GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"};
	static const uint8_t ip[4] = {127, 0, 0, 1};
	struct rig g;
	struct addr to;
	int fd[3], open = 3;
	uint64_t start, last = 0;

	rig_open(&g);
	CHECK_INT(addr_from_ip(&to, bytes_of(ip, 4), g.port), 0);
	for (int i = 0; i < 3; i++) {
		fd[i] = tcp_connect(&to);
		CHECK(fd[i] >= 0);
		send(fd[i], begin[i], strlen(begin[i]), MSG_NOSIGNAL);
	}
	start = loop_now_ms(g.loop);
	while (open > 0 && loop_now_ms(g.loop) < start + 1000 * (HTTP_REQUEST_S + 8)) {
		char c;

		CHECK_INT(loop_turn(g.loop, 100), 0);
		if (loop_now_ms(g.loop) >= last + 1000) {
			last = loop_now_ms(g.loop);
			for (int i = 1; i < 3; i++)
				send(fd[i], "x", 1, MSG_NOSIGNAL);
			CHECK_STR(get(&g, "/hello"), "hello");
		}
		for (int i = 0; i < 3; i++) {
			if (fd[i] >= 0 && read(fd[i], &c, 1) == 0) {
				close(fd[i]);
				fd[i] = -1;
				open--;
			}
		}
	}
	CHECK_INT(open, 0);
	CHECK(loop_now_ms(g.loop) >= start + 1000 * HTTP_REQUEST_S - 1000);
	rig_close(&g);
}
