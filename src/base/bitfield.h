/* base/bitfield.h - a fixed number of bits that knows how many are set.
 *
 * Source: BEP 3 "bitfield": bit 0 is the high bit of byte 0. */
#ifndef SHOAL_BASE_BITFIELD_H
#define SHOAL_BASE_BITFIELD_H

#include "base/bytes.h"
#include "base/err.h"

struct bitfield {
	uint8_t *bits;
	uint32_t n;	/* bits in all */
	uint32_t count; /* bits set */
};

/* All clear. Returns 0 or ERR_NOMEM. */
int bitfield_init(struct bitfield *b, uint32_t n);
void bitfield_fini(struct bitfield *b);
int bitfield_copy(struct bitfield *to, const struct bitfield *from); /* `to` uninitialised */

/* Take the bits of a message body. `b` is already initialised with n bits.
 * Returns 0, or ERR_PROTO when the length is not ceil(n / 8) or a spare bit is
 * set; `b` is then unchanged (attack: CVE-2014-4909, growing past the end). */
int bitfield_load(struct bitfield *b, struct bytes body);

void bitfield_fill(struct bitfield *b);	 /* set all */
void bitfield_clear(struct bitfield *b); /* clear all */

static inline size_t bitfield_bytes(uint32_t n)
{
	return ((size_t)n + 7) / 8;
}

/* `i` < n is the caller's duty in all three. */
static inline bool bitfield_has(const struct bitfield *b, uint32_t i)
{
	assert(i < b->n);
	return (b->bits[i >> 3] >> (7 - (i & 7)) & 1) != 0;
}
bool bitfield_set(struct bitfield *b, uint32_t i);   /* true when it was clear */
bool bitfield_unset(struct bitfield *b, uint32_t i); /* true when it was set */

/* The first bit at or after `i` that is set, or clear; n: there is none. */
uint32_t bitfield_next_set(const struct bitfield *b, uint32_t i);
uint32_t bitfield_next_clear(const struct bitfield *b, uint32_t i);

static inline bool bitfield_full(const struct bitfield *b)
{
	return b->count == b->n;
}

#endif
