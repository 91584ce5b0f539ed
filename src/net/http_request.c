/* net/http_request.c - a request as evhttp has it becomes a call of the handler, whose reply goes
 * out. */
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include "base/text.h"
#include "net/http_server_impl.h"
#include "net/tcp.h"

/* Once a request is being answered, so much of the next one is read ahead. */
#define READ_AHEAD_BYTES 65536u
#define LENGTH_REQUIRED 411 /* evhttp has no name for it */

static const char *method_name(enum evhttp_cmd_type type)
{
	switch (type) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	default:
		return "?";
	}
}

/* RFC 9110 section 5.6.2. "Content-Length :" is to some Content-Length and to others nothing. */
static bool is_name(const char *name)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-.^_`|~";

	return name[0] != '\0' && name[strspn(name, token)] == '\0';
}

/* What it says of its body is what evhttp read of it: of HEAD it reads none, and would take it for
 * the next request. */
static bool has_length(struct evhttp_request *req, const char *said)
{
	uint64_t n;

	return text_parse_u64(bytes_str(said), UINT64_MAX, &n) == OK &&
	       n == evbuffer_get_length(evhttp_request_get_input_buffer(req));
}

static bool is_coded_plainly(struct evhttp_request *req, const char *coding)
{
	return strcasecmp(coding, "chunked") == 0 &&
	       evhttp_request_get_command(req) != EVHTTP_REQ_HEAD;
}

/* Could another reader, in front of us or behind, see the body's end elsewhere, or another host?
 * (O-30; RFC 9112 sections 3.2, 5.1, 6.3) */
static bool framing_is_plain(struct evhttp_request *req)
{
	const struct evkeyval *h;
	unsigned ends = 0, hosts = 0;

	TAILQ_FOREACH(h, evhttp_request_get_input_headers(req), next)
	{
		bool is_length = strcasecmp(h->key, "Content-Length") == 0;
		bool is_coding = strcasecmp(h->key, "Transfer-Encoding") == 0;

		if (!is_name(h->key) || (is_length && !has_length(req, h->value)) ||
		    (is_coding && !is_coded_plainly(req, h->value)))
			return false;
		ends += is_length || is_coding;
		hosts += strcasecmp(h->key, "Host") == 0;
	}
	return ends <= 1 && hosts <= 1;
}

/* What follows the last chunk evhttp puts among the headers, where it would pass for what the proxy
 * says of whom it asks for. */
static bool may_pretend(const struct http_request *r)
{
	return http_server_is_proxied(r->server, r) &&
	       http_request_header(r, "Transfer-Encoding") != NULL;
}

bool http_server_put_headers(struct evhttp_request *req, const struct http_reply *reply)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);
	const size_t n = sizeof(reply->headers) / sizeof(reply->headers[0]);
	bool ok = true;

	if (reply->type != NULL)
		ok = http_header_is_clean(reply->type) &&
		     evhttp_add_header(out, "Content-Type", reply->type) == 0;
	for (size_t i = 0; ok && i + 1 < n && reply->headers[i] != NULL; i += 2) {
		const char *value = reply->headers[i + 1];

		ok = value != NULL && http_header_is_clean(reply->headers[i]) &&
		     http_header_is_clean(value) &&
		     evhttp_add_header(out, reply->headers[i], value) == 0;
	}
	if (evhttp_find_header(out, "X-Content-Type-Options") == NULL)
		evhttp_add_header(out, "X-Content-Type-Options", "nosniff");
	if (evhttp_find_header(out, "Cache-Control") == NULL)
		evhttp_add_header(out, "Cache-Control", "no-store");
	return ok;
}

static void free_body(const void *data, size_t len, void *owned)
{
	(void)data, (void)len;
	free(owned);
}

/* Hands the body's memory to evhttp. */
static bool put_body(struct evhttp_request *req, struct http_reply *reply)
{
	struct buf *b = &reply->body;
	char digits[24];

	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
		evutil_snprintf(digits, sizeof(digits), "%zu", b->len);
		return evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Length",
					 digits) == 0;
	}
	if (b->len == 0)
		return true;
	if (evbuffer_add_reference(evhttp_request_get_output_buffer(req), b->ptr, b->len, free_body,
				   b->ptr) != 0)
		return false;
	buf_init(b, 0);
	return true;
}

static void refuse(struct evhttp_request *req, int status)
{
	evhttp_clear_headers(evhttp_request_get_output_headers(req));
	evhttp_send_error(req, status, NULL);
}

/* The words of those that evhttp has none for, and would call "Client Error" or "Server Error".
 * NULL: it has them. */
static const char *reason_of(int status)
{
	switch (status) {
	case 421:
		return "Misdirected Request";
	case 422:
		return "Unprocessable Content";
	case 426:
		return "Upgrade Required";
	case 429:
		return "Too Many Requests";
	case 507:
		return "Insufficient Storage";
	default:
		return NULL;
	}
}

void http_server_reply(struct evhttp_request *req, struct http_reply *reply)
{
	if (reply->body.err == OK && http_server_put_headers(req, reply) && put_body(req, reply))
		evhttp_send_reply(req, reply->status, reason_of(reply->status), NULL);
	else
		refuse(req, HTTP_INTERNAL);
}

static void answer(struct http_server *s, struct conn *c, struct evhttp_request *req,
		   const struct http_request *r)
{
	struct http_reply reply = {.status = 200};

	buf_init(&reply.body, HTTP_REPLY_BYTES_MAX);
	s->handle(s->user, r, &reply);
	/* Otherwise it has been answered and goes on, or is answered later. */
	if (c->stream == NULL && !c->taken)
		http_server_reply(req, &reply);
	c->taken = false;
	buf_fini(&reply.body);
}

/* There is no tunnel. To evhttp there always is one: of an answer to this it gives no length. */
static void refuse_tunnel(struct evhttp_request *req)
{
	static const char page[] = "<HTML><HEAD><TITLE>501 Not Implemented</TITLE></HEAD>"
				   "<BODY><H1>Not Implemented</H1></BODY></HTML>\n";
	char length[24];
	struct http_reply reply = {
	    .status = HTTP_NOTIMPLEMENTED,
	    .type = "text/html",
	    .headers = {"Content-Length", length, "Connection", "close"},
	};

	evutil_snprintf(length, sizeof(length), "%zu", sizeof(page) - 1);
	buf_init(&reply.body, sizeof(page));
	(void)buf_put_str(&reply.body, page);
	http_server_reply(req, &reply);
	buf_fini(&reply.body);
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	size_t ahead = evbuffer_get_length(bufferevent_get_input(c->bev));

	if (evhttp_request_get_command(req) == EVHTTP_REQ_CONNECT) {
		/* evhttp would wait for what comes through the tunnel, or take it for a request. */
		(void)evbuffer_drain(bufferevent_get_input(c->bev), ahead);
		http_server_idle(c);
		http_server_hang_up(c);
		return;
	}
	http_server_enter(c, ahead > 0 ? PHASE_RECEIVING : PHASE_IDLE);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	if (c->server->drained != NULL && ahead == 0)
		http_server_hang_up(c);
}

bool http_server_via(struct evhttp_connection *evcon, struct addr *out)
{
	const struct sockaddr *from = evhttp_connection_get_addr(evcon);

	return from != NULL && tcp_addr_from_sockaddr(out, from,
						      from->sa_family == AF_INET6
							  ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in)) == 0;
}

bool http_server_addrs(struct evhttp_connection *evcon, struct http_request *r)
{
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);

	if (getsockname(fd, (struct sockaddr *)&to, &len) != 0 ||
	    tcp_addr_from_sockaddr(&r->to, &to, len) != 0 || !http_server_via(evcon, &r->via))
		return false;
	r->from = r->via;
	return true;
}

bool http_server_is_proxied(const struct http_server *s, const struct http_request *r)
{
	return s->proxies != NULL && proxies_have(s->proxies, &r->via);
}

/* Of several lines that say one thing each the last one is the proxy's own. */
static const char *last_header(struct evhttp_request *req, const char *name)
{
	const struct evkeyval *h;
	const char *value = NULL;

	TAILQ_FOREACH(h, evhttp_request_get_input_headers(req), next)
	{
		if (strcasecmp(h->key, name) == 0)
			value = h->value;
	}
	return value;
}

/* Several lines are one list (RFC 9110 section 5.3): of two proxies each may write one of its own.
 */
static void put_joined(struct evhttp_request *req, const char *name, struct buf *out)
{
	const struct evkeyval *h;

	TAILQ_FOREACH(h, evhttp_request_get_input_headers(req), next)
	{
		if (strcasecmp(h->key, name) != 0 || h->value[0] == '\0')
			continue;
		(void)buf_put_str(out, out->len == 0 ? "" : ",");
		(void)buf_put_str(out, h->value);
	}
}

/* False: out of memory, and it is not known who asks. */
static bool look_behind(struct http_request *r, struct evhttp_request *req)
{
	const char *how = last_header(req, "X-Forwarded-Proto");
	const char *below = last_header(req, "X-Forwarded-Prefix");
	struct buf whom;
	bool ok;

	buf_init(&whom, HTTP_HEADERS_MAX);
	put_joined(req, "X-Forwarded-For", &whom);
	ok = whom.err == OK;
	if (ok)
		proxies_look_behind(r->server->proxies, buf_bytes(&whom), &r->from);
	if (how != NULL)
		r->secure = strcasecmp(how, "https") == 0;
	if (below != NULL)
		r->below = forwarded_prefix(bytes_str(below));
	buf_fini(&whom);
	return ok;
}

static bool request_fill(struct http_request *r, struct http_server *server,
			 struct evhttp_request *req)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	const char *query = uri == NULL ? NULL : evhttp_uri_get_query(uri);

	if (path == NULL || path[0] == '\0')
		path = "/";
	*r = (struct http_request){
	    .method = method_name(evhttp_request_get_command(req)),
	    .path = bytes_str(path),
	    .query = query == NULL ? bytes_of(NULL, 0) : bytes_str(query),
	    .body = bytes_of(len == 0 ? NULL : evbuffer_pullup(in, -1), len),
	    .secure = server->tls != NULL,
	    .impl = req,
	    .server = server,
	};
	if (len > 0 && r->body.ptr == NULL)
		return false;
	if (!http_server_addrs(evhttp_request_get_connection(req), r))
		return false;
	return !http_server_is_proxied(server, r) || look_behind(r, req);
}

void http_server_on_request(struct evhttp_request *req, void *arg)
{
	struct http_server *s = arg;
	struct conn *c = http_server_conn(s, evhttp_request_get_connection(req));
	struct http_request r;

	if (c == NULL) { /* we were out of memory at its accept */
		refuse(req, HTTP_SERVUNAVAIL);
		return;
	}
	evhttp_request_set_on_complete_cb(req, on_sent, c);
	/* A client that sends on and on while it takes no answer stops here. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, READ_AHEAD_BYTES);
	http_server_enter(c, PHASE_SENDING);
	if (evhttp_request_get_command(req) == EVHTTP_REQ_CONNECT) {
		refuse_tunnel(req);
	} else if (!framing_is_plain(req) || evhttp_request_get_uri(req) == NULL) {
		refuse(req, HTTP_BADREQUEST);
	} else if (!request_fill(&r, s, req)) {
		refuse(req, HTTP_SERVUNAVAIL);
	} else if (may_pretend(&r)) {
		refuse(req, LENGTH_REQUIRED);
	} else {
		c->asker = http_room_cell(s, &r.from);
		/* Not only between turns of the loop: in one there may be many large answers. */
		http_room_make(s, c);
		answer(s, c, req, &r);
	}
}

const char *http_request_header(const struct http_request *r, const char *name)
{
	if (r->impl == NULL)
		return NULL;
	return evhttp_find_header(evhttp_request_get_input_headers(r->impl), name);
}

const char *http_request_bearer(const struct http_request *r)
{
	static const char bearer[] = "Bearer ";
	const char *given = http_request_header(r, "Authorization");

	return given != NULL && text_begins(bytes_str(given), bearer) ? given + sizeof(bearer) - 1
								      : NULL;
}

bool http_request_is_json(const struct http_request *r)
{
	static const char json[] = "application/json";
	const char *type = http_request_header(r, "Content-Type");

	return type != NULL && text_begins(bytes_str(type), json) &&
	       strchr("; ", type[sizeof(json) - 1]) != NULL;
}
