/* cli/pacing.h - the rate limits that options ask for, by the time of day. */
#ifndef SHOAL_CLI_PACING_H
#define SHOAL_CLI_PACING_H

#include "cli/opts.h"
#include "net/loop.h"
#include "node/node.h"

/* Rules of one process. */
#define PACING_RULES_MAX 64u

struct pacing;

/* Set the node's limits as --limit-down, --limit-up, --limit-lan and, while one of its rules holds,
 * --limit-at say; from now on. *out NULL: they never change. Returns 0, ERR_INVALID (a rule that
 * cannot be read) or ERR_NOMEM. */
int pacing_new(struct loop *loop, struct node *node, const struct opts *o, struct pacing **out,
	       struct err_info *info);
/* Before the loop. NULL is fine. */
void pacing_free(struct pacing *p);

#endif
