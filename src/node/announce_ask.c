#include "node/announce_ask.h"

#include <stdlib.h>

#include "node/tiers.h"
#include "wire/http_tracker.h"

static void on_http_answer(void *user, const struct http_answer *http)
{
	struct announce_ask *k = user;
	struct announce_peer *peers = calloc(ANNOUNCE_PEERS_TAKEN, sizeof(*peers));
	struct announce_answer answer = {
	    .err = &http->err,
	    .strange = http->status == 200 ? "answers what no tracker would" : "HTTP error",
	    .from = http->from};
	struct announce_reply r;

	if (peers != NULL && http->err.code == OK &&
	    http_announce_reply_decode(http->body, &r, peers, ANNOUNCE_PEERS_TAKEN) == OK)
		answer.reply = &r;
	k->done(k->user, &answer);
	free(peers);
}

static void on_udp_answer(void *user, const struct udp_answer *udp)
{
	struct announce_ask *k = user;
	struct announce_answer answer = {.err = udp->err, .reply = udp->reply, .from = *udp->from};

	k->done(k->user, &answer);
}

static void send_over_http(struct announce_ask *k, const struct announce_how *how, const char *url,
			   const struct announce *a)
{
	struct http_ask http = {.method = "GET",
				.max_bytes = ANNOUNCE_ASK_REPLY_BYTES_MAX,
				.family = how->family,
				.total_ms = how->total_ms,
				.distrusted = how->distrusted,
				.done = on_http_answer,
				.user = k};
	struct buf whole;

	buf_init(&whole, 64u << 10);
	(void)http_announce_encode(url, a, &whole);
	http.url = buf_cstr(&whole);
	if (http.url != NULL)
		k->http = http_client_send(how->http, &http);
	buf_fini(&whole);
}

int announce_ask_send(struct announce_ask *k, const struct announce_how *how, const char *url,
		      const struct announce *a)
{
	k->http = NULL;
	k->udp = NULL;
	if (tracker_is_udp(url))
		k->udp =
		    udp_asker_send(how->udp, url, a, how->family, how->total_ms, on_udp_answer, k);
	else
		send_over_http(k, how, url, a);
	return k->http != NULL || k->udp != NULL ? OK : ERR_NOMEM;
}

void announce_ask_cancel(struct announce_ask *k)
{
	if (k->http != NULL)
		http_call_cancel(k->http);
	else
		udp_call_cancel(k->udp);
}
