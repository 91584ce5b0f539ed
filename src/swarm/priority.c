#include "swarm/priority.h"

#include "base/crc32c.h"

/* What is always of interest in an address, and the step by which more is, once that is alike. */
#define KEEP_V4 2u
#define KEEP_V6 6u

/* How many leading bytes are not masked: one more for each that both have in common beyond the
 * shortest prefix; /16 and /24 of IPv4, /48, /56, ... of IPv6. */
static size_t kept_bytes(const struct addr *a, const struct addr *b)
{
	size_t len = a->v6 ? 16 : 4, shortest = a->v6 ? KEEP_V6 : KEEP_V4, n = shortest;

	while (n < len && memcmp(a->ip, b->ip, n) == 0)
		n++;
	return n;
}

static void mask(uint8_t *out, const struct addr *a, size_t kept)
{
	for (size_t i = 0; i < (a->v6 ? 16u : 4u); i++)
		out[i] = i < kept ? a->ip[i] : a->ip[i] & 0x55;
}

static uint32_t sorted_crc(uint8_t *lower, uint8_t *upper, size_t len)
{
	uint8_t both[32];
	bool swap = memcmp(lower, upper, len) > 0;

	memcpy(both, swap ? upper : lower, len);
	memcpy(both + len, swap ? lower : upper, len);
	return crc32c(bytes_of(both, 2 * len));
}

uint32_t peer_priority(const struct addr *ours, const struct addr *theirs)
{
	uint8_t a[16], b[16];
	size_t kept;

	if (ours->v6 != theirs->v6)
		return 0;
	if (addr_same_host(ours, theirs)) {
		put_be16(a, ours->port);
		put_be16(b, theirs->port);
		return sorted_crc(a, b, 2);
	}
	kept = kept_bytes(ours, theirs);
	mask(a, ours, kept);
	mask(b, theirs, kept);
	return sorted_crc(a, b, ours->v6 ? 16 : 4);
}
