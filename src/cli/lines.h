/* cli/lines.h - a file with one thing a line, or standard input. */
#ifndef SHOAL_CLI_LINES_H
#define SHOAL_CLI_LINES_H

#include "base/buf.h"

#define LINES_BYTES_MAX (64u << 20)

struct lines {
	struct buf text;
	char **list; /* into `text`; without blanks at the end */
	size_t n;
};

/* `path` "-" is standard input, NULL no file at all. Empty lines and those that begin with '#'
 * are for people, and left out.
 * Owns: lines_fini(), also after an error. */
int lines_read(struct lines *l, const char *path, struct err_info *info);
void lines_fini(struct lines *l);

#endif
