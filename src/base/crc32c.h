/* base/crc32c.h - the checksum that BEP 40 and BEP 42 make of addresses. */
#ifndef SHOAL_BASE_CRC32C_H
#define SHOAL_BASE_CRC32C_H

#include "base/bytes.h"

/* Source: RFC 3720 B.4, CRC32C, reflected. For a few bytes: bit by bit, without a table. */
uint32_t crc32c(struct bytes in);

#endif
