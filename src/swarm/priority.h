/* swarm/priority.h - how much two peers should want each other, which both of them can tell. */
#ifndef SHOAL_SWARM_PRIORITY_H
#define SHOAL_SWARM_PRIORITY_H

#include "base/addr.h"

/* Source:  BEP 40, canonical peer priority. Higher is better; the same whichever side asks, as long
 *          as each knows how the other sees it. Addresses of two families have none: 0. */
uint32_t peer_priority(const struct addr *ours, const struct addr *theirs);

#endif
