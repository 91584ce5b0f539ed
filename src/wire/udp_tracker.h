/* wire/udp_tracker.h - announce and scrape over UDP: datagrams as values. Pure.
 * Source: BEP 15; options behind an announce: BEP 41. */
#ifndef SHOAL_WIRE_UDP_TRACKER_H
#define SHOAL_WIRE_UDP_TRACKER_H

#include "base/err.h"
#include "wire/announce.h"

/* Longer datagrams are nothing of this protocol: a scrape of SCRAPE_HASHES_MAX is 1496 bytes. */
#define UDP_REQUEST_MAX 1536u
/* A reply of ours travels in one piece everywhere: IPv6's smallest packet less its heads. Room for
 * ANNOUNCE_PEERS_MAX peers of IPv4 and 67 of IPv6. */
#define UDP_REPLY_MAX 1232u
/* Path and query that a client names behind its announce. */
#define UDP_URL_MAX 512u

enum udp_action { UDP_CONNECT = 0, UDP_ANNOUNCE = 1, UDP_SCRAPE = 2, UDP_ERROR = 3 };

/* What requests begin with; replies have no connection id there. */
struct udp_head {
	enum udp_action action;
	uint32_t transaction;
	uint64_t connection_id; /* of a connect: 0 */
};

/* BEP 41 URLData: bytes of a stranger, not a C string. */
struct udp_url {
	size_t len;
	uint8_t text[UDP_URL_MAX];
};

/* ---- server ---- */

/* Returns 0, or ERR_PROTO when it is no request of this protocol: then nothing is answered. */
int udp_head_decode(struct bytes packet, struct udp_head *out);
/* The whole datagram of an announce. What the client says its address is, is skipped (O-28); a
 * negative numwant is the default, a large one is cut; unknown events are none; unknown options
 * are skipped. `url` may be NULL.
 * Returns: 0, ERR_PROTO or ERR_TOO_BIG (URL), with the reason in `why`. */
int udp_announce_decode(struct bytes packet, struct announce *out, struct udp_url *url,
			struct err_info *why);
/* The number of info-hashes, which lie behind one another in *hashes; a part of one at the end is
 * skipped. ERR_PROTO when there is none, ERR_TOO_BIG over SCRAPE_HASHES_MAX.
 * Owns:    *hashes borrows from `packet`. */
int udp_scrape_decode(struct bytes packet, const uint8_t **hashes, struct err_info *why);

/* Return the length. Of an announce's peers those of the asker's family are told (`v6`: the
 * datagram came over IPv6); a failed reply becomes an error. Texts are cut to fit. */
size_t udp_connect_reply_encode(uint32_t transaction, uint64_t connection_id,
				uint8_t out[UDP_REPLY_MAX]);
size_t udp_announce_reply_encode(uint32_t transaction, const struct announce_reply *r, bool v6,
				 uint8_t out[UDP_REPLY_MAX]);
/* At most SCRAPE_HASHES_MAX rows. */
size_t udp_scrape_reply_encode(uint32_t transaction, const struct scrape_row *rows, size_t n,
			       uint8_t out[UDP_REPLY_MAX]);
size_t udp_error_encode(uint32_t transaction, const char *text, uint8_t out[UDP_REPLY_MAX]);

/* ---- client ---- */

/* Return the length. */
size_t udp_connect_encode(uint32_t transaction, uint8_t out[UDP_REQUEST_MAX]);
/* `path` is path and query of the tracker's URL, may be empty, and is cut at UDP_URL_MAX. A key
 * that is not eight hex digits travels as 0. */
size_t udp_announce_encode(uint64_t connection_id, uint32_t transaction, const struct announce *a,
			   struct bytes path, uint8_t out[UDP_REQUEST_MAX]);
/* n info-hashes behind one another, at most SCRAPE_HASHES_MAX. */
size_t udp_scrape_encode(uint64_t connection_id, uint32_t transaction, const uint8_t *hashes,
			 size_t n, uint8_t out[UDP_REQUEST_MAX]);

/* Which request is this the reply to? Look there whether the action is the one that was asked for;
 * UDP_ERROR fits all. ERR_PROTO: no reply of this protocol. */
int udp_reply_head_decode(struct bytes packet, struct udp_head *out);
/* ERR_PROTO also for an error that the tracker sent. */
int udp_connect_reply_decode(struct bytes packet, uint64_t *connection_id);
/* Of an error r->failed is set. Half a peer at the end is skipped.
 * Returns: 0 or ERR_PROTO.
 * Owns:    r->peers points into `storage`, which the caller lends.
 * Limit:   at most `cap` peers are kept; undialable ones are left out. */
int udp_announce_reply_decode(struct bytes packet, bool v6, struct announce_reply *r,
			      struct announce_peer *storage, uint32_t cap);
/* Rows in the order of the `n` hashes that were asked for. ERR_PROTO when rows are missing, and for
 * an error that the tracker sent. */
int udp_scrape_reply_decode(struct bytes packet, const uint8_t *hashes, size_t n,
			    struct scrape_row *rows);

#endif
