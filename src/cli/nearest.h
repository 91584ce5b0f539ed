/* cli/nearest.h - "did you mean": the known word most like a mistyped one. */
#ifndef SHOAL_CLI_NEAREST_H
#define SHOAL_CLI_NEAREST_H

/* Remember the best of several candidates: start with {.best = NULL}. */
struct nearest {
	const char *best;  /* NULL while nothing is near enough for a hint */
	unsigned distance; /* store/near.h */
};
void nearest_offer(struct nearest *n, const char *typed, const char *known);

#endif
