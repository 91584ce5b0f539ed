/* wire/announce.h - announce and scrape as values, the same for every transport. */
#ifndef SHOAL_WIRE_ANNOUNCE_H
#define SHOAL_WIRE_ANNOUNCE_H

#include "base/addr.h"
#include "base/bytes.h"

#define ANNOUNCE_PEERS_MAX 200u	   /* in one reply we send; G-16 */
#define ANNOUNCE_PEERS_DEFAULT 50u /* when numwant is missing */
#define ANNOUNCE_PEERS_TAKEN 500u  /* of one reply we believe; the rest is ignored (O-21) */
#define ANNOUNCE_KEY_MAX 32u
#define ANNOUNCE_TEXT_MAX 256u
#define SCRAPE_HASHES_MAX 74u /* BEP 15's bound, kept for HTTP too */

/* PAUSED: a partial seed (BEP 21). HTTP alone has a word for it, which is read as NONE. */
enum announce_event { EVENT_NONE, EVENT_STARTED, EVENT_COMPLETED, EVENT_STOPPED, EVENT_PAUSED };

struct announce {
	uint8_t info_hash[20];
	uint8_t peer_id[20];
	uint16_t port;
	uint64_t uploaded, downloaded, left; /* bytes */
	enum announce_event event;
	uint32_t numwant; /* ANNOUNCE_PEERS_DEFAULT when not said */
	bool compact;	  /* BEP 23: default true */
	bool no_peer_id;
	bool supports_crypto;
	char key[ANNOUNCE_KEY_MAX + 1];		/* "" none */
	char tracker_id[ANNOUNCE_TEXT_MAX + 1]; /* "" none */
	/* What the client says its address is. Never believed from strangers (O-28). */
	bool has_claimed_v6;
	struct addr claimed_v6; /* BEP 7 */
};

struct announce_peer {
	struct addr addr;
	bool complete; /* the tracker's own knowledge: on no wire, false when decoded */
	bool has_id;
	uint8_t id[20];
};

struct announce_reply {
	bool failed;
	char failure[ANNOUNCE_TEXT_MAX + 1]; /* not escaped */
	char warning[ANNOUNCE_TEXT_MAX + 1];
	uint32_t retry_s; /* BEP 31 "retry in", seconds; 0 unknown, UINT32_MAX never */
	uint32_t interval_s, min_interval_s;
	uint32_t complete, incomplete, downloaded;
	bool has_external_ip; /* BEP 24 */
	struct addr external_ip;
	char tracker_id[ANNOUNCE_TEXT_MAX + 1];
	const struct announce_peer *peers; /* encoding: borrowed; decoding: see the codec */
	uint32_t n_peers;
};

struct scrape_row {
	uint8_t info_hash[20];
	uint32_t complete, downloaded, incomplete;
};

#endif
