/* cli/detach.h - going to the background, and saying so only once all is ready.
 *
 *     asked for ---fork--> child goes on; its errors and, at last, that it is ready, come through
 *         |                                          |                              a pipe
 *         `---- prints them, exits <-----------------' */
#ifndef SHOAL_CLI_DETACH_H
#define SHOAL_CLI_DETACH_H

#include <stdbool.h>

#include "cli/opts.h"

struct detach {
	bool child;
	int pipe; /* the child's end; -1: none, or all is said */
};

/* True in the process that was asked, which exits with *code. False in the child, whose standard
 * error goes through the pipe until detach_ready(), then into `log` in the folder `home`, and whose
 * standard output is the asker's until then, so that an error as JSON is read where it is looked
 * for; also when there was no child to be had, with *code as it was: then all goes on in the
 * foreground. */
bool detach_begin(struct detach *d, const struct opts *o, const char *home, const char *log,
		  int *code);
static inline bool detach_is_child(const struct detach *d)
{
	return d->child;
}
/* The descriptor that standard error will be from detach_ready() on. */
int detach_log(const struct detach *d);
/* All is well: the asker prints `text` and exits with 0. Nothing happens in the foreground. */
void detach_ready(struct detach *d, const char *text);

#endif
