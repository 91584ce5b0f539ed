/* daemon/daemon_http.h - the daemon's HTTP server on loopback: who may ask, and a table of what.
 *
 * Every request passes the same door first, in this order:
 *   Host      must be 127.0.0.1, [::1] or localhost, with our port or none, else 421 (DNS
 *             rebinding, O-36)
 *   Origin    when there is one it must be our own, else 403; so must Sec-Fetch-Site, unless it is
 *             "none" or "same-origin" (a page of another site in the user's browser)
 *   token     `Authorization: Bearer TOKEN` or `?token=TOKEN`, else 401; not asked of a row that is
 *             ROUTE_OPEN
 *   method    else 405 with Allow
 *   body      of POST, PUT, PATCH: application/json, else 415; not asked of a row that is ROUTE_RAW
 *
 * The token is made at first use and lies in the home's "api-token" (0600); the address in
 * "run/api" while the daemon runs. */
#ifndef SHOAL_DAEMON_DAEMON_HTTP_H
#define SHOAL_DAEMON_DAEMON_HTTP_H

#include <jansson.h>

#include "daemon/jobs.h"
#include "net/http_server.h"

#define DAEMON_HTTP_PORT 6880
#define DAEMON_TOKEN_FILE "api-token"
#define DAEMON_ADDRESS_FILE "run/api"

struct daemon_http;

/* What a handler knows beside its own `user`. */
struct daemon_call {
	struct daemon_http *http;
	const struct http_request *request;
	struct http_reply *reply;
	struct bytes rest; /* of the path, behind the row's; percent-encoding still in it */
	bool has_token;	   /* a right token was shown, also where none is needed */
};

enum { ROUTE_OPEN = 1, ROUTE_RAW = 2 };

struct daemon_route {
	const char *methods; /* "GET, HEAD": so does Allow say it */
	const char *path; /* ends with '/': everything beneath it, in `rest`; else exactly this */
	unsigned flags;
	void (*handle)(void *user, const struct daemon_call *call);
};

struct daemon_http_params {
	struct loop *loop;
	const char *home; /* token and address lie in it */
	int port;	  /* 0: any */
	int listener;	  /* a socket that listens already, instead; taken over. 0: none */
};

/* Nothing is answered before the first table is added. ERR_EXISTS: the port is taken. ERR_INVALID:
 * `listener` can be reached from elsewhere. */
int daemon_http_new(const struct daemon_http_params *p, struct daemon_http **out,
		    struct err_info *info);
/* `routes`, ended by a row without path, and `user` are borrowed until the server is freed. Longer
 * paths come before shorter ones, whatever the order. At most DAEMON_TABLES_MAX of them. */
#define DAEMON_TABLES_MAX 8
int daemon_http_add(struct daemon_http *h, const struct daemon_route *routes, void *user);
void daemon_http_free(struct daemon_http *h);
uint16_t daemon_http_port(const struct daemon_http *h);

/* Is its method one of these ("GET, HEAD")? If not, it was answered: 405 with Allow. Borrowed until
 * the reply is sent. */
bool daemon_allows(const struct daemon_call *c, const char *methods);
/* Takes `j`; NULL is "out of memory". */
void daemon_reply_json(const struct daemon_call *c, int status, json_t *j);
/* {"error": {"code": ..., "message": ...}} */
void daemon_reply_error(const struct daemon_call *c, int status, const char *code, const char *fmt,
			...) __attribute__((format(printf, 4, 5)));
/* By the kind of error: ERR_NOENT 404, ERR_EXISTS 409, ... */
void daemon_reply_fault(const struct daemon_call *c, const struct err_info *why);

#endif
