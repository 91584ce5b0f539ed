/* tests/unit/failmalloc_openssl.h - let failmalloc see OpenSSL's allocations too. */
#ifndef SHOAL_TEST_FAILMALLOC_OPENSSL_H
#define SHOAL_TEST_FAILMALLOC_OPENSSL_H

#include <openssl/crypto.h>
#include <stdlib.h>

#include "failmalloc.h"

static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return malloc(n);
}

static void *openssl_realloc(void *ptr, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return realloc(ptr, n);
}

static void openssl_free(void *ptr, const char *file, int line)
{
	(void)file, (void)line;
	free(ptr);
}

/* OpenSSL takes these only before its first allocation. */
__attribute__((constructor)) static void openssl_hook(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		abort();
}

#endif
