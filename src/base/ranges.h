/* base/ranges.h - the set bits of a bitfield as text: "0-99,104". */
#ifndef SHOAL_BASE_RANGES_H
#define SHOAL_BASE_RANGES_H

#include "base/bitfield.h"
#include "base/buf.h"

/* Append the bits that are set, as ascending ranges: at most `most` of them. Returns how many were
 * left out; the buffer keeps its own error. */
uint32_t ranges_put(struct buf *out, const struct bitfield *b, uint32_t most);

/* Walks "0-99,104": the next range is *first..*last, inclusive. `*text` loses it.
 * Returns: 1 a range, 0 the end, ERR_PROTO what is no range, ends before it begins, does not lie
 *          behind the one before (`*next`, 0 to begin with), or reaches `n`. */
int ranges_next(struct bytes *text, uint32_t n, uint32_t *next, uint32_t *first, uint32_t *last);

#endif
