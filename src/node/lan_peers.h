/* node/lan_peers.h - peers on the local network, found without an address or a tracker.
 *
 * Source: BEP 14, on every interface and in both families. Each torrent that is not private is said
 * once in five minutes, several in one datagram, and not more than one datagram a minute but for a
 * few at the start; again for somebody who would not know us. Only who is on one of our links is
 * listened to. What is fetched from chosen peers alone is not said until it is complete. */
#ifndef SHOAL_NODE_LAN_PEERS_H
#define SHOAL_NODE_LAN_PEERS_H

#include "node/node_impl.h"

/* Between two announces of one torrent, and of any, once the first few were said. */
#define LAN_PEERS_EVERY_MS (5u * 60u * 1000u)
#define LAN_PEERS_MINUTE_MS 60000u
#define LAN_PEERS_BURST 5u
/* How often it is looked for torrents that are due, and for new interfaces. */
#define LAN_PEERS_LOOK_MS 500u
#define LAN_PEERS_REFRESH_MS 15000u
/* Datagrams of others that are heeded in a second (attack: a neighbour that floods the group). */
#define LAN_PEERS_HEARD_PER_S 50u

struct lan_peers;

/* Returns 0, ERR_NOMEM, or errors of mcast_new(). */
int lan_peers_new(struct node *n, struct lan_peers **out, struct err_info *info);
void lan_peers_free(struct lan_peers *p);

#endif
