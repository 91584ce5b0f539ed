#include "failmalloc.h"

#include <errno.h>

static size_t fail_at, asked;
static bool fail_forever;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void failmalloc_start(size_t n, bool forever)
{
	fail_at = n;
	fail_forever = forever;
	asked = 0;
}

size_t failmalloc_stop(void)
{
	fail_at = 0;
	return asked;
}

static bool must_fail(void)
{
	asked++;
	if (fail_at == 0 || (fail_forever ? asked < fail_at : asked != fail_at))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	return must_fail() ? NULL : __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return must_fail() ? NULL : __real_aligned_alloc(alignment, size);
}
