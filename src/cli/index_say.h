/* cli/index_say.h - what an index says of itself when it is up. */
#ifndef SHOAL_CLI_INDEX_SAY_H
#define SHOAL_CLI_INDEX_SAY_H

#include "cli/opts.h"
#include "node/index_server.h"

/* `host`: where it listens; "": every address, of which one is shown. */
void index_say(const struct opts *o, const char *host, const struct index_server *s,
	       const char *data);

#endif
