/* base/grow.h - room for one more at the end of a list on the heap. Pure.
 *
 *     struct item *list = grow(x->list, x->n, &x->cap, 4, sizeof(*list));
 *
 *     if (list == NULL)
 *             return ERR_NOMEM;
 *     x->list = list;
 *     x->list[x->n++] = item; */
#ifndef SHOAL_BASE_GROW_H
#define SHOAL_BASE_GROW_H

#include <stddef.h>
#include <stdint.h>

/* `list` has `n` items of `item_bytes` in memory for *cap. When that is full it moves to twice as
 * much, or to `first` items when it has none yet; *cap says so.
 * Returns: where the list is from now on; NULL without memory: it is where it was, as it was. */
void *grow(void *list, size_t n, uint32_t *cap, uint32_t first, size_t item_bytes);

#endif
