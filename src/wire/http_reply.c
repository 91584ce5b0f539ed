#include "wire/http_tracker.h"

#include "base/bencode.h"
#include "base/text.h"

#define RETRY_NEVER UINT32_MAX

/* Address and port in one entry of "peers" and "peers6". */
#define ENTRY_V4 6u
#define ENTRY_V6 18u

/* ---- writing ------------------------------------------------------------ */

static void put_text(struct buf *out, const char *key, const char *text)
{
	if (text[0] == '\0')
		return;
	benc_put_str(out, key);
	benc_put_str(out, text);
}

/* BEP 31 counts minutes. */
static int put_failure(struct buf *out, const struct announce_reply *r)
{
	benc_put_raw(out, 'd');
	benc_put_str(out, "failure reason");
	benc_put_str(out, r->failure);
	if (r->retry_s == RETRY_NEVER)
		put_text(out, "retry in", "never");
	else if (r->retry_s > 0)
		benc_put_pair(out, "retry in", (r->retry_s - 1) / 60 + 1);
	benc_put_raw(out, 'e');
	return out->err;
}

static uint32_t peers_sent(const struct announce_reply *r)
{
	return r->n_peers < ANNOUNCE_PEERS_MAX ? r->n_peers : ANNOUNCE_PEERS_MAX;
}

static void put_compact(struct buf *out, const char *key, const struct announce_reply *r, bool v6)
{
	uint8_t packed[ANNOUNCE_PEERS_MAX * ENTRY_V6];
	size_t ip_len = v6 ? 16 : 4, len = 0;

	for (uint32_t i = 0; i < peers_sent(r); i++) {
		const struct addr *a = &r->peers[i].addr;

		if ((a->v6 != 0) != v6)
			continue;
		memcpy(packed + len, a->ip, ip_len);
		put_be16(packed + len + ip_len, a->port);
		len += ip_len + 2;
	}
	if (v6 && len == 0)
		return;
	benc_put_str(out, key);
	benc_put_bytes(out, bytes_of(packed, len));
}

static void put_list(struct buf *out, const struct announce_reply *r, bool no_peer_id)
{
	char text[ADDR_TEXT_MAX];

	benc_put_str(out, "peers");
	benc_put_raw(out, 'l');
	for (uint32_t i = 0; i < peers_sent(r); i++) {
		const struct announce_peer *p = &r->peers[i];

		benc_put_raw(out, 'd');
		put_text(out, "ip", addr_host_text(text, &p->addr));
		if (p->has_id && !no_peer_id) {
			benc_put_str(out, "peer id");
			benc_put_bytes(out, bytes_of(p->id, sizeof(p->id)));
		}
		benc_put_pair(out, "port", p->addr.port);
		benc_put_raw(out, 'e');
	}
	benc_put_raw(out, 'e');
}

int http_announce_reply_encode(const struct announce_reply *r, bool compact, bool no_peer_id,
			       struct buf *out)
{
	if (r->failed)
		return put_failure(out, r);
	benc_put_raw(out, 'd');
	benc_put_pair(out, "complete", r->complete);
	benc_put_pair(out, "downloaded", r->downloaded);
	if (r->has_external_ip) {
		benc_put_str(out, "external ip");
		benc_put_bytes(out, bytes_of(r->external_ip.ip, r->external_ip.v6 ? 16 : 4));
	}
	benc_put_pair(out, "incomplete", r->incomplete);
	benc_put_pair(out, "interval", r->interval_s);
	if (r->min_interval_s > 0)
		benc_put_pair(out, "min interval", r->min_interval_s);
	if (compact) {
		put_compact(out, "peers", r, false);
		put_compact(out, "peers6", r, true);
	} else {
		put_list(out, r, no_peer_id);
	}
	put_text(out, "tracker id", r->tracker_id);
	put_text(out, "warning message", r->warning);
	benc_put_raw(out, 'e');
	return out->err;
}

/* ---- reading ------------------------------------------------------------ */

/* Peers taken so far, and how many entries may still be looked at: a reply of a
 * million entries costs no more than one of ANNOUNCE_PEERS_TAKEN (O-21). */
struct taker {
	struct announce_peer *peers;
	uint32_t n, cap, looks;
};

static void take_peer(struct taker *t, struct bytes ip, uint16_t port, struct bytes id)
{
	struct announce_peer p = {.has_id = id.len == sizeof(p.id)};

	if (t->n == t->cap || addr_from_ip(&p.addr, ip, port) < 0 || !addr_is_dialable(&p.addr))
		return;
	if (p.has_id)
		memcpy(p.id, id.ptr, sizeof(p.id));
	t->peers[t->n++] = p;
}

static void take_compact(struct taker *t, struct bytes packed, size_t entry)
{
	for (; packed.len >= entry && t->looks > 0; t->looks--) {
		take_peer(t, bytes_sub(packed, 0, entry - 2), be16(packed.ptr + entry - 2),
			  bytes_of(NULL, 0));
		packed = bytes_sub(packed, entry, packed.len - entry);
	}
}

/* Host names are passed over: a tracker could have us look up names at will. */
static void take_list(struct taker *t, const struct benc *list)
{
	struct benc_iter it = benc_iter(list);
	struct benc peer;

	for (; t->looks > 0 && benc_next(&it, NULL, &peer); t->looks--) {
		struct bytes ip, id = {NULL, 0};
		struct addr a;
		int64_t port;

		if (!benc_find_str(&peer, "ip", &ip) || !benc_find_int(&peer, "port", &port) ||
		    port <= 0 || port > UINT16_MAX || addr_parse(ip, 0, &a) < 0 || a.port != 0)
			continue;
		benc_find_str(&peer, "peer id", &id);
		take_peer(t, bytes_of(a.ip, a.v6 ? 16 : 4), (uint16_t)port, id);
	}
}

static void find_text(const struct benc *dict, const char *key, char out[ANNOUNCE_TEXT_MAX + 1])
{
	struct bytes s;
	size_t n;

	out[0] = '\0';
	if (!benc_find_str(dict, key, &s))
		return;
	n = s.len < ANNOUNCE_TEXT_MAX ? s.len : ANNOUNCE_TEXT_MAX;
	if (n > 0)
		memcpy(out, s.ptr, n);
	out[n] = '\0';
}

static void find_external_ip(const struct benc *dict, struct announce_reply *r)
{
	struct bytes ip;

	if (benc_find_str(dict, "external ip", &ip))
		r->has_external_ip = addr_from_ip(&r->external_ip, ip, 0) == 0;
}

static uint32_t seconds_of(uint64_t minutes)
{
	return minutes < RETRY_NEVER / 60 ? (uint32_t)minutes * 60 : RETRY_NEVER - 1;
}

/* BEP 31 shows the number as a string, and speaks of an integer. */
static uint32_t find_retry(const struct benc *dict)
{
	struct bytes s;
	uint64_t minutes;
	int64_t v;

	if (benc_find_int(dict, "retry in", &v))
		return v > 0 ? seconds_of((uint64_t)v) : 0;
	if (!benc_find_str(dict, "retry in", &s))
		return 0;
	if (bytes_eq(s, bytes_str("never")))
		return RETRY_NEVER;
	return text_parse_u64(s, UINT64_MAX, &minutes) == 0 ? seconds_of(minutes) : 0;
}

int http_announce_reply_decode(struct bytes body, struct announce_reply *r,
			       struct announce_peer *storage, uint32_t cap)
{
	struct taker t = {.peers = storage, .cap = cap, .looks = ANNOUNCE_PEERS_TAKEN};
	struct benc root, v;
	bool answered;

	/* Line ends after the dictionary are let pass: scripts leave them. */
	if (benc_parse(body, &root, NULL) < 0 || root.type != BENC_DICT)
		return ERR_PROTO;
	*r = (struct announce_reply){.peers = storage};
	if (benc_find(&root, "failure reason", &v)) {
		r->failed = true;
		find_text(&root, "failure reason", r->failure);
		r->retry_s = find_retry(&root);
		return 0;
	}
	answered = benc_find(&root, "interval", &v);
	r->interval_s = benc_find_u32(&root, "interval");
	r->min_interval_s = benc_find_u32(&root, "min interval");
	r->complete = benc_find_u32(&root, "complete");
	r->incomplete = benc_find_u32(&root, "incomplete");
	r->downloaded = benc_find_u32(&root, "downloaded");
	find_text(&root, "tracker id", r->tracker_id);
	find_text(&root, "warning message", r->warning);
	find_external_ip(&root, r);
	if (benc_find(&root, "peers", &v)) {
		answered = true;
		if (v.type == BENC_STR)
			take_compact(&t, v.str, ENTRY_V4);
		else if (v.type == BENC_LIST)
			take_list(&t, &v);
	}
	if (benc_find(&root, "peers6", &v)) {
		answered = true;
		if (v.type == BENC_STR)
			take_compact(&t, v.str, ENTRY_V6);
	}
	r->n_peers = t.n;
	return answered ? 0 : ERR_PROTO;
}
