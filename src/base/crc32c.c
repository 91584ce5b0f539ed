#include "base/crc32c.h"

uint32_t crc32c(struct bytes in)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < in.len; i++) {
		crc ^= in.ptr[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	}
	return ~crc;
}
