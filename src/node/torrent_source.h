/* node/torrent_source.h - the bytes of a .torrent, out of a file or from a web server. */
#ifndef SHOAL_NODE_TORRENT_SOURCE_H
#define SHOAL_NODE_TORRENT_SOURCE_H

#include "base/buf.h"
#include "base/err.h"

/* For one that is large, over a slow line. A server that never ends (O-29) is left after it. */
#define TORRENT_SOURCE_MS 60000u

/* Does `ref` begin as the addresses of web servers do? */
bool torrent_source_is_url(const char *ref);

/* Is it the name of a .torrent? One that is not there may be that of an entry, unless it begins as
 * a path. */
bool torrent_source_is_file(const char *ref);
bool torrent_source_ends_so(const char *ref); /* in ".torrent" */

/* Put what is there at the end of `out`, whose ceiling holds, for whoever wrote `ref` himself: any
 * server is asked, and the proxy of the environment used. Redirects are followed into networks of
 * ours, too, but from elsewhere neither to this machine nor to link-local addresses (ERR_DENIED).
 * Waits for it.
 * Returns 0; ERR_NOENT, ERR_DENIED, ERR_PROTO or ERR_UNREACHABLE as the server's status is;
 * ERR_TOO_BIG; what an http_answer has; of a file, what durable_read_path() says. The sentence
 * names `ref`. */
int torrent_source_read(const char *ref, struct buf *out, struct err_info *info);

#endif
