/* net/lan.h - who is near: on this machine, or in a network of its own that it is part of. */
#ifndef SHOAL_NET_LAN_H
#define SHOAL_NET_LAN_H

#include <sys/socket.h>

#include "base/addr.h"

/* Loopback; or a private or link-local address within the subnet of one of our interfaces. Asks the
 * system each time. */
bool lan_has(const struct addr *a);

/* Leading bits of a network mask; NULL, as where nobody else is: 128. */
unsigned lan_prefix(const struct sockaddr *mask);

#endif
