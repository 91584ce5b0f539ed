#include "cli/unknown.h"

#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/nearest.h"

const char *unknown_text(char out[UNKNOWN_TEXT_MAX], const char *name)
{
	struct nearest near = {.best = NULL};
	size_t n;
	const struct command *c = commands_all(&n);
	char safe[128];

	text_escape(safe, sizeof(safe), bytes_str(name));
	for (size_t i = 0; i < n && name[0] != '-'; i++)
		nearest_offer(&near, name, c[i].name);
	if (name[0] == '-')
		snprintf(out, UNKNOWN_TEXT_MAX,
			 "'%s': options stand behind a command; see 'shoal --help'", safe);
	else if (near.best != NULL)
		snprintf(out, UNKNOWN_TEXT_MAX, "unknown command '%s'; did you mean '%s'?", safe,
			 near.best);
	else
		snprintf(out, UNKNOWN_TEXT_MAX, "unknown command '%s'; see 'shoal --help'", safe);
	return out;
}
