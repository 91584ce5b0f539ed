/* node/udp_asker.h - announces to trackers over UDP, from the node's UDP port.
 *
 *     name -> addresses -> connect -> connection id -> announce -> reply
 *
 * Source: BEP 15; path and query of the URL: BEP 41. What is not answered within 2.5 s is sent
 * again, to the name's next address where it has several, and after 5 s more once again. BEP 15
 * asks for up to eight repetitions, from 15 s on: as trackers are asked one after the other (BEP
 * 12), one that is gone would keep us from the others for an hour. An address where nobody listens,
 * or to which no way leads, is left out at once. A connection id is used for a minute. */
#ifndef SHOAL_NODE_UDP_ASKER_H
#define SHOAL_NODE_UDP_ASKER_H

#include "base/err.h"
#include "base/siphash.h"
#include "net/loop.h"
#include "net/udp_port.h"
#include "wire/announce.h"

#define UDP_ASKER_FIRST_MS 2500u
#define UDP_ASKER_TRIES 3u
/* Connection ids of so many trackers are remembered. */
#define UDP_ASKER_KNOWN_MAX 16u
#define UDP_ASKER_KNOWN_MS 60000u
/* Addresses of one name that are tried. */
#define UDP_ASKER_ADDRS_MAX 4u

struct udp_asker;
struct udp_call;

struct udp_asker_params {
	struct loop *loop;
	struct siphash_key
	    secret; /* of transaction ids: whoever guesses one answers in its place */
	/* The socket, at the first need; it stays until udp_asker_free(). NULL with the reason. */
	struct udp_port *(*port)(void *user, struct err_info *info);
	void *user;
};

int udp_asker_new(const struct udp_asker_params *p, struct udp_asker **out);
/* After all calls were answered or cancelled, and before the port goes. NULL is fine. */
void udp_asker_free(struct udp_asker *k);

struct udp_answer {
	const struct err_info *err;	    /* code OK: `reply` is what was decoded */
	const struct announce_reply *reply; /* borrowed, with its peers, for the call */
	const struct addr *from;
};

/* Announce `a` to "udp://HOST:PORT/...", over `family` alone. `done` is called from the loop, once,
 * and not from inside of this; it may not free the asker. `total_ms` 0: as above, else no longer
 * than that. Returns NULL without memory. */
struct udp_call *udp_asker_send(struct udp_asker *k, const char *url, const struct announce *a,
				enum addr_family family, uint32_t total_ms,
				void (*done)(void *user, const struct udp_answer *answer),
				void *user);
/* `done` will not be called. */
void udp_call_cancel(struct udp_call *c);

#endif
