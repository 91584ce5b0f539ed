#include "meta/name_item.h"

#include "base/bencode.h"

size_t name_item_salt(struct bytes name, uint8_t out[NAME_ITEM_SALT_MAX])
{
	if (name.len > NAME_ITEM_SALT_MAX) {
		sha256_of(name, out);
		return SHA256_LEN;
	}
	memcpy(out, name.ptr, name.len);
	return name.len;
}

static void put_bytes(struct buf *out, const char *key, const uint8_t *bytes, size_t len)
{
	benc_put_str(out, key);
	benc_put_bytes(out, bytes_of(bytes, len));
}

static void put_int(struct buf *out, const char *key, int64_t n)
{
	benc_put_str(out, key);
	benc_put_int(out, n);
}

int name_item_put(const struct entry *e, struct buf *out)
{
	benc_put_raw(out, 'd');
	put_int(out, "bytes", (int64_t)e->bytes);
	put_int(out, "files", e->n_files);
	put_bytes(out, "ih", entry_swarm_hash(e), SHA1_LEN);
	if (e->has_v2)
		put_bytes(out, "ih2", e->hash_v2, SHA256_LEN);
	benc_put_str(out, "name");
	benc_put_str(out, e->name);
	benc_put_str(out, "owner");
	benc_put_str(out, e->owner);
	put_int(out, "published", e->published_at);
	if (e->has_sha256)
		put_bytes(out, "sha256", e->sha256, SHA256_LEN);
	put_int(out, "version", e->version);
	benc_put_raw(out, 'e');
	return out->err;
}

static bool take_hash(const struct benc *top, const char *key, uint8_t *out, size_t len)
{
	struct bytes s;

	if (!benc_find_str(top, key, &s) || s.len != len)
		return false;
	memcpy(out, s.ptr, len);
	return true;
}

static uint64_t take_number(const struct benc *top, const char *key, uint64_t most)
{
	int64_t n;

	return benc_find_int(top, key, &n) && n >= 0 && (uint64_t)n <= most ? (uint64_t)n : 0;
}

/* A truncated v2 hash is no v1 hash. */
static bool take_hashes(const struct benc *top, struct entry *e)
{
	if (!take_hash(top, "ih", e->hash_v1, SHA1_LEN))
		return false;
	e->has_v2 = take_hash(top, "ih2", e->hash_v2, SHA256_LEN);
	e->has_v1 = !e->has_v2 || memcmp(e->hash_v1, e->hash_v2, SHA1_LEN) != 0;
	return true;
}

static void keep_text(char *out, struct bytes s)
{
	memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
}

static int take_name(const struct benc *top, struct bytes salt, struct entry *e)
{
	uint8_t meant[NAME_ITEM_SALT_MAX];
	struct bytes name = salt;

	if (benc_find_str(top, "name", &name)) {
		if (entry_check_name(name, NULL) != OK)
			return ERR_PROTO;
		if (!bytes_eq(bytes_of(meant, name_item_salt(name, meant)), salt))
			return ERR_MISMATCH;
	}
	if (entry_check_name(name, NULL) == OK)
		keep_text(e->name, name);
	return OK;
}

int name_item_read(struct bytes value, struct bytes salt, struct entry *out)
{
	struct entry e = {.id = 0};
	struct bytes owner;
	struct benc top;
	int err;

	if (benc_parse_all(value, &top, NULL) != OK || top.type != BENC_DICT ||
	    !take_hashes(&top, &e))
		return ERR_PROTO;
	err = take_name(&top, salt, &e);
	if (err != OK)
		return err;
	if (benc_find_str(&top, "owner", &owner) && entry_check_owner(owner, NULL) == OK)
		keep_text(e.owner, owner);
	e.bytes = take_number(&top, "bytes", INT64_MAX);
	e.n_files = (uint32_t)take_number(&top, "files", UINT32_MAX);
	e.published_at = (int64_t)take_number(&top, "published", INT64_MAX);
	e.has_sha256 = take_hash(&top, "sha256", e.sha256, SHA256_LEN);
	e.version = (uint32_t)take_number(&top, "version", UINT32_MAX);
	*out = e;
	return OK;
}
