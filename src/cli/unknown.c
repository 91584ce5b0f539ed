#include "cli/unknown.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/nearest.h"

/* What other tools call it. */
static const struct {
	const char *word, *ours;
} others[] = {
    {"add", "get"},	      {"cancel", "remove"}, {"check", "verify"},      {"clone", "get"},
    {"continue", "resume"},   {"delete", "remove"}, {"download", "get"},      {"fetch", "get"},
    {"find", "search"},	      {"grep", "search"},   {"list", "ls"},	      {"make", "create"},
    {"publish", "share"},     {"pull", "get"},	    {"push", "share"},	      {"put", "share"},
    {"quit", "leave"},	      {"rm", "remove"},	    {"seed", "share"},	      {"send", "share"},
    {"serve", "share"},	      {"server", "index"},  {"settings", "config"},   {"show", "info"},
    {"start", "resume"},      {"stop", "leave"},    {"sync", "get"},	      {"tracker", "index"},
    {"unpublish", "unshare"}, {"upload", "share"},  {"version", "--version"}, {"watch", "status"},
    {"wget", "get"},
};

static const char *of_others(const char *name)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i].word, name) == 0)
			return others[i].ours;
	return NULL;
}

const char *unknown_text(char out[UNKNOWN_TEXT_MAX], const char *name)
{
	struct nearest near = {.best = NULL};
	const char *ours = of_others(name);
	size_t n;
	const struct command *c = commands_all(&n);
	char safe[128];

	text_escape(safe, sizeof(safe), bytes_str(name));
	for (size_t i = 0; i < n && name[0] != '-'; i++)
		nearest_offer(&near, name, c[i].name);
	if (name[0] == '-')
		snprintf(out, UNKNOWN_TEXT_MAX,
			 "'%s': options stand behind a command; see 'shoal --help'", safe);
	else if (ours != NULL || near.best != NULL)
		snprintf(out, UNKNOWN_TEXT_MAX, "unknown command '%s'; did you mean '%s'?", safe,
			 ours != NULL ? ours : near.best);
	else
		snprintf(out, UNKNOWN_TEXT_MAX, "unknown command '%s'; see 'shoal --help'", safe);
	return out;
}
