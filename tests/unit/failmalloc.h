/* tests/unit/failmalloc.h - make the Nth allocation of the tested code fail.
 *
 * Works by ld --wrap, so it sees what the program and its static libraries
 * allocate, not what shared libraries do for themselves. One thread only. */
#ifndef SHOAL_TEST_FAILMALLOC_H
#define SHOAL_TEST_FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the nth malloc, calloc, realloc or aligned_alloc answers NULL (1: the
 * next one), and with `forever` every later one too. n = 0: none. Starts the count anew. */
void failmalloc_start(size_t n, bool forever);

/* Stop failing. Returns how many allocations were asked for since the start. */
size_t failmalloc_stop(void);

#endif
