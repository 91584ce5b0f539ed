/* net/line_client.h - a connection to an HTTP server, upgraded to lines both ways; over libcurl, so
 * that proxies and TLS work as for any request.
 *
 * Source: RFC 9110 section 7.8. */
#ifndef SHOAL_NET_LINE_CLIENT_H
#define SHOAL_NET_LINE_CLIENT_H

#include "base/addr.h"
#include "base/buf.h"
#include "net/loop.h"

/* The server's answer must be there so long after the connection is. */
#define LINE_CLIENT_ANSWER_MS 10000u
/* Against a server that never ends a line, or its headers. */
#define LINE_CLIENT_LINE_MAX 65536u
#define LINE_CLIENT_HEAD_MAX 16384u
/* What a server that does not read lets us hold. */
#define LINE_CLIENT_HELD_MAX (4u << 20)

#define LINE_CLIENT_NOBODY (-1)

struct line_client;

struct line_client_params {
	struct loop *loop;
	const char *url;	    /* http or https */
	const char *pin;	    /* http_client_pin(); NULL: none */
	const char *protocol;	    /* to upgrade to */
	const char *const *headers; /* further ones, "Name: value", NULL-ended; may be NULL */
	void (*opened)(void *user);
	void (*line)(void *user, struct bytes line); /* without its end; borrowed for the call */
	/* It could not be had, or is gone. `status`: of an answer that was no upgrade,
	 * LINE_CLIENT_NOBODY where nobody took the connection, else 0.
	 * Once, and nothing follows; line_client_free() is still to come. */
	void (*closed)(void *user, const struct err_info *why, int status);
	void *user;
};

/* Never calls back from within. Returns 0 or ERR_NOMEM. */
int line_client_new(const struct line_client_params *p, struct line_client **out);
/* May be called from the callbacks; calls nothing. */
void line_client_free(struct line_client *c);
/* Never calls back from within; what cannot be written ends the connection. */
void line_client_write(struct line_client *c, struct bytes data);
/* The other end; port 0: unknown, or a proxy may be between. Once it is open. */
void line_client_from(const struct line_client *c, struct addr *out);
/* Bytes that the kernel has not taken yet. */
size_t line_client_held(const struct line_client *c);

#endif
