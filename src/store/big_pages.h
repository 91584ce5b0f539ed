/* store/big_pages.h - memory that is filled and read over and over, in pages as large as the
 * system has.
 *
 * What the kernel copies into such memory costs it a quarter to a third less: an entry of the
 * processor's cache of page tables covers 512 times as much, and in a virtual machine each that is
 * missing is two to look up. A big page is there in full from the first byte that is written into
 * it, so this is for memory that will all be used. Where the system gives none, it has small ones.
 */
#ifndef SHOAL_STORE_BIG_PAGES_H
#define SHOAL_STORE_BIG_PAGES_H

#include "base/bytes.h"

#define BIG_PAGE_BYTES (2u << 20)

/* Zeroes, at the beginning of a big page, rounded up to whole ones; NULL when there are none. */
uint8_t *big_pages_take(size_t bytes);
/* As it was taken. NULL does nothing. */
void big_pages_give(uint8_t *mem, size_t bytes);

#endif
