#include "daemon/daemon_http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/text.h"
#include "net/entropy.h"
#include "net/tcp.h"
#include "node/api_reply.h"
#include "store/durable.h"

#define HOST "127.0.0.1"
#define TOKEN_BYTES 32u
#define TOKEN_TEXT (2u * TOKEN_BYTES)
/* Names under which a browser or curl on this machine reaches us. */
#define N_HOSTS 3

struct daemon_http {
	struct http_server *server;
	struct root home;
	uint16_t port;
	char hosts[N_HOSTS][32];
	char token[TOKEN_TEXT + 1];
	struct {
		const struct daemon_route *routes;
		void *user;
	} tables[DAEMON_TABLES_MAX];
	size_t n_tables;
};

/* ---- replies --------------------------------------------------------------- */

/* Nothing an answer holds may run, be framed or fetch (O-35), nor be read by other sites. */
static void begin_reply(struct http_reply *reply)
{
	static const char *const headers[] = {"Content-Security-Policy",
					      "default-src 'none'; frame-ancestors 'none'",
					      "Referrer-Policy",
					      "no-referrer",
					      "Cross-Origin-Resource-Policy",
					      "same-origin"};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		reply->headers[i] = headers[i];
}

void daemon_reply_json(const struct daemon_call *c, int status, json_t *j)
{
	api_reply_json(c->reply, status, j);
}

void daemon_reply_error(const struct daemon_call *c, int status, const char *code, const char *fmt,
			...)
{
	va_list ap;

	va_start(ap, fmt);
	api_reply_verror(c->reply, status, code, fmt, ap);
	va_end(ap);
}

void daemon_reply_fault(const struct daemon_call *c, const struct err_info *why)
{
	static const struct api_fault table[] = {
	    {ERR_NOENT, 404, "not_found"},     {ERR_EXISTS, 409, "exists"},
	    {ERR_AMBIGUOUS, 409, "ambiguous"}, {ERR_INVALID, 400, "bad_request"},
	    {ERR_PROTO, 422, "bad_torrent"},   {ERR_TOO_BIG, 413, "too_large"},
	    {ERR_DENIED, 403, "denied"},       {ERR_NOSPACE, 507, "no_space"},
	    {ERR_NOMEM, 503, "busy"},	       {ERR_AGAIN, 503, "busy"},
	};

	struct api_fault f = api_fault_of(table, sizeof(table) / sizeof(table[0]), why->code);

	daemon_reply_error(c, f.status, f.code, "%s", why->text);
}

/* ---- the door --------------------------------------------------------------- */

static bool is_our_host(const struct daemon_http *h, const char *host)
{
	for (size_t i = 0; host != NULL && i < N_HOSTS; i++)
		if (strcasecmp(host, h->hosts[i]) == 0)
			return true;
	return false;
}

/* Some clients leave the port out of what they call us (libtorrent does, of its webseeds): no name
 * of a stranger comes in by that. */
static bool is_our_name(const struct daemon_http *h, const char *host)
{
	if (is_our_host(h, host))
		return true;
	for (size_t i = 0; host != NULL && i < N_HOSTS; i++) {
		size_t n = (size_t)(strrchr(h->hosts[i], ':') - h->hosts[i]);

		if (strncasecmp(host, h->hosts[i], n) == 0 && host[n] == '\0')
			return true;
	}
	return false;
}

static bool is_our_origin(const struct daemon_http *h, const struct http_request *r)
{
	static const char scheme[] = "http://";
	const char *origin = http_request_header(r, "Origin");
	const char *site = http_request_header(r, "Sec-Fetch-Site");

	if (site != NULL && strcmp(site, "none") != 0 && strcmp(site, "same-origin") != 0)
		return false;
	return origin == NULL || (strncasecmp(origin, scheme, sizeof(scheme) - 1) == 0 &&
				  is_our_host(h, origin + sizeof(scheme) - 1));
}

/* Takes the same time wherever the first wrong character is. */
static bool is_token(const struct daemon_http *h, struct bytes shown)
{
	unsigned wrong = shown.len != TOKEN_TEXT;

	for (size_t i = 0; i < shown.len && i < TOKEN_TEXT; i++)
		wrong |= shown.ptr[i] ^ (unsigned char)h->token[i];
	return wrong == 0;
}

static bool has_token(const struct daemon_http *h, const struct http_request *r)
{
	const char *given = http_request_bearer(r);
	struct buf shown;
	bool right = false;

	if (given != NULL)
		return is_token(h, bytes_str(given));
	buf_init(&shown, HTTP_HEADERS_MAX);
	if (http_request_param(r, "token", &shown))
		right = is_token(h, buf_bytes(&shown));
	buf_fini(&shown);
	return right;
}

static bool is_method(const char *methods, const char *method)
{
	size_t n = strlen(method);

	for (const char *at = methods; *at != '\0'; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ",");

		if (len == n && strncmp(at, method, n) == 0)
			return true;
		at += len;
	}
	return false;
}

static bool has_body(const struct http_request *r)
{
	return strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
	       strcmp(r->method, "PATCH") == 0;
}

/* Does the row's path fit? How much of it. */
static size_t fits(const struct daemon_route *route, struct bytes path)
{
	size_t n = strlen(route->path);
	bool beneath = route->path[n - 1] == '/';

	if (path.len < n || memcmp(path.ptr, route->path, n) != 0)
		return 0;
	return beneath || path.len == n ? n : 0;
}

static const struct daemon_route *find_route(const struct daemon_http *h, struct bytes path,
					     void **user)
{
	const struct daemon_route *best = NULL;
	size_t longest = 0;

	for (size_t t = 0; t < h->n_tables; t++) {
		for (const struct daemon_route *r = h->tables[t].routes; r->path != NULL; r++) {
			size_t n = fits(r, path);

			if (n <= longest)
				continue;
			longest = n;
			best = r;
			*user = h->tables[t].user;
		}
	}
	return best;
}

bool daemon_allows(const struct daemon_call *c, const char *methods)
{
	if (is_method(methods, c->request->method))
		return true;
	daemon_reply_error(c, 405, "method_not_allowed", "only %s here", methods);
	api_reply_header(c->reply, "Allow", methods);
	return false;
}

static void pass(const struct daemon_call *c, const struct daemon_route *route, void *user)
{
	const struct http_request *r = c->request;

	if (route == NULL)
		daemon_reply_error(c, 404, "not_found", "no such path");
	else if (!daemon_allows(c, route->methods))
		return;
	else if (has_body(r) && (route->flags & ROUTE_RAW) == 0 && !http_request_is_json(r))
		daemon_reply_error(c, 415, "bad_content_type", "send application/json");
	else
		route->handle(user, c);
}

static void handle(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct daemon_http *h = user;
	struct daemon_call c = {.http = h, .request = r, .reply = reply};
	void *owner = NULL;
	const struct daemon_route *route = find_route(h, r->path, &owner);
	size_t n = route == NULL ? 0 : strlen(route->path);

	begin_reply(reply);
	if (!is_our_name(h, http_request_header(r, "Host"))) {
		daemon_reply_error(&c, 421, "wrong_host", "this is %s", h->hosts[0]);
		return;
	}
	if (!is_our_origin(h, r)) {
		daemon_reply_error(&c, 403, "forbidden_origin", "not for pages of other sites");
		return;
	}
	c.has_token = has_token(h, r);
	if (!c.has_token && (route == NULL || (route->flags & ROUTE_OPEN) == 0)) {
		daemon_reply_error(&c, 401, "token_needed",
				   "show the token in the file " DAEMON_TOKEN_FILE);
		api_reply_header(reply, "WWW-Authenticate", "Bearer");
		return;
	}
	c.rest = bytes_sub(r->path, n, r->path.len - n);
	pass(&c, route, owner);
}

/* ---- the token ---------------------------------------------------------------- */

static int check_mode(const struct root *home, struct err_info *info)
{
	struct stat st;
	int err = root_look(home, DAEMON_TOKEN_FILE, &st, info);

	if (err == OK && (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0))
		return root_fail(home, DAEMON_TOKEN_FILE, ERR_DENIED,
				 "others may read this secret; remove it to get a new one", info);
	return err;
}

static int make_token(struct daemon_http *h, struct err_info *info)
{
	uint8_t raw[TOKEN_BYTES];
	char line[TOKEN_TEXT + 2];

	entropy_fill(raw, sizeof(raw));
	text_hex(h->token, bytes_of(raw, sizeof(raw)));
	snprintf(line, sizeof(line), "%s\n", h->token);
	return durable_write(&h->home, DAEMON_TOKEN_FILE, bytes_of(line, TOKEN_TEXT + 1), 0600,
			     info);
}

static int load_token(struct daemon_http *h, struct err_info *info)
{
	uint8_t raw[TOKEN_BYTES];
	struct buf in;
	int err = check_mode(&h->home, info);

	if (err == ERR_NOENT)
		return make_token(h, info);
	if (err != OK)
		return err;
	buf_init(&in, 4096);
	err = durable_read(&h->home, DAEMON_TOKEN_FILE, &in, info);
	if (err == OK && (in.len < TOKEN_TEXT ||
			  text_unhex(bytes_of(in.ptr, TOKEN_TEXT), raw, sizeof(raw)) != OK))
		err = root_fail(&h->home, DAEMON_TOKEN_FILE, ERR_PROTO,
				"damaged; remove it to get a new one", info);
	if (err == OK)
		text_hex(h->token, bytes_of(raw, sizeof(raw)));
	buf_fini(&in);
	return err;
}

/* ---- life ------------------------------------------------------------------------ */

static int publish_address(struct daemon_http *h, struct err_info *info)
{
	static const char *const names[N_HOSTS] = {HOST, "localhost", "[::1]"};
	char line[64];
	int n;

	for (size_t i = 0; i < N_HOSTS; i++)
		snprintf(h->hosts[i], sizeof(h->hosts[i]), "%s:%u", names[i], h->port);
	n = snprintf(line, sizeof(line), "http://%s\n", h->hosts[0]);
	return durable_write(&h->home, DAEMON_ADDRESS_FILE, bytes_of(line, (size_t)n), 0600, info);
}

static int listen_here(struct daemon_http *h, const struct daemon_http_params *p,
		       struct err_info *info)
{
	struct addr at;

	if (p->listener == 0)
		return tcp_listen(HOST, (uint16_t)p->port, &h->port, info);
	if (tcp_local_addr(p->listener, &at) != OK || at.v6 || !addr_is_loopback(&at)) {
		tcp_close(p->listener);
		return err_set(info, ERR_INVALID,
			       "the socket for HTTP from the service manager is not on " HOST);
	}
	h->port = at.port;
	return p->listener;
}

int daemon_http_new(const struct daemon_http_params *p, struct daemon_http **out,
		    struct err_info *info)
{
	struct daemon_http *h = calloc(1, sizeof(*h));
	int fd, err;

	if (h == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	h->home.fd = -1;
	err = root_open(&h->home, p->home, info);
	if (err == OK)
		err = load_token(h, info);
	fd = err == OK ? listen_here(h, p, info) : err;
	if (fd >= 0)
		err = http_server_new(p->loop, fd, handle, h, &h->server);
	else
		err = fd;
	if (err != OK && fd >= 0)
		err_set(info, (enum err)err, "%s", err_text((enum err)err));
	if (err == OK)
		err = publish_address(h, info);
	if (err != OK) {
		daemon_http_free(h);
		return err;
	}
	*out = h;
	return OK;
}

int daemon_http_add(struct daemon_http *h, const struct daemon_route *routes, void *user)
{
	if (h->n_tables == DAEMON_TABLES_MAX)
		return ERR_TOO_BIG;
	h->tables[h->n_tables].routes = routes;
	h->tables[h->n_tables++].user = user;
	return OK;
}

void daemon_http_free(struct daemon_http *h)
{
	if (h == NULL)
		return;
	if (h->server != NULL) {
		http_server_free(h->server);
		(void)root_unlink(&h->home, DAEMON_ADDRESS_FILE, NULL);
	}
	if (h->home.fd >= 0)
		root_close(&h->home);
	explicit_bzero(h, sizeof(*h));
	free(h);
}

uint16_t daemon_http_port(const struct daemon_http *h)
{
	return h->port;
}
