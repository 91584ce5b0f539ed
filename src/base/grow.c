#include "base/grow.h"

#include <stdlib.h>

void *grow(void *list, size_t n, uint32_t *cap, uint32_t first, size_t item_bytes)
{
	uint32_t more = *cap == 0 ? first : *cap * 2;
	void *grown;

	if (n < *cap)
		return list;
	if (more <= *cap || more > SIZE_MAX / item_bytes)
		return NULL;
	grown = realloc(list, more * item_bytes);
	if (grown != NULL)
		*cap = more;
	return grown;
}
