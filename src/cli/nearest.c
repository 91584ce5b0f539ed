#include "cli/nearest.h"

#include <string.h>

#include "store/near.h"

/* Slips of who types. */
#define SLIPS_MAX 2u

void nearest_offer(struct nearest *n, const char *typed, const char *known)
{
	size_t len = strlen(typed);
	unsigned d = near_distance(bytes_str(typed), bytes_str(known), SLIPS_MAX);

	/* The beginning of a word is a better guess than any typing error. */
	if (len >= 2 && strncmp(typed, known, len) == 0)
		d = 0;
	/* At least half of it is right. */
	if (d > SLIPS_MAX || d * 2 > len)
		return;
	if (n->best == NULL || d < n->distance) {
		n->best = known;
		n->distance = d;
	}
}
