/* cli/nearest.h - "did you mean": the known word most like a mistyped one. */
#ifndef SHOAL_CLI_NEAREST_H
#define SHOAL_CLI_NEAREST_H

#include <stddef.h>

/* Longer words are not looked at. */
#define NEAREST_BYTES_MAX 40u

/* Letters to add, drop, change or swap with their neighbour to make `b` of `a`;
 * NEAREST_BYTES_MAX when one of them is too long. */
size_t nearest_distance(const char *a, const char *b);

/* Remember the best of several candidates: start with {.best = NULL}. */
struct nearest {
	const char *best; /* NULL while nothing is near enough for a hint */
	size_t distance;
};
void nearest_offer(struct nearest *n, const char *typed, const char *known);

#endif
