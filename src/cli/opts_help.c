#include "cli/opts_table.h"

#include <stdio.h>
#include <string.h>

#include "node/index_client.h"

static const char common_help[] =
    "\nFor every command:\n"
    "  --index URL    the index to use (SHOAL_INDEX; else the one found on this\n"
    "                 network, else " INDEX_URL_DEFAULT ")\n"
    "  --token TOKEN  what the index lets you do, if it asks for one (SHOAL_TOKEN)\n"
    "  --pin PIN      the key of an index at https://, whoever signed it (SHOAL_PIN)\n"
    "  --accept-key   an index found on this network, or an owner, has a new key,\n"
    "                 and it is right\n"
    "  --port N       port of this peer (SHOAL_PORT; 6881, else a free one; 0: any)\n"
    "  --json         print JSON\n"
    "  -q, --quiet    print no progress and no notes\n"
    "  -v, --verbose  print more of what happens\n"
    "  --progress HOW auto (a line on a terminal), json (lines on stderr) or none\n"
    "  -h, --help     print this\n";

void opts_print_help(const struct command *c)
{
	printf("%s - %s\n\nusage: %s\n", c->name, c->summary, c->usage);
	if (c->help != NULL)
		printf("\n%s", c->help);
	fputs(common_help, stdout);
}

/* "-o, --out DEST   file or folder": is `p` among the options that the line is about? If so, *text
 * is where its description begins. */
static bool line_is_about(const char *line, const struct option *p, const char **text)
{
	bool about = false, wants_value = false;
	size_t len;

	for (line += strspn(line, " "); *line != '\0'; line += strspn(line, " ")) {
		size_t token = strcspn(line, " \n");

		len = token > 0 && line[token - 1] == ',' ? token - 1 : token;
		if (token > 2 && line[0] == '-' && line[1] == '-') {
			const struct option *named = opts_find(line + 2, len - 2);

			about = about || named == p;
			wants_value = named != NULL && opts_takes_value(named);
		} else if (line[0] != '-' || token < 2) {
			if (!wants_value)
				break;
			wants_value = false;
		}
		line += token;
	}
	*text = line;
	return about;
}

bool opts_describe(const struct command *c, const struct option *p, struct buf *out)
{
	const char *texts[] = {c->help == NULL ? "" : c->help, common_help}, *found;

	for (size_t i = 0; i < 2; i++) {
		for (const char *line = texts[i]; line != NULL && *line != '\0';) {
			if (strncmp(line, "  -", 3) == 0 && line_is_about(line, p, &found)) {
				buf_put(out, bytes_of(found, strcspn(found, "\n")));
				return true;
			}
			line = strchr(line, '\n');
			line += line != NULL;
		}
	}
	return false;
}
