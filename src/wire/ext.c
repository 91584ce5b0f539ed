#include "wire/ext.h"

#include "base/bencode.h"

/* The integer under `key` when it lies in [0, max], else 0. */
static uint32_t find_number(const struct benc *dict, const char *key, uint32_t max)
{
	int64_t v;

	if (!benc_find_int(dict, key, &v) || v < 0 || v > (int64_t)max)
		return 0;
	return (uint32_t)v;
}

/* What fits, without half a UTF-8 character at its end. A NUL ends it. */
static void copy_client(char out[EXT_CLIENT_MAX], struct bytes s)
{
	const uint8_t *nul = s.len == 0 ? NULL : memchr(s.ptr, 0, s.len);
	size_t n = nul == NULL ? s.len : (size_t)(nul - s.ptr);

	if (n >= EXT_CLIENT_MAX) {
		n = EXT_CLIENT_MAX - 1;
		for (int back = 0; back < 3 && (s.ptr[n] & 0xc0) == 0x80; back++)
			n--;
	}
	if (n > 0)
		memcpy(out, s.ptr, n);
}

static void read_id(uint8_t *id, const struct benc *m, const char *key)
{
	int64_t v;

	if (benc_find_int(m, key, &v) && v >= 0 && v <= UINT8_MAX)
		*id = (uint8_t)v;
}

static void read_ids(struct ext_handshake *h, const struct benc *m)
{
	read_id(&h->ut_metadata, m, "ut_metadata");
	read_id(&h->ut_pex, m, "ut_pex");
	read_id(&h->donthave, m, "lt_donthave");
	read_id(&h->holepunch, m, "ut_holepunch");
}

int ext_decode(struct ext_handshake *h, struct bytes body)
{
	struct benc root, m;
	struct bytes s;
	int64_t v;

	/* Bytes after the dictionary are let pass, as other clients do. */
	if (benc_parse(body, &root, NULL) < 0 || root.type != BENC_DICT)
		return ERR_PROTO;
	*h = (struct ext_handshake){
	    .port = (uint16_t)find_number(&root, "p", UINT16_MAX),
	    .metadata_size = find_number(&root, "metadata_size", UINT32_MAX),
	    .run_bytes = find_number(&root, "shoal_run", UINT32_MAX),
	    .ut_metadata = h->ut_metadata,
	    .ut_pex = h->ut_pex,
	    .donthave = h->donthave,
	    .holepunch = h->holepunch,
	};
	if (benc_find_dict(&root, "m", &m))
		read_ids(h, &m);
	if (benc_find_int(&root, "upload_only", &v))
		h->upload_only = v != 0;
	if (benc_find_int(&root, "reqq", &v) && v > 0)
		h->reqq = v < EXT_REQQ_MAX ? (uint32_t)v : EXT_REQQ_MAX;
	if (benc_find_str(&root, "v", &s))
		copy_client(h->client, s);
	if (benc_find_str(&root, "yourip", &s))
		h->has_yourip = addr_from_ip(&h->yourip, s, 0) == 0;
	return 0;
}

static void put_number(struct buf *out, const char *key, uint32_t v)
{
	if (v == 0)
		return;
	benc_put_str(out, key);
	benc_put_int(out, v);
}

int ext_encode(struct buf *out, const struct ext_handshake *h)
{
	benc_put_raw(out, 'd');
	benc_put_str(out, "m");
	benc_put_raw(out, 'd');
	put_number(out, "lt_donthave", h->donthave);
	put_number(out, "ut_holepunch", h->holepunch);
	put_number(out, "ut_metadata", h->ut_metadata);
	put_number(out, "ut_pex", h->ut_pex);
	benc_put_raw(out, 'e');
	put_number(out, "metadata_size", h->metadata_size);
	put_number(out, "p", h->port);
	put_number(out, "reqq", h->reqq);
	put_number(out, "shoal_run", h->run_bytes);
	put_number(out, "upload_only", h->upload_only);
	if (h->client[0] != '\0') {
		benc_put_str(out, "v");
		benc_put_str(out, h->client);
	}
	if (h->has_yourip) {
		benc_put_str(out, "yourip");
		benc_put_bytes(out, bytes_of(h->yourip.ip, h->yourip.v6 ? 16 : 4));
	}
	benc_put_raw(out, 'e');
	return out->err;
}
