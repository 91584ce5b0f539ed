/* meta/entry.c - names in the catalogue and what is signed about them. */
#include "meta/entry.h"

#include <stdio.h>

#include "base/bencode.h"
#include "base/text.h"

#define SIGNED_HEADING "shoal entry 1\n"

/* What names and owners have in common. */
static int check_text(struct bytes s, size_t max, const char *what, struct err_info *info)
{
	if (s.len == 0)
		return err_set(info, ERR_INVALID, "%s is empty", what);
	if (s.len > max)
		return err_set(info, ERR_INVALID, "%s is longer than %zu bytes", what, max);
	if (!text_is_utf8(s))
		return err_set(info, ERR_INVALID, "%s is not UTF-8 text", what);
	/* What is not tame could deceive the eye or steer a terminal. */
	if (!text_is_tame(s))
		return err_set(info, ERR_INVALID, "%s has a control or invisible character in it",
			       what);
	if (s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' ')
		return err_set(info, ERR_INVALID, "%s begins or ends with a space", what);
	if (memchr(s.ptr, '/', s.len) != NULL)
		return err_set(info, ERR_INVALID, "%s has a '/' in it", what);
	/* Such a part of a URL's path would be resolved away. */
	if (bytes_eq(s, bytes_str(".")) || bytes_eq(s, bytes_str("..")))
		return err_set(info, ERR_INVALID, "%s is '.' or '..'", what);
	return 0;
}

static bool all_digits(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

/* Takes "@5" or "@latest" off the end of `name`. False when it has neither. */
static bool cut_version(struct bytes *name, struct bytes *version)
{
	size_t at = name->len;

	while (at > 0 && name->ptr[at - 1] != '@')
		at--;
	if (at == 0)
		return false;
	*version = bytes_sub(*name, at, name->len - at);
	if (!all_digits(*version) && !bytes_eq(*version, bytes_str("latest")))
		return false;
	*name = bytes_sub(*name, 0, at - 1);
	return true;
}

int entry_check_name(struct bytes name, struct err_info *info)
{
	struct bytes version;
	int err = check_text(name, ENTRY_NAME_BYTES_MAX, "the name", info);

	if (err == 0 && cut_version(&name, &version))
		err = err_set(info, ERR_INVALID, "the name ends like a version: '@%.*s'",
			      (int)version.len, (const char *)version.ptr);
	return err;
}

int entry_check_owner(struct bytes owner, struct err_info *info)
{
	return check_text(owner, ENTRY_OWNER_BYTES_MAX, "the owner's name", info);
}

int entry_check_new(const struct entry *e, struct err_info *info)
{
	const struct {
		const char *text, *what;
	} all[] = {{e->owner, "the owner's name"},
		   {e->name, "the name"},
		   {e->description, "the description"},
		   {e->tags, "a tag"},
		   {e->meta, "a key or value"}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (text_hides(bytes_str(all[i].text)))
			return err_set(info, ERR_INVALID, "%s has an invisible character in it",
				       all[i].what);
	return 0;
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	if (*text == '\0')
		return;
	benc_put_str(out, key);
	benc_put_str(out, text);
}

static void put_hash(struct buf *out, const char *key, bool has, const uint8_t *hash, size_t len)
{
	if (!has)
		return;
	benc_put_str(out, key);
	benc_put_bytes(out, bytes_of(hash, len));
}

int entry_signed_bytes(const struct entry *e, const char *action, struct buf *out)
{
	buf_put_str(out, SIGNED_HEADING);
	benc_put_raw(out, 'd');
	benc_put_str(out, "action");
	benc_put_str(out, action);
	benc_put_str(out, "bytes");
	/* INT64_MAX bounds every torrent; a cast keeps larger values apart all the same */
	benc_put_int(out, (int64_t)e->bytes);
	put_text(out, "description", e->description);
	benc_put_pair(out, "files", e->n_files);
	put_hash(out, "hash v1", e->has_v1, e->hash_v1, SHA1_LEN);
	put_hash(out, "hash v2", e->has_v2, e->hash_v2, SHA256_LEN);
	put_hash(out, "key", true, e->key, SIGN_KEY_LEN);
	put_text(out, "meta", e->meta);
	benc_put_str(out, "name");
	benc_put_str(out, e->name);
	benc_put_str(out, "owner");
	benc_put_str(out, e->owner);
	benc_put_pair(out, "published at", e->published_at);
	put_hash(out, "sha256", e->has_sha256, e->sha256, SHA256_LEN);
	put_text(out, "tags", e->tags);
	if (strcmp(action, "unpublish") == 0) {
		benc_put_pair(out, "version", e->version);
	}
	benc_put_raw(out, 'e');
	return out->err;
}

const uint8_t *entry_swarm_hash(const struct entry *e)
{
	return e->has_v1 ? e->hash_v1 : e->hash_v2;
}

static void text_keep(char *to, struct bytes from)
{
	memcpy(to, from.ptr, from.len);
	to[from.len] = '\0';
}

int entry_ref_parse(struct bytes text, struct entry_ref *out, struct err_info *info)
{
	struct bytes name = text, owner = {0}, version = {0};
	const uint8_t *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
	struct entry_ref ref = {0};
	uint64_t number = 0;
	bool versioned;
	int err;

	if (slash != NULL) {
		size_t at = (size_t)(slash - text.ptr);

		owner = bytes_sub(text, 0, at);
		name = bytes_sub(text, at + 1, text.len - at - 1);
		err = entry_check_owner(owner, info);
		if (err != 0)
			return err;
		text_keep(ref.owner, owner);
	}
	versioned = cut_version(&name, &version);
	ref.latest = versioned && !all_digits(version);
	if (versioned && !ref.latest) {
		if (text_parse_u64(version, UINT32_MAX, &number) != 0 || number == 0)
			return err_set(info, ERR_INVALID,
				       "there is no such version: versions count from 1");
		ref.version = (uint32_t)number;
	}
	err = entry_check_name(name, info);
	if (err != 0)
		return err;
	text_keep(ref.name, name);
	*out = ref;
	return 0;
}

const char *entry_ref_text(char out[ENTRY_REF_MAX], const char *owner, const char *name,
			   uint32_t version)
{
	if (version == 0)
		snprintf(out, ENTRY_REF_MAX, "%s/%s", owner, name);
	else
		snprintf(out, ENTRY_REF_MAX, "%s/%s@%u", owner, name, version);
	return out;
}
