/* index/slots.h - finds numbered things by a hash of them: open addressing, four bytes a cell.
 *
 * The things lie elsewhere; a cell holds the number of one. Hashes come from siphash, so that
 * strangers cannot choose what lands side by side. */
#ifndef SHOAL_INDEX_SLOTS_H
#define SHOAL_INDEX_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_NONE UINT32_MAX

struct slots {
	uint32_t *cells; /* number + 1; 0 is empty */
	uint32_t cap;	 /* a power of two, or 0 */
	uint32_t n;
	/* The hash of a thing that is in the table. */
	uint32_t (*hash)(const void *user, uint32_t number);
	/* Is it the one with this key? */
	bool (*same)(const void *user, uint32_t number, const void *key);
	const void *user;
};

void slots_fini(struct slots *s);

/* Make room for one more. Returns 0 or ERR_NOMEM, and then nothing has changed. Cost: now and
 * then every hash is made again. */
int slots_reserve(struct slots *s);
/* The number, or SLOTS_NONE. */
uint32_t slots_find(const struct slots *s, uint32_t hash, const void *key);
/* There is room and it is not in: a caller's duty. */
void slots_add(struct slots *s, uint32_t hash, uint32_t number);
/* It is in: a caller's duty. The thing's hash must still be known. */
void slots_remove(struct slots *s, uint32_t hash, uint32_t number);

#endif
