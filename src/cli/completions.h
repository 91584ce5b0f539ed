/* cli/completions.h - what a shell needs to know to complete our command lines, made of the table
 * of commands, the table of options and the texts of --help, so that there is no second list to
 * keep. */
#ifndef SHOAL_CLI_COMPLETIONS_H
#define SHOAL_CLI_COMPLETIONS_H

#include "base/buf.h"
#include "cli/opts_table.h"

#define COMPLETIONS_BYTES_MAX (1u << 20)

/* Names of the index are asked for with this; an index that is slow must not hold up a prompt. */
#define COMPLETIONS_NAMES "timeout 2 shoal ls -q --limit 500 2>/dev/null | cut -f1"
#define COMPLETIONS_JOBS "timeout 2 shoal status -q 2>/dev/null | cut -f1"

/* Each appends a whole script. */
void completions_bash(struct buf *out);
void completions_zsh(struct buf *out);
void completions_fish(struct buf *out);

/* Walk over words of a space-separated list: start with at = list. False: that was the last. */
bool completions_word(const char **at, struct bytes *word);
/* Is this word in the list? */
bool completions_has(const char *list, const char *word);

#endif
