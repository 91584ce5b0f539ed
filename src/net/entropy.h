/* net/entropy.h - random bytes for keys, ids and seeds, from the kernel. */
#ifndef SHOAL_NET_ENTROPY_H
#define SHOAL_NET_ENTROPY_H

#include <stddef.h>

/* Fills `out` (getrandom). A kernel without entropy is not one we can run on: aborts. */
void entropy_fill(void *out, size_t len);

#endif
