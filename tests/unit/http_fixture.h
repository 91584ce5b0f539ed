/* tests/unit/http_fixture.h - an HTTP server at a port of 127.0.0.1 that was free. */
#ifndef SHOAL_HTTP_FIXTURE_H
#define SHOAL_HTTP_FIXTURE_H

#include "net/http_server.h"
#include "net/tcp.h"

/* include "test.h" before this */

static inline struct http_server *serve_http(struct loop *loop, http_handler *handle, void *user,
					     uint16_t *port)
{
	struct http_server *s = NULL;
	int fd = tcp_listen("127.0.0.1", 0, port, NULL);

	CHECK(fd >= 0);
	CHECK_INT(http_server_new(loop, fd, handle, user, &s), OK);
	return s;
}

#endif
