#include "net/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/addr.h"
#include "base/text.h"
#include "net/http_client_impl.h"

/* Connections kept or being made: in all, and to one host. Calls beyond it queue up. */
#define CONNECTIONS_MAX 128L
#define HOST_CONNECTIONS_MAX 16L
/* What one read of a body in parts may bring. */
#define PARTS_BUFFER_BYTES 262144L

struct sock {
	struct http_client *client;
	curl_socket_t fd;
	struct loop_io *io;
};

/* ---- curl's sockets and timers on our loop -------------------------------- */

static void act(struct http_client *c, curl_socket_t fd, int mask)
{
	int running;

	curl_multi_socket_action(c->multi, fd, mask, &running);
	http_client_deliver(c);
}

static void on_socket_ready(void *arg, unsigned ready)
{
	const struct sock *s = arg;

	act(s->client, s->fd,
	    (ready & LOOP_READ ? CURL_CSELECT_IN : 0) |
		(ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static struct sock *sock_new(struct http_client *c, curl_socket_t fd)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->client = c;
	s->fd = fd;
	s->io = loop_io_new(c->loop, fd, on_socket_ready, s);
	if (s->io == NULL || curl_multi_assign(c->multi, fd, s) != CURLM_OK) {
		loop_io_free(s->io);
		free(s);
		return NULL;
	}
	return s;
}

/* Nobody will hear of its socket: the call is at its end. libcurl is not told, which would take it
 * as the end of all calls, and of those to come. */
static void starve(struct http_client *c, CURL *easy)
{
	struct http_call *call = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
	if (call != NULL)
		call->starved = true;
	loop_timer_set(c->soon, 0);
}

static int on_want(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
	struct sock *s = known;

	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			loop_io_free(s->io);
		free(s);
		return 0;
	}
	if (s == NULL)
		s = sock_new(user, fd);
	if (s == NULL) {
		starve(user, easy);
		return 0;
	}
	loop_io_want(s->io, (what & CURL_POLL_IN ? LOOP_READ : 0u) |
				(what & CURL_POLL_OUT ? LOOP_WRITE : 0u));
	return 0;
}

static int on_want_timer(CURLM *multi, long ms, void *user)
{
	struct http_client *c = user;

	(void)multi;
	if (ms < 0)
		loop_timer_clear(c->timer);
	else
		loop_timer_set(c->timer, (uint64_t)ms);
	return 0;
}

/* ---- the end of a call ---------------------------------------------------- */

static void call_leave(struct http_call *call)
{
	struct http_client *c = call->client;

	if (call->list != CALL_KEPT)
		TAILQ_REMOVE(call->list == CALL_FINISHED ? &c->finished : &c->running, call, link);
	curl_multi_remove_handle(c->multi, call->easy);
	curl_easy_cleanup(call->easy);
	call->easy = NULL;
}

static void call_free(struct http_call *call)
{
	if (call == NULL)
		return;
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buf_fini(&call->body);
	free(call);
}

static void note_sender(const struct http_call *call, struct http_answer *reply)
{
	curl_off_t retry = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry);
	reply->retry_after_s = retry > 0 && retry < UINT32_MAX ? (uint32_t)retry : 0;
	http_call_sender(call, &reply->from);
}

static void answer(struct http_call *call)
{
	struct http_answer reply = {.status = call->status};
	char reason[CURL_ERROR_SIZE + 64], escaped[ERR_TEXT_MAX / 2];

	if (call->cancelled) {
		call_leave(call);
		call_free(call);
		return;
	}
	if (call->stopped)
		call->result = CURLE_OK;
	note_sender(call, &reply);
	if (call->result == CURLE_OK) {
		reply.body = buf_bytes(&call->body);
	} else {
		enum err code = http_call_reason(call, reason, sizeof(reason));

		err_set(&reply.err, code, "%s: %s", call->where,
			text_escape(escaped, sizeof(escaped), bytes_str(reason)));
		reply.status = 0;
	}
	if (call->connect && call->result == CURLE_OK) {
		TAILQ_REMOVE(&call->client->finished, call, link);
		call->list = CALL_KEPT;
		call->done(call->user, &reply);
		return;
	}
	/* Away from the client first: the callback may free that. */
	call_leave(call);
	call->done(call->user, &reply);
	call_free(call);
}

static void finish(struct http_call *call, CURLcode result)
{
	struct http_client *c = call->client;

	call->result = result;
	call->status = (int)http_call_long(call->easy, CURLINFO_RESPONSE_CODE);
	call->list = CALL_FINISHED;
	TAILQ_REMOVE(&c->running, call, link);
	TAILQ_INSERT_TAIL(&c->finished, call, link);
}

static void collect(struct http_client *c)
{
	const CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct http_call *call = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finish(call, msg->data.result);
	}
}

void http_client_deliver(struct http_client *c)
{
	struct http_call *call;

	collect(c);
	c->delivering = true;
	while ((call = TAILQ_FIRST(&c->finished)) != NULL)
		answer(call);
	c->delivering = false;
	if (c->dead)
		http_client_free(c);
}

static void on_soon(void *arg)
{
	struct http_client *c = arg;
	struct http_call *call, *next;

	for (call = TAILQ_FIRST(&c->running); call != NULL; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->starved)
			finish(call, CURLE_OUT_OF_MEMORY);
	}
	http_client_deliver(c);
}

void http_call_cancel(struct http_call *call)
{
	if (call == NULL)
		return;
	if (call->inside) {
		call->cancelled = true;
		return;
	}
	call_leave(call);
	call_free(call);
}

/* ---- the beginning of a call ---------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct http_call *call = user;

	/* `size` is always 1. */
	return buf_put(&call->body, bytes_of(data, size * n)) == 0 ? n : 0;
}

/* Bytes of a body as they come, with sizes and extensions of its chunks. */
static int on_raw(CURL *easy, curl_infotype type, char *data, size_t n, void *user)
{
	struct http_call *call = user;

	(void)easy, (void)data;
	if (type == CURLINFO_DATA_IN)
		call->raw_bytes += n;
	return 0;
}

/* A line of a head or trailer. Chunk extensions, which libcurl reads over, are seen by its debug
 * callback alone: that is for bodies in chunks, as it slows down TLS. */
static size_t on_head(char *data, size_t size, size_t n, void *user)
{
	static const char chunked[] = "transfer-encoding:";
	struct http_call *call = user;

	if (size * n >= strlen(chunked) && strncasecmp(data, chunked, strlen(chunked)) == 0)
		curl_easy_setopt(call->easy, CURLOPT_VERBOSE, 1L);
	call->head_bytes += size * n;
	return call->head_bytes <= HTTP_HEAD_BYTES_MAX ? size * n : 0;
}

/* Chunks of a byte each have five of their own. */
static bool is_stuffed(const struct http_call *call, uint64_t carried)
{
	return call->raw_bytes / 8 > carried + HTTP_ASIDE_BYTES_MAX / 8;
}

/* libcurl reads over the body of a redirect to keep the connection, however long it is. */
static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
		       curl_off_t up)
{
	struct http_call *call = user;

	(void)total, (void)up_total, (void)up;
	call->stuffed = is_stuffed(call, (uint64_t)now);
	return call->stuffed || (now > HTTP_ASIDE_BYTES_MAX && http_call_status(call) / 100 == 3);
}

static bool is_loopback(const char *host)
{
	struct addr a;

	return strcmp(host, "localhost") == 0 ||
	       (addr_parse(bytes_str(host), 1, &a) == 0 && addr_is_loopback(&a));
}

/* For messages: the address without path, user or password. */
static void find_where(struct http_call *call, const char *url, bool *loopback)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	char plain[WHERE_MAX];
	CURLU *u = curl_url();

	*loopback = false;
	if (u != NULL &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		curl_url_get(u, CURLUPART_PORT, &port, 0);
		snprintf(plain, sizeof(plain), "%s://%s%s%s", scheme, host, port == NULL ? "" : ":",
			 port == NULL ? "" : port);
		text_escape(call->where, sizeof(call->where), bytes_str(plain));
		*loopback = is_loopback(host);
	} else {
		text_escape(call->where, sizeof(call->where), bytes_str(url));
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

static bool set_headers(struct http_call *call, const char *const *headers)
{
	/* Without "Expect" a body goes out at once, instead of after a round trip. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	while (list != NULL && headers != NULL && *headers != NULL) {
		struct curl_slist *more = curl_slist_append(list, *headers++);

		if (more == NULL) {
			curl_slist_free_all(list);
			return false;
		}
		list = more;
	}
	call->headers = list;
	return list != NULL && curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, list) == CURLE_OK;
}

static bool set_method(CURL *e, const struct http_ask *ask)
{
	bool ok = true;

	if (strcmp(ask->method, "HEAD") == 0)
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (ask->parts == NULL)
		curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)ask->max_bytes);
	if (ask->body.len > 0 || strcmp(ask->method, "POST") == 0) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len);
		ok = curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS,
				      ask->body.len > 0 ? (const char *)ask->body.ptr : "") ==
		     CURLE_OK;
	}
	if (strcmp(ask->method, "GET") != 0 && strcmp(ask->method, "POST") != 0)
		ok = ok && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, ask->method) == CURLE_OK;
	return ok;
}

static bool set_limits(struct http_call *call, bool secure)
{
	CURL *e = call->easy;
	bool parts = call->parts.part != NULL;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)HTTP_REDIRECTS_MAX);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, call);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_raw);
	curl_easy_setopt(e, CURLOPT_DEBUGDATA, call);
	if (parts) {
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)call->parts.stall_s);
	} else {
		curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)call->total_ms);
	}
	return curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR,
				parts && secure ? "https" : "http,https") == CURLE_OK;
}

/* How the body comes. */
static bool set_body(struct http_call *call)
{
	CURL *e = call->easy;

	curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
	if (call->parts.part != NULL) {
		curl_easy_setopt(e, CURLOPT_BUFFERSIZE, PARTS_BUFFER_BYTES);
		return curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_call_on_part) == CURLE_OK;
	}
	/* Some trackers compress unasked; the ceiling counts what comes out. */
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	return curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
}

static bool set_connect(CURL *e)
{
	return curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
}

static void set_family(CURL *e, enum addr_family family)
{
	if (family != ADDR_ANY)
		curl_easy_setopt(e, CURLOPT_IPRESOLVE,
				 (long)(family == ADDR_V6 ? CURL_IPRESOLVE_V6 : CURL_IPRESOLVE_V4));
}

static bool call_set(struct http_call *call, const struct http_ask *ask)
{
	CURL *e = call->easy;
	bool loopback;

	find_where(call, ask->url, &loopback);
	/* No proxy leads back to this machine. */
	if (loopback)
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	set_family(e, ask->family);
	if ((ask->distrusted || ask->wary) && !http_call_set_distrust(call))
		return false;
	curl_easy_setopt(e, CURLOPT_PRIVATE, call);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->detail);
	if (call->client->nearest < ADDR_LOOPBACK && !http_call_set_guard(call))
		return false;
	return set_limits(call, strncasecmp(ask->url, "https:", 6) == 0) && set_body(call) &&
	       curl_tls_set(e, &call->client->pin, ask->url) &&
	       (ask->connect ? set_connect(e) : set_method(e, ask)) &&
	       set_headers(call, ask->headers) &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "shoal/" SHOAL_VERSION) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_URL, ask->url) == CURLE_OK;
}

struct http_call *http_client_send(struct http_client *c, const struct http_ask *ask)
{
	struct http_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->client = c;
	call->done = ask->done;
	call->user = ask->user;
	call->connect = ask->connect;
	call->distrusted = ask->distrusted;
	call->wary = ask->wary;
	if (ask->parts != NULL)
		call->parts = *ask->parts;
	call->total_ms = ask->total_ms == 0 ? HTTP_TOTAL_MS : ask->total_ms;
	buf_init(&call->body, ask->max_bytes);
	call->easy = curl_easy_init();
	if (call->easy == NULL || !call_set(call, ask) ||
	    curl_multi_add_handle(c->multi, call->easy) != CURLM_OK) {
		call_free(call);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&c->running, call, link);
	return call;
}

/* ---- a bare connection ------------------------------------------------------ */

int http_call_fd(const struct http_call *call)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &fd);
	return fd;
}

static int moved(CURLcode result, size_t n)
{
	if (result == CURLE_AGAIN)
		return ERR_AGAIN;
	return result == CURLE_OK ? (int)n : ERR_IO;
}

int http_call_read(struct http_call *call, struct span into)
{
	size_t n = 0;
	CURLcode result = curl_easy_recv(call->easy, into.ptr, into.len, &n);

	return moved(result, n);
}

int http_call_write(struct http_call *call, struct bytes data)
{
	size_t n = 0;
	CURLcode result = curl_easy_send(call->easy, data.ptr, data.len, &n);

	return moved(result, n);
}

/* ---- life ------------------------------------------------------------------ */

static bool multi_set(struct http_client *c)
{
	CURLM *m = c->multi;

	return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_want) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_want_timer) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS_MAX) ==
		   CURLM_OK;
}

int http_client_new(struct loop *l, struct http_client **out)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return ERR_NOMEM;
	}
	c->loop = l;
	c->nearest = ADDR_LOOPBACK;
	TAILQ_INIT(&c->running);
	TAILQ_INIT(&c->finished);
	c->multi = curl_multi_init();
	c->timer = loop_timer_new(l, on_timer, c);
	c->soon = loop_timer_new(l, on_soon, c);
	if (c->multi == NULL || c->timer == NULL || c->soon == NULL || !multi_set(c)) {
		http_client_free(c);
		return ERR_NOMEM;
	}
	*out = c;
	return 0;
}

int http_client_pin(struct http_client *c, const char *url, const char *pin, struct err_info *info)
{
	return curl_pin_set(&c->pin, url, pin, info);
}

bool http_client_pin_eq(const struct http_client *a, const struct http_client *b)
{
	return strcmp(a->pin.origin, b->pin.origin) == 0 && strcmp(a->pin.pin, b->pin.pin) == 0;
}

void http_client_guard(struct http_client *c, enum addr_scope nearest)
{
	c->nearest = nearest;
}

void http_client_pin_like(struct http_client *c, const struct http_client *other)
{
	c->pin = other->pin;
}

void http_client_free(struct http_client *c)
{
	struct http_call *call;

	if (c == NULL)
		return;
	while ((call = TAILQ_FIRST(&c->running)) != NULL)
		http_call_cancel(call);
	while ((call = TAILQ_FIRST(&c->finished)) != NULL)
		http_call_cancel(call);
	c->dead = true;
	if (c->delivering)
		return;
	if (c->multi != NULL)
		curl_multi_cleanup(c->multi);
	loop_timer_free(c->timer);
	loop_timer_free(c->soon);
	free(c);
	curl_global_cleanup();
}
