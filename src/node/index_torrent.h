/* node/index_torrent.h - a stored .torrent, with trackers that the one who asks can reach. */
#ifndef SHOAL_NODE_INDEX_TORRENT_H
#define SHOAL_NODE_INDEX_TORRENT_H

#include "base/buf.h"
#include "net/http_server.h"

/* Append `torrent` with this index as its first tracker, under the name by which the client
 * reached it (its Host header, which it alone gets back), then those that were in it. Trackers on
 * loopback are left out for clients elsewhere: there they would mean another machine (D-34). The
 * info dictionary, and so the info-hash, stays as it is. `passkey` (may be empty) goes behind
 * ".../announce/", for clients that know no other way to show a token. Without a usable Host header
 * the torrent is appended unchanged. Returns 0 or the buffer's error; ERR_PROTO when `torrent` is
 * no dictionary. */
int index_torrent_put(struct bytes torrent, const struct http_request *r, struct bytes passkey,
		      struct buf *out);

#endif
