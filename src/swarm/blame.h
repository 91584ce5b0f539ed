/* swarm/blame.h - who sent which block of a piece that turned out bad.
 *
 * Nobody is punished on suspicion. A record keeps what each block hashed to and who sent it,
 * until the true hashes are known: for v2 from proven leaf hashes, for v1 when the piece was
 * fetched again and is good. Then a block that differs names its sender. */
#ifndef SHOAL_SWARM_BLAME_H
#define SHOAL_SWARM_BLAME_H

#include "swarm/picker.h"

/* Bytes of records in all (attack: many bad pieces of 128 MiB); the oldest gives way. */
#define BLAME_BYTES_MAX (8u << 20)
#define BLAME_RECORDS_MAX 256u

struct blame_record {
	uint32_t piece, n_blocks, n_senders;
	uint8_t *hashes; /* SHA-256 of each block as it came */
	uint16_t *by;	 /* index + 1 into senders */
	struct sender *senders;
};

struct blame {
	struct blame_record *list; /* oldest first */
	uint32_t n, cap;
	size_t bytes;
};

void blame_fini(struct blame *b);

/* Remember a bad piece. Returns 0 or ERR_NOMEM (then it is nobody's fault). */
int blame_keep(struct blame *b, const struct open_piece *o, const uint8_t *hashes);
bool blame_has(const struct blame *b, uint32_t piece);
/* The newest record of a piece, or NULL. */
const struct blame_record *blame_newest(const struct blame *b, uint32_t piece);

/* Does block differ from what it should have hashed to? */
bool blame_differs(const struct blame_record *r, uint32_t block, const uint8_t *truth);

/* With the true block hashes known: call once per record of the piece until it answers false.
 * Fills at most `cap` proven senders and forgets the record. */
bool blame_settle(struct blame *b, uint32_t piece, const uint8_t *truth, struct sender *out,
		  uint32_t cap, uint32_t *n_out);
void blame_forget(struct blame *b, uint32_t piece);

#endif
