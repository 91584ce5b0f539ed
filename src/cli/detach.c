#include "cli/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stands before what is said when all is well. */
#define READY '\001'

/* What the child says goes to standard error, but for what stands behind READY. */
static bool relay(int fd, bool quiet)
{
	bool ready = false;
	char text[4096];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0 || (n < 0 && errno == EINTR)) {
		const char *mark = n <= 0 ? NULL : memchr(text, READY, (size_t)n);
		size_t before = mark == NULL ? (size_t)(n < 0 ? 0 : n) : (size_t)(mark - text);

		(void)fwrite(text, 1, before, ready ? stdout : stderr);
		if (mark == NULL)
			continue;
		ready = true;
		if (!quiet)
			(void)fwrite(mark + 1, 1, (size_t)n - before - 1, stdout);
	}
	(void)fflush(stdout);
	return ready;
}

static int wait_for(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static void become_child(struct detach *d, int out, const char *home, const char *log)
{
	char *path = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), file = -1;

	(void)setsid();
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		close(null);
	}
	(void)dup2(out, STDERR_FILENO);
	if (asprintf(&path, "%s/%s", home, log) < 0)
		path = NULL;
	if (path != NULL)
		file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	free(path);
	/* Where it will write to from detach_ready() on. */
	*d = (struct detach){.child = true, .pipe = file};
	close(out);
}

bool detach_begin(struct detach *d, const struct opts *o, const char *home, const char *log,
		  int *code)
{
	int ends[2];
	pid_t child;

	*d = (struct detach){.pipe = -1};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	(void)fflush(NULL);
	child = fork();
	if (child < 0) {
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	if (child == 0) {
		close(ends[0]);
		become_child(d, ends[1], home, log);
		return false;
	}
	close(ends[1]);
	*code = relay(ends[0], o->quiet) ? EXIT_OK : wait_for(child);
	close(ends[0]);
	return true;
}

/* Without a log: standard input, which is /dev/null, to be written, too. */
int detach_log(const struct detach *d)
{
	if (!d->child)
		return STDERR_FILENO;
	return d->pipe >= 0 ? d->pipe : STDIN_FILENO;
}

void detach_ready(struct detach *d, const char *text)
{
	int null;

	if (!d->child)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	fprintf(stderr, "%c%s", READY, text);
	(void)fflush(stderr);
	if (d->pipe >= 0 || null >= 0)
		(void)dup2(d->pipe >= 0 ? d->pipe : null, STDERR_FILENO);
	if (d->pipe >= 0)
		close(d->pipe);
	if (null >= 0)
		(void)dup2(null, STDOUT_FILENO);
	if (null >= 0)
		close(null);
	d->pipe = -1;
}
