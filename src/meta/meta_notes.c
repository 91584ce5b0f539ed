/* meta/meta_notes.c - what a .torrent says beside its files: trackers, webseeds and texts.
 * Nothing here makes a torrent bad; what is odd is left out. */
#include "meta/metainfo_impl.h"

#include "base/text.h"

#include <stdlib.h>
#include <strings.h>

char *meta_text_copy(struct bytes s, size_t max)
{
	const uint8_t *nul = s.len == 0 ? NULL : memchr(s.ptr, '\0', s.len);
	size_t len = nul != NULL ? (size_t)(nul - s.ptr) : s.len;
	char *copy;

	if (len > max) {
		len = max;
		/* at most three bytes can belong to a character that is cut */
		for (int i = 0; i < 3 && len > 0 && (s.ptr[len] & 0xc0) == 0x80; i++)
			len--;
	}
	copy = malloc(len + 1);
	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, s.ptr, len);
	copy[len] = '\0';
	return copy;
}

/* Blanks and controls have no place in a URL, and would reach a request line. */
bool meta_url_is_fit(struct bytes url)
{
	if (url.len == 0 || url.len > META_URL_BYTES_MAX)
		return false;
	for (size_t i = 0; i < url.len; i++)
		if (url.ptr[i] <= ' ' || url.ptr[i] == 0x7f)
			return false;
	return true;
}

static enum meta_fault tracker_add(struct metainfo *m, struct bytes url, uint32_t tier)
{
	char *copy;

	if (m->n_trackers == META_TRACKERS_MAX || !meta_url_is_fit(url))
		return META_OK;
	for (uint32_t i = 0; i < m->n_trackers; i++)
		if (bytes_eq(bytes_str(m->trackers[i].url), url))
			return META_OK;
	copy = meta_text_copy(url, META_URL_BYTES_MAX);
	if (copy == NULL)
		return META_NOMEM;
	m->trackers[m->n_trackers++] = (struct meta_tracker){.url = copy, .tier = tier};
	return META_OK;
}

static enum meta_fault tiers_read(struct metainfo *m, const struct benc *list)
{
	struct benc_iter tiers = benc_iter(list);
	struct benc tier, url;
	uint32_t n = 0;

	while (m->n_trackers < META_TRACKERS_MAX && benc_next(&tiers, NULL, &tier)) {
		struct benc_iter urls;
		uint32_t before = m->n_trackers;

		if (tier.type != BENC_LIST)
			continue;
		urls = benc_iter(&tier);
		while (benc_next(&urls, NULL, &url)) {
			if (url.type == BENC_STR && tracker_add(m, url.str, n) != META_OK)
				return META_NOMEM;
		}
		if (m->n_trackers > before)
			n++;
	}
	return META_OK;
}

/* Most have one, and thousands of torrents may be served. */
static void trackers_fit(struct metainfo *m)
{
	struct meta_tracker *fit =
	    realloc(m->trackers, (m->n_trackers + (size_t)1) * sizeof(*m->trackers));

	if (fit != NULL)
		m->trackers = fit;
}

/* BEP 12: where there is an announce-list, announce is not looked at. */
static enum meta_fault trackers_read(struct metainfo *m, const struct meta_field top[TOP_KEYS])
{
	const struct benc *list = meta_field_of(&top[TOP_ANNOUNCE_LIST], BENC_LIST);
	const struct benc *one = meta_field_of(&top[TOP_ANNOUNCE], BENC_STR);
	enum meta_fault f = META_OK;

	if (list == NULL && one == NULL)
		return META_OK;
	m->trackers = calloc(META_TRACKERS_MAX, sizeof(*m->trackers));
	if (m->trackers == NULL)
		return META_NOMEM;
	if (list != NULL)
		f = tiers_read(m, list);
	if (f == META_OK && m->n_trackers == 0 && one != NULL)
		f = tracker_add(m, one->str, 0);
	trackers_fit(m);
	return f;
}

/* ---- webseeds ---------------------------------------------------------------------- */

static bool has_scheme(struct bytes url, const char *scheme)
{
	size_t n = strlen(scheme);

	return url.len > n && strncasecmp((const char *)url.ptr, scheme, n) == 0;
}

bool meta_webseed_is_fit(struct bytes url)
{
	return meta_url_is_fit(url) && (has_scheme(url, "http://") || has_scheme(url, "https://"));
}

int meta_webseed_add(char ***list, uint32_t *n, uint32_t max, struct bytes url)
{
	if (*n == max || !meta_webseed_is_fit(url))
		return 0;
	for (uint32_t i = 0; i < *n; i++)
		if (bytes_eq(bytes_str((*list)[i]), url))
			return 0;
	if (*list == NULL)
		*list = calloc(max, sizeof(**list));
	if (*list == NULL)
		return ERR_NOMEM;
	(*list)[*n] = meta_text_copy(url, META_URL_BYTES_MAX);
	if ((*list)[*n] == NULL)
		return ERR_NOMEM;
	(*n)++;
	return 0;
}

void meta_webseeds_free(char **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* BEP 19 has one URL, or a list of them. */
static enum meta_fault webseeds_read(struct metainfo *m, const struct meta_field *f)
{
	const struct benc *one = meta_field_of(f, BENC_STR), *list = meta_field_of(f, BENC_LIST);
	struct benc_iter it;
	struct benc url;
	int err = 0;

	if (one != NULL)
		err = meta_webseed_add(&m->webseeds, &m->n_webseeds, META_WEBSEEDS_MAX, one->str);
	if (list != NULL) {
		it = benc_iter(list);
		while (err == 0 && m->n_webseeds < META_WEBSEEDS_MAX && benc_next(&it, NULL, &url))
			if (url.type == BENC_STR)
				err = meta_webseed_add(&m->webseeds, &m->n_webseeds,
						       META_WEBSEEDS_MAX, url.str);
	}
	return err == 0 ? META_OK : META_NOMEM;
}

/* A path's '/' part its components and stay as they are. */
static void put_path(struct buf *out, const char *path)
{
	const char *end;

	while ((end = strchr(path, '/')) != NULL) {
		text_put_percent(out, bytes_of(path, (size_t)(end - path)));
		(void)buf_put_u8(out, '/');
		path = end + 1;
	}
	text_put_percent(out, bytes_str(path));
}

int meta_webseed_url(const struct metainfo *m, const char *webseed, const struct meta_file *f,
		     struct buf *out)
{
	size_t n = strlen(webseed);
	bool folder = webseed[n - 1] == '/';

	(void)buf_put_str(out, webseed);
	if (m->single && !folder)
		return out->err;
	if (!folder)
		(void)buf_put_u8(out, '/');
	if (!m->single) {
		text_put_percent(out, bytes_str(m->name));
		(void)buf_put_u8(out, '/');
	}
	put_path(out, f->path);
	return out->err;
}

static char *text_read(const struct meta_field *f)
{
	const struct benc *v = meta_field_of(f, BENC_STR);

	return meta_text_copy(v != NULL ? v->str : bytes_of(NULL, 0), META_TEXT_BYTES_MAX);
}

enum meta_fault meta_notes_read(struct metainfo *m, const struct meta_field top[TOP_KEYS])
{
	const struct benc *at = meta_field_of(&top[TOP_CREATED_AT], BENC_INT);

	m->comment = text_read(&top[TOP_COMMENT]);
	m->created_by = text_read(&top[TOP_CREATED_BY]);
	if (m->comment == NULL || m->created_by == NULL)
		return META_NOMEM;
	m->created_at = at != NULL && at->num > 0 ? at->num : 0;
	if (webseeds_read(m, &top[TOP_URL_LIST]) != META_OK)
		return META_NOMEM;
	return trackers_read(m, top);
}
