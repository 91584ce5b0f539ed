#include "base/grow.h"

#include <stdlib.h>

#include "failmalloc.h"
#include "test.h"

TEST(a_list_doubles_when_it_is_full_and_keeps_what_it_has)
{
	uint32_t cap = 0, *list = NULL, n = 0;

	while (n < 100) {
		list = grow(list, n, &cap, 3, sizeof(*list));
		CHECK(list != NULL && n < cap);
		list[n] = n;
		n++;
	}
	CHECK_INT(cap, 192);
	for (uint32_t i = 0; i < n; i++)
		CHECK_INT(list[i], i);
	free(list);
}

TEST(without_memory_a_list_stays_as_it_is)
{
	uint32_t cap = 0, *list = grow(NULL, 0, &cap, 2, sizeof(*list));

	CHECK(list != NULL);
	list[0] = list[1] = 7;
	failmalloc_start(1, false);
	CHECK(grow(list, 2, &cap, 2, sizeof(*list)) == NULL);
	failmalloc_stop();
	CHECK_INT(cap, 2);
	CHECK_INT(list[1], 7);
	free(list);
}

TEST(a_list_ends_where_its_count_does)
{
	uint32_t cap = UINT32_MAX / 2 + 1;

	CHECK(grow(NULL, cap, &cap, 1, 1) == NULL);
	cap = 1u << 30;
	CHECK(grow(NULL, cap, &cap, 1, SIZE_MAX / 2) == NULL);
}
