#include "node/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_group(uint8_t *to, const uint8_t *from, size_t n)
{
	uint32_t v =
	    (uint32_t)from[0] << 16 | (n > 1 ? (uint32_t)from[1] << 8 : 0) | (n > 2 ? from[2] : 0u);

	to[0] = (uint8_t)digits[v >> 18];
	to[1] = (uint8_t)digits[v >> 12 & 63];
	to[2] = n > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
	to[3] = n > 2 ? (uint8_t)digits[v & 63] : '=';
}

int base64_put(struct buf *out, struct bytes in)
{
	size_t groups = in.len / 3 + (in.len % 3 != 0);
	struct span room;
	int r = buf_reserve(out, groups * 4, &room);

	if (r < 0)
		return r;
	for (size_t i = 0; i < groups; i++) {
		size_t left = in.len - i * 3;

		put_group(room.ptr + i * 4, in.ptr + i * 3, left < 3 ? left : 3);
	}
	buf_commit(out, groups * 4);
	return 0;
}

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The n bytes of a group of n + 1 characters. */
static bool take_group(const uint8_t *from, uint8_t *to, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 0; i <= n; i++) {
		int digit = value_of(from[i]);

		if (digit < 0)
			return false;
		v |= (uint32_t)digit << (18 - 6 * i);
	}
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (16 - 8 * i));
	return (v & ((uint32_t)0xffffff >> (8 * n))) == 0;
}

int base64_take(struct bytes text, struct buf *out)
{
	size_t pad = 0, groups = text.len / 4, bytes;
	struct span room;
	int r;

	if (text.len % 4 != 0)
		return ERR_PROTO;
	while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
		pad++;
	bytes = groups * 3 - pad;
	r = buf_reserve(out, bytes, &room);
	if (r < 0)
		return r;
	for (size_t i = 0; i < groups; i++) {
		size_t n = i + 1 == groups ? 3 - pad : 3;

		if (!take_group(text.ptr + i * 4, room.ptr + i * 3, n))
			return ERR_PROTO;
	}
	buf_commit(out, bytes);
	return 0;
}
