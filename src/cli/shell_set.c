#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/control.h"
#include "cli/shell.h"

/* A busy one answers late. */
#define SET_SILENCE_MS 2000u

static const struct {
	const char *name, *option, *member; /* of the shell, of the commands, of {"verb": "set"} */
} settings[SHELL_SETTINGS] = {
    {"delay", "reply-delay", "delay_ms"},
    {"limit-down", "limit-down", "limit_down_bps"},
    {"limit-up", "limit-up", "limit_up_bps"},
};

static uint64_t number_of(const struct opts *o, size_t which)
{
	const uint64_t numbers[SHELL_SETTINGS] = {o->reply_delay_ms, o->limit_down, o->limit_up};

	return numbers[which];
}

static void ignore(void *user, const char *peer, const json_t *line)
{
	(void)user;
	(void)peer;
	(void)line;
}

static void complain(struct shell *sh, const struct err_info *why)
{
	fprintf(stderr, "set: %s\n", why->text);
	shell_note(sh, exit_from_err(why->code));
}

/* Those that run already. */
static void tell(struct shell *sh, size_t which, uint64_t number)
{
	json_t *peers = json_array(), *question;
	struct err_info why;

	for (size_t i = 0; i < sh->n_jobs; i++)
		json_array_append_new(peers, json_integer(sh->jobs[i]->pid));
	question = json_pack("{s:s, s:O, s:I}", "verb", "set", "peers", peers,
			     settings[which].member, (json_int_t)number);
	if (sh->n_jobs > 0 && control_ask(NULL, question, SET_SILENCE_MS, ignore, NULL, &why) < 0)
		complain(sh, &why);
	json_decref(question);
	json_decref(peers);
}

/* Returns 0 with *number, or -1 after a complaint. */
static int parse(size_t which, const char *value, char **word, uint64_t *number)
{
	static const struct command set = {
	    .name = "set", .usage = "set NAME VALUE", .accepts = "reply-delay limit-down limit-up"};
	static char name[] = "set";
	char *argv[] = {name, name, NULL, NULL};
	struct opts o;
	int rc = -1;

	*number = 0;
	*word = NULL;
	if (strcmp(value, "0") == 0)
		return 0;
	if (asprintf(word, "--%s=%s", settings[which].option, value) < 0)
		return -1;
	argv[2] = *word;
	if (opts_parse(&o, &set, 3, argv) < 0) {
		*number = number_of(&o, which);
		rc = 0;
	}
	opts_fini(&o);
	if (rc != 0)
		free(*word);
	return rc;
}

static void print(const struct shell *sh)
{
	for (size_t i = 0; i < SHELL_SETTINGS; i++)
		printf("%-11s%s\n", settings[i].name,
		       sh->set[i] == NULL ? "0" : strchr(sh->set[i], '=') + 1);
}

void shell_set(struct shell *sh, int argc, char **argv)
{
	size_t which = 0;
	uint64_t number;
	char safe[64], *word;

	if (argc == 1) {
		print(sh);
		return;
	}
	while (which < SHELL_SETTINGS && strcmp(settings[which].name, argv[1]) != 0)
		which++;
	if (which == SHELL_SETTINGS || argc < 3) {
		fprintf(stderr,
			"set: '%s': usage: set delay MS, set limit-down RATE, set limit-up RATE\n",
			text_escape(safe, sizeof(safe), bytes_str(argv[1])));
		shell_note(sh, EXIT_USAGE);
		return;
	}
	if (parse(which, argv[2], &word, &number) != 0) {
		shell_note(sh, EXIT_USAGE);
		return;
	}
	free(sh->set[which]);
	sh->set[which] = word;
	tell(sh, which, number);
}

void shell_set_fini(struct shell *sh)
{
	for (size_t i = 0; i < SHELL_SETTINGS; i++)
		free(sh->set[i]);
}
