/* cli/exit.h - exit codes, one meaning each; listed in docs/api.md and shoal(1). */
#ifndef SHOAL_CLI_EXIT_H
#define SHOAL_CLI_EXIT_H

#include "base/err.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* something else went wrong */
	EXIT_USAGE = 2,		/* unknown option or missing argument */
	EXIT_NOT_FOUND = 3,	/* no such name, file or entry */
	EXIT_UNREACHABLE = 4,	/* the index does not answer */
	EXIT_NO_HOLDER = 5,	/* nobody on line has it (with --wait SECONDS elapsed) */
	EXIT_AMBIGUOUS = 6,	/* several contents under one name */
	EXIT_TAKEN = 7,		/* owner name or destination is taken */
	EXIT_DENIED = 8,	/* permission */
	EXIT_NO_SPACE = 9,	/* disk full or quota */
	EXIT_CORRUPT = 10,	/* a .torrent, or data, is not what it should be */
	EXIT_NO_READER = 141,	/* nobody reads our standard output any more */
	EXIT_INTERRUPTED = 130, /* Ctrl-C; what was fetched stays and is resumed */
};

/* The code that belongs to a kind of error. */
int exit_from_err(enum err code);

#endif
