#include "wire/pcp.h"

#define VERSION 2u
#define OPCODE_MAP 1u
#define REPLY 0x80u
#define HEAD_BYTES 24u

/* IPv4 travels as ::ffff:a.b.c.d. */
static void put_ip(uint8_t out[16], const struct addr *a)
{
	if (a->v6) {
		memcpy(out, a->ip, 16);
		return;
	}
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, a->ip, 4);
}

size_t pcp_map_encode(const struct pcp_map *m, const struct addr *client,
		      uint8_t out[PCP_MAP_BYTES])
{
	uint8_t *map = out + HEAD_BYTES;

	memset(out, 0, PCP_MAP_BYTES);
	out[0] = VERSION;
	out[1] = OPCODE_MAP;
	put_be32(out + 4, m->lifetime_s);
	put_ip(out + 8, client);
	memcpy(map, m->nonce, PCP_NONCE_LEN);
	map[12] = (uint8_t)m->protocol;
	put_be16(map + 16, m->internal_port);
	put_be16(map + 18, m->external.port);
	put_ip(map + 20, &m->external);
	return PCP_MAP_BYTES;
}

int pcp_map_reply_decode(struct bytes in, const struct pcp_map *asked, struct pcp_map *out)
{
	const uint8_t *map;

	if (in.len < 4 || in.len > PCP_BYTES_MAX || (in.ptr[1] & REPLY) == 0)
		return ERR_PROTO;
	*out = *asked;
	out->result = in.ptr[3];
	if (in.ptr[0] != VERSION || out->result == PCP_UNSUPPORTED_VERSION) {
		out->result = PCP_UNSUPPORTED_VERSION;
		return 0;
	}
	if (in.len < PCP_MAP_BYTES || in.ptr[1] != (REPLY | OPCODE_MAP))
		return ERR_PROTO;
	map = in.ptr + HEAD_BYTES;
	if (memcmp(map, asked->nonce, PCP_NONCE_LEN) != 0 || map[12] != asked->protocol ||
	    be16(map + 16) != asked->internal_port)
		return ERR_PROTO;
	out->lifetime_s = be32(in.ptr + 4);
	return addr_from_ip(&out->external, bytes_of(map + 20, 16), be16(map + 18));
}
