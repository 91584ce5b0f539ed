#include "daemon/gateway_path.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "meta/selection.h"

/* ---- taken apart ------------------------------------------------------------------ */

/* The first component of `rest`, decoded, with its NUL; `rest` moves behind it and the '/'. */
static int take(struct bytes *rest, struct buf *out)
{
	const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '/', rest->len);
	size_t n = end == NULL ? rest->len : (size_t)(end - rest->ptr);
	int err;

	buf_clear(out);
	err = text_unpercent(bytes_sub(*rest, 0, n), out);
	*rest = bytes_sub(*rest, end == NULL ? n : n + 1, rest->len - (end == NULL ? n : n + 1));
	if (err != OK || memchr(out->ptr == NULL ? (void *)"" : out->ptr, '/', out->len) != NULL ||
	    buf_cstr(out) == NULL || strlen(buf_cstr(out)) != out->len)
		return ERR_NOENT;
	return strcmp(buf_cstr(out), ".") == 0 || strcmp(buf_cstr(out), "..") == 0 ? ERR_NOENT : OK;
}

static int take_ref(struct bytes *rest, struct buf *part, struct entry_ref *out)
{
	struct buf text;
	int err;

	buf_init(&text, ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 32u);
	err = take(rest, part);
	buf_put(&text, buf_bytes(part));
	buf_put_u8(&text, '/');
	if (err == OK)
		err = take(rest, part);
	buf_put(&text, buf_bytes(part));
	if (err == OK && (text.err != OK || entry_ref_parse(buf_bytes(&text), out, NULL) != OK ||
			  out->owner[0] == '\0'))
		err = ERR_NOENT;
	buf_fini(&text);
	return err;
}

int gateway_path_parse(struct bytes rest, struct gateway_path *out)
{
	struct buf part;
	size_t n = 0;
	int err;

	*out = (struct gateway_path){.slash = rest.len > 0 && rest.ptr[rest.len - 1] == '/'};
	buf_init(&part, GATEWAY_PATH_MAX);
	err = take_ref(&rest, &part, &out->ref);
	while (err == OK && rest.len > 0) {
		err = take(&rest, &part);
		if (err != OK || part.len == 0)
			continue; /* two '/' are one */
		if (n + part.len + 1 > GATEWAY_PATH_MAX) {
			err = ERR_NOENT;
			continue;
		}
		if (n > 0)
			out->path[n++] = '/';
		memcpy(out->path + n, part.ptr, part.len);
		n += part.len;
		out->path[n] = '\0';
	}
	buf_fini(&part);
	return err;
}

/* ---- found --------------------------------------------------------------------------- */

static void find(const struct metainfo *m, const char *path, struct gateway_target *out)
{
	size_t n = strlen(path);

	*out = (struct gateway_target){
	    .kind = n == 0 && !m->single ? GATEWAY_FOLDER : GATEWAY_NOTHING, .folder = path};
	for (uint32_t i = 0; i < m->n_files && (n > 0 || m->single); i++) {
		const struct meta_file *f = &m->files[i];

		if (!selection_is_real(f))
			continue;
		if (m->single ? n == 0 || strcmp(f->path, path) == 0 : strcmp(f->path, path) == 0) {
			*out = (struct gateway_target){.kind = GATEWAY_FILE, .file = i};
			return;
		}
		if (!m->single && strncmp(f->path, path, n) == 0 && f->path[n] == '/')
			out->kind = GATEWAY_FOLDER;
	}
}

void gateway_path_find(const struct metainfo *m, const char *path, struct gateway_target *out)
{
	size_t n = strlen(m->name);

	find(m, path, out);
	if (out->kind != GATEWAY_NOTHING || strncmp(path, m->name, n) != 0)
		return;
	if (path[n] == '\0')
		find(m, path + n, out);
	else if (path[n] == '/' && !m->single)
		find(m, path + n + 1, out);
}

/* ---- named --------------------------------------------------------------------------- */

const char *gateway_etag(char out[GATEWAY_ETAG_MAX], const struct metainfo *m, uint32_t file)
{
	const struct meta_file *f = &m->files[file];
	char hex[2 * SHA256_LEN + 1];

	if (f->has_root) {
		text_hex(hex, bytes_of(f->root, SHA256_LEN));
		snprintf(out, GATEWAY_ETAG_MAX, "\"%s\"", hex);
	} else if (f->length == 0) {
		snprintf(out, GATEWAY_ETAG_MAX, "\"empty\"");
	} else {
		text_hex(hex, bytes_of(m->hash_v1, SHA1_LEN));
		snprintf(out, GATEWAY_ETAG_MAX, "\"%s-%u\"", hex, file);
	}
	return out;
}

bool gateway_etag_in(const char *list, const char *etag)
{
	size_t n = strlen(etag);

	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, etag, n) == 0 &&
		    (list[n] == '\0' || strchr(" \t,", list[n]) != NULL))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

struct gateway_type gateway_type_of(const char *path)
{
	static const struct {
		const char *end, *type;
		bool active;
	} types[] = {
	    {"mp4", "video/mp4", false},
	    {"m4v", "video/mp4", false},
	    {"webm", "video/webm", false},
	    {"mkv", "video/x-matroska", false},
	    {"mov", "video/quicktime", false},
	    {"avi", "video/x-msvideo", false},
	    {"ogv", "video/ogg", false},
	    {"mp3", "audio/mpeg", false},
	    {"m4a", "audio/mp4", false},
	    {"ogg", "audio/ogg", false},
	    {"oga", "audio/ogg", false},
	    {"opus", "audio/ogg", false},
	    {"flac", "audio/flac", false},
	    {"wav", "audio/wav", false},
	    {"jpg", "image/jpeg", false},
	    {"jpeg", "image/jpeg", false},
	    {"png", "image/png", false},
	    {"gif", "image/gif", false},
	    {"webp", "image/webp", false},
	    {"avif", "image/avif", false},
	    {"txt", "text/plain; charset=utf-8", false},
	    {"md", "text/plain; charset=utf-8", false},
	    {"log", "text/plain; charset=utf-8", false},
	    {"js", "text/plain; charset=utf-8", false},
	    {"css", "text/plain; charset=utf-8", false},
	    {"csv", "text/csv; charset=utf-8", false},
	    {"vtt", "text/vtt; charset=utf-8", false},
	    {"json", "application/json", false},
	    {"pdf", "application/pdf", false},
	    {"zip", "application/zip", false},
	    {"gz", "application/gzip", false},
	    {"torrent", "application/x-bittorrent", false},
	    {"html", "text/html", true},
	    {"htm", "text/html", true},
	    {"xhtml", "application/xhtml+xml", true},
	    {"xml", "application/xml", true},
	    {"svg", "image/svg+xml", true},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot + 1, types[i].end) == 0)
			return (struct gateway_type){types[i].type, types[i].active};
	return (struct gateway_type){"application/octet-stream", false};
}
