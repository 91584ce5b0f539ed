/* meta/entry.h - a published name as a value, and the bytes its owner signs. */
#ifndef SHOAL_META_ENTRY_H
#define SHOAL_META_ENTRY_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/sign.h"

#define ENTRY_NAME_BYTES_MAX 255u
#define ENTRY_OWNER_BYTES_MAX 128u
/* What an owner says about an entry. Attack: a catalogue filled with prose (each is kept in
 * every list). */
#define ENTRY_DESCRIPTION_BYTES_MAX 1000u
#define ENTRY_TAG_BYTES_MAX 64u
#define ENTRY_TAGS_BYTES_MAX 500u /* all of them, with the spaces between */
#define ENTRY_META_BYTES_MAX 1500u

/* By value; strings are inside, after all else: meta/kept_entry.h keeps those as long as they are.
 */
struct entry {
	uint64_t id;	  /* the index's row, 0 when not stored yet */
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
	char owner[ENTRY_OWNER_BYTES_MAX + 1];
	char name[ENTRY_NAME_BYTES_MAX + 1];
	char description[ENTRY_DESCRIPTION_BYTES_MAX + 1]; /* one line; "" none */
	char tags[ENTRY_TAGS_BYTES_MAX + 1];		   /* sorted, one space between; "" none */
	char meta[ENTRY_META_BYTES_MAX + 1]; /* "key=value\n", sorted by key; "" none */
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
/* May it be published anew? Then none of its texts may hide anything (text_hides() of base/text.h;
 * attack: names that look like another's). Entries of a time before that was asked are still read,
 * found and removed, for which the above is enough. Returns 0 or ERR_INVALID with the reason. */
int entry_check_new(const struct entry *e, struct err_info *info);

/* Set the description: printable UTF-8 without line breaks. ERR_INVALID with the reason. */
int entry_set_description(struct entry *e, struct bytes text, struct err_info *info);
/* Add tags, separated by spaces or commas: letters, digits and any of "-_.:+" or beyond ASCII.
 * Kept in lower case (ASCII only), each once. ERR_INVALID, ERR_TOO_BIG with the reason. */
int entry_add_tags(struct entry *e, struct bytes tags, struct err_info *info);
/* Add or replace one KEY with its VALUE: keys as tags without ':', values one printable line. */
int entry_set_meta(struct entry *e, struct bytes key, struct bytes value, struct err_info *info);
/* The next pair of e->meta; `*at` 0 to begin with. False at the end. Borrows from `e`. */
bool entry_next_meta(const struct entry *e, size_t *at, struct bytes *key, struct bytes *value);

/* The bytes that are signed for "publish" and "unpublish": a fixed heading, then the
 * fields as bencode, so that no two different entries give the same bytes.
 * Description, tags and meta are among them when they are not empty, so that entries of a time
 * before those existed keep their signatures. Version and id are not among them when publishing, as
 * the index deals those out; "unpublish" has the version it means (0: all). */
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
/* The way back: "OWNER/NAME@VERSION", without "@VERSION" for 0. Not escaped. Returns `out`. */
#define ENTRY_REF_MAX (ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 16u)
const char *entry_ref_text(char out[ENTRY_REF_MAX], const char *owner, const char *name,
			   uint32_t version);

#endif
