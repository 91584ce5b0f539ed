#include "wire/ext_metadata.h"

#include "base/bencode.h"

static int decode_data(struct ext_metadata *m, const struct benc *dict, struct bytes rest)
{
	int64_t total;

	if (!benc_find_int(dict, "total_size", &total) || total <= 0 || total > EXT_METADATA_MAX)
		return ERR_PROTO;
	m->total_bytes = (uint32_t)total;
	m->data = rest;
	if (m->piece >= ext_metadata_pieces(m->total_bytes) ||
	    rest.len != ext_metadata_piece_bytes(m->total_bytes, m->piece))
		return ERR_PROTO;
	return OK;
}

int ext_metadata_decode(struct ext_metadata *m, struct bytes body)
{
	struct benc dict;
	int64_t type, piece;
	int used = benc_parse(body, &dict, NULL);

	if (used < 0 || dict.type != BENC_DICT || !benc_find_int(&dict, "msg_type", &type))
		return ERR_PROTO;
	*m = (struct ext_metadata){.type = EXT_METADATA_UNKNOWN};
	if (type < EXT_METADATA_REQUEST || type > EXT_METADATA_REJECT)
		return OK;
	if (!benc_find_int(&dict, "piece", &piece) || piece < 0 ||
	    piece >= ext_metadata_pieces(EXT_METADATA_MAX))
		return ERR_PROTO;
	m->type = (enum ext_metadata_type)type;
	m->piece = (uint32_t)piece;
	if (m->type != EXT_METADATA_DATA)
		return OK;
	return decode_data(m, &dict, bytes_sub(body, (size_t)used, body.len - (size_t)used));
}

int ext_metadata_encode(struct buf *out, const struct ext_metadata *m)
{
	benc_put_raw(out, 'd');
	benc_put_pair(out, "msg_type", m->type);
	benc_put_pair(out, "piece", m->piece);
	if (m->type == EXT_METADATA_DATA) {
		benc_put_pair(out, "total_size", m->total_bytes);
	}
	benc_put_raw(out, 'e');
	if (m->type == EXT_METADATA_DATA)
		(void)buf_put(out, m->data);
	return out->err;
}
