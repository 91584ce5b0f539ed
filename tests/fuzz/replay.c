/* tests/fuzz/replay.c - runs a fuzz target over its corpus, without libFuzzer.
 *
 * usage: replay NAME FOLDER. Each file goes in as it is; so do its prefixes and copies
 * of it with one bit changed. Speaks TAP, one line for the target. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MAX (1u << 20)
/* Of longer files only this many prefixes and changes are tried, evenly spread. */
#define CHANGES_MAX 256u

/* Exactly as large as the input, so that one byte too many is seen. */
static void run(const uint8_t *data, size_t len, size_t flip)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	if (flip < len)
		copy[flip] ^= (uint8_t)(1u << flip % 8);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_around(const uint8_t *data, size_t len)
{
	size_t step = len / CHANGES_MAX + 1;

	run(data, len, len);
	for (size_t i = 0; i < len; i += step) {
		run(data, i, i);
		run(data, len, i);
	}
}

static int run_file(const char *folder, const char *name)
{
	static uint8_t data[FILE_MAX];
	char path[4096];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return -1;
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* Said first: after an abort the last line tells which file did it. */
	printf("# %s, %zu bytes\n", name, len);
	fflush(stdout);
	run_around(data, len);
	return 0;
}

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **list;
	int n, failed = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: replay NAME FOLDER\n");
		return 2;
	}
	printf("1..1\n");
	n = scandir(argv[2], &list, is_input, alphasort);
	if (n <= 0) {
		printf("not ok 1 - %s: no inputs in %s\n", argv[1], argv[2]);
		return 1;
	}
	LLVMFuzzerTestOneInput(NULL, 0);
	for (int i = 0; i < n; i++) {
		failed += run_file(argv[2], list[i]->d_name) != 0;
		free(list[i]);
	}
	free(list);
	printf("%s 1 - %s: %d inputs\n", failed ? "not ok" : "ok", argv[1], n - failed);
	return failed != 0;
}
