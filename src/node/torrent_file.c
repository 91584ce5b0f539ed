#include "node/torrent_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "meta/magnet.h"
#include "node/json_put.h"
#include "node/torrent_source.h"

#define TEXT_MAX ((size_t)1 << 20)

int torrent_load(const char *path, struct buf *bytes, struct metainfo **out, struct err_info *info)
{
	struct buf own;
	struct buf *b = bytes == NULL ? &own : bytes;
	enum meta_fault fault;
	char safe[256];
	int rc;

	buf_init(b, META_BYTES_MAX);
	rc = torrent_source_read(path, b, info);
	if (rc == 0) {
		fault = meta_parse(buf_bytes(b), out);
		if (fault != META_OK)
			rc = err_set(info, meta_fault_err(fault), "%s: not a usable .torrent: %s",
				     text_escape(safe, sizeof(safe), bytes_str(path)),
				     meta_fault_text(fault));
	}
	if (bytes == NULL)
		buf_fini(&own);
	return rc;
}

int torrent_check_name(const struct metainfo *m, enum err code, struct err_info *info)
{
	const char *name = meta_content_name(m);
	char safe[256];

	if (name[0] != '.')
		return OK;
	text_escape(safe, sizeof(safe), bytes_str(name));
	return err_set(info, code,
		       "%s: what its publisher calls it begins with a dot, so that you must choose "
		       "a name: -o '%s' takes this one, -o NAME another",
		       safe, safe);
}

json_t *torrent_text(const char *raw)
{
	struct bytes s = bytes_str(raw);
	const char *text;
	struct buf safe;
	json_t *j;

	if (text_is_utf8(s))
		return json_stringn(raw, s.len);
	buf_init(&safe, TEXT_MAX);
	text_put_escaped(&safe, s);
	text = buf_cstr(&safe);
	j = json_string(text == NULL ? "?" : text);
	buf_fini(&safe);
	return j;
}

int torrent_put_hex(json_t *to, const char *key, const char *raw)
{
	struct bytes s = bytes_str(raw);
	char name[64], *hex = malloc(2 * s.len + 1);
	int err;

	if (hex == NULL)
		return -1;
	text_hex(hex, s);
	snprintf(name, sizeof(name), "%s_hex", key);
	err = json_object_set_new(to, name, json_string(hex));
	free(hex);
	return err;
}

int torrent_put_text(json_t *to, const char *key, const char *raw)
{
	int err = json_object_set_new(to, key, torrent_text(raw));

	return err != 0 || text_is_utf8(bytes_str(raw)) ? err : torrent_put_hex(to, key, raw);
}

static json_t *files_json(const struct metainfo *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];
		json_t *one;

		if (f->flags & META_FILE_PAD)
			continue;
		one = json_object();
		(void)torrent_put_text(one, "path", f->path);
		json_object_set_new(one, "bytes", json_integer((json_int_t)f->length));
		json_object_set_new(one, "executable",
				    json_boolean((f->flags & META_FILE_EXEC) != 0));
		json_object_set_new(one, "symlink",
				    json_boolean((f->flags & META_FILE_SYMLINK) != 0));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *trackers_json(const struct metainfo *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->n_trackers; i++)
		json_array_append_new(list, json_pack("{s:o, s:i}", "url",
						      torrent_text(m->trackers[i].url), "tier",
						      (int)m->trackers[i].tier));
	return list;
}

json_t *torrent_magnet(const struct metainfo *m)
{
	struct buf b;
	const char *text;
	json_t *j;

	buf_init(&b, TEXT_MAX);
	text = magnet_put(m, &b) == 0 ? buf_cstr(&b) : NULL;
	j = text == NULL ? json_null() : torrent_text(text);
	buf_fini(&b);
	return j;
}

json_t *torrent_json(const struct metainfo *m, bool files)
{
	json_t *j = json_pack(
	    "{s:o, s:o, s:o, s:I, s:i, s:i, s:i, s:b, s:o, s:o, s:I, s:o, s:o}", "name",
	    torrent_text(m->name), "hash_v1", json_hex(m->v1, m->hash_v1, SHA1_LEN), "hash_v2",
	    json_hex(m->v2, m->hash_v2, SHA256_LEN), "bytes", (json_int_t)m->total_bytes, "n_files",
	    (int)m->n_real_files, "piece_length", (int)m->piece_length, "pieces", (int)m->n_pieces,
	    "private", m->private, "comment", torrent_text(m->comment), "created_by",
	    torrent_text(m->created_by), "created_at", (json_int_t)m->created_at, "trackers",
	    trackers_json(m), "magnet", torrent_magnet(m));

	if (files && j != NULL)
		json_object_set_new(j, "files", files_json(m));
	return j;
}
