/* daemon/gateway_answer.c - a file or folder of a transfer as an HTTP answer. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/gateway_impl.h"
#include "daemon/gateway_list.h"
#include "node/json_put.h"
#include "wire/http_range.h"

/* A listing (attack: a folder of half a million files). */
#define LIST_BYTES_MAX (64u << 20)
#define LOCATION_MAX (3u * GATEWAY_PATH_MAX + 8u)

static void add_header(struct http_reply *r, const char *name, const char *value)
{
	size_t i = 0;

	while (r->headers[i] != NULL)
		i += 2;
	r->headers[i] = name;
	r->headers[i + 1] = value;
}

/* Whatever it is, it cannot run, be framed, be read by pages elsewhere, or tell others where it is
 * read. */
static void begin_reply(struct http_reply *r, int status)
{
	*r = (struct http_reply){.status = status};
	buf_init(&r->body, LIST_BYTES_MAX);
	add_header(r, "Content-Security-Policy",
		   "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; "
		   "style-src 'unsafe-inline'; frame-ancestors 'none'");
	add_header(r, "Cross-Origin-Resource-Policy", "same-origin");
	add_header(r, "Referrer-Policy", "no-referrer");
	/* Kept, but asked about each time: the newest version may be another one. */
	add_header(r, "Cache-Control", "private, no-cache");
}

static void answer(struct ask *a, struct http_reply *r)
{
	http_later_answer(a->later, r);
	buf_fini(&r->body);
	ask_free(a);
}

/* ---- folders --------------------------------------------------------------------------- */

static const char *last_component(const struct ask *a)
{
	const char *slash = strrchr(a->path.path, '/');

	return slash == NULL ? a->path.path : slash + 1;
}

/* Links in a listing are relative, and so need the final '/'. */
static void redirect(struct ask *a)
{
	struct http_reply r;
	struct buf to;

	begin_reply(&r, 301);
	buf_init(&to, LOCATION_MAX);
	(void)buf_put_str(&to, "./");
	if (a->path.path[0] != '\0') {
		text_put_percent(&to, bytes_str(last_component(a)));
	} else {
		text_put_percent(&to, bytes_str(a->path.ref.name));
		if (a->path.ref.version != 0)
			(void)buf_printf(&to, "@%u", a->path.ref.version);
	}
	(void)buf_put_u8(&to, '/');
	if (buf_cstr(&to) == NULL) {
		ask_refuse(a, 503, "busy", "out of memory");
	} else {
		add_header(&r, "Location", buf_cstr(&to));
		answer(a, &r);
	}
	buf_fini(&to);
}

static void list(struct ask *a, const struct metainfo *m, const char *folder)
{
	char title[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 4];
	struct http_reply r;
	json_t *j;

	begin_reply(&r, 200);
	add_header(&r, "Vary", "Accept");
	snprintf(title, sizeof(title), "%s/%s", a->path.ref.owner, a->path.ref.name);
	if (a->json) {
		r.type = "application/json";
		j = gateway_list_json(m, folder);
		if (j == NULL || json_put(&r.body, j, JSON_COMPACT) != 0)
			r.body.err = ERR_NOMEM;
		json_decref(j);
	} else {
		r.type = "text/html; charset=utf-8";
		(void)gateway_list_page(m, folder, title, &r.body);
	}
	if (r.body.err != OK) {
		buf_fini(&r.body);
		ask_refuse(a, 503, "busy", "out of memory");
		return;
	}
	answer(a, &r);
}

/* ---- files ------------------------------------------------------------------------------- */

static void on_data(void *user, struct bytes data)
{
	struct ask *a = user;

	if (a->later != NULL && !http_later_give(a->later, data))
		ask_free(a);
}

static void on_lent(void *user, int fd, uint64_t at, uint32_t length)
{
	struct ask *a = user;

	if (a->later == NULL)
		(void)close(fd);
	else if (!http_later_give_file(a->later, fd, at, length))
		ask_free(a);
}

static void on_end(void *user)
{
	/* With the last byte it was freed already. */
	ask_free(user);
}

static void on_failed(void *user, const struct err_info *why)
{
	struct ask *a = user;

	(void)why;
	http_later_abort(a->later);
	ask_free(a);
}

/* The name under which it is to be saved; RFC 6266. */
static void put_disposition(struct buf *out, const char *path, bool save)
{
	const char *slash = strrchr(path, '/');

	(void)buf_put_str(out, save ? "attachment" : "inline");
	(void)buf_put_str(out, "; filename*=UTF-8''");
	text_put_percent(out, bytes_str(slash == NULL ? path : slash + 1));
}

static enum http_range choose_range(const struct ask *a, const char *etag, uint64_t size,
				    uint64_t *offset, uint64_t *length)
{
	*offset = 0;
	*length = size;
	if (a->head || a->range[0] == '\0' ||
	    (a->if_range[0] != '\0' && strcmp(a->if_range, etag) != 0))
		return HTTP_RANGE_WHOLE;
	return http_range_asked(bytes_str(a->range), size, offset, length);
}

/* Head, and body if there is to be one. */
static void give(struct ask *a, struct transfer *t, uint32_t file, struct http_reply *r,
		 uint64_t offset, uint64_t length)
{
	static const struct reader_events events = {
	    .data = on_data, .lent = on_lent, .end = on_end, .failed = on_failed};
	int err = a->head || length == 0
		      ? OK
		      : reader_new(t, file, offset, length, &events, a, &a->reader);

	if (err != OK)
		ask_refuse(a, 503, "busy", "%s", err_text(err));
	else if (!http_later_begin(a->later, r, length))
		ask_free(a);
}

static void give_range(struct ask *a, const struct metainfo *m, struct transfer *t, uint32_t file,
		       const char *etag, const char *disposition)
{
	const struct meta_file *f = &m->files[file];
	uint64_t offset, length;
	enum http_range range = choose_range(a, etag, f->length, &offset, &length);
	struct http_reply r;
	char given[80];

	begin_reply(&r, range == HTTP_RANGE_WHOLE ? 200 : range == HTTP_RANGE_PART ? 206 : 416);
	add_header(&r, "Accept-Ranges", "bytes");
	if (range == HTTP_RANGE_BEYOND)
		snprintf(given, sizeof(given), "bytes */%" PRIu64, f->length);
	else
		snprintf(given, sizeof(given), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
			 offset + length - 1, f->length);
	if (range != HTTP_RANGE_WHOLE)
		add_header(&r, "Content-Range", given);
	if (range == HTTP_RANGE_BEYOND) {
		answer(a, &r);
		return;
	}
	r.type = gateway_type_of(f->path).type;
	add_header(&r, "ETag", etag);
	add_header(&r, "Content-Disposition", disposition);
	give(a, t, file, &r, offset, length);
	buf_fini(&r.body);
}

static bool has_it_already(const struct ask *a, const char *etag)
{
	return a->if_none_match[0] != '\0' && gateway_etag_in(a->if_none_match, etag);
}

static void answer_file(struct ask *a, const struct metainfo *m, struct transfer *t, uint32_t file)
{
	const char *path = m->files[file].path;
	char etag[GATEWAY_ETAG_MAX];
	struct http_reply r;
	struct buf disposition;

	gateway_etag(etag, m, file);
	if (has_it_already(a, etag)) {
		begin_reply(&r, 304);
		add_header(&r, "ETag", etag);
		answer(a, &r);
		return;
	}
	buf_init(&disposition, LOCATION_MAX);
	put_disposition(&disposition, path, a->download || gateway_type_of(path).active);
	if (buf_cstr(&disposition) == NULL)
		ask_refuse(a, 503, "busy", "out of memory");
	else
		give_range(a, m, t, file, etag, buf_cstr(&disposition));
	buf_fini(&disposition);
}

bool gateway_needs_bytes(const struct ask *a, const struct metainfo *m, uint32_t *file)
{
	struct gateway_target target;
	char etag[GATEWAY_ETAG_MAX];

	gateway_path_find(m, a->path.path, &target);
	*file = target.kind == GATEWAY_FILE ? target.file : 0;
	return target.kind == GATEWAY_FILE && !a->head && m->files[target.file].length > 0 &&
	       !has_it_already(a, gateway_etag(etag, m, target.file));
}

void gateway_answer(struct ask *a, const struct metainfo *m, struct transfer *t)
{
	struct gateway_target target;

	gateway_path_find(m, a->path.path, &target);
	if (target.kind == GATEWAY_FILE)
		answer_file(a, m, t, target.file);
	else if (target.kind == GATEWAY_NOTHING)
		ask_refuse(a, 404, "not_found", "there is no such file in it");
	else if (!a->path.slash && !a->json)
		redirect(a);
	else
		list(a, m, target.folder);
}
