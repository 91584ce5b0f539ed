/* index/slots.h - finds numbered things by a hash of them: open addressing, eight bytes a cell.
 *
 * The things lie elsewhere; a cell holds the number of one and its hash, so that neither growing
 * nor most of searching touches the things. Hashes come from siphash, so that strangers cannot
 * choose what lands side by side. */
#ifndef SHOAL_INDEX_SLOTS_H
#define SHOAL_INDEX_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_NONE UINT32_MAX

struct slot {
	uint32_t number_1; /* number + 1; 0 is empty */
	uint32_t hash;
};

struct slots {
	struct slot *cells;
	uint32_t cap; /* a power of two, or 0 */
	uint32_t n;
	/* Is it the one with this key? */
	bool (*same)(const void *user, uint32_t number, const void *key);
	const void *user;
};

void slots_fini(struct slots *s);

/* Make room for one more. Returns 0 or ERR_NOMEM, and then nothing has changed. Cost: now and
 * then all cells are moved. */
int slots_reserve(struct slots *s);
/* The number, or SLOTS_NONE. */
uint32_t slots_find(const struct slots *s, uint32_t hash, const void *key);
/* There is room and it is not in: a caller's duty. */
void slots_add(struct slots *s, uint32_t hash, uint32_t number);
/* It is in: a caller's duty. */
void slots_remove(struct slots *s, uint32_t hash, uint32_t number);

#endif
