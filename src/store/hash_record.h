/* store/hash_record.h - what the files of a share hashed to, so that those that nobody has touched
 * since are not read again. A value and its bytes; who keeps it where is another's business.
 *
 * A file counts as untouched while its size, inode, time of change and time of status change are
 * what they were, and these lay HASH_RECORD_RACE_S back when it was hashed: whoever writes to a
 * file within one tick of its clock leaves no trace. Setting times back does not help: that changes
 * the time of status. */
#ifndef SHOAL_STORE_HASH_RECORD_H
#define SHOAL_STORE_HASH_RECORD_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/digest.h"

/* The coarsest clock of a file system, and a little. */
#define HASH_RECORD_RACE_S 2
/* A record as bytes (attack: none, it is our own; but what lies there may be something else). */
#define HASH_RECORD_BYTES_MAX (1u << 30)

struct hash_entry {
	char *path; /* as in the torrent; owned */
	uint64_t length, ino;
	int64_t mtime_ns, ctime_ns;
	bool padded;		    /* its last v1 piece was hashed with zeros behind it */
	uint8_t root[SHA256_LEN];   /* v2 */
	uint8_t sha256[SHA256_LEN]; /* plain */
	/* Owned; NULL: none. 32 bytes a piece (v2, longer than one), and 20 (v1). */
	uint8_t *layer, *pieces_v1;
};

struct hash_record {
	uint32_t piece_length; /* 0: nothing is known */
	bool v1, v2;
	struct hash_entry *list; /* by path, once sorted */
	size_t n;
	uint32_t cap;
};

/* Zeroed is an empty one. */
void hash_record_fini(struct hash_record *r);
uint32_t hash_entry_pieces(const struct hash_record *r, const struct hash_entry *e);

/* Forget everything, for a share of this kind. */
void hash_record_begin(struct hash_record *r, uint32_t piece_length, bool v1, bool v2);
/* Add a file as `st` was before it was hashed at `now_s`. In any order; hash_record_sort() comes
 * before the next find. `layer` and `pieces_v1` are copied.
 * Returns 0, also when it was too young to be remembered; ERR_NOMEM. */
int hash_record_add(struct hash_record *r, const struct hash_entry *e, const struct stat *st,
		    int64_t now_s);
void hash_record_sort(struct hash_record *r);
/* What is known of the file, as it is now; NULL: nothing that holds. */
const struct hash_entry *hash_record_find(const struct hash_record *r, const char *path,
					  const struct stat *st);

/* Fixed width, versioned, with a checksum at its end. Returns 0, ERR_NOMEM or ERR_TOO_BIG. */
int hash_record_encode(const struct hash_record *r, struct buf *out);
/* Returns 0, ERR_PROTO (not whole, or of another version) or ERR_NOMEM; `r` is empty then. */
int hash_record_decode(struct bytes in, struct hash_record *r);

#endif
