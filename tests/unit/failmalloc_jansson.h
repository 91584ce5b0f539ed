/* tests/unit/failmalloc_jansson.h - let failmalloc see jansson's allocations too. */
#ifndef SHOAL_TEST_FAILMALLOC_JANSSON_H
#define SHOAL_TEST_FAILMALLOC_JANSSON_H

#include <jansson.h>
#include <stdlib.h>

#include "failmalloc.h"

static void *jansson_malloc(size_t n)
{
	return malloc(n);
}

static void jansson_free(void *ptr)
{
	free(ptr);
}

__attribute__((constructor)) static void jansson_hook(void)
{
	json_set_alloc_funcs(jansson_malloc, jansson_free);
}

#endif
