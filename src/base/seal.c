#include "base/seal.h"

int seal_put(struct buf *out, size_t start)
{
	uint8_t sum[SEAL_BYTES];

	if (out->err != OK)
		return out->err;
	sha256_of(bytes_of(out->ptr + start, out->len - start), sum);
	return buf_put(out, bytes_of(sum, sizeof(sum)));
}

bool seal_take(struct bytes *in)
{
	uint8_t sum[SEAL_BYTES];
	struct bytes body = *in;

	if (body.len < SEAL_BYTES)
		return false;
	body.len -= SEAL_BYTES;
	sha256_of(body, sum);
	if (memcmp(sum, body.ptr + body.len, SEAL_BYTES) != 0)
		return false;
	*in = body;
	return true;
}
