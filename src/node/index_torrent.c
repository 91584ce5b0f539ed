#include "node/index_torrent.h"

#include "base/bencode.h"
#include "base/text.h"

/* The most tiers taken over from a stored torrent. */
#define TIERS_MAX 100u

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
}

/* The announce URL by which this client knows us; false: it did not say so in a usable way. */
static bool own_url(const struct http_request *r, struct bytes passkey, struct buf *url)
{
	const char *host = http_request_header(r, "Host");
	size_t n = host == NULL ? 0 : strlen(host);

	if (n == 0 || n > 255)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_host_char(host[i]))
			return false;
	(void)buf_printf(url, "%s://%s/announce", r->secure ? "https" : "http", host);
	if (passkey.len > 0) {
		(void)buf_put_u8(url, '/');
		text_put_percent(url, passkey);
	}
	return url->err == OK;
}

static bool starts_with(struct bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static bool is_on_loopback(struct bytes url)
{
	for (size_t i = 0; i + 3 <= url.len; i++) {
		struct bytes host;

		if (memcmp(url.ptr + i, "://", 3) != 0)
			continue;
		host = bytes_sub(url, i + 3, url.len - i - 3);
		return starts_with(host, "127.") || starts_with(host, "localhost") ||
		       starts_with(host, "[::1]");
	}
	return false;
}

struct rewrite {
	struct bytes own;
	bool keep_loopback;
	struct buf *out;
};

static bool is_kept(const struct rewrite *w, struct bytes url)
{
	return !bytes_eq(url, w->own) && (w->keep_loopback || !is_on_loopback(url));
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

/* Source: BEP 12: a client that knows announce-list ignores announce, so all go there. */
static void put_announce(const struct rewrite *w, const struct benc *root)
{
	struct benc list, tier;
	struct bytes first;
	uint32_t tiers = 0;

	benc_put_str(w->out, "announce");
	benc_put_bytes(w->out, w->own);
	benc_put_str(w->out, "announce-list");
	benc_put_raw(w->out, 'l');
	benc_put_raw(w->out, 'l');
	benc_put_bytes(w->out, w->own);
	benc_put_raw(w->out, 'e');
	if (benc_find_list(root, "announce-list", &list)) {
		struct benc_iter it = benc_iter(&list);

		while (tiers++ < TIERS_MAX && benc_next(&it, NULL, &tier))
			if (tier.type == BENC_LIST)
				put_tier(w, &tier);
	} else if (benc_find_str(root, "announce", &first) && is_kept(w, first)) {
		benc_put_raw(w->out, 'l');
		benc_put_bytes(w->out, first);
		benc_put_raw(w->out, 'e');
	}
	benc_put_raw(w->out, 'e');
}

int index_torrent_put(struct bytes torrent, const struct http_request *r, struct bytes passkey,
		      struct buf *out)
{
	static const char first_key[] = "announce", second_key[] = "announce-list";
	struct benc root, value;
	struct benc_iter it;
	struct bytes key;
	struct buf url;
	bool done = false;

	buf_init(&url, 512);
	if (!own_url(r, passkey, &url)) {
		buf_fini(&url);
		return buf_put(out, torrent);
	}
	if (benc_parse_all(torrent, &root, NULL) != OK || root.type != BENC_DICT) {
		buf_fini(&url);
		return ERR_PROTO;
	}
	struct rewrite w = {buf_bytes(&url), addr_is_loopback(&r->from), out};

	benc_put_raw(out, 'd');
	for (it = benc_iter(&root); benc_next(&it, &key, &value);) {
		if (bytes_eq(key, bytes_str(first_key)) || bytes_eq(key, bytes_str(second_key)))
			continue;
		if (!done && bytes_cmp(key, bytes_str(first_key)) > 0) {
			put_announce(&w, &root);
			done = true;
		}
		benc_put_bytes(out, key);
		(void)buf_put(out, value.raw);
	}
	if (!done)
		put_announce(&w, &root);
	benc_put_raw(out, 'e');
	buf_fini(&url);
	return out->err;
}
