#include "base/bitfield.h"

#include <stdlib.h>
#include <string.h>

int bitfield_init(struct bitfield *b, uint32_t n)
{
	*b = (struct bitfield){.n = n};
	b->bits = calloc(n == 0 ? 1 : bitfield_bytes(n), 1);
	if (b->bits == NULL) {
		b->n = 0;
		return ERR_NOMEM;
	}
	return 0;
}

void bitfield_fini(struct bitfield *b)
{
	free(b->bits);
	*b = (struct bitfield){0};
}

int bitfield_copy(struct bitfield *to, const struct bitfield *from)
{
	int rc = bitfield_init(to, from->n);

	if (rc != 0)
		return rc;
	if (from->n > 0)
		memcpy(to->bits, from->bits, bitfield_bytes(from->n));
	to->count = from->count;
	return 0;
}

/* The bits of the last byte that lie past n. */
static uint8_t spare_mask(uint32_t n)
{
	uint32_t spare = -n & 7;

	return (uint8_t)((1u << spare) - 1);
}

static uint32_t count_bits(const uint8_t *p, size_t len)
{
	uint32_t count = 0;
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		count += (uint32_t)__builtin_popcountll(word);
	}
	for (; len > 0; p++, len--)
		count += (uint32_t)__builtin_popcount(*p);
	return count;
}

int bitfield_load(struct bitfield *b, struct bytes body)
{
	if (body.len != bitfield_bytes(b->n))
		return ERR_PROTO;
	if (body.len == 0)
		return 0;
	if ((body.ptr[body.len - 1] & spare_mask(b->n)) != 0)
		return ERR_PROTO;
	memcpy(b->bits, body.ptr, body.len);
	b->count = count_bits(b->bits, body.len);
	return 0;
}

void bitfield_fill(struct bitfield *b)
{
	size_t len = bitfield_bytes(b->n);

	if (len == 0)
		return;
	memset(b->bits, 0xff, len);
	b->bits[len - 1] = (uint8_t)~spare_mask(b->n);
	b->count = b->n;
}

void bitfield_clear(struct bitfield *b)
{
	if (b->n > 0)
		memset(b->bits, 0, bitfield_bytes(b->n));
	b->count = 0;
}

bool bitfield_set(struct bitfield *b, uint32_t i)
{
	if (bitfield_has(b, i))
		return false;
	b->bits[i >> 3] |= (uint8_t)(0x80 >> (i & 7));
	b->count++;
	return true;
}

bool bitfield_unset(struct bitfield *b, uint32_t i)
{
	if (!bitfield_has(b, i))
		return false;
	b->bits[i >> 3] &= (uint8_t) ~(0x80 >> (i & 7));
	b->count--;
	return true;
}

/* Bits from `i` on that are passed over together, as all of them are as in `same`. */
static uint32_t row_of_same(const struct bitfield *b, uint32_t i, uint64_t same)
{
	uint64_t word;

	if ((i & 63) == 0 && b->n - i >= 64) {
		memcpy(&word, b->bits + (i >> 3), sizeof(word));
		if (word == same)
			return 64;
	}
	return (i & 7) == 0 && b->bits[i >> 3] == (uint8_t)same ? 8 : 0;
}

/* The next bit at or after `i` that is not as in `same` (all clear, or all set), or n. */
static uint32_t next_other(const struct bitfield *b, uint32_t i, uint64_t same)
{
	while (i < b->n) {
		uint32_t row = row_of_same(b, i, same);

		if (row == 0 && bitfield_has(b, i) == (same == 0))
			return i;
		i += row == 0 ? 1 : row;
	}
	return b->n;
}

uint32_t bitfield_next_set(const struct bitfield *b, uint32_t i)
{
	return next_other(b, i, 0);
}

uint32_t bitfield_next_clear(const struct bitfield *b, uint32_t i)
{
	return next_other(b, i, UINT64_MAX);
}
