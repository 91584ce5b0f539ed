/* meta/entry.h - a published name as a value, and the bytes its owner signs. */
#ifndef SHOAL_META_ENTRY_H
#define SHOAL_META_ENTRY_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/sign.h"

#define ENTRY_NAME_BYTES_MAX 255u
#define ENTRY_OWNER_BYTES_MAX 128u

/* By value; strings are inside. */
struct entry {
	uint64_t id; /* the index's row, 0 when not stored yet */
	char owner[ENTRY_OWNER_BYTES_MAX + 1];
	char name[ENTRY_NAME_BYTES_MAX + 1];
	uint32_t version; /* from 1 */
	bool has_v1, has_v2;
	uint8_t hash_v1[SHA1_LEN];
	uint8_t hash_v2[SHA256_LEN];
	uint64_t bytes; /* of all real files */
	uint32_t n_files;
	bool has_sha256; /* single file: what `sha256sum` prints */
	uint8_t sha256[SHA256_LEN];
	int64_t published_at; /* Unix seconds, by the owner's clock */
	uint8_t key[SIGN_KEY_LEN];
	uint8_t signature[SIGN_LEN];
};

/* May this be a name, an owner? UTF-8, no control characters, not empty, within the
 * limits, no leading or trailing space; neither '@' nor '/' in an entry name would be
 * ambiguous in OWNER/NAME@VERSION, so names may hold '/' never and '@' only when what
 * follows the last '@' is no number and not "latest"; owners hold no '/'.
 * A leading dash, quotes, spaces and newlines-as-control: newlines are refused here;
 * the shared file itself may have any name.
 * Returns 0 or ERR_INVALID with the reason in `info` (may be NULL). */
int entry_check_name(struct bytes name, struct err_info *info);
int entry_check_owner(struct bytes owner, struct err_info *info);

/* The bytes that are signed for "publish" and "unpublish": a fixed heading, then the
 * fields as bencode, so that no two different entries give the same bytes.
 * Version and id are not among them when publishing, as the index deals those out; "unpublish"
 * has the version it means (0: all). */
int entry_signed_bytes(const struct entry *e, const char *action, struct buf *out);

/* The first 20 bytes of v1, or of v2's hash: names its swarm. */
const uint8_t *entry_swarm_hash(const struct entry *e);

/* Taken apart from what a user types: [OWNER/]NAME[@VERSION|@latest]. */
struct entry_ref {
	char owner[ENTRY_OWNER_BYTES_MAX + 1]; /* "" when not given */
	char name[ENTRY_NAME_BYTES_MAX + 1];
	bool latest;	  /* "@latest" was written */
	uint32_t version; /* 0: the newest */
};
int entry_ref_parse(struct bytes text, struct entry_ref *out, struct err_info *info);

#endif
