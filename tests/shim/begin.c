/* tests/shim/begin.c - becomes a program under test, which ends when who began it ends.
 *
 *     begin [LIMIT=N ...] -- PROGRAM [ARGUMENT ...]
 *
 * LIMIT is the number of an RLIMIT_. Python could do so itself between fork and exec, but then it
 * has to fork in earnest: for a process with many pages that takes longer than all of this. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	sigset_t none;
	int i = 1;

	(void)argc;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
		char *end;
		long what = strtol(argv[i], &end, 10);
		rlim_t n = *end == '=' ? strtoul(end + 1, NULL, 10) : RLIM_INFINITY;
		struct rlimit limit = {n, n};

		if (setrlimit((__rlimit_resource_t)what, &limit) != 0) {
			perror(argv[i]);
			return 126;
		}
	}
	if (argv[i] != NULL && argv[i + 1] != NULL)
		(void)execvp(argv[i + 1], argv + i + 1);
	perror("begin");
	return 127;
}
