#include "node/entry_json.h"

#include <stdio.h>

#include "base/text.h"
#include "meta/metainfo.h"
#include "node/json_put.h"
#include "node/json_read.h"

static json_t *tags_json(const struct entry *e)
{
	json_t *list = json_array();

	for (const char *at = e->tags; *at != '\0';) {
		size_t n = strcspn(at, " ");

		if (json_array_append_new(list, json_stringn(at, n)) != 0) {
			json_decref(list);
			return NULL;
		}
		at += n + (at[n] == ' ');
	}
	return list;
}

static json_t *meta_json(const struct entry *e)
{
	json_t *pairs = json_object();
	struct bytes key, value;
	size_t at = 0;

	while (entry_next_meta(e, &at, &key, &value)) {
		char name[ENTRY_TAG_BYTES_MAX + 1];

		snprintf(name, sizeof(name), "%.*s", (int)key.len, (const char *)key.ptr);
		if (json_object_set_new(pairs, name,
					json_stringn((const char *)value.ptr, value.len)) != 0) {
			json_decref(pairs);
			return NULL;
		}
	}
	return pairs;
}

json_t *entry_json(const struct entry *e)
{
	return json_pack(
	    "{s:I, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o}", "id",
	    (json_int_t)e->id, "owner", e->owner, "name", e->name, "version",
	    (json_int_t)e->version, "bytes", (json_int_t)e->bytes, "n_files",
	    (json_int_t)e->n_files, "hash_v1", json_hex(e->has_v1, e->hash_v1, SHA1_LEN), "hash_v2",
	    json_hex(e->has_v2, e->hash_v2, SHA256_LEN), "sha256",
	    json_hex(e->has_sha256, e->sha256, SHA256_LEN), "published_at",
	    (json_int_t)e->published_at, "description", e->description, "tags", tags_json(e),
	    "meta", meta_json(e), "key", json_hex(true, e->key, SIGN_KEY_LEN), "signature",
	    json_hex(true, e->signature, SIGN_LEN));
}

static int read_names(const json_t *j, struct entry *e, struct err_info *info)
{
	struct err_info why;
	int r = json_read_text(j, "owner", e->owner, sizeof(e->owner), NULL, info);

	if (r == 0)
		r = json_read_text(j, "name", e->name, sizeof(e->name), NULL, info);
	if (r < 0)
		return r;
	if (entry_check_owner(bytes_str(e->owner), &why) < 0 ||
	    entry_check_name(bytes_str(e->name), &why) < 0)
		return err_set(info, ERR_PROTO, "%s", why.text);
	return 0;
}

static int read_numbers(const json_t *j, bool stored, struct entry *e, struct err_info *info)
{
	uint64_t version = 0, n_files = 0, published_at = 0;
	bool may, *absent = stored ? NULL : &may;
	int r;

	if ((r = json_read_u64(j, "id", INT64_MAX, &e->id, absent, info)) < 0 ||
	    (r = json_read_u64(j, "version", UINT32_MAX, &version, absent, info)) < 0 ||
	    (r = json_read_u64(j, "bytes", INT64_MAX, &e->bytes, absent, info)) < 0 ||
	    (r = json_read_u64(j, "n_files", META_FILES_MAX, &n_files, absent, info)) < 0 ||
	    (r = json_read_u64(j, "published_at", INT64_MAX, &published_at, NULL, info)) < 0)
		return r;
	if (stored && (e->id == 0 || version == 0))
		return err_set(info, ERR_PROTO, "\"id\" and \"version\" count from 1");
	e->version = (uint32_t)version;
	e->n_files = (uint32_t)n_files;
	e->published_at = (int64_t)published_at;
	return 0;
}

static int read_hashes(const json_t *j, bool stored, struct entry *e, struct err_info *info)
{
	int r;

	if ((r = json_read_hex(j, "hash_v1", e->hash_v1, SHA1_LEN, &e->has_v1, info)) < 0 ||
	    (r = json_read_hex(j, "hash_v2", e->hash_v2, SHA256_LEN, &e->has_v2, info)) < 0)
		return r;
	if (stored && !e->has_v1 && !e->has_v2)
		return err_set(info, ERR_PROTO, "neither \"hash_v1\" nor \"hash_v2\" is there");
	if ((r = json_read_hex(j, "key", e->key, SIGN_KEY_LEN, NULL, info)) < 0)
		return r;
	return json_read_hex(j, "signature", e->signature, SIGN_LEN, NULL, info);
}

static struct bytes text_of(const json_t *j)
{
	return bytes_of(json_string_value(j), json_string_length(j));
}

static int read_tags(const json_t *list, struct entry *e, struct err_info *info)
{
	const json_t *tag;
	size_t i;
	int r;

	if (list != NULL && !json_is_null(list) && !json_is_array(list))
		return err_set(info, ERR_PROTO, "\"tags\" is not a list");
	json_array_foreach(list, i, tag)
	{
		if (!json_is_string(tag))
			return err_set(info, ERR_PROTO, "an item of \"tags\" is not a string");
		if ((r = entry_add_tags(e, text_of(tag), info)) < 0)
			return r;
	}
	return 0;
}

static int read_meta(const json_t *pairs, struct entry *e, struct err_info *info)
{
	const char *key;
	json_t *value;
	int r;

	if (pairs != NULL && !json_is_null(pairs) && !json_is_object(pairs))
		return err_set(info, ERR_PROTO, "\"meta\" is not an object");
	json_object_foreach((json_t *)pairs, key, value)
	{
		if (!json_is_string(value))
			return err_set(info, ERR_PROTO, "a value of \"meta\" is not a string");
		if ((r = entry_set_meta(e, bytes_str(key), text_of(value), info)) < 0)
			return r;
	}
	return 0;
}

/* What the owner says about it; all of it may be missing. */
static int read_about(const json_t *j, struct entry *e, struct err_info *info)
{
	const json_t *text = json_object_get(j, "description");
	int r = 0;

	if (text != NULL && !json_is_null(text) && !json_is_string(text))
		return err_set(info, ERR_PROTO, "\"description\" is not a string");
	if (json_is_string(text))
		r = entry_set_description(e, text_of(text), info);
	if (r == 0)
		r = read_tags(json_object_get(j, "tags"), e, info);
	if (r == 0)
		r = read_meta(json_object_get(j, "meta"), e, info);
	if (r < 0 && info != NULL)
		info->code = ERR_PROTO;
	return r < 0 ? ERR_PROTO : 0;
}

int entry_json_read(const json_t *j, bool stored, struct entry *out, struct err_info *info)
{
	struct entry e = {0};
	const json_t *sha256 = json_object_get(j, "sha256");
	int r;

	if (!json_is_object(j))
		return err_set(info, ERR_PROTO, "an entry is not an object");
	if ((r = read_names(j, &e, info)) < 0 || (r = read_numbers(j, stored, &e, info)) < 0 ||
	    (r = read_hashes(j, stored, &e, info)) < 0 || (r = read_about(j, &e, info)) < 0)
		return r;
	/* In a call to publish it is a list, of which publishing itself takes care. */
	if (!json_is_array(sha256))
		r = json_read_hex(j, "sha256", e.sha256, SHA256_LEN, &e.has_sha256, info);
	if (r == 0)
		*out = e;
	return r;
}
