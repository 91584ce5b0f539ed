/* net/http_parts.c - bodies that are taken part by part, and who may not be asked for them. */
#include <sys/socket.h>

#include "net/http_client_impl.h"
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

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_call *call = user;
	struct addr a;

	(void)purpose;
	if (tcp_addr_from_sockaddr(&a, &to->addr, to->addrlen) != OK ||
	    addr_scope(&a) > call->client->nearest) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	call->refused = false;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

bool http_call_set_guard(struct http_call *call)
{
	CURL *e = call->easy;

	return curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK;
}
