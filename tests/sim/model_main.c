/* shoal-swarm-model: arbitrary events at a few swarms. Each run is a process of its own, so that
 * one that aborts can be made shorter: steps are left out as long as it still does. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/model.h"

#define SEEDS_AS_TEST 40u
/* A run takes part of a second; one that takes so long is stuck. */
#define RUN_MAX_S 60u

static bool holds(uint64_t seed, const struct step *steps, bool say)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!say && freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		alarm(RUN_MAX_S);
		model_run(seed, steps);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leave out halves, quarters and so on of the steps while it still fails. */
static void shorten(uint64_t seed, struct step *steps)
{
	for (uint32_t size = MODEL_STEPS / 2; size > 0; size /= 2) {
		for (uint32_t from = 0; from < MODEL_STEPS; from += size) {
			struct step fewer[MODEL_STEPS];

			memcpy(fewer, steps, sizeof(fewer));
			for (uint32_t i = from; i < from + size && i < MODEL_STEPS; i++)
				fewer[i].out = true;
			if (!holds(seed, fewer, false))
				memcpy(steps, fewer, sizeof(fewer));
		}
	}
}

static bool try_seed(uint64_t seed)
{
	struct step steps[MODEL_STEPS];

	model_plan(seed, steps);
	if (holds(seed, steps, false))
		return true;
	shorten(seed, steps);
	printf("# seed %" PRIu64 " fails; the steps that it takes:\n", seed);
	for (uint32_t i = 0; i < MODEL_STEPS; i++)
		if (!steps[i].out)
			model_say(stdout, &steps[i]);
	holds(seed, steps, true);
	return false;
}

static int usage(void)
{
	fprintf(stderr, "usage: shoal-swarm-model tap | FIRST_SEED [COUNT]\n");
	return 2;
}

int main(int argc, char **argv)
{
	bool tap = argc == 2 && strcmp(argv[1], "tap") == 0;
	uint64_t first = 1, count = SEEDS_AS_TEST;
	bool ok = true;

	if (argc < 2 || argc > 3)
		return usage();
	if (!tap) {
		first = strtoull(argv[1], NULL, 10);
		count = argc == 3 ? strtoull(argv[2], NULL, 10) : 1;
	}
	for (uint64_t i = 0; i < count; i++)
		ok &= try_seed(first + i);
	if (tap)
		printf("1..1\n%sok 1 - swarms hold whatever happens to them\n", ok ? "" : "not ");
	return ok ? 0 : 1;
}
