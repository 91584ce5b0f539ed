/* base/words.h - a typed line as words. Pure.
 *
 * Blanks part words. Within '...' everything stands for itself; within "..." and outside a
 * backslash takes what follows it as it is. A '#' at the beginning of a word ends the line. Nothing
 * else means anything: this is no shell. */
#ifndef SHOAL_BASE_WORDS_H
#define SHOAL_BASE_WORDS_H

#include <stdbool.h>

#include "base/buf.h"

/* What is typed, or read from a pipe, is no longer (attack: a file that is no list of commands). */
#define WORDS_MAX 1024u
#define WORDS_LINE_MAX (64u * 1024u)

struct words {
	char *list[WORDS_MAX + 1]; /* ended by NULL */
	size_t n;
	char *text;	/* what they point into */
	bool open;	/* it ends within quotes, or behind a backslash */
	bool fresh;	/* it ends between words */
	size_t last_at; /* where in the line the last word begins */
};

/* Returns 0 (also when `open`), ERR_TOO_BIG or ERR_NOMEM.
 * Owns: words_fini(), also after an error. */
int words_split(struct words *w, const char *line, struct err_info *info);
void words_fini(struct words *w);

/* Append `text` so that it is one word. */
void words_quote(struct buf *out, const char *text);

#endif
