#include "dht/node_id.h"

#include "base/crc32c.h"

#define BOUND_BITS_IN_THIRD 0xf8u /* 21 bits are bound to the address */

int node_id_nearer(const uint8_t target[NODE_ID_LEN], const uint8_t a[NODE_ID_LEN],
		   const uint8_t b[NODE_ID_LEN])
{
	for (size_t i = 0; i < NODE_ID_LEN; i++)
		if (a[i] != b[i])
			return (a[i] ^ target[i]) < (b[i] ^ target[i]) ? -1 : 1;
	return 0;
}

unsigned node_id_common(const uint8_t a[NODE_ID_LEN], const uint8_t b[NODE_ID_LEN])
{
	for (unsigned i = 0; i < NODE_ID_LEN; i++) {
		unsigned differ = a[i] ^ b[i], bit = 0;

		if (differ == 0)
			continue;
		while ((differ & 0x80u >> bit) == 0)
			bit++;
		return i * 8 + bit;
	}
	return NODE_ID_BITS;
}

void node_id_beside(uint8_t out[NODE_ID_LEN], const uint8_t id[NODE_ID_LEN], unsigned bits,
		    struct rng *rng)
{
	unsigned at = bits / 8;
	uint8_t keep = (uint8_t)(0xff00u >> bits % 8), flip = (uint8_t)(0x80u >> bits % 8);

	rng_fill(rng, out, NODE_ID_LEN);
	memcpy(out, id, at < NODE_ID_LEN ? at : NODE_ID_LEN);
	if (at >= NODE_ID_LEN)
		return;
	out[at] = (uint8_t)((id[at] & keep) | (out[at] & ~keep));
	out[at] = (uint8_t)((out[at] & ~flip) | (~id[at] & flip));
}

/* The first three bytes of ids for this address whose last byte has these low three bits. */
static void prefix_for(uint8_t out[3], const struct addr *a, uint8_t last)
{
	static const uint8_t mask_v4[] = {0x03, 0x0f, 0x3f, 0xff};
	static const uint8_t mask_v6[] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
	const uint8_t *mask = a->v6 ? mask_v6 : mask_v4;
	size_t len = a->v6 ? sizeof(mask_v6) : sizeof(mask_v4);
	uint8_t ip[sizeof(mask_v6)];
	uint32_t crc;

	for (size_t i = 0; i < len; i++)
		ip[i] = a->ip[i] & mask[i];
	ip[0] |= (uint8_t)((last & 7) << 5);
	crc = crc32c(bytes_of(ip, len));
	out[0] = (uint8_t)(crc >> 24);
	out[1] = (uint8_t)(crc >> 16);
	out[2] = (uint8_t)(crc >> 8 & BOUND_BITS_IN_THIRD);
}

void node_id_for(uint8_t out[NODE_ID_LEN], const struct addr *a, uint8_t last, struct rng *rng)
{
	uint8_t prefix[3];

	rng_fill(rng, out, NODE_ID_LEN);
	prefix_for(prefix, a, last);
	out[0] = prefix[0];
	out[1] = prefix[1];
	out[2] = (uint8_t)(prefix[2] | (out[2] & ~BOUND_BITS_IN_THIRD));
	out[NODE_ID_LEN - 1] = last;
}

bool node_id_fits(const uint8_t id[NODE_ID_LEN], const struct addr *a)
{
	uint8_t prefix[3];

	if (node_id_is_local(a))
		return true;
	prefix_for(prefix, a, id[NODE_ID_LEN - 1]);
	return id[0] == prefix[0] && id[1] == prefix[1] &&
	       (id[2] & BOUND_BITS_IN_THIRD) == prefix[2];
}

bool node_id_is_local(const struct addr *a)
{
	return addr_scope(a) != ADDR_PUBLIC;
}
