/* cli/cmd_shell.c - a prompt: transfers run on while one types. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/home.h"
#include "cli/index_choice.h"
#include "cli/index_open.h"
#include "cli/shell.h"

#define HISTORY_FILE "history"

void shell_say(struct shell *sh, const struct shell_job *j, const char *fmt, ...)
{
	char *text = NULL, *line = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n >= 0 && j != NULL)
		n = asprintf(&line, "[%u] %s", j->id, text);
	if (n >= 0)
		prompt_say(sh->prompt, line == NULL ? text : line);
	if (n >= 0 || text != NULL)
		free(text);
	free(line);
}

static void complain(struct shell *sh, const char *command, const struct err_info *why)
{
	(void)fflush(stdout);
	fprintf(stderr, "%s: %s\n", command, why->text);
	shell_note(sh, exit_from_err(why->code));
}

void shell_note(struct shell *sh, int code)
{
	if (sh->code == EXIT_OK)
		sh->code = code;
}

/* ---- the index ------------------------------------------------------------------------------- */

/* For this shell and all that it runs. */
static void use_index(const struct opts *o)
{
	const char *url, *pin;

	index_chosen(o, &url, &pin);
	setenv("SHOAL_INDEX", url, 1);
	/* Not on command lines, which others see. */
	if (o->token != NULL)
		setenv("SHOAL_TOKEN", o->token, 1);
	if (pin != NULL)
		setenv("SHOAL_PIN", pin, 1);
}

static int greet(const struct opts *o, struct err_info *info)
{
	struct index_client *c = NULL;
	json_t *status = NULL, *peers = NULL;
	long long entries, n;
	char version[64];
	int err = index_open(o, &c, info);

	if (err == OK)
		err = index_client_status(c, &status, info);
	if (err == OK)
		err = index_client_peers(c, &peers, info);
	if (err == OK) {
		entries = entries_int(status, "entries");
		/* The status counts a peer in each swarm that it is in. */
		n = (long long)json_array_size(json_object_get(peers, "peers")) +
		    entries_int(peers, "left_out");
		printf("connected to %s, version %s: %lld %s, %lld peer%s on line\n",
		       index_client_url(c),
		       text_escape(version, sizeof(version),
				   bytes_str(entries_str(status, "version"))),
		       entries, entries == 1 ? "entry" : "entries", n, n == 1 ? "" : "s");
	}
	json_decref(status);
	json_decref(peers);
	index_client_free(c);
	return err;
}

/* What the shell was told is for all that it runs. Without an index each looks for one. */
static void begin_with(const struct opts *o, bool talk)
{
	struct err_info why;
	char port[16];
	bool there;

	snprintf(port, sizeof(port), "%d", o->port);
	if (o->port >= 0)
		setenv("SHOAL_PORT", port, 1);
	if (talk)
		puts("'help' lists the commands, 'quit' ends");
	there = talk && greet(o, &why) == OK;
	if (talk && !there)
		printf("%s\n'connect URL' uses another\n", why.text);
	if (there || o->index != NULL)
		use_index(o);
}

/* Of the environment, what goes with one index: no other is to see its token, or has its key. */
static const char *const of_index[SHELL_OF_INDEX] = {"SHOAL_TOKEN", "SHOAL_PIN"};

static void take_environment(char *out[SHELL_OF_INDEX])
{
	for (size_t i = 0; i < SHELL_OF_INDEX; i++) {
		const char *value = getenv(of_index[i]);

		out[i] = value == NULL ? NULL : strdup(value);
	}
}

static void put_environment(char *const from[SHELL_OF_INDEX])
{
	for (size_t i = 0; i < SHELL_OF_INDEX; i++) {
		if (from[i] == NULL)
			unsetenv(of_index[i]);
		else
			setenv(of_index[i], from[i], 1);
	}
}

static void free_environment(char *taken[SHELL_OF_INDEX])
{
	for (size_t i = 0; i < SHELL_OF_INDEX; i++)
		free(taken[i]);
}

/* Another index begins with what the shell was started with, not with what was said of the one
 * before. Returns as opts_parse(). */
static int parse_connect(const struct shell *sh, int argc, char **argv, struct opts *o)
{
	static const struct command connect = {
	    .name = "connect", .usage = "connect URL", .accepts = "", .max_args = 1};
	const char *now = getenv("SHOAL_INDEX");
	char **shifted = argv - 1; /* the words behind the command begin at 2 */
	int code = opts_parse(o, &connect, argc + 1, shifted);

	if (code >= 0 || o->n_args == 0 || (now != NULL && strcmp(o->args[0], now) == 0))
		return code;
	opts_fini(o);
	put_environment(sh->of_index);
	return opts_parse(o, &connect, argc + 1, shifted);
}

static void do_connect(struct shell *sh, int argc, char **argv)
{
	char *before[SHELL_OF_INDEX];
	struct err_info why;
	struct opts o;
	int code;

	take_environment(before);
	code = parse_connect(sh, argc, argv, &o);
	if (code >= 0) {
		shell_note(sh, code);
	} else {
		if (o.n_args > 0)
			o.index = o.args[0];
		if (greet(&o, &why) == OK) {
			use_index(&o);
			json_decref(sh->names);
			sh->names = NULL;
		} else {
			complain(sh, "connect", &why);
			put_environment(before);
		}
	}
	opts_fini(&o);
	free_environment(before);
}

/* ---- shares and downloads ------------------------------------------------------------------- */

static void begin(struct shell *sh, int argc, char **argv, const char *more)
{
	const struct command *c = commands_find(argv[0]);
	/* What the shell begins ends with it, whether a daemon runs or not. */
	const char *words[SHELL_SETTINGS + 4] = {"--progress=json", "--no-daemon"};
	struct err_info why;
	struct opts o;
	size_t n = 2;
	int code;

	if (more != NULL)
		words[n++] = more;
	for (size_t i = 0; i < SHELL_SETTINGS; i++)
		if (sh->set[i] != NULL)
			words[n++] = sh->set[i];
	/* What makes no sense is said before anything is begun. What goes to standard output, or is
	 * asked for as JSON, is wanted now. */
	code = opts_parse(&o, c, argc + 1, argv - 1);
	if (code >= 0) {
		shell_note(sh, code);
	} else {
		if (o.json || (o.out != NULL && strcmp(o.out, "-") == 0))
			(void)shell_run(sh, argc, argv);
		else if (shell_begin(sh, &o, argc, argv, words, &why) != OK)
			complain(sh, argv[0], &why);
	}
	opts_fini(&o);
}

static void do_share(struct shell *sh, int argc, char **argv)
{
	begin(sh, argc, argv, NULL);
}

/* Who has fetched something serves it, until quit. */
static void do_get(struct shell *sh, int argc, char **argv)
{
	begin(sh, argc, argv, "--seed");
}

static bool is_same(const char *published, const char *ref)
{
	size_t n = strlen(ref), bare = (size_t)(strrchr(published, '@') - published);

	return strncmp(published, ref, n) == 0 && (published[n] == '\0' || n == bare);
}

/* `ref` is NAME or OWNER/NAME, with its version or without. */
static bool is_of(const char *published, const char *ref)
{
	return is_same(published, ref) || is_same(strchr(published, '/') + 1, ref);
}

/* It is not to be withdrawn when the shell ends. Returns whether it was this job's. */
static bool forget_ref(struct shell_job *j, const char *ref)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_refs; i++) {
		if (is_of(j->refs[i], ref))
			free(j->refs[i]);
		else
			j->refs[n++] = j->refs[i];
	}
	if (n == j->n_refs)
		return false;
	j->n_refs = n;
	return true;
}

/* One process serves all that one `share` was given, until nothing of it is listed. */
static void do_unshare(struct shell *sh, int argc, char **argv)
{
	if (shell_run(sh, argc, argv) != EXIT_OK)
		return;
	for (size_t i = 0; i < sh->n_jobs; i++)
		for (int k = 1; k < argc; k++)
			if (forget_ref(sh->jobs[i], argv[k]) && sh->jobs[i]->n_refs == 0)
				shell_job_stop(sh->jobs[i]);
}

static void do_stop(struct shell *sh, int argc, char **argv)
{
	struct shell_job *j = shell_job_find(sh, argv[1]);

	(void)argc;
	if (j != NULL) {
		shell_job_stop(j);
		return;
	}
	fprintf(stderr, "stop: %s: nothing that runs here; see 'status'\n", argv[1]);
	shell_note(sh, EXIT_NOT_FOUND);
}

static bool downloads_run(const struct shell *sh)
{
	for (size_t i = 0; i < sh->n_jobs; i++)
		if (sh->jobs[i]->is_get && !sh->jobs[i]->complete)
			return true;
	return false;
}

static void do_wait(struct shell *sh, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	while (downloads_run(sh))
		if (shell_wait(sh, -1, -1) < 0)
			return; /* Ctrl-C */
}

/* ---- what there is --------------------------------------------------------------------------- */

static const char *state_of(const struct shell_job *j)
{
	const char *note = entries_str(j->progress, "note");

	if (j->stopped)
		return "leaving";
	if (j->complete || j->n_refs > 0)
		return "serving";
	if (*note != '\0')
		return note;
	return j->is_get ? "fetching" : "hashing";
}

static void put_job(struct out_table *t, const struct shell_job *j)
{
	uint64_t done = (uint64_t)entries_int(j->progress, "done");
	uint64_t total = (uint64_t)entries_int(j->progress, "total");
	char text[64];

	out_row(t);
	snprintf(text, sizeof(text), "%u", j->id);
	out_cell(t, text);
	out_cell(t, j->is_get ? "get" : "share");
	out_cell(t, j->n_refs > 0 ? j->refs[j->n_refs - 1] : j->what);
	out_cell(t, state_of(j));
	if (j->complete)
		snprintf(text, sizeof(text), "100%%");
	else if (total > 0)
		snprintf(text, sizeof(text), "%.1f%%", 100.0 * (double)done / (double)total);
	else
		snprintf(text, sizeof(text), "-");
	out_cell(t, text);
	out_cell(t, text_rate(text, sizeof(text), (uint64_t)entries_int(j->progress, "down_bps")));
	out_cell(t, text_rate(text, sizeof(text), (uint64_t)entries_int(j->progress, "up_bps")));
	snprintf(text, sizeof(text), "%lld", (long long)entries_int(j->progress, "peers"));
	out_cell(t, text);
}

static void do_status(struct shell *sh, int argc, char **argv)
{
	static const char *const columns[] = {"ID",   "WHAT", "NAME", "STATE",
					      "HAVE", "DOWN", "UP",   "PEERS"};
	static const bool right[] = {true, false, false, false, true, true, true, true};
	struct out_table *t = out_table_new(columns, 8, right);

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sh->n_jobs; i++)
		put_job(t, sh->jobs[i]);
	out_table_print(t);
	if (sh->n_jobs == 0)
		puts("nothing runs here; 'share PATH' or 'get NAME' begins");
}

static void do_pieces(struct shell *sh, int argc, char **argv)
{
	static char info[] = "info", pieces[] = "--pieces";
	char *words[] = {info, pieces, argv[1], NULL};

	(void)argc;
	(void)shell_run(sh, 3, words);
}

/* ---- help, and the end ---------------------------------------------------------------------- */

static void do_help(struct shell *sh, int argc, char **argv)
{
	const struct shell_command *own = argc > 1 ? shell_find(argv[1]) : NULL;
	const struct command *c = argc > 1 ? commands_find(argv[1]) : NULL;
	static char help[] = "--help";
	char *words[] = {argc > 1 ? argv[1] : argv[0], help, NULL};
	size_t n;

	if (argc > 1 && own == NULL && c == NULL) {
		fprintf(stderr, "help: no command '%s'\n", argv[1]);
		shell_note(sh, EXIT_USAGE);
		return;
	}
	if (own != NULL)
		printf("%s - %s\n\nusage: %s\n", own->name, own->summary, own->usage);
	if (own != NULL && c != NULL)
		putchar('\n');
	if (c != NULL)
		(void)shell_run(sh, 2, words);
	if (argc > 1)
		return;
	own = shell_commands(&n);
	for (size_t i = 0; i < n; i++)
		printf("  %-12s%s\n", own[i].name, own[i].summary);
	c = commands_all(&n);
	for (size_t i = 0; i < n; i++)
		if (shell_find(c[i].name) == NULL && strcmp(c[i].name, "shell") != 0)
			printf("  %-12s%s\n", c[i].name, c[i].summary);
	puts("\n'help COMMAND' tells more. Tab completes, arrows and Ctrl-R go back.");
}

static void do_quit(struct shell *sh, int argc, char **argv)
{
	sh->keep = argc > 1 && strcmp(argv[1], "--keep") == 0;
	sh->over = argc == 1 || sh->keep;
	if (sh->over)
		return;
	fprintf(stderr, "quit: --keep, or nothing\n");
	shell_note(sh, EXIT_USAGE);
}

static const struct shell_command table[] = {
    {"connect", "connect [URL] [--token TOKEN] [--pin PIN]",
     "use this index from now on; without URL: is it there?", "", 0, -1, do_connect},
    {"share", "share PATH... [OPTIONS]", "publish and serve files and folders", NULL, 1, -1,
     do_share},
    {"unshare", "unshare NAME [OPTIONS]", "remove an entry of yours, and serve it no more", NULL, 1,
     -1, do_unshare},
    {"get", "get NAME [-o DEST] [OPTIONS]", "fetch a name, and serve it then", NULL, 1, -1, do_get},
    {"local", "local [FOLDER]", "what is on disk, and which of it is published", "@path", 0, 1,
     shell_local},
    {"pieces", "pieces NAME", "who has which pieces of it", "@name", 1, 1, do_pieces},
    {"status", "status", "what this shell shares and fetches", "", 0, 0, do_status},
    {"stop", "stop ID|NAME", "end one of them; what was shared stays listed", "@job", 1, 1,
     do_stop},
    {"wait", "wait", "until all downloads are there", "", 0, 0, do_wait},
    {"set", "set [delay MS | limit-down RATE | limit-up RATE]",
     "of each share and download: answer that much later, no faster than that; 0: none",
     "delay limit-down limit-up", 0, 2, shell_set},
    {"help", "help [COMMAND]", "this", "@command", 0, 1, do_help},
    {"quit", "quit [--keep]", "end; what was shared here is unpublished, unless --keep", "--keep",
     0, 1, do_quit},
    {"exit", "exit [--keep]", "the same", "--keep", 0, 1, do_quit},
};

const struct shell_command *shell_commands(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct shell_command *shell_find(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void dispatch(struct shell *sh, int argc, char **argv)
{
	const struct shell_command *own = shell_find(argv[0]);
	bool fits = own != NULL && argc - 1 >= own->min_args &&
		    (own->max_args < 0 || argc - 1 <= own->max_args);
	char safe[128];

	if (fits) {
		own->run(sh, argc, argv);
		return;
	}
	if (own == NULL && strcmp(argv[0], "shell") != 0 && commands_find(argv[0]) != NULL) {
		(void)shell_run(sh, argc, argv);
		return;
	}
	shell_note(sh, EXIT_USAGE);
	if (own != NULL)
		fprintf(stderr, "usage: %s\n", own->usage);
	else if (strcmp(argv[0], "shell") == 0)
		fprintf(stderr, "this is one\n");
	else
		fprintf(stderr, "no command '%s'; 'help' lists them\n",
			text_escape(safe, sizeof(safe), bytes_str(argv[0])));
}

static void take_line(struct shell *sh, const char *line)
{
	struct err_info why = {.text = "a quote is not closed"};
	struct words w;
	/* Commands look at words as main() has them: the command is the second. */
	char *argv[WORDS_MAX + 2];
	int err = words_split(&w, line, &why);

	if (err != OK || w.open) {
		fprintf(stderr, "shell: %s\n", why.text);
		shell_note(sh, EXIT_USAGE);
	} else if (w.n > 0) {
		argv[0] = w.list[0];
		memcpy(argv + 1, w.list, (w.n + 1) * sizeof(*argv));
		if (strstr(line, "--token") != NULL)
			prompt_forget(sh->prompt);
		dispatch(sh, (int)w.n, argv + 1);
	}
	words_fini(&w);
	(void)fflush(stdout);
}

static bool wait_for_key(void *user, int fd)
{
	struct shell *sh = user;
	int ready;

	do
		ready = shell_wait(sh, fd, -1);
	while (ready == 0);
	return ready > 0;
}

/* Something that a share of this shell has published; NULL: nothing is left. Owns: the caller's. */
static char *take_published(struct shell *sh)
{
	for (size_t i = 0; i < sh->n_jobs; i++) {
		struct shell_job *j = sh->jobs[i];

		if (j->n_refs > 0 && !j->stopped)
			return j->refs[--j->n_refs];
	}
	return NULL;
}

/* What this shell has published, and serves no longer. */
static void unpublish(struct shell *sh)
{
	static char unshare[] = "unshare", quiet[] = "-q";
	char *ref;

	/* While one is withdrawn jobs may end. */
	while (!sh->keep && (ref = take_published(sh)) != NULL) {
		(void)shell_run(sh, 3, (char *[]){unshare, quiet, ref, NULL});
		free(ref);
	}
}

static void run(struct shell *sh)
{
	static char wait[] = "wait";
	char *words[] = {wait, NULL};
	enum prompt_answer answer = PROMPT_LINE;
	const char *line;

	while (!sh->over && answer != PROMPT_END) {
		answer = prompt_read(sh->prompt, &line);
		if (answer == PROMPT_LINE)
			take_line(sh, line);
		else if (answer == PROMPT_INTERRUPTED && prompt_is_terminal(sh->prompt) &&
			 !sh->over)
			puts("^C; 'quit' ends");
		else if (answer == PROMPT_INTERRUPTED)
			sh->over = true;
	}
	/* The end of a script is not to take away what it began. */
	if (!sh->over && !prompt_is_terminal(sh->prompt))
		do_wait(sh, 1, words);
	unpublish(sh);
	shell_jobs_end(sh);
}

int cmd_shell(const struct opts *o)
{
	struct shell sh = {.o = o};
	struct prompt_params p = {.wait = wait_for_key, .complete = shell_complete, .user = &sh};
	struct err_info why;
	char *dir = NULL, *history = NULL;
	int err = home_make_dir(&dir, &why), code = EXIT_OK;

	take_environment(sh.of_index);
	if (err == OK && asprintf(&history, "%s/" HISTORY_FILE, dir) >= 0)
		p.history = history;
	if (err == OK)
		err = prompt_new(&p, &sh.prompt, &why);
	if (err == OK) {
		begin_with(o, prompt_is_terminal(sh.prompt) && !o->quiet);
		run(&sh);
		/* Who types has seen what went wrong; a script's reader may not have. */
		code = prompt_is_terminal(sh.prompt) ? EXIT_OK : sh.code;
	}
	prompt_free(sh.prompt);
	json_decref(sh.names);
	shell_set_fini(&sh);
	free_environment(sh.of_index);
	free(history);
	free(dir);
	return err == OK ? code : opts_fail(o, "shell", &why);
}
