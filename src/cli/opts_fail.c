#include "cli/opts.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/out.h"

/* Words for programs; docs/api.md lists them beside the exit codes. */
const char *opts_code_word(enum err code)
{
	switch (code) {
	case OK:
		return "ok";
	case ERR_PROTO:
		return "malformed";
	case ERR_TOO_BIG:
		return "too_big";
	case ERR_NOMEM:
		return "no_memory";
	case ERR_IO:
		return "io";
	case ERR_NOENT:
		return "not_found";
	case ERR_EXISTS:
		return "exists";
	case ERR_DENIED:
		return "denied";
	case ERR_NOSPACE:
		return "no_space";
	case ERR_AGAIN:
		return "busy";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_UNREACHABLE:
		return "unreachable";
	case ERR_INVALID:
		return "invalid";
	case ERR_MISMATCH:
		return "mismatch";
	case ERR_AMBIGUOUS:
		return "ambiguous";
	case ERR_CANCELLED:
		return "interrupted";
	}
	return "failed";
}

enum err opts_code_from_word(const char *word)
{
	for (int code = ERR_PROTO; code >= ERR_CANCELLED; code--)
		if (strcmp(opts_code_word((enum err)code), word) == 0)
			return (enum err)code;
	return ERR_IO;
}

int opts_fail(const struct opts *o, const char *command, const struct err_info *info)
{
	const char *text = info->text[0] == '\0' ? err_text(info->code) : info->text;
	json_t *j;

	if (o->json) {
		j = json_pack("{s:{s:s, s:s%}}", "error", "code", opts_code_word(info->code),
			      "message", text, strlen(text));
		out_json(j);
		json_decref(j);
	} else {
		(void)fflush(stdout);
		fprintf(stderr, "shoal %s: %s\n", command, text);
	}
	return exit_from_err(info->code);
}
