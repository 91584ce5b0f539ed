/* net/descriptors.h - how many files and sockets this process may have, and has. */
#ifndef SHOAL_NET_DESCRIPTORS_H
#define SHOAL_NET_DESCRIPTORS_H

#include <stdint.h>

/* Raise the soft limit to the hard one, as servers do; returns the limit that holds then. */
uint64_t descriptors_raise_limit(void);
/* Open ones, those of all threads; 0 when the system does not tell. Costs a look at each. */
uint32_t descriptors_open(void);

#endif
