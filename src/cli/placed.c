#include "cli/placed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "cli/home.h"
#include "store/durable.h"

#define FOLDER "placed"
/* "placed/", 16 bytes in hex, ".json" */
#define REL_BYTES (sizeof(FOLDER) + 32 + sizeof(".json"))

void placed_from_entry(struct placed *p, const struct entry *e)
{
	*p = (struct placed){.version = e->version, .has_v1 = e->has_v1, .has_v2 = e->has_v2};
	memcpy(p->owner, e->owner, sizeof(p->owner));
	memcpy(p->name, e->name, sizeof(p->name));
	memcpy(p->hash_v1, e->hash_v1, sizeof(p->hash_v1));
	memcpy(p->hash_v2, e->hash_v2, sizeof(p->hash_v2));
}

bool placed_same_entry(const struct placed *a, const struct placed *b)
{
	return strcmp(a->owner, b->owner) == 0 && strcmp(a->name, b->name) == 0;
}

bool placed_same_content(const struct placed *a, const struct placed *b)
{
	if (a->has_v2 && b->has_v2)
		return memcmp(a->hash_v2, b->hash_v2, SHA256_LEN) == 0;
	return a->has_v1 && b->has_v1 && memcmp(a->hash_v1, b->hash_v1, SHA1_LEN) == 0;
}

/* ---- where it is kept -------------------------------------------------------- */

/* The path as it is however one got there: the folder's real one, and the name in it. */
static char *real_path(const char *path)
{
	char *copy = strdup(path), *slash, *folder, *out = NULL;
	size_t n = copy == NULL ? 0 : strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = copy == NULL ? NULL : strrchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	folder = copy == NULL ? NULL
			      : realpath(slash == NULL	 ? "."
					 : slash == copy ? "/"
							 : copy,
					 NULL);
	if (folder != NULL && asprintf(&out, "%s/%s", folder, slash == NULL ? copy : slash + 1) < 0)
		out = NULL;
	free(folder);
	free(copy);
	return out;
}

static void rel_of(const char *real, char rel[REL_BYTES])
{
	uint8_t sum[SHA256_LEN];
	char hex[33];

	sha256_of(bytes_str(real), sum);
	text_hex(hex, bytes_of(sum, 16));
	snprintf(rel, REL_BYTES, FOLDER "/%s.json", hex);
}

/* ---- the record as JSON -------------------------------------------------------- */

static json_t *hex_json(bool has, const uint8_t *hash, size_t len)
{
	char hex[2 * SHA256_LEN + 1];

	if (!has)
		return json_null();
	text_hex(hex, bytes_of(hash, len));
	return json_string(hex);
}

/* The path is there for people who look; what is no UTF-8 in it is escaped. */
static char *encode(const char *real, const struct placed *p)
{
	char safe[4096];
	json_t *j = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o}", "path",
			      text_escape(safe, sizeof(safe), bytes_str(real)), "owner", p->owner,
			      "name", p->name, "version", (int)p->version, "hash_v1",
			      hex_json(p->has_v1, p->hash_v1, SHA1_LEN), "hash_v2",
			      hex_json(p->has_v2, p->hash_v2, SHA256_LEN), "stamp",
			      hex_json(true, p->stamp.sum, sizeof(p->stamp.sum)));
	char *text = j == NULL ? NULL : json_dumps(j, JSON_COMPACT);

	json_decref(j);
	return text;
}

static bool take_hex(const json_t *j, const char *key, uint8_t *out, size_t len)
{
	const char *hex = json_string_value(json_object_get(j, key));

	return hex != NULL && text_unhex(bytes_str(hex), out, len) == OK;
}

static bool decode(struct bytes in, struct placed *p)
{
	json_t *j = json_loadb((const char *)in.ptr, in.len, JSON_REJECT_DUPLICATES, NULL);
	const char *owner = json_string_value(json_object_get(j, "owner"));
	const char *name = json_string_value(json_object_get(j, "name"));
	json_int_t version = json_integer_value(json_object_get(j, "version"));
	bool ok = owner != NULL && name != NULL && version > 0 && version <= UINT32_MAX &&
		  entry_check_owner(bytes_str(owner), NULL) == OK &&
		  entry_check_name(bytes_str(name), NULL) == OK;

	*p = (struct placed){.version = ok ? (uint32_t)version : 0};
	if (ok) {
		snprintf(p->owner, sizeof(p->owner), "%s", owner);
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
	p->has_v1 = take_hex(j, "hash_v1", p->hash_v1, SHA1_LEN);
	p->has_v2 = take_hex(j, "hash_v2", p->hash_v2, SHA256_LEN);
	ok = ok && (p->has_v1 || p->has_v2) &&
	     take_hex(j, "stamp", p->stamp.sum, sizeof(p->stamp.sum));
	json_decref(j);
	return ok;
}

/* ---- reading and writing -------------------------------------------------------- */

int placed_remember(const char *path, struct placed *p, struct err_info *info)
{
	char *real = real_path(path), *dir = NULL, *text = NULL, rel[REL_BYTES];
	struct root r;
	int err = real == NULL ? err_set(info, ERR_IO, "the folder is gone") : OK;

	if (err == OK)
		err = stamp_take(real, &p->stamp, info);
	if (err == OK)
		err = home_make_dir(&dir, info);
	if (err == OK) {
		text = encode(real, p);
		err = text == NULL ? err_set(info, ERR_NOMEM, "out of memory")
				   : root_open(&r, dir, info);
	}
	if (err == OK) {
		rel_of(real, rel);
		err = root_mkdirs(&r, FOLDER, info);
		if (err == OK)
			err = durable_write(&r, rel, bytes_str(text), 0600, info);
		root_close(&r);
	}
	free(text);
	free(dir);
	free(real);
	return err;
}

int placed_find(const char *path, struct placed *out)
{
	char *real = real_path(path), *dir = home_dir(), rel[REL_BYTES];
	struct root r;
	struct buf in;
	int err = ERR_NOENT;

	buf_init(&in, PLACED_BYTES_MAX);
	if (real != NULL && dir != NULL && root_open(&r, dir, NULL) == OK) {
		rel_of(real, rel);
		if (durable_read(&r, rel, &in, NULL) == OK && decode(buf_bytes(&in), out))
			err = OK;
		root_close(&r);
	}
	buf_fini(&in);
	free(dir);
	free(real);
	return err;
}
