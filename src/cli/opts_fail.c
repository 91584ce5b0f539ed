#include "cli/opts.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/out.h"

int opts_fail(const struct opts *o, const char *command, const struct err_info *info)
{
	const char *text = info->text[0] == '\0' ? err_text(info->code) : info->text;
	json_t *j;

	if (o->json) {
		j = json_pack("{s:{s:s, s:s%}}", "error", "code", err_word(info->code), "message",
			      text, strlen(text));
		out_json(j);
		json_decref(j);
	} else {
		(void)fflush(stdout);
		fprintf(stderr, "shoal %s: %s\n", command, text);
	}
	/* Who fails without saying why has failed all the same. */
	return info->code == OK ? EXIT_FAILED : exit_from_err(info->code);
}
