#include "cli/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	/* Three rows of the usual table: two back for swapped neighbours. */
	size_t rows[3][NEAREST_BYTES_MAX + 1];

	if (la > NEAREST_BYTES_MAX || lb > NEAREST_BYTES_MAX)
		return NEAREST_BYTES_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]),
				       least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two[j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

void nearest_offer(struct nearest *n, const char *typed, const char *known)
{
	size_t len = strlen(typed);
	size_t d = nearest_distance(typed, known);

	/* The beginning of a word is a better guess than any typing error. */
	if (len >= 2 && strncmp(typed, known, len) == 0)
		d = 0;
	/* Two slips, and at least half of it right. */
	if (d > 2 || d * 2 > len)
		return;
	if (n->best == NULL || d < n->distance) {
		n->best = known;
		n->distance = d;
	}
}
