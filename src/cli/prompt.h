/* cli/prompt.h - a line after the other, from a terminal (libedit: history, completion) or a pipe.
 */
#ifndef SHOAL_CLI_PROMPT_H
#define SHOAL_CLI_PROMPT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* Lines that are remembered. */
#define PROMPT_HISTORY_MAX 1000
/* What could be meant is listed up to here, and never more than this is put in. */
#define PROMPT_LISTED_MAX 200u

struct prompt_params {
	const char *history; /* file, 0600; NULL: lines are forgotten */
	/* Return once `fd` can be read; do other work meanwhile. False: interrupted (Ctrl-C). */
	bool (*wait)(void *user, int fd);
	/* Append to `out`, an array of strings, what the word that ends the line could become. *at
	 * is where in the line it begins. */
	void (*complete)(void *user, const char *line, json_t *out, size_t *at);
	void *user;
};

struct prompt;

/* A terminal is one when standard input and output both are. Returns 0, ERR_NOMEM, ERR_IO. */
int prompt_new(const struct prompt_params *p, struct prompt **out, struct err_info *info);
void prompt_free(struct prompt *p);
bool prompt_is_terminal(const struct prompt *p);

enum prompt_answer { PROMPT_LINE, PROMPT_END, PROMPT_INTERRUPTED };
/* Owns: *line is borrowed until the next call; without its newline. */
enum prompt_answer prompt_read(struct prompt *p, const char **line);
/* Do not keep the line that was read last in the history. */
void prompt_forget(struct prompt *p);

/* A line of text on standard output, above the line that is being typed, if any. */
void prompt_say(struct prompt *p, const char *text);

#endif
