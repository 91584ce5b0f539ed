#include "wire/http_tracker.h"

#include "base/bencode.h"
#include "wire/http_query.h"

int http_scrape_decode(struct bytes query, uint8_t (*hashes)[20], struct err_info *info)
{
	struct http_pair pair;
	size_t n = 0, len;

	if (query.len > HTTP_TRACKER_QUERY_MAX)
		return err_set(info, ERR_TOO_BIG, "the query is too long");
	while (http_query_next(&query, &pair)) {
		if (!bytes_eq(pair.key, bytes_str("info_hash")))
			continue;
		if (n == SCRAPE_HASHES_MAX)
			return err_set(info, ERR_TOO_BIG, "more than %u values of info_hash",
				       SCRAPE_HASHES_MAX);
		if (http_query_unescape(pair.value, (struct span){hashes[n], 20}, &len) < 0 ||
		    len != 20)
			return err_set(info, ERR_PROTO, "bad value of info_hash");
		n++;
	}
	return (int)n;
}

/* The row with the smallest hash after `last` (NULL: of all). */
static const struct scrape_row *row_after(const struct scrape_row *rows, size_t n,
					  const struct scrape_row *last)
{
	const struct scrape_row *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (last != NULL && memcmp(rows[i].info_hash, last->info_hash, 20) <= 0)
			continue;
		if (best == NULL || memcmp(rows[i].info_hash, best->info_hash, 20) < 0)
			best = &rows[i];
	}
	return best;
}

/* The hashes are the keys of a dictionary: sorted, each once, in whatever order and
 * however often they were asked for. */
int http_scrape_reply_encode(const struct scrape_row *rows, size_t n, struct buf *out)
{
	const struct scrape_row *row = NULL;

	if (n > SCRAPE_HASHES_MAX)
		return ERR_TOO_BIG;
	benc_put_raw(out, 'd');
	benc_put_str(out, "files");
	benc_put_raw(out, 'd');
	while ((row = row_after(rows, n, row)) != NULL) {
		benc_put_bytes(out, bytes_of(row->info_hash, sizeof(row->info_hash)));
		benc_put_raw(out, 'd');
		benc_put_pair(out, "complete", row->complete);
		benc_put_pair(out, "downloaded", row->downloaded);
		benc_put_pair(out, "incomplete", row->incomplete);
		benc_put_raw(out, 'e');
	}
	benc_put_raw(out, 'e');
	benc_put_raw(out, 'e');
	return out->err;
}

int http_scrape_reply_decode(struct bytes body, struct scrape_row *rows, size_t cap, size_t *n)
{
	struct benc root, files, row;
	struct benc_iter it;
	struct bytes hash;

	if (benc_parse(body, &root, NULL) < 0 || root.type != BENC_DICT)
		return ERR_PROTO;
	if (!benc_find_dict(&root, "files", &files))
		return ERR_PROTO;
	*n = 0;
	it = benc_iter(&files);
	while (*n < cap && benc_next(&it, &hash, &row)) {
		struct scrape_row *r = &rows[*n];

		if (hash.len != sizeof(r->info_hash) || row.type != BENC_DICT)
			continue;
		memcpy(r->info_hash, hash.ptr, sizeof(r->info_hash));
		r->complete = benc_find_u32(&row, "complete");
		r->downloaded = benc_find_u32(&row, "downloaded");
		r->incomplete = benc_find_u32(&row, "incomplete");
		++*n;
	}
	return 0;
}

/* Where the path of `url` begins; its end when it has none. */
static size_t path_at(struct bytes url)
{
	size_t i = 0;

	for (; url.len - i >= 3; i++)
		if (memcmp(url.ptr + i, "://", 3) == 0)
			break;
	i = url.len - i >= 3 ? i + 3 : 0;
	while (i < url.len && url.ptr[i] != '/')
		i++;
	return i;
}

int http_scrape_url(const char *announce_url, struct buf *out)
{
	static const char word[] = "/announce";
	const size_t word_len = sizeof(word) - 1;
	struct bytes url = bytes_of(announce_url, strcspn(announce_url, "#"));
	struct bytes base = bytes_of(announce_url, strcspn(announce_url, "?#"));
	size_t start = path_at(base), at;

	if (base.len - start < word_len)
		return ERR_INVALID;
	/* The last one: what stands before it may be somebody's folder. */
	for (at = base.len - word_len; memcmp(base.ptr + at, word, word_len) != 0; at--)
		if (at == start)
			return ERR_INVALID;
	buf_put(out, bytes_sub(url, 0, at));
	buf_put_str(out, "/scrape");
	return buf_put(out, bytes_sub(url, at + word_len, url.len - at - word_len));
}
