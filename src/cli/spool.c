#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/scratch.h"
#include "store/root.h"

#define STEP_BYTES (256u * 1024u)

/* A signal that ends us while we read; 0: none has come. */
static volatile sig_atomic_t ended_by;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void on_signal(int signo)
{
	ended_by = signo;
}

/* From here on a signal makes read() end, so that what was written can be removed; one that is
 * ignored stays so. */
static void catch_signals(struct sigaction before[N_SIGNALS])
{
	struct sigaction a = {.sa_handler = on_signal};

	ended_by = 0;
	for (size_t i = 0; i < N_SIGNALS; i++) {
		(void)sigaction(signals[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &a, NULL);
	}
}

static void let_signals(const struct sigaction before[N_SIGNALS])
{
	for (size_t i = 0; i < N_SIGNALS; i++)
		(void)sigaction(signals[i], &before[i], NULL);
}

static int write_all(int fd, const uint8_t *data, size_t n)
{
	while (n > 0) {
		ssize_t took = write(fd, data, n);

		if (took < 0 && errno != EINTR)
			return errno;
		data += took > 0 ? took : 0;
		n -= took > 0 ? (size_t)took : 0;
	}
	return 0;
}

static int copy_in(int fd, const char *path, struct err_info *info)
{
	uint8_t *step = malloc(STEP_BYTES);
	int error = step == NULL ? ENOMEM : 0;
	ssize_t n = 1;

	while (error == 0 && n != 0 && ended_by == 0) {
		n = read(STDIN_FILENO, step, STEP_BYTES);
		if (n < 0 && errno != EINTR) {
			error = errno;
			free(step);
			return root_errno(info, "standard input", error);
		}
		if (n > 0)
			error = write_all(fd, step, (size_t)n);
	}
	free(step);
	if (ended_by != 0)
		return err_set(info, ERR_CANCELLED, "interrupted");
	return error == 0 ? OK : root_errno(info, path, error);
}

static int fill(const char *folder, const char *name, char **out, struct err_info *info)
{
	int fd, err;

	if (asprintf(out, "%s/%s", folder, name) < 0) {
		*out = NULL;
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	fd = open(*out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return root_errno(info, *out, errno);
	err = copy_in(fd, *out, info);
	/* Whoever clears up the folder while it is written takes away what is to be shared. */
	if (err == OK && access(*out, R_OK) != 0)
		err = err_set(info, ERR_NOENT, "%s: was removed while it was written", *out);
	if (close(fd) != 0 && err == OK)
		err = root_errno(info, *out, errno);
	return err;
}

int spool_stdin(const char *name, const char *dir, char **out, struct err_info *info)
{
	struct sigaction before[N_SIGNALS];
	char *folder;
	int err = dir != NULL ? scratch_make_in(dir, &folder, info)
			      : scratch_make_at_home("spool", &folder, info);

	if (err != OK)
		return err;
	catch_signals(before);
	err = fill(folder, name, out, info);
	let_signals(before);
	if (err != OK) {
		scratch_remove(folder);
		free(*out);
		*out = NULL;
	}
	free(folder);
	/* As it ends a filter. */
	if (ended_by != 0) {
		(void)signal(ended_by, SIG_DFL);
		(void)raise(ended_by);
	}
	return err;
}
