/* net/http_reason.c - what went wrong with a call, in words. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_client_impl.h"

/* The system's words, in the middle of a sentence: "connection refused". */
static void put_os_reason(char *out, size_t cap, long os_error, const char *otherwise)
{
	snprintf(out, cap, "%s", os_error != 0 ? strerror((int)os_error) : otherwise);
	if (isupper((unsigned char)out[0]) && islower((unsigned char)out[1]))
		out[0] = (char)tolower((unsigned char)out[0]);
}

static enum err timeout_reason(struct http_call *call, char *out, size_t cap)
{
	curl_off_t connected = 0;
	uint32_t waited = call->total_ms;

	curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
	if (connected == 0 && waited > HTTP_CONNECT_MS)
		waited = HTTP_CONNECT_MS;
	if (connected != 0 && call->parts.part != NULL) {
		snprintf(out, cap, "nothing came for %u s", call->parts.stall_s);
		return ERR_TIMEOUT;
	}
	snprintf(out, cap, "%s within %u.%u s",
		 connected == 0 ? "no connection" : "no whole answer", waited / 1000,
		 waited % 1000 / 100);
	return ERR_TIMEOUT;
}

static enum err say(char *out, size_t cap, enum err code, const char *reason)
{
	snprintf(out, cap, "%s", reason);
	return code;
}

/* "connection refused", by whom that was said: where the environment names a proxy (http_proxy) it
 * is not the server. */
static void put_connect_reason(const struct http_call *call, const char *detail, char *out,
			       size_t cap)
{
	static const char before[] = "connect to ";
	const char *host = strstr(detail, before), *end, *after;
	char name[300];
	size_t n;

	put_os_reason(out, cap, http_call_long(call->easy, CURLINFO_OS_ERRNO), detail);
	host = host == NULL ? NULL : host + strlen(before);
	end = host == NULL ? NULL : strstr(host, " port ");
	after = end == NULL ? NULL : strchr(end + 6, ' ');
	if (after == NULL)
		return;
	snprintf(name, sizeof(name), "%.*s:%.*s", (int)(end - host), host, (int)(after - end - 6),
		 end + 6);
	n = strlen(out);
	if (n < cap && strstr(call->where, name) == NULL &&
	    http_may_be_proxy(strtol(end + 6, NULL, 10)) &&
	    http_call_long(call->easy, CURLINFO_REDIRECT_COUNT) == 0)
		snprintf(out + n, cap - n, " by %s, a proxy that the environment names", name);
}

enum err http_call_reason(struct http_call *call, char *out, size_t cap)
{
	const char *detail =
	    call->detail[0] != '\0' ? call->detail : curl_easy_strerror(call->result);
	bool redirected = http_call_long(call->easy, CURLINFO_REDIRECT_COUNT) > 0;
	enum err distrust = curl_tls_reason(call->easy, call->result, detail, out, cap);

	if (distrust != OK)
		return distrust;
	if (call->refused && call->distrusted && redirected)
		return say(out, cap, ERR_DENIED, "leads to this machine or into this network");
	if (call->refused && redirected && call->client->nearest == ADDR_LOOPBACK)
		return say(out, cap, ERR_DENIED,
			   "leads to this machine or to a link-local address");
	if (call->refused)
		return say(out, cap, ERR_DENIED, "is on this machine or in this network");
	switch (call->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return say(out, cap, ERR_UNREACHABLE, "no such host");
	case CURLE_COULDNT_CONNECT:
		put_connect_reason(call, detail, out, cap);
		return ERR_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_reason(call, out, cap);
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_WRITE_ERROR:
		if (call->body.err == ERR_NOMEM)
			return say(out, cap, ERR_NOMEM, "out of memory");
		if (call->head_bytes > HTTP_HEAD_BYTES_MAX)
			return say(out, cap, ERR_TOO_BIG, "headers without end");
		snprintf(out, cap, "the answer is larger than %zu bytes", call->body.max);
		return ERR_TOO_BIG;
	case CURLE_ABORTED_BY_CALLBACK:
		if (call->stuffed)
			return say(out, cap, ERR_TOO_BIG, "chunk extensions without end");
		return say(out, cap, ERR_TOO_BIG, "redirects with an answer without end");
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		if (redirected || call->status != 0)
			return say(out, cap, ERR_PROTO, "redirected to no http or https address");
		if (strstr(detail, "HTTP/0.9") != NULL)
			return say(out, cap, ERR_PROTO, "does not speak HTTP");
		return say(out, cap, ERR_INVALID, "not an http or https address");
	case CURLE_TOO_MANY_REDIRECTS:
		return say(out, cap, ERR_PROTO, "redirects without end");
	case CURLE_GOT_NOTHING:
		return say(out, cap, ERR_UNREACHABLE,
			   "closed the connection without an answer " HTTP_WANTS_HTTPS);
	case CURLE_PARTIAL_FILE:
		return say(out, cap, ERR_UNREACHABLE, "closed the connection in mid-answer");
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		put_os_reason(out, cap, http_call_long(call->easy, CURLINFO_OS_ERRNO), detail);
		return ERR_UNREACHABLE;
	case CURLE_OUT_OF_MEMORY:
		return say(out, cap, ERR_NOMEM, "out of memory");
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WEIRD_SERVER_REPLY:
		return say(out, cap, ERR_PROTO, detail);
	default:
		return say(out, cap, ERR_UNREACHABLE, detail);
	}
}
