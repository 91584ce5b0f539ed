/* net/http_parts.c - bodies that are taken part by part, and who may not be asked for them. */
#include <sys/socket.h>

#include "net/http_client_impl.h"
#include "net/lan.h"
#include "net/tcp.h"

size_t http_call_on_part(char *data, size_t size, size_t n, void *user)
{
	struct http_call *call = user;
	enum http_take take;

	call->inside = true;
	take = call->parts.part(call->user, call, bytes_of(data, size * n));
	call->inside = false;
	if (call->cancelled)
		return CURL_WRITEFUNC_ERROR;
	if (take == HTTP_TAKE_LATER)
		return CURL_WRITEFUNC_PAUSE;
	call->stopped = take == HTTP_TAKE_STOP;
	return call->stopped ? CURL_WRITEFUNC_ERROR : n;
}

const char *http_call_header(const struct http_call *call, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
											: NULL;
}

int http_call_status(const struct http_call *call)
{
	return (int)http_call_long(call->easy, CURLINFO_RESPONSE_CODE);
}

void http_call_from(const struct http_call *call, struct addr *out)
{
	char *ip = NULL;

	curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &ip);
	if (ip == NULL || addr_parse(bytes_str(ip), 1, out) != OK)
		*out = (struct addr){.port = 0};
}

void http_call_resume(struct http_call *call)
{
	struct http_client *c = call->client;

	curl_easy_pause(call->easy, CURLPAUSE_CONT);
	http_client_deliver(c);
}

/* How near a redirect may lead. */
static enum addr_scope nearest_of(const struct http_call *call)
{
	return !call->distrusted && call->first < ADDR_PRIVATE ? ADDR_PRIVATE : call->first;
}

/* A proxy is where the environment says, and where it connects to is its own affair. */
static bool is_trusted_so_far(struct http_call *call, const struct addr *a)
{
	enum addr_scope scope = addr_scope(a);

	if (http_may_be_proxy(a->port))
		return true;
	if (http_call_long(call->easy, CURLINFO_REDIRECT_COUNT) > 0)
		return addr_may_name(nearest_of(call), a);
	if (call->distrusted && scope == ADDR_LINK && !a->v6 && !lan_has(a))
		return false;
	if (scope > call->first)
		call->first = scope;
	return true;
}

static bool may_connect(struct http_call *call, const struct addr *a)
{
	return addr_may_name(call->client->nearest, a) &&
	       ((!call->distrusted && !call->wary) || is_trusted_so_far(call, a));
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_call *call = user;
	struct addr a;

	(void)purpose;
	if (tcp_addr_from_sockaddr(&a, &to->addr, to->addrlen) != OK || !may_connect(call, &a)) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	call->refused = false;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* A connection that is there already, of another call, was not opened for this one. */
static int on_connected(void *user, char *ip, char *own_ip, int port, int own_port)
{
	struct http_call *call = user;
	struct addr a;

	(void)own_ip;
	(void)own_port;
	call->refused =
	    addr_parse(bytes_str(ip), (uint16_t)port, &a) != OK || !may_connect(call, &a);
	return call->refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool set_on_open(struct http_call *call)
{
	return curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK;
}

bool http_call_set_guard(struct http_call *call)
{
	return set_on_open(call) && curl_easy_setopt(call->easy, CURLOPT_PROXY, "") == CURLE_OK;
}

bool http_call_set_distrust(struct http_call *call)
{
	return set_on_open(call) &&
	       curl_easy_setopt(call->easy, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_PREREQDATA, call) == CURLE_OK;
}
