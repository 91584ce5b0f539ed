#include "wire/utp.h"

/* libtorrent has a use for 3. */
enum { EXTENSION_END, EXTENSION_SACK, EXTENSION_FILLER = 0x5f };

static int take_extensions(struct utp_packet *p, struct bytes in, uint8_t kind)
{
	size_t at = UTP_HEAD;

	for (unsigned n = 0; kind != EXTENSION_END; n++) {
		uint8_t next;
		size_t len;

		if (n == UTP_EXTENSIONS_MAX)
			return ERR_PROTO;
		if (in.len - at < 2)
			return 0;
		next = in.ptr[at];
		len = in.ptr[at + 1];
		at += 2;
		if (in.len - at < len)
			return 0;
		if (kind == EXTENSION_SACK)
			p->sack = bytes_sub(in, at, len);
		at += len;
		kind = next;
	}
	p->payload = bytes_sub(in, at, in.len - at);
	return (int)in.len;
}

int utp_decode(struct utp_packet *p, struct bytes in)
{
	if (in.len > 0 && !utp_is_packet(in.ptr[0]))
		return ERR_PROTO;
	if (in.len < UTP_HEAD)
		return 0;
	*p = (struct utp_packet){
	    .type = (enum utp_type)(in.ptr[0] >> 4),
	    .id = be16(in.ptr + 2),
	    .stamp_us = be32(in.ptr + 4),
	    .delay_us = be32(in.ptr + 8),
	    .window = be32(in.ptr + 12),
	    .seq = be16(in.ptr + 16),
	    .ack = be16(in.ptr + 18),
	};
	return take_extensions(p, in, in.ptr[1]);
}

size_t utp_encode_head(const struct utp_packet *p, uint8_t *out)
{
	bool sack = p->sack.len > 0;

	assert(p->sack.len <= UTP_SACK_MAX && p->sack.len % 4 == 0);
	out[0] = (uint8_t)(p->type << 4 | 1);
	out[1] = sack ? EXTENSION_SACK : EXTENSION_END;
	put_be16(out + 2, p->id);
	put_be32(out + 4, p->stamp_us);
	put_be32(out + 8, p->delay_us);
	put_be32(out + 12, p->window);
	put_be16(out + 16, p->seq);
	put_be16(out + 18, p->ack);
	if (!sack)
		return UTP_HEAD;
	out[UTP_HEAD] = EXTENSION_END;
	out[UTP_HEAD + 1] = (uint8_t)p->sack.len;
	memcpy(out + UTP_HEAD + 2, p->sack.ptr, p->sack.len);
	return UTP_HEAD + 2 + p->sack.len;
}

void utp_put_filler(uint8_t *packet, size_t bytes)
{
	assert(bytes >= 2 && bytes <= 257);
	packet[1] = EXTENSION_FILLER;
	packet[UTP_HEAD] = EXTENSION_END;
	packet[UTP_HEAD + 1] = (uint8_t)(bytes - 2);
	memset(packet + UTP_HEAD + 2, 0, bytes - 2);
}
