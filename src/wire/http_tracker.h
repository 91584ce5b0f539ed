/* wire/http_tracker.h - announce and scrape over HTTP: query strings and replies. */
#ifndef SHOAL_WIRE_HTTP_TRACKER_H
#define SHOAL_WIRE_HTTP_TRACKER_H

#include "base/buf.h"
#include "wire/announce.h"

/* Longest query we read (64 KiB ones are refused, O-28). */
#define HTTP_TRACKER_QUERY_MAX 8192u

/* Server: what stands behind "?" of /announce.
 * Source:  BEP 3, 7, 23. Unknown keys are skipped; a key given twice is refused (of ipv6 the
 *          first counts); numbers out of range are refused, numwant is cut to the maximum.
 * Returns: 0, or ERR_PROTO with the reason in `info`, fit for "failure reason". */
int http_announce_decode(struct bytes query, struct announce *out, struct err_info *info);
/* Client: appends "info_hash=..." and so on to an announce URL, with '?' or '&'.
 * ERR_INVALID when the URL is empty or holds blanks or control characters. */
int http_announce_encode(const char *url, const struct announce *a, struct buf *out);

/* Server: the bencoded reply. Compact: peers (BEP 23) and peers6 (BEP 7); otherwise a
 * list of dictionaries. r->external_ip becomes "external ip" (BEP 24). A failed reply is
 * "failure reason" and "retry in" (BEP 31), fit for scrapes too.
 * Limit:   ANNOUNCE_PEERS_MAX peers; the rest is left out. */
int http_announce_reply_encode(const struct announce_reply *r, bool compact, bool no_peer_id,
			       struct buf *out);
/* Client. Accepts both forms of peers, and peers6.
 * Returns: 0 (r->failed may be set), ERR_PROTO or ERR_NOMEM.
 * Owns:    r->peers points into `storage`, which the caller lends and frees.
 * Limit:   at most `cap` peers are kept; undialable ones are left out. */
int http_announce_reply_decode(struct bytes body, struct announce_reply *r,
			       struct announce_peer *storage, uint32_t cap);

/* Server: all info_hash values, at most SCRAPE_HASHES_MAX (more is ERR_TOO_BIG); none at
 * all is 0 rows. Returns the number or an error. */
int http_scrape_decode(struct bytes query, uint8_t (*hashes)[20], struct err_info *info);
/* In the order of hashes, each once. ERR_TOO_BIG over SCRAPE_HASHES_MAX. */
int http_scrape_reply_encode(const struct scrape_row *rows, size_t n, struct buf *out);
/* Client. Returns 0 and *n rows, at most `cap`; ERR_PROTO, a failure reply included. */
int http_scrape_reply_decode(struct bytes body, struct scrape_row *rows, size_t cap, size_t *n);
/* Source: BEP 48: ".../announce" becomes ".../scrape". ERR_INVALID when it has none. */
int http_scrape_url(const char *announce_url, struct buf *out);

#endif
