/* node/announce_ask.h - one announce to one tracker, over HTTP or UDP, as its URL says. */
#ifndef SHOAL_NODE_ANNOUNCE_ASK_H
#define SHOAL_NODE_ANNOUNCE_ASK_H

#include "net/http_client.h"
#include "node/udp_asker.h"

#define ANNOUNCE_ASK_REPLY_BYTES_MAX (256u * 1024u)

struct announce_answer {
	const struct err_info *err;	    /* code OK: somebody answered */
	const struct announce_reply *reply; /* then: NULL if it is none of a tracker */
	const char *strange;		    /* and what it is instead */
	struct addr from;		    /* port 0: unknown */
};

/* Lives with who asks; zeroed, then filled in by announce_ask_send(). */
struct announce_ask {
	struct http_call *http; /* one of them */
	struct udp_call *udp;
	/* Called from the loop, once, and not from inside of announce_ask_send(). `answer` is
	 * borrowed for the call. */
	void (*done)(void *user, const struct announce_answer *answer);
	void *user;
};

struct announce_how {
	struct http_client *http;
	struct udp_asker *udp;
	enum addr_family family;
	uint32_t total_ms; /* 0: as long as each of them takes by itself */
	bool distrusted;   /* as in struct http_ask */
};

/* Returns ERR_NOMEM when nothing is under way. */
int announce_ask_send(struct announce_ask *k, const struct announce_how *how, const char *url,
		      const struct announce *a);
/* `done` will not be called. */
void announce_ask_cancel(struct announce_ask *k);

#endif
