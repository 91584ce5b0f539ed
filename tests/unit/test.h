/* tests/unit/test.h - TEST(name) registers itself; CHECK* fail the test.
 *
 * One file per tested file, some in one program: `unit_SET [FILE [SENTENCE]]` runs those of
 * test_FILE.c, or of all, whose name fits, which may have * in it. Test names are sentences.
 * Include last. */
#ifndef SHOAL_TEST_H
#define SHOAL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void test_register(const char *file, const char *name, void (*fn)(void **));

#define TEST(name)                                                                                 \
	static void name(void **state);                                                            \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(__FILE__, #name, name);                                              \
	}                                                                                          \
	static void name(void **state __attribute__((unused)))

#define CHECK(cond) assert_true(cond)
#define CHECK_INT(got, want) assert_int_equal(got, want)
#define CHECK_STR(got, want) assert_string_equal(got, want)
#define CHECK_MEM(got, want, len) assert_memory_equal(got, want, len)
/* For runs driven by a seed: says which one when the condition fails. */
#define CHECK_SEED(cond, seed)                                                                     \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail_msg("%s (seed %llu)", #cond, (unsigned long long)(seed));             \
	} while (0)

#endif
