/* store/near.h - how alike two names are. Pure. */
#ifndef SHOAL_STORE_NEAR_H
#define SHOAL_STORE_NEAR_H

#include "base/bytes.h"

/* Longer names are nothing like each other: what bounds the table. */
#define NEAR_BYTES_MAX 255u

/* Number of bytes to insert, drop, replace or swap with their neighbour to make `b` of `a`,
 * without regard to ASCII case; anything over `most` is most + 1.
 * Source: the "optimal string alignment" distance.
 * Limit:  time is a.len * (2 * most + 1). */
unsigned near_distance(struct bytes a, struct bytes b, unsigned most);

/* The rank of `candidate` for someone who typed `typed`: 0 the same but for case, then small
 * distances, with a name that goes on where `typed` ends counted as a distance of 1; -1 when
 * they are not alike. */
int near_rank(struct bytes typed, struct bytes candidate);

#endif
