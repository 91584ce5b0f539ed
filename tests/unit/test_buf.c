#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

TEST(buf_starts_empty_without_memory)
{
	struct buf b;

	failmalloc_start(1, true);
	buf_init(&b, 10);
	CHECK_INT(buf_put(&b, bytes_of(NULL, 0)), 0);
	CHECK_INT(failmalloc_stop(), 0);
	CHECK_INT(buf_bytes(&b).len, 0);
	buf_fini(&b);
}

TEST(buf_writes_integers_in_network_order)
{
	static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct buf b;

	buf_init(&b, sizeof(want));
	CHECK_INT(buf_put_u8(&b, 1), 0);
	CHECK_INT(buf_put_be16(&b, 0x0203), 0);
	CHECK_INT(buf_put_be32(&b, 0x04050607), 0);
	CHECK_INT(buf_put_be64(&b, 0x08090a0b0c0d0e0f), 0);
	CHECK_INT(b.len, sizeof(want));
	CHECK_MEM(b.ptr, want, sizeof(want));
	CHECK_INT(be16(want), 0x0102);
	CHECK_INT(be32(want), 0x01020304);
	CHECK(be64(want) == 0x0102030405060708);
	buf_fini(&b);
}

TEST(buf_holds_its_ceiling_and_not_one_byte_more)
{
	struct buf b;

	buf_init(&b, 5);
	CHECK_INT(buf_put_str(&b, "12345"), 0);
	CHECK_STR(buf_cstr(&b), "12345");
	CHECK_INT(buf_put_u8(&b, '6'), ERR_TOO_BIG);
	CHECK_INT(b.len, 5);
	CHECK_MEM(b.ptr, "12345", 5);
	buf_fini(&b);
}

TEST(buf_with_ceiling_zero_takes_only_nothing)
{
	struct buf b;

	buf_init(&b, 0);
	CHECK_INT(buf_put_str(&b, ""), 0);
	CHECK_STR(buf_cstr(&b), "");
	CHECK_INT(buf_put_u8(&b, 0), ERR_TOO_BIG);
	buf_fini(&b);
}

TEST(buf_error_sticks_until_cleared)
{
	struct buf b;
	struct span to;

	buf_init(&b, 4);
	CHECK_INT(buf_put_str(&b, "abc"), 0);
	CHECK_INT(buf_put_str(&b, "de"), ERR_TOO_BIG);
	CHECK_INT(buf_put_u8(&b, 'd'), ERR_TOO_BIG);
	CHECK_INT(buf_put_str(&b, ""), ERR_TOO_BIG);
	CHECK_INT(buf_printf(&b, "x"), ERR_TOO_BIG);
	CHECK_INT(buf_reserve(&b, 0, &to), ERR_TOO_BIG);
	CHECK_INT(to.len, 0);
	CHECK(buf_cstr(&b) == NULL);
	CHECK_INT(b.len, 3);
	buf_clear(&b);
	CHECK_INT(buf_put_str(&b, "de"), 0);
	CHECK_STR(buf_cstr(&b), "de");
	buf_fini(&b);
}

TEST(buf_refuses_sizes_that_would_wrap)
{
	struct buf b;
	struct span to;

	buf_init(&b, SIZE_MAX);
	CHECK_INT(buf_put_u8(&b, 1), 0);
	CHECK_INT(buf_reserve(&b, SIZE_MAX, &to), ERR_TOO_BIG);
	buf_clear(&b);
	CHECK_INT(buf_reserve(&b, SIZE_MAX, &to), ERR_NOMEM);
	buf_fini(&b);
}

TEST(buf_printf_fills_to_the_ceiling)
{
	struct buf b;

	buf_init(&b, 8);
	CHECK_INT(buf_printf(&b, "%s-%d", "ab", 12345), 0);
	CHECK_STR(buf_cstr(&b), "ab-12345");
	buf_clear(&b);
	CHECK_INT(buf_printf(&b, "%s-%d", "ab", 123456), ERR_TOO_BIG);
	CHECK_INT(b.len, 0);
	buf_fini(&b);
}

TEST(buf_lends_room_and_counts_what_was_written)
{
	struct buf b;
	struct span to;

	buf_init(&b, 100);
	CHECK_INT(buf_put_str(&b, "ab"), 0);
	CHECK_INT(buf_reserve(&b, 98, &to), 0);
	CHECK_INT(to.len, 98);
	memcpy(to.ptr, "cd", 2);
	buf_commit(&b, 2);
	CHECK_STR(buf_cstr(&b), "abcd");
	CHECK_INT(buf_reserve(&b, 97, &to), ERR_TOO_BIG);
	buf_fini(&b);
}

TEST(buf_consume_drops_from_the_front)
{
	struct buf b;

	buf_init(&b, 100);
	buf_consume(&b, 0);
	CHECK_INT(buf_put_str(&b, "hello world"), 0);
	buf_consume(&b, 6);
	CHECK_STR(buf_cstr(&b), "world");
	buf_consume(&b, 5);
	CHECK_INT(b.len, 0);
	buf_fini(&b);
}

TEST(buf_front_makes_way_for_what_is_shorter_longer_or_nothing)
{
	struct buf b;

	buf_init(&b, 12);
	CHECK_INT(buf_put_front(&b, 0, bytes_of(NULL, 0)), 0);
	CHECK_INT(b.len, 0);
	CHECK_INT(buf_put_front(&b, 0, bytes_str("abc")), 0);
	CHECK_INT(buf_put_str(&b, "def"), 0);
	CHECK_INT(buf_put_front(&b, 2, bytes_str("xyzw")), 0);
	CHECK_STR(buf_cstr(&b), "xyzwcdef");
	CHECK_INT(buf_put_front(&b, 4, bytes_str("1")), 0);
	CHECK_STR(buf_cstr(&b), "1cdef");
	CHECK_INT(buf_put_front(&b, 1, bytes_of(NULL, 0)), 0);
	CHECK_STR(buf_cstr(&b), "cdef");
	CHECK_INT(buf_put_front(&b, 0, bytes_str("12345678")), 0);
	CHECK_STR(buf_cstr(&b), "12345678cdef");
	CHECK_INT(buf_put_front(&b, 12, bytes_str("0123456789ab")), 0);
	CHECK_INT(buf_put_front(&b, 1, bytes_str("12")), ERR_TOO_BIG);
	CHECK(bytes_eq(buf_bytes(&b), bytes_str("0123456789ab")));
	buf_fini(&b);
}

/* Appends until an allocation fails; what was there before must stay. */
static size_t write_log(struct buf *b, char *model, size_t model_cap)
{
	size_t len = 0;

	for (int i = 0; i < 200; i++) {
		char line[32];
		int n = snprintf(line, sizeof(line), "line %d\n", i);

		if (buf_printf(b, "line %d\n", i) != 0)
			break;
		CHECK(len + (size_t)n < model_cap);
		memcpy(model + len, line, (size_t)n);
		len += (size_t)n;
	}
	return len;
}

TEST(buf_survives_the_failure_of_each_allocation)
{
	char model[4096];
	struct buf b;
	size_t total, len;

	failmalloc_start(0, false);
	buf_init(&b, sizeof(model));
	write_log(&b, model, sizeof(model));
	buf_fini(&b);
	total = failmalloc_stop();
	CHECK(total > 1 && total < 10);
	for (size_t n = 1; n <= total; n++) {
		buf_init(&b, sizeof(model));
		failmalloc_start(n, false);
		len = write_log(&b, model, sizeof(model));
		failmalloc_stop();
		CHECK_INT(b.err, ERR_NOMEM);
		CHECK_INT(b.len, len);
		CHECK(len == 0 || memcmp(b.ptr, model, len) == 0);
		CHECK_INT(buf_put_u8(&b, 1), ERR_NOMEM);
		buf_clear(&b);
		CHECK_INT(buf_put_str(&b, "again"), 0);
		CHECK_STR(buf_cstr(&b), "again");
		buf_fini(&b);
	}
}

TEST(buf_cstr_without_memory_is_null)
{
	struct buf b;

	buf_init(&b, 10);
	failmalloc_start(1, false);
	CHECK(buf_cstr(&b) == NULL);
	failmalloc_stop();
	CHECK_STR(buf_cstr(&b), "");
	buf_fini(&b);
}

TEST(buf_agrees_with_a_plain_array_on_random_steps)
{
	enum { MAX = 300 };

	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint8_t model[MAX], data[64];
		size_t len = 0;
		struct rng r;
		struct buf b;

		rng_seed(&r, seed);
		buf_init(&b, MAX);
		for (int step = 0; step < 500; step++) {
			size_t n = rng_below(&r, sizeof(data));

			if (rng_below(&r, 3) == 0) {
				n = n < len ? n : len;
				buf_consume(&b, n);
				memmove(model, model + n, len - n);
				len -= n;
			} else if (n <= MAX - len) {
				rng_fill(&r, data, n);
				CHECK_SEED(buf_put(&b, bytes_of(data, n)) == 0, seed);
				memcpy(model + len, data, n);
				len += n;
			}
			CHECK_SEED(bytes_eq(buf_bytes(&b), bytes_of(model, len)), seed);
			CHECK_SEED(b.cap <= MAX, seed);
		}
		buf_fini(&b);
	}
}

TEST(bytes_are_ordered_as_raw_strings)
{
	CHECK(bytes_cmp(bytes_str("a"), bytes_str("b")) < 0);
	CHECK(bytes_cmp(bytes_str("a"), bytes_str("aa")) < 0);
	CHECK(bytes_cmp(bytes_str("\xff"), bytes_str("a")) > 0);
	CHECK_INT(bytes_cmp(bytes_str("a"), bytes_str("a")), 0);
	CHECK_INT(bytes_cmp(bytes_of(NULL, 0), bytes_str("")), 0);
	CHECK(bytes_eq(bytes_of(NULL, 0), bytes_str("")));
	CHECK(!bytes_eq(bytes_str("ab"), bytes_str("abc")));
}
