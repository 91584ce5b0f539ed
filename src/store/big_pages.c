#include "store/big_pages.h"

#include <sys/mman.h>

static size_t whole_pages(size_t bytes)
{
	return (bytes + BIG_PAGE_BYTES - 1) / BIG_PAGE_BYTES * BIG_PAGE_BYTES;
}

/* Not of malloc(): what is given back to that makes it keep more of the heap. */
uint8_t *big_pages_take(size_t bytes)
{
	size_t len = whole_pages(bytes), lead;
	uint8_t *all, *pages;

	if (bytes > SIZE_MAX - 2 * BIG_PAGE_BYTES)
		return NULL;
	all = mmap(NULL, len + BIG_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	lead = whole_pages((uintptr_t)all) - (uintptr_t)all;
	pages = all + lead;
	(void)madvise(pages, len, MADV_HUGEPAGE); /* a wish */
	(void)munmap(pages + len, BIG_PAGE_BYTES - lead);
	if (lead > 0)
		(void)munmap(all, lead);
	return pages;
}

void big_pages_give(uint8_t *mem, size_t bytes)
{
	if (mem != NULL)
		(void)munmap(mem, whole_pages(bytes));
}
