/* cli/main.c - which command it is; the rest is theirs. */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/unknown.h"

static void print_overview(void)
{
	size_t n;
	const struct command *c = commands_all(&n);

	puts("shoal - share files by name: publish, find, fetch from everyone who has it\n\n"
	     "usage: shoal COMMAND [OPTIONS] [ARGUMENTS]\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-12s%s\n", c[i].name, c[i].summary);
	puts("\nTwo machines on one network:\n"
	     "  a$ shoal index &\n"
	     "  a$ shoal share genome.tar\n"
	     "  b$ shoal get genome.tar --index http://a:6969\n\n"
	     "'shoal COMMAND --help' tells more; 'shoal --version' prints the version.");
}

static int refuse(const char *name, int argc, char **argv)
{
	struct opts o = {.json = opts_wants_json(argc, argv)};
	struct err_info info;
	char why[UNKNOWN_TEXT_MAX];

	if (o.json) {
		err_set(&info, ERR_INVALID, "%s", unknown_text(why, name));
		return opts_fail(&o, "", &info);
	}
	fprintf(stderr, "shoal: %s\n", unknown_text(why, name));
	return EXIT_USAGE;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct opts o;
	int code = opts_parse(&o, c, argc, argv);

	if (code < 0)
		code = c->run(&o);
	opts_fini(&o);
	return code;
}

static int help_on(int argc, char **argv)
{
	char help[] = "--help";
	char *args[] = {argv[0], argv[argc - 1], help, NULL};
	const struct command *c = argc > 2 ? commands_find(argv[2]) : NULL;

	if (argc > 2 && c == NULL)
		return refuse(argv[2], argc, argv);
	if (c != NULL)
		return run(c, 3, args);
	print_overview();
	return EXIT_OK;
}

static int dispatch(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct command *c;

	if (name == NULL) {
		print_overview();
		return EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
		return help_on(argc, argv);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("shoal " SHOAL_VERSION);
		return EXIT_OK;
	}
	c = commands_find(name);
	return c == NULL ? refuse(name, argc, argv) : run(c, argc, argv);
}

/* Nobody reads the other end of the pipe any more. */
static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* What a write met before is not known any more: what would one meet now, that writes nothing? 0:
 * that cannot be told. */
static int ask_again(void)
{
	struct stat st;
	int failed;

	if (reader_left())
		return EPIPE;
	if (fstat(STDOUT_FILENO, &st) != 0)
		return errno;
	if (S_ISREG(st.st_mode))
		failed = fallocate(STDOUT_FILENO, FALLOC_FL_KEEP_SIZE, st.st_size, st.st_blksize);
	else
		failed = write(STDOUT_FILENO, "", 0) < 0;
	return failed && (errno == ENOSPC || errno == EDQUOT) ? errno : 0;
}

/* What could not be written was not said: a full disk must not look like success. */
static int finish_output(int code)
{
	int error;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	error = errno == 0 ? ask_again() : errno;
	if (error == EPIPE) { /* the reader has left, which ends a filter quietly */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	fprintf(stderr, "shoal: standard output: %s\n",
		error == 0 ? "write failed" : strerror(error));
	if (code != EXIT_OK)
		return code;
	return error == ENOSPC || error == EDQUOT ? EXIT_NO_SPACE : EXIT_FAILED;
}

/* Where one of the three is closed, a file or socket that is opened later would take its number,
 * and what is printed would go there. Reading and writing fail as they would without it. */
static void hold_standard_numbers(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	hold_standard_numbers();
	/* A limit on the size of files is an error of the write, not the end of the process. */
	signal(SIGXFSZ, SIG_IGN);
	setlocale(LC_CTYPE, "");
	/* Names are UTF-8; without a locale that says so they could not be aligned. */
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	return finish_output(dispatch(argc, argv));
}
