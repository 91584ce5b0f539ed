/* tests/unit/test_main.c - runs every TEST() linked beside it, speaking TAP. */
#include <stdlib.h>

#include "test.h"

#define TESTS_MAX 256

static struct CMUnitTest tests[TESTS_MAX];
static size_t n_tests;

void test_register(const char *name, void (*fn)(void **))
{
	if (n_tests == TESTS_MAX)
		abort();
	tests[n_tests++] = (struct CMUnitTest){.name = name, .test_func = fn};
}

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("unit", tests, n_tests, NULL, NULL);
}
