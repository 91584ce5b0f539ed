#include "test.h"

#include <stdlib.h>

#include "wire/http_get.h"

#define HEAD "GET /announce?a=1&b HTTP/1.1\r\n"

static bool parses(const char *text, struct http_get *g)
{
	/* exactly sized, so that one byte too many is seen */
	size_t n = strlen(text);
	uint8_t *copy = malloc(n + (n == 0));
	bool ok;

	memcpy(copy, text, n);
	ok = http_get_parse(bytes_of(copy, n), g);
	free(copy);
	return ok;
}

static bool keeps(const char *text)
{
	struct http_get g;

	CHECK(parses(text, &g));
	return g.keep_alive;
}

TEST(a_plain_get_is_taken_apart)
{
	static const char text[] = HEAD "Host: x:6969\r\nUser-Agent:  a/1 (b; c)\r\nX:\r\n\r\n";
	struct http_get g;

	CHECK(http_get_parse(bytes_str(text), &g));
	CHECK(bytes_eq(g.path, bytes_str("/announce")));
	CHECK(bytes_eq(g.query, bytes_str("a=1&b")));
	CHECK(g.keep_alive);
	CHECK(http_get_parse(bytes_str("GET / HTTP/1.0\r\n\r\n"), &g));
	CHECK(bytes_eq(g.path, bytes_str("/")));
	CHECK_INT(g.query.len, 0);
	CHECK(http_get_parse(bytes_str("GET /? HTTP/1.1\r\n\r\n"), &g));
	CHECK_INT(g.query.len, 0);
	CHECK(http_get_parse(bytes_str("GET /?a?b HTTP/1.1\r\n\r\n"), &g));
	CHECK(bytes_eq(g.query, bytes_str("a?b")));
}

TEST(a_connection_is_kept_as_version_and_header_say)
{
	CHECK(keeps("GET / HTTP/1.1\r\n\r\n"));
	CHECK(!keeps("GET / HTTP/1.0\r\n\r\n"));
	CHECK(!keeps("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
	CHECK(!keeps("GET / HTTP/1.1\r\nconnection:CLOSE\r\n\r\n"));
	CHECK(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(what_is_cut_off_anywhere_is_not_taken)
{
	static const char text[] = HEAD "Host: x\r\nConnection: close\r\n\r\n";
	struct http_get g;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		uint8_t *copy = malloc(n + (n == 0));

		memcpy(copy, text, n);
		if (http_get_parse(bytes_of(copy, n), &g))
			fail_msg("%zu bytes were taken", n);
		free(copy);
	}
	CHECK(parses(text, &g));
}

/* O-30 */
TEST(what_is_odd_is_left_to_a_reader_of_all_of_http)
{
	static const char *const odd[] = {
	    "",
	    "\r\n\r\n",
	    "GET /\r\n\r\n",
	    "GET  / HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.1 \r\n\r\n",
	    "GET /  HTTP/1.1\r\n\r\n",
	    "GET /\tHTTP/1.1\r\n\r\n",
	    "GET x HTTP/1.1\r\n\r\n",
	    "GET http://x/ HTTP/1.1\r\n\r\n",
	    "GET /#a HTTP/1.1\r\n\r\n",
	    "GET /\xc3\xbc HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.2\r\n\r\n",
	    "GET / HTTP/2.0\r\n\r\n",
	    "GET / http/1.1\r\n\r\n",
	    "get / HTTP/1.1\r\n\r\n",
	    "HEAD / HTTP/1.1\r\n\r\n",
	    "POST / HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.1\n\n",
	    "GET / HTTP/1.1\r\nHost: x\n\r\n",
	    "GET / HTTP/1.1\r\nHost: x\r\n\n",
	    "GET / HTTP/1.1\r\n\r\nx",
	    "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	    HEAD "Host\r\n\r\n",
	    HEAD ": x\r\n\r\n",
	    HEAD "Host : x\r\n\r\n",
	    HEAD " Host: x\r\n\r\n",
	    HEAD "Host: x\r\n folded\r\n\r\n",
	    HEAD "Host: x\ry\r\n\r\n",
	    HEAD "Host: x\x01\r\n\r\n",
	    HEAD "H\xc3\xbc: x\r\n\r\n",
	    HEAD "Host: x\r\nhost: y\r\n\r\n",
	    HEAD "Content-Length: 0\r\n\r\n",
	    HEAD "content-length: 5\r\n\r\nhello",
	    HEAD "Transfer-Encoding: chunked\r\n\r\n",
	    HEAD "Expect: 100-continue\r\n\r\n",
	    HEAD "Upgrade: x\r\n\r\n",
	    HEAD "Connection: Upgrade\r\n\r\n",
	    HEAD "Connection: close, TE\r\n\r\n",
	    HEAD "Connection:\r\n\r\n",
	};
	static const char nul[] = "GET /a\0b HTTP/1.1\r\n\r\n", nul2[] = HEAD "X: \0\r\n\r\n";
	struct http_get g;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		if (parses(odd[i], &g))
			fail_msg("taken: %s", odd[i]);
	}
	CHECK(!http_get_parse(bytes_of(nul, sizeof(nul) - 1), &g));
	CHECK(!http_get_parse(bytes_of(nul2, sizeof(nul2) - 1), &g));
}

TEST(more_headers_or_bytes_than_is_plain_are_not_taken)
{
	static char text[HTTP_GET_BYTES_MAX + 64];
	struct http_get g;
	size_t n = sizeof(HEAD) - 1;

	memcpy(text, HEAD, n);
	for (unsigned i = 0; i < HTTP_GET_HEADERS_MAX; i++, n += 5)
		memcpy(text + n, "X: y\r\n", 6), n++;
	memcpy(text + n, "\r\n", 2);
	CHECK(http_get_parse(bytes_of(text, n + 2), &g));
	memcpy(text + n, "X: y\r\n\r\n", 8);
	CHECK(!http_get_parse(bytes_of(text, n + 8), &g));
	n = sizeof(HEAD) - 1;
	memcpy(text + n, "X: ", 3);
	memset(text + n + 3, 'y', sizeof(text) - n - 3);
	memcpy(text + HTTP_GET_BYTES_MAX - 4, "\r\n\r\n", 4);
	CHECK(http_get_parse(bytes_of(text, HTTP_GET_BYTES_MAX), &g));
	memcpy(text + HTTP_GET_BYTES_MAX - 4, "y\r\n\r\n", 5);
	CHECK(!http_get_parse(bytes_of(text, HTTP_GET_BYTES_MAX + 1), &g));
}
