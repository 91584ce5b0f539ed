#include "wire/ext_holepunch.h"

#define HEAD_BYTES 2u
#define ERROR_BYTES 4u

int ext_holepunch_decode(struct ext_holepunch *m, struct bytes body)
{
	size_t ip, bare;

	if (body.len < HEAD_BYTES || body.ptr[0] > EXT_HOLEPUNCH_ERROR || body.ptr[1] > 1)
		return ERR_PROTO;
	ip = body.ptr[1] == 1 ? 16 : 4;
	bare = HEAD_BYTES + ip + 2;
	if (body.len != bare + ERROR_BYTES &&
	    (body.len != bare || body.ptr[0] == EXT_HOLEPUNCH_ERROR))
		return ERR_PROTO;
	m->type = (enum ext_holepunch_type)body.ptr[0];
	(void)addr_from_ip(&m->addr, bytes_sub(body, HEAD_BYTES, ip),
			   be16(body.ptr + HEAD_BYTES + ip));
	m->error = body.len == bare ? 0 : be32(body.ptr + bare);
	return OK;
}

int ext_holepunch_encode(struct buf *out, const struct ext_holepunch *m)
{
	(void)buf_put_u8(out, (uint8_t)m->type);
	(void)buf_put_u8(out, m->addr.v6);
	(void)buf_put(out, bytes_of(m->addr.ip, m->addr.v6 ? 16 : 4));
	(void)buf_put_be16(out, m->addr.port);
	(void)buf_put_be32(out, m->error);
	return out->err;
}

const char *ext_holepunch_error_text(uint32_t error)
{
	switch (error) {
	case EXT_HOLEPUNCH_NO_PEER:
		return "that is no peer's address";
	case EXT_HOLEPUNCH_NOT_CONNECTED:
		return "it is not connected to that peer";
	case EXT_HOLEPUNCH_NO_SUPPORT:
		return "that peer does not know hole punching";
	case EXT_HOLEPUNCH_SELF:
		return "that is its own address";
	default:
		return "for a reason that nobody knows";
	}
}
