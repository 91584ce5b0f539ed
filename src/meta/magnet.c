/* meta/magnet.c - reads and writes magnet links. */
#include "meta/magnet.h"

#include "base/text.h"
#include "meta/metainfo_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SCHEME "magnet:?"

/* "tr" or, where a parameter repeats, "tr.1" and so on. */
static bool key_is(struct bytes key, const char *name)
{
	size_t len = strlen(name);

	if (!text_begins(key, name))
		return false;
	if (key.len == len)
		return true;
	if (key.ptr[len] != '.' || key.len == len + 1)
		return false;
	for (size_t i = len + 1; i < key.len; i++)
		if (key.ptr[i] < '0' || key.ptr[i] > '9')
			return false;
	return true;
}

static int take_hash(uint8_t *have, bool *has, const uint8_t *hash, size_t len)
{
	if (*has && memcmp(have, hash, len) != 0)
		return ERR_PROTO;
	memcpy(have, hash, len);
	*has = true;
	return 0;
}

static int take_btih(struct magnet *m, struct bytes digits)
{
	uint8_t hash[SHA1_LEN];
	int err = digits.len == 2 * SHA1_LEN ? text_unhex(digits, hash, SHA1_LEN)
					     : text_unbase32(digits, hash, SHA1_LEN);

	return err != 0 ? ERR_PROTO : take_hash(m->hash_v1, &m->has_v1, hash, SHA1_LEN);
}

/* A multihash: 0x12 says SHA-256, 0x20 that it has 32 bytes. Others are topics we do not know. */
static int take_btmh(struct magnet *m, struct bytes digits)
{
	uint8_t hash[2 + SHA256_LEN];

	if (!text_begins(digits, "1220")) {
		m->dropped++;
		return 0;
	}
	if (digits.len != 2 * sizeof(hash) || text_unhex(digits, hash, sizeof(hash)) != 0)
		return ERR_PROTO;
	return take_hash(m->hash_v2, &m->has_v2, hash + 2, SHA256_LEN);
}

static int take_topic(struct magnet *m, struct bytes urn)
{
	if (text_begins(urn, "urn:btih:"))
		return take_btih(m, bytes_sub(urn, 9, urn.len - 9));
	if (text_begins(urn, "urn:btmh:"))
		return take_btmh(m, bytes_sub(urn, 9, urn.len - 9));
	m->dropped++;
	return 0;
}

/* What only a link without an info-hash needs: whether it does is known at its end. */
static int drop_key_part(struct magnet *m)
{
	m->key_is_bad = true;
	m->dropped++;
	return 0;
}

/* Other sources are a way to the same torrent that we do not go. */
static int take_source(struct magnet *m, struct bytes urn)
{
	uint8_t key[SIGN_KEY_LEN];

	if (!text_begins(urn, "urn:btpk:"))
		return 0;
	if (urn.len - 9 != 2 * sizeof(key) ||
	    text_unhex(bytes_sub(urn, 9, urn.len - 9), key, sizeof(key)) != 0 ||
	    take_hash(m->key, &m->has_key, key, sizeof(key)) != 0)
		return drop_key_part(m);
	return 0;
}

static int take_salt(struct magnet *m, struct bytes digits)
{
	if (digits.len > 2 * sizeof(m->salt) || digits.len % 2 != 0 ||
	    text_unhex(digits, m->salt, digits.len / 2) != 0)
		return drop_key_part(m);
	m->salt_len = (uint8_t)(digits.len / 2);
	return 0;
}

static int take_name(struct magnet *m, struct bytes name)
{
	char *cut_name;

	if (m->name[0] != '\0' || name.len == 0) {
		m->dropped++;
		return 0;
	}
	cut_name = meta_text_copy(name, MAGNET_NAME_MAX);
	if (cut_name == NULL)
		return ERR_NOMEM;
	if (strlen(cut_name) < name.len)
		m->dropped++;
	memcpy(m->name, cut_name, strlen(cut_name) + 1);
	free(cut_name);
	return 0;
}

static int take_tracker(struct magnet *m, struct bytes url)
{
	if (!meta_url_is_fit(url) || m->n_trackers == MAGNET_TRACKERS_MAX) {
		m->dropped++;
		return 0;
	}
	if (m->trackers == NULL)
		m->trackers = calloc(MAGNET_TRACKERS_MAX, sizeof(*m->trackers));
	if (m->trackers == NULL)
		return ERR_NOMEM;
	m->trackers[m->n_trackers] = meta_text_copy(url, META_URL_BYTES_MAX);
	if (m->trackers[m->n_trackers] == NULL)
		return ERR_NOMEM;
	m->n_trackers++;
	return 0;
}

static int take_peer(struct magnet *m, struct bytes text)
{
	struct addr a;

	if (m->n_peers == MAGNET_PEERS_MAX || addr_parse(text, 0, &a) != 0 || a.port == 0) {
		m->dropped++;
		return 0;
	}
	if (m->peers == NULL)
		m->peers = calloc(MAGNET_PEERS_MAX, sizeof(*m->peers));
	if (m->peers == NULL)
		return ERR_NOMEM;
	m->peers[m->n_peers++] = a;
	return 0;
}

static int take_webseed(struct magnet *m, struct bytes url)
{
	uint32_t before = m->n_webseeds;
	int err = meta_webseed_add(&m->webseeds, &m->n_webseeds, MAGNET_WEBSEEDS_MAX, url);

	if (m->n_webseeds == before)
		m->dropped++;
	return err;
}

static bool range_parse(struct bytes text, struct magnet_range *out)
{
	bool pair = text.len > 0 && memchr(text.ptr, '-', text.len) != NULL;
	struct bytes first = bytes_take_until(&text, '-');
	uint64_t a, b;

	if (text_parse_u64(first, META_FILES_MAX - 1, &a) != 0)
		return false;
	b = a;
	if (pair && text_parse_u64(text, META_FILES_MAX - 1, &b) != 0)
		return false;
	*out = (struct magnet_range){(uint32_t)a, (uint32_t)b};
	return a <= b;
}

static int take_only(struct magnet *m, struct bytes list)
{
	m->asks_only |= list.len > 0;
	while (list.len > 0) {
		struct magnet_range range;

		if (!range_parse(bytes_take_until(&list, ','), &range) ||
		    m->n_only == MAGNET_RANGES_MAX) {
			m->dropped++;
			continue;
		}
		if (m->only == NULL)
			m->only = calloc(MAGNET_RANGES_MAX, sizeof(*m->only));
		if (m->only == NULL)
			return ERR_NOMEM;
		m->only[m->n_only++] = range;
	}
	return 0;
}

static int take_param(struct magnet *m, struct bytes key, struct bytes value)
{
	if (key_is(key, "xt"))
		return take_topic(m, value);
	if (key_is(key, "xs"))
		return take_source(m, value);
	if (key_is(key, "s"))
		return take_salt(m, value);
	if (key_is(key, "dn"))
		return take_name(m, value);
	if (key_is(key, "tr"))
		return take_tracker(m, value);
	if (key_is(key, "x.pe"))
		return take_peer(m, value);
	if (key_is(key, "ws"))
		return take_webseed(m, value);
	if (key_is(key, "so"))
		return take_only(m, value);
	return 0;
}

/* Web pages write blanks in names as '+', which is so before percent-decoding alone. */
static int name_blanks(struct bytes *param, struct buf *spaced)
{
	int err;

	buf_clear(spaced);
	err = buf_put(spaced, *param);
	for (size_t i = 0; i < spaced->len; i++)
		if (spaced->ptr[i] == '+')
			spaced->ptr[i] = ' ';
	*param = buf_bytes(spaced);
	return err;
}

static int parse_params(struct bytes rest, struct magnet *m, struct buf *value, struct buf *spaced)
{
	while (rest.len > 0) {
		struct bytes param = bytes_take_until(&rest, '&');
		struct bytes key = bytes_take_until(&param, '=');
		int err = key_is(key, "dn") ? name_blanks(&param, spaced) : OK;

		buf_clear(value);
		if (err == OK)
			err = text_unpercent(param, value);
		if (err == ERR_PROTO) {
			m->asks_only |= key_is(key, "so");
			m->dropped++;
			continue;
		}
		if (err == 0)
			err = take_param(m, key, buf_bytes(value));
		if (err != 0)
			return err;
	}
	/* Who asks for some files must not be given all of them. */
	if (m->asks_only && m->n_only == 0)
		return ERR_PROTO;
	if (m->has_v1 || m->has_v2)
		return 0;
	return m->has_key && !m->key_is_bad ? 0 : ERR_PROTO;
}

int magnet_parse(struct bytes uri, struct magnet *out)
{
	struct magnet m = {0};
	struct buf value, spaced;
	int err;

	*out = m;
	if (uri.len > MAGNET_BYTES_MAX)
		return ERR_TOO_BIG;
	if (!text_begins(uri, SCHEME))
		return ERR_PROTO;
	buf_init(&value, MAGNET_BYTES_MAX);
	buf_init(&spaced, MAGNET_BYTES_MAX);
	err = parse_params(bytes_sub(uri, strlen(SCHEME), uri.len - strlen(SCHEME)), &m, &value,
			   &spaced);
	buf_fini(&value);
	buf_fini(&spaced);
	if (err != 0) {
		bool no_file = err == ERR_PROTO && m.asks_only && m.n_only == 0;

		magnet_fini(&m);
		m.asks_only = no_file;
	}
	*out = m;
	return err;
}

const char *magnet_fault_text(const struct magnet *m, int err)
{
	return err == ERR_PROTO && m->asks_only ? "its so= names no file" : err_text((enum err)err);
}

const char *magnet_dropped_text(const struct magnet *m, char out[MAGNET_DROPPED_TEXT_MAX])
{
	out[0] = '\0';
	if (m->dropped > 0)
		snprintf(out, MAGNET_DROPPED_TEXT_MAX, "%u part%s of the link cannot be used",
			 m->dropped, m->dropped == 1 ? "" : "s");
	return out;
}

int magnet_from_hash(struct bytes text, struct magnet *out)
{
	struct magnet m = {0};

	if (text.len == 2 * SHA256_LEN)
		m.has_v2 = text_unhex(text, m.hash_v2, SHA256_LEN) == OK;
	else
		(void)take_btih(&m, text);
	if (!m.has_v1 && !m.has_v2)
		return ERR_PROTO;
	*out = m;
	return OK;
}

void magnet_fini(struct magnet *m)
{
	for (uint32_t i = 0; i < m->n_trackers; i++)
		free(m->trackers[i]);
	free(m->trackers);
	free(m->peers);
	free(m->only);
	meta_webseeds_free(m->webseeds, m->n_webseeds);
	*m = (struct magnet){0};
}

static void put_choice(struct buf *out, const struct magnet *m)
{
	for (uint32_t i = 0; i < m->n_only; i++)
		buf_printf(out, "%s%u-%u", i == 0 ? "&so=" : ",", m->only[i].first,
			   m->only[i].last);
}

int magnet_put_wider(struct bytes uri, const struct magnet *more, struct buf *out)
{
	struct bytes params = bytes_sub(uri, strlen(SCHEME), uri.len - strlen(SCHEME));
	const char *join = "";

	buf_put_str(out, SCHEME);
	while (params.len > 0) {
		struct bytes param = bytes_take_until(&params, '&'), rest = param;

		if (more->n_only == 0 && key_is(bytes_take_until(&rest, '='), "so"))
			continue;
		buf_put_str(out, join);
		buf_put(out, param);
		join = "&";
	}
	put_choice(out, more);
	return out->err;
}

/* Hashes that are there, name and size. */
static void put_what(struct buf *out, const uint8_t *v1, const uint8_t *v2, const char *name,
		     uint64_t bytes)
{
	char hex[2 * SHA256_LEN + 1];

	buf_put_str(out, SCHEME);
	if (v1 != NULL) {
		text_hex(hex, bytes_of(v1, SHA1_LEN));
		buf_printf(out, "xt=urn:btih:%s&", hex);
	}
	if (v2 != NULL) {
		text_hex(hex, bytes_of(v2, SHA256_LEN));
		buf_printf(out, "xt=urn:btmh:1220%s&", hex);
	}
	buf_put_str(out, "dn=");
	text_put_percent(out, bytes_str(name));
	buf_printf(out, "&xl=%llu", (unsigned long long)bytes);
}

int magnet_put_entry(const struct entry *e, struct buf *out)
{
	put_what(out, e->has_v1 ? e->hash_v1 : NULL, e->has_v2 ? e->hash_v2 : NULL, e->name,
		 e->bytes);
	return out->err;
}

int magnet_put(const struct metainfo *m, struct buf *out)
{
	put_what(out, m->v1 ? m->hash_v1 : NULL, m->v2 ? m->hash_v2 : NULL, m->name,
		 m->total_bytes);
	for (uint32_t i = 0; i < m->n_trackers; i++) {
		buf_put_str(out, "&tr=");
		text_put_percent(out, bytes_str(m->trackers[i].url));
	}
	for (uint32_t i = 0; i < m->n_webseeds; i++) {
		buf_put_str(out, "&ws=");
		text_put_percent(out, bytes_str(m->webseeds[i]));
	}
	return out->err;
}

int magnet_put_key(const uint8_t key[SIGN_KEY_LEN], struct bytes name, struct buf *out)
{
	char hex[2 * SIGN_KEY_LEN + 1], salt_hex[2 * NAME_ITEM_SALT_MAX + 1];
	uint8_t salt[NAME_ITEM_SALT_MAX];

	text_hex(hex, bytes_of(key, SIGN_KEY_LEN));
	text_hex(salt_hex, bytes_of(salt, name_item_salt(name, salt)));
	buf_printf(out, SCHEME "xs=urn:btpk:%s&s=%s", hex, salt_hex);
	return out->err;
}
