/* cli/index_open.h - the index that a command is to talk to. */
#ifndef SHOAL_CLI_INDEX_OPEN_H
#define SHOAL_CLI_INDEX_OPEN_H

#include "cli/opts.h"
#include "node/index_client.h"

/* As --index, --token and --pin say, or as cli/index_choice.h chooses. */
int index_open(const struct opts *o, struct index_client **out, struct err_info *info);

#endif
