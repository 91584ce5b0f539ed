#include "wire/udp_tracker.h"

#include "base/text.h"

/* Connect request:  magic 8 | action 4 | transaction 4
 * Connect reply:    action 4 | transaction 4 | connection id 8
 * Announce:         connection id 8 | action 4 | transaction 4 | info-hash 20 | peer id 20 |
 *                   downloaded 8 | left 8 | uploaded 8 | event 4 | IP 4 | key 4 | numwant 4 |
 *                   port 2 | options
 * Announce reply:   action 4 | transaction 4 | interval 4 | leechers 4 | seeders 4 |
 *                   (IP 4 or 16 | port 2) * n
 * Scrape:           connection id 8 | action 4 | transaction 4 | (info-hash 20) * n
 * Scrape reply:     action 4 | transaction 4 | (seeders 4 | completed 4 | leechers 4) * n
 * Error:            action 3 | transaction 4 | text */
#define MAGIC UINT64_C(0x41727101980)
#define REQUEST_HEAD 16u
#define ANNOUNCE_LEN 98u
#define HASH_LEN 20u
#define REPLY_HEAD 8u
#define ANNOUNCE_REPLY_HEAD 20u
#define ROW_LEN 12u
#define PEER_V4 6u
#define PEER_V6 18u
#define URL_CHUNK 255u

enum option { OPTION_END = 0, OPTION_NOP = 1, OPTION_URL = 2 };

static_assert(REQUEST_HEAD + SCRAPE_HASHES_MAX * HASH_LEN <= UDP_REQUEST_MAX, "a scrape fits");
static_assert(REPLY_HEAD + SCRAPE_HASHES_MAX * ROW_LEN <= UDP_REPLY_MAX, "its reply fits");
static_assert(ANNOUNCE_REPLY_HEAD + ANNOUNCE_PEERS_MAX * PEER_V4 <= UDP_REPLY_MAX, "peers fit");
static_assert(ANNOUNCE_LEN + UDP_URL_MAX + (UDP_URL_MAX / URL_CHUNK + 1) * 2 <= UDP_REQUEST_MAX,
	      "a URL fits");

/* The numbers on the wire follow another order than ours. */
static const enum announce_event events[] = {EVENT_NONE, EVENT_COMPLETED, EVENT_STARTED,
					     EVENT_STOPPED};
#define N_EVENTS (sizeof(events) / sizeof(events[0]))

/* ---- server: reading ----------------------------------------------------- */

int udp_head_decode(struct bytes packet, struct udp_head *out)
{
	uint32_t action;

	if (packet.len < REQUEST_HEAD)
		return ERR_PROTO;
	action = be32(packet.ptr + 8);
	if (action > UDP_SCRAPE || (action == UDP_CONNECT && be64(packet.ptr) != MAGIC))
		return ERR_PROTO;
	*out = (struct udp_head){.action = (enum udp_action)action,
				 .transaction = be32(packet.ptr + 12),
				 .connection_id = action == UDP_CONNECT ? 0 : be64(packet.ptr)};
	return 0;
}

static int add_url(struct udp_url *url, struct bytes data, struct err_info *why)
{
	if (url == NULL || data.len == 0)
		return 0;
	if (data.len > UDP_URL_MAX - url->len)
		return err_set(why, ERR_TOO_BIG, "the URL is too long");
	memcpy(url->text + url->len, data.ptr, data.len);
	url->len += data.len;
	return 0;
}

/* BEP 41: a kind, and for all but two kinds a length of one byte and as many bytes. */
static int read_options(struct bytes rest, struct udp_url *url, struct err_info *why)
{
	int rc = 0;

	while (rc == 0 && rest.len > 0 && rest.ptr[0] != OPTION_END) {
		uint8_t kind = rest.ptr[0];
		size_t len = 0;

		if (kind != OPTION_NOP) {
			if (rest.len < 2 || rest.len - 2 < rest.ptr[1])
				return err_set(why, ERR_PROTO, "an option goes past the end");
			len = 1u + rest.ptr[1];
		}
		if (kind == OPTION_URL)
			rc = add_url(url, bytes_sub(rest, 2, len - 1), why);
		rest = bytes_sub(rest, 1 + len, rest.len - 1 - len);
	}
	return rc;
}

static uint32_t numwant_of(uint32_t v)
{
	if (v > INT32_MAX) /* -1 says that any number will do */
		return ANNOUNCE_PEERS_DEFAULT;
	return v < ANNOUNCE_PEERS_MAX ? v : ANNOUNCE_PEERS_MAX;
}

int udp_announce_decode(struct bytes packet, struct announce *out, struct udp_url *url,
			struct err_info *why)
{
	const uint8_t *p = packet.ptr;
	uint32_t event;

	if (url != NULL)
		url->len = 0;
	if (packet.len < ANNOUNCE_LEN)
		return err_set(why, ERR_PROTO, "the announce is cut short");
	event = be32(p + 80);
	*out = (struct announce){
	    .port = be16(p + 96),
	    .downloaded = be64(p + 56),
	    .left = be64(p + 64),
	    .uploaded = be64(p + 72),
	    .event = event < N_EVENTS ? events[event] : EVENT_NONE,
	    .numwant = numwant_of(be32(p + 92)),
	    .compact = true,
	    .no_peer_id = true,
	};
	memcpy(out->info_hash, p + 16, sizeof(out->info_hash));
	memcpy(out->peer_id, p + 36, sizeof(out->peer_id));
	text_hex(out->key, bytes_sub(packet, 88, 4));
	if (out->port == 0)
		return err_set(why, ERR_PROTO, "port is 0");
	return read_options(bytes_sub(packet, ANNOUNCE_LEN, packet.len - ANNOUNCE_LEN), url, why);
}

int udp_scrape_decode(struct bytes packet, const uint8_t **hashes, struct err_info *why)
{
	size_t n = packet.len < REQUEST_HEAD ? 0 : (packet.len - REQUEST_HEAD) / HASH_LEN;

	if (n == 0)
		return err_set(why, ERR_PROTO, "info_hash is missing");
	if (n > SCRAPE_HASHES_MAX)
		return err_set(why, ERR_TOO_BIG, "at most %u info-hashes in one scrape",
			       SCRAPE_HASHES_MAX);
	*hashes = packet.ptr + REQUEST_HEAD;
	return (int)n;
}

/* ---- server: writing ----------------------------------------------------- */

static void put_reply_head(uint8_t *out, enum udp_action action, uint32_t transaction)
{
	put_be32(out, action);
	put_be32(out + 4, transaction);
}

size_t udp_connect_reply_encode(uint32_t transaction, uint64_t connection_id,
				uint8_t out[UDP_REPLY_MAX])
{
	put_reply_head(out, UDP_CONNECT, transaction);
	put_be64(out + REPLY_HEAD, connection_id);
	return REPLY_HEAD + 8;
}

size_t udp_error_encode(uint32_t transaction, const char *text, uint8_t out[UDP_REPLY_MAX])
{
	size_t len = strnlen(text, UDP_REPLY_MAX - REPLY_HEAD);

	put_reply_head(out, UDP_ERROR, transaction);
	memcpy(out + REPLY_HEAD, text, len);
	return REPLY_HEAD + len;
}

size_t udp_announce_reply_encode(uint32_t transaction, const struct announce_reply *r, bool v6,
				 uint8_t out[UDP_REPLY_MAX])
{
	const size_t ip_len = v6 ? 16 : 4;
	size_t len = ANNOUNCE_REPLY_HEAD;

	if (r->failed)
		return udp_error_encode(transaction, r->failure, out);
	put_reply_head(out, UDP_ANNOUNCE, transaction);
	put_be32(out + 8, r->interval_s);
	put_be32(out + 12, r->incomplete);
	put_be32(out + 16, r->complete);
	for (uint32_t i = 0; i < r->n_peers && len <= UDP_REPLY_MAX - ip_len - 2; i++) {
		const struct addr *a = &r->peers[i].addr;

		if ((a->v6 != 0) != v6)
			continue;
		memcpy(out + len, a->ip, ip_len);
		put_be16(out + len + ip_len, a->port);
		len += ip_len + 2;
	}
	return len;
}

size_t udp_scrape_reply_encode(uint32_t transaction, const struct scrape_row *rows, size_t n,
			       uint8_t out[UDP_REPLY_MAX])
{
	uint8_t *p = out + REPLY_HEAD;

	assert(n <= SCRAPE_HASHES_MAX);
	put_reply_head(out, UDP_SCRAPE, transaction);
	for (size_t i = 0; i < n; i++, p += ROW_LEN) {
		put_be32(p, rows[i].complete);
		put_be32(p + 4, rows[i].downloaded);
		put_be32(p + 8, rows[i].incomplete);
	}
	return REPLY_HEAD + n * ROW_LEN;
}

/* ---- client: writing ----------------------------------------------------- */

static void put_request_head(uint8_t *out, uint64_t id, enum udp_action action,
			     uint32_t transaction)
{
	put_be64(out, id);
	put_be32(out + 8, action);
	put_be32(out + 12, transaction);
}

size_t udp_connect_encode(uint32_t transaction, uint8_t out[UDP_REQUEST_MAX])
{
	put_request_head(out, MAGIC, UDP_CONNECT, transaction);
	return REQUEST_HEAD;
}

static uint32_t event_number(enum announce_event event)
{
	for (uint32_t n = 0; n < N_EVENTS; n++)
		if (events[n] == event)
			return n;
	return 0;
}

static size_t put_url(uint8_t *out, struct bytes path)
{
	size_t len = 0;

	if (path.len > UDP_URL_MAX)
		path.len = UDP_URL_MAX;
	while (path.len > 0) {
		size_t n = path.len < URL_CHUNK ? path.len : URL_CHUNK;

		out[len] = OPTION_URL;
		out[len + 1] = (uint8_t)n;
		memcpy(out + len + 2, path.ptr, n);
		len += n + 2;
		path = bytes_sub(path, n, path.len - n);
	}
	return len;
}

size_t udp_announce_encode(uint64_t connection_id, uint32_t transaction, const struct announce *a,
			   struct bytes path, uint8_t out[UDP_REQUEST_MAX])
{
	put_request_head(out, connection_id, UDP_ANNOUNCE, transaction);
	memcpy(out + 16, a->info_hash, sizeof(a->info_hash));
	memcpy(out + 36, a->peer_id, sizeof(a->peer_id));
	put_be64(out + 56, a->downloaded);
	put_be64(out + 64, a->left);
	put_be64(out + 72, a->uploaded);
	put_be32(out + 80, event_number(a->event));
	put_be32(out + 84, 0);
	if (text_unhex(bytes_str(a->key), out + 88, 4) != 0)
		put_be32(out + 88, 0);
	put_be32(out + 92, a->numwant);
	put_be16(out + 96, a->port);
	return ANNOUNCE_LEN + put_url(out + ANNOUNCE_LEN, path);
}

size_t udp_scrape_encode(uint64_t connection_id, uint32_t transaction, const uint8_t *hashes,
			 size_t n, uint8_t out[UDP_REQUEST_MAX])
{
	assert(n <= SCRAPE_HASHES_MAX);
	put_request_head(out, connection_id, UDP_SCRAPE, transaction);
	memcpy(out + REQUEST_HEAD, hashes, n * HASH_LEN);
	return REQUEST_HEAD + n * HASH_LEN;
}

/* ---- client: reading ----------------------------------------------------- */

int udp_reply_head_decode(struct bytes packet, struct udp_head *out)
{
	uint32_t action;

	if (packet.len < REPLY_HEAD)
		return ERR_PROTO;
	action = be32(packet.ptr);
	if (action > UDP_ERROR)
		return ERR_PROTO;
	*out = (struct udp_head){.action = (enum udp_action)action,
				 .transaction = be32(packet.ptr + 4)};
	return 0;
}

static bool is_reply(struct bytes packet, enum udp_action action, size_t least)
{
	return packet.len >= least && be32(packet.ptr) == (uint32_t)action;
}

int udp_connect_reply_decode(struct bytes packet, uint64_t *connection_id)
{
	if (!is_reply(packet, UDP_CONNECT, REPLY_HEAD + 8))
		return ERR_PROTO;
	*connection_id = be64(packet.ptr + REPLY_HEAD);
	return 0;
}

static void take_failure(struct bytes text, struct announce_reply *r)
{
	size_t len = text.len < ANNOUNCE_TEXT_MAX ? text.len : ANNOUNCE_TEXT_MAX;

	r->failed = true;
	memcpy(r->failure, text.ptr, len);
	r->failure[len] = '\0';
}

int udp_announce_reply_decode(struct bytes packet, bool v6, struct announce_reply *r,
			      struct announce_peer *storage, uint32_t cap)
{
	const size_t ip_len = v6 ? 16 : 4, stride = v6 ? PEER_V6 : PEER_V4;

	*r = (struct announce_reply){.peers = storage};
	if (is_reply(packet, UDP_ERROR, REPLY_HEAD)) {
		take_failure(bytes_sub(packet, REPLY_HEAD, packet.len - REPLY_HEAD), r);
		return 0;
	}
	if (!is_reply(packet, UDP_ANNOUNCE, ANNOUNCE_REPLY_HEAD))
		return ERR_PROTO;
	r->interval_s = be32(packet.ptr + 8);
	r->incomplete = be32(packet.ptr + 12);
	r->complete = be32(packet.ptr + 16);
	for (size_t at = ANNOUNCE_REPLY_HEAD; packet.len - at >= stride && r->n_peers < cap;
	     at += stride) {
		struct announce_peer *p = &storage[r->n_peers];

		*p = (struct announce_peer){.has_id = false};
		if (addr_from_ip(&p->addr, bytes_sub(packet, at, ip_len),
				 be16(packet.ptr + at + ip_len)) == 0 &&
		    addr_is_dialable(&p->addr))
			r->n_peers++;
	}
	return 0;
}

int udp_scrape_reply_decode(struct bytes packet, const uint8_t *hashes, size_t n,
			    struct scrape_row *rows)
{
	const uint8_t *p;

	assert(n <= SCRAPE_HASHES_MAX);
	if (!is_reply(packet, UDP_SCRAPE, REPLY_HEAD + n * ROW_LEN))
		return ERR_PROTO;
	p = packet.ptr + REPLY_HEAD;
	for (size_t i = 0; i < n; i++, p += ROW_LEN) {
		memcpy(rows[i].info_hash, hashes + i * HASH_LEN, HASH_LEN);
		rows[i].complete = be32(p);
		rows[i].downloaded = be32(p + 4);
		rows[i].incomplete = be32(p + 8);
	}
	return 0;
}
