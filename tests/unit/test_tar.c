#include "cli/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static uint64_t octal(const uint8_t *at, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && at[i] >= '0' && at[i] <= '7'; i++)
		v = v * 8 + (uint64_t)(at[i] - '0');
	return v;
}

static void check_sum(const uint8_t *head)
{
	uint64_t sum = 8 * ' ';

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? 0 : head[i];
	CHECK_INT(octal(head + 148, 6), sum);
}

TEST(tar_writes_one_plain_head_for_short_names)
{
	char name[101];
	struct buf b;

	memset(name, 'n', 100);
	name[100] = '\0';
	buf_init(&b, TAR_HEAD_MAX);
	CHECK_INT(tar_put_head(&b, name, 077777777777ull, true), 0);
	CHECK_INT(b.len, TAR_BLOCK);
	CHECK_MEM(b.ptr, name, 100);
	CHECK_INT(octal(b.ptr + 100, 7), 0755);
	CHECK_INT(octal(b.ptr + 124, 11), 077777777777ull);
	CHECK_MEM(b.ptr + 257, "ustar\00000", 8);
	check_sum(b.ptr);
	buf_fini(&b);
}

TEST(tar_says_long_names_and_large_sizes_in_a_head_of_their_own)
{
	char name[4300], want[4400];
	struct buf b;

	memset(name, 'n', sizeof(name));
	name[101] = '\0';
	buf_init(&b, TAR_HEAD_MAX);
	CHECK_INT(tar_put_head(&b, name, 077777777777ull + 1, false), 0);
	CHECK_INT(b.len, 3 * TAR_BLOCK);
	CHECK_INT(b.ptr[156], 'x');
	check_sum(b.ptr);
	snprintf(want, sizeof(want), "111 path=%s\n19 size=8589934592\n", name);
	CHECK_INT(octal(b.ptr + 124, 11), strlen(want));
	CHECK_MEM(b.ptr + TAR_BLOCK, want, strlen(want));
	check_sum(b.ptr + 2 * TAR_BLOCK);
	CHECK_INT(b.ptr[2 * TAR_BLOCK + 156], '0');
	buf_clear(&b);
	/* The longest path there is fits; bytes that are no text are said to be such. */
	name[101] = '\xff';
	name[sizeof(name) - 1] = '\0';
	CHECK_INT(tar_put_head(&b, name, 1, false), 0);
	CHECK(b.len <= TAR_HEAD_MAX && b.len % TAR_BLOCK == 0);
	CHECK_MEM(b.ptr + TAR_BLOCK, "21 hdrcharset=BINARY\n", 21);
	buf_fini(&b);
}

TEST(tar_counts_the_length_of_a_record_with_its_own_digits)
{
	/* Around lengths that need one digit more when the digits are counted. */
	for (size_t n = 101; n < 1100; n++) {
		char name[1200];
		struct buf b;

		memset(name, 'n', n);
		name[n] = '\0';
		buf_init(&b, TAR_HEAD_MAX);
		CHECK_INT(tar_put_head(&b, name, 0, false), 0);
		CHECK_INT(octal(b.ptr + 124, 11), strtoul((char *)b.ptr + TAR_BLOCK, NULL, 10));
		CHECK_INT(b.ptr[TAR_BLOCK + octal(b.ptr + 124, 11) - 1], '\n');
		buf_fini(&b);
	}
}

TEST(tar_pads_to_whole_blocks)
{
	struct buf b;

	CHECK_INT(tar_pad(0), 0);
	CHECK_INT(tar_pad(1), 511);
	CHECK_INT(tar_pad(512), 0);
	buf_init(&b, TAR_HEAD_MAX);
	CHECK_INT(tar_put_end(&b), 0);
	CHECK_INT(b.len, 1024);
	buf_fini(&b);
}
