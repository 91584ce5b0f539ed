/* node/index_feed.c - what is new, for feed readers.
 *
 * Readers know feeds and entries again by their ids: those are of this catalogue, wherever it
 * moves, and of this content under this name, wherever it is published.
 *
 * Source: RFC 4287; pages as in RFC 5005, section 3. */
#include <time.h>

#include "base/text.h"
#include "node/index_server_impl.h"

/* RFC 3339. */
static void put_time(struct buf *out, int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	char text[32] = "1970-01-01T00:00:00Z";

	if (gmtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_put_str(out, text);
}

/* Source: RFC 9562; `kind` 4 is by chance, 8 of whoever makes it. */
static void put_uuid(struct buf *out, const uint8_t raw[16], unsigned kind)
{
	uint8_t id[16];
	char hex[33];

	memcpy(id, raw, sizeof(id));
	id[6] = (uint8_t)((id[6] & 0x0f) | kind << 4);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	text_hex(hex, bytes_of(id, sizeof(id)));
	buf_printf(out, "<id>urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s</id>", hex, hex + 8, hex + 12,
		   hex + 16, hex + 20);
}

/* What is said about an entry may change, and with it its time: not these. */
static int put_entry_id(struct buf *out, const struct entry *e)
{
	uint8_t hash[SHA256_LEN];
	struct buf b;
	int err;

	buf_init(&b, SIGN_KEY_LEN + ENTRY_NAME_BYTES_MAX + 1 + 4 + SHA1_LEN + SHA256_LEN);
	buf_put(&b, bytes_of(e->key, SIGN_KEY_LEN));
	buf_put(&b, bytes_of(e->name, strlen(e->name) + 1));
	buf_put_be32(&b, e->version);
	buf_put(&b, bytes_of(e->hash_v1, e->has_v1 ? SHA1_LEN : 0));
	buf_put(&b, bytes_of(e->hash_v2, e->has_v2 ? SHA256_LEN : 0));
	err = b.err;
	sha256_of(buf_bytes(&b), hash);
	put_uuid(out, hash, 8);
	buf_fini(&b);
	return err;
}

/* Readers fetch the .torrent without the header by which they may have shown a token. */
static void put_links(struct buf *out, uint64_t id, struct bytes token)
{
	unsigned long long n = id;

	buf_printf(out,
		   "<link rel=\"alternate\" type=\"text/html\" href=\"./#/entry/%llu\"/>"
		   "<link rel=\"enclosure\" type=\"application/x-bittorrent\""
		   " href=\"api/v1/entries/%llu/torrent",
		   n, n);
	if (token.len > 0) {
		buf_put_str(out, "?token=");
		text_put_percent(out, token);
	}
	buf_put_str(out, "\"/>");
}

static int put_entry(struct buf *out, const struct entry *e, struct bytes token)
{
	char size[32];
	int err;

	buf_put_str(out, "<entry>");
	err = put_entry_id(out, e);
	buf_put_str(out, "<title>");
	text_put_xml(out, bytes_str(e->name));
	buf_printf(out, "@%u</title><author><name>", e->version);
	text_put_xml(out, bytes_str(e->owner));
	buf_put_str(out, "</name></author><updated>");
	put_time(out, e->published_at);
	buf_put_str(out, "</updated>");
	put_links(out, e->id, token);
	buf_put_str(out, "<summary>");
	text_put_xml(out, bytes_str(e->description));
	buf_printf(out, "%s%s in %u file%s</summary></entry>\n",
		   e->description[0] == '\0' ? "" : " - ", text_size(size, sizeof(size), e->bytes),
		   e->n_files, e->n_files == 1 ? "" : "s");
	return err;
}

/* The page of entries with ids below `before`; 0: the newest. */
static void put_page_link(struct buf *out, const char *rel, uint64_t before, struct bytes token)
{
	buf_printf(out, "<link rel=\"%s\" href=\"feed.atom", rel);
	if (before > 0)
		buf_printf(out, "?before=%llu", (unsigned long long)before);
	if (token.len > 0) {
		buf_put_str(out, before > 0 ? "&amp;token=" : "?token=");
		text_put_percent(out, token);
	}
	buf_put_str(out, "\"/>");
}

/* `n`: one more than a page has, where there is another page. */
static void put_page_links(struct buf *out, const struct index_server *s, uint64_t before, size_t n,
			   struct bytes token)
{
	/* It says where this is, and is not followed with a token. */
	put_page_link(out, "self", before, bytes_of(NULL, 0));
	if (before > 0)
		put_page_link(out, "first", 0, token);
	if (n > INDEX_FEED_ENTRIES)
		put_page_link(out, "next", s->rows[INDEX_FEED_ENTRIES - 1].id, token);
}

static int put_feed(struct buf *out, const struct index_server *s, uint64_t before, size_t n,
		    const uint8_t id[CATALOGUE_ID_LEN], struct bytes token)
{
	size_t shown = n < INDEX_FEED_ENTRIES ? n : INDEX_FEED_ENTRIES;
	int64_t newest = 0;
	int err = OK;

	for (size_t i = 0; i < shown; i++)
		newest = s->rows[i].published_at > newest ? s->rows[i].published_at : newest;
	buf_put_str(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
			 "<feed xmlns=\"http://www.w3.org/2005/Atom\">");
	put_uuid(out, id, 4);
	buf_put_str(out, "<title>shoal catalogue</title>");
	put_page_links(out, s, before, n, token);
	buf_put_str(out, "<link rel=\"alternate\" type=\"text/html\" href=\"./\"/><updated>");
	put_time(out, newest);
	buf_put_str(out, "</updated>\n");
	for (size_t i = 0; i < shown && err == OK; i++)
		err = put_entry(out, &s->rows[i], token);
	buf_put_str(out, "</feed>\n");
	return err;
}

void index_feed(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct catalogue_query q = {.limit = INDEX_FEED_ENTRIES + 1};
	uint8_t id[CATALOGUE_ID_LEN];
	struct err_info why = {0};
	struct buf token;
	size_t n = 0;

	if (!index_reply_method(r, reply, "GET") || !index_query_is_sane(r, reply) ||
	    index_take_number(r, "before", 1, INT64_MAX, &q.before_id, reply) < 0)
		return;
	if (catalogue_db_id(s->db, id, &why) < 0 ||
	    catalogue_db_find(s->db, &q, s->rows, &n, &why) < 0) {
		index_reply_fault(s, reply, &why);
		return;
	}
	buf_init(&token, HTTP_HEADERS_MAX);
	reply->type = "application/atom+xml; charset=utf-8";
	if (put_feed(&reply->body, s, q.before_id, n, id, index_passkey_of(s, r, &token)) < 0)
		index_reply_error(reply, 503, "busy", "out of memory");
	buf_fini(&token);
}
