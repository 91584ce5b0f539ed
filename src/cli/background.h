/* cli/background.h - one long piece of work on a thread of its own, whose end is told on the loop.
 */
#ifndef SHOAL_CLI_BACKGROUND_H
#define SHOAL_CLI_BACKGROUND_H

#include "base/err.h"
#include "net/loop.h"

struct background;

/* `run` gets `arg` on its thread, which meanwhile is its alone; then `done` on the loop thread,
 * which may begin the next. Returns 0 or ERR_NOMEM, ERR_IO. */
int background_begin(struct loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg,
		     struct background **out, struct err_info *info);
/* Wait for the thread, if it still runs; `done` is not called any more. NULL is none. Also from
 * inside `done`. */
void background_free(struct background *b);

#endif
