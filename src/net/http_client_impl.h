/* net/http_client_impl.h - shared by http_client.c, http_parts.c, http_proxy.c and http_reason.c
 * only. */
#ifndef SHOAL_NET_HTTP_CLIENT_IMPL_H
#define SHOAL_NET_HTTP_CLIENT_IMPL_H

#include <sys/queue.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "net/curl_tls.h"
#include "net/http_client.h"

#define WHERE_MAX 160

struct http_call {
	TAILQ_ENTRY(http_call) link;
	enum { CALL_RUNNING, CALL_FINISHED, CALL_KEPT } list; /* which list it is in; KEPT: none */
	bool connect;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	size_t head_bytes;		 /* that came, trailers too */
	uint64_t raw_bytes;		 /* of bodies in chunks, all that came */
	bool stuffed;			 /* of which too little was body */
	struct http_parts parts;	 /* part NULL: gathered in `body` */
	bool inside, stopped, cancelled; /* of on_part() */
	bool refused;			 /* an address was too near */
	bool distrusted, wary;
	enum addr_scope first; /* how near it was before any redirect */
	bool starved;	       /* no memory to wait for its socket */
	CURLcode result;
	int status;
	char where[WHERE_MAX]; /* "http://host:port", escaped */
	char detail[CURL_ERROR_SIZE];
	void (*done)(void *user, const struct http_answer *reply);
	void *user;
	uint32_t total_ms;
};
TAILQ_HEAD(calls, http_call);

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct loop_timer *soon; /* some are starved */
	struct curl_pin pin;
	enum addr_scope nearest; /* ADDR_LOOPBACK: no guard */
	struct calls running, finished;
	bool delivering, dead; /* freed by a callback: deliver() then clears up */
};

static inline long http_call_long(CURL *easy, CURLINFO what)
{
	long v = 0;

	curl_easy_getinfo(easy, what, &v);
	return v;
}

/* http_client.c: give their answers to those who asked. */
void http_client_deliver(struct http_client *c);
/* http_reason.c: why there was no answer, as half a sentence in `out`. */
enum err http_call_reason(struct http_call *call, char *out, size_t cap);
/* http_parts.c: for libcurl. */
size_t http_call_on_part(char *data, size_t size, size_t n, void *user);
bool http_call_set_guard(struct http_call *call);
bool http_call_set_distrust(struct http_call *call); /* or wariness */

/* http_proxy.c: is a connection to this port one to a proxy that the environment names, as far as
 * can be told? libcurl says which it took from 8.7 on only. */
bool http_may_be_proxy(long port);

#endif
