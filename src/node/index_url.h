/* node/index_url.h - how people write where an index is, and what they show it.
 *
 * "box", "box:7000", "[fd00::1]" and "http://box/base" all name one. A bare host means an index's
 * own port (INDEX_PORT) and http; whoever writes a scheme means what it says. */
#ifndef SHOAL_NODE_INDEX_URL_H
#define SHOAL_NODE_INDEX_URL_H

#include "base/buf.h"
#include "base/err.h"

#define INDEX_URL_MAX 1024u
#define INDEX_TOKEN_MAX 200u

/* `url` as scheme, host, port and path, without a slash at the end, at the end of `out`, whose
 * ceiling (INDEX_URL_MAX) holds. *local: it is this very machine.
 * Returns 0 or ERR_INVALID with a sentence that has `url`, escaped. */
int index_url_normalise(const char *url, struct buf *out, bool *local, struct err_info *info);

/* Can it be a token? It becomes part of a header and of a path. */
bool index_token_is_sane(struct bytes token);

#endif
