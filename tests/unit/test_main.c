/* tests/unit/test_main.c - runs the TEST()s linked beside it, speaking TAP; see test.h. */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define TESTS_MAX 1024

static struct registered {
	const char *file;
	struct CMUnitTest test;
} all[TESTS_MAX];
static size_t n_all;

void test_register(const char *file, const char *name, void (*fn)(void **))
{
	if (n_all == TESTS_MAX)
		abort();
	all[n_all++] = (struct registered){file, {.name = name, .test_func = fn}};
}

/* Is `path` that of test_NAME.c? */
static bool is_file(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/'), *file = slash == NULL ? path : slash + 1;
	size_t len = strlen(name);

	return strncmp(file, "test_", 5) == 0 && strncmp(file + 5, name, len) == 0 &&
	       strcmp(file + 5 + len, ".c") == 0;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest chosen[TESTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < n_all; i++)
		if (argc < 2 || is_file(all[i].file, argv[1]))
			chosen[n++] = all[i].test;
	if (n == 0) {
		printf("Bail out! no test_%s.c in %s\n", argc < 2 ? "*" : argv[1], argv[0]);
		return 1;
	}
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("unit", chosen, n, NULL, NULL);
}
