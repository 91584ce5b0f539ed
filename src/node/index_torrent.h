/* node/index_torrent.h - a stored .torrent, with trackers that the one who asks can reach. */
#ifndef SHOAL_NODE_INDEX_TORRENT_H
#define SHOAL_NODE_INDEX_TORRENT_H

#include "base/buf.h"
#include "net/http_server.h"

/* Give `torrent` this index as its first tracker, under the name by which the client reached it
 * (its Host header, which it alone gets back), then those that were in it. Trackers on loopback are
 * left out for clients elsewhere: there they would mean another machine (D-34). The info
 * dictionary, and so the info-hash, stays as it is. `in_order`: the outer dictionary's keys are
 * known to be in order, as those of what has a v2 part are (BEP 52): then nothing behind the
 * trackers is looked at. `passkey` (may be empty) goes behind ".../announce/", for clients that
 * know no other way to show a token. `udp_port` (0: none) is that of the UDP tracker, which comes
 * in a tier of its own behind (BEP 12) if the client reached us over plain HTTP on the same port:
 * then nothing stands in between that would not pass datagrams. Without a usable Host header the
 * torrent stays as it is. Returns 0, ERR_NOMEM, ERR_TOO_BIG (it has no room for that), or ERR_PROTO
 * when `torrent` is no dictionary. It is changed where it lies, since it may have 64 MiB. */
int index_torrent_point_here(struct buf *torrent, bool in_order, const struct http_request *r,
			     struct bytes passkey, uint16_t udp_port);

/* Append our own of those to a magnet link, as "&tr=...", without a passkey. Returns 0 or the
 * buffer's error. */
int index_torrent_put_trackers(const struct http_request *r, uint16_t udp_port, struct buf *magnet);

#endif
