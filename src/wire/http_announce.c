#include "wire/http_tracker.h"

#include "base/text.h"
#include "wire/http_query.h"

/* What a client leaves out: without "left" it is no seed, whatever it has. */
#define LEFT_UNKNOWN 1u

enum key {
	KEY_INFO_HASH,
	KEY_PEER_ID,
	KEY_PORT,
	KEY_UPLOADED,
	KEY_DOWNLOADED,
	KEY_LEFT,
	KEY_EVENT,
	KEY_NUMWANT,
	KEY_COMPACT,
	KEY_NO_PEER_ID,
	KEY_SUPPORTCRYPTO,
	KEY_REQUIRECRYPTO,
	KEY_KEY,
	KEY_TRACKERID,
	KEY_IPV6,
	N_KEYS,
};

/* "ip" and "ipv4" are not among them: the source address of the request is what
 * counts, or anyone could aim a swarm at a victim (O-28). */
static const char *const key_names[N_KEYS] = {
    [KEY_INFO_HASH] = "info_hash",
    [KEY_PEER_ID] = "peer_id",
    [KEY_PORT] = "port",
    [KEY_UPLOADED] = "uploaded",
    [KEY_DOWNLOADED] = "downloaded",
    [KEY_LEFT] = "left",
    [KEY_EVENT] = "event",
    [KEY_NUMWANT] = "numwant",
    [KEY_COMPACT] = "compact",
    [KEY_NO_PEER_ID] = "no_peer_id",
    [KEY_SUPPORTCRYPTO] = "supportcrypto",
    [KEY_REQUIRECRYPTO] = "requirecrypto",
    [KEY_KEY] = "key",
    [KEY_TRACKERID] = "trackerid",
    [KEY_IPV6] = "ipv6",
};

static enum key key_of(struct bytes name)
{
	int k = 0;

	while (k < N_KEYS && !bytes_eq(name, bytes_str(key_names[k])))
		k++;
	return (enum key)k;
}

static int read_20(struct bytes value, uint8_t out[20])
{
	size_t len = 0;
	int rc = http_query_unescape(value, (struct span){out, 20}, &len);

	return rc == 0 && len == 20 ? 0 : ERR_PROTO;
}

static int read_port(struct bytes value, uint16_t *out)
{
	uint64_t v;

	if (text_parse_u64(value, UINT16_MAX, &v) < 0 || v == 0)
		return ERR_PROTO;
	*out = (uint16_t)v;
	return 0;
}

/* BEP 15 writes "as many as you like" as -1, and clients carry it over to HTTP. */
static int read_numwant(struct bytes value, uint32_t *out)
{
	uint64_t v;

	if (bytes_eq(value, bytes_str("-1"))) {
		*out = ANNOUNCE_PEERS_DEFAULT;
		return 0;
	}
	if (text_parse_u64(value, UINT64_MAX, &v) < 0)
		return ERR_PROTO;
	*out = v < ANNOUNCE_PEERS_MAX ? (uint32_t)v : ANNOUNCE_PEERS_MAX;
	return 0;
}

/* Others than these, "empty" and BEP 21's "paused" among them, are plain announces. */
static enum announce_event event_of(struct bytes value)
{
	if (bytes_eq(value, bytes_str("started")))
		return EVENT_STARTED;
	if (bytes_eq(value, bytes_str("completed")))
		return EVENT_COMPLETED;
	return bytes_eq(value, bytes_str("stopped")) ? EVENT_STOPPED : EVENT_NONE;
}

static bool is_one(struct bytes value)
{
	return bytes_eq(value, bytes_str("1"));
}

/* Any bytes: aria2 sends eight of chance. Ours are texts, so one with a zero in it counts as none;
 * nobody but the client itself makes use of it. */
static int read_key(struct bytes value, char out[ANNOUNCE_KEY_MAX + 1])
{
	struct span room = {(uint8_t *)out, ANNOUNCE_KEY_MAX};
	size_t len;
	int rc = http_query_unescape(value, room, &len);

	if (rc < 0)
		return rc;
	out[memchr(out, 0, len) != NULL ? 0 : len] = '\0';
	return 0;
}

static int read_value(enum key k, struct bytes value, struct announce *a)
{
	switch (k) {
	case KEY_INFO_HASH:
		return read_20(value, a->info_hash);
	case KEY_PEER_ID:
		return read_20(value, a->peer_id);
	case KEY_PORT:
		return read_port(value, &a->port);
	case KEY_UPLOADED:
		return text_parse_u64(value, UINT64_MAX, &a->uploaded);
	case KEY_DOWNLOADED:
		return text_parse_u64(value, UINT64_MAX, &a->downloaded);
	case KEY_LEFT:
		/* WebTorrent does not know it as long as it has a magnet link alone. */
		return value.len == 0 ? 0 : text_parse_u64(value, UINT64_MAX, &a->left);
	case KEY_NUMWANT:
		return read_numwant(value, &a->numwant);
	case KEY_KEY:
		return read_key(value, a->key);
	case KEY_TRACKERID:
		return http_query_text(value, a->tracker_id, sizeof(a->tracker_id));
	case KEY_EVENT:
		a->event = event_of(value);
		break;
	case KEY_COMPACT:
		a->compact = !bytes_eq(value, bytes_str("0"));
		break;
	case KEY_NO_PEER_ID:
		a->no_peer_id = is_one(value);
		break;
	case KEY_SUPPORTCRYPTO:
	case KEY_REQUIRECRYPTO:
		a->supports_crypto |= is_one(value);
		break;
	case KEY_IPV6:
	case N_KEYS:
		break;
	}
	return 0;
}

/* BEP 7: an address, or an address with its port. What is neither is passed over. */
static void read_ipv6(struct bytes value, struct announce *a)
{
	uint8_t text[ADDR_TEXT_MAX];
	struct addr v6;
	size_t len;

	if (http_query_unescape(value, (struct span){text, sizeof(text)}, &len) < 0)
		return;
	if (addr_parse(bytes_of(text, len), a->port, &v6) < 0 || !v6.v6 || !addr_is_dialable(&v6))
		return;
	a->has_claimed_v6 = true;
	a->claimed_v6 = v6;
}

int http_announce_decode(struct bytes query, struct announce *out, struct err_info *info)
{
	struct announce a = {
	    .numwant = ANNOUNCE_PEERS_DEFAULT, .compact = true, .left = LEFT_UNKNOWN};
	struct bytes ipv6 = {NULL, 0};
	bool seen[N_KEYS + 1] = {false};
	struct http_pair pair;

	if (query.len > HTTP_TRACKER_QUERY_MAX)
		return err_set(info, ERR_PROTO, "the query is too long");
	while (http_query_next(&query, &pair)) {
		enum key k = key_of(pair.key);

		if (k == N_KEYS || (k == KEY_IPV6 && seen[k]))
			continue;
		if (seen[k])
			return err_set(info, ERR_PROTO, "%s is there twice", key_names[k]);
		seen[k] = true;
		if (k == KEY_IPV6)
			ipv6 = pair.value;
		if (read_value(k, pair.value, &a) < 0)
			return err_set(info, ERR_PROTO, "bad value of %s", key_names[k]);
	}
	for (int k = KEY_INFO_HASH; k <= KEY_PORT; k++)
		if (!seen[k])
			return err_set(info, ERR_PROTO, "%s is missing", key_names[k]);
	read_ipv6(ipv6, &a);
	*out = a;
	return 0;
}

static void put_bytes(struct buf *out, enum key k, struct bytes value)
{
	buf_printf(out, "%s%s=", k == KEY_INFO_HASH ? "" : "&", key_names[k]);
	text_put_percent(out, value);
}

static void put_number(struct buf *out, enum key k, uint64_t v)
{
	buf_printf(out, "&%s=%llu", key_names[k], (unsigned long long)v);
}

/* The URL without its fragment, and what joins a query to it. A URL with blanks or
 * control characters in it could write headers of its own. */
static int put_url(struct buf *out, const char *url)
{
	struct bytes u = bytes_of(url, strcspn(url, "#"));
	const uint8_t *mark = memchr(u.ptr, '?', u.len);
	uint8_t last;

	for (size_t i = 0; i < u.len; i++)
		if (u.ptr[i] <= ' ' || u.ptr[i] == 0x7f)
			return ERR_INVALID;
	if (u.len == 0)
		return ERR_INVALID;
	last = u.ptr[u.len - 1];
	buf_put(out, u);
	if (mark == NULL)
		return buf_put_u8(out, '?');
	return last == '?' || last == '&' ? out->err : buf_put_u8(out, '&');
}

int http_announce_encode(const char *url, const struct announce *a, struct buf *out)
{
	static const char *const events[] = {
	    [EVENT_STARTED] = "started",
	    [EVENT_COMPLETED] = "completed",
	    [EVENT_STOPPED] = "stopped",
	    [EVENT_PAUSED] = "paused",
	};
	char text[ADDR_TEXT_MAX];
	int rc = put_url(out, url);

	if (rc < 0)
		return rc;
	put_bytes(out, KEY_INFO_HASH, bytes_of(a->info_hash, sizeof(a->info_hash)));
	put_bytes(out, KEY_PEER_ID, bytes_of(a->peer_id, sizeof(a->peer_id)));
	put_number(out, KEY_PORT, a->port);
	put_number(out, KEY_UPLOADED, a->uploaded);
	put_number(out, KEY_DOWNLOADED, a->downloaded);
	put_number(out, KEY_LEFT, a->left);
	put_number(out, KEY_NUMWANT, a->numwant);
	put_number(out, KEY_COMPACT, a->compact);
	if (a->no_peer_id)
		put_number(out, KEY_NO_PEER_ID, 1);
	if (a->supports_crypto)
		put_number(out, KEY_SUPPORTCRYPTO, 1);
	if (a->event != EVENT_NONE)
		put_bytes(out, KEY_EVENT, bytes_str(events[a->event]));
	if (a->key[0] != '\0')
		put_bytes(out, KEY_KEY, bytes_str(a->key));
	if (a->tracker_id[0] != '\0')
		put_bytes(out, KEY_TRACKERID, bytes_str(a->tracker_id));
	if (a->has_claimed_v6)
		put_bytes(out, KEY_IPV6, bytes_str(addr_text(text, &a->claimed_v6)));
	return out->err;
}
