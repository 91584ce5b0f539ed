/* base/siphash.h - SipHash-2-4, for tables whose keys strangers choose: without
 * the secret key nobody can pick info-hashes that all land in one slot. */
#ifndef SHOAL_BASE_SIPHASH_H
#define SHOAL_BASE_SIPHASH_H

#include "base/bytes.h"

struct siphash_key {
	uint64_t k0, k1;
};

/* Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
uint64_t siphash(struct siphash_key key, struct bytes data);

#endif
