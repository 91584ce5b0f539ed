#include "store/big_pages.h"

#include "test.h"

static void check_pages(size_t bytes)
{
	uint8_t *mem = big_pages_take(bytes);

	CHECK(mem != NULL);
	CHECK_INT((uintptr_t)mem % BIG_PAGE_BYTES, 0);
	for (size_t i = 0; i < bytes; i += 4096)
		CHECK(mem[i] == 0);
	memset(mem, 1, bytes);
	big_pages_give(mem, bytes);
}

TEST(memory_of_any_size_begins_at_a_big_page)
{
	check_pages(1);
	check_pages(BIG_PAGE_BYTES - 1);
	check_pages(BIG_PAGE_BYTES);
	check_pages(3 * BIG_PAGE_BYTES + 5);
	big_pages_give(NULL, 7);
}

TEST(more_than_there_is_is_refused)
{
	CHECK(big_pages_take(SIZE_MAX / 8 * 7) == NULL);
	CHECK(big_pages_take(SIZE_MAX - BIG_PAGE_BYTES) == NULL);
	CHECK(big_pages_take(SIZE_MAX) == NULL);
}
