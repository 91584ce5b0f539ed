#include "node/index_torrent.h"

#include "base/bencode.h"
#include "base/text.h"
#include "meta/metainfo.h"

/* The most tiers taken over from a stored torrent. */
#define TIERS_MAX 100u
/* An announce URL of ours: a host of 255 bytes, a path and a passkey. */
#define URL_BYTES_MAX 1024u

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
}

/* The name by which this client knows us; NULL: it did not say so in a usable way. */
static const char *own_host(const struct http_request *r)
{
	const char *host = http_request_header(r, "Host");
	size_t n = host == NULL ? 0 : strlen(host);

	if (n == 0 || n > 255)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!is_host_char(host[i]))
			return NULL;
	return host;
}

static void put_url(struct buf *url, const char *scheme, const char *host, struct bytes below,
		    struct bytes passkey)
{
	(void)buf_printf(url, "%s://%s", scheme, host);
	(void)buf_put(url, below);
	(void)buf_put_str(url, "/announce");
	if (passkey.len > 0) {
		(void)buf_put_u8(url, '/');
		text_put_percent(url, passkey);
	}
}

static bool names_port(const char *host, uint16_t port)
{
	const char *colon = strrchr(host, ':');
	uint64_t n;

	return colon != NULL && text_parse_u64(bytes_str(colon + 1), UINT16_MAX, &n) == 0 &&
	       n == port;
}

static bool is_on_loopback(struct bytes url)
{
	for (size_t i = 0; i + 3 <= url.len; i++) {
		struct bytes host;

		if (memcmp(url.ptr + i, "://", 3) != 0)
			continue;
		host = bytes_sub(url, i + 3, url.len - i - 3);
		return bytes_start_with(host, "127.") || bytes_start_with(host, "localhost") ||
		       bytes_start_with(host, "[::1]");
	}
	return false;
}

struct rewrite {
	struct bytes own, udp; /* our announce URLs; `udp` may be empty */
	bool keep_loopback;
	struct buf *out;
};

static bool is_kept(const struct rewrite *w, struct bytes url)
{
	return !bytes_eq(url, w->own) && !bytes_eq(url, w->udp) &&
	       (w->keep_loopback || !is_on_loopback(url));
}

static void put_single(const struct rewrite *w, struct bytes url)
{
	benc_put_raw(w->out, 'l');
	benc_put_bytes(w->out, url);
	benc_put_raw(w->out, 'e');
}

static void put_tier(const struct rewrite *w, const struct benc *tier)
{
	struct benc_iter it = benc_iter(tier);
	struct benc url;
	bool open = false;

	while (benc_next(&it, NULL, &url)) {
		if (url.type != BENC_STR || !is_kept(w, url.str))
			continue;
		if (!open)
			benc_put_raw(w->out, 'l');
		open = true;
		benc_put_bytes(w->out, url.str);
	}
	if (open)
		benc_put_raw(w->out, 'e');
}

static const char first_key[] = "announce", second_key[] = "announce-list";

/* What a stored torrent's outer dictionary has of trackers. */
struct outer {
	struct benc first, list; /* of the two keys; raw.ptr NULL: it has none */
	bool in_order;		 /* none of the two is behind a key that belongs behind both */
};

/* Which of the two it is; NULL: another key. */
static struct benc *tracker_at(struct outer *o, struct bytes key)
{
	if (bytes_eq(key, bytes_str(first_key)))
		return &o->first;
	return bytes_eq(key, bytes_str(second_key)) ? &o->list : NULL;
}

static bool is_behind(struct bytes key)
{
	return bytes_cmp(key, bytes_str(second_key)) > 0;
}

/* Where keys are known to be in order, nothing behind the trackers is looked at, which may be a
 * million values. ERR_PROTO: no dictionary. */
static int look(struct benc_iter it, bool in_order, struct outer *o)
{
	struct benc value, *to;
	struct bytes key;
	bool behind = false;

	*o = (struct outer){.in_order = true};
	while (benc_peek_key(&it, &key)) {
		behind = behind || is_behind(key);
		if (behind && in_order)
			return OK;
		if (!benc_next(&it, &key, &value))
			break;
		to = tracker_at(o, key);
		if (to == NULL)
			continue;
		o->in_order = o->in_order && !behind;
		if (to->raw.ptr == NULL)
			*to = value;
	}
	return it.rest.len == 0 ? OK : ERR_PROTO;
}

/* Source: BEP 12: a client that knows announce-list ignores announce, so all go there. */
static void put_announce(const struct rewrite *w, const struct outer *o)
{
	struct benc tier;
	uint32_t tiers = 0;

	benc_put_str(w->out, first_key);
	benc_put_bytes(w->out, w->own);
	benc_put_str(w->out, second_key);
	benc_put_raw(w->out, 'l');
	put_single(w, w->own);
	if (w->udp.len > 0)
		put_single(w, w->udp);
	if (o->list.raw.ptr != NULL && o->list.type == BENC_LIST) {
		struct benc_iter it = benc_iter(&o->list);

		while (tiers++ < TIERS_MAX && benc_next(&it, NULL, &tier))
			if (tier.type == BENC_LIST)
				put_tier(w, &tier);
	} else if (o->first.raw.ptr != NULL && o->first.type == BENC_STR &&
		   is_kept(w, o->first.str)) {
		put_single(w, o->first.str);
	}
	benc_put_raw(w->out, 'e');
}

/* All that stands in front of `it->rest`, which is what stays as it is. */
static void put_head(const struct rewrite *w, struct benc_iter *it, struct outer *o)
{
	struct benc value;
	struct bytes key;
	bool done = false;

	benc_put_raw(w->out, 'd');
	while (benc_peek_key(it, &key) && !(o->in_order && is_behind(key))) {
		(void)benc_next(it, &key, &value);
		if (tracker_at(o, key) != NULL)
			continue;
		if (!done && bytes_cmp(key, bytes_str(first_key)) > 0) {
			put_announce(w, o);
			done = true;
		}
		benc_put_bytes(w->out, key);
		(void)buf_put(w->out, value.raw);
	}
	if (!done)
		put_announce(w, o);
}

static int rewrite(const struct rewrite *w, struct buf *torrent, bool in_order)
{
	struct benc root = {.type = BENC_DICT, .raw = meta_trim(buf_bytes(torrent))};
	struct benc_iter it = benc_iter(&root);
	struct outer o;

	torrent->len = root.raw.len;
	if (root.raw.len < 2 || root.raw.ptr[0] != 'd' || root.raw.ptr[root.raw.len - 1] != 'e' ||
	    look(it, in_order, &o) != OK)
		return ERR_PROTO;
	put_head(w, &it, &o);
	if (w->out->err != OK)
		return w->out->err;
	return buf_put_front(torrent, (size_t)(it.rest.ptr - torrent->ptr), buf_bytes(w->out));
}

/* Our announce URLs under that name; `udp` stays empty where there is none. */
static int put_own(const struct http_request *r, const char *host, struct bytes passkey,
		   uint16_t udp_port, struct buf *own, struct buf *udp)
{
	put_url(own, r->secure ? "https" : "http", host, r->below, passkey);
	if (udp_port != 0 && !r->secure && r->below.len == 0 && names_port(host, udp_port))
		put_url(udp, "udp", host, r->below, passkey);
	return own->err != OK ? own->err : udp->err;
}

int index_torrent_point_here(struct buf *torrent, bool in_order, const struct http_request *r,
			     struct bytes passkey, uint16_t udp_port)
{
	const char *host = own_host(r);
	struct buf own, udp, head;
	struct rewrite w = {.keep_loopback = addr_is_loopback(&r->from), .out = &head};
	int rc = OK;

	if (host == NULL)
		return OK;
	buf_init(&own, URL_BYTES_MAX);
	buf_init(&udp, URL_BYTES_MAX);
	buf_init(&head, torrent->max);
	if (put_own(r, host, passkey, udp_port, &own, &udp) == OK) {
		w.own = buf_bytes(&own);
		w.udp = buf_bytes(&udp);
		rc = rewrite(&w, torrent, in_order);
	}
	buf_fini(&own);
	buf_fini(&udp);
	buf_fini(&head);
	return rc;
}

int index_torrent_put_trackers(const struct http_request *r, uint16_t udp_port, struct buf *magnet)
{
	const char *host = own_host(r);
	struct buf own, udp;

	if (host == NULL)
		return magnet->err;
	buf_init(&own, URL_BYTES_MAX);
	buf_init(&udp, URL_BYTES_MAX);
	if (put_own(r, host, bytes_of(NULL, 0), udp_port, &own, &udp) == OK) {
		buf_put_str(magnet, "&tr=");
		text_put_percent(magnet, buf_bytes(&own));
	}
	if (udp.len > 0) {
		buf_put_str(magnet, "&tr=");
		text_put_percent(magnet, buf_bytes(&udp));
	}
	buf_fini(&own);
	buf_fini(&udp);
	return magnet->err;
}
